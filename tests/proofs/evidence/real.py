"""What do the paired tests say of real half-hours, whose days and weeks move together? Only where PERENNIAL_DATA has them."""

import os
from functools import cache, partial
from pathlib import Path

import numpy as np

from tests.proofs.evidence.formulas import (
    agrees_with_betting,
    agrees_with_running_average,
    average_edge,
    betting_rejects,
)
from tests.proofs.evidence.rates import Expected, Job, Rate

__all__ = ["real_jobs", "table"]

TRAINED, ROWS, MARGIN = 10_000, 4_000, 0.01
INPUTS = ["period", "nswdemand", "vicdemand", "transfer"]


def table() -> Path | None:
    """The electricity table, or None where PERENNIAL_DATA names no folder that has it."""
    path = Path(os.environ.get("PERENNIAL_DATA") or "nowhere") / "electricity" / "electricity.csv"
    return path if path.is_file() else None


@cache
def differences() -> np.ndarray:
    """Brier differences of a linear and a boosted model on half-hours later than those they learned from, mean -margin."""
    import pandas as pd
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    frame = pd.read_csv(table(), usecols=[*INPUTS, "price_up"])
    x, y = frame[INPUTS].to_numpy(), frame["price_up"].to_numpy()
    models = LogisticRegression(max_iter=1_000), HistGradientBoostingClassifier(max_iter=60, random_state=7)
    losses = []
    for model in models:
        score = model.fit(x[:TRAINED], y[:TRAINED]).predict_proba(x[TRAINED:])[:, 1]
        losses.append((np.clip(score, 0.1, 0.9) - y[TRAINED:]) ** 2)
    gain = losses[0] - losses[1]
    return gain - gain.mean() - MARGIN


def half_hours(rng: np.random.Generator, runs: int, *, block: int | None) -> list[Rate]:
    """Stretches of real rows in true order, or blocks of them drawn with replacement (a block of 1 row: shuffled)."""
    gain, wrong = differences(), np.zeros(2, dtype=int)
    n = np.arange(1, ROWS + 1)
    for run in range(runs):
        if block is None:
            start = rng.integers(0, gain.size - ROWS + 1)
            x = gain[start : start + ROWS]
        else:
            first = rng.integers(0, gain.size // block, -(-ROWS // block)) * block
            x = gain[(first[:, None] + np.arange(block)).ravel()[:ROWS]]
        edge, rejects = average_edge(x[None])[0], betting_rejects(x, MARGIN)
        if run == 0:
            agrees_with_running_average(x, edge)
            agrees_with_betting(x, MARGIN, rejects)
        wrong += [rejects.any(), (np.cumsum(x) + MARGIN * n > edge).any()]
    order = {None: "true order", 336: "weeks shuffled", 48: "days shuffled", 1: "rows shuffled"}[block]
    case, claim = f"electricity, {ROWS:,} half-hours, {order}", "all rows to come"
    # Stretches in true order overlap and really drift: their rate is a description, and its bound no bound.
    rate = partial(Rate, expected=Expected.HOLDS if block == 1 else Expected.REPORTED, naive=block != 1)
    return [
        rate("Betting, peak", case, claim, runs, int(wrong[0])),
        rate("RunningAverage, low end", case, claim, runs, int(wrong[1])),
    ]


def real_jobs(scale: float) -> list[Job]:
    """Every case of this module; `scale` shortens them. None without the table."""
    if table() is None:
        return []
    return [
        Job("Real half-hours", f"real {block}", half_hours, int(2_000 * scale), {"block": block})
        for block in (None, 336, 48, 1)
    ]
