"""Which words do plans choose from?"""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

__all__ = ["Gate", "PairedTest", "Plan", "Promotion", "Reason"]


class Reason(StrEnum):
    """Why a challenger is wanted."""

    FIRST_MODEL = "first model"
    SCHEDULE = "schedule"
    DRIFT = "drift"
    DECAY = "decay"
    PERSON = "person"
    FORCED = "forced replacement"
    STALENESS = "staleness"  # models of this problem are known to lose with age, by so much by now
    LABELS = "new labels"  # so many matured since the last training
    EXPERIMENTS = "experiments"  # a night of experiments found a recipe that loses less
    RECALIBRATION = "recalibration"  # the share of each class moved, and what inputs mean did not


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


class Plan(BaseModel):
    # A limit that is no number would let everything pass.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
