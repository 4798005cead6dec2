"""How large is a mean, with an interval that stays valid however often it is looked at?"""

import math

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["confidence_sequence", "fixed_interval"]


def confidence_sequence(
    values: ArrayLike, *, alpha: float = 0.05, burn_in: int = 30, tuned_for: int = 2_000, bound: float = 1.0
) -> tuple[float, float, float]:
    r"""(low, mean, high) for the running average of `values` (shape (n,)), valid at every n at once.

    The two-sided asymptotic confidence sequence with level `alpha`: mean :math:`\pm \hat\sigma
    \sqrt{\frac{2 (n \rho^2 + 1)}{n^2 \rho^2} \ln \frac{\sqrt{n \rho^2 + 1}}{\alpha}}`, with :math:`\rho` chosen so
    that the width is smallest near `tuned_for` values. Its claim is about the average of the means of the rows seen, so
    it holds when performance drifts. Asymptotic: where few rows differ, and all one way, it is wrong more often than
    `alpha` (15 % for 2 % of rows, `make evidence`), and `running_average` is the one to decide by. Below `burn_in` values (where the variance is not yet known) it is infinite. Values
    lie in [-bound, bound]; the variance counts one more value, `bound / 2` off the mean: rows that all agree do not prove
    that none will ever differ.
    Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2021), arXiv:2103.06476, theorem 2.2 and appendix B.

    >>> low, mean, high = confidence_sequence([0.1, -0.1] * 500)
    >>> low < mean < high, round(high, 3)
    (True, 0.01)
    """
    x = finite(values)
    n = x.size
    mean = float(x.mean())
    if n < burn_in:
        return -math.inf, mean, math.inf
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha)) + 1) / tuned_for
    width = math.sqrt(2 * (n * rho2 + 1) / (n * n * rho2) * math.log(math.sqrt(n * rho2 + 1) / alpha))
    width *= math.sqrt((float(((x - mean) ** 2).sum()) + (bound / 2) ** 2) / n)
    return mean - width, mean, mean + width


def fixed_interval(
    values: ArrayLike, *, alpha: float = 0.05, clusters: ArrayLike | None = None
) -> tuple[float, float, float]:
    r"""(low, mean, high) for a mean looked at **once**: Student's t, two-sided level `2 * alpha`.

    Each end is a one-sided bound at level `alpha`. `values` has shape (n,), n >= 2, one value an independent unit; or
    `clusters` (shape (n,)) names the unit of each row, and only rows of different clusters are independent. Then the
    variance is that of the cluster totals :math:`e_c = \sum_{i \in c} (x_i - \bar x)`,
    :math:`\frac{G}{G - 1} \sum_c e_c^2 / n^2`, and t has G - 1 degrees of freedom. With one row a cluster both are the
    same. Liang and Zeger (1986).

    >>> low, mean, high = fixed_interval([0.0, 1.0, 2.0])
    >>> round(mean, 3), round(high - low, 3)
    (1.0, 3.372)
    >>> fixed_interval([0.0, 1.0, 2.0] * 2, clusters=[1, 2, 3] * 2) == (low, mean, high)
    True
    """
    from scipy.stats import t

    x = finite(values)
    mean = float(x.mean())
    totals = x - mean if clusters is None else cluster_totals(x - mean, clusters)
    if totals.size < 2:
        raise ValueError(
            f"an interval needs at least 2 {'values' if clusters is None else 'clusters'}, got {totals.size}"
        )
    error = math.sqrt(totals.size / (totals.size - 1) * float((totals**2).sum())) / x.size
    half = float(t.ppf(1 - alpha, totals.size - 1)) * error
    return mean - half, mean, mean + half


def finite(values: ArrayLike) -> np.ndarray:
    """The values as floats, shape (n,), n >= 1; ValueError where one is not finite.

    >>> finite([1, 2])
    array([1., 2.])
    """
    x = np.asarray(values, dtype=float)
    if x.ndim != 1 or x.size == 0:
        raise ValueError(f"values need shape (n,) with n >= 1, got shape {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError(f"{int((~np.isfinite(x)).sum())} of {x.size} values are not finite")
    return x


def cluster_totals(values: np.ndarray, clusters: ArrayLike) -> np.ndarray:
    """Sum of `values` (shape (n,)) over each distinct cluster, in the order of the sorted names.

    >>> cluster_totals(np.array([1.0, 2.0, 4.0]), ["b", "a", "b"])
    array([2., 5.])
    """
    names = np.asarray(clusters)
    if names.shape != values.shape:
        raise ValueError(f"clusters need the shape of the values {values.shape}, got {names.shape}")
    return np.bincount(np.unique(names, return_inverse=True)[1], weights=values)
