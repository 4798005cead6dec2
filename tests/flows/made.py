"""A problem of three classes and its twin of two, small enough to be turned and drilled in seconds: which band is next?"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest

import schemas.problems
from schemas.columns import about
from schemas.framing import (
    BrierLoss,
    CostLoss,
    CostMatrix,
    Direction,
    Fairness,
    Framing,
    MatrixLoss,
    MinimumFunction,
    Requirement,
)
from schemas.plans import MonitoringPlan, RetrainingPlan, RolloutPlan
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.source import Source
from tasks import windows
from tests.shared import mlflow_tables

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TIME = pd.DatetimeTZDtype(unit="us", tz="UTC")
BANDS = ("low", "mid", "high")

CONTRACT = pa.DataFrameSchema(
    {
        "id": pa.Column("int64", pa.Check.ge(0)),
        "at": pa.Column(TIME),
        "x": pa.Column("float64", pa.Check.in_range(-100, 100)),
        "z": pa.Column("float64", pa.Check.in_range(-100, 100)),
        "kind": pa.Column(str, pa.Check.isin(["a", "b"])),
        "high": pa.Column("float64", pa.Check.isin([0.0, 1.0]), nullable=True),
        "band": pa.Column(
            str, pa.Check.isin(BANDS), nullable=True, metadata=about(known="with delay", known_at="band_at")
        ),
        "band_at": pa.Column(TIME, nullable=True),
    }
)

PROBLEM = Problem(
    name="bands",
    statement="Which band will a reading fall into?",
    contract=CONTRACT,
    source=Source(location="bands/rows.parquet"),
    framing=Framing(
        task="multiclass",
        classes=BANDS,
        objective="tests pass",
        key="id",
        entity=None,
        event_time="at",
        target="band",
        label_time="band_at",
        maturity=DAY,
        loss=MatrixLoss(costs=((0.0, 0.5, 1.0), (0.5, 0.0, 0.5), (1.0, 0.5, 0.0))),
        margin=0.02,
        tolerated_harm=0.02,
        metric="roc_auc",
        requirements=(Requirement(metric="roc_auc", at_least=0.6, reason="hardly better than a coin"),),
        slices=("kind",),
        calibration_tolerance=0.1,
        behaviours=(MinimumFunction(name="far out is high", values={"x": 3.0, "kind": "a"}, decision=2.0),),
        latency_budget=timedelta(seconds=5),
    ),
    recipe=Recipe(features=("x", "z", "kind"), window=28 * DAY, parameters={"max_iter": 20, "max_leaf_nodes": 8}),
    rollout=RolloutPlan(
        shadow_at_least=2 * DAY,
        shadow_at_most=7 * DAY,
        shares=(0.25,),
        share_at_least=DAY,
        share_requests=10,
        share_entities=10,
        ab_at_least=None,
        ab_waiver="the shadow pairs, and a hundred readings a day resolve nothing between arms",
        probation=2 * DAY,
        probation_at_most=7 * DAY,
    ),
    monitoring=MonitoringPlan(reference=14 * DAY, history=28 * DAY),
    retraining=RetrainingPlan(every=None, test=5 * DAY, validation=2 * DAY, test_rows=500, slice_rows=50),
)

# Everything that a framing of two classes can declare, so that every gate has something to ask.
HIGH = replace(
    PROBLEM,
    name="high",
    statement="Will a reading be high?",
    source=Source(location="high/rows.parquet"),
    framing=Framing.model_validate(
        PROBLEM.framing.model_dump()
        | {
            "task": "binary",
            "classes": (),
            "target": "high",
            "loss": CostLoss(false_alarm=0.5),
            "requirements": (
                Requirement(metric="roc_auc", at_least=0.6, reason="hardly better than a coin"),
                Requirement(metric="recall", at_least=0.1, at_precision=0.5, reason="one of two alarms is one"),
            ),
            "costs": CostMatrix(costs=((0.0, 5.0), (10.0, 0.0)), tolerated=0.5),
            "fairness": (Fairness(column="kind", measure="selection rate", tolerance=0.3),),
            "behaviours": (
                MinimumFunction(name="far out is high", values={"x": 3.0, "kind": "a"}, decision=1.0),
                Direction(column="z", by=0.0, moves="up"),
            ),
        }
    ),
)


def bare(name: str, **parts: Any) -> Problem:
    """HIGH under a name of its own, judged by its Brier score alone: nothing beside it asks for rows or refuses a model."""
    left_out = {"requirements": (), "costs": None, "fairness": (), "behaviours": (), "slices": ()}
    framing = Framing.model_validate(HIGH.framing.model_dump() | left_out | {"loss": BrierLoss()})
    return replace(
        HIGH, name=name, source=replace(HIGH.source, location=f"{name}/rows.parquet"), framing=framing, **parts
    )


def readings(*, days: int, per_day: int = 120, seed: int = 7, straight: bool = False) -> pd.DataFrame:
    """What moves one kind up moves the other down, so that a model without interactions learns nothing; or, `straight`,
    it moves both up."""
    n, rng = days * per_day, np.random.default_rng(seed)
    at = pd.Series(pd.date_range(START, periods=n, freq=DAY / per_day)).astype(TIME)
    x, kind = rng.normal(size=n), rng.choice(["a", "b"], size=n)
    latent = np.where((kind == "a") | straight, x, -x) + 0.5 * rng.normal(size=n)
    band = np.array(BANDS, dtype=object)[np.digitize(latent, [-0.6, 0.6])]
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "at": at,
            "x": x,
            "z": rng.normal(size=n),
            "kind": pd.Series(kind, dtype=str),
            "high": (band == "high").astype(float),
            "band": pd.Series(band, dtype=str),
            "band_at": (at + pd.to_timedelta(rng.uniform(1, 24, size=n), unit="h")).astype(TIME),
        }
    )


@contextmanager
def added(problem: Problem, folder: Path) -> Iterator[None]:
    """A file for `problem` among the team's problems, as anybody adds one: it is found by its name."""
    module = f"schemas.problems.{problem.name}"
    (folder / f"{problem.name}.py").write_text("from tests.flows.made import ADDED\n\nPROBLEM = ADDED[__name__]\n")
    ADDED[module] = problem
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schemas.problems, "__path__", [*schemas.problems.__path__, str(folder)])
        yield
    sys.modules.pop(module, None)
    vars(schemas.problems).pop(problem.name, None)


ADDED: dict[str, Problem] = {}


def settle(home: Path, problem: Problem, table: pd.DataFrame) -> None:
    """`home` with the problem's table, and with the tables that MLflow takes 5 s to make."""
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(mlflow_tables(), home / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(home))
        windows.materialise(problem, table)
