"""Is this window unusual for this problem? Judged against the problem's own windows, because their rows are not exchangeable."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

__all__ = ["Ranks", "Unusual", "alarm_ranks", "alarm_rate", "smallest_rate", "unusual", "window_limits"]

_LEAST_SPREAD = 1e-4  # a constant column moves by nothing, and a hair more is no drift


def smallest_rate(n_windows: int) -> float:
    """The lowest false-alarm rate that `n_windows` calibration windows can support of one window: 1 / (n + 1).

    >>> smallest_rate(99)
    0.01
    """
    return 1 / (n_windows + 1)


def alarm_rate(high: float, low: float, *, repeated: int, among: int) -> float:
    """Probability that a window without drift alarms: it exceeds its high limit, or its low one as `repeated` - 1 of the
    `among` - 1 windows before it did theirs.

    `high` <= `low` are the probabilities of exceeding each limit. Each window is ranked among those before it and then
    joins them, and such ranks are independent where windows are exchangeable: Vovk, Gammerman and Shafer (2005), 8.2.

    >>> round(alarm_rate(0.0, 0.1, repeated=2, among=3), 4)
    0.019
    """
    return float(high + (low - high) * binom.sf(repeated - 2, among - 1, low))


@dataclass(frozen=True)
class Ranks:
    """Which of the sorted calibration windows the two limits are, counted from 1 (one beyond the last: never exceeded),
    and the false-alarm rate a window that this gives."""

    high: int
    low: int
    rate: float


@cache
def alarm_ranks(n_windows: int, *, alpha: float, repeated: int, among: int) -> Ranks:
    """The limits of `n_windows` calibration windows at which a window alarms with probability <= `alpha`, taken as a whole.

    Half of `alpha` goes to the high limit, which one window alone has to exceed, or one rank of it where the windows are few;
    what is left goes to the low one. Where no limit keeps `alpha`, the ranks of the smallest rate that there is: it is
    above `alpha` then, and the caller has to refuse it.
    """
    n = n_windows + 1

    def ranks(high: int, low: int) -> Ranks:
        return Ranks(n - high, n - low, alarm_rate(high / n, low / n, repeated=repeated, among=among))

    half = int(alpha / 2 * n)
    for high in dict.fromkeys((half or 1, 0)):
        kept = [found for low in range(max(high, 1), n) if (found := ranks(high, low)).rate <= alpha + 1e-12]
        if kept:
            return kept[-1]
    return min((ranks(0, 1), ranks(1, 1)), key=lambda found: found.rate) if n_windows else Ranks(1, 1, 1.0)


@dataclass(frozen=True)
class Unusual:
    """How the problem's own windows lie: a feature's `centre`, `spread` and weight, shape (n_features,), and each
    calibration window's largest weighted standardised distance, sorted, shape (n_windows,)."""

    centre: np.ndarray
    spread: np.ndarray
    weights: np.ndarray
    worst: np.ndarray

    def limits(self, rank: int) -> np.ndarray:
        """Limit a feature, shape (n_features,), that a window exceeds anywhere where its statistic is above the one of this
        rank; infinite beyond the last."""
        if rank > len(self.worst):
            return np.full(len(self.centre), np.inf)
        limits: np.ndarray = self.centre + self.spread * self.worst[rank - 1] / self.weights
        return limits


def unusual(
    calibration: ArrayLike, *, weights: ArrayLike | None = None, least_spread: ArrayLike = _LEAST_SPREAD
) -> Unusual:
    """Standardise the distances of past windows, shape (n_windows, n_features), each by the *other* windows' mean and spread.

    That is how a new window is standardised, so that their ranks are exchangeable. `weights` in (0, 1]: a feature that
    counts half has to lie twice as far out. A spread under `least_spread` (one, or one a feature), in units of distance,
    counts as that: what never moved would otherwise make any hair the most unusual thing of all.
    """
    distances = np.asarray(calibration, dtype=float)
    if distances.ndim != 2 or not np.isfinite(distances).all():
        raise ValueError(f"calibration needs finite distances of shape (n_windows, n_features), got {distances.shape}")
    n, features = distances.shape
    if n < 2:
        raise ValueError(f"a spread needs at least 2 calibration windows, got {n}")
    weight = np.ones(features) if weights is None else np.asarray(weights, dtype=float)
    centre = distances.mean(axis=0)
    off = distances - centre
    # Without window i the mean moves by off / (n - 1), and the squares lose n / (n - 1) of its own.
    mean_of_others = centre - off / (n - 1)
    squares = (off**2).sum(axis=0) - off**2 * n / (n - 1)
    spread_of_others = np.maximum(np.sqrt(np.maximum(squares, 0) / (n - 1)), least_spread)
    worst = (weight * (distances - mean_of_others) / spread_of_others).max(axis=1)
    return Unusual(centre, np.maximum(distances.std(axis=0), least_spread), weight, np.sort(worst))


def window_limits(calibration: ArrayLike, *, alpha: float) -> np.ndarray:
    r"""Limit a feature, shape (n_features,), that a window without drift exceeds anywhere with probability <= `alpha`.

    `calibration` has shape (n_windows, n_features): each past window's distances from the reference. With the windows
    exchangeable: a window's statistic is the largest of its distances, each standardised by its feature's mean and
    spread over the *other* calibration windows (as a new window's is), and the limit is the
    :math:`\lceil (1 - \alpha)(n + 1) \rceil`-th smallest such statistic. Multiplicity over features is handled once, by
    the maximum. Raises ValueError where n windows cannot support `alpha`. Vovk (2015), cross-conformal predictors.

    >>> window_limits([[0.01], [0.02], [0.03], [0.02]], alpha=0.25).round(3)
    array([0.04])
    """
    found = unusual(calibration)
    n = len(found.worst)
    rank = int(np.ceil((1 - alpha) * (n + 1)))
    if rank > n:
        raise ValueError(f"{n} calibration windows support no rate under {smallest_rate(n):.3f}, asked for {alpha}")
    return found.limits(rank)
