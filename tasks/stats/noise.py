"""How many labels look wrong, and how right can a model then be?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["LabelNoise", "label_noise"]

_SURE = 0.1  # of the rows, those of which the model is surest


@dataclass(frozen=True)
class LabelNoise:
    """`rate`: share of labels thought wrong; `by_class`, shape (k,): of the labels of each class, nan where it has none;
    `suspect`, shape (n,): the rows that are counted; `surest`: of the tenth of rows of which the model is surest, the share
    with another label: labels flipped at random show there as well, and classes that merely overlap do not."""

    rate: float
    by_class: np.ndarray
    suspect: np.ndarray
    surest: float

    @property
    def ceiling(self) -> float:
        """The accuracy against these labels of a model that knows the truth."""
        return 1 - self.rate


def label_noise(probability: ArrayLike, label: ArrayLike) -> LabelNoise:
    r"""The share of wrong labels by confident learning (Northcutt, Jiang and Chuang, 2021, section 3).

    `probability`, shape (n, k), is given by models that were not trained on the row; `label`, shape (n,), is an index 0 to
    k - 1. With :math:`t_j` the mean probability of class j over the rows labelled j, a row labelled i counts as truly j
    where j is the likeliest of the classes with :math:`p_j \ge t_j`; counts are scaled to the number of labels of each
    class, and what is off the diagonal is the rate. Zero where each row is counted to its own label.

    Biased upwards where classes overlap: rows that the features put on the wrong side for good count as well, so that it
    bounds the noise from above by as much as the model errs with confidence.

    >>> sure = [[0.9, 0.1]] * 9 + [[0.1, 0.9]] * 10
    >>> round(label_noise(sure, [0] * 8 + [1] + [1] * 10).rate, 3)  # one row of 19 that looks like a 0 is labelled 1
    0.053
    """
    p, y = np.asarray(probability, dtype=float), np.asarray(label, dtype=int)
    if p.ndim != 2 or p.shape[1] < 2 or y.shape != p.shape[:1] or y.size == 0:
        raise ValueError(f"probabilities of shape (n, k >= 2) and labels (n,) are needed, got {p.shape} and {y.shape}")
    if not np.isfinite(p).all() or y.min() < 0 or y.max() >= p.shape[1]:
        raise ValueError(f"probabilities are finite and labels 0 to {p.shape[1] - 1}")
    k = p.shape[1]
    counts = np.bincount(y, minlength=k).astype(float)
    own = np.bincount(y, weights=p[np.arange(y.size), y], minlength=k)
    limit = np.where(counts > 0, own / np.maximum(counts, 1), np.inf)
    confident = np.where(p >= limit - 1e-9, p, -1.0)  # a mean of equal numbers is not always that number
    counted, truth = confident.max(axis=1) >= 0, confident.argmax(axis=1)
    joint = np.bincount(y[counted] * k + truth[counted], minlength=k * k).reshape(k, k).astype(float)
    of_class = joint.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        wrong = np.where(of_class > 0, 1 - np.diag(joint) / of_class, np.nan)
    rate = float(np.nansum(wrong * counts)) / y.size
    sure = np.argsort(-p.max(axis=1), kind="stable")[: max(1, int(_SURE * y.size))]
    surest = float(np.mean(p[sure].argmax(axis=1) != y[sure]))
    return LabelNoise(rate, wrong, counted & (truth != y), surest)
