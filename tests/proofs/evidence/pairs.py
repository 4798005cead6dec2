"""Are equal models told apart on the same rows? The paired tests, looked at after every row, in any order of labels."""

from functools import partial

import numpy as np

from tasks.stats import Betting
from tests.proofs.evidence.formulas import (
    agrees_with_betting,
    agrees_with_confidence_sequence,
    agrees_with_running_average,
    average_edge,
    betting_rejects,
    paired_z_rejects,
    sequence_half,
)
from tests.proofs.evidence.rates import LIMIT, Expected, Job, Rate, chunks
from tests.proofs.evidence.worlds import World, dependent_worlds, drifting_worlds, equal_worlds

__all__ = ["pair_jobs"]

ROWS = 6_000
MEAN, THESE, POPULATION = "the mean of every row", "the average of these rows", "all rows to come"
WORLDS = {world.name: world for world in [*equal_worlds(), *drifting_worlds(), *dependent_worlds()]}
PAIRED_Z = "paired z, every row from 30"
Wrong = dict[str, np.ndarray]


def equal_models(rng: np.random.Generator, runs: int, *, world: str) -> list[Rate]:
    """Rows are independent and their mean is the floor: whoever finds more, or less, is wrong."""
    total = _counted(rng, runs, WORLDS[world], of_independent_rows)
    return [
        Rate("Betting", world, MEAN, runs, total["betting"]),
        Rate("RunningAverage, low end", world, THESE, runs, total["low"]),
        Rate("RunningAverage, high end", world, THESE, runs, total["high"]),
        _asymptotic(world, runs, total["sequence"]),
        Rate(PAIRED_Z, world, POPULATION, runs, total["z"], expected=Expected.FAILS, naive=True),
    ]


def of_independent_rows(world: World, x: np.ndarray, mean: np.ndarray) -> Wrong:
    edge, centred, n = average_edge(x), np.cumsum(x - mean, axis=1), np.arange(1, x.shape[1] + 1)
    agrees_with_running_average(x[0], edge[0])
    half = sequence_half(x)
    agrees_with_confidence_sequence(x[0], half[0])
    peaks = np.array([Betting(-world.floor).update(one).log_peak for one in x])
    return {
        "betting": peaks >= LIMIT,
        "low": (centred > edge).any(axis=1),
        "high": (centred < -edge).any(axis=1),
        "sequence": (np.abs(centred) > half * n).any(axis=1),
        "z": paired_z_rejects(x, world.floor),
    }


def moving_models(rng: np.random.Generator, runs: int, *, world: str, population: Expected) -> list[Rate]:
    """The mean moves, or rows share something: two claims, and only the one about these rows can be kept."""
    total = _counted(rng, runs, WORLDS[world], of_moving_rows)
    naive = partial(Rate, naive=True)
    return [
        Rate("Betting, value at the row", world, THESE, runs, total["value"]),
        Rate("RunningAverage, low end", world, THESE, runs, total["low"]),
        Rate("RunningAverage, high end", world, THESE, runs, total["high"]),
        _asymptotic(world, runs, total["sequence"]),
        naive("Betting, peak", world, POPULATION, runs, total["peak"], expected=population),
        naive("RunningAverage, low end", world, POPULATION, runs, total["overread"], expected=Expected.REPORTED),
        naive(PAIRED_Z, world, POPULATION, runs, total["z"], expected=Expected.REPORTED),
    ]


def of_moving_rows(world: World, x: np.ndarray, mean: np.ndarray) -> Wrong:
    """Wrong about these rows: it rejects at a row after which the average of the means is not over the floor."""
    edge, n = average_edge(x), np.arange(1, x.shape[1] + 1)
    agrees_with_running_average(x[0], edge[0])
    half = sequence_half(x)
    agrees_with_confidence_sequence(x[0], half[0])
    total, truth = np.cumsum(x, axis=1), np.cumsum(mean, axis=1)
    rejects = np.array([betting_rejects(one, -world.floor) for one in x])
    agrees_with_betting(x[0], -world.floor, rejects[0])
    kept = truth <= world.floor * n + 1e-9
    return {
        "value": (rejects & kept).any(axis=1),
        "peak": rejects.any(axis=1),
        "low": (total - truth > edge).any(axis=1),
        "high": (total - truth < -edge).any(axis=1),
        "overread": (total - world.floor * n > edge).any(axis=1),
        "sequence": (np.abs(total - truth) > half * n).any(axis=1),
        "z": paired_z_rejects(x, world.floor),
    }


