"""How good would a model be on rows without labels, if the relation between inputs and label has not changed?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tasks.stats.metrics import roc_auc
from tasks.stats.sequences import finite

__all__ = ["Calibrated", "calibrated", "effective_rows", "expected_auc", "expected_ratio"]


@dataclass(frozen=True)
class Calibrated:
    """What a score stood for on labelled rows: mean label (`label`) at each distinct `score`, both of shape (m,), rising."""

    score: np.ndarray
    label: np.ndarray
    rows: int

    def at(self, score: ArrayLike) -> np.ndarray:
        """The label to expect at each score, shape (n,): linear between scores that were seen, constant beyond them."""
        return np.interp(np.asarray(score, dtype=float), self.score, self.label)


def calibrated(score: ArrayLike, label: ArrayLike) -> Calibrated:
    """The rising step function of `score` that lies nearest to `label` (both shape (n,)): isotonic regression.

    Labels are 0 or 1 for a probability, or any number that rises with the score. On the rows themselves expected and real
    sums are equal, so they must be rows that the model was not trained on. Barlow et al. (1972), Zadrozny and Elkan (2002).

    >>> calibrated([0.1, 0.2, 0.2, 0.9], [0, 1, 0, 1]).at([0.0, 0.15, 0.9]).round(3).tolist()
    [0.0, 0.25, 1.0]
    """
    from scipy.optimize import isotonic_regression

    s, y = finite(score), finite(label)
    if s.shape != y.shape:
        raise ValueError(f"score and label need one shape (n,), got {s.shape} and {y.shape}")
    distinct, place, count = np.unique(s, return_inverse=True, return_counts=True)
    mean = np.bincount(place, weights=y) / count
    return Calibrated(distinct, np.asarray(isotonic_regression(mean, weights=count.astype(float)).x), s.size)


def expected_ratio(above: ArrayLike, below: ArrayLike, probability: ArrayLike) -> float:
    r"""The ratio to expect of rows whose class is known in probability only; nan where nothing stands below.

    `above`, `below` and `probability` have shape (n, k): what row i counts above and below the line if its class is j,
    and how probable that is: :math:`\sum p u / \sum p v`. With u the positives that are decided for and v all positives
    it is the expected recall, up to the difference between a ratio of means and a mean of ratios.

    >>> expected_ratio([[0, 1], [0, 0]], [[0, 1], [0, 1]], [[0.1, 0.9], [0.7, 0.3]])  # .9 of 1.2 positives are found
    0.75
    """
    p = np.asarray(probability, dtype=float)
    total = float((p * np.asarray(below, dtype=float)).sum())
    return float((p * np.asarray(above, dtype=float)).sum()) / total if total > 0 else float("nan")


def expected_auc(score: ArrayLike, probability: ArrayLike) -> float:
    """The AUC to expect: each row counts as a positive with its probability, and as a negative with the rest.

    >>> round(expected_auc([0.1, 0.9], [0.2, 0.8]), 3)
    0.8
    """
    s, p = np.asarray(score, dtype=float), np.asarray(probability, dtype=float)
    both = np.repeat([1.0, 0.0], s.size)
    return float(roc_auc(np.tile(s, 2), both, np.concatenate([p, 1 - p])))


def effective_rows(known: ArrayLike, now: ArrayLike, *, n_bins: int = 10) -> tuple[float, float]:
    r"""(rows, share beyond): how many of the labelled rows speak for the scores that are asked now.

    Bins hold equally many of the `known` scores (shape (m,)), of which p_b in bin b; q_b of those `now` (shape (n,)). Rows
    are :math:`m / \sum_b q_b^2 / p_b` (Kish, 1965), m where both are alike. The share beyond lies outside the range of
    the known, where nothing speaks for it.

    >>> rows, beyond = effective_rows(np.arange(100), np.arange(50))
    >>> round(rows), beyond
    (50, 0.0)
    """
    m, n = finite(known), finite(now)
    edges = np.unique(np.quantile(m, np.linspace(0, 1, n_bins + 1)[1:-1]))
    p, q = (np.bincount(np.searchsorted(edges, s), minlength=edges.size + 1) / s.size for s in (m, n))
    held = p > 0
    return float(m.size / (q[held] ** 2 / p[held]).sum()), float(((n < m.min()) | (n > m.max())).mean())
