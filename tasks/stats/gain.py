"""By how much is one recipe better than another, when rows, folds and seeds all move the answer?"""

import math

import numpy as np
from numpy.typing import ArrayLike

from tasks.stats.sequences import cluster_totals, finite

__all__ = ["gain_interval"]


def gain_interval(
    gain: ArrayLike, by_seed: ArrayLike, *, alpha: float = 0.025, clusters: ArrayLike | None = None
) -> tuple[float, float, float]:
    r"""(low, mean, high) for the mean gain of a recipe over another: over all such rows, and over all seeds.

    `gain` (shape (n,)) is loss(older) - loss(newer) on each judged row, averaged over seeds; `clusters` (shape (n,)) names
    rows that move together. `by_seed` (shape (folds, seeds)) is the mean gain of each fold under each seed. The variance is
    that of the cluster totals, as in `fixed_interval`, plus that of a mean over seeds: of F folds and k seeds
    :math:`\sum_{f,s} (g_{fs} - \bar g_f)^2 / (F (k - 1)) / (F k)`; t has Satterthwaite's degrees of freedom. Rows alone
    would call every other seed a gain where they are many: two fits of one recipe do differ there, and a third is like
    neither. With one seed the claim is about these very fits. Each end is a one-sided bound at level `alpha`.

    >>> gain, cells = np.tile([0.03, -0.01], 500), np.array([[0.012, 0.008], [0.009, 0.011]])
    >>> low, mean, high = gain_interval(gain, cells)
    >>> round(low, 3), round(mean, 3), round(high, 3)
    (0.006, 0.01, 0.014)
    >>> gain_interval(gain, 20 * cells - 0.19)[0] < 0
    True
    """
    x = finite(gain)
    mean = float(x.mean())
    totals = x - mean if clusters is None else cluster_totals(x - mean, clusters)
    if totals.size < 2:
        raise ValueError(f"a gain needs at least 2 {'rows' if clusters is None else 'clusters'}, got {totals.size}")
    parts = [(totals.size / (totals.size - 1) * float(totals @ totals) / x.size**2, totals.size - 1)]
    error, freedom = _joined([*parts, *_of_seeds(np.asarray(by_seed, dtype=float))])
    from scipy.stats import t

    half = float(t.ppf(1 - alpha, freedom)) * error
    return mean - half, mean, mean + half


def _of_seeds(by_seed: np.ndarray) -> list[tuple[float, int]]:
    """Variance of the mean over seeds, with its degrees of freedom; nothing where there is one seed."""
    if by_seed.ndim != 2:
        raise ValueError(f"gains by seed need shape (folds, seeds), got {by_seed.shape}")
    folds, seeds = by_seed.shape
    if seeds < 2:
        return []
    freedom = folds * (seeds - 1)
    within = float(((by_seed - by_seed.mean(axis=1, keepdims=True)) ** 2).sum()) / freedom
    return [(within / by_seed.size, freedom)]


def _joined(parts: list[tuple[float, int]]) -> tuple[float, float]:
    """Standard error and Satterthwaite's degrees of freedom of a sum of independent parts."""
    total = sum(variance for variance, _ in parts)
    if total == 0:
        return 0.0, float(parts[0][1])
    freedom = total**2 / sum(variance**2 / degrees for variance, degrees in parts)
    return math.sqrt(total), freedom
