"""Does one look at held-out rows keep its alpha where harm is rare, and where rows of a customer or a day move together?"""

import numpy as np

from tasks.stats import bounded_interval, fixed_interval
from tests.proofs.evidence.rates import ALPHA, Expected, Job, Rate

__all__ = ["look_jobs"]

CLAIM = "one look: not worse by the margin"


def rare_harm(rng: np.random.Generator, runs: int, *, n: int, margin: float, gained: float) -> list[Rate]:
    """Rows are harmed just so often that the mean lies at the margin; a share of `gained` rows is better."""
    counts = rng.multinomial(n, [margin + gained, gained, 1 - margin - 2 * gained], size=runs)[:, :2]
    kinds, times = np.unique(counts, axis=0, return_counts=True)
    wrong = np.zeros(2, dtype=int)
    for (harmed, better), k in zip(kinds, times, strict=True):
        rows = np.concatenate([-np.ones(harmed), np.ones(better), np.zeros(n - harmed - better)])
        wrong += k * np.array(
            [interval(rows, alpha=ALPHA)[0] > -margin for interval in (bounded_interval, fixed_interval)]
        )
    case = f"{n:,} rows, margin {margin:g}, harmed {margin + gained:.1%}, better {gained:.1%}"
    # A t interval of frequent differences is right too: it is where nothing has happened yet that it promises too much.
    plain = Expected.FAILS if gained == 0 else Expected.REPORTED
    tight = Expected.HOLDS if gained == 0 else Expected.REPORTED
    return [
        Rate("bounded_interval", case, CLAIM, runs, int(wrong[0]), expected=tight),
        Rate("plain t (fixed_interval)", case, CLAIM, runs, int(wrong[1]), expected=plain, naive=True),
    ]


def rows_that_move_together(rng: np.random.Generator, runs: int, *, clusters: int, rows: int, rare: bool) -> list[Rate]:
    """All rows of a cluster are harmed or none (`rare`), or they share what their day does to all of them."""
    margin = 0.01
    names, wrong = np.repeat(np.arange(clusters), rows), np.zeros(3, dtype=int)
    for _ in range(runs):
        if rare:
            gain = -np.repeat(rng.random(clusters) < margin, rows).astype(float)
        else:
            mean = -margin + np.repeat(np.clip(rng.normal(0, 0.1, clusters), -0.3, 0.3), rows)
            gain = np.where(rng.random(names.size) < (1 + 2 * mean) / 2, 0.5, -0.5)
        lows = [
            bounded_interval(gain, alpha=ALPHA, clusters=names)[0],
            fixed_interval(gain, alpha=ALPHA, clusters=names)[0],
            bounded_interval(gain, alpha=ALPHA)[0],
        ]
        wrong += np.array(lows) > -margin
    case = f"{clusters} {'customers, all rows harmed or none' if rare else 'days that differ'}, {rows} rows each"
    plain = Expected.FAILS if rare else Expected.REPORTED
    tight = Expected.HOLDS if rare else Expected.REPORTED
    return [
        Rate("bounded_interval by cluster", case, CLAIM, runs, int(wrong[0]), expected=tight),
        Rate("plain t by cluster", case, CLAIM, runs, int(wrong[1]), expected=plain, naive=True),
        Rate("bounded_interval by row", case, CLAIM, runs, int(wrong[2]), expected=Expected.FAILS, naive=True),
    ]


def look_jobs(scale: float) -> list[Job]:
    """Every case of this module; `scale` shortens them."""
    jobs = []
    for n in (500, 1_000, 2_000, 4_000, 8_000, 14_000):
        arguments = {"n": n, "margin": 0.001, "gained": 0.0}
        jobs.append(Job("One look at rare harm", f"rare harm {n}", rare_harm, int(20_000 * scale), arguments))
    for n, gained in ((1_000, 0.005), (4_000, 0.005), (4_000, 0.045)):
        arguments = {"n": n, "margin": 0.01, "gained": gained}
        jobs.append(Job("One look at rare harm", f"frequent {n} {gained}", rare_harm, int(20_000 * scale), arguments))
    for clusters, rows, rare in ((200, 10, True), (500, 4, True), (60, 48, False), (250, 48, False)):
        arguments = {"clusters": clusters, "rows": rows, "rare": rare}
        part, name = "One look at rows that move together", f"clusters {clusters} {rows} {rare}"
        jobs.append(Job(part, name, rows_that_move_together, int(4_000 * scale), arguments))
    return jobs
