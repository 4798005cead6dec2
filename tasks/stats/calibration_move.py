"""Has the meaning of a score changed, and would another offset mend it? Two cohorts of scores with their labels."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tasks.stats.sequences import cluster_totals, finite

__all__ = ["CalibrationMove", "calibration_move", "moved_since"]

_CLIP = 1e-4  # probabilities nearer to 0 or 1 claim more than any cohort could show
_RIDGE = 1e-3  # keeps a slope finite where scores part the classes perfectly
_STEPS = 50


@dataclass(frozen=True)
class CalibrationMove:
    """How far the score's meaning moved from one cohort to the next.

    `p_value`: of no move. `gap`: root mean square change of the probability that a score stands for, in standard
    deviations of the label before. `offset`: change of the log odds that fits best. `offset_share`: the part of the move
    that an offset alone explains, in [0, 1]; nan where nothing moved. `before` and `now`: shares of positives.
    """

    p_value: float
    gap: float
    offset: float
    offset_share: float
    slope: float
    before: float
    now: float
    rows: int


def calibration_move(
    score: ArrayLike,
    label: ArrayLike,
    *,
    score_before: ArrayLike,
    label_before: ArrayLike,
    clusters: ArrayLike | None = None,
    clusters_before: ArrayLike | None = None,
) -> CalibrationMove:
    r"""How the probability behind a score moved: `score` in [0, 1] and `label` (0 or 1), shape (n,), against those before.

    Both cohorts are fitted by logistic recalibration, :math:`P(y) = \sigma(a + b \, \mathrm{logit}\, s)` (Cox, 1958). The
    p-value compares the mean residual under the former fit, and the mean residual times the logit, between the cohorts:
    Student's t with the cohorts' clustered variances added, the smaller of both p-values twice. So neither a champion that
    was never quite calibrated nor days that move together make a move, and under covariate shift alone there is none.
    Label shift is an offset, :math:`a` alone; concept drift moves :math:`b`. `offset_share` is the drop in deviance by the
    best offset over that by offset and slope. Each cohort needs two rows and both classes before; ValueError otherwise.

    >>> s = np.tile([0.2, 0.8], 500)
    >>> y = np.tile([0, 1, 0, 1, 0, 1, 0, 1, 1, 0], 100)
    >>> same, turned = (calibration_move(s, now, score_before=s, label_before=y) for now in (y, 1 - y))
    >>> round(same.p_value, 2), turned.p_value < 1e-9, round(turned.offset_share, 2)
    (1.0, True, 0.0)
    """
    z, y = _logit(score), finite(label)
    z0, y0 = _logit(score_before), finite(label_before)
    if min(y.size, y0.size) < 2 or y0.min() == y0.max():
        raise ValueError(f"a move needs two rows a cohort and both classes before, got {y.size} and {y0.size} rows")
    centre, spread = float(z0.mean()), float(z0.std()) or 1.0
    x, x0 = (z - centre) / spread, (z0 - centre) / spread
    a0, b0 = _fit(x0, y0)
    a1, b1 = _fit(x, y)
    offset, _ = _fit(x, y, slope=b0)
    said, said0 = _sigmoid(a0 + b0 * x), _sigmoid(a0 + b0 * x0)
    parts = ((y - said, y0 - said0), ((y - said) * x, (y0 - said0) * x0))
    p = min(_p_value(now, before, clusters, clusters_before) for now, before in parts)
    moved = _deviance(a0, b0, x, y) - _deviance(a1, b1, x, y)
    by_offset = _deviance(a0, b0, x, y) - _deviance(offset, b0, x, y)
    gap = float(np.sqrt(np.mean((_sigmoid(a1 + b1 * x) - said) ** 2))) / float(y0.std())
    return CalibrationMove(
        p_value=min(1.0, 2 * p),
        gap=gap,
        offset=offset - a0,
        offset_share=min(max(by_offset / moved, 0.0), 1.0) if moved > 0 else math.nan,
        slope=b1 / b0 if b0 else math.nan,
        before=float(y0.mean()),
        now=float(y.mean()),
        rows=y.size,
    )


def moved_since(
    score: ArrayLike,
    label: ArrayLike,
    block: ArrayLike,
    *,
    moved: ArrayLike,
    score_before: ArrayLike,
    label_before: ArrayLike,
) -> int:
    """The block (whole numbers that rise with time, shape (n,)) from which on the score means what it means in the rows
    `moved` (a mask, shape (n,)), and no longer what it meant before.

    Both fits are held against each block; the change lies where the deviance that the new one saves, summed from there to
    the end, is largest.

    >>> s, y = np.tile([0.2, 0.8], 600), np.tile([0, 1, 0, 1, 0, 1, 0, 1, 1, 0], 120)
    >>> day = np.repeat(np.arange(12), 100)
    >>> moved_since(s, np.where(day < 7, y, 1 - y), day, moved=day >= 9, score_before=s, label_before=y)
    7
    """
    z, z0, y, late = _logit(score), _logit(score_before), finite(label), np.asarray(moved, dtype=bool)
    centre, spread = float(z0.mean()), float(z0.std()) or 1.0
    x = (z - centre) / spread
    (a0, b0), (a1, b1) = _fit((z0 - centre) / spread, finite(label_before)), _fit(x[late], y[late])
    saved = np.logaddexp(0, a0 + b0 * x) - np.logaddexp(0, a1 + b1 * x) - y * ((a0 - a1) + (b0 - b1) * x)
    blocks = np.unique(block)
    totals = cluster_totals(saved, block)
    return int(blocks[int(np.argmax(np.cumsum(totals[::-1])[::-1]))])


def _logit(score: ArrayLike) -> np.ndarray:
    s = np.clip(finite(score), _CLIP, 1 - _CLIP)
    return np.log(s / (1 - s))


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(z, -30, 30)))


def _fit(x: np.ndarray, y: np.ndarray, *, slope: float | None = None) -> tuple[float, float]:
    """(offset, slope) of a logistic regression on one column, by Newton's steps; or the offset for a known slope."""
    a, b = 0.0, 0.0 if slope is None else slope
    for _ in range(_STEPS):
        p = _sigmoid(a + b * x)
        w = p * (1 - p)
        g = np.array([(y - p).sum() - _RIDGE * a, ((y - p) * x).sum() - _RIDGE * b])
        h = np.array([[w.sum() + _RIDGE, (w * x).sum()], [(w * x).sum(), (w * x * x).sum() + _RIDGE]])
        step = np.array([g[0] / h[0, 0], 0.0]) if slope is not None else np.linalg.solve(h, g)
        step = np.clip(step, -2, 2)  # far from the optimum a full step of Newton's overshoots
        a, b = a + float(step[0]), b + float(step[1])
        if np.abs(step).max() < 1e-10:
            break
    return a, b


