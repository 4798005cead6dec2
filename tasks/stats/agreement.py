"""How well do two people agree on labels, beyond what chance would give, and how right are they then?"""

import math

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["cohen_kappa", "error_of_agreement"]


def cohen_kappa(one: ArrayLike, other: ArrayLike, weight: ArrayLike | None = None) -> np.ndarray:
    r"""Cohen's (1960) kappa of two raters: one where they agree on every row, zero where as often as by chance.

    `one` and `other`, shape (n,), hold the raters' classes; `weight`, shape (n,) or (resamples, n), how often a row counts.
    :math:`(p_o - p_e) / (1 - p_e)`, with agreement :math:`p_o`, and :math:`p_e` its expectation were the raters independent.
    nan where both give one class alone. Shape () or (resamples,).

    >>> float(cohen_kappa([0, 0, 1, 1], [0, 1, 1, 1]))
    0.5
    """
    a, b = np.asarray(one), np.asarray(other)
    if a.ndim != 1 or a.size == 0 or a.shape != b.shape:
        raise ValueError(f"two raters need the same n >= 1 rows, got shapes {a.shape} and {b.shape}")
    w = np.ones(a.size) if weight is None else np.asarray(weight, dtype=float)
    total = w.sum(axis=-1)
    agreed = (w @ (a == b)) / total
    chance = sum((w @ (a == c)) * (w @ (b == c)) for c in np.unique(np.concatenate([a, b]))) / total**2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(chance < 1, (agreed - chance) / (1 - chance), np.nan)


def error_of_agreement(agreement: float, n_classes: int) -> float:
    r"""The share of labels that each of two raters gets wrong, from how often they agree.

    Zero where they always agree. Both err equally often, independently, and to each other class alike, so that
    :math:`p_o = (1 - e)^2 + e^2 / (k - 1)`; raters who err on the same rows agree more, and then e is too small. nan where
    they agree less often than raters who guess.

    >>> round(error_of_agreement(0.82, 2), 3)
    0.1
    """
    share = (n_classes - 1) / n_classes
    inside = 1 - (1 - agreement) / share
    return share * (1 - math.sqrt(inside)) if inside >= 0 else math.nan
