"""Six kinds of incident, thirty worlds each: does the loop do the right thing, once?

`python -m tests.proofs incidents` (make prove NAME=incidents) makes a small world per seed, turns the real loop over its
past until a trained champion is HEALTHY, keeps that home, and for each kind of incident rewrites the table from a day on
and turns on: plain turns with the real ledger, MLflow on SQLite, the prediction log. Counted are the first action that is no
note of a quiet world, retrains on rows from after the change, and such retrains on corrupted data, of which there may be none in a
hundred corruptions of other kinds.
"""

import os
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest

from flows.replay import next_turn, plain_turn
from schemas.framing import BrierLoss, Framing
from schemas.incident import Action, Kind
from schemas.plans import Gate, MonitoringPlan, RetrainingPlan, RolloutPlan
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.source import Source
from schemas.stage import Stage
from tasks import ledger, windows
from tasks.database import close_databases
from tests.flows.made import DAY, START, TIME, added, settle

PER_DAY = 300
BEGIN = 60  # days of history before the first turn: calibration windows, training, validation, held-out rows
CHANGE = 75  # the day on which the incident begins
DAYS = 110
WINDOW = timedelta(days=2)
SEEDS = 30
CORRUPTIONS = 100

CONTRACT = pa.DataFrameSchema(
    {
        "id": pa.Column("int64", pa.Check.ge(0)),
        "at": pa.Column(TIME),
        "amount": pa.Column("float64", pa.Check.in_range(0, 1e6), nullable=True),
        "age": pa.Column("float64", pa.Check.in_range(-1e4, 1e4), nullable=True),
        "heat": pa.Column("float64", pa.Check.in_range(-1e4, 1e4), nullable=True),
        "noise": pa.Column("float64", pa.Check.in_range(-1e6, 1e6), nullable=True),
        "channel": pa.Column(str, pa.Check.isin(["shop", "web", "phone"])),
        "late": pa.Column("float64", pa.Check.isin([0.0, 1.0]), nullable=True),
        "late_at": pa.Column(TIME, nullable=True),
    }
)

PROBLEM = Problem(
    name="bills",
    statement="Will a bill be paid late?",
    contract=CONTRACT,
    source=Source(location="bills/rows.parquet"),
    framing=Framing(
        task="binary",
        objective="be judged",
        key="id",
        entity=None,
        event_time="at",
        target="late",
        label_time="late_at",
        maturity=DAY,
        loss=BrierLoss(),
        margin=0.01,
        tolerated_harm=0.01,
        metric="roc_auc",
        calibration_tolerance=0.1,
        latency_budget=timedelta(seconds=5),
    ),
    recipe=Recipe(family="linear", features=("amount", "age", "heat", "noise", "channel"), window=16 * DAY),
    rollout=RolloutPlan(
        shadow_at_least=2 * DAY,
        shadow_at_most=7 * DAY,
        shares=(0.25,),
        share_at_least=DAY,
        share_requests=10,
        share_entities=10,
        ab_at_least=None,
        ab_waiver="the shadow pairs, and three hundred bills a day resolve nothing between arms",
        probation=2 * DAY,
        probation_at_most=7 * DAY,
    ),
    monitoring=MonitoringPlan(
        window=WINDOW, reference=14 * DAY, history=40 * DAY, decay_window=10 * DAY, decay_blocks=5
    ),
    retraining=RetrainingPlan(
        every=None,
        test=3 * DAY,
        validation=DAY,
        test_rows=300,
        train_rows=300,
        slice_rows=50,
        healthy_turn=WINDOW,
        rollout_turn=DAY,
        cooldown=4 * DAY,
        # A process of its own for each challenger is what that gate costs, and no part of what is asked here.
        gates=tuple(gate for gate in Gate if gate is not Gate.SERVEABILITY),
    ),
)

Edit = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]


def truth(frame: pd.DataFrame, habit: int = 0) -> np.ndarray:
    """Log odds of being paid late. At first: dear bills of the young, in hot weeks, by phone. Later habits are others."""
    amount, age, heat = (np.log(frame["amount"]) - 3.5) / 0.6, (frame["age"] - 40) / 12, (frame["heat"] - 20) / 5
    phone = (frame["channel"] == "phone").to_numpy(dtype=float)
    drives = {0: (1.2, -1.0, 0.5, 0.8), 1: (-0.6, -0.2, 1.2, 0.8), 2: (-1.2, -1.0, 0.5, -0.8)}[habit]
    odds = -1.0 + drives[0] * amount + drives[1] * age + drives[2] * heat + drives[3] * phone
    return np.asarray(odds, dtype=float)


