"""How much does a labelled row stand for, where it is known how likely its label was? Weights of one over that chance."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["LabelWeights", "effective_size", "hajek", "horvitz_thompson", "label_weights"]


@dataclass(frozen=True)
class LabelWeights:
    """One over the chance of a label, shape (n,), of mean 1; the share of all weight that was cut; rows of equal weight
    that would say as much."""

    values: np.ndarray
    cut: float
    effective: float


def label_weights(chance: ArrayLike, *, at_most: float = math.inf) -> LabelWeights:
    """Weights of labelled rows that make them stand for all: one over the `chance`, in (0, 1], that each had of a label.

    Weights over `at_most` are cut there, before they are brought to mean 1. A cut trades bias for variance: what of the
    total it took is told.

    >>> label_weights([1.0, 1.0, 0.1]).values.round(2).tolist()
    [0.25, 0.25, 2.5]
    >>> round(label_weights([1.0, 1.0, 0.1], at_most=5).cut, 3)
    0.417
    """
    p = np.asarray(chance, dtype=float)
    if p.size and not ((p > 0) & (p <= 1)).all():
        raise ValueError(f"a row that has a label had a chance of it, in (0, 1]; got {p[~((p > 0) & (p <= 1))][0]}")
    whole = 1 / p
    kept = np.minimum(whole, at_most)
    cut = 1 - float(kept.sum() / whole.sum()) if p.size else 0.0
    return LabelWeights(kept / kept.mean() if p.size else kept, cut, effective_size(kept))


def effective_size(weights: ArrayLike) -> float:
    r"""Rows of equal weight that would say as much: :math:`(\sum w)^2 / \sum w^2`; 0 without rows. Kish (1965).

    >>> effective_size([1, 1, 1, 1]), effective_size([1, 0, 0, 0])
    (4.0, 1.0)
    """
    w = np.asarray(weights, dtype=float)
    squares = float(w @ w)
    return float(w.sum() ** 2 / squares) if squares > 0 else 0.0


def horvitz_thompson(
    value: ArrayLike, labelled: ArrayLike, chance: ArrayLike, *, alpha: float = 0.025
) -> tuple[float, float, float]:
    r"""(low, mean, high): :math:`\frac1n \sum_i r_i v_i / p_i`, each end at level `alpha`; normal, so for many labels.

    Unbiased, whatever the values, and wide: a constant is not estimated as itself. All arguments have shape (n,); `value`
    is only read where `labelled`. Horvitz and Thompson (1952).
    """
    v, r, p = checked(value, labelled, chance)
    return _normal(np.where(r, v / p, 0.0), alpha)


def hajek(
    value: ArrayLike, labelled: ArrayLike, chance: ArrayLike, *, alpha: float = 0.025
) -> tuple[float, float, float]:
    r"""(low, mean, high): :math:`\sum r v / p \,/ \sum r / p`, linearised, each end at level `alpha`; nan without labels.

    As `horvitz_thompson`, and a constant is estimated as itself. With a hundredth explored and rare events its normal
    ends are too sure of themselves: `corrected_mean` is what decides. Hajek (1971).
    """
    v, r, p = checked(value, labelled, chance)
    if not r.any():
        return math.nan, math.nan, math.nan
    w = np.where(r, 1 / p, 0.0)
    mean = float(w @ np.where(r, v, 0.0) / w.sum())
    low, _, high = _normal(w * (np.where(r, v, mean) - mean) * w.size / w.sum(), alpha)
    return mean + low, mean, mean + high


def checked(value: ArrayLike, labelled: ArrayLike, chance: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The three as arrays of one shape (n,), n >= 1; ValueError where a chance is none, or a label is no number."""
    v, r, p = np.asarray(value, dtype=float), np.asarray(labelled, dtype=bool), np.asarray(chance, dtype=float)
    if not v.shape == r.shape == p.shape or p.ndim != 1 or p.size == 0:
        raise ValueError(f"value, labelled and chance need one shape (n,), n >= 1, got {v.shape}, {r.shape}, {p.shape}")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("a chance of a label lies in [0, 1]")
    if not np.isfinite(v[r]).all():
        raise ValueError(f"{int((~np.isfinite(v[r])).sum())} of {int(r.sum())} labelled values are not finite")
    return v, r, p


def _normal(values: np.ndarray, alpha: float) -> tuple[float, float, float]:
    from scipy.special import ndtri

    mean = float(values.mean())
    half = float(ndtri(1 - alpha)) * float(values.std(ddof=1)) / math.sqrt(values.size)
    return mean - half, mean, mean + half
