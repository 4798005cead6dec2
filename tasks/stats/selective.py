"""What is true of all rows where only some could be labelled, and it is known how likely each was?"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tasks.stats.propensity import checked

__all__ = ["Corrected", "corrected_mean", "corrected_precision", "corrected_recall", "selection_gap"]

_MOST = 40  # strata: chances that differ from row to row are none of a plan's


@dataclass(frozen=True)
class Corrected:
    """An estimate for all rows, and what it rests on.

    `unsupported` is the share of rows of which nothing is known, because they had no chance of a label or because none of
    their kind has one: the estimate leaves them out, and the ends allow for anything of them.
    """

    low: float
    estimate: float
    high: float
    rows: int
    labelled: int
    effective: float  # labelled rows that, weighing alike, would say as much
    unsupported: float


def corrected_mean(
    value: ArrayLike,
    labelled: ArrayLike,
    chance: ArrayLike,
    *,
    decision: ArrayLike | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    clusters: ArrayLike | None = None,
    alpha: float = 0.025,
) -> Corrected:
    r"""The mean of `value` over all rows, from those with a label; each end at level `alpha`, also where labels are few.

    All arrays have shape (n,): `value` (a label, a loss; read where `labelled`, within `bounds`), whether the row has a
    label, and its `chance` of one, in [0, 1]. Of the rows of one chance (and one `decision`, which is known of all and
    makes them more alike) the labelled ones are a random sample, so :math:`\sum_h \frac{N_h}{n} \bar v_h`: one over the
    chance, with the chance that came true in place of the planned one. The ends combine those of the strata (MOVER: Zou
    and Donner, 2008), each a beta distribution of the stratum's mean and variance (Jeffreys' interval where values are 0
    and 1), so that what was not seen among twenty labels is not taken for impossible; and the strata's own sizes, since
    another time's rows fall otherwise. `clusters` names whose row each is, where rows were drawn together: the variance
    is then that of their totals (Korn and Graubard, 1998).

    >>> r = np.arange(1_000) % 10 == 0  # a tenth of the second half is labelled, of the first half all
    >>> y = np.r_[np.zeros(500), np.tile([1, 0], 250)]
    >>> found = corrected_mean(y, r | (np.arange(1_000) < 500), np.repeat([1.0, 0.1], 500))
    >>> round(found.estimate, 2), 0 < found.low < found.high < 1, found.labelled
    (0.5, True, 550)
    """
    v, r, p = checked(value, labelled, chance)
    strata = _strata(v, r, p, decision, clusters, bounds, alpha)
    return _corrected(strata, _sum(strata, strata.shares, alpha), r, p)


def corrected_precision(
    label: ArrayLike,
    decision: ArrayLike,
    labelled: ArrayLike,
    chance: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    alpha: float = 0.025,
) -> Corrected:
    """The share of positives among all rows that are decided 1 (`decision`, of any model), as `corrected_mean`; nan, from
    0 to 1, where none is."""
    chosen = np.asarray(decision, dtype=float) >= 0.5
    if not chosen.any():
        return Corrected(0.0, math.nan, 1.0, rows=0, labelled=0, effective=0.0, unsupported=1.0)
    whose = None if clusters is None else np.asarray(clusters)[chosen]
    given = (np.asarray(one)[chosen] for one in (label, labelled, chance))
    return corrected_mean(*given, clusters=whose, alpha=alpha)


def corrected_recall(
    label: ArrayLike,
    decision: ArrayLike,
    labelled: ArrayLike,
    chance: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    alpha: float = 0.025,
) -> Corrected:
    r"""The share of all positives that are decided 1, as `corrected_mean`: of found ones a and missed ones b,
    :math:`1 / (1 + b / a)`, with the ends of a ratio of two independent means (Donner and Zou, 2012). nan, from 0 to 1,
    where not one positive was seen."""
    y, r, p = checked(label, labelled, chance)
    d = np.asarray(decision, dtype=float) >= 0.5
    strata = _strata(y, r, p, d, clusters, (0.0, 1.0), alpha)
    sides = np.array([s.decision for s in strata.parts])
    found, missed = (_sum(strata, strata.shares * (sides == side), alpha) for side in (1, 0))
    total = found[1] + missed[1]
    if not total > 0:
        return _corrected(strata, (0.0, math.nan, 1.0), r, p)
    low, high = _share_of_two(found, missed)
    return _corrected(strata, (low, found[1] / total, high), r, p)


def selection_gap(
    value: ArrayLike,
    labelled: ArrayLike,
    chance: ArrayLike,
    *,
    decision: ArrayLike | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    clusters: ArrayLike | None = None,
    alpha: float = 0.025,
) -> tuple[float, float, float]:
    """(low, gap, high): how far the mean of the labelled rows lies above the mean of all, as `corrected_mean` has it.

    What taking labelled rows for all rows is wrong by. Zero where labels are no selection; nan without a label.
    """
    v, r, p = checked(value, labelled, chance)
    if not r.any():
        return math.nan, math.nan, math.nan
    strata = _strata(v, r, p, decision, clusters, bounds, alpha)
    seen = np.array([s.labelled for s in strata.parts])
    if not seen.any():
        return math.nan, math.nan, math.nan
    # Linear in the strata's means, and the same labels stand on both sides: their errors largely cancel.
    low, _, high = _sum(strata, seen / seen.sum() - strata.shares, alpha)
    gap = _sum(strata, seen / seen.sum(), alpha)[1] - _sum(strata, strata.shares, alpha)[1]
    return min(low, gap), gap, max(high, gap)


@dataclass(frozen=True)
class _Stratum:
    """Rows of one chance and one decision: their share of all, those labelled, and their mean with its ends."""

    share: float
    labelled: int
    decision: float
    low: float
    mean: float  # nan where none is labelled
    high: float


@dataclass(frozen=True)
class _Strata:
    """All strata, and how much their means move together where rows of one cluster lie in several of them."""

    parts: list[_Stratum]
    bounds: tuple[float, float]
    number: np.ndarray  # shape (n,): each row's stratum
    whose: np.ndarray | None  # shape (n,): the number of each row's cluster
    together: np.ndarray | None  # covariances of the strata's means, from the clusters' totals

    @property
    def shares(self) -> np.ndarray:
        return np.array([s.share for s in self.parts])

    def widened(self, coefficient: np.ndarray) -> float:
        """The variance of the sum over what it were, did no cluster lie in two strata; at least 1."""
        if self.together is None:
            return 1.0
        alone = float(coefficient**2 @ np.diag(self.together))
        return max(1.0, float(coefficient @ self.together @ coefficient) / alone) if alone > 0 else 1.0

    def spread(self, values: np.ndarray) -> float:
        """The variance of the mean over all rows of what a row's stratum gives it."""
        each = values[self.number]
        totals = each if self.whose is None else np.bincount(self.whose, weights=each)
        return float(totals @ totals) / each.size**2


