"""How likely is an idea to gain, after what came of its kind before? A Beta posterior, and a draw from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.diagnosis import Constraint
from schemas.idea import Idea, Tried

__all__ = ["ELSEWHERE", "STRENGTH", "Chance", "chance_of"]

# A prior weighs as much as so many experiments: a kind has to disappoint as often before its prior counts for half.
STRENGTH = 16.0
ELSEWHERE = 0.25  # what an experiment of another problem counts, against one of this
_AGAIN = 0.5  # of an idea's chance, for each time that the same change has failed on another parent


@dataclass(frozen=True)
class Chance:
    """A Beta distribution: so many experiments' worth of gains and of failures."""

    gains: float
    failures: float

    @property
    def mean(self) -> float:
        return self.gains / (self.gains + self.failures)

    @property
    def sd(self) -> float:
        total = self.gains + self.failures
        return float(np.sqrt(self.gains * self.failures / (total**2 * (total + 1))))

    def quantile(self, at: float) -> float:
        from scipy.stats import beta

        return float(beta.ppf(at, self.gains, self.failures))


def chance_of(idea: Idea, history: Sequence[Tried], *, problem: str, binding: Constraint | None) -> Chance:
    """The idea's own chance as the prior, and what came of its kind under the same binding constraint: here each experiment
    counts one, elsewhere `ELSEWHERE`."""
    gains, failures = STRENGTH * idea.chance, STRENGTH * (1 - idea.chance)
    for one in history:
        if one.idea.kind is not idea.kind or one.binding is not binding:
            continue
        weight = 1.0 if one.problem == problem else ELSEWHERE
        gains, failures = (gains + weight, failures) if one.worked else (gains, failures + weight)
    again = sum(_same(one, idea) for one in history if one.problem == problem and not one.worked)
    kept = gains * _AGAIN**again
    return Chance(kept, failures + gains - kept)


def _same(one: Tried, idea: Idea) -> bool:
    return one.idea.kind is idea.kind and one.idea.change == idea.change
