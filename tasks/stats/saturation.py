"""How many labels were flipped, when nobody knows which? Where outcomes stop following the score, however sure it is."""

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["flipped_share"]

_SHARES = np.concatenate([[0.0], np.linspace(0.01, 0.45, 45)])
_BINS = 200  # of the score's ranks: as fine as is needed, and a fit takes milliseconds whatever the rows
_FEWEST = 100
_ROUNDS = 20


def flipped_share(score: ArrayLike, label: ArrayLike, *, alpha: float = 0.025) -> tuple[float, float, float]:
    r"""(low, estimate, high) of the share of labels flipped at random, from out-of-sample scores of two classes.

    `score`, shape (n,), only its order counts; `label`, shape (n,), is 0 or 1. Where labels are right, the surer the model,
    the rarer another label: with normal scores r of the ranks, :math:`P(1 | r) = \sigma(u + v r)`. A share f flipped at
    random leaves :math:`f + (1 - 2 f) \sigma(u + v r)`, which is flat at both ends however sure the model is. The share is
    that of the largest likelihood, its ends are where the profile of the likelihood falls by half a chi-squared quantile.

    An assumption stands behind it: that the truth's log odds are spread like a bell, as sums of several features are. A truth
    that itself has two kinds of rows, each equally sure, looks flipped as well. nan below 100 rows or with one class.

    >>> rng = np.random.default_rng(1)
    >>> z = 3 * rng.normal(size=4_000)
    >>> right = rng.random(4_000) < 1 / (1 + np.exp(-z))
    >>> flipped = rng.random(4_000) < 0.2
    >>> low, share, high = flipped_share(z, right ^ flipped)
    >>> 0.15 < low < 0.2 < high < 0.25, flipped_share(z, right)[0]
    (True, 0.0)
    """
    s, y = np.asarray(score, dtype=float), np.asarray(label, dtype=float)
    if s.ndim != 1 or s.shape != y.shape or not np.isfinite(s).all() or not ((y == 0) | (y == 1)).all():
        raise ValueError(f"finite scores and labels of 0 or 1 need one shape (n,), got {s.shape} and {y.shape}")
    if s.size < _FEWEST or not 0 < y.mean() < 1:
        return (float("nan"),) * 3
    from scipy.stats import chi2

    logs = _profile(*_binned(s, y), start=float(np.log(y.mean() / (1 - y.mean()))))
    kept = np.flatnonzero(logs >= logs.max() - float(chi2.ppf(1 - 2 * alpha, 1)) / 2)
    return float(_SHARES[kept[0]]), float(_SHARES[logs.argmax()]), float(_SHARES[kept[-1]])


def _binned(s: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normal scores of ranks, with the ones and the rows at each; equal scores have one rank."""
    from scipy.stats import norm, rankdata

    place = (rankdata(s) - 0.5) / s.size
    code = np.minimum((place * _BINS).astype(int), _BINS - 1)
    rows = np.bincount(code, minlength=_BINS).astype(float)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(code, weights=place, minlength=_BINS) / rows
    ones, filled = np.bincount(code, weights=y, minlength=_BINS), rows > 0
    return norm.ppf(mean[filled]), ones[filled], rows[filled]


def _profile(r: np.ndarray, ones: np.ndarray, rows: np.ndarray, *, start: float) -> np.ndarray:
    """The largest log likelihood given each share, shape (shares,): Fisher's scoring for all of them at once."""
    u, v = np.full(_SHARES.size, start), np.ones(_SHARES.size)
    best = np.full(_SHARES.size, -np.inf)
    step = np.zeros((2, _SHARES.size))
    for _ in range(_ROUNDS):
        log, slope, weight = _curve(u, v, r, ones, rows)
        better = log >= best
        # A step that went too far is taken back by half, until it helps.
        step = np.where(better, _scored(slope, weight, r), -step / 2)
        best = np.maximum(best, log)
        step = np.clip(step, -2, 2)
        u, v = np.clip(u + step[0], -20, 20), np.clip(v + step[1], 0, 30)
    return best


def _curve(
    u: np.ndarray, v: np.ndarray, r: np.ndarray, ones: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log likelihood, shape (shares,), its slope in the log odds and Fisher's weight, shape (shares, bins) each."""
    share = _SHARES[:, None]
    right = 1 / (1 + np.exp(-np.clip(u[:, None] + v[:, None] * r, -30, 30)))
    p = np.clip(share + (1 - 2 * share) * right, 1e-9, 1 - 1e-9)
    moved = (1 - 2 * share) * right * (1 - right)
    log = (ones * np.log(p) + (rows - ones) * np.log(1 - p)).sum(axis=1)
    return log, (ones - rows * p) / (p * (1 - p)) * moved, rows * moved**2 / (p * (1 - p))


def _scored(slope: np.ndarray, weight: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Fisher's step in u and v, shape (2, shares)."""
    a, b, c = weight.sum(axis=1) + 1e-9, weight @ r, weight @ r**2 + 1e-9
    g, h = slope.sum(axis=1), slope @ r
    below = np.maximum(a * c - b * b, 1e-12)
    return np.stack([(c * g - b * h) / below, (a * h - b * g) / below])
