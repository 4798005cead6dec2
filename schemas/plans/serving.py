"""How are requests answered, what may they ask, and how long is what was answered kept?"""

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from schemas.plans.words import Plan

__all__ = ["ServingPlan"]


class ServingPlan(Plan):
    """How requests are answered, what they may ask, and how long what was answered is kept."""

    answered_by: Literal["turns", "gateway"] = Field(
        default="turns",
        description="turns: each turn scores the rows of the table that came since. gateway: requests come by HTTP, and turns read its log.",
    )
    log_away: Literal["refuse", "serve and spill"] = Field(
        default="refuse",
        description="While the prediction log cannot be written: give no answers, or give them and keep them in a local file.",
    )
    request_bytes: int = Field(default=2**20, ge=1_000, description="A larger body is refused before it is read whole.")
    request_rows: int = Field(default=500, ge=1, le=512, description="Rows of one request; more are for batch scoring.")
    rows_waiting: int = Field(
        default=10_000, ge=512, description="Rows in the queue over which a request is told to wait."
    )
    shadow_rows_waiting: int = Field(
        default=4_000,
        ge=0,
        description="Rows waiting for a shadow score over which further ones are dropped, and counted.",
    )
    shadow_dropped: float = Field(
        default=0.05, gt=0, lt=1, description="Share of dropped shadow scores over which the others are a selection."
    )
    trip_in_a_row: int = Field(
        default=5, ge=2, description="Bad rows of the challenger, one after another, that trip its breaker."
    )
    slow_call: timedelta = Field(
        default=timedelta(milliseconds=500), description="A call of the challenger that takes longer counts as bad."
    )
    onnx: bool = Field(
        default=False,
        description="Ask models through an ONNX graph where it says the same on golden and replayed rows. Wants the extra `onnx`.",
    )
    poll: timedelta = Field(default=timedelta(seconds=1), description="How often a gateway looks for a new route.")
    keep_features: timedelta = Field(
        default=timedelta(days=90),
        description="What was asked is kept this long: for debugging, and it is the most personal part.",
    )
    keep_answers: timedelta = Field(
        default=timedelta(days=730), description="Answers and labels are kept this long in the log, then archived."
    )
    explore: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        description="Share of requests whose decision is drawn instead of the model's, with its probability logged: what a model's own decisions make of its data is known from these alone. 0: none. 0.01 to 0.05 is usual: its price is their wrong decisions.",
    )
    explore_to: int | str | None = Field(
        default=None,
        description="The decision that a drawn request gets, as of a holdback the one that does nothing. None: the one whose label is seen (so that nothing but a refusal is ever overruled), or, where every row is labelled, each with the same chance.",
    )
    explore_by: Literal["row", "entity"] = Field(
        default="row",
        description="row: requests are drawn one by one. entity: all of an entity's or none, a lasting holdback, which shows what decisions do to later requests; its price falls on the same ones.",
    )
    explore_scores: tuple[float, float] = Field(
        default=(0.0, 1.0),
        description="Only requests with a score in this range are drawn: a cap on what one costs. Of a count a day it could not be said how likely each was. What the others would have shown, nobody learns.",
    )

    @model_validator(mode="after")
    def _explores_somewhere(self) -> "ServingPlan":
        low, high = self.explore_scores
        if not 0 <= low < high <= 1:
            raise ValueError(f"explore_scores is a range within [0, 1], got {self.explore_scores}")
        return self
