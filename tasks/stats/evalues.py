"""How strong is the evidence against a hypothesis, at any moment? An e-value of 1 / alpha rejects at level alpha."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

__all__ = ["coin_flip", "rate_above", "rate_below"]

# The alternatives that the mixtures weigh alike: rates from 1.25 to 1,000 times the tolerated one.
_RATIOS = np.array([1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 1000.0])


def coin_flip(hits: ArrayLike, probability: ArrayLike, *, ratio: float = 1.0) -> float:
    r"""Log e-value against "the challenger's error rate is at most `ratio` times the champion's".

    `hits` (shape (n,)) says of each error, in order, whether it struck the challenger's arm; `probability` is the
    assignment probability w of that request. Given an error, its arm is a coin of bias
    :math:`p_r = w r / (w r + 1 - w)`, whatever the base rate does, so the value is valid under any ramp of w and any
    drift that both arms share: the mean over rates r above `ratio` of
    :math:`\prod (p_r / p_0)^x ((1 - p_r) / (1 - p_0))^{1 - x}`. Large speaks against the challenger; 0.0 without errors.
    The unit is the first error of an entity. Lindon and Malek, arXiv:2011.03567.

    >>> round(coin_flip([], []), 3)
    0.0
    >>> round(coin_flip([1, 1, 1], [0.05] * 3), 1)  # ln(20) is 3.0
    7.4
    """
    x = np.asarray(hits, dtype=float)
    w = np.asarray(probability, dtype=float)
    if x.shape != w.shape or x.ndim != 1:
        raise ValueError(f"hits and probability need one shape (n,), got {x.shape} and {w.shape}")
    if x.size and not ((w > 0) & (w < 1)).all():
        raise ValueError("every assignment probability lies strictly between 0 and 1")

    def log_likelihood(r: float) -> float:
        odds = w * r
        return float(np.sum(x * np.log(odds / (odds + 1 - w)) + (1 - x) * np.log((1 - w) / (odds + 1 - w))))

    null = log_likelihood(ratio)
    return float(logsumexp([log_likelihood(ratio * r) - null for r in _RATIOS]) - np.log(_RATIOS.size))


def rate_above(events: int, n: int, *, rate: float) -> float:
    r"""Log e-value against "each of `n` rows is an event with probability at most `rate`", given the past.

    The mean over :math:`q > rate` of :math:`(q / p)^{k} ((1 - q) / (1 - p))^{n - k}` with k = `events`.

    >>> rate_above(10, 100, rate=0.1) < 1 < rate_above(40, 100, rate=0.1)
    True
    """
    _check(events, n, rate)
    return _mixture(events, n, rate, 1 - (1 - rate) / _RATIOS)


def rate_below(events: int, n: int, *, rate: float) -> float:
    """Log e-value against "each of `n` rows is an event with probability at least `rate`"; the mirror of `rate_above`.

    >>> rate_below(10, 100, rate=0.1) < 1 < rate_below(0, 100, rate=0.1)
    True
    """
    _check(events, n, rate)
    return _mixture(events, n, rate, rate / _RATIOS)


def _mixture(k: int, n: int, p: float, alternatives: np.ndarray) -> float:
    logs = k * np.log(alternatives / p) + (n - k) * (np.log1p(-alternatives) - np.log1p(-p))
    return float(logsumexp(logs) - np.log(alternatives.size))


def _check(events: int, n: int, rate: float) -> None:
    if not 0 <= events <= n:
        raise ValueError(f"events must lie between 0 and n, got {events} of {n}")
    if not 0 < rate < 1:
        raise ValueError(f"rate must lie strictly between 0 and 1, got {rate}")
