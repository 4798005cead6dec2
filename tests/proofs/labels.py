"""Is no row trained or judged on whose label came after `now`, whatever the delays, the windows and the moment?

Random tables with random label times (none, at once, later than the maturity, before the event) go through the real
way from a file to what a recipe is fitted on: the window read in DuckDB as it stood at `now`, the contract, the split, and
the rows of the refit. `make prove NAME=labels` draws a thousand; tests/flows/test_labels_known.py draws some.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flows import training as flow
from flows.training import rows_for
from flows.trial import Trial
from flows.turn import Turn
from schemas.plans import RetrainingPlan
from schemas.problem import Problem
from schemas.rows import Model, State
from schemas.stage import Stage
from tasks import splits, windows
from tests.flows.made import DAY, HIGH, START, added, readings

__all__ = ["Drawn", "draw", "given", "held", "prove"]

NAME = "any_labels"
_DAYS = 40


@dataclass(frozen=True)
class Drawn:
    """One random table with its plan, and the moment it is looked at."""

    problem: Problem
    table: pd.DataFrame
    now: datetime
    trained_until: datetime | None


def draw(seed: int) -> Drawn:
    """Delays from minutes to several maturities, with gaps; windows from two days to all there is; `now` anywhere."""
    rng = np.random.default_rng([20261121, seed])
    table = readings(days=_DAYS, per_day=12, seed=seed)
    n, maturity = len(table), timedelta(hours=float(rng.uniform(1, 120)))
    scale = maturity / DAY * rng.choice([0.05, 0.3, 1.0, 3.0])
    days = np.where(rng.random(n) < 0.3, rng.exponential(scale, n), rng.uniform(0, scale, n))
    days = np.where(rng.random(n) < 0.05, -0.5, np.where(rng.random(n) < 0.1, maturity / DAY, days))
    known = (table["at"] + pd.to_timedelta(days * 86_400e6, unit="us")).astype(table["at"].dtype)
    known = known.where(rng.random(n) > 0.1)  # a label without a time, and below a time without a label
    table = table.assign(band_at=known, high=table["high"].where(rng.random(n) > 0.1))
    table = table.sample(frac=1, random_state=seed)
    plan = HIGH.retraining.model_copy(
        update={
            "test": timedelta(days=float(rng.uniform(0.5, 8))),
            "validation": timedelta(days=float(rng.uniform(0.1, 5))),
            "test_rows": 1,
            "train_rows": 1,
        }
    )
    data = HIGH.data.model_copy(update={"fold_below": int(rng.choice([0, 10_000]))})
    window = None if rng.random() < 0.3 else timedelta(days=float(rng.uniform(2, 20)))
    problem = replace(
        HIGH,
        name=NAME,
        source=replace(HIGH.source, location=f"{NAME}/rows.parquet"),
        framing=HIGH.framing.model_copy(update={"maturity": maturity}),
        recipe=HIGH.recipe.model_copy(update={"window": window}),
        retraining=RetrainingPlan.model_validate(plan.model_dump()),
        data=data,
    )
    now = START + timedelta(days=float(rng.uniform(3, _DAYS + 10)))
    before = now - timedelta(days=float(rng.uniform(0, 20)))
    return Drawn(problem, table, now, before if rng.random() < 0.5 else None)


def given(drawn: Drawn) -> dict[str, pd.DataFrame]:
    """What a retrain of that moment is given: the parts of each fold, and the rows of the refit. Empty where it is refused."""
    windows.materialise(drawn.problem, drawn.table)
    champion = Model("0" * 64, "1", "naive baseline", trained_until=drawn.trained_until)
    state = State(NAME, stage=Stage.RETRAIN, champion=champion, since=drawn.now)
    turn = Turn(NAME, state, drawn.now)
    found = rows_for(turn)
    if not isinstance(found, flow.Given):
        return {}
    trial = Trial(turn, found.recipe, found.folds, found.labelled, found.until, "")
    parts = {f"{name} of fold {i}": part for i, fold in enumerate(found.folds) for name, part in vars(fold).items()}
    return {**parts, "refit": trial.everything}


def held(drawn: Drawn, parts: Mapping[str, pd.DataFrame]) -> dict[str, int]:
    """Every row of every part was labelled before now, is older than the maturity, and has the label of the table. Counts
    what was there to go wrong: rows that had matured by now, and whose label came later."""
    truth, framing = drawn.table.set_index("id"), drawn.problem.framing
    for name, part in parts.items():
        real = truth.loc[part["id"]]
        assert (real["band_at"] < pd.Timestamp(drawn.now)).all(), f"{name}: labelled after {drawn.now}"
        assert (real["at"] < pd.Timestamp(drawn.now - framing.maturity)).all(), f"{name}: rows that are not matured"
        assert (real["high"].to_numpy() == part[framing.target].to_numpy()).all(), f"{name}: another label"
    after = 0  # fitted rows whose label came when the first judged row had come: later than the maturity, so no embargo sees it
    for i in range(sum(name.startswith("test") for name in parts)):
        train, validation, test = (parts[f"{name} of fold {i}"] for name in ("train", "validation", "test"))
        ids = [set(part["id"]) for part in (train, validation, test)]
        assert sum(map(len, ids)) == len(set().union(*ids)), f"fold {i}: a row in two parts"
        if len(test):
            fitted = pd.concat([train["at"], validation["at"]])
            after += int((pd.concat([train["band_at"], validation["band_at"]]) >= test["at"].min()).sum())
            assert (fitted < test["at"].min() - splits.embargo_of(drawn.problem)).all(), f"fold {i}: no embargo"
    judged = pd.concat(
        [part["id"] for name, part in parts.items() if name.startswith("test")] or [pd.Series(dtype=int)]
    )
    assert judged.is_unique, "a row is judged twice"
    matured = truth["at"] < pd.Timestamp(drawn.now - framing.maturity)
    late = matured & ~(truth["band_at"] < pd.Timestamp(drawn.now)) & truth["high"].notna()
    return {"judged": len(judged), "refit": len(parts.get("refit", ())), "late": int(late.sum()), "after": after}


def prove(n: int = 1_000) -> dict[str, Any]:
    """Draw `n` tables, and hold each."""
    logging.getLogger("perennial").setLevel(logging.CRITICAL)
    totals = {
        "tables": 0,
        "with_rows": 0,
        "with_late_labels": 0,
        "judged": 0,
        "refit": 0,
        "late": 0,
        "after": 0,
        "wrong": 0,
    }
    with TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", home)
        for seed in range(n):
            drawn = draw(seed)
            with added(drawn.problem, Path(home)):
                parts = given(drawn)
            try:
                found = held(drawn, parts)
            except AssertionError as error:
                totals["wrong"] += 1
                print(f"seed {seed}: {error}", flush=True)
                continue
            totals["tables"] += 1
            totals["with_rows"] += found["judged"] > 0
            totals["with_late_labels"] += found["late"] > 0
            for name in ("judged", "refit", "late", "after"):
                totals[name] += found[name]
            if (seed + 1) % 100 == 0:
                print(f"{seed + 1} of {n} tables: {totals}", flush=True)
    # With nothing to train on, or no label that came too late, nothing would be proved.
    enough = totals["with_rows"] > n / 2 and totals["with_late_labels"] > n / 2
    return {**totals, "holds": not totals["wrong"] and enough}
