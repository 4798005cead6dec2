"""Does a figure creep up over many runs? A rank test that needs no law, and the slope that goes with it."""

import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from tasks.stats.sequences import finite

__all__ = ["Trend", "mann_kendall", "theil_sen", "trend"]

_EXACT = 40  # values up to which the law of S is counted out, where no two are equal


@dataclass(frozen=True)
class Trend:
    """`p_value` of a rise by chance; `growth`: the slope over all of the time, as a share of where the line began."""

    values: int
    p_value: float
    slope: float  # a unit of time
    start: float  # of the line
    growth: float


def trend(values: ArrayLike, time: ArrayLike | None = None) -> Trend:
    """The trend of `values` (shape (n,), n >= 3) over `time` (shape (n,), by default 0, 1, 2 ...), rising is positive.

    Values that are not independent of the one before, such as hourly means, rise by chance more often than `p_value` says.

    >>> found = trend([10, 11, 12, 13, 14, 15])
    >>> round(found.p_value, 5), found.slope, found.growth
    (0.00139, 1.0, 0.5)
    """
    x = finite(values)
    t = np.arange(x.size, dtype=float) if time is None else finite(time)
    slope, start = theil_sen(x, t)
    rise = slope * float(t.max() - t.min())
    growth = rise / start if start > 0 else (math.inf if rise > 0 else 0.0)
    return Trend(x.size, mann_kendall(x[np.argsort(t, kind="stable")]), slope, start, growth)


def mann_kendall(values: ArrayLike) -> float:
    r"""One-sided p-value of a rise in `values` (shape (n,), n >= 3, in order of time): small says that they rise.

    S counts the pairs that rise less those that fall. Without equal values its law is counted out up to n = 40; otherwise
    it is normal with variance :math:`(n (n-1)(2n+5) - \sum_t t (t-1)(2t+5)) / 18`, t the sizes of the groups of equal
    values, and a correction for continuity. 1 where all are equal. Mann (1945), Kendall (1975).

    >>> mann_kendall([1, 2, 3])  # one of the six orders of three values
    0.16666666666666666
    """
    x = finite(values)
    n = x.size
    if n < 3:
        raise ValueError(f"a trend needs at least 3 values, got {n}")
    s = int(np.sign(x[None, :] - x[:, None])[np.triu_indices(n, 1)].sum())
    _, ties = np.unique(x, return_counts=True)
    if n <= _EXACT and ties.max() == 1:
        counts = _inversions(n)
        return sum(counts[: (n * (n - 1) // 2 - s) // 2 + 1]) / math.factorial(n)
    variance = (n * (n - 1) * (2 * n + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18
    return 1.0 if variance == 0 else 1 - NormalDist().cdf((s - 1) / math.sqrt(variance))


def theil_sen(values: ArrayLike, time: ArrayLike) -> tuple[float, float]:
    """(slope, start) of the line through `values` over `time` (both shape (n,)): the median of the slopes of all pairs, and
    the line's height at the first time. Nearly a third of the values may be anything. Theil (1950), Sen (1968).

    >>> theil_sen([1, 2, 3, 4, 100], [0, 1, 2, 3, 4])
    (1.0, 1.0)
    """
    x, t = finite(values), finite(time)
    if x.shape != t.shape or np.unique(t).size < 2:
        raise ValueError(f"a slope needs values at two times at least, got shapes {x.shape} and {t.shape}")
    one, other = np.triu_indices(x.size, 1)
    apart = t[other] != t[one]
    slope = float(np.median((x[other] - x[one])[apart] / (t[other] - t[one])[apart]))
    return slope, float(np.median(x - slope * (t - t.min())))


@cache
def _inversions(n: int) -> tuple[int, ...]:
    """How many orders of n different values have 0, 1, 2 ... falling pairs (Mahonian numbers)."""
    counts = [1]
    for size in range(2, n + 1):
        longer = [0] * (len(counts) + size - 1)
        for falling, orders in enumerate(counts):
            for more in range(size):
                longer[falling + more] += orders
        counts = longer
    return tuple(counts)
