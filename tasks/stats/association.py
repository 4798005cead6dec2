"""How much of what a model leaves unexplained does one column explain by itself, and is that more than chance does?"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["NOTHING", "Association", "by_groups", "by_numbers", "departure", "strongest"]

_BINS = 8


@dataclass(frozen=True)
class Association:
    """`share` in [0, 1] of the variance, what chance explains taken off; `z` is how many deviations above chance it lies."""

    share: float
    z: float


NOTHING = Association(0.0, 0.0)


def by_groups(left: ArrayLike, groups: ArrayLike) -> Association:
    r"""Of the variance of `left` (shape (n,) or (n, k)), the share that lies between `groups` (shape (n,)).

    With n rows and g groups chance explains :math:`e = (g - 1) / (n - 1)`; share is :math:`(\eta^2 - e) / (1 - e)`. Where
    nothing is explained :math:`(n - 1) \eta^2` is chi-squared with g - 1 degrees of freedom; z is what it is among normal
    numbers, by Wilson and Hilferty (1931).

    >>> by_groups([1.0, 1.0, 0.0, 0.0], ["a", "a", "b", "b"]).share
    1.0
    """
    r = _centred(left)
    names, at = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    total, n, g = float((r**2).sum()), len(r), len(names)
    if total == 0 or g < 2 or n <= g:
        return NOTHING
    sums = np.zeros((g, r.shape[1]))
    np.add.at(sums, at, r)
    between = float((sums**2 / np.bincount(at)[:, None]).sum())
    return _association(between / total, g - 1, n)


def by_numbers(left: ArrayLike, x: ArrayLike) -> Association:
    """The stronger of a straight line and of eight bins of equal size; rows without a number are a bin of their own.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=400)
    >>> by_numbers(x**2, x).share > 0.5, by_numbers(rng.normal(size=400), x).z < 3
    (True, True)
    """
    r, x = _centred(left), np.asarray(x, dtype=float)
    known = np.isfinite(x)
    if known.sum() < 2 * _BINS or np.ptp(x[known]) == 0:
        return by_groups(r, known)
    edges = np.unique(np.quantile(x[known], np.linspace(0, 1, _BINS + 1)[1:-1]))
    binned = by_groups(r, np.where(known, np.searchsorted(edges, x, side="right"), -1))
    centred = np.where(known, x - x[known].mean(), 0.0)
    total = float((r**2).sum()) * float(centred @ centred)
    line = _association(float(((centred @ r) ** 2).sum()) / total, 1, len(r)) if total > 0 else NOTHING
    return max(line, binned, key=lambda one: one.z)


def departure(left: ArrayLike, said: ArrayLike) -> Association:
    """Of the mean square of `left` (shape (n,)), the share that goes where every eighth of the rows, in the order of `said`
    (shape (n,)), is moved by its mean: what a mapping of `said` to what came would gain.

    >>> rng = np.random.default_rng(0)
    >>> said = rng.random(800)
    >>> came = (rng.random(800) < said).astype(float)
    >>> departure(came - said, said).z < 3, departure(came - said**3, said**3).z > 3
    (True, True)
    """
    r, order = np.asarray(left, dtype=float), np.argsort(said, kind="stable")
    total = float(r @ r)
    if total == 0 or len(r) < 2 * _BINS:
        return NOTHING
    parts = np.array_split(r[order], _BINS)
    return _association(sum(float(part.sum()) ** 2 / len(part) for part in parts) / total, _BINS, len(r) + 1)


def strongest(found: list[Association]) -> Association:
    """The strongest of several looks, its z less what the best of so many is by chance: :math:`\\sqrt{2 \\ln m}`."""
    if not found:
        return NOTHING
    best = max(found, key=lambda one: one.z)
    return Association(best.share, best.z - math.sqrt(2 * math.log(len(found))))


def _association(eta2: float, freedom: int, n: int) -> Association:
    chance = freedom / (n - 1)
    share = max(0.0, (eta2 - chance) / (1 - chance)) if chance < 1 else 0.0
    spread = 2 / (9 * freedom)
    z = (((n - 1) * eta2 / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    return Association(min(share, 1.0), z)


def _centred(left: ArrayLike) -> np.ndarray:
    r = np.asarray(left, dtype=float)
    r = r[:, None] if r.ndim == 1 else r
    return np.asarray(r - r.mean(axis=0))
