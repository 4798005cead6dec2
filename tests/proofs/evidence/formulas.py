"""What does each test say after every row of a run? The product's formulas for whole paths, held against its own code."""

import math

import numpy as np
from scipy.stats import norm

from tasks.stats import Betting, RunningAverage, confidence_sequence, unpaired_sequence
from tasks.stats.paired import reach, stakes
from tests.proofs.evidence.rates import ALPHA, LIMIT

__all__ = ["average_edge", "betting_rejects", "paired_z_rejects", "sequence_half", "unpaired_path", "within_units"]

# `reach` is concave in the squares, so straight lines between these points never overstate it.
SQUARES = np.concatenate([[0.0], np.geomspace(1e-3, 3e4, 3_000)])
UNSEEN = 4  # units that `unpaired_sequence` adds to each arm; the product's own code is asked whether it is still so
EDGE = np.array([reach(q, alpha=ALPHA) for q in SQUARES])


def average_edge(x: np.ndarray) -> np.ndarray:
    """How far the sum of `x` (shape (runs, n)) may lie from that of its means before `RunningAverage` objects."""
    squares = np.cumsum(x * x, axis=1)
    assert squares[:, -1].max() <= SQUARES[-1]
    return np.interp(squares, SQUARES, EDGE)


def agrees_with_running_average(x: np.ndarray, edge: np.ndarray) -> None:
    """The ends drawn from `edge` are those of the product, at some rows of one run (shape (n,))."""
    for n in np.unique(np.geomspace(1, x.size, 8).astype(int)):
        low, mean, high = RunningAverage().update(x[:n]).interval(ALPHA)
        ours = [max(mean - edge[n - 1] / n, -1), min(mean + edge[n - 1] / n, 1)]
        assert np.allclose(ours, [low, high], rtol=1e-5, atol=2e-6), (n, ours, (low, high))


def betting_rejects(x: np.ndarray, margin: float) -> np.ndarray:
    """After which rows of one run (shape (n,)) is the value of `Betting(margin)` at least 1 / alpha?"""
    logs = np.cumsum(np.log(1 + stakes(margin)[:, None] * (x + margin)), axis=1)
    rejects = logs.max(axis=0) >= LIMIT  # a mean is at most its largest term: only these rows can reject
    high = logs[:, rejects]
    rejects[rejects] = np.logaddexp.reduce(high, axis=0) - math.log(len(high)) >= LIMIT if high.size else False
    return rejects


def agrees_with_betting(x: np.ndarray, margin: float, rejects: np.ndarray) -> None:
    """`rejects` is what the product says of the peak and of the value at some rows of one run."""
    assert rejects.any() == (Betting(margin).update(x).log_peak >= LIMIT)
    for n in np.unique(np.geomspace(1, x.size, 8).astype(int)):
        assert rejects[n - 1] == (Betting(margin).update(x[:n]).log_e >= LIMIT)


def paired_z_rejects(x: np.ndarray, floor: float, *, burn_in: int = 30) -> np.ndarray:
    """Runs (of shape (runs, n)) in which a paired z-test, looked at after every row from `burn_in`, finds over `floor`."""
    n = np.arange(1, x.shape[1] + 1)
    s, q = np.cumsum(x, axis=1), np.cumsum(x * x, axis=1)
    gain, spread = s - floor * n, np.sqrt(np.maximum(q - s * s / n, 0.0) * n / np.maximum(n - 1, 1))
    # No spread is no answer: a z-test of rows that all agree is undefined.
    return ((gain > norm.ppf(1 - ALPHA) * spread) & (spread > 1e-9))[:, burn_in - 1 :].any(axis=1)


def sequence_half(x: np.ndarray, *, burn_in: int = 30, tuned_for: int = 2_000, bound: float = 1.0) -> np.ndarray:
    """Half width of `confidence_sequence` after every row of runs of shape (runs, n); infinite before `burn_in`."""
    n = np.arange(1, x.shape[1] + 1)
    s, q = np.cumsum(x, axis=1), np.cumsum(x * x, axis=1)
    rho2 = (-2 * math.log(ALPHA) + math.log(-2 * math.log(ALPHA)) + 1) / tuned_for
    width = np.sqrt(2 * (n * rho2 + 1) / (n * n * rho2) * np.log(np.sqrt(n * rho2 + 1) / ALPHA))
    half = width * np.sqrt((np.maximum(q - s * s / n, 0.0) + (bound / 2) ** 2) / n)
    half[:, : burn_in - 1] = np.inf
    return half


