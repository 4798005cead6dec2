"""Do the arms hold the shares that they were given? A sequential test of sample-ratio mismatch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from tasks.stats.evalues import flips, log_factors
from tasks.stats.mixture import advance, check_state, log_mean

__all__ = ["SampleRatio", "sample_ratio"]

# Odds of the challenger's arm over the stated ones. The small ones are for large traffic: of 100,000 entities at a half,
# 49 % are a defect (z = -6), and a mixture that starts at 1.25 times the odds would never see it.
_MORE = np.array([1.02, 1.05, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 1000.0])
ODDS = np.concatenate([_MORE, 1 / _MORE])


@dataclass(frozen=True)
class SampleRatio:
    r"""The sequential test against "each entity falls to the challenger with its stated probability".

    The mean over odds ratios t, as many above 1 as below, of
    :math:`\prod t^x \frac{1}{w t + 1 - w}`: large speaks against the split, in either direction; 0.0 without entities.
    Valid under any ramp of w. `log_peak` is the largest value after any entity so far, 0.0 at the start; under the
    hypothesis it ever reaches :math:`\ln(1/\alpha)` with probability at most alpha. Lindon and Malek, arXiv:2011.03567.

    >>> test = SampleRatio().update([1, 1, 1, 0] * 50, [0.5] * 200)
    >>> SampleRatio.resume(test.state()) == test, test.n, test.log_e > 3
    (True, 200, True)
    """

    n: int = 0
    log_peak: float = 0.0
    logs: tuple[float, ...] = (0.0,) * len(ODDS)

    def update(self, in_challenger: ArrayLike, probability: ArrayLike) -> Self:
        """The test after more entities, in order: both arguments have shape (n,), one 0/1 and one w an entity."""
        x, w = flips(in_challenger, probability)
        logs, peak = advance(
            self.logs, lambda rows: log_factors(x[rows], w[rows], 1.0, ODDS), x.size, peak=self.log_peak
        )
        return replace(self, n=self.n + x.size, log_peak=peak, logs=logs)

    @property
    def log_e(self) -> float:
        """The log e-value after the entities seen so far."""
        return float(log_mean(np.array(self.logs)[:, None])[0])

    def state(self) -> dict[str, Any]:
        """All that `resume` needs, as JSON carries it exactly."""
        return {"test": "sample_ratio", "grid": ODDS.tolist(), **asdict(self), "logs": list(self.logs)}

    @classmethod
    def resume(cls, state: Mapping[str, Any]) -> Self:
        """The test as it was when `state` was taken."""
        check_state(state, test="sample_ratio", grid=ODDS.tolist())
        return cls(int(state["n"]), float(state["log_peak"]), tuple(state["logs"]))


def sample_ratio(in_challenger: ArrayLike, probability: ArrayLike) -> float:
    """Log e-value against "each entity falls to the challenger with its stated probability", in either direction.

    `in_challenger` (shape (n,)) has one 0/1 an entity, `probability` what was stated for it. Zero without entities; the
    formula and its source are `SampleRatio`'s, which also keeps the peak and can be resumed.

    >>> balanced = sample_ratio([0, 1] * 200, [0.5] * 400)
    >>> skewed = sample_ratio([1, 1, 1, 0] * 100, [0.5] * 400)
    >>> balanced < 1 < skewed
    True
    """
    return SampleRatio().update(in_challenger, probability).log_e
