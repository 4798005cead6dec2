"""Is the planted cause named through the real fits, and is the error sheet safe to show? Worlds of the proof, a few of them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest

from flows.diagnosis import diagnose
from flows.error_sheet import MASKED
from flows.refits import Budget
from flows.simple_models import simple_models
from schemas.columns import about
from schemas.diagnosis import ORDER, Constraint, Diagnosis
from schemas.experiment import Job
from schemas.plans.improvement import Tier
from schemas.recipe import Recipe
from tests.flows.made import added
from tests.proofs.cause_worlds import Draws, World, made, quiet
from tests.proofs.causes import experimented, lucky

TIER = Tier(name="decide", share=1.0, folds=2, seeds=2)


def small(**changed) -> World:
    """Two classes along a line, fitted by a line: as good as it gets."""
    draws = Draws(202, Constraint.CEILING)
    plan = quiet(202, draws, n=1_600, d=4, form="line", timeless=False, strength=(4.0, 5.0))
    recipe = Recipe(family="linear", features=tuple(plan.names + plan.kinds), parameters={"C": 1.0})
    return made(Constraint.CEILING, 202, plan, recipe, plan.labels(draws.rng), "", **changed)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    return tmp_path


def found(world: World, folder: Path, **given) -> Diagnosis:
    with added(world.problem, folder):
        job = Job(world.problem.name, "made", world.problem.recipe, TIER, 0)
        fits, result = experimented(job, world)
        return diagnose(world.problem, job, fits, result, seed=0, **given)


def test_a_column_that_holds_the_label_is_a_leak_whatever_else_there_is(folder):
    world = small()
    rows = world.rows.assign(x0=world.rows["y"] * 3 + 0.01 * world.rows["x1"])
    said = found(replace(world, rows=rows), folder)
    assert said.binding.constraint is Constraint.LEAK
    assert "x0 alone" in said.binding.says
    assert said.effects[0].feature == "x0"
    assert said.first_failing is not None
    assert said.first_failing.step == "splits"


def test_flipped_labels_are_noise_and_the_json_says_the_same(folder):
    world = small()
    wrong = np.random.default_rng(1).random(len(world.rows)) < 0.25
    said = found(replace(world, rows=world.rows.assign(y=world.rows["y"].where(~wrong, 1 - world.rows["y"]))), folder)
    assert said.binding.constraint is Constraint.NOISE
    assert tuple(check.step for check in said.checks) == ORDER
    again = Diagnosis.from_json(json.loads(json.dumps(said.to_json(), allow_nan=False)))
    assert again == said
    assert again.binding.constraint is Constraint.NOISE


def test_equal_inputs_give_equal_diagnoses_but_for_their_seconds(folder):
    one, other = (found(small(), folder) for _ in range(2))
    assert replace(one, seconds=0.0, of_seconds=0.0) == replace(other, seconds=0.0, of_seconds=0.0)


def test_personal_columns_and_keys_are_not_told(folder):
    world = small()
    columns = dict(world.problem.contract.columns)
    for name in ("id", "x0"):
        columns[name] = pa.Column(columns[name].dtype, metadata=about(personal=True))
    problem = replace(world.problem, contract=pa.DataFrameSchema(columns))
    said = found(replace(world, problem=problem), folder)
    assert said.wrong
    assert all(row.key.startswith("row ") for row in said.wrong)
    assert all(row.values["x0"] == MASKED and row.values["x1"] != MASKED for row in said.wrong)
    assert not any("x0" in one.name for one in said.slices)


def test_the_sheet_shows_the_worst_judged_rows_and_no_others(folder):
    world = small()
    said = found(world, folder)
    judged = world.rows.sort_values("at").iloc[-len(world.rows) * 22 // 100 :]["id"].astype(str)
    assert {row.key for row in said.wrong} <= set(judged)
    assert [row.loss for row in said.wrong] == sorted((row.loss for row in said.wrong), reverse=True)


def test_without_a_budget_nothing_is_refitted_and_that_is_said(folder):
    said = found(small(), folder, budget=0.0)
    assert said.curve is None
    assert {check.step: check.passed for check in said.checks}["capacity"] is None
    assert "seeds" in " ".join(said.probes)


def test_a_budget_is_spent_once(folder):
    world = small()
    with added(world.problem, folder):
        fits, _ = experimented(Job(world.problem.name, "made", world.problem.recipe, TIER, 0), world)
    purse = Budget(fits, 0.3)
    left = purse.left
    assert purse.takes(left)
    assert not purse.takes(0.01)


def test_simple_models_are_fitted_once_for_a_set_of_rows(folder):
    world = small()
    with added(world.problem, folder):
        job = Job(world.problem.name, "made", world.problem.recipe, TIER, 0)
        first = simple_models(world.problem, job, world.rows)
        # Nothing is asked of the rows again: there are none.
        assert simple_models(world.problem, job, pd.DataFrame()) == first
    losses = {one.name: one.loss[1] for one in first if one.loss is not None}
    assert losses["linear"] < losses["naive baseline"] < losses["chance"]
    assert losses["incumbent"] == pytest.approx(losses["linear"], abs=0.01)


def test_other_seeds_are_no_gain():
    assert sum(lucky("sgd", 100, starts=4)) <= 1  # of 6 pairs
