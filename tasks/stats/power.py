"""How many rows does a test need, and how small a difference can this much traffic show?"""

import math
from collections.abc import Callable

import numpy as np

from tasks.stats.evalues import RATIOS, log_factors
from tasks.stats.mixture import log_mean
from tasks.stats.paired import reach, stakes
from tasks.stats.srm import ODDS
from tasks.stats.unpaired import UNSEEN, radius

__all__ = [
    "entities_for_sample_ratio",
    "errors_for_coin_flip",
    "rows_for_betting",
    "rows_for_running_average",
    "rows_for_unpaired",
    "smallest_difference",
    "smallest_paired_difference",
]

_MOST = 2**40  # more rows than anybody has
_BLOCK = 2_048  # counts n whose exact binomial power is worked out at once


def smallest_difference(variance: float, *, n_per_arm: float, alpha: float = 0.05, power: float = 0.8) -> float:
    r"""The difference of two means that arms of `n_per_arm` rows resolve, one-sided, with this power.

    :math:`(z_{1-\alpha} + z_{power}) \sqrt{2 \sigma^2 / n}`; a fixed-sample figure, so a sequential test needs more.

    >>> round(smallest_difference(0.01, n_per_arm=10_000), 5)
    0.00352
    """
    return smallest_paired_difference(2 * variance, n=n_per_arm, alpha=alpha, power=power)


def smallest_paired_difference(variance: float, *, n: float, alpha: float = 0.05, power: float = 0.8) -> float:
    r"""The mean of `n` paired differences of this variance that one look tells from 0, one-sided, with this power.

    :math:`(z_{1-\alpha} + z_{power}) \sqrt{\sigma^2 / n}`: falls with n; infinite without rows. For paired 0/1 losses the
    variance is about the share of rows on which the models disagree.

    >>> round(smallest_paired_difference(0.1, n=10_000), 5)
    0.00786
    """
    if n <= 0:
        return math.inf
    return (_z(1 - alpha) + _z(power)) * math.sqrt(variance / n)


def rows_for_betting(
    gain: float, *, variance: float, margin: float = 0.0, alpha: float = 0.05, power: float = 0.8
) -> float:
    r"""Rows after which `Betting(margin)` stands above :math:`\ln(1/\alpha)` with this power; inf where it never will.

    Rows have mean `gain` and this variance. Each stake's log wealth is taken as normal with the moments of a three-valued
    D (-1, 0, 1: paired 0/1 losses), or two-valued where the variance is too small for one, and all stakes as moving
    together: the smallest n at which the mixture is worth :math:`1 / \alpha` at the normal quantile 1 - `power`. A test
    that is looked at on the way crosses sooner. Falls as `gain` or `margin` grow.

    >>> rows_for_betting(0.0, variance=0.1, margin=0.02) < rows_for_betting(0.0, variance=0.1, margin=0.01) < 20_000
    True
    >>> rows_for_betting(-0.1, variance=0.1, margin=0.05)
    inf
    """
    if gain <= -margin:
        return math.inf
    values, chances = _law(gain, variance)
    logs = np.log(1 + stakes(margin)[:, None] * (values + margin))
    growth = logs @ chances
    spread = np.sqrt(np.maximum((logs - growth[:, None]) ** 2 @ chances, 0.0))

    def found(n: int) -> bool:
        wealth = n * growth - math.sqrt(n) * _z(power) * spread
        return float(log_mean(wealth[:, None])[0]) >= -math.log(alpha)

    return _smallest(found)


def rows_for_running_average(
    gain: float, *, variance: float, margin: float = 0.0, alpha: float = 0.05, power: float = 0.8, bound: float = 1.0
) -> float:
    r"""Rows at which `RunningAverage.interval(alpha)` lies above -`margin` with this power; inf where it never will.

    The sum of n rows is taken as normal with mean n `gain`, and Q as its mean :math:`n (\sigma^2 + gain^2)`: the smallest
    n with :math:`n (gain + margin) - z_{power} \sqrt{n \sigma^2} \ge s^*(Q)`, s* where the e-value is worth
    :math:`1 / \alpha`. Falls as `gain` or `margin` grow.

    >>> rows_for_running_average(0.0, variance=0.1, margin=0.02) > rows_for_betting(0.0, variance=0.1, margin=0.02)
    True
    """
    if gain <= -margin:
        return math.inf
    g, v = (gain + margin) / bound, variance / bound**2
    second = v + (gain / bound) ** 2
    return _smallest(lambda n: n * g - _z(power) * math.sqrt(n * v) >= reach(n * second, alpha=alpha))


def rows_for_unpaired(
    difference: float,
    *,
    variance: float,
    share: float,
    alpha: float = 0.05,
    power: float = 0.8,
    tuned_for: int = 2_000,
    bound: float = 1.0,
) -> float:
    r"""Rows of both arms at which the low end of `unpaired_sequence` is above 0 with this power, at a constant `share`.

    Values have this variance in either arm, so a pseudo-outcome has
    :math:`\sigma^2 / share + \sigma^2 / (1 - share)`. The sign of `difference` does not matter; inf where it is 0. Rows
    are the units; of one entity's rows only the entity counts.

    >>> rows_for_unpaired(0.02, variance=0.1, share=0.5) < rows_for_unpaired(0.02, variance=0.1, share=0.05)
    True
    """
    if difference == 0:
        return math.inf
    spread2 = variance / share + variance / (1 - share)
    unseen = UNSEEN * bound**2 * (share**-2 + (1 - share) ** -2)

    def found(n: int) -> bool:
        half = radius(n, alpha=alpha, tuned_for=tuned_for) * math.sqrt(spread2 + unseen / n)
        return abs(difference) - _z(power) * math.sqrt(spread2 / n) >= half

    return _smallest(found)


