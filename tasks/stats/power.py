"""How small a difference can this much traffic show?"""

import math

__all__ = ["smallest_difference"]


def smallest_difference(variance: float, *, n_per_arm: float, alpha: float = 0.05, power: float = 0.8) -> float:
    r"""The difference of two means that arms of `n_per_arm` rows resolve, one-sided, with this power.

    :math:`(z_{1-\alpha} + z_{power}) \sqrt{2 \sigma^2 / n}`; a fixed-sample figure, so a sequential test needs more.

    >>> round(smallest_difference(0.01, n_per_arm=10_000), 5)
    0.00352
    """
    from scipy.stats import norm

    if n_per_arm <= 0:
        return math.inf
    return float((norm.ppf(1 - alpha) + norm.ppf(power)) * math.sqrt(2 * variance / n_per_arm))
