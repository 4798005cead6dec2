"""What is known of a problem before its first turn? Counted and measured, not judged; None where it could not be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from schemas.problem import Problem

__all__ = [
    "Baseline",
    "Broken",
    "Database",
    "Environment",
    "Facts",
    "Labels",
    "Parts",
    "Shape",
    "Suspect",
    "Worth",
]

Interval3 = tuple[float, float, float]  # low, estimate, high; nan where undefined


@dataclass(frozen=True)
class Environment:
    """The machine and what is installed on it."""

    python: tuple[int, int]
    differing: tuple[tuple[str, str, str], ...]  # package, installed ("" where it is not), locked
    unlocked: bool  # there is no requirements.lock to compare with
    switches: tuple[str, ...]  # variables of the environment that switch contracts off
    home: str
    writable: bool
    free_gb: float


@dataclass(frozen=True)
class Database:
    """One of the stores a turn writes to. `says` is why it cannot be reached; empty where it can."""

    what: str
    setting: str  # the variable that names it
    says: str = ""


@dataclass(frozen=True)
class Shape:
    """The whole table, counted where it lies."""

    rows: int
    first: datetime | None
    last: datetime | None
    days: int  # days that have rows
    longest_gap: timedelta  # between two neighbouring days that have rows
    future: int  # rows whose event is yet to come
    no_time: int
    no_key: int
    repeated_keys: int  # rows more than keys
    entities: int  # all there are; keys where nobody repeats
    filled_with_label: tuple[str, ...] = ()  # features that are missing until the label is known

    @property
    def span(self) -> timedelta:
        return self.last - self.first if self.first and self.last else timedelta(0)

    @property
    def rows_a_day(self) -> float:
        return self.rows / max(self.span / timedelta(days=1), 1.0)


@dataclass(frozen=True)
class Broken:
    """Rows held to the contract: how many break it, by `column: rule`."""

    rows: int
    bad: int
    rules: Mapping[str, int]


@dataclass(frozen=True)
class Labels:
    """Rows older than the maturity at the newest moment of the table, and when their labels came."""

    matured: int
    labelled: int
    classes: Mapping[str, int]  # labelled rows by class; empty for a regression
    median: timedelta | None = None  # from event to label, of the class that takes longest
    most: timedelta | None = None  # the delay that 99 % of that class's labels keep
    slowest: str = ""  # which class that is ("fraud = 1"); empty where all take about as long
    late: float = 0.0  # largest share of a class's labels that came after the maturity
    early: int = 0  # labels known before their event


@dataclass(frozen=True)
class Parts:
    """Labelled rows that a retrain at `now` would train on, choose its threshold on, and be judged on."""

    at: str  # "the newest moment" or "the start of the replay"
    now: datetime
    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class Suspect:
    """A feature that by itself nearly says the target: area under its curve, or share of variance."""

    feature: str
    measure: str  # "AUC" or "R2"
    value: float


@dataclass(frozen=True)
class Baseline:
    """One way to answer, on held-out rows of a bounded sample."""

    name: str  # "chance", "naive baseline", "heuristic", "linear", ...
    trained: bool
    loss: Interval3
    metric: Interval3  # the framing's own


@dataclass(frozen=True)
class Worth:
    """What a model adds on held-out rows of a bounded sample. A gain is loss a row, larger is better."""

    rows: int  # judged on
    days: int  # that they span
    baselines: tuple[Baseline, ...]
    rival: str  # the best that needs no training
    gains: Mapping[str, Interval3]  # of each trained family over the rival
    variance: float  # of the paired difference between the recipe and the rival
    rival_variance: float  # of the rival's own loss a row


@dataclass(frozen=True)
class Facts:
    """All that the advice rests on."""

    problem: Problem
    now: datetime
    environment: Environment | None = None
    databases: tuple[Database, ...] = ()
    shape: Shape | None = None
    broken: Broken | None = None
    labels: Labels | None = None
    parts: tuple[Parts, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    worth: Worth | None = None
    failed: Mapping[str, str] = field(default_factory=dict)  # what could not be looked at, and why