def agrees_with_confidence_sequence(x: np.ndarray, half: np.ndarray) -> None:
    for n in np.unique(np.geomspace(30, x.size, 5).astype(int)):
        low, mean, high = confidence_sequence(x[:n], alpha=ALPHA)
        assert np.allclose([mean - half[n - 1], mean + half[n - 1]], [low, high], rtol=1e-6, atol=1e-9)


def within_units(unit: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Total of `values` over the earlier rows of the same unit, for every row; both of shape (n,).

    >>> within_units(np.array([7, 8, 7, 7]), np.array([1.0, 5.0, 2.0, 4.0]))
    array([0., 0., 1., 3.])
    """
    order = np.argsort(unit, kind="stable")
    total = np.cumsum(values[order]) - values[order]
    first = np.concatenate([[True], np.diff(unit[order]) != 0])
    earlier = np.empty(unit.size)
    earlier[order] = total - total[first][np.cumsum(first) - 1]
    return earlier


def unpaired_path(
    y: np.ndarray,
    z: np.ndarray,
    w: np.ndarray,
    unit: np.ndarray,
    *,
    burn_in: int = 100,
    tuned_for: int = 2_000,
    bound: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """(estimate, half width) of `unpaired_sequence` after every row; all arguments have shape (n,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        up, down, n = z / w, (1 - z) / (1 - w), np.arange(1, y.size + 1)
        parts = [up * y - down * y, up, down]  # a total is p - m1 u + m0 d, and its square a sum of six products
        before = [within_units(unit, part) for part in parts]

        def products(i: int, j: int) -> np.ndarray:
            return np.cumsum(before[i] * parts[j] + parts[i] * before[j] + parts[i] * parts[j])

        of_up, of_down = np.cumsum(up), np.cumsum(down)
        m1, m0 = np.cumsum(up * y) / of_up, np.cumsum(down * y) / of_down
        squares = products(0, 0) + m1**2 * products(1, 1) + m0**2 * products(2, 2)
        squares += 2 * (m0 * products(0, 2) - m1 * products(0, 1) - m1 * m0 * products(1, 2))
        units = np.cumsum(within_units(unit, np.ones(y.size)) == 0)
        unseen = UNSEEN * (bound * n / units) ** 2
        unseen = unseen * ((np.cumsum(up * up) / of_up) ** 2 + (np.cumsum(down * down) / of_down) ** 2)
        spread = np.sqrt(units * (squares + unseen)) / n
    rho2 = (-2 * math.log(2 * ALPHA) + math.log(-2 * math.log(2 * ALPHA)) + 1) / tuned_for
    radius = np.sqrt(2 * (units * rho2 + 1) / (units**2 * rho2) * np.log1p(np.sqrt(units * rho2 + 1) / (2 * ALPHA)))
    first = within_units(unit * 2 + z.astype(int), np.ones(y.size)) == 0
    smaller = np.minimum(np.cumsum(first & (z == 1)), np.cumsum(first & (z == 0)))
    return m1 - m0, np.where(smaller < burn_in, np.inf, radius * spread)


def agrees_with_unpaired(
    y: np.ndarray, z: np.ndarray, w: np.ndarray, unit: np.ndarray, path: tuple[np.ndarray, np.ndarray]
) -> None:
    estimate, half = path
    for n in np.unique(np.geomspace(50, y.size, 6).astype(int)):
        low, middle, high = unpaired_sequence(y[:n], z[:n], w[:n], alpha=ALPHA, entity=unit[:n])
        theirs = [(high - low) / 2, middle] if np.isfinite(low) else [np.inf, middle]
        assert np.allclose([half[n - 1], estimate[n - 1]], theirs, rtol=1e-6, atol=1e-9, equal_nan=True), (n, theirs)
