"""Do scores mean what they say? Gaps between what was predicted and what came, over bins of equal count."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tasks.stats.sequences import finite

__all__ = ["Calibration", "CalibrationBin", "calibration"]

_EVENTS = 5.0  # variance of a bin's count under which chi-squared is not yet its law


@dataclass(frozen=True)
class CalibrationBin:
    """Rows of neighbouring scores: mean score, mean label, gap = label - score, and the standard error of the gap."""

    rows: int
    score: float
    label: float
    gap: float
    error: float


@dataclass(frozen=True)
class Calibration:
    """How far labels lie from scores (`error`, in the unit of the label), and how surprising that is (`p_value`)."""

    error: float
    chi2: float
    p_value: float
    rows: int
    bins: tuple[CalibrationBin, ...]


def calibration(score: ArrayLike, label: ArrayLike, *, n_bins: int = 10) -> Calibration:
    r"""Calibration of `score` against `label`, both of shape (n,). Error 0 is best; a small p-value says miscalibrated.

    For 0/1 labels with scores in [0, 1] a score is a probability; otherwise it predicts a real label. Bins hold about
    equally many rows, equal scores together, so at most `n_bins`. With gap :math:`g_b` = mean(label - score) of bin b:
    error is :math:`\sqrt{\max(0, \sum_b \frac{n_b}{n} (g_b^2 - s_b^2 / n_b))}`, s² the sample variance in the bin, which
    takes out what chance alone adds (Bröcker, 2012); chi2 is :math:`\sum_b g_b^2 / e_b^2` with the binomial
    :math:`e_b^2 = \sum p (1 - p) / n_b^2` of a calibrated probability (bins too poor for it are merged), or for real
    labels with s² and each term taken from F(1, n_b - 1) to chi-squared. As many degrees of freedom as bins, since
    nothing was fitted here. Hosmer and Lemeshow (1980).

    >>> p = np.tile([0.2, 0.8], 500)
    >>> well = calibration(p, np.tile([0, 1, 0, 1, 0, 1, 0, 1, 1, 0], 100))
    >>> badly = calibration(p, np.tile([0, 1], 500))
    >>> (well.error, well.p_value), round(badly.error, 3), badly.p_value < 1e-9
    ((0.0, 1.0), 0.2, True)
    """
    from scipy.stats import chi2

    s, y = finite(score), finite(label)
    if s.shape != y.shape:
        raise ValueError(f"score and label need one shape (n,), got {s.shape} and {y.shape}")
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, got {n_bins}")
    probability = bool(np.isin(y, (0, 1)).all() and ((s >= 0) & (s <= 1)).all())
    members = _members(s, n_bins=n_bins, worth=s * (1 - s) if probability else np.ones(s.size))
    bins = tuple(_bin(s[rows], y[rows], probability=probability) for rows in members)
    statistic = sum(_squared(b, probability=probability) for b in bins)
    bias = [_own_variance(y[rows] - s[rows], b.error**2) for rows, b in zip(members, bins, strict=True)]
    excess = sum(b.rows / s.size * (b.gap**2 - v) for b, v in zip(bins, bias, strict=True))
    return Calibration(
        error=math.sqrt(max(0.0, excess)),
        chi2=statistic,
        p_value=float(chi2.sf(statistic, len(bins))),
        rows=s.size,
        bins=bins,
    )


def _members(s: np.ndarray, *, n_bins: int, worth: np.ndarray) -> list[np.ndarray]:
    """Row numbers of each bin, scores rising. Equal scores stay together: a split by row order could follow the label."""
    edges = np.unique(np.quantile(s, np.linspace(0, 1, n_bins + 1)[1:-1]))
    place = np.searchsorted(edges, s, side="left")
    bins: list[np.ndarray] = []
    poor = np.array([], dtype=int)
    for b in range(edges.size + 1):
        poor = np.concatenate([poor, np.flatnonzero(place == b)])
        if worth[poor].sum() >= _EVENTS:
            bins.append(poor)
            poor = np.array([], dtype=int)
    if poor.size and bins:
        bins[-1] = np.concatenate([bins[-1], poor])
    elif poor.size:
        bins = [poor]
    return bins


def _bin(s: np.ndarray, y: np.ndarray, *, probability: bool) -> CalibrationBin:
    gap, n = float((y - s).mean()), s.size
    variance = float((s * (1 - s)).sum()) / n**2 if probability else _own_variance(y - s, math.nan)
    return CalibrationBin(n, float(s.mean()), float(y.mean()), gap, math.sqrt(variance))


def _own_variance(residual: np.ndarray, otherwise: float) -> float:
    """Variance of the mean residual from the sample; `otherwise` for one row, which has none."""
    return float(residual.var(ddof=1)) / residual.size if residual.size > 1 else otherwise


def _squared(b: CalibrationBin, *, probability: bool) -> float:
    """The squared standardised gap, a chi-squared variable of one degree of freedom under calibration."""
    from scipy.stats import chi2, f

    if b.gap == 0 or math.isnan(b.error):  # one real-valued row says nothing
        return 0.0
    if b.error == 0:
        return math.inf
    ratio = min(abs(b.gap) / b.error, 1e150) ** 2  # a score of 1e-320 has an error that small
    # A sample variance makes it Student's: taken back to the normal, or few rows a bin reject too often.
    return ratio if probability else float(chi2.isf(max(f.sf(ratio, 1, b.rows - 1), 1e-300), 1))
