"""What is a challenger trained and judged on, and how often?"""

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from schemas.plans.words import Gate, Plan, Promotion, Reason
from schemas.recipe import Recipe

__all__ = ["Reach", "RetrainingPlan"]

_DAY = timedelta(days=1)


class Reach(Plan):
    """How far back training rows reach, and how much the old ones of them count: one of what may be chosen among."""

    rows: Literal["all", "trailing", "since the change"]
    window: timedelta | None = Field(default=None, gt=timedelta(0), description="Of a trailing one: how far back.")
    half_life: timedelta | None = Field(
        default=None,
        gt=timedelta(0),
        description="Rows weigh half as much for each of these they are older; None: alike.",
    )

    @model_validator(mode="after")
    def _says_how_far(self) -> "Reach":
        if (self.rows == "trailing") != (self.window is not None):
            raise ValueError("a trailing window says how far back it reaches, and no other does")
        return self

    @property
    def name(self) -> str:
        """What people read: trailing 84 days, half-life 28 days."""
        said = f"trailing {self.window / _DAY:g} days" if self.window else self.rows
        return f"{said}, half-life {self.half_life / _DAY:g} days" if self.half_life else said

    def applied(self, recipe: Recipe, *, since_change: timedelta | None) -> Recipe | None:
        """The recipe with this window; None where it is one since a change and nobody knows of one."""
        if self.rows == "since the change" and since_change is None:
            return None
        window = {"all": None, "trailing": self.window, "since the change": since_change}[self.rows]
        return recipe.model_copy(update={"window": window, "half_life": self.half_life})


class RetrainingPlan(Plan):
    """What a challenger is trained and judged on, and how often."""

    every: timedelta | None = Field(
        default=timedelta(days=91),
        description="Retrain on schedule this long after the last try; None never.",
    )
    cooldown: timedelta = Field(
        default=timedelta(days=7),
        description="Rest after a rollout ended, so that one incident calls one retrain.",
    )
    test: timedelta = Field(default=timedelta(days=7), description="The newest matured rows, held out for the gate.")
    validation: timedelta = Field(default=timedelta(days=7), description="The rows before them, for the threshold.")
    test_rows: int = Field(default=500, ge=1, description="Fewer held-out rows decide nothing.")
    train_rows: int = Field(default=500, ge=1, description="Fewer training rows train nothing.")
    alpha: float = Field(
        default=0.05, gt=0, lt=1, description="Error rate of the offline gate: one look at one snapshot."
    )
    gates: tuple[Gate, ...] = Field(
        default=tuple(Gate),
        description="Which offline gates are asked; one that the framing gives nothing to ask is left out.",
    )
    test_uses: int = Field(
        default=1, ge=1, description="Decisions that one held-out set may carry: the second look is no longer honest."
    )
    duplicates: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="Share of held-out rows with a near-duplicate in training, over what is natural.",
    )
    copies: Literal["drop", "keep"] = Field(
        default="drop",
        description="Rows that equal another in everything but the key: written twice, or, to keep, so few columns that rows meet by chance.",
    )
    slice_rows: int = Field(default=200, ge=2, description="A slice with fewer held-out rows is named and not judged.")
    calibration_rows: int = Field(default=200, ge=20, description="Fewer held-out rows say nothing about calibration.")
    model_mb: float = Field(default=500, gt=0, description="Size of the model's file, in MB, that a registry bears.")
    memory_mb: float = Field(
        default=2_000, gt=0, description="Memory, in MB, that loading and scoring may add to a process."
    )
    load_at_most: timedelta = Field(
        default=timedelta(seconds=30),
        description="A server that takes longer to start is no longer rolled back quickly.",
    )
    promotion: dict[Reason, Promotion] = Field(
        default={
            Reason.DRIFT: Promotion.NON_INFERIORITY,
            Reason.DECAY: Promotion.NON_INFERIORITY,
            Reason.FORCED: Promotion.NON_INFERIORITY,
            Reason.STALENESS: Promotion.NON_INFERIORITY,
            Reason.RECALIBRATION: Promotion.NON_INFERIORITY,
        },
        description="Superiority unless newer is worth having in itself: the champion is known to be out of date.",
    )
    patience: timedelta = Field(
        default=timedelta(days=14), description="How long RETRAIN waits for held-out rows that nobody trained on."
    )
    healthy_turn: timedelta = Field(default=timedelta(days=7), description="A turn of the loop while HEALTHY.")
    rollout_turn: timedelta = Field(default=timedelta(days=1), description="A turn of the loop during a rollout.")
    retrains_a_month: int = Field(
        default=4,
        ge=1,
        description="Retrains that the loop may start by itself within 30 days; then a person is asked. The first model is not counted, nor what people ask for.",
    )
    emergency: float | None = Field(
        default=1.0,
        gt=0,
        description="Live loss over the accepted one, as a share of it, that waits for no cooldown and no budget: 1 is twice the loss. None: nothing does.",
    )
    incident: timedelta = Field(
        default=timedelta(days=28),
        description="An incident that goes on is answered once; this long after its answer ended it is a new one, with new rows to learn from.",
    )
    flips: timedelta = Field(
        default=timedelta(days=90),
        description="A champion that came back within this time makes the next change back and forth a person's to decide.",
    )

    start_rows: int = Field(
        default=200,
        ge=20,
        description="Rows new to the champion under which it is neither recalibrated nor updated: two numbers need few.",
    )

    reaches: tuple[Reach, ...] = Field(
        default=(),
        description="Training windows beside the recipe's own, of which the one is taken that loses least on validation rows: give those some days (`validation`). None: the recipe's own.",
    )
    new_labels: int | None = Field(
        default=None, ge=1, description="Retrain when so many labels matured since the last training; None never."
    )
    new_labels_share: float | None = Field(
        default=None,
        gt=0,
        description="Retrain when the labels that matured since are this share of the rows the champion was trained on: what learns from all history changes by the ratio of new rows to old. None never.",
    )
    stale_after: int | None = Field(
        default=None,
        ge=2,
        description="Past rollouts whose paired rows have to show how much models lose with age before that alone calls for a retrain, once the loss is the framing's margin; None never.",
    )
    selective: Literal["weight", "ignore"] = Field(
        default="weight",
        description="Where a label is only seen after one decision: weigh each labelled row by one over the chance it had of a label, or fit the labelled rows as if they were all. Ignored, each retrain learns what the last model let it see.",
    )
    weight_at_most: float = Field(
        default=50.0,
        ge=1,
        description="Weights of training rows are cut here, and the part that is cut is told: beyond, a single explored row moves the fit more than what it corrects. Estimates of quality are never cut.",
    )

    def promotes_by(self, reason: Reason) -> Promotion:
        """Superiority is the default: an equal model passes a non-inferiority test by design."""
        return self.promotion.get(reason, Promotion.SUPERIORITY)
