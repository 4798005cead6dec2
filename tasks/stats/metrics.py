"""How good are these scores? Weighted metrics, for many weightings at once; as scikit-learn defines them, ties included."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

__all__ = [
    "average_precision",
    "macro_auc",
    "precision_at_threshold",
    "recall_at_precision",
    "recall_at_threshold",
    "roc_auc",
    "weighted_mean",
]

Metric = Callable[[np.ndarray, np.ndarray, np.ndarray], float | np.ndarray]


def weighted_mean(
    score: ArrayLike, label: ArrayLike | None = None, weight: ArrayLike | None = None
) -> float | np.ndarray:
    r"""Mean of `score` (shape (n,)), as of losses a row: :math:`\sum w s / \sum w`. `label` is not read.

    Has the unit and the direction of `score`. `weight` has shape (..., n) and gives a result of shape (...); a float
    without leading axes. nan where the weights are all zero.

    >>> weighted_mean([1.0, 3.0], weight=[3, 1]), weighted_mean([1.0, 3.0], weight=[[1, 1], [0, 2]])
    (1.5, array([2., 3.]))
    """
    s = np.asarray(score, dtype=float)
    w = _weights(weight, s.shape)
    return _ratio(w @ s, w.sum(axis=-1))


def roc_auc(score: ArrayLike, label: ArrayLike, weight: ArrayLike | None = None) -> float | np.ndarray:
    r"""Probability that a positive row scores above a negative one, ties counting a half. 1 is best, 0.5 is chance.

    `score` and `label` (0/1) have shape (n,); `weight` has shape (..., n) and gives a result of shape (...). Over
    distinct scores in falling order, with positive and negative weights :math:`P_g, N_g`:
    :math:`\sum_g N_g (\sum_{h < g} P_h + P_g / 2) / (P N)`. nan where one class has no weight. Hanley and McNeil (1982).

    >>> roc_auc([0.1, 0.4, 0.4, 0.8], [0, 1, 0, 1])
    0.875
    """
    positive, negative = _by_score(score, label, weight)
    above = np.cumsum(positive, axis=-1)
    pairs = (negative * (above - positive / 2)).sum(axis=-1)
    return _ratio(pairs, above[..., -1] * negative.sum(axis=-1))


def average_precision(score: ArrayLike, label: ArrayLike, weight: ArrayLike | None = None) -> float | np.ndarray:
    r"""Mean precision over the recall gained at each distinct score: 1 is best, the share of positives is chance.

    :math:`\sum_g (R_g - R_{g-1}) \, precision_g`, without interpolation. Shapes as in `roc_auc`; nan where the positives
    have no weight. Davis and Goadrich (2006).

    >>> average_precision([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]).__round__(4)
    0.8333
    """
    positive, negative = _by_score(score, label, weight)
    hits = np.cumsum(positive, axis=-1)
    chosen = hits + np.cumsum(negative, axis=-1)
    precision = np.divide(hits, chosen, out=np.zeros_like(hits), where=chosen > 0)
    return _ratio((positive * precision).sum(axis=-1), hits[..., -1])


def recall_at_precision(
    score: ArrayLike, label: ArrayLike, weight: ArrayLike | None = None, *, precision: float
) -> float | np.ndarray:
    """The largest recall of any threshold whose precision is at least `precision`: 1 is best, 0.0 where none reaches it.

    Shapes as in `roc_auc`; nan where the positives have no weight. The threshold is chosen on these same rows, so the
    figure is optimistic for few of them; `recall_at_threshold` judges a frozen one.

    >>> recall_at_precision([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], precision=0.9)
    0.5
    """
    positive, negative = _by_score(score, label, weight)
    hits = np.cumsum(positive, axis=-1)
    chosen = hits + np.cumsum(negative, axis=-1)
    reached = np.divide(hits, chosen, out=np.zeros_like(hits), where=chosen > 0) >= precision
    return _ratio(np.where(reached & (chosen > 0), hits, 0.0).max(axis=-1), hits[..., -1])


def precision_at_threshold(
    score: ArrayLike, label: ArrayLike, weight: ArrayLike | None = None, *, threshold: float
) -> float | np.ndarray:
    """Share of positives among the rows that score at least `threshold`, frozen elsewhere: 1 is best.

    Shapes as in `roc_auc`; nan where no row is chosen.

    >>> precision_at_threshold([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], threshold=0.4)
    0.5
    """
    y, w, chosen = _chosen(score, label, weight, threshold)
    return _ratio(w @ (chosen * y), w @ chosen)


def recall_at_threshold(
    score: ArrayLike, label: ArrayLike, weight: ArrayLike | None = None, *, threshold: float
) -> float | np.ndarray:
    """Share of the positives that score at least `threshold`, frozen elsewhere: 1 is best.

    Shapes as in `roc_auc`; nan where there are no positives.

    >>> recall_at_threshold([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], threshold=0.5)
    0.5
    """
    y, w, chosen = _chosen(score, label, weight, threshold)
    return _ratio(w @ (chosen * y), w @ y)


def macro_auc(score: ArrayLike, label: ArrayLike, weight: ArrayLike | None = None) -> float | np.ndarray:
    """Mean over the k classes of the AUC of one class against the rest: 1 is best, 0.5 is chance.

    `score` has shape (n, k), `label` (shape (n,)) is the index of the row's class, `weight` has shape (..., n) and gives
    a result of shape (...). nan where a class, or its rest, has no weight. Provost and Domingos (2000), unweighted.

    >>> macro_auc([[0.8, 0.2, 0.0], [0.1, 0.7, 0.2], [0.2, 0.2, 0.6]], [0, 1, 2])
    1.0
    """
    s, y = np.asarray(score, dtype=float), np.asarray(label)
    if s.ndim != 2 or y.shape != s.shape[:1]:
        raise ValueError(f"score needs shape (n, k) and label shape (n,), got {s.shape} and {y.shape}")
    if not np.isin(y, np.arange(s.shape[1])).all():
        raise ValueError(f"label is a class index below {s.shape[1]}, got {y[~np.isin(y, np.arange(s.shape[1]))][0]}")
    result = np.mean(np.array([roc_auc(s[:, k], y == k, weight) for k in range(s.shape[1])]), axis=0)
    return float(result) if np.ndim(result) == 0 else result


def _by_score(score: ArrayLike, label: ArrayLike, weight: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    """Positive and negative weight of each distinct score, in falling order of score: shape (..., groups) each."""
    s, y = _checked(score, label)
    order = np.argsort(-s, kind="stable")
    w = _weights(weight, s.shape)[..., order]
    positive = w * y[order]
    negative = w - positive
    starts = np.flatnonzero(np.diff(s[order], prepend=np.inf))
    if starts.size < s.size:
        positive, negative = (np.add.reduceat(part, starts, axis=-1) for part in (positive, negative))
    return positive, negative


def _chosen(
    score: ArrayLike, label: ArrayLike, weight: ArrayLike | None, threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, weights, and 1 a row that scores at least `threshold`."""
    s, y = _checked(score, label)
    return y, _weights(weight, s.shape), (s >= threshold).astype(float)


def _checked(score: ArrayLike, label: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    s, y = np.asarray(score, dtype=float), np.asarray(label, dtype=float)
    if s.ndim != 1 or s.size == 0 or s.shape != y.shape:
        raise ValueError(f"score and label need one shape (n,) with n >= 1, got {s.shape} and {y.shape}")
    if not np.isfinite(s).all():
        raise ValueError(f"{int((~np.isfinite(s)).sum())} of {s.size} scores are not finite")
    if not ((y == 0) | (y == 1)).all():
        raise ValueError(f"every label is 0 or 1, got {y[(y != 0) & (y != 1)][0]}")
    return s, y


def _weights(weight: ArrayLike | None, shape: tuple[int, ...]) -> np.ndarray:
    if weight is None:
        return np.ones(shape)
    w = np.asarray(weight, dtype=float)
    if w.shape[-1:] != shape:
        raise ValueError(f"weight needs shape (..., {shape[0]}), got {w.shape}")
    return w


def _ratio(above: np.ndarray, below: np.ndarray) -> float | np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        result = np.where(below > 0, np.true_divide(above, below), np.nan)
    return float(result) if result.ndim == 0 else result