def labelled(frame: pd.DataFrame, rng: np.random.Generator, *, habit: int = 0) -> pd.DataFrame:
    chance = 1 / (1 + np.exp(-truth(frame, habit)))
    return frame.assign(late=(rng.random(len(frame)) < chance).astype(float))


def bills(seed: int, *, days: int = DAYS) -> pd.DataFrame:
    """A quiet world: about 300 bills a day, a little more on weekdays, and days that are a little hotter than others."""
    rng = np.random.default_rng([seed, 1])
    sizes = rng.poisson([PER_DAY * (0.9 if (START + d * DAY).weekday() > 4 else 1.04) for d in range(days)])
    day = np.repeat(np.arange(days), sizes)
    n = day.size
    at = np.sort(day + rng.random(n))
    warm = rng.normal(0, 0.4, days)[day]
    frame = pd.DataFrame(
        {
            "id": np.arange(n),
            "at": pd.Series(pd.Timestamp(START) + pd.to_timedelta(at, unit="D")).astype(TIME),
            "amount": np.round(np.exp(rng.normal(3.5, 0.6, n)), 2),
            "age": rng.normal(40, 12, n),
            "heat": 20 + warm + rng.normal(0, 5, n),
            "noise": rng.normal(0, 1, n),
            "channel": pd.Series(rng.choice(["shop", "web", "phone"], n, p=[0.5, 0.35, 0.15]), dtype=str),
        }
    )
    frame = labelled(frame, rng)
    frame["late_at"] = (frame["at"] + pd.to_timedelta(rng.uniform(1, 23, n), unit="h")).astype(TIME)
    return frame


# What is planted: rows from the change on, and what comes of them.


