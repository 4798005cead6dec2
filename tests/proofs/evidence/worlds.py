"""In what worlds are two models compared row by row, and what is the truth there after every row?"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["World", "dependent_worlds", "drifting_worlds", "equal_worlds"]

DAY, WEEK = 48, 336  # rows: half-hours

Draw = Callable[[np.random.Generator, int, int], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class World:
    """`draw(rng, runs, n)` gives gains and their means (given what rows share), both of shape (runs, n).

    `floor` is the mean that the challenger must be shown to exceed: minus the margin.
    """

    name: str
    floor: float
    draw: Draw


def three_valued(disagreement: float, mean: float) -> Draw:
    """Paired 0/1 losses: -1, 0 or 1, not 0 with probability `disagreement`."""

    def draw(rng: np.random.Generator, runs: int, n: int) -> tuple[np.ndarray, np.ndarray]:
        u, gained = rng.random((runs, n)), (disagreement + mean) / 2
        return np.where(u < gained, 1.0, np.where(u < disagreement, -1.0, 0.0)), np.full((runs, n), mean)

    return draw


def brier(mean: float) -> Draw:
    """Two forecasters alike but for their errors, one of them handicapped to have a mean gain of `mean`."""

    def draw(rng: np.random.Generator, runs: int, n: int) -> tuple[np.ndarray, np.ndarray]:
        chance = rng.uniform(0.15, 0.85, (runs, n))
        label = rng.random((runs, n)) < chance
        one, other = (np.clip(chance + rng.normal(0, 0.08, (runs, n)), 0.01, 0.99) for _ in range(2))
        return (one - label) ** 2 - (other - label) ** 2 + mean, np.full((runs, n), mean)

    return draw


def moved(shift: Callable[[np.random.Generator, int, int], np.ndarray], floor: float, *, spread: float = 0.5) -> Draw:
    """Gains of -`spread` or +`spread` with mean `floor` + shift (shape (runs, n) or (n,)), independent given the shift."""

    def draw(rng: np.random.Generator, runs: int, n: int) -> tuple[np.ndarray, np.ndarray]:
        mean = np.broadcast_to(floor + shift(rng, runs, n), (runs, n))
        assert np.abs(mean).max() <= spread
        return np.where(rng.random((runs, n)) < (1 + mean / spread) / 2, spread, -spread), mean

    return draw


def equal_worlds() -> list[World]:
    """Independent rows whose mean gain is just what the claim excludes: minus the margin, or zero."""
    worlds = []
    for margin in (0.0, 0.001, 0.01, 0.02):
        name = f"margin {margin:g}" if margin else "superiority"
        for disagreement in (0.002, 0.02, 0.1):
            if margin <= disagreement:
                draw = three_valued(disagreement, -margin)
                worlds.append(World(f"0/1 losses, {disagreement:.1%} differ, {name}", -margin, draw))
        worlds.append(World(f"Brier losses, {name}", -margin, brier(-margin)))
    return worlds


def drifting_worlds() -> list[World]:
    """The mean moves within the run. In the first two its average so far never exceeds the floor; in the others it does."""

    def steps(first: float, then: float) -> Callable[..., np.ndarray]:
        return lambda rng, runs, n: np.where(np.arange(n) < n // 2, first, then)

    def wave(sign: float) -> Callable[..., np.ndarray]:
        return lambda rng, runs, n: sign * 0.15 * np.sin(np.arange(n) * 2 * np.pi / 1_500)

    return [
        World("worse first, then better, margin 0.01", -0.01, moved(steps(-0.1, 0.1), -0.01)),
        World("a wave that starts downwards", 0.0, moved(wave(-1), 0.0)),
        World("better first, then worse, margin 0.01", -0.01, moved(steps(0.1, -0.1), -0.01)),
        World("a wave that starts upwards", 0.0, moved(wave(1), 0.0)),
        World("the next mean follows the last gain", 0.0, _following),
    ]


def dependent_worlds() -> list[World]:
    """What is shared by rows of a day, a week or a neighbourhood has mean zero over all of them."""

    def of_blocks(rows: int, spread: float) -> Callable[..., np.ndarray]:
        def shift(rng: np.random.Generator, runs: int, n: int) -> np.ndarray:
            effect = np.clip(rng.normal(0, spread, (runs, -(-n // rows))), -3 * spread, 3 * spread)
            return np.repeat(effect, rows, axis=1)[:, :n]

        return shift

    def weekend(rng: np.random.Generator, runs: int, n: int) -> np.ndarray:
        day = (np.arange(n) // DAY + rng.integers(0, 7, (runs, 1))) % 7
        return np.where(day < 5, -0.04, 0.1)

    def wandering(rng: np.random.Generator, runs: int, n: int) -> np.ndarray:
        keep, spread = 0.98, 0.05
        shift = np.empty((runs, n))
        now = rng.normal(0, spread, runs)
        for i in range(n):
            shift[:, i] = now = keep * now + rng.normal(0, spread * np.sqrt(1 - keep**2), runs)
        return np.clip(shift, -4 * spread, 4 * spread)

    shifts = {
        "days of 48 rows differ (sd 0.1)": of_blocks(DAY, 0.1),
        "weeks of 336 rows differ (sd 0.05)": of_blocks(WEEK, 0.05),
        "weekends differ, any weekday first": weekend,
        "neighbours alike (AR 0.98, sd 0.05)": wandering,
    }
    worlds = [World(f"{name}, margin 0.01", -0.01, moved(shift, -0.01)) for name, shift in shifts.items()]
    worlds.append(World("days of 48 rows differ (sd 0.1), superiority", 0.0, moved(of_blocks(DAY, 0.1), 0.0)))
    return worlds


def _following(rng: np.random.Generator, runs: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """After a gain the next mean is 0.2, after a loss -0.2."""
    gain, mean, u = np.empty((runs, n)), np.zeros((runs, n)), rng.random((runs, n))
    for i in range(n):
        if i:
            mean[:, i] = 0.4 * gain[:, i - 1]
        gain[:, i] = np.where(u[:, i] < (1 + 2 * mean[:, i]) / 2, 0.5, -0.5)
    return gain, mean
