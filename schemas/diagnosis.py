"""What keeps a model from being better? What was measured of one run, and the constraint that binds."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

__all__ = [
    "ORDER",
    "Bars",
    "Baseline",
    "Check",
    "Constraint",
    "Curve",
    "Diagnosis",
    "Effect",
    "Room",
    "Slice",
    "Wrong",
]

Span = tuple[float, float, float]  # low, estimate, high; each end a one-sided bound


class Constraint(StrEnum):
    LEAK = "leak"
    NOISE = "label noise"
    MISMATCH = "train/live mismatch"
    SLICE = "weak slice"
    BIAS = "bias"
    VARIANCE = "variance"
    DATA = "too little data"
    SEEDS = "seed variance"
    SEARCH = "search at its edge"
    TEST = "too few rows to tell"
    CEILING = "at the ceiling"


# In which order one looks for a fault; the first that fails is named.
ORDER = ("data", "labels", "splits", "baseline", "capacity", "optimisation", "regularisation", "tuning")


@dataclass(frozen=True)
class Room:
    """How much loss a row would be gained if this constraint were gone."""

    constraint: Constraint
    gain: Span
    binds: bool  # shown, and not only possible
    says: str  # one sentence, with the numbers it rests on
    advice: str  # what would mend it


@dataclass(frozen=True)
class Check:
    """One step of the debugging order."""

    step: str  # of ORDER
    passed: bool | None  # None: not looked at
    says: str


@dataclass(frozen=True)
class Baseline:
    """What somebody gets who thinks less, or the level that was stated; on the judged rows."""

    name: str
    loss: Span | None
    metric: Span | None  # the framing's
    trained: bool = False


@dataclass(frozen=True)
class Curve:
    """Loss against training rows, with the law that runs through it."""

    rows: tuple[int, ...]
    train: tuple[float, ...]
    near: tuple[float, ...]
    more: dict[str, Span] = field(default_factory=dict)  # training rows as text: what so many more would gain
    floor: Span | None = None  # loss a row that no amount of such rows goes below


@dataclass(frozen=True)
class Slice:
    name: str
    rows: int
    loss: float
    excess: Span  # loss a row over that of all other rows
    share: float  # of all of the loss


@dataclass(frozen=True)
class Effect:
    """What a feature is worth: loss a row that is added when its values are shuffled among judged rows."""

    feature: str
    gain: Span
    noise: float  # what a feature of noise is worth: the bar


@dataclass(frozen=True)
class Bars:
    """Something by bins, for a plot: calibration (said against came), or loss over time."""

    at: tuple[float, ...]
    values: tuple[Span, ...]
    rows: tuple[int, ...]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wrong:
    """One judged row that the model got wrong. It goes by its key, masked where that is personal, and by its slices."""

    key: str
    label: str
    said: str
    loss: float
    suspect: float  # how unlikely its label is to the model, in [0, 1]
    slices: tuple[str, ...] = ()
    values: dict[str, str] = field(default_factory=dict)  # features as text; personal ones masked


@dataclass(frozen=True)
class Diagnosis:
    """What was measured of one experiment, and the constraint that binds. Losses a row, lower is better."""

    problem: str
    experiment: str  # id of the job
    family: str
    loss: dict[str, float]  # train, near, judged; and test, live, target, best known where they are known
    spans: dict[str, Span]  # of the same
    metric: str
    metrics: dict[str, float]  # of the framing's metric, by part
    seed_sd: float
    baselines: tuple[Baseline, ...] = ()
    rooms: tuple[Room, ...] = ()  # the widest that binds first
    checks: tuple[Check, ...] = ()
    curve: Curve | None = None
    calibration: Bars | None = None
    over_time: Bars | None = None
    confusion: tuple[tuple[int, ...], ...] = ()  # rows truth, columns decision
    classes: tuple[str, ...] = ()
    slices: tuple[Slice, ...] = ()
    effects: tuple[Effect, ...] = ()
    wrong: tuple[Wrong, ...] = ()
    probes: dict[str, str] = field(default_factory=dict)  # what each probe found, in a sentence
    opportunity: str = ""  # how far simple models are from the best that is known, and what follows
    seconds: float = 0.0  # what diagnosing took
    of_seconds: float = 0.0  # what the fits took that were diagnosed

    @property
    def binding(self) -> Room:
        """The constraint to work on."""
        return next((room for room in self.rooms if room.binds), self.rooms[0])

    @property
    def first_failing(self) -> Check | None:
        """The first step of the debugging order that fails."""
        return next((check for check in self.checks if check.passed is False), None)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> "Diagnosis":
        """What `to_json` said, as it was; lists and tuples are alike."""
        kinds = {
            "baselines": Baseline,
            "rooms": Room,
            "checks": Check,
            "slices": Slice,
            "effects": Effect,
            "wrong": Wrong,
        }
        many = {name: tuple(_made(kind, one) for one in said[name]) for name, kind in kinds.items() if name in said}
        one = {"curve": Curve, "calibration": Bars, "over_time": Bars}
        single = {name: _made(kind, said[name]) for name, kind in one.items() if said.get(name) is not None}
        plain = {name: _tuples(value) for name, value in said.items() if name not in many and name not in single}
        return cls(**(plain | many | single))


def _made(kind: Any, said: dict[str, Any]) -> Any:
    values = {name: _tuples(value) for name, value in said.items()}
    if kind is Room:
        values["constraint"] = Constraint(values["constraint"])
    return kind(**values)


def _tuples(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_tuples(one) for one in value)
    return {name: _tuples(one) for name, one in value.items()} if isinstance(value, dict) else value