def resampled(frame: pd.DataFrame, rng: np.random.Generator, share: float) -> pd.DataFrame:
    """Label shift: rows of each class as they are made, none twice, positives `share` of all. Times stay in order."""
    wanted = rng.random(len(frame)) < share
    pool = bills(int(rng.integers(1 << 31)), days=4 * len(frame) // PER_DAY)
    late, take = pool["late"].to_numpy() == 1, np.empty(len(frame), dtype=int)
    for which, rows in ((wanted, late), (~wanted, ~late)):
        take[which] = np.flatnonzero(rows)[: which.sum()]
    columns = ["amount", "age", "heat", "noise", "channel", "late"]
    return frame.assign(**{c: pool[c].to_numpy()[take] for c in columns}).astype({"channel": str})


def covariate(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    which = rng.integers(3)
    if which == 0:
        frame = frame.assign(heat=frame["heat"] + rng.uniform(4, 6))
    elif which == 1:
        frame = frame.assign(age=frame["age"] + rng.uniform(8, 14))
    else:
        p = [0.2, 0.6, 0.2]
        frame = frame.assign(
            channel=pd.Series(rng.choice(["shop", "web", "phone"], len(frame), p=p), index=frame.index)
        )
        frame = frame.assign(age=frame["age"] + 6).astype({"channel": str})
    return labelled(frame, rng)


def concept(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return labelled(frame, rng, habit=int(rng.integers(1, 3)))


def label_shift(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return resampled(frame, rng, float(rng.uniform(0.55, 0.7)))


def data_fault(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """A column empty in part, values beyond the contract, or days that do not come."""
    column = str(rng.choice(["amount", "age", "heat", "noise"]))
    which = rng.integers(3)
    if which == 0:
        return frame.assign(**{column: frame[column].where(rng.random(len(frame)) > rng.uniform(0.25, 1.0))})
    if which == 1:
        return frame.assign(amount=frame["amount"].where(rng.random(len(frame)) > rng.uniform(0.1, 0.5), -1.0))
    day = (frame["at"].dt.floor("D") - frame["at"].min().floor("D")) // DAY
    return frame[(day >= 3) | (rng.random(len(frame)) < 0.02)].reset_index(drop=True)


def meaning(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Cents for francs, degrees of Fahrenheit, a default for many, codes that were swapped."""
    which = rng.integers(5)
    if which == 0:
        return frame.assign(amount=frame["amount"] * rng.choice([100.0, 0.01, 1000.0]))
    if which == 1:
        return frame.assign(heat=frame["heat"] * 1.8 + 32)
    if which == 2:
        column = str(rng.choice(["amount", "age", "heat"]))
        return frame.assign(**{column: frame[column].where(rng.random(len(frame)) > rng.uniform(0.3, 1.0), 0.0)})
    if which == 3:
        codes = {"shop": "web", "web": "phone", "phone": "shop"}
        return frame.assign(channel=frame["channel"].map(codes)).astype({"channel": str})
    return frame.assign(age=frame["age"] * 12)  # months


def label_fault(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """No labels come any more, or none of one class, or all are called paid in time."""
    which = rng.integers(3)
    if which == 0:
        gone = np.ones(len(frame), dtype=bool)
    elif which == 1:
        gone = (frame["late"] == 1).to_numpy()
    else:
        return frame.assign(late=0.0)
    frame = frame.assign(late=frame["late"].where(~gone))
    return frame.assign(late_at=frame["late_at"].where(~gone).astype(TIME))


KINDS: dict[Kind, tuple[Edit, Action]] = {
    Kind.DATA_FAULT: (data_fault, Action.HOLD),
    Kind.MEANING: (meaning, Action.HOLD),
    Kind.COVARIATE_SHIFT: (covariate, Action.NOTE),
    Kind.LABEL_SHIFT: (label_shift, Action.RECALIBRATE),
    Kind.CONCEPT_DRIFT: (concept, Action.RETRAIN),
    Kind.LABEL_FAULT: (label_fault, Action.HOLD),
}


@dataclass(frozen=True)
class Case:
    """What the loop did after a change: each incident as (day after the change, kind, action), and retrains on rows from
    after it."""

    planted: str
    seed: int
    incidents: tuple[tuple[int, str, str], ...]
    retrains: int
    reasons: tuple[str, ...]

    @property
    def first(self) -> tuple[int, str, str]:
        """The first that did more than note; where all was noted, the first note."""
        done = [one for one in self.incidents if one[2] != Action.NOTE] or self.incidents
        return done[0] if done else (0, "nothing", "nothing")

    @property
    def kind(self) -> str:
        return self.first[1]

    @property
    def action(self) -> str:
        return self.first[2]


def changed(frame: pd.DataFrame, edit: Edit, seed: int, *, day: float = CHANGE) -> pd.DataFrame:
    """The table with `edit` from the day on."""
    at = pd.Timestamp(START + day * DAY)
    old, new = frame[frame["at"] < at], frame[frame["at"] >= at].reset_index(drop=True)
    return pd.concat([old, edit(new, np.random.default_rng([seed, 2]))], ignore_index=True).astype({"channel": str})


@contextmanager
def home(folder: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(folder))
        for name in ("PERENNIAL_LEDGER_URL", "PERENNIAL_LOG_URL", "MLFLOW_TRACKING_URI"):
            patch.delenv(name, raising=False)
        try:
            yield
        finally:
            close_databases()


def turned(problem: Problem, until: datetime) -> None:
    """Turns by the plan, up to `until`."""
    while (now := next_turn(problem, ledger.state_of(problem.name), START + BEGIN * DAY)) <= until:
        plain_turn(problem.name, now)


def settled_world(folder: Path, seed: int) -> bool:
    """A home in which a trained champion is HEALTHY on the day before the change; False where none came to be."""
    settle(folder, PROBLEM, bills(seed))
    with home(folder):
        turned(PROBLEM, START + (CHANGE - 0.5) * DAY)
        state = ledger.state_of(PROBLEM.name)
        return state.stage is Stage.HEALTHY and state.champion is not None and state.champion.trained


def case(
    world: Path, planted: str, seed: int, edit: Edit, *, days: int = 16, day: float = CHANGE, draw: int | None = None
) -> Case:
    """One incident in a copy of the world of that seed; what is planted is drawn by `draw`."""
    draw = seed if draw is None else draw
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "home"
        # Models stay where they are: MLflow names them by absolute path.
        shutil.copytree(world, folder, ignore=shutil.ignore_patterns("reports"))
        with home(folder):
            windows.materialise(PROBLEM, changed(bills(seed), edit, draw, day=day))
            began = ledger.state_of(PROBLEM.name).sequence
            turned(PROBLEM, START + (CHANGE + days) * DAY)
            rows = [row for row in ledger.rows(PROBLEM.name, since=began) if row.facts["kind"] == "turn"]
    return _told(planted, draw, rows, day=day)


def _told(planted: str, seed: int, rows: list[ledger.Row], *, day: float = CHANGE) -> Case:
    change = START + CHANGE * DAY
    spoken = [row for row in rows if row.notes.get("incident")]
    incidents = tuple(
        (
            (datetime.fromisoformat(row.facts["at"]) - change).days,
            row.notes["incident"]["kind"],
            row.notes["incident"]["action"],
        )
        for row in spoken
    )
    retrains = _reaching(rows, START + day * DAY)
    return Case(planted, seed, incidents, retrains, tuple(row.notes["reason"] for row in spoken))


def _reaching(rows: list[ledger.Row], changed: datetime) -> int:
    """Retrains whose rows reach beyond the change: one that was called for the day before it can know nothing of it."""
    found = 0
    for place, row in enumerate(rows):
        if (row.facts["before"], row.facts["stage"]) == (Stage.HEALTHY, Stage.RETRAIN):
            made = rows[place + 1 : place + 2] or [row]
            found += datetime.fromisoformat(made[0].facts["at"]) - PROBLEM.framing.maturity > changed
    return found


# Kinds of corruption in turn; each draw has its own column, size and share.
CORRUPTED: tuple[tuple[str, Edit], ...] = (
    ("data fault", data_fault),
    ("meaning", meaning),
    ("label fault", label_fault),
)


def of_one_world(seed: int, draws: Sequence[int]) -> tuple[list[Case], list[Case]]:
    """Each kind of incident once, and the corruptions of those draws; of a world without a trained champion, nothing."""
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory() as folder, added(PROBLEM, Path(folder)):
        world = Path(folder) / f"world-{seed}"
        if not settled_world(world, seed):
            return [], []
        found = [case(world, str(kind), seed, edit) for kind, (edit, _) in KINDS.items()]
        spoilt = []
        for n in draws:
            name, edit = CORRUPTED[n % len(CORRUPTED)]
            # It begins at any hour, in the midst of a window as well.
            day = CHANGE + float(np.random.default_rng([n, 3]).uniform(0, 2))
            spoilt.append(case(world, name, seed, edit, days=10, day=day, draw=1000 + n))
        return found, spoilt


def prove(show: Callable[[str], Any] = print, *, seeds: int = SEEDS, corruptions: int = CORRUPTIONS) -> dict[str, Any]:
    """Six kinds of incident by `seeds` worlds, then `corruptions` corrupted tables that begin within a window: worlds beside
    each other on as many cores as there are (PERENNIAL_CORES), each in a process of its own."""
    os.environ.setdefault("DO_NOT_TRACK", "true")
    found: list[Case] = []
    spoilt: list[Case] = []
    draws = [range(seed * corruptions // seeds, (seed + 1) * corruptions // seeds) for seed in range(seeds)]
    cores = int(os.environ.get("PERENNIAL_CORES") or os.cpu_count() or 1)
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for seed, (incidents, corrupted) in enumerate(pool.map(of_one_world, range(seeds), draws)):
            if not incidents:
                show(f"  seed {seed}: no trained champion before the change, left out")
            for one in (*incidents, *corrupted):
                show(_line(one))
            found, spoilt = found + incidents, spoilt + corrupted
    return _figures(found, spoilt, show)


def _line(one: Case) -> str:
    right = "right" if one.action == _wanted(one.planted) else "WRONG"
    days = "; ".join(f"{day}: {kind}, {action}" for day, kind, action in one.incidents[:4])
    return f"  {right}  {one.seed:>4} {one.planted:<22} {one.retrains} retrains  {days}"


def _wanted(planted: str) -> str:
    known = {str(kind): str(action) for kind, (_, action) in KINDS.items()}
    return known.get(planted, str(Action.HOLD))


def _figures(found: list[Case], spoilt: list[Case], show: Callable[[str], Any]) -> dict[str, Any]:
    table = {str(kind): Counter(c.action for c in found if c.planted == kind) for kind in KINDS}
    named = {str(kind): Counter(c.kind for c in found if c.planted == kind) for kind in KINDS}
    right = sum(c.action == _wanted(c.planted) for c in found)
    actions = [str(a) for a in Action] + ["nothing"]
    show(f"{'planted':<22} " + " ".join(f"{a:>13}" for a in actions))
    for kind, counts in table.items():
        show(f"{kind:<22} " + " ".join(f"{counts[a]:>13}" for a in actions))
    worst = max((c.retrains for c in found), default=0)
    on_faulty = sum(c.retrains > 0 for c in spoilt)
    share = right / len(found) if found else 0.0
    show(
        f"right {right} of {len(found)} ({share:.1%}), most retrains an incident {worst}, on corrupted data {on_faulty} of {len(spoilt)}"
    )
    return {
        "cases": len(found),
        "right": right,
        "share_right": share,
        "actions": {kind: dict(counts) for kind, counts in table.items()},
        "kinds": {kind: dict(counts) for kind, counts in named.items()},
        "most_retrains_an_incident": worst,
        "corruptions": len(spoilt),
        "retrains_on_corrupted": on_faulty,
        "wrong": [vars(c) for c in found if c.action != _wanted(c.planted)],
        "holds": share >= 0.9 and worst <= 1 and on_faulty == 0 and len(found) == len(KINDS) * SEEDS,
    }


if __name__ == "__main__":
    prove(seeds=int(sys.argv[1]), corruptions=int(sys.argv[2]))
