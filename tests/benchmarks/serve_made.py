"""Which problem is served in the gateway's benchmark, and how does a process of its own see it? 20 numbers, two classes.

`python -m tests.benchmarks.serve_made served_boosting --port 5001` is `python -m deployments.gateway` with the problems
below among the team's.
"""

import json
import os
import runpy
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pandera.pandas as pa

import schemas.problems
from schemas.framing import BrierLoss, Framing
from schemas.plans import Promotion, Reason
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.rows import Model, State
from schemas.source import Source
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict

__all__ = ["FEATURES", "PROBLEMS", "at_home", "homes", "known", "payloads", "rows"]

START = datetime(2024, 1, 1, tzinfo=UTC)
TIME = pd.DatetimeTZDtype(unit="us", tz="UTC")
FEATURES = tuple(f"x{i:02}" for i in range(20))

CONTRACT = pa.DataFrameSchema(
    {
        "id": pa.Column("int64", pa.Check.ge(0)),
        "at": pa.Column(TIME),
        **{name: pa.Column("float64", pa.Check.in_range(-10, 10)) for name in FEATURES},
        "high": pa.Column("float64", pa.Check.isin([0.0, 1.0]), nullable=True),
        "known_at": pa.Column(TIME, nullable=True),
    }
)

FRAMING = Framing(
    task="binary",
    objective="requests are answered",
    key="id",
    entity=None,
    event_time="at",
    target="high",
    label_time="known_at",
    maturity=timedelta(days=1),
    loss=BrierLoss(),
    margin=0.02,
    tolerated_harm=0.02,
    metric="roc_auc",
)

# Databases of the user's own are no place for a benchmark.
OWN = ("PERENNIAL_HOME", "PERENNIAL_LEDGER_URL", "PERENNIAL_LOG_URL", "MLFLOW_TRACKING_URI")

# A problem a family, so that its name alone says what a process serves.
PROBLEMS = {
    problem.name: problem
    for problem in (
        Problem(
            name=f"served_{family}",
            statement="Will a reading of 20 numbers be high?",
            contract=CONTRACT,
            source=Source(location=f"served_{family}/rows.parquet"),
            framing=FRAMING,
            recipe=Recipe(family=family, features=FEATURES),
        )
        for family in ("boosting", "linear")
    )
}


def rows(n: int, *, rng: np.random.Generator) -> pd.DataFrame:
    """Readings a minute apart; high where a sum of some of them and two products is."""
    X = rng.uniform(-3, 3, size=(n, len(FEATURES)))
    latent = X[:, 0] + X[:, 1] * X[:, 2] - X[:, 3] + X[:, 4] * X[:, 5] + rng.normal(size=n)
    at = pd.Series(pd.date_range(START, periods=n, freq="min")).astype(TIME)
    known_at = (at + timedelta(hours=12)).astype(TIME)
    return pd.DataFrame({"id": np.arange(n), "at": at, **dict(zip(FEATURES, X.T, strict=True))}).assign(
        high=(latent > 0).astype(float), known_at=known_at
    )


def payloads(n: int) -> Iterator[bytes]:
    """Bodies of MLflow's scoring protocol, each with one row of its own."""
    for row in rows(n, rng=np.random.default_rng(11))[list(FEATURES)].to_numpy():
        frame = {"columns": list(FEATURES), "data": [row.round(6).tolist()]}
        yield json.dumps({"dataframe_split": frame}).encode()


@contextmanager
def known() -> Iterator[None]:
    """The problems among the team's, each found by the name of its file, as anybody adds one."""
    team = list(schemas.problems.__path__)
    with TemporaryDirectory() as folder:
        for name in PROBLEMS:
            file = Path(folder) / f"{name}.py"
            file.write_text(f"from tests.benchmarks.serve_made import PROBLEMS\n\nPROBLEM = PROBLEMS[{name!r}]\n")
        schemas.problems.__path__ = [*team, folder]
        try:
            yield
        finally:
            schemas.problems.__path__ = team


def homes(folder: Path, problem: Problem) -> dict[str, Path]:
    """Two homes with the same champion, the second with a challenger in its shadow."""
    found = {name: folder / name for name in ("ours", "shadow")}
    for name, home in found.items():
        with at_home(home):
            state = champion(problem)
            if name == "shadow":
                in_shadow(problem, state)
    return found


@contextmanager
def at_home(home: Path) -> Iterator[None]:
    """This process, and those it starts, keep everything under `home` for the time of the block."""
    own = {name: os.environ.pop(name) for name in OWN if name in os.environ}
    os.environ["PERENNIAL_HOME"] = str(home)
    try:
        yield
    finally:
        del os.environ["PERENNIAL_HOME"]
        os.environ.update(own)


def champion(problem: Problem) -> State:
    """The default recipe, fitted, registered and adopted: it serves, and nobody challenges it."""
    from tasks import ledger, registry
    from tasks.transitions import adopted, rules_changed

    model = registered(problem, "adopted", seed=1)
    now = START + timedelta(days=30)
    state = ledger.update(problem.name, lambda state: rules_changed(state, problem.rules(), now=now))
    state = ledger.append(state, adopted(state, model, actor="the benchmark", now=now))
    registry.project(problem, state)
    return state


def in_shadow(problem: Problem, state: State) -> State:
    """A second model of the same kind, accepted as challenger, by the arrows that a turn would take."""
    from tasks import ledger, registry
    from tasks.transitions import Decision, advance

    wanted = Verdict("schedule", Outcome.FAIL, "the benchmark wants a challenger")
    accepted = Verdict("offline", Outcome.PASS, "the benchmark takes it")
    steps = (
        Decision(wanted, why=Reason.SCHEDULE, promotion=Promotion.SUPERIORITY),
        Decision(accepted, model=registered(problem, "challenger", seed=2), snapshot="c" * 64),
    )
    for days, step in enumerate(steps, start=31):
        entry = advance(state, step, now=START + timedelta(days=days), first_share=0.05)
        state = ledger.append(state, entry)
    registry.project(problem, state)
    assert state.stage is Stage.SHADOW
    return state


def registered(problem: Problem, name: str, *, seed: int) -> Model:
    from tasks import registry, runs, training

    made = rows(6_000, rng=np.random.default_rng(seed))
    from tasks.splits import Split

    parts = Split(made[:4_000], made[4_000:5_000], made[5_000:])
    model = training.fit_and_freeze(problem.recipe, problem.framing, parts, seed=seed)
    example = parts.test[list(FEATURES)].head(5)
    with runs.training_run(problem, key=f"{problem.name}/{name}") as run:
        return registry.register(problem, model, name=name, example=example, run_id=run)


if __name__ == "__main__":
    with known():
        runpy.run_module("deployments.gateway", run_name="__main__", alter_sys=True)
