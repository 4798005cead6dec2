"""How carefully does a challenger become champion?"""

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from schemas.plans.words import PairedTest, Plan

__all__ = ["RolloutPlan"]


class RolloutPlan(Plan):
    """From an accepted recipe to a champion. Durations count from the moment the stage (or share) began."""

    alpha: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="Error rate of each sequential test, however often it is looked at.",
    )
    paired_test: PairedTest = Field(
        default=PairedTest.RUNNING_AVERAGE,
        description="What is said is what is decided by: its interval is the one that is shown.",
    )
    shadow_at_least: timedelta = Field(
        default=timedelta(days=7), description="A week of cohorts sees every weekday once."
    )
    shadow_at_most: timedelta = Field(
        default=timedelta(days=42),
        description="A challenger not shown better by then is not worth waiting for.",
    )
    shares: tuple[float, ...] = Field(
        default=(0.05, 0.25),
        description="5 % bounds harm to 1 customer in 20 before the first error is seen.",
    )
    share_at_least: timedelta = Field(
        default=timedelta(days=2), description="Two days see a night and a working day twice."
    )
    share_requests: int = Field(default=100, ge=1, description="Requests the challenger must answer at a share.")
    share_entities: int = Field(
        default=50, ge=1, description="Distinct entities among them: errors of one customer are one error."
    )
    canary_at_most: timedelta = Field(
        default=timedelta(days=14), description="Traffic too thin for a canary by then needs another plan."
    )
    error_ratio: float = Field(
        default=1.0, gt=0, description="The challenger's error rate over the champion's that is still sound."
    )
    slow_ratio: float = Field(
        default=2.0,
        gt=0,
        description="The challenger's rate of slow answers over the champion's that is still sound; slow is what takes longer than both the latency budget and the champion's p99 in shadow.",
    )
    prediction_shift: float | None = Field(
        default=3.0,
        gt=1,
        description="Live share of positives over the held-out share, either way, that calls for a halt. None where single days swing further by nature.",
    )
    ab_at_least: timedelta | None = Field(
        default=timedelta(days=14),
        description="Two weeks of half and half; None waives the stage, in writing.",
    )
    ab_at_most: timedelta = Field(default=timedelta(days=42), description="Three times the minimum.")
    ab_waiver: str = Field(default="", description="Why there is no A/B stage, when there is none.")
    ab_no_harm_suffices: bool = Field(default=False, description="At the deadline, promote if no harm was shown.")
    unlabelled: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="Share of matured rows without a label over which the labelled ones are a selection.",
    )
    approval: tuple[Literal["CANARY", "AB", "PROBATION"], ...] = Field(
        default=(),
        description="Stages that begin only when a person has approved it who did not start the retrain.",
    )
    approval_at_most: timedelta = Field(
        default=timedelta(days=7), description="A challenger that nobody approved by then goes; the champion stays."
    )
    probation: timedelta = Field(
        default=timedelta(days=14),
        description="The previous champion stays loaded this long: labels mature meanwhile.",
    )
    probation_rows: int = Field(
        default=30, ge=1, description="Matured rows it answered: fewer could not have shown a harm."
    )
    probation_at_most: timedelta = Field(
        default=timedelta(days=42), description="Labels that have not come by then never will."
    )

    @model_validator(mode="after")
    def _is_sound(self) -> "RolloutPlan":
        if not self.shares or any(not 0 < s < 1 for s in self.shares) or list(self.shares) != sorted(set(self.shares)):
            raise ValueError(f"canary shares must rise between 0 and 1, got {self.shares}")
        if self.ab_at_least is None and not self.ab_waiver:
            raise ValueError("a plan without an A/B stage says why in `ab_waiver`")
        return self

    def longest(self, *, maturity: timedelta) -> timedelta:
        """How long one rollout takes when nothing waits longer than it must."""
        return (
            self.shadow_at_least
            + maturity
            + len(self.shares) * self.share_at_least
            + (self.ab_at_least or timedelta(0))
            + self.probation
        )