def _deviance(a: float, b: float, x: np.ndarray, y: np.ndarray) -> float:
    z = a + b * x
    return float(2 * (np.logaddexp(0, z) - y * z).sum())


def _p_value(
    now: np.ndarray, before: np.ndarray, clusters: ArrayLike | None, clusters_before: ArrayLike | None
) -> float:
    """Two-sided p-value of one mean in both cohorts."""
    from scipy.stats import t

    (one, n), (other, n0) = _variance(now, clusters), _variance(before, clusters_before)
    gap = float(now.mean() - before.mean())
    if gap == 0 or one + other == 0:
        return 1.0 if gap == 0 else 0.0
    # Welch and Satterthwaite: the cohort that says less, of few days, decides how far the tails reach.
    freedom = (one + other) ** 2 / (one**2 / (n - 1) + other**2 / (n0 - 1))
    return float(2 * t.sf(abs(gap) / math.sqrt(one + other), freedom))


def _variance(values: np.ndarray, clusters: ArrayLike | None) -> tuple[float, int]:
    """Variance of the mean, and of how many units; under three clusters, each row is one."""
    residual = values - values.mean()
    totals = residual if clusters is None else cluster_totals(residual, clusters)
    if totals.size < 3:
        totals = residual
    return totals.size / (totals.size - 1) * float((totals**2).sum()) / values.size**2, totals.size
