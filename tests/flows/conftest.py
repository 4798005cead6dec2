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
from tests.shared import copied_home, mlflow_tables, once, prefect_tables

BEGIN = START + timedelta(days=85)  # eight weeks of training rows, then validation, test and maturity, and a few days
DAY = timedelta(days=1)

At = Callable[[str], datetime]


STAGES = ("COLD", "HEALTHY", "RETRAIN", "SHADOW")
CUT_OFF = "RETRAIN-cut-off"


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


class Killed(BaseException):
    """The process ends here, as by kill -9: nothing catches it."""


def _make_cut_off(folder: Path) -> None:
    """The home of RETRAIN after a turn that trained and registered a challenger, and was killed before it wrote its row."""

    def dies(*_: object) -> None:
        raise Killed

    copied_home(once("stages", _make_stages) / "RETRAIN", folder / CUT_OFF)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(folder / CUT_OFF))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr(ledger, "append", dies)
        with pytest.raises(Killed):
            plain_turn("fraud", BEGIN + STAGES.index("RETRAIN") * DAY)
        database.close_databases()


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
    """`at("SHADOW")` puts this test into its own copy of that home, and returns when its next turn is; `at(CUT_OFF)` into one
    whose next turn was taken already and ended before its row."""
    copies = 0

    def enter(stage: str) -> datetime:
        nonlocal copies
        copies += 1
        if stage == CUT_OFF:  # few ask for it
            source, next_turn = once(CUT_OFF, _make_cut_off) / CUT_OFF, stages["RETRAIN"][1]
        else:
            source, next_turn = stages[stage]
        home = tmp_path / f"{stage}-{copies}"
        copied_home(source, home)
        monkeypatch.setenv("PERENNIAL_HOME", str(home))
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return next_turn

    yield enter
    database.close_databases()


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Prefect's own harness, over a database whose tables are there: it would make them in a folder of its own, each time."""
    from prefect.events.worker import EventsWorker
    from prefect.testing import utilities

    EventsWorker.drain_all()  # one that another file of this process left speaks to that file's server
    folder = tmp_path_factory.mktemp("prefect")
    prefect_tables(folder / "prefect-test.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utilities, "mkdtemp", lambda: str(folder))
        with utilities.prefect_test_harness(server_startup_timeout=180), quick_flows():
            yield
