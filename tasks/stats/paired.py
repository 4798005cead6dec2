"""Is the challenger better, or at most a margin worse, on the same rows? Paired losses, at any moment."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from tasks.stats.mixture import advance, check_state, log_mean

__all__ = ["Betting", "RunningAverage", "betting", "running_average"]

# Shares of the largest stake that no row can ruin. The best stake is near (gain + margin) / variance: .001 for a gain of
# .0001 at variance .1, and .95 for losses that hardly vary, which the power puts more of the grid near.
_SHARES = 0.95 * (np.arange(1, 17) / 16) ** 2.5
# For Q = sum of squares, lambda = sqrt(2 ln(1/alpha) / Q) is best: .005 for Q = 250,000 (a million rows of sd .5), .95
# for Q of a few units (200 rows of sd .1). The weights rise as sqrt(lambda): against equal ones that narrows the
# interval by a fifth for 200 to 1,000 rows that hardly differ (sd .01 to .05) and widens it by 4 % for 100,000 of sd .5.
_LAMBDAS = np.geomspace(0.002, 0.95, 24)
_PSI = -np.log1p(-_LAMBDAS) - _LAMBDAS
_LOG_PRIOR = np.log(np.sqrt(_LAMBDAS) / np.sqrt(_LAMBDAS).sum())


def stakes(margin: float) -> np.ndarray:
    """The bets that `Betting` weighs alike, shape (16,), all inside (0, 1 / (1 - margin)).

    >>> stakes(0.0).max().round(2), stakes(0.5).max().round(2)
    (np.float64(0.95), np.float64(1.9))
    """
    if not 0 <= margin < 1:
        raise ValueError(f"margin must lie in [0, 1), got {margin}")
    return _SHARES / (1 - margin)


@dataclass(frozen=True)
class Betting:
    r"""The sequential test against "given the past, the mean gain of every row is at most -`margin`".

    A row's gain D = loss(champion) - loss(challenger) lies in [-1, 1], and more is better for the challenger. The mean
    over stakes :math:`\lambda \in (0, 1 / (1 - margin))` of :math:`\prod (1 + \lambda (D + margin))`: large says that
    the challenger is not worse by the margin (not inferior), or better where the margin is 0; 0.0 without rows.
    `log_peak` is the largest value after any row so far, 0.0 at the start; under the hypothesis it ever reaches
    :math:`\ln(1/\alpha)` with probability at most alpha. The peak's hypothesis speaks of every row.
    The value now, `log_e`, also holds against "the average of the means of the rows seen is at most -`margin`", however
    they drift: a product of numbers is at most their mean to the n-th power, so wherever the average is that low the
    value is at most a martingale. Waudby-Smith and Ramdas (2024), arXiv:2010.09686.

    >>> test = Betting(margin=0.1).update([0.0] * 40)
    >>> later = Betting.resume(test.state()).update([0.0] * 20)
    >>> later.n, later.log_e > math.log(20) > test.log_e
    (60, True)
    """

    margin: float = 0.0
    n: int = 0
    log_peak: float = 0.0
    logs: tuple[float, ...] = (0.0,) * len(_SHARES)

    def __post_init__(self) -> None:
        stakes(self.margin)

    def update(self, gain: ArrayLike) -> Self:
        """The test after more rows, in order: `gain` has shape (n,)."""
        x = bounded(gain, bound=1.0)
        bets, shifted = stakes(self.margin)[:, None], x + self.margin
        logs, peak = advance(self.logs, lambda rows: np.log(1 + bets * shifted[rows]), x.size, peak=self.log_peak)
        return replace(self, n=self.n + x.size, log_peak=peak, logs=logs)

    @property
    def log_e(self) -> float:
        """The log e-value after the rows seen so far."""
        return float(log_mean(np.array(self.logs)[:, None])[0])

    def state(self) -> dict[str, Any]:
        """All that `resume` needs, as JSON carries it exactly."""
        return {"test": "betting", "grid": _SHARES.tolist(), **asdict(self), "logs": list(self.logs)}

    @classmethod
    def resume(cls, state: Mapping[str, Any]) -> Self:
        """The test as it was when `state` was taken."""
        check_state(state, test="betting", grid=_SHARES.tolist())
        return cls(float(state["margin"]), int(state["n"]), float(state["log_peak"]), tuple(state["logs"]))


def betting(gain: ArrayLike, *, margin: float = 0.0) -> float:
    """Log e-value against "given the past, the mean gain of every row is at most -`margin`", after all rows.

    `gain` (shape (n,)) is loss(champion) - loss(challenger) in [-1, 1], in order. Large speaks for the challenger; 0.0
    without rows. The formula and its source are `Betting`'s, which also keeps the peak and can be resumed.

    >>> betting([0.2, -0.1] * 100) > math.log(20) > betting([0.1, -0.1] * 100)
    True
    """
    return Betting(margin).update(gain).log_e


@dataclass(frozen=True)
class RunningAverage:
    r"""What is the average, over the rows seen, of their means given the past? Whatever the dependence and the drift.

    Values x lie in [-`bound`, `bound`]. With S and Q the sums of :math:`x/b` and of :math:`(x/b)^2`, the e-value against
    "the average is at most `floor`" is :math:`\sum_j w_j \exp(\lambda_j (S - n \, floor / b) - \psi(\lambda_j) Q)`,
    :math:`\psi(l) = -\ln(1 - l) - l`. It holds because :math:`e^{l x - \psi(l) x^2} \le 1 + l x` for :math:`x \ge -1`
    (Fan, Grama and Liu, 2015), so that given the past the mean of
    :math:`e^{l (x - \mu) - \psi(l) x^2}` is at most :math:`e^{-l \mu} (1 + l \mu) \le 1` (Howard et al., 2021,
    arXiv:1810.08240; for two forecasters Choe and Ramdas, arXiv:2110.00115). Rows may be cut into chunks anywhere. There
    is no peak to keep: the average that it speaks of is another one at every row.

    >>> seen = RunningAverage().update([0.1, -0.1] * 500)
    >>> RunningAverage.resume(seen.state()) == seen, seen.log_e(-0.05) > math.log(20) > seen.log_e(0.0)
    (True, True)
    """

    bound: float = 1.0
    n: int = 0
    total: float = 0.0
    squares: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.bound < math.inf:
            raise ValueError(f"bound must be positive and finite, got {self.bound}")

    def update(self, values: ArrayLike) -> Self:
        """The average after more rows, in order: `values` has shape (n,)."""
        x = bounded(values, bound=self.bound) / self.bound
        # cumsum adds one row after the other, so chunks cannot matter; sum would pair them.
        total = float(np.cumsum(np.concatenate([[self.total], x]))[-1])
        squares = float(np.cumsum(np.concatenate([[self.squares], x * x]))[-1])
        return replace(self, n=self.n + x.size, total=total, squares=squares)

    def log_e(self, floor: float) -> float:
        """Log e-value against "the average of the means is at most `floor`": falls as `floor` rises, 0.0 without rows."""
        return float(_log_e(self.total - self.n * (floor / self.bound), self.squares))

    def interval(self, alpha: float) -> tuple[float, float, float]:
        """(low, mean, high), each end a one-sided bound at level `alpha` that holds at every n at once."""
        if self.n == 0:
            raise ValueError("a running average needs at least 1 row, got 0")
        half = reach(self.squares, alpha=alpha)
        low, high = (self.bound * (self.total + side * half) / self.n for side in (-1, 1))
        return max(low, -self.bound), self.bound * self.total / self.n, min(high, self.bound)

    def state(self) -> dict[str, Any]:
        """All that `resume` needs, as JSON carries it exactly."""
        return {"test": "running_average", "grid": _LAMBDAS.tolist(), **asdict(self)}

    @classmethod
    def resume(cls, state: Mapping[str, Any]) -> Self:
        """The average as it was when `state` was taken."""
        check_state(state, test="running_average", grid=_LAMBDAS.tolist())
        return cls(float(state["bound"]), int(state["n"]), float(state["total"]), float(state["squares"]))


def running_average(values: ArrayLike, *, alpha: float = 0.05, bound: float = 1.0) -> tuple[float, float, float]:
    """(low, mean, high) for the average of the means of the rows seen, at every n at once, under any drift.

    `values` (shape (n,), n >= 1) lie in [-`bound`, `bound`]; each end is a one-sided bound at level `alpha`. The formula
    and its sources are `RunningAverage`'s, which can be resumed. Not asymptotic: there is no burn-in.

    >>> low, mean, high = running_average([0.1, -0.1] * 500)
    >>> low < mean < high, round(high, 3)
    (True, 0.012)
    """
    return RunningAverage(bound).update(values).interval(alpha)


def reach(squares: float, *, alpha: float) -> float:
    """The sum of centred values of bound 1 at which `RunningAverage` rejects at level `alpha`; rises with `squares`.

    >>> 3 < reach(0.0, alpha=0.05) < reach(100.0, alpha=0.05) < 50
    True
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie strictly between 0 and 1, got {alpha}")
    target = -math.log(alpha)
    # At the upper end one part of the mixture alone is worth 1 / alpha, and at the lower end the whole is worth under 1.
    low, high = 0.0, float(((target - _LOG_PRIOR + _PSI * squares) / _LAMBDAS).min())
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if _log_e(middle, squares) >= target else (middle, high)
    return high


def bounded(values: ArrayLike, *, bound: float) -> np.ndarray:
    """The values as floats, shape (n,), n >= 0; ValueError where one is not finite or outside [-`bound`, `bound`].

    >>> bounded([0.5, -1], bound=1.0)
    array([ 0.5, -1. ])
    """
    x = np.asarray(values, dtype=float)
    if x.ndim != 1:
        raise ValueError(f"values need shape (n,), got shape {x.shape}")
    outside = ~(np.abs(x) <= bound)  # written so that nan is outside
    if outside.any():
        raise ValueError(
            f"{int(outside.sum())} of {x.size} values lie outside [-{bound:g}, {bound:g}], as {x[outside][0]}"
        )
    return x


def _log_e(centred: float, squares: float) -> np.ndarray:
    return np.logaddexp.reduce(_LOG_PRIOR + _LAMBDAS * centred - _PSI * squares)
