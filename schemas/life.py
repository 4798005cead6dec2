"""What is the life of a problem, as far as it can be drawn? Its stages, who served when, what happened, how good it was."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from schemas.figure import Figure
from schemas.stage import Stage

__all__ = ["Band", "Life", "Mark", "MarkKind", "Reign"]

MarkKind = Literal["drift", "retrain", "promoted", "rolled back", "rejected", "fault", "request", "approval"]


@dataclass(frozen=True)
class Band:
    """A stage, from the turn that entered it to the turn that left it."""

    stage: Stage
    start: datetime
    end: datetime
    share: float = 0.0  # of requests that the challenger answered last


@dataclass(frozen=True)
class Reign:
    """Who answered as champion, and for how long."""

    model: str  # sha256
    version: str
    name: str
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Mark:
    """Something that happened at a turn."""

    kind: MarkKind
    at: datetime
    what: str  # a few words
    why: str  # the row's own reason


@dataclass(frozen=True)
class Life:
    """A problem over a span of time. `quality` holds the newest word on each cohort's loss, which is better lower; `limits`
    what the loss was when a model was accepted, by sha256."""

    problem: str
    start: datetime
    end: datetime
    turns: int
    bands: tuple[Band, ...]
    reigns: tuple[Reign, ...]
    marks: tuple[Mark, ...]
    quality: tuple[Figure, ...] = ()
    limits: tuple[tuple[str, float], ...] = ()
