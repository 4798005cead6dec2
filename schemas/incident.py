"""What happened to a champion's world, and what is done about it?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Literal

__all__ = ["FAULTS", "Action", "Incident", "Kind"]


class Kind(StrEnum):
    """What is the matter. The first three are faults of what came in: nothing may be trained on it."""

    DATA_FAULT = "data fault"  # rows that break the contract, are missing, empty, or out of all range
    MEANING = "change of meaning"  # a column says another thing than it did: units, codes, a silent default
    LABEL_FAULT = "label-pipeline fault"  # labels that are due did not come, or those of one class
    MODEL_BUG = "model bug"  # it raises, says one thing to all, or is worse than the model it replaced
    LABEL_SHIFT = "label shift"  # another share of each class, rows of a class as they were
    CONCEPT_DRIFT = "concept drift"  # the same inputs, another truth
    COVARIATE_SHIFT = "covariate shift"  # other inputs; what they mean is as it was, as far as labels can tell
    SEASONAL = "seasonal"  # other inputs, as a cycle ago
    STALENESS = "staleness"  # nothing but time


FAULTS = frozenset({Kind.DATA_FAULT, Kind.MEANING, Kind.LABEL_FAULT})


class Action(StrEnum):
    """What is done about it."""

    HOLD = "hold"  # no step on these rows, and no training on them
    NOTE = "note"  # written down, nothing else
    RECALIBRATE = "recalibrate"  # a challenger: the champion's scores re-mapped, its threshold chosen anew
    RETRAIN = "retrain"  # a challenger, trained on the window that the incident names
    ROLL_BACK = "roll back"  # the previous champion is restored
    ASK = "ask a person"  # nothing is done until somebody says what


@dataclass(frozen=True)
class Incident:
    """One thing that is the matter: what it is, what is done about it, and one or two plain sentences why.

    `window` is how far back from now rows speak of the world as it is since the change; None: all rows do, or nobody
    knows. `emergency`: the decay is beyond the size that the plan lets wait. `columns` are those it shows in. `spent`: which
    allowance is used up, so that a person is asked instead.
    """

    kind: Kind
    action: Action
    reason: str
    evidence: Mapping[str, float | int | str | None] = field(default_factory=dict)
    window: timedelta | None = None
    columns: tuple[str, ...] = ()
    emergency: bool = False
    spent: Literal["", "budget", "oscillation", "answer"] = ""
