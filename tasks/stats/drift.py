"""How far apart are two windows of one column? From counts over frozen bins, which merge by addition."""

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["binned", "bins", "category_counts", "distance", "numeric_counts", "quantile_edges"]


def quantile_edges(reference: ArrayLike, *, n_bins: int = 64) -> np.ndarray:
    """Inner bin edges at the quantiles of `reference` (shape (n,)), at most `n_bins - 1`, rising, nan left out.

    >>> quantile_edges([1.0, 2.0, 3.0, 4.0], n_bins=2)
    array([2.5])
    """
    x = np.asarray(reference, dtype=float)
    x = x[np.isfinite(x)]
    if x.size == 0:
        return np.array([])
    return np.unique(np.quantile(x, np.linspace(0, 1, n_bins + 1)[1:-1]))


def numeric_counts(values: ArrayLike, edges: np.ndarray) -> np.ndarray:
    """Rows a bin, shape (len(edges) + 2,): the bins from low to high, then the missing ones.

    >>> numeric_counts([1.0, 2.0, 9.0, float("nan")], np.array([1.5]))
    array([1, 2, 1])
    """
    x = np.asarray(values, dtype=float)
    missing = np.isnan(x)
    inside = np.searchsorted(edges, x[~missing], side="right")
    return np.append(np.bincount(inside, minlength=len(edges) + 1), missing.sum())


def category_counts(values: ArrayLike, categories: list[str]) -> np.ndarray:
    """Rows a category, shape (len(categories) + 2,): the known ones, then unseen ones, then missing ones.

    >>> category_counts(["a", "b", "z", None], ["a", "b"])
    array([1, 1, 1, 1])
    """
    index = {name: position for position, name in enumerate(categories)}
    unseen, missing = len(categories), len(categories) + 1
    x = np.asarray(values, dtype=object)
    names, counts = np.unique(np.array(["" if v is None or v != v else f"={v}" for v in x]), return_counts=True)
    result = np.zeros(len(categories) + 2, dtype=int)
    for name, count in zip(names, counts, strict=True):
        result[missing if name == "" else index.get(str(name)[1:], unseen)] += count
    return result


def distance(reference: np.ndarray, current: np.ndarray, *, ordered: bool) -> float:
    r"""Distance in [0, 1] between two windows, from counts over the same bins. Zero when the shares are equal.

    `ordered` bins (numeric, with missing in the last): the Kolmogorov-Smirnov statistic
    :math:`\max_b |F_c(b) - F_r(b)|`, or the difference in the missing share if that is larger. Categories: total
    variation :math:`\frac12 \sum_b |c_b - r_b|`. Either window empty: nan, which means undefined.

    >>> distance(np.array([5, 5, 0]), np.array([0, 10, 0]), ordered=True)
    0.5
    """
    if reference.sum() == 0 or current.sum() == 0:
        return float("nan")
    gap = current / current.sum() - reference / reference.sum()
    if ordered:
        return float(max(np.abs(np.cumsum(gap)).max(), abs(gap[-1])))
    return float(np.abs(gap).sum() / 2)


def bins(reference: ArrayLike, *, ordered: bool, n_bins: int = 64) -> list[float] | list[str]:
    """Frozen bins of a column, as JSON can carry them: edges when `ordered`, else the categories seen."""
    if ordered:
        return [float(edge) for edge in quantile_edges(reference, n_bins=n_bins)]
    return sorted({str(v) for v in np.asarray(reference, dtype=object) if v is not None and v == v})


def binned(values: ArrayLike, frozen: list[float] | list[str], *, ordered: bool) -> np.ndarray:
    """Counts of `values` over the frozen bins."""
    if ordered:
        return numeric_counts(values, np.asarray(frozen, dtype=float))
    return category_counts(values, [str(name) for name in frozen])