def errors_for_coin_flip(
    ratio: float, *, share: float, alpha: float = 0.05, power: float = 0.8, tolerated: float = 1.0
) -> float:
    """Errors of both arms together at which `CoinFlip(tolerated)` stands above ln(1/alpha) with this power.

    The challenger errs `ratio` times as often as the champion and takes this constant `share`. Exact: the binomial chance
    of the hit counts that are worth 1 / alpha; the first n that reaches `power`. A test that is looked at after every
    error crosses sooner. Falls as `ratio` grows; inf where no alternative of the test is nearer to the truth than the
    hypothesis is (from about 1.12 times `tolerated` down). Lindon and Malek, arXiv:2011.03567.

    >>> errors_for_coin_flip(10.0, share=0.05) < errors_for_coin_flip(3.0, share=0.05) < 200
    True
    """
    true, null = (share * r / (share * r + 1 - share) for r in (ratio, tolerated))
    return _first_count(true, null, _coin_logs(share, tolerated, RATIOS), alpha=alpha, power=power)


def entities_for_sample_ratio(true_share: float, *, share: float, alpha: float = 0.001, power: float = 0.8) -> float:
    """Entities at which `SampleRatio` stands above ln(1/alpha) with this power, where `share` was stated.

    Exact as `errors_for_coin_flip`, in either direction. Falls as `true_share` leaves `share`; inf within about 1 % of the
    stated odds. Lindon and Malek, arXiv:2011.03567.

    >>> entities_for_sample_ratio(0.4, share=0.5) < entities_for_sample_ratio(0.45, share=0.5) < 3_000
    True
    """
    return _first_count(true_share, share, _coin_logs(share, 1.0, ODDS), alpha=alpha, power=power)


def _coin_logs(share: float, ratio: float, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log factor of a miss and of a hit for every alternative, shape (k, 1) each."""
    both = log_factors(np.array([0.0, 1.0]), np.full(2, share), ratio, times)
    return both[:, :1], both[:, 1:]


def _first_count(true: float, null: float, logs: tuple[np.ndarray, np.ndarray], *, alpha: float, power: float) -> float:
    """The first n at which binomial(n, `true`) counts are worth 1 / alpha with probability `power`."""
    miss, hit = logs
    if float((true * hit + (1 - true) * miss).max()) <= 0:
        return math.inf

    def found(n: np.ndarray) -> np.ndarray:
        return _chance_of_rejection(n, true, null, logs, alpha=alpha)

    start = 1
    while start < _MOST:
        stop = start + max(_BLOCK, start // 20)
        # Power rises with n but for a ripple of one count's chance, under .05 past the first block: skip what is far off.
        if start == 1 or found(np.array([stop]))[0] >= power - 0.05:
            for low in range(start, stop, _BLOCK):
                reached = found(np.arange(low, min(low + _BLOCK, stop))) >= power
                if reached.any():
                    return low + int(np.argmax(reached))
        start = stop
    return math.inf


def _chance_of_rejection(
    n: np.ndarray, true: float, null: float, logs: tuple[np.ndarray, np.ndarray], *, alpha: float
) -> np.ndarray:
    """Chance that a binomial(n, `true`) count is worth 1 / alpha, for every n."""
    from scipy.stats import binom

    miss, hit = logs

    def worth(k: np.ndarray) -> np.ndarray:
        return log_mean(k * hit + (n - k) * miss) >= -math.log(alpha)

    # The value is convex in the count and at most 1 at its mean: what rejects lies above one edge or below another.
    above = _edge(worth, np.ceil(n * null), n + 1)
    below = n - _edge(lambda misses: worth(n - misses), n - np.floor(n * null), n + 1)
    return np.asarray(binom.sf(above - 1, n, true) + binom.cdf(below, n, true))


def _edge(holds: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The smallest whole number from `low` on, elementwise, for which `holds`; `high` where there is none below it."""
    low, high = low.astype(int), high.astype(int)
    while (low < high).any():
        middle = (low + high) // 2
        done = low >= high
        yes = holds(middle)
        low, high = np.where(done | yes, low, middle + 1), np.where(~done & yes, middle, high)
    return high


def _smallest(found: Callable[[int], bool]) -> float:
    """The smallest n >= 1 for which `found`, once true, stays true; inf where none is below a trillion."""
    high = 1
    while not found(high):
        high *= 2
        if high > _MOST:
            return math.inf
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high


def _law(mean: float, variance: float) -> tuple[np.ndarray, np.ndarray]:
    """(values, chances) with these moments inside [-1, 1]: -1, 0 and 1 where they allow it, else two values."""
    second = variance + mean**2
    if not variance >= 0 or second > 1:
        raise ValueError(f"no values in [-1, 1] have mean {mean} and variance {variance}")
    if second >= abs(mean):
        return np.array([-1.0, 0.0, 1.0]), np.array([second - mean, 2 - 2 * second, second + mean]) / 2
    below = min(math.sqrt(variance), mean + 1)
    if below == 0:
        return np.array([mean]), np.array([1.0])
    above = variance / below
    return np.array([mean - below, mean + above]), np.array([above, below]) / (above + below)


def _z(probability: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(probability))
