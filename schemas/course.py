"""Go on, turn, or stop? What the criteria say that were fixed beforehand, and what is left to spend."""

from dataclasses import asdict, dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

__all__ = ["Course", "Judgement", "Left"]


class Course(StrEnum):
    PERSIST = "persist"
    PIVOT = "pivot"  # what was tried of late does not help: explore anew, moonshots among it
    STOP = "stop"


@dataclass(frozen=True)
class Left:
    """What remains to be spent. What has been spent is in no criterion."""

    runs: int
    time: timedelta
    money: float | None = None  # None: not counted


@dataclass(frozen=True)
class Judgement:
    """Persist, pivot or stop: the criterion that decided, why, and the numbers it rests on."""

    course: Course
    criterion: str  # goal, resources, findings, backlog, gap, improvement
    reason: str
    numbers: dict[str, float] = field(default_factory=dict)

    @property
    def stops(self) -> bool:
        return self.course is Course.STOP

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"course": str(self.course)}
