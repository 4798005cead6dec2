"""What is a challenger trained and judged on, and how often?"""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from schemas.plans.words import Gate, Plan, Promotion, Reason

__all__ = ["RetrainingPlan"]


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
        },
        description="Superiority unless newer is worth having in itself: the champion is known to be out of date.",
    )
    patience: timedelta = Field(
        default=timedelta(days=14), description="How long RETRAIN waits for held-out rows that nobody trained on."
    )
    healthy_turn: timedelta = Field(default=timedelta(days=7), description="A turn of the loop while HEALTHY.")
    rollout_turn: timedelta = Field(default=timedelta(days=1), description="A turn of the loop during a rollout.")
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
