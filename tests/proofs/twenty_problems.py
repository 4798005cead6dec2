"""Which twenty problems does a team live with in the proof, and how does every process see them? Twins of one small problem."""

import os
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

import schemas.problems
from schemas.plans import MonitoringPlan, RetrainingPlan
from schemas.problem import Problem
from schemas.source import Source
from tasks import windows
from tests.flows import made

__all__ = ["BETWEEN", "TURNS", "moment", "named", "problem", "settle", "visible"]

TURNS = 96
BETWEEN = timedelta(hours=6)
_BEGIN = made.START + 42 * made.DAY
_DAYS = 70  # of table: those before, and 96 turns of six hours
_DRIFTS = 54  # the day from which every third problem's readings lie elsewhere


def named(number: int) -> str:
    return f"p{number:02}"


def moment(turn: int) -> datetime:
    """The moment that a turn stands for."""
    return _BEGIN + turn * BETWEEN


def problem(name: str) -> Problem:
    """One of them: a window closes every four days, every third drifts, and every fourth trains anew after nine days."""
    number = int(name[1:])
    return replace(
        made.HIGH,
        name=name,
        statement=f"Will a reading of place {number} be high?",
        source=Source(location=f"{name}/rows.parquet"),
        monitoring=MonitoringPlan(window=4 * made.DAY, reference=14 * made.DAY, history=36 * made.DAY),
        retraining=RetrainingPlan(
            every=9 * made.DAY if number % 4 == 1 else None,
            test=5 * made.DAY,
            validation=5 * made.DAY,
            test_rows=240,  # two days of them
            slice_rows=50,
        ),
    )


def settle(home: Path, folder: Path, names: list[str]) -> None:
    """`home` with a table a problem, and in `folder` the files that make the problems a team's own."""
    home.mkdir(parents=True)
    files = folder / "problems"
    files.mkdir(parents=True)
    for name in names:
        (files / f"{name}.py").write_text(
            f"from tests.proofs.twenty_problems import problem\n\nPROBLEM = problem({name!r})\n"
        )
    # Read by every Python that starts with the folder on its path: turns are processes of the runner's own.
    (folder / "sitecustomize.py").write_text(
        f"import schemas.problems\n\nschemas.problems.__path__[:] = [{str(files)!r}]\n"
    )
    schemas.problems.__path__[:] = [str(files)]
    for name in names:
        windows.materialise(problem(name), _readings(int(name[1:])))


def visible(folder: Path) -> dict[str, str]:
    """What a process has to be started with to see them."""
    here = str(Path(__file__).parents[2])
    return {"PYTHONPATH": os.pathsep.join([str(folder), here, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)}


def _readings(number: int) -> pd.DataFrame:
    rows = made.readings(days=_DAYS, seed=100 + number)
    if number % 3 == 0:
        late = rows["at"] >= made.START + _DRIFTS * made.DAY
        rows["x"] = rows["x"].to_numpy() + np.where(late, 2.5, 0.0)
    return rows
