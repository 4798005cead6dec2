"""How often was a test wrong, how sure is that, and is it what was promised?"""

import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from scipy.stats import beta

__all__ = ["ALPHA", "LIMIT", "Expected", "Job", "Power", "Rate", "chunks", "clopper_pearson"]

ALPHA = 0.05
LIMIT = math.log(1 / ALPHA)
LEVEL = 0.975  # of each Clopper-Pearson bound by itself


class Expected(StrEnum):
    """What a rate has to be for this proof to stand."""

    HOLDS = "holds"
    FAILS = "fails"
    REPORTED = "reported"


@dataclass(frozen=True)
class Rate:
    """`wrong` of `runs` runs in which a test contradicted the truth at any of its looks, against the promised `alpha`."""

    test: str
    case: str
    claim: str
    runs: int
    wrong: int
    alpha: float = ALPHA
    expected: Expected = Expected.HOLDS
    naive: bool = False

    @property
    def rate(self) -> float:
        return self.wrong / self.runs

    @property
    def lower(self) -> float:
        return clopper_pearson(self.wrong, self.runs)[0]

    @property
    def upper(self) -> float:
        return clopper_pearson(self.wrong, self.runs)[1]

    @property
    def holds(self) -> bool:
        """Shown to be at most alpha."""
        return self.upper <= self.alpha

    @property
    def fails(self) -> bool:
        """Shown to be over alpha."""
        return self.lower > self.alpha

    def stands(self, *, quick: bool) -> bool:
        """Is it as expected? A quick version has too few runs to show a rate to be small: not shown to fail is enough."""
        if self.expected is Expected.HOLDS:
            return not self.fails if quick else self.holds
        if self.expected is Expected.FAILS:
            return self.rate > self.alpha if quick else self.fails
        return True

    def row(self) -> dict[str, Any]:
        names = ("test", "case", "claim", "alpha", "runs", "wrong", "rate", "lower", "upper", "holds", "naive")
        return {name: getattr(self, name) for name in names} | {"expected": str(self.expected)}


@dataclass(frozen=True)
class Power:
    """How often a test had decided at `units` (rows or errors), and after how many of them it was planned to."""

    test: str
    case: str
    what: str
    units: tuple[int, ...]
    rates: tuple[float, ...]
    runs: int
    planned: float | None = None
    at_plan: int | None = None  # runs that had decided by the planned unit, looked at after each
    standing: int | None = None  # runs that stood decided at just that unit
    at_most: float | None = None  # what the rate at the last unit may be, where nothing ought to be found

    def stands(self, *, quick: bool) -> bool:
        """Was the power planned for reached, or the rate that ought to be small shown to be small?"""
        if self.at_most is not None:
            low, high = clopper_pearson(round(self.rates[-1] * self.runs), self.runs)
            return low <= self.at_most if quick else high <= self.at_most
        if self.at_plan is None:
            return True
        low, high = clopper_pearson(self.at_plan, self.runs)
        return high >= 0.8 if quick else low >= 0.8

    def row(self) -> dict[str, Any]:
        def share(count: int | None) -> float | None:
            return None if count is None else count / self.runs

        bound = None if self.at_plan is None else clopper_pearson(self.at_plan, self.runs)[0]
        return {
            "test": self.test,
            "case": self.case,
            "what": self.what,
            "units": list(self.units),
            "rates": list(self.rates),
            "runs": self.runs,
            "planned": self.planned,
            "by_plan": share(self.at_plan),
            "by_plan_lower": bound,
            "standing_at_plan": share(self.standing),
            "at_most": self.at_most,
            "upper": clopper_pearson(round(self.rates[-1] * self.runs), self.runs)[1],
        }


@dataclass(frozen=True)
class Job:
    """One simulation: `run(rng, runs, **arguments)` gives rates or powers, from a seed that its own name makes."""

    part: str  # the chapter of the report
    name: str
    run: Callable[..., list[Rate | Power]]
    runs: int
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def results(self, seed: int) -> list[Rate | Power]:
        return self.run(np.random.default_rng([seed, zlib.crc32(self.name.encode())]), self.runs, **self.arguments)


def clopper_pearson(count: int, runs: int) -> tuple[float, float]:
    """The exact bounds of a share, each by itself at level 97.5 %.

    >>> [round(x, 4) for x in clopper_pearson(0, 2_000)]
    [0.0, 0.0018]
    """
    low = float(beta.ppf(1 - LEVEL, count, runs - count + 1)) if count else 0.0
    high = float(beta.ppf(LEVEL, count + 1, runs - count)) if count < runs else 1.0
    return low, high


def chunks(runs: int, size: int = 100) -> Iterator[int]:
    """`runs` in parts of at most `size`, so that a matrix of runs fits a core's share of memory.

    >>> list(chunks(250))
    [100, 100, 50]
    """
    for start in range(0, runs, size):
        yield min(size, runs - start)
