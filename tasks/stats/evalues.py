"""How strong is the evidence against a hypothesis, at any moment? An e-value of 1 / alpha rejects at level alpha."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from tasks.stats.mixture import advance, check_state, log_mean

__all__ = ["CoinFlip", "coin_flip", "rate_above", "rate_below"]

# The alternatives that the mixtures weigh alike: rates from 1.25 to 1,000 times the tolerated one.
RATIOS = np.array([1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 1000.0])


@dataclass(frozen=True)
class CoinFlip:
    r"""The sequential test against "the challenger's error rate is at most `ratio` times the champion's".

    `update` takes errors in order, each with the arm it struck (1 the challenger) and the assignment probability w of
    that request. Given an error, its arm is a coin of bias :math:`p_r = w r / (w r + 1 - w)`, whatever the base rate
    does, so the value is valid under any ramp of w and any drift that both arms share: the mean over rates r above
    `ratio` of :math:`\prod (p_r / p_0)^x ((1 - p_r) / (1 - p_0))^{1 - x}`. Large speaks against the challenger; 0.0
    without errors. The unit is the first error of an entity. `log_peak` is the largest value at any error so far, 0.0 at
    the start; under the hypothesis it ever reaches :math:`\ln(1/\alpha)` with probability at most alpha (Ville).
    Lindon and Malek, arXiv:2011.03567.

    >>> test = CoinFlip().update([1, 1], [0.05, 0.05])
    >>> later = CoinFlip.resume(test.state()).update([0], [0.05])
    >>> later.n, round(later.log_peak, 1), later.log_peak > later.log_e
    (3, 4.6, True)
    """

    ratio: float = 1.0
    n: int = 0
    log_peak: float = 0.0
    logs: tuple[float, ...] = (0.0,) * len(RATIOS)

    def __post_init__(self) -> None:
        if not 0 < self.ratio < np.inf:
            raise ValueError(f"ratio must be positive and finite, got {self.ratio}")

    def update(self, hits: ArrayLike, probability: ArrayLike) -> Self:
        """The test after more errors, in order: `hits` and `probability` have shape (n,)."""
        x, w = flips(hits, probability)
        logs, peak = advance(
            self.logs, lambda rows: log_factors(x[rows], w[rows], self.ratio, RATIOS), x.size, peak=self.log_peak
        )
        return replace(self, n=self.n + x.size, log_peak=peak, logs=logs)

    @property
    def log_e(self) -> float:
        """The log e-value after the errors seen so far."""
        return float(log_mean(np.array(self.logs)[:, None])[0])

    def state(self) -> dict[str, Any]:
        """All that `resume` needs, as JSON carries it exactly."""
        return {"test": "coin_flip", "grid": RATIOS.tolist(), **asdict(self), "logs": list(self.logs)}

    @classmethod
    def resume(cls, state: Mapping[str, Any]) -> Self:
        """The test as it was when `state` was taken."""
        check_state(state, test="coin_flip", grid=RATIOS.tolist())
        return cls(float(state["ratio"]), int(state["n"]), float(state["log_peak"]), tuple(state["logs"]))


def coin_flip(hits: ArrayLike, probability: ArrayLike, *, ratio: float = 1.0) -> float:
    """Log e-value against "the challenger's error rate is at most `ratio` times the champion's", after all errors.

    `hits` (shape (n,)) says of each error, in order, whether it struck the challenger's arm; `probability` is the
    assignment probability of that request. Large speaks against the challenger; 0.0 without errors. The formula and its
    source are `CoinFlip`'s, which also keeps the peak and can be resumed.

    >>> round(coin_flip([], []), 3)
    0.0
    >>> round(coin_flip([1, 1, 1], [0.05] * 3), 1)  # ln(20) is 3.0
    7.4
    """
    return CoinFlip(ratio).update(hits, probability).log_e


def flips(hits: ArrayLike, probability: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both as floats of one shape (n,), hits 0 or 1 and probabilities strictly between; ValueError where they are not.

    >>> flips([True], [0.5])
    (array([1.]), array([0.5]))
    """
    x, w = np.asarray(hits, dtype=float), np.asarray(probability, dtype=float)
    if x.shape != w.shape or x.ndim != 1:
        raise ValueError(f"hits and probability need one shape (n,), got {x.shape} and {w.shape}")
    if not ((x == 0) | (x == 1)).all():
        raise ValueError(f"every hit is 0 or 1, got {x[(x != 0) & (x != 1)][0]}")
    if not ((w > 0) & (w < 1)).all():
        raise ValueError("every assignment probability lies strictly between 0 and 1")
    return x, w


def log_factors(x: np.ndarray, w: np.ndarray, ratio: float, times: np.ndarray) -> np.ndarray:
    r"""Log likelihood ratio of each flip, shape (k, n): odds `ratio` * `times` (shape (k,)) against odds `ratio`.

    :math:`x \ln t - \ln \frac{w r t + 1 - w}{w r + 1 - w}`.

    >>> log_factors(np.array([1.0, 0.0]), np.array([0.5, 0.5]), 1.0, np.array([3.0])).round(3)
    array([[ 0.405, -0.693]])
    """
    t = times[:, None]
    return x * np.log(t) - np.log((w * (ratio * t) + (1 - w)) / (w * ratio + (1 - w)))


def rate_above(events: int, n: int, *, rate: float) -> float:
    r"""Log e-value against "each of `n` rows is an event with probability at most `rate`", given the past.

    The mean over :math:`q > rate` of :math:`(q / p)^{k} ((1 - q) / (1 - p))^{n - k}` with k = `events`.

    >>> rate_above(10, 100, rate=0.1) < 1 < rate_above(40, 100, rate=0.1)
    True
    """
    _check(events, n, rate)
    return _mixture(events, n, rate, 1 - (1 - rate) / RATIOS)


def rate_below(events: int, n: int, *, rate: float) -> float:
    """Log e-value against "each of `n` rows is an event with probability at least `rate`"; the mirror of `rate_above`.

    >>> rate_below(10, 100, rate=0.1) < 1 < rate_below(0, 100, rate=0.1)
    True
    """
    _check(events, n, rate)
    return _mixture(events, n, rate, rate / RATIOS)


def _mixture(k: int, n: int, p: float, alternatives: np.ndarray) -> float:
    logs = k * np.log(alternatives / p) + (n - k) * (np.log1p(-alternatives) - np.log1p(-p))
    return float(logsumexp(logs) - np.log(alternatives.size))


def _check(events: int, n: int, rate: float) -> None:
    if not 0 <= events <= n:
        raise ValueError(f"events must lie between 0 and n, got {events} of {n}")
    if not 0 < rate < 1:
        raise ValueError(f"rate must lie strictly between 0 and 1, got {rate}")
