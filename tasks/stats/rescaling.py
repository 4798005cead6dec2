"""Is a column the former one in other units, with a default, or with its codes swapped? From values alone."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Rescaling", "Spike", "relabelled", "rescaling", "rotated", "spike"]

_LEVELS = np.linspace(0.1, 0.9, 33)  # the tails of few rows are noise


@dataclass(frozen=True)
class Rescaling:
    """The line from former to present quantiles: now = scale * before + offset. `misfit` is the largest distance of a
    quantile from it, in interquartile ranges of the present values: 0 is exact."""

    scale: float
    offset: float
    misfit: float


@dataclass(frozen=True)
class Spike:
    """The most frequent present value, its share now and before."""

    value: float
    now: float
    before: float


def rescaling(before: ArrayLike, now: ArrayLike) -> Rescaling:
    """The straight line that maps quantiles of `before` to those of `now` (both shape (n,), what is not finite is left out).

    A change of unit is such a line exactly; a drift seldom is with a scale far from 1. A line through the origin is taken
    where it fits as well. nan where either column is constant or empty.

    >>> print(rescaling(np.arange(100.0), np.arange(100.0) * 1.8 + 32))
    Rescaling(scale=1.8, offset=32.0, misfit=0.0)
    """
    x, y = _kept(before), _kept(now)
    if x.size == 0 or y.size == 0:
        return Rescaling(math.nan, math.nan, math.nan)
    q, r = np.quantile(x, _LEVELS), np.quantile(y, _LEVELS)
    range_now = float(np.subtract(*np.quantile(y, [0.75, 0.25])))
    if np.ptp(q) == 0 or range_now <= 0:
        return Rescaling(math.nan, math.nan, math.nan)
    scale, offset = (float(c) for c in np.polyfit(q, r, 1))
    through = float((q * r).sum() / (q * q).sum())
    line, ray = (float(np.abs(r - fit).max()) / range_now for fit in (scale * q + offset, through * q))
    if ray <= line + 0.02:
        return Rescaling(float(f"{through:.6g}"), 0.0, round(ray, 9))
    return Rescaling(float(f"{scale:.6g}"), float(f"{offset:.6g}"), round(line, 9))


def spike(before: ArrayLike, now: ArrayLike) -> Spike:
    """The most frequent value of `now`, and how frequent it was `before` (both shape (n,), what is not finite is left out).

    >>> spike([1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 3.0, 4.0])
    Spike(value=0.0, now=0.5, before=0.0)
    """
    x, y = _kept(before), _kept(now)
    if x.size == 0 or y.size == 0:
        return Spike(math.nan, math.nan, math.nan)
    values, counts = np.unique(y, return_counts=True)
    top = float(values[counts.argmax()])
    return Spike(top, float(counts.max()) / y.size, float((x == top).mean()))


def relabelled(before: Mapping[str, float], now: Mapping[str, float]) -> tuple[float, float]:
    """Total variation between two sets of shares: with every name as it is, and with the names swapped as fits best.

    Codes that were permuted, or all renamed, keep their shares: then the first is large and the second about 0.

    >>> relabelled({"a": 0.7, "b": 0.2, "c": 0.1}, {"a": 0.1, "b": 0.7, "c": 0.2})
    (0.6, 0.0)
    """
    names = sorted({*before, *now})
    p = np.array([before.get(name, 0.0) for name in names])
    q = np.array([now.get(name, 0.0) for name in names])
    named, sorted_ = np.abs(p - q).sum() / 2, np.abs(np.sort(p) - np.sort(q)).sum() / 2
    return round(float(named), 9), round(float(sorted_), 9)


def rotated(before: ArrayLike, now: ArrayLike) -> tuple[int, float, float]:
    """The rotation that maps the counts `before` to `now` best (both shape (k,), values 0 to k - 1 of a cycle such as an
    hour), the total variation without it, and with it.

    >>> rotated([6, 3, 1], [1, 6, 3])
    (1, 0.5, 0.0)
    """
    p, q = (np.asarray(c, dtype=float) / max(float(np.sum(c)), 1.0) for c in (before, now))
    apart = [float(np.abs(np.roll(p, k) - q).sum() / 2) for k in range(p.size)]
    best = int(np.argmin(apart))
    return best, round(apart[0], 9), round(apart[best], 9)


def _kept(values: ArrayLike) -> np.ndarray:
    x = np.asarray(values, dtype=float)
    return x[np.isfinite(x)]
