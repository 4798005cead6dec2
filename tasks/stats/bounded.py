"""How large is the mean of bounded values, looked at once, when what matters may not have happened yet?"""

import math

import numpy as np
from numpy.typing import ArrayLike

from tasks.stats.sequences import cluster_totals, finite

__all__ = ["bounded_interval"]

_UNSEEN = 2  # clusters as bad as can be, added on each side


def bounded_interval(
    values: ArrayLike, *, alpha: float = 0.05, bound: float = 1.0, clusters: ArrayLike | None = None
) -> tuple[float, float, float]:
    r"""(low, mean, high) for a mean of values in [-bound, bound] looked at **once**; each end at level `alpha`.

    Student's t of the cluster totals as in `fixed_interval`, with two more clusters for the low end that are all -bound,
    and two for the high end that are all +bound; each of the mean size, or one row where no `clusters` (shape (n,)) are
    given. A t interval believes that what has not happened cannot: where harm is one row in a thousand, 500 rows often
    hold none, and it has no width. At the edge of a margin of .001 with harm alone it passes 61, 37, 14, 9, 10 and 11 % of
    the time on 500, 1,000, 2,000, 4,000, 8,000 and 14,000 rows where 5 % is nominal; this one 0, 0, 0, 0, 1.5 and 3 %
    (`make evidence`). For frequent differences both agree. After Agresti and Coull (1998), who add to each side of a
    proportion. Sizes that differ wildly (lognormal with sigma 1.5) are not covered: there harm hides in a few large
    clusters, and 18 % pass.

    >>> bounded_interval([0.0] * 1_000)[0] < -0.001 < 0.0
    True
    >>> low, mean, high = bounded_interval([0.2, 0.4] * 5_000)
    >>> round(low, 3), round(mean, 3), round(high, 3)
    (0.298, 0.3, 0.302)
    """
    x = finite(values)
    if bound <= 0 or np.abs(x).max() > bound * (1 + 1e-9):
        raise ValueError(f"values lie in [-bound, bound] with bound {bound:g}, got up to {np.abs(x).max():g}")
    if clusters is None:
        sums, sizes = x, np.ones(x.size)
    else:
        sums, sizes = cluster_totals(x, clusters), cluster_totals(np.ones(x.size), clusters)
    mean = float(x.mean())
    half_low, centre_low = _with_unseen(sums, sizes, -bound, alpha=alpha)
    half_high, centre_high = _with_unseen(sums, sizes, bound, alpha=alpha)
    return max(-bound, min(centre_low - half_low, mean)), mean, min(bound, max(centre_high + half_high, mean))


def _with_unseen(sums: np.ndarray, sizes: np.ndarray, value: float, *, alpha: float) -> tuple[float, float]:
    """Half width and mean with the unseen clusters added."""
    from scipy.stats import t

    size = float(sizes.mean())
    s, n = np.append(sums, np.full(_UNSEEN, value * size)), np.append(sizes, np.full(_UNSEEN, size))
    rows, groups = float(n.sum()), s.size
    mean = float(s.sum()) / rows
    totals = s - n * mean
    error = math.sqrt(groups / (groups - 1) * float(totals @ totals)) / rows
    return float(t.ppf(1 - alpha, groups - 1)) * error, mean
