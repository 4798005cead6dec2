"""How large is the mean of bounded values, looked at once, when what matters may not have happened yet?"""

import numpy as np
from numpy.typing import ArrayLike

from tasks.stats.sequences import finite, fixed_interval

__all__ = ["bounded_interval"]

_UNSEEN = 2  # rows as bad as can be, added on each side


def bounded_interval(
    values: ArrayLike, *, alpha: float = 0.05, bound: float = 1.0, clusters: ArrayLike | None = None
) -> tuple[float, float, float]:
    r"""(low, mean, high) for a mean of values in [-bound, bound] looked at **once**; each end at level `alpha`.

    Student's t as in `fixed_interval`, with two more values at -bound for the low end and two at +bound for the high one,
    each a cluster of its own. A t interval believes that what has not happened cannot: where harm is one row in a
    thousand, 500 rows often hold none, and it has no width. At the edge of a margin of .001 with harm alone it passes
    61, 22, 20, 15 and 11 % of the time on 500 to 14,000 rows where 5 % is nominal; this one 0, 0, 0, 2 and 3 %. For
    frequent differences both agree. After Agresti and Coull (1998), who add to each side of a proportion.

    >>> bounded_interval([0.0] * 1_000)[0] < -0.001 < 0.0
    True
    >>> low, mean, high = bounded_interval([0.2, 0.4] * 5_000)
    >>> round(low, 3), round(mean, 3), round(high, 3)
    (0.298, 0.3, 0.302)
    """
    x = finite(values)
    if bound <= 0 or np.abs(x).max() > bound * (1 + 1e-9):
        raise ValueError(f"values lie in [-bound, bound] with bound {bound:g}, got up to {np.abs(x).max():g}")
    names = None if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    if names is not None:
        names = np.append(names, names.max() + 1 + np.arange(_UNSEEN))

    def with_unseen(value: float) -> tuple[float, float, float]:
        return fixed_interval(np.append(x, np.full(_UNSEEN, value)), alpha=alpha, clusters=names)

    mean = float(x.mean())
    return min(with_unseen(-bound)[0], mean), mean, max(with_unseen(bound)[2], mean)