def _strata(
    v: np.ndarray,
    r: np.ndarray,
    p: np.ndarray,
    decision: ArrayLike | None,
    clusters: ArrayLike | None,
    bounds: tuple[float, float],
    alpha: float,
) -> _Strata:
    d = np.zeros(p.size) if decision is None else np.asarray(decision, dtype=float)
    # 1 - 0.95 and 0.05 are one chance, and differ in their last digits.
    chances, by_chance = np.unique(p.round(9), return_inverse=True)
    decisions, by_decision = np.unique(d, return_inverse=True)
    kinds, number = np.unique(by_chance * decisions.size + by_decision, return_inverse=True)
    if kinds.size > _MOST:
        raise ValueError(f"{kinds.size} different chances of a label; from {_MOST} on use hajek, which needs no strata")
    whose = None if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    parts, moved = [], []
    for which, kind in enumerate(kinds):
        mine = number == which
        seen = mine & r & (chances[kind // decisions.size] > 0)  # a label that could not come is of another world
        low, mean, high = _mean(v[seen], None if whose is None else whose[seen], bounds, alpha)
        decided = float(decisions[kind % decisions.size])
        parts.append(_Stratum(float(mine.mean()), int(seen.sum()), decided, low, mean, high))
        if whose is not None:
            off = np.where(seen, v - mean, 0.0) / max(int(seen.sum()), 1)
            moved.append(np.bincount(whose, weights=np.nan_to_num(off)))
    return _Strata(parts, bounds, number, whose, np.array(moved) @ np.array(moved).T if moved else None)


def _mean(
    values: np.ndarray, clusters: np.ndarray | None, bounds: tuple[float, float], alpha: float
) -> tuple[float, float, float]:
    """A stratum's mean with the ends of a beta distribution of its mean and variance; the bounds where nothing is known."""
    from scipy.special import betaincinv

    (floor, ceiling), n = bounds, values.size
    if n == 0:
        return floor, math.nan, ceiling
    z = (values - floor) / (ceiling - floor)
    if z.min() < -1e-9 or z.max() > 1 + 1e-9:
        raise ValueError(f"values lie in [{floor:g}, {ceiling:g}], got {values.min():g} to {values.max():g}")
    mean = float(z.mean().clip(0, 1))
    size = _size_of(z, mean, clusters)
    low = 0.0 if mean == 0 else float(betaincinv(size * mean + 0.5, size * (1 - mean) + 0.5, alpha))
    high = 1.0 if mean == 1 else float(betaincinv(size * mean + 0.5, size * (1 - mean) + 0.5, 1 - alpha))
    scaled = (floor + (ceiling - floor) * one for one in (min(low, mean), mean, max(high, mean)))
    return tuple(scaled)  # type: ignore[return-value]


def _size_of(z: np.ndarray, mean: float, clusters: np.ndarray | None) -> float:
    """Yes-or-no answers that would say as much about the mean: more than rows where values differ less, fewer where
    rows of one cluster agree."""
    from scipy.special import ndtri, stdtrit

    n, widest = z.size, mean * (1 - mean)
    between = ((z == 0) | (z == 1)).all()
    # One value more, at the further bound: twenty that agree do not prove that none ever differs.
    unseen = 0.0 if between else max(mean, 1 - mean) ** 2
    spread = (float(((z - mean) ** 2).sum()) + unseen) / (n if between else n + 1)
    if clusters is not None and spread > 0:
        names = np.unique(clusters, return_inverse=True)[1]
        totals = np.bincount(names, weights=z - mean)
        spread = max(spread, float(totals @ totals) / n * totals.size / max(totals.size - 1, 1))
    units = n if clusters is None else int(np.unique(clusters).size)
    size = n * widest / spread if spread > 0 else float(units)
    # The variance is itself an estimate: Student's t over the normal, as Korn and Graubard take it.
    return size if units < 2 else size * float(ndtri(0.975) / stdtrit(units - 1, 0.975)) ** 2


def _sum(strata: _Strata, coefficient: np.ndarray, alpha: float) -> tuple[float, float, float]:
    """The sum of coefficient times mean over the strata: each end as far off as the strata's own ends together are.

    A stratum of which nothing is known takes no part in the estimate, which speaks of the rest, and moves the ends by all
    that it could be.
    """
    from scipy.special import ndtri

    there = np.array([s.labelled > 0 for s in strata.parts])
    unknown = coefficient[~there]
    if not there.any():
        ends = sorted(float(unknown.sum()) * bound for bound in strata.bounds)
        return ends[0], math.nan, ends[1]
    c = np.where(there, coefficient, 0.0)
    low, mean, high = (np.array([getattr(s, end) for s in strata.parts]) for end in ("low", "mean", "high"))
    mean = np.where(there, mean, 0.0)
    total, wider = float(c @ mean), strata.widened(c)
    down = wider * float((np.where(there, c * (mean - np.where(c > 0, low, high)), 0.0) ** 2).sum())
    up = wider * float((np.where(there, c * (np.where(c > 0, high, low) - mean), 0.0) ** 2).sum())
    # Another time's rows fall into the strata in other numbers.
    sizes = float(ndtri(1 - alpha)) ** 2 * strata.spread(np.where(there, c / strata.shares * mean - total, 0.0))
    worst, best = (sum(pick(one * bound for bound in strata.bounds) for one in unknown) for pick in (min, max))
    estimate = total * float(coefficient.sum() / c.sum()) if unknown.size and c.sum() else total
    first, last = total - math.sqrt(down + sizes) + worst, total + math.sqrt(up + sizes) + best
    return min(first, estimate), estimate, max(last, estimate)


def _share_of_two(a: tuple[float, float, float], b: tuple[float, float, float]) -> tuple[float, float]:
    """The ends of a / (a + b), for two independent means with theirs."""
    # The ratio whose denominator is the surer one: the same share, and never a division by what may be nothing.
    if a[0] * b[1] < b[0] * a[1]:
        low, high = _share_of_two(b, a)
        return 1 - high, 1 - low
    if not a[0] > 0:
        return 0.0, 1.0
    ratio_low, ratio_high = _ratio(b, a)
    return 1 / (1 + ratio_high), 1 / (1 + ratio_low)


def _ratio(b: tuple[float, float, float], a: tuple[float, float, float]) -> tuple[float, float]:
    """The ends of b / a (Donner and Zou, 2012, equation 9)."""
    (l1, m1, u1), (l2, m2, u2) = b, a
    product = m1 * m2
    under = max(product**2 - l1 * u2 * (2 * m1 - l1) * (2 * m2 - u2), 0.0)
    over = max(product**2 - u1 * l2 * (2 * m1 - u1) * (2 * m2 - l2), 0.0)
    divisor = u2 * (2 * m2 - u2)
    low = max((product - math.sqrt(under)) / divisor, 0.0) if divisor > 0 else max(l1 / u2, 0.0)
    return low, (product + math.sqrt(over)) / (l2 * (2 * m2 - l2))


def _corrected(strata: _Strata, ends: tuple[float, float, float], r: np.ndarray, p: np.ndarray) -> Corrected:
    weights = [(s.share / s.labelled, s.labelled) for s in strata.parts if s.labelled]
    squares = sum(w * w * k for w, k in weights)
    effective = sum(w * k for w, k in weights) ** 2 / squares if squares else 0.0
    unknown = sum(s.share for s in strata.parts if not s.labelled)
    return Corrected(*ends, rows=p.size, labelled=int((r & (p > 0)).sum()), effective=effective, unsupported=unknown)
