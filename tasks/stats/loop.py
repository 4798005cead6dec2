"""How much of a change is the work of the model's own decisions? Those who met a drawn decision beside those who did not."""

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike

from tasks.stats.sequences import cluster_totals, finite

__all__ = ["MadeByDecisions", "made_by_decisions"]

Interval3 = tuple[float, float, float]


@dataclass(frozen=True)
class MadeByDecisions:
    """Means of one quantity, in its own unit, each interval as (low, estimate, high)."""

    decided: float  # where the model's decisions went out
    held_back: float  # where decisions were drawn
    effect: Interval3  # decided less held back: what the model's decisions make
    change: Interval3 | None  # decided less what it was in the reference; None without a reference
    share: Interval3 | None  # of the change that the effect makes up; None where the change may be none


def made_by_decisions(
    decided: ArrayLike,
    held_back: ArrayLike,
    reference: ArrayLike | None = None,
    *,
    alpha: float = 0.025,
    decided_by: ArrayLike | None = None,
    held_back_by: ArrayLike | None = None,
) -> MadeByDecisions:
    r"""The effect of the model's decisions on a mean, and the share it has in the change since the reference.

    Values of the rows that the model decided, of those drawn at random (the holdback, which sees the same world but for
    those decisions), and of the `reference` from before; shapes (n,), each at least 2 long. `decided_by`, `held_back_by`
    name whose row each is, where whole entities were drawn. Each end at level `alpha`, by Welch's t of rows or of
    entities' totals. The share is effect / change with Fieller's (1954) ends, for which both hold the same rows: 1 where the
    change is all the model's own, 0 where the holdback changed as much; outside [0, 1] where both push, and None where
    the change is not shown to be one.

    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> found = made_by_decisions(rng.normal(1.0, size=900), rng.normal(0.4, size=900), rng.normal(size=900))
    >>> [round(float(one), 1) for one in found.effect], round(found.share[1], 1)
    ([0.5, 0.5, 0.6], 0.6)
    """
    one, other = _moments(decided, decided_by), _moments(held_back, held_back_by)
    effect = _difference(one, other, alpha)
    if reference is None:
        return MadeByDecisions(one[0], other[0], effect, None, None)
    before = _moments(reference, None)
    change = _difference(one, before, alpha)
    return MadeByDecisions(one[0], other[0], effect, change, _share(one, other, before, alpha))


Moments = tuple[float, float, int]  # mean, its variance, units


def _moments(values: ArrayLike, clusters: ArrayLike | None) -> Moments:
    x = finite(values)
    mean = float(x.mean())
    totals = x - mean if clusters is None else cluster_totals(x - mean, clusters)
    if totals.size < 2:
        raise ValueError(f"a mean needs at least 2 units for its error, got {totals.size}")
    return mean, totals.size / (totals.size - 1) * float(totals @ totals) / x.size**2, totals.size


def _difference(a: Moments, b: Moments, alpha: float) -> Interval3:
    from scipy.special import stdtrit

    variance = a[1] + b[1]
    freedom = variance**2 / (a[1] ** 2 / (a[2] - 1) + b[1] ** 2 / (b[2] - 1)) if variance > 0 else 1.0
    half = float(stdtrit(freedom, 1 - alpha)) * math.sqrt(variance)
    return a[0] - b[0] - half, a[0] - b[0], a[0] - b[0] + half


def _share(one: Moments, other: Moments, before: Moments, alpha: float) -> Interval3 | None:
    """Fieller: the shares at which effect - share * change may be nothing. Both hold the mean of `one`: their covariance."""
    from scipy.special import ndtri

    effect, change = one[0] - other[0], one[0] - before[0]
    z2 = float(ndtri(1 - alpha)) ** 2
    a = change**2 - z2 * (one[1] + before[1])
    if a <= 0:
        return None
    b = effect * change - z2 * one[1]
    c = effect**2 - z2 * (one[1] + other[1])
    root = math.sqrt(max(b * b - a * c, 0.0))
    return (b - root) / a, effect / change, (b + root) / a
