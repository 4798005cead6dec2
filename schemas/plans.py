"""How carefully, how often and on which evidence does a problem's model get renewed?

Every number says its unit and its reason. A problem overrides what its own traffic and labels call for.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "Gate",
    "MonitoringPlan",
    "PairedTest",
    "Promotion",
    "Reason",
    "RetrainingPlan",
    "RolloutPlan",
    "ServingPlan",
]


class Reason(StrEnum):
    """Why a challenger is wanted."""

    FIRST_MODEL = "first model"
    SCHEDULE = "schedule"
    DRIFT = "drift"
    DECAY = "decay"
    PERSON = "person"
    FORCED = "forced replacement"


class Promotion(StrEnum):
    """Which claim about the paired difference promotes."""

    SUPERIORITY = "superiority"
    NON_INFERIORITY = "non-inferiority"


class PairedTest(StrEnum):
    """Which sequential test judges paired rows."""

    RUNNING_AVERAGE = "running average"  # about these rows; holds under drift and under days that move together
    BETTING = "betting"  # the same claim with some 10 % fewer rows; the interval shown beside it is the wider one


class Gate(StrEnum):
    """The offline gates, in the order in which a person would look."""

    FRESH_TEST_SET = "fresh test set"
    NO_OVERLAP = "no overlap"
    NO_DUPLICATES = "no near-duplicates"
    NUMERICAL_HEALTH = "numerical health"
    CONSTANT = "constant"
    CHAMPION = "champion"
    REQUIREMENTS = "requirements"
    SLICES = "slices"
    WEAK_SLICES = "weak slices"
    CALIBRATION = "calibration"
    FAIRNESS = "fairness"
    BUSINESS_VALUE = "business value"
    BEHAVIOUR = "behaviour"
    SIMPLICITY = "simplicity"
    SERVEABILITY = "serveability"


class _Plan(BaseModel):
    # A limit that is no number would let everything pass.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RolloutPlan(_Plan):
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


class MonitoringPlan(_Plan):
    """When is the champion no longer the right one?"""

    window: timedelta = Field(
        default=timedelta(days=7), description="One monitoring window: a week holds every weekday once."
    )
    reference: timedelta = Field(
        default=timedelta(days=56),
        description="How far back the reference reaches where no training rows exist.",
    )
    history: timedelta = Field(
        default=timedelta(days=182), description="How far back calibration windows are taken from."
    )
    false_alarms: float = Field(
        default=0.06,
        gt=0,
        lt=1,
        description="Drift alarms per window without drift. 17 calibration windows support 1 in 18.",
    )
    effect_floor: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="Distance (KS or total variation) below which a shift is never worth a retrain.",
    )
    bad_share: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="Share of rows breaking the contract above which a batch is refused.",
    )
    decay_window: timedelta = Field(
        default=timedelta(days=21),
        description="Matured rows the champion answered that its live loss is taken from.",
    )
    decay_blocks: int = Field(
        default=10,
        ge=3,
        description="Days of matured rows needed: a day is the unit, since rows of one day move together.",
    )
    decay_tolerance: float = Field(
        default=0.0005, ge=0, description="Loss a row above the held-out level that is still no decay."
    )
    decay_alpha: float = Field(default=0.01, gt=0, lt=1, description="Error rate of each look at the decay.")


class RetrainingPlan(_Plan):
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

    def promotes_by(self, reason: Reason) -> Promotion:
        """Superiority is the default: an equal model passes a non-inferiority test by design."""
        return self.promotion.get(reason, Promotion.SUPERIORITY)


class ServingPlan(_Plan):
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
