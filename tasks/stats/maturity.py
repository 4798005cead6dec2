"""How long do labels take, when the newest rows still wait for theirs?"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["DelayCurve", "delay_curve", "delay_curve_of_known"]


@dataclass(frozen=True)
class DelayCurve:
    """The share of labels that have come by each delay: a step function, constant from one delay to the next.

    All arrays have shape (m,), one entry a delay at which a label came, ascending, in the unit of the input. `low` and
    `high` are a pointwise band at level 1 - `alpha`, for rows that are labelled independently of each other: labels that
    come in batches make it too narrow.
    """

    delay: np.ndarray
    known: np.ndarray
    low: np.ndarray
    high: np.ndarray
    greenwood: np.ndarray  # the sum in Greenwood's formula up to each delay; inf where all labels have come
    rows: float
    labelled: float
    followed: float  # the longest time for which a row was looked at
    alpha: float

    def at(self, age: float) -> tuple[float, float, float]:
        """(low, share, high) of the labels that have come by `age`; nan beyond the age for which rows were followed."""
        if not age <= self.followed:
            return math.nan, math.nan, math.nan
        step = int(np.searchsorted(self.delay, age, side="right")) - 1
        if step < 0:
            return 0.0, 0.0, _none_of(self.rows, self.alpha)
        return float(self.low[step]), float(self.known[step]), float(self.high[step])

    def quantile(self, share: float) -> float:
        """The delay by which `share` of the labels have come; nan where the rows were not followed for that long."""
        reached = np.flatnonzero(self.known >= share - 1e-12)
        return float(self.delay[reached[0]]) if reached.size else math.nan

    def later_than(self, age: float) -> tuple[float, float, float]:
        r"""(low, share, high) of those labels that come at all, within the longest delay seen, which come after `age`.

        With a = 1 - known(age) and R the part of it that is still without a label at the end, the share is
        a (1 - R) / (1 - a R); its variance by the delta method, from Greenwood's, whose increments up to `age` and after
        it are independent; the ends by a logit, so that they stay in [0, 1]. nan where no row was followed beyond `age`,
        or no label came.
        """
        if self.delay.size == 0 or not age <= self.followed:
            return math.nan, math.nan, math.nan
        step = int(np.searchsorted(self.delay, age, side="right")) - 1
        if step == self.delay.size - 1:
            return 0.0, 0.0, _none_of(self.labelled, self.alpha)
        if self.known[-1] >= 1 - 1e-12:  # nobody stays without a label
            low, known, high = self.at(age)
            return 1 - high, 1 - known, 1 - low
        a, sum_a = (1 - float(self.known[step]), float(self.greenwood[step])) if step >= 0 else (1.0, 0.0)
        r, sum_r = (1 - float(self.known[-1])) / a, float(self.greenwood[-1]) - sum_a
        share, scale = a * (1 - r) / (1 - a * r), (1 - a * r) ** 4
        variance = ((1 - r) ** 2 * a**2 * sum_a + (a * (1 - a) * r) ** 2 * sum_r) / scale
        return _logit_interval(share, variance, self.alpha)


def delay_curve(
    stop: ArrayLike,
    came: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    followed: float | None = None,
    alpha: float = 0.05,
) -> DelayCurve:
    r"""How fast labels come, from rows with a label and rows that still wait for one.

    `stop`, shape (n,): a row's delay where `came` is True, else its age now, at which it is censored; >= 0. `weight`: how
    many rows each stands for. `followed`: the age of the oldest row, beyond which nothing is said; by default the longest
    `stop`. The share that has come by t is one minus Kaplan and Meier's (1958)
    :math:`S(t) = \prod_{s \le t} (1 - d_s / n_s)`, d labels that came at s among n rows that waited until then. The band is
    Greenwood's (1926) :math:`S^2 \sum_{s \le t} d_s / (n_s (n_s - d_s))` on the scale of log(-log S), which keeps it in
    [0, 1]; once all have come its low end is that of n out of n. A row that never gets a label is censored for ever: the
    curve then ends below 1. It assumes that how long a label takes does not depend on when its row came.

    >>> curve = delay_curve([1, 2, 2, 5], [True, True, False, True])
    >>> curve.delay.tolist(), curve.known.round(3).tolist()
    ([1.0, 2.0, 5.0], [0.25, 0.5, 1.0])
    """
    t, event, w = _checked(stop, came, weight)
    order = np.argsort(t, kind="stable")
    waiting = np.append(np.cumsum(w[order][::-1])[::-1], 0.0)
    delay = np.unique(t[event])
    at_risk = waiting[np.searchsorted(t[order], delay, side="left")]
    died = _counts(t[event], w[event], delay)
    with np.errstate(divide="ignore"):
        still = np.cumprod(1 - died / at_risk)
        total = np.cumsum(np.where(at_risk - died > 1e-9, died / (at_risk * (at_risk - died)), np.inf))
    still = np.where(np.isinf(total), 0.0, still)
    low, high = _band(still, total, alpha)
    least = np.where(still > 0, 1 - high, (alpha / 2) ** (1 / np.maximum(at_risk, 1.0)))
    if least.size > 1 and still[-1] == 0:
        least[-1] = max(least[-1], least[-2])
    return DelayCurve(
        delay,
        1 - still,
        least,
        1 - low,
        total,
        float(w.sum()),
        float(w[event].sum()),
        float(t.max() if followed is None else followed),
        alpha,
    )


def delay_curve_of_known(
    delay: ArrayLike, age: ArrayLike, *, weight: ArrayLike | None = None, alpha: float = 0.05
) -> DelayCurve:
    r"""How fast labels come, from labelled rows alone: of a class, whose rows are known by their label only.

    `delay` and `age`, shape (n,), delay <= age: a slow label is seen in an old row alone (right truncation), so that the
    mean delay of labels so far is too short. The share by t, of labels that come within the longest delay seen, is the
    product limit in reversed time (Lagakos, Barraj and De Gruttola, 1988): :math:`F(t) = \prod_{s > t} (1 - d_s / n_s)`,
    d delays equal to s among the n rows with delay <= s <= age. Band as in `delay_curve`.

    >>> delay_curve_of_known([1, 1, 2], [1, 9, 9]).known.round(3).tolist()  # two of the old rows: one in one day, one in two
    [0.5, 1.0]
    """
    d, _, w = _checked(delay, np.ones(np.shape(delay), dtype=bool), weight)
    a = np.asarray(age, dtype=float)
    if a.shape != d.shape or (a < d).any():
        raise ValueError(
            f"a label came when its row was {d.max()} old at most: age needs the shape {d.shape} and delay <= age"
        )
    times = np.unique(d)
    died = _counts(d, w, times)
    gone = _weight_below(a, w, times)
    at_risk = np.cumsum(died) - gone
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(at_risk - died > 1e-9, died / (at_risk * (at_risk - died)), np.inf)
    factors = np.where(np.isinf(terms), 0.0, 1 - died / at_risk)
    share = np.append(np.cumprod(factors[::-1])[::-1][1:], 1.0)
    total = np.append(np.cumsum(terms[::-1])[::-1][1:], 0.0)
    low, high = _band(share, total, alpha)
    low = np.where(share >= 1, (alpha / 2) ** (1 / np.maximum(at_risk, 1.0)), low)
    if low.size > 1:
        low[-1] = max(low[-1], low[-2])
    return DelayCurve(times, share, low, high, total, float(w.sum()), float(w.sum()), float(a.max()), alpha)


def _checked(t: ArrayLike, came: ArrayLike, weight: ArrayLike | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    stop, event = np.asarray(t, dtype=float), np.asarray(came, dtype=bool)
    w = np.ones(stop.shape) if weight is None else np.asarray(weight, dtype=float)
    if stop.ndim != 1 or stop.size == 0 or event.shape != stop.shape or w.shape != stop.shape:
        raise ValueError(
            f"delays, marks and weights need one shape (n,), n >= 1, got {stop.shape}, {event.shape}, {w.shape}"
        )
    if not (np.isfinite(stop).all() and (stop >= 0).all() and (w > 0).all()):
        raise ValueError("a delay is finite and not negative, and a weight is positive")
    return stop, event, w


def _counts(times: np.ndarray, weight: np.ndarray, at: np.ndarray) -> np.ndarray:
    return np.bincount(np.searchsorted(at, times), weights=weight, minlength=at.size)


def _weight_below(values: np.ndarray, weight: np.ndarray, at: np.ndarray) -> np.ndarray:
    order = np.argsort(values, kind="stable")
    summed = np.append(0.0, np.cumsum(weight[order]))
    return summed[np.searchsorted(values[order], at, side="left")]


def _band(share: np.ndarray, total: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Ends for `share` with the variance share^2 * total, on the scale of log(-log); the share itself at 0 and 1."""
    z = NormalDist().inv_cdf(1 - alpha / 2)
    inside = (share > 0) & (share < 1)
    p, s = np.where(inside, share, 0.5), np.where(inside, total, 0.0)
    reach = np.exp(z * np.sqrt(s) / np.abs(np.log(p)))
    return np.where(inside, p**reach, share), np.where(inside, p ** (1 / reach), share)


def _logit_interval(share: float, variance: float, alpha: float) -> tuple[float, float, float]:
    reach = NormalDist().inv_cdf(1 - alpha / 2) * math.sqrt(variance) / (share * (1 - share)) if share < 1 else 0.0
    if not math.isfinite(reach) or share >= 1:
        return 0.0, share, 1.0
    odds = math.log(share / (1 - share))
    return 1 / (1 + math.exp(-odds + reach)), share, 1 / (1 + math.exp(-odds - reach))


def _none_of(n: float, alpha: float) -> float:
    """The share that none of n rows still allows."""
    return 1 - (alpha / 2) ** (1 / max(n, 1.0))
