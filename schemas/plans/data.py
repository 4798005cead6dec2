"""How much of a table is held at once, and when is what arrived not to be trusted?"""

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from schemas.plans.words import Plan

__all__ = ["DataPlan"]


class DataPlan(Plan):
    """What the engine may hand out, and what a window of rows has to keep besides the contract."""

    frame_rows: int = Field(
        default=2_000_000,
        ge=1_000,
        description="Rows that pandas may hold at once: 20 columns of them take about 0.5 GB, and a fit thrice that.",
    )
    missing_noted: float = Field(
        default=0.05, ge=0, lt=1, description="Missing share of a column that is imputed and noted."
    )
    missing_fault: float = Field(
        default=0.5, gt=0, le=1, description="Missing share from which a column that was filled is a fault."
    )
    partition: timedelta = Field(default=timedelta(days=1), description="Rows arrive by the day.")
    volume_ratio: float = Field(
        default=3.0,
        gt=1,
        description="A partition's rows over the median of the same weekday, either way, that is a fault.",
    )
    volume_weeks: int = Field(default=4, ge=2, description="Same weekdays that a partition is held against.")
    stale_partitions: int = Field(
        default=2, ge=1, description="Partitions without a row, up to now, after which the table is late."
    )
    fold_below: int = Field(
        default=10_000,
        ge=0,
        description="Labelled rows under which the gate judges folds instead of one held-out set; 0 never.",
    )
    folds: int = Field(default=5, ge=2, le=20, description="Folds in time order, each fitted on the rows before it.")
    entities: Literal["shared", "disjoint"] = Field(
        default="shared",
        description="disjoint: judged on entities that were never fitted, where new ones are what is served.",
    )
    embargo: timedelta | None = Field(
        default=None,
        description="Between the rows that are fitted and those that are judged; None: the framing's maturity, as when the model serves. A shorter one fits only what was labelled quickly.",
    )

    @model_validator(mode="after")
    def _is_sound(self) -> "DataPlan":
        if self.missing_noted >= self.missing_fault:
            raise ValueError(
                f"missing_noted {self.missing_noted} is not under missing_fault {self.missing_fault}: all would be a fault"
            )
        if self.partition <= timedelta(0) or (self.embargo is not None and self.embargo < timedelta(0)):
            raise ValueError(f"a partition lasts, and an embargo is not negative: {self.partition}, {self.embargo}")
        return self
