"""What came of a night of experiments? Every step with what was hoped of it, what it cost, why it ended and who won."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from schemas.diagnosis import Baseline, Span
from schemas.experiment import Gain, Result
from schemas.idea import Idea, Quadrant

__all__ = ["Called", "Night", "Skipped", "Spent", "Step"]


class Called(StrEnum):
    GAIN = "gain"  # shown: the low end of its interval is above zero
    NOISE = "noise"  # not told apart from none
    WORSE = "worse"  # excluded: even the high end is no gain
    FAILED = "failed"  # the fit raised


@dataclass(frozen=True)
class Step:
    """One experiment: an idea tried on a parent, with what had been said of it before it ran."""

    idea: Idea
    parent: str  # id of the parent's job
    job: str  # id of its own
    tier: str
    result: Result | None  # None: not run yet
    gain: Gain | None  # over the parent; None where the fit raised
    called: Called
    predicted_chance: float  # that it gains
    predicted_gain: float  # loss a row that it gains where it does
    quadrant: Quadrant
    why: str  # one sentence: why this one, now
    seconds: float = 0.0
    became: str = ""  # id of the job of the recipe that it made the next parent; empty where it did not

    @property
    def settled(self) -> bool:
        """It counts for how good the predictions were."""
        return self.result is not None and self.called is not Called.FAILED

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "idea": self.idea.to_json(),
            "result": self.result and self.result.to_json(),
            "called": str(self.called),
            "quadrant": str(self.quadrant),
        }

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> "Step":
        return cls(
            **said
            | {
                "idea": Idea.from_json(said["idea"]),
                "result": Result.from_json(said["result"]) if said["result"] else None,
                "gain": Gain(**said["gain"]) if said["gain"] else None,
                "called": Called(said["called"]),
                "quadrant": Quadrant(said["quadrant"]),
            }
        )


@dataclass(frozen=True)
class Skipped:
    """What was not run, and why: avoided, excluded by what was seen, or vetoed."""

    idea: Idea
    why: str
    quadrant: Quadrant = Quadrant.AVOID

    def to_json(self) -> dict[str, Any]:
        return {"idea": self.idea.to_json(), "why": self.why, "quadrant": str(self.quadrant)}

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> "Skipped":
        return cls(Idea.from_json(said["idea"]), said["why"], Quadrant(said["quadrant"]))


@dataclass(frozen=True)
class Spent:
    """One limit of the plan; `of` is None where there is none."""

    what: str  # experiments, hours, or a currency
    used: float
    of: float | None


@dataclass(frozen=True)
class Night:
    """A run of the experiment loop, as far as it has come. Losses and gains a row; lower losses are better."""

    problem: str
    began: datetime
    ended: datetime | None  # None while it runs
    start: str  # id of the job that all began with
    steps: tuple[Step, ...] = ()  # in the order in which they were run
    baselines: tuple[Baseline, ...] = ()  # on the judged rows; the best known and the target among them
    opportunity: str = ""  # how far simple models are from the best that is known, and what follows
    spent: tuple[Spent, ...] = ()
    stopped: str = ""  # one sentence: why it ended
    decisions: tuple[str, ...] = ()  # persist or pivot, a sentence each, in order
    learned: tuple[str, ...] = ()  # sentences: what is known now that was not
    next: tuple[Idea, ...] = ()  # what is best to try next, the best first
    skipped: tuple[Skipped, ...] = ()  # what not to bother with
    requests: tuple[Idea, ...] = ()  # to people
    winner: str = ""  # id of the job that won; empty: what was there stays
    gain: Gain | None = None  # of the winner over the start
    handed: str = ""  # one sentence: whether and how the winner was handed to the gate
    again: str = ""  # the command that makes the winner again
    links: dict[str, str] = field(default_factory=dict)  # pages that belong to it, by what they are called

    @property
    def brier(self) -> float | None:
        """Mean squared distance of the predicted chances from what came, in [0, 1]; .25 is what always saying a half gets.
        None where no step is settled."""
        said = [(step.predicted_chance - (step.called is Called.GAIN)) ** 2 for step in self.steps if step.settled]
        return sum(said) / len(said) if said else None

    @property
    def shown(self) -> tuple[Step, ...]:
        """The steps that gained."""
        return tuple(step for step in self.steps if step.called is Called.GAIN)

    @property
    def path(self) -> tuple[Step, ...]:
        """The steps that lead from the start to the winner, in order."""
        found, at = list[Step](), self.winner
        while step := next((one for one in self.steps if at and one.became == at), None):
            found.append(step)
            at = step.parent
        return tuple(reversed(found))

    @property
    def won(self) -> str:
        """The changes that won, by name and in order; empty where what was there stays."""
        return ", then ".join(step.idea.name for step in self.path) or (
            self.name_of(self.winner) if self.winner else ""
        )

    def name_of(self, job: str) -> str:
        """The idea behind a job, or that it was the start."""
        if job == self.start:
            return "the start"
        return next((step.idea.name for step in self.steps if job in (step.job, step.became)), job)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "began": self.began.isoformat(),
            "ended": self.ended and self.ended.isoformat(),
            "steps": [step.to_json() for step in self.steps],
            "next": [idea.to_json() for idea in self.next],
            "skipped": [one.to_json() for one in self.skipped],
            "requests": [idea.to_json() for idea in self.requests],
        }

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> "Night":
        return cls(
            **said
            | {
                "began": datetime.fromisoformat(said["began"]),
                "ended": datetime.fromisoformat(said["ended"]) if said["ended"] else None,
                "steps": tuple(map(Step.from_json, said["steps"])),
                "baselines": tuple(_baseline(one) for one in said["baselines"]),
                "spent": tuple(Spent(**one) for one in said["spent"]),
                "decisions": tuple(said["decisions"]),
                "learned": tuple(said["learned"]),
                "next": tuple(map(Idea.from_json, said["next"])),
                "skipped": tuple(map(Skipped.from_json, said["skipped"])),
                "requests": tuple(map(Idea.from_json, said["requests"])),
                "gain": Gain(**said["gain"]) if said["gain"] else None,
            }
        )


def _baseline(said: dict[str, Any]) -> Baseline:
    return Baseline(said["name"], _span(said["loss"]), _span(said["metric"]), said["trained"])


def _span(said: list[float] | None) -> Span | None:
    if said is None:
        return None
    low, estimate, high = said
    return low, estimate, high
