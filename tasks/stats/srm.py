"""Do the arms hold the shares that they were given? A sequential test of sample-ratio mismatch."""

import numpy as np
from numpy.typing import ArrayLike

from tasks.stats.evalues import coin_flip

__all__ = ["sample_ratio"]


def sample_ratio(in_challenger: ArrayLike, probability: ArrayLike) -> float:
    """Log e-value against "each entity falls to the challenger with its stated probability", in either direction.

    `in_challenger` (shape (n,)) has one 0/1 an entity, `probability` what was stated for it. The mean of two coin-flip
    values, one for too many and one for too few. Lindon and Malek, arXiv:2011.03567.

    >>> balanced = sample_ratio([0, 1] * 200, [0.5] * 400)
    >>> skewed = sample_ratio([1, 1, 1, 0] * 100, [0.5] * 400)
    >>> balanced < 1 < skewed
    True
    """
    x, w = np.asarray(in_challenger, dtype=float), np.asarray(probability, dtype=float)
    return float(np.logaddexp(coin_flip(x, w), coin_flip(1 - x, 1 - w)) - np.log(2))
