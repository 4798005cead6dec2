"""What will all rows show, when only some of their labels have come? Each label counts for those still under way."""

import math

import numpy as np
from numpy.typing import ArrayLike

from tasks.stats.maturity import DelayCurve

__all__ = ["shares_known", "weighted_ratio"]


def shares_known(age: ArrayLike, group: ArrayLike, curves: list[DelayCurve]) -> np.ndarray:
    """The share of each row's labels that have come by its age, shape (n,), from the curve of its group.

    `age`, shape (n,), in the unit of the curves; `group`, shape (n,), is a position in `curves`. From the age on to which a
    group's labels were followed all have come that come at all.

    >>> from tasks.stats.maturity import delay_curve_of_known
    >>> shares_known([1, 2], [0, 0], [delay_curve_of_known([1, 1, 2], [1, 9, 9])])
    array([0.5, 1. ])
    """
    a, g = np.asarray(age, dtype=float), np.asarray(group, dtype=int)
    share = np.zeros(a.shape)
    for position, curve in enumerate(curves):
        rows = g == position
        step = np.searchsorted(curve.delay, a[rows], side="right")
        share[rows] = np.append(0.0, curve.known)[step]
    return share


def weighted_ratio(
    above: ArrayLike,
    below: ArrayLike,
    *,
    age: ArrayLike,
    group: ArrayLike,
    curves: list[DelayCurve],
    alpha: float = 0.05,
    bounded: bool = True,
) -> tuple[float, float, float]:
    r"""(low, estimate, high) of the ratio that all rows of a cohort will show, from those of them whose labels have come.

    All arrays have shape (n,), one entry a row with a label; `group` is a position in `curves`, which say how fast the
    labels of such rows come. With :math:`F_i` the share known by the row's age, :math:`w_i = 1 / F_i`, the estimate is
    :math:`R = \sum w_i u_i / \sum w_i v_i` (Horvitz and Thompson, 1952; u `above`, v `below`): of recall u marks the
    positives that were decided for, v all positives. Its variance has two parts, with
    :math:`e_i = (u_i - R v_i) / \sum w v`: which labels have come by chance, :math:`\sum (1 - F_i) e_i^2 / F_i^2`; and
    how well the curves are known, :math:`\sum_s g_s (\sum_{i: a_i < s} w_i e_i)^2` with the increments g of Greenwood's
    sum, since an error of the curve at delay s moves all rows younger than s together. The claim, at level 1 - `alpha`,
    is about these rows once matured, so that the interval closes when the last label has come. `bounded`: the ratio
    lies in [0, 1], the ends are taken on the scale of its logit, and the variance counts one row more that differs.
    It assumes that labels come as fast as those of the rows behind the curves did. nan where `below` has no weight.

    >>> from tasks.stats.maturity import delay_curve_of_known
    >>> slow = [delay_curve_of_known([1, 1, 2], [1, 9, 9]), delay_curve_of_known([1, 1], [1, 9])]
    >>> low, share, high = weighted_ratio([1, 0], [1, 1], age=[1, 1], group=[0, 1], curves=slow)
    >>> round(share, 3), low < share < high  # a label of the slow kind stands for two rows
    (0.667, True)
    """
    u, v = np.asarray(above, dtype=float), np.asarray(below, dtype=float)
    a, g = np.asarray(age, dtype=float), np.asarray(group, dtype=int)
    if not u.shape == v.shape == a.shape == g.shape or u.ndim != 1:
        raise ValueError(f"all rows need one shape (n,), got {u.shape}, {v.shape}, {a.shape} and {g.shape}")
    share = shares_known(a, g, curves)
    if (share <= 0).any():
        raise ValueError(f"{int((share <= 0).sum())} labels came before any label comes, as their curves say")
    weight = 1 / share
    total = float(weight @ v)
    if not total > 0:
        return math.nan, math.nan, math.nan
    ratio = float(weight @ u) / total
    pull = weight * (u - ratio * v) / total
    by_chance = (1 - share) * pull**2
    # One row more of each kind: that few have come does not prove that few are under way.
    variance = float(by_chance.sum()) + sum(float(by_chance[g == k].mean()) for k in np.unique(g))
    variance += sum(_of_curve(curve, a[g == k], pull[g == k]) for k, curve in enumerate(curves))
    if not bounded:
        reach = _quantile(alpha, by_chance) * math.sqrt(variance)
        return ratio - reach, ratio, ratio + reach
    counted = v > 0
    # Rows that all agree do not prove that none of those under way differs.
    variance += float(np.mean((1 - share[counted]) * weight[counted] ** 2)) / (4 * total**2)
    if variance == 0:  # all have come
        return ratio, ratio, ratio
    under_way = float((weight - 1) @ v)
    return _logit(ratio, variance, _quantile(alpha, by_chance), least=min(0.5, under_way) / total)


def _of_curve(curve: DelayCurve, age: np.ndarray, pull: np.ndarray) -> float:
    """The variance that the curve's own error gives the sum of `pull`."""
    if not age.size or curve.delay.size < 2:
        return 0.0
    with np.errstate(invalid="ignore"):
        increment = np.nan_to_num(-np.diff(curve.greenwood), nan=0.0, posinf=0.0)
    order = np.argsort(age, kind="stable")
    summed = np.append(0.0, np.cumsum(pull[order]))
    younger = summed[np.searchsorted(age[order], curve.delay[1:], side="left")]
    return float((increment * younger**2).sum())


def _quantile(alpha: float, by_chance: np.ndarray) -> float:
    """Student's, for as many rows as the variance comes from (Satterthwaite, 1946): few do not show their own spread."""
    from scipy.stats import t

    squares = float((by_chance**2).sum())
    rows = float(by_chance.sum()) ** 2 / squares if squares > 0 else math.inf
    return float(t.ppf(1 - alpha / 2, max(rows - 1, 2.0)))


def _logit(ratio: float, variance: float, reach: float, *, least: float) -> tuple[float, float, float]:
    inside = min(max(ratio, least), 1 - least)
    half = reach * math.sqrt(variance) / (inside * (1 - inside))
    odds = math.log(inside / (1 - inside))
    low, high = (1 / (1 + math.exp(min(-odds + side * half, 700.0))) for side in (1, -1))
    return min(low, ratio), ratio, max(high, ratio)
