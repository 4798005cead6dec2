"""How fast does a model's loss grow with its age, and did gains come as they were predicted?"""

import math

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["growth", "rank_correlation", "sign_agreement"]


def growth(age: ArrayLike, gain: ArrayLike, *, alpha: float = 0.05) -> tuple[float, float, float]:
    r"""(low, slope, high): loss a row that a model gains in one unit of age; zero where age does nothing.

    One pair a comparison, shape (n,), n >= 2: by how much the older of two models is older (above 0), and how much less
    the newer one lost on the same rows. The line through the origin with the least squares, :math:`b = \sum a g / \sum a^2`;
    each end is a one-sided bound at level `alpha` by Student's t with n - 1 degrees of freedom. Comparisons on the same
    rows leave out that some weeks are harder than others.

    >>> low, slope, high = growth([7, 14, 21], [0.01, 0.02, 0.03])
    >>> round(slope * 7, 3)
    0.01
    """
    from scipy.stats import t

    a, g = _pairs(age, gain)
    if (a <= 0).any():
        raise ValueError("the older model of a comparison is older: every age has to be above 0")
    squares = float(a @ a)
    slope = float(a @ g) / squares
    left = g - slope * a
    error = math.sqrt(float(left @ left) / (a.size - 1) / squares)
    half = float(t.ppf(1 - alpha, a.size - 1)) * error
    return slope - half, slope, slope + half


def sign_agreement(predicted: ArrayLike, realised: ArrayLike) -> tuple[int, int]:
    """(agreeing, n): how often a predicted gain was one, and a predicted loss a loss, of those that were not zero.

    >>> sign_agreement([0.1, 0.2, -0.1, 0.0], [0.05, -0.1, -0.3, 0.2])
    (2, 3)
    """
    p, r = _columns(predicted, realised)
    said = (p != 0) & (r != 0)
    return int(np.sum(np.sign(p[said]) == np.sign(r[said]))), int(said.sum())


def rank_correlation(one: ArrayLike, other: ArrayLike) -> float:
    """Spearman's: 1 where both put the n values in one order, -1 in the opposite, near 0 where they know nothing of each
    other. nan of fewer than 3 pairs, and where one of them says the same each time.

    >>> rank_correlation([1, 2, 3], [10, 20, 15])
    0.5
    """
    from scipy.stats import rankdata

    a, b = _columns(one, other)
    if a.size < 3:
        return math.nan
    ranks = rankdata(a) - (a.size + 1) / 2, rankdata(b) - (b.size + 1) / 2
    size = math.sqrt(float(ranks[0] @ ranks[0]) * float(ranks[1] @ ranks[1]))
    return float(ranks[0] @ ranks[1]) / size if size else math.nan


def _pairs(one: ArrayLike, other: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    a, b = _columns(one, other)
    if a.size < 2:
        raise ValueError(f"at least 2 comparisons are needed, got {a.size}")
    return a, b


def _columns(one: ArrayLike, other: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    if a.ndim != 1 or a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError(f"two finite columns of one length are needed, got shapes {a.shape} and {b.shape}")
    return a, b
