"""Which few numbers make scores mean again what they say? Maps that keep their order, fitted on scores and outcomes."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax

__all__ = ["platt_map", "straight_map", "temperature"]

_STEPS, _SMALL = 100, 1e-10
_HOTTEST = 4.0  # e**4 either way: beyond it every probability is the same, or certain


def platt_map(log_odds: ArrayLike, outcome: ArrayLike) -> tuple[float, float]:
    r"""(slope, intercept) of :math:`P(y = 1) = 1 / (1 + e^{-(slope \cdot s + intercept)})`, by maximum likelihood.

    `log_odds` s and `outcome` y (0 or 1) have shape (n,), n >= 2. (1, 0) where the scores say already what is true; an
    intercept above 0 says that there are more ones than scored. Outcomes are smoothed to (n1 + 1) / (n1 + 2) and
    1 / (n0 + 2), so that separated scores have a finite map too. Platt (1999); Newton's steps of Lin, Lin and Weng (2007).

    >>> slope, intercept = platt_map([-1.0, -1.0, -1.0, 1.0, 1.0, 1.0] * 50, [0, 0, 1, 0, 1, 1] * 50)
    >>> round(slope, 2), abs(round(intercept, 6))
    (0.68, 0.0)
    """
    s, y = _columns(log_odds, outcome)
    ones = float(y.sum())
    if not 0 < ones < y.size:
        raise ValueError(f"outcomes of both kinds are needed, got {ones:g} ones of {y.size}")
    wanted = np.where(y > 0, (ones + 1) / (ones + 2), 1 / (y.size - ones + 2))
    return _newton(s, wanted)


def _newton(s: np.ndarray, wanted: np.ndarray) -> tuple[float, float]:
    base = float(np.clip(wanted.mean(), _SMALL, 1 - _SMALL))
    at, columns = np.array([0.0, np.log(base / (1 - base))]), np.column_stack([s, np.ones_like(s)])
    lost = _lost(columns @ at, wanted)
    for _ in range(_STEPS):
        p = expit(columns @ at)
        slope = columns.T @ (p - wanted)
        bend = (columns * (p * (1 - p))[:, None]).T @ columns + _SMALL * np.eye(2)
        step, size = np.linalg.solve(bend, slope), 1.0
        while _lost(columns @ (at - size * step), wanted) > lost and size > _SMALL:
            size /= 2
        at = at - size * step
        before, lost = lost, _lost(columns @ at, wanted)
        if before - lost < _SMALL * abs(before):
            break
    return float(at[0]), float(at[1])


def _lost(z: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.sum(np.logaddexp(0.0, z) - wanted * z))


def temperature(log_probability: ArrayLike, outcome: ArrayLike) -> float:
    r"""T of :math:`softmax(\log p / T)` with the least log loss: 1 where probabilities are true, above 1 where too sure.

    `log_probability` has shape (n, k), n >= 1; `outcome` the index of the class that came, shape (n,). Between e**-4 and
    e**4. Guo et al. (2017), arXiv:1706.04599.

    >>> round(temperature(np.log([[0.99, 0.01]] * 10), [0] * 8 + [1] * 2), 1)
    3.3
    """
    logs, y = np.asarray(log_probability, dtype=float), np.asarray(outcome, dtype=int)
    if logs.ndim != 2 or y.shape != logs.shape[:1] or y.size == 0 or not np.isfinite(logs).all():
        raise ValueError(f"log probabilities need shape (n, k) and be finite, got {logs.shape} and {y.shape}")

    def lost(log_t: float) -> float:
        return -float(log_softmax(logs / np.exp(log_t), axis=1)[np.arange(y.size), y].mean())

    found = minimize_scalar(lost, bounds=(-_HOTTEST, _HOTTEST), method="bounded", options={"xatol": 1e-8})
    return float(np.exp(found.x))


def straight_map(prediction: ArrayLike, outcome: ArrayLike) -> tuple[float, float]:
    """(slope, intercept) of the line from predictions to outcomes with the least squares, shapes (n,), n >= 2.

    >>> slope, intercept = straight_map([1.0, 2.0, 3.0], [3.0, 5.0, 7.0])
    >>> round(slope, 6), round(intercept, 6)
    (2.0, 1.0)
    """
    x, y = _columns(prediction, outcome)
    spread = x - x.mean()
    squares = float(spread @ spread)
    if squares == 0:
        raise ValueError(f"all {x.size} predictions are {x[0]:g}: no line goes through one point")
    slope = float(spread @ y) / squares
    return slope, float(y.mean() - slope * x.mean())


def _columns(first: ArrayLike, second: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if x.ndim != 1 or x.shape != y.shape or x.size < 2:
        raise ValueError(f"two columns of one length from 2 on are needed, got shapes {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("every score and outcome has to be finite")
    return x, y
