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
    it holds when performance drifts. Below `burn_in` values (where the variance is not yet known) it is infinite. Values
    lie in [-bound, bound]; the variance counts one more value, `bound / 2` off the mean: rows that all agree do not prove
    that none will ever differ.
    Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2021), arXiv:2103.06476, theorem 2.2 and appendix B.

    >>> low, mean, high = confidence_sequence([0.1, -0.1] * 500)
    >>> low < mean < high, round(high, 3)
    (True, 0.01)
    """
    x = _finite(values)
    n = x.size
    mean = float(x.mean())
    if n < burn_in:
        return -math.inf, mean, math.inf
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha)) + 1) / tuned_for
    width = math.sqrt(2 * (n * rho2 + 1) / (n * n * rho2) * math.log(math.sqrt(n * rho2 + 1) / alpha))
    width *= math.sqrt((float(((x - mean) ** 2).sum()) + (bound / 2) ** 2) / n)
    return mean - width, mean, mean + width


def fixed_interval(values: ArrayLike, *, alpha: float = 0.05) -> tuple[float, float, float]:
    r"""(low, mean, high) for a mean looked at **once**: Student's t, two-sided level `2 * alpha`.

    Each end is a one-sided bound at level `alpha`. `values` has shape (n,), n >= 2, one value an independent unit.

    >>> low, mean, high = fixed_interval([0.0, 1.0, 2.0])
    >>> round(mean, 3), round(high - low, 3)
    (1.0, 3.372)
    """
    from scipy.stats import t

    x = _finite(values)
    if x.size < 2:
        raise ValueError(f"an interval needs at least 2 values, got {x.size}")
    half = float(t.ppf(1 - alpha, x.size - 1) * x.std(ddof=1) / math.sqrt(x.size))
    return float(x.mean()) - half, float(x.mean()), float(x.mean()) + half


def _finite(values: ArrayLike) -> np.ndarray:
    x = np.asarray(values, dtype=float)
    if x.ndim != 1 or x.size == 0:
        raise ValueError(f"values need shape (n,) with n >= 1, got shape {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError(f"{int((~np.isfinite(x)).sum())} of {x.size} values are not finite")
    return x
