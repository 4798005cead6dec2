"""Is a night of experiments the same however often it is killed, and does a text problem find its way from nothing by the flow alone?

`python -m tests.proofs nights` (make prove NAME=nights) spends one night on the simulated messages without a disturbance, and
the same night in homes in which it is killed with SIGKILL at random moments until it ends; then it takes the problem from its
naive baseline through nights and turns, with nobody's hand in it.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.improvement import Budget, spent_night
from flows.operations import fetch
from flows.replay import next_turn, plain_turn
from schemas.night import Night
from schemas.problem import load_problem
from schemas.stage import Stage
from tasks import experiments, ledger, windows
from tasks.database import close_databases
from tests.shared import mlflow_tables

NAME = "spam"
IDEAS = 8
KILLED = 10  # nights, each killed until it ends
_DAY = timedelta(days=1)
_BETWEEN = 8 * _DAY


@contextmanager
def _home(folder: Path) -> Iterator[None]:
    """A home of its own, with MLflow's tables and the messages."""
    import shutil

    folder.mkdir(parents=True)
    shutil.copy(mlflow_tables(), folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(folder))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        fetch(NAME)
        yield
        close_databases()


def _told(night: dict[str, Any]) -> str:
    """A night without the moments and the time that it took."""
    steps = [{k: v for k, v in one.items() if k != "seconds"} for one in night["steps"]]
    for one in steps:
        one["result"] = {k: v for k, v in (one["result"] or {}).items() if k != "seconds"}
    return json.dumps([steps, night["winner"], night["gain"], night["start"]], sort_keys=True)


def _child(home: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "flows", "improve", NAME, "--experiments", str(IDEAS), "--no-hand-over"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, env=os.environ | {"PERENNIAL_HOME": str(home)}, **quiet)


def _killed_until_it_ends(home: Path, rng: np.random.Generator, *, whole: float) -> tuple[int, dict[str, int]]:
    """How often the night was killed, and how often each experiment's result was there after a kill and then gone or other."""
    kills, seen, wrong = 0, {}, {"lost": 0, "changed": 0}
    while True:
        child = _child(home)
        # The first seconds are imports; later ones are the night itself.
        moment = 5 + rng.uniform(0, whole / 3)
        try:
            child.wait(timeout=moment if kills < 12 else None)
        except subprocess.TimeoutExpired:
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
            kills += 1
        now = {job.id: json.dumps(experiments.result_of(job).to_json()) for job in experiments.jobs(NAME)}
        wrong["lost"] += len(set(seen) - set(now))
        wrong["changed"] += sum(now[id_] != said for id_, said in seen.items() if id_ in now)
        seen = now
        newest = experiments.newest(NAME)
        if newest is not None and newest.ended is not None:  # killed after its end, it has ended all the same
            return kills, wrong


def kills(folder: Path) -> dict[str, Any]:
    """The night undisturbed, and killed."""
    with _home(folder / "whole"):
        began = time.monotonic()
        assert _child(folder / "whole").wait() == 0
        lasted = time.monotonic() - began
        whole = _told(experiments.newest(NAME).body)
        n = len(experiments.jobs(NAME))
    rng, rows = np.random.default_rng(20261122), []
    for number in range(KILLED):
        with _home(folder / f"killed-{number}"):
            times, wrong = _killed_until_it_ends(folder / f"killed-{number}", rng, whole=lasted)
            jobs = [job.id for job in experiments.jobs(NAME)]
            row = {
                "kills": times,
                **wrong,
                "twice": len(jobs) - len(set(jobs)),
                "experiments": len(jobs),
                "same": _told(experiments.newest(NAME).body) == whole,
            }
        print(f"  night {number}: {row}", flush=True)
        rows.append(row)
    total = sum(row["kills"] for row in rows)
    right = all(row["same"] and not row["lost"] + row["changed"] + row["twice"] for row in rows)
    return {"nights": rows, "kills": total, "experiments": n, "seconds_undisturbed": round(lasted, 1), "holds": right}


def _until(stages: set[Stage], now: datetime, last: datetime) -> datetime:
    """Turn until the problem stands at one of these stages; the moment of the turn that brought it there."""
    problem = load_problem(NAME)
    while now <= last:
        plain_turn(NAME, now)
        state = ledger.state_of(NAME)
        if state.stage in stages:
            return now
        now = next_turn(problem, state, now)
    return last


def _passed(now: datetime, until: datetime) -> datetime:
    """Turn until then, whatever comes."""
    problem = load_problem(NAME)
    while now < until:
        plain_turn(NAME, now)
        now = next_turn(problem, ledger.state_of(NAME), now)
    return now


def alone(folder: Path) -> dict[str, Any]:
    """From the naive baseline to a better model by nights and turns: what serves, and what it loses, after each."""
    problem = load_problem(NAME)
    seen: list[dict[str, Any]] = []
    with _home(folder / "alone"):
        first, last = windows.bounds(problem)
        now = (problem.source.starts or first) + problem.source.history
        plain_turn(NAME, now)
        for _ in range(3):
            night: Night = spent_night(NAME, budget=Budget(experiments=IDEAS), now=now)
            now = _until({Stage.RETRAIN}, now + _DAY, last)
            now = _until({Stage.HEALTHY}, now + _DAY, last)
            now = _passed(now + _DAY, now + _BETWEEN)  # until there are rows that no model has seen
            champion = ledger.state_of(NAME).champion
            row = {
                "night": night.won or "nothing",
                "gain": night.gain.estimate if night.gain else 0.0,
                "steps": [f"{one.called}: {one.idea.name}" for one in night.steps],
                "champion": str(champion),
                "held_out": champion.held_out.get("loss"),
                "day": (now - first) // _DAY,
            }
            print(
                f"  {row['night']}: {row['gain']:+.4f} a row; {row['champion']} serves, held-out loss {row['held_out']}",
                flush=True,
            )
            seen.append(row)
            if now >= last - _BETWEEN:
                break
        losses = [row["held_out"] for row in seen if row["held_out"] is not None]
    better = bool(losses) and losses[-1] < 0.15 and any(row["gain"] > 0 for row in seen)
    return {"nights": seen, "holds": better}


def prove() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        found = {"alone": alone(Path(folder) / "a"), "kills": kills(Path(folder) / "k")}
    return found | {"holds": all(part["holds"] for part in found.values())}