def _asymptotic(world: str, runs: int, wrong: int) -> Rate:
    # It promises about alpha for many rows, and no gate asks it: what it does for rare rows is reported, not required.
    return Rate("confidence_sequence", world, THESE, runs, wrong, expected=Expected.REPORTED)


def late_labels(rng: np.random.Generator, runs: int, *, late: int, spread: bool) -> list[Rate]:
    """Each model is better on one label, and one of the labels is known later: at once or over a `spread` of days."""
    n, delay, now = 4_000, 2_000, 4_000
    predicted, total = np.arange(n), np.zeros(4, dtype=int)
    for size in chunks(runs):
        label = rng.integers(0, 2, (size, n))
        gain = np.where(label == late, -0.3, 0.3) * rng.integers(0, 2, (size, n))  # mean 0 over both labels
        taken = np.minimum(rng.exponential(delay / 3, (size, n)), delay) if spread else delay
        known = predicted + np.where(label == late, taken, 0)
        by_arrival = np.take_along_axis(gain, np.argsort(known, axis=1, kind="stable"), axis=1)
        behind = gain[:, predicted + delay <= now]  # every label of these rows is in, whichever it is
        edge = average_edge(behind)
        for i, row in enumerate(behind):
            arrived = by_arrival[i, : int((known[i] <= now).sum())]
            overread = np.cumsum(arrived) > average_edge(arrived[None])[0]
            total += [
                Betting().update(row).log_peak >= LIMIT,
                (np.cumsum(row) > edge[i]).any(),
                Betting().update(arrived).log_peak >= LIMIT,
                overread.any(),
            ]
        agrees_with_running_average(behind[0], edge[0])
    case = f"label {late} known {'up to ' if spread else ''}2,000 rows later"
    naive = partial(Rate, expected=Expected.FAILS, naive=True)
    return [
        Rate("Betting, behind a watermark", case, MEAN, runs, int(total[0])),
        Rate("RunningAverage, behind a watermark", case, THESE, runs, int(total[1])),
        naive("Betting, as labels arrive", case, MEAN, runs, int(total[2])),
        naive("RunningAverage, as labels arrive", case, THESE, runs, int(total[3])),
    ]


def _counted(rng: np.random.Generator, runs: int, world: World, judged) -> dict[str, int]:
    total: dict[str, int] = {}
    for size in chunks(runs):
        for name, wrong in judged(world, *world.draw(rng, size, ROWS)).items():
            total[name] = total.get(name, 0) + int(wrong.sum())
    return total


def pair_jobs(scale: float) -> list[Job]:
    """Every case of this module; `scale` shortens them."""
    runs = int(2_000 * scale)
    jobs = [
        Job("Equal models, independent rows", f"equal {w.name}", equal_models, runs, {"world": w.name})
        for w in equal_worlds()
    ]
    for w in drifting_worlds():
        kept = "first, then better" in w.name or "downwards" in w.name
        arguments = {"world": w.name, "population": Expected.REPORTED if kept else Expected.FAILS}
        jobs.append(Job("Means that move within the run", f"drift {w.name}", moving_models, runs, arguments))
    for w in dependent_worlds():
        arguments = {"world": w.name, "population": Expected.FAILS}
        jobs.append(Job("Rows that share a day or a week", f"shared {w.name}", moving_models, runs, arguments))
    for late in (0, 1):
        for spread in (False, True):
            arguments = {"late": late, "spread": spread}
            jobs.append(Job("Labels that come late", f"late {late} {spread}", late_labels, runs, arguments))
    return jobs
