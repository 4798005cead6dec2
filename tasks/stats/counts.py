"""Is a count of rows out of the ordinary, given the counts of its own past?"""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.special import betainc

__all__ = ["binomial_excess", "count_tails", "dispersion"]


def dispersion(groups: Iterable[Sequence[float]]) -> float:
    r"""How much wider than Poisson counts scatter around their own group's mean; 1.0 is Poisson, and the least.

    Pearson's :math:`\sum_g \sum_i (c_{gi} - m_g)^2 / m_g` over its degrees of freedom. `groups` hold counts that share a mean,
    such as the Mondays. Without a group of two counts above zero: nan, which means undefined.

    >>> dispersion([[4, 16], [10, 10]])
    3.6
    """
    spread, freedom = 0.0, 0
    for group in groups:
        counts = np.asarray(group, dtype=float)
        if counts.size > 1 and counts.mean() > 0:
            spread += float(((counts - counts.mean()) ** 2).sum() / counts.mean())
            freedom += counts.size - 1
    return max(spread / freedom, 1.0) if freedom else float("nan")


def count_tails(count: float, past: Sequence[float], *, wider: float = 1.0) -> tuple[float, float]:
    r"""How probable so small a count is, and so large a one, when it has the mean of the `past` ones.

    Given its sum with the past a Poisson count is binomial with share :math:`1 / (1 + n)` (Przyborowski and Wilenski, 1940);
    counts that scatter `wider` than Poisson are divided by that, and the binomial tail is continued to fractions.

    >>> low, high = count_tails(0, [10, 10, 10, 10])
    >>> round(low, 5), high
    (0.00013, 1.0)
    """
    here, before = count / wider, float(np.sum(past)) / wider
    if here + before == 0:
        return 1.0, 1.0
    share = 1 / (1 + len(past))
    low = 1.0 if before == 0 else float(betainc(before, here + 1, 1 - share))
    high = 1.0 if here == 0 else float(betainc(here, before + 1, share))
    return low, high


def binomial_excess(hits: int, n: int, share: float) -> float:
    """How probable it is that `hits` or more of `n` come up, when each does with probability `share`.

    >>> round(binomial_excess(3, 3, 0.5), 3)
    0.125
    """
    if hits <= 0:
        return 1.0
    return float(betainc(hits, n - hits + 1, share))
