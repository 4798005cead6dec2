"""What is a report about: which window, what was concluded, from which numbers, and where does each name stand?"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from schemas.verdict import Outcome, Verdict

__all__ = ["Judged", "Matured", "Window"]


@dataclass(frozen=True)
class Judged:
    """One name of the verdict: its distance from the reference, its limit, and what that means under the verdict.

    `outcome` is FAIL only where the verdict is; a name whose distance or limit nobody knows, and every name under a verdict
    that waits, is WAIT.
    """

    name: str
    distance: float
    limit: float
    outcome: Outcome
    said: str

    @property
    def share(self) -> float:
        """The distance in units of its limit: above 1 it is outside; nan where either is unknown."""
        known = math.isfinite(self.distance) and math.isfinite(self.limit) and self.limit > 0
        return self.distance / self.limit if known else math.nan


@dataclass(frozen=True)
class Window:
    """The monitoring window [start, end) of a problem, with the verdict and the numbers that it was computed from, once.

    `distances` are larger the further apart; `limits` are those that the verdict held them against, its floor included. A
    name is a column's, "score", "missing COLUMN", "slice COLUMN=VALUE" or any other that the verdict knows.
    """

    problem: str
    start: datetime
    end: datetime
    verdict: Verdict
    distances: Mapping[str, float]
    limits: Mapping[str, float]
    model: str = ""

    @property
    def name(self) -> str:
        return f"{self.start:%Y%m%dT%H%M}-{self.end:%Y%m%dT%H%M}"

    @property
    def span(self) -> str:
        """`start` to `end` for people; the time of day only where it says something."""
        form = (
            "%Y-%m-%d" if (self.start.hour, self.start.minute) == (self.end.hour, self.end.minute) else "%Y-%m-%d %H:%M"
        )
        return f"{self.start.strftime(form)} to {self.end.strftime(form)}"

    @property
    def title(self) -> str:
        return f"{self.problem}, {self.span}: drift {self.verdict.outcome}"

    @property
    def alarm(self) -> bool:
        """A window that somebody will want to look at: nobody can say that all is well."""
        return self.verdict.outcome is not Outcome.PASS

    def judged(self) -> list[Judged]:
        """Every name, furthest beyond its limit first, and those without a distance or a limit at the end."""
        found = [self._one(name) for name in sorted({*self.distances, *self.limits})]
        return sorted(found, key=lambda one: (math.isnan(one.share), -one.share if one.share == one.share else 0.0))

    def _one(self, name: str) -> Judged:
        distance, limit = self.distances.get(name, math.nan), self.limits.get(name, math.nan)
        outcome, said = Outcome.PASS, "within its limit"
        if not (math.isfinite(distance) and math.isfinite(limit)):
            outcome, said = Outcome.WAIT, "no distance or no limit is known"
        elif self.verdict.outcome is Outcome.WAIT:
            outcome, said = Outcome.WAIT, "not judged: the verdict on the window waits"
        elif distance > limit and self.verdict.outcome is Outcome.FAIL:
            outcome, said = Outcome.FAIL, "moved beyond its limit"
        elif distance > limit:
            outcome, said = Outcome.WAIT, "beyond its limit, which is no alarm by itself"
        return Judged(name, float(distance), float(limit), outcome, said)


@dataclass(frozen=True)
class Matured:
    """Rows that one model answered and whose labels had time to come; arrays of the same n, of several classes scores (n, k).

    Labels and decisions are what losses know: a class's index, or the number itself; a label is nan where none came.
    """

    score: np.ndarray
    decision: np.ndarray
    label: np.ndarray
    since: datetime
    until: datetime
