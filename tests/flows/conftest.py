"""A small team's past, made once: a table, and homes in which the loop stands at a known stage. Tests copy them."""

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from flows.reference import past_of
from flows.replay import plain_turn, quick_flows
from flows.turn import Turn
from schemas.problem import load_problem
from schemas.problems._fraud_simulator import START, payments
from tasks import database, ledger, windows
from tests.shared import copied_home, mlflow_tables, once

BEGIN = START + timedelta(days=85)  # eight weeks of training rows, then validation, test and maturity, and a few days
DAY = timedelta(days=1)

At = Callable[[str], datetime]


STAGES = ("COLD", "HEALTHY", "RETRAIN", "SHADOW")


@pytest.fixture(scope="session")
def stages() -> dict[str, tuple[Path, datetime]]:
    """A home for each of STAGES, with the moment of the turn that comes next."""
    folder = once("stages", _make_stages)
    return {stage: (folder / stage, BEGIN + turns * DAY) for turns, stage in enumerate(STAGES)}


def _make_stages(folder: Path) -> None:
    home = folder / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(home))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        windows.materialise(load_problem("fraud"), payments(seed=7, days=125, per_day=1200))
        shutil.copy(mlflow_tables(), home / "mlflow.db")
        for turns, stage in enumerate(STAGES):
            if turns:
                plain_turn("fraud", BEGIN + (turns - 1) * DAY)
            database.close_databases()
            if stage == "HEALTHY":
                _freeze(home)
            copied_home(home, folder / stage)


def _freeze(home: Path) -> None:
    """The rule's reference, as it is frozen when its first window closes: most tests would make it anew from the same rows."""
    state = ledger.state_of("fraud")
    assert state.since is not None
    assert state.champion is not None
    past_of(Turn("fraud", state, state.since + 7 * DAY), state.champion)
    shutil.rmtree(home / "profiles")  # it is with the model's run, and what was counted beside it is for tests to count
    database.close_databases()


@pytest.fixture
def at(stages: dict[str, tuple[Path, datetime]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[At]:
    """`at("SHADOW")` puts this test into its own copy of that home, and returns when its next turn is."""
    copies = 0

    def enter(stage: str) -> datetime:
        nonlocal copies
        copies += 1
        source, next_turn = stages[stage]
        home = tmp_path / f"{stage}-{copies}"
        copied_home(source, home)
        monkeypatch.setenv("PERENNIAL_HOME", str(home))
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return next_turn

    yield enter
    database.close_databases()


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=60), quick_flows():
        yield
