"""How much would more training rows gain? A power law with a floor through losses at a few sizes, with what is not known of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Law", "power_law"]

_EXPONENTS = np.linspace(0.2, 1.4, 25)  # what learning curves of tables show: a square root, a little less, up to 1 / n
_ASTRAY = 0.03  # of the curve's own height: by so much a real curve leaves any law
_ALPHA = 0.025


@dataclass(frozen=True)
class Law:
    """Draws from what is known of loss(n) = floor + height * (n / largest) ** -exponent, shape (draws,) each."""

    largest: float  # training rows that `height` is said of
    floor: np.ndarray
    height: np.ndarray
    exponent: np.ndarray

    def gain(self, rows: float, *, alpha: float = _ALPHA) -> tuple[float, float, float]:
        """(low, estimate, high) of loss(largest) - loss(rows): what training on `rows` gains over the largest size. Each
        end is exceeded with probability `alpha`, the estimate is the median."""
        return _span(self.height * (1 - (rows / self.largest) ** -self.exponent), alpha)

    def least(self, *, alpha: float = _ALPHA) -> tuple[float, float, float]:
        """(low, estimate, high) of the loss that no number of such rows goes below."""
        return _span(self.floor, alpha)


def power_law(
    rows: Sequence[float],
    loss: ArrayLike,
    covariance: ArrayLike,
    *,
    rng: np.random.Generator,
    draws: int = 2_000,
) -> Law:
    r"""What losses at k sizes say of :math:`c + a (n / n_k)^{-b}`, by Bayes on a grid of exponents.

    `rows`, shape (k,), rising, k >= 3; `loss`, shape (k,), is the mean loss at each size and `covariance`, shape (k, k), that
    of the means: sizes judged on the same rows are right and wrong together, and what is known of their differences is far
    more than of each. A share of the curve's own height is added to each variance, since no real curve is a law. Given b the
    law is linear, so that c and a are normal; a is at least 0 (more rows do not hurt), c as well, and exponents are alike
    likely from .2 to 1.4 beforehand. See Viering and Loog (2021), section 4, for the law and where it fails.

    >>> n = np.array([125.0, 250, 500, 1000])
    >>> law = power_law(n, 0.1 + 2 / n**0.5, 1e-8 * np.eye(4), rng=np.random.default_rng(1))
    >>> low, gain, high = law.gain(4_000)
    >>> low < 2 / 1000**0.5 / 2 < high
    True
    """
    n, y, cov = np.asarray(rows, dtype=float), np.asarray(loss, dtype=float), np.asarray(covariance, dtype=float)
    if n.ndim != 1 or n.size < 3 or y.shape != n.shape or cov.shape != (n.size, n.size) or (np.diff(n) <= 0).any():
        raise ValueError(f"a law needs 3 rising sizes with a loss each and their covariance, got sizes {list(rows)}")
    if not np.isfinite(y).all() or not np.isfinite(cov).all():
        raise ValueError("losses and their covariance are finite")
    height = max(float(y[0] - y[-1]), 0.0)
    cov = cov + np.eye(n.size) * max((_ASTRAY * height) ** 2, 1e-14)
    fits = [_given(b, n / n[-1], y, np.linalg.inv(cov)) for b in _EXPONENTS]
    return _drawn(fits, float(n[-1]), rng=rng, draws=draws)


Fit = tuple[np.ndarray, np.ndarray, float]  # mean and covariance of (floor, height), and the log evidence


def _given(b: float, share: np.ndarray, y: np.ndarray, precision: np.ndarray) -> Fit:
    X = np.column_stack([np.ones(share.size), share**-b])
    cov = np.linalg.inv(X.T @ precision @ X + 1e-9 * np.eye(2))
    mean = cov @ X.T @ precision @ y
    left = y - X @ mean
    return mean, cov, float(-0.5 * left @ precision @ left + 0.5 * np.linalg.slogdet(cov)[1])


def _drawn(fits: list[Fit], largest: float, *, rng: np.random.Generator, draws: int) -> Law:
    """Draws in which floor and height are not negative: many are drawn for each exponent, and weighed."""
    logs = np.array([log for *_, log in fits])
    each = max(200, draws // 8)
    pairs = np.concatenate([rng.multivariate_normal(mean, cov, size=each, method="cholesky") for mean, cov, _ in fits])
    b = np.repeat(_EXPONENTS, each)
    weight = np.repeat(np.exp(logs - logs.max()), each) * (pairs >= 0).all(axis=1)
    if not weight.sum() > 0:  # the losses rise all the way: no height is left to be had
        mean = fits[int(logs.argmax())][0]
        return Law(largest, np.full(1, max(mean.sum(), 0.0)), np.zeros(1), _EXPONENTS[:1])
    chosen = rng.choice(b.size, size=draws, p=weight / weight.sum())
    return Law(largest, pairs[chosen, 0], pairs[chosen, 1], b[chosen])


def _span(values: np.ndarray, alpha: float) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values, [alpha, 0.5, 1 - alpha])
    return float(low), float(middle), float(high)
