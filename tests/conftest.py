"""Where do tests keep their state? Each under its own temporary folder, with every server and telemetry off."""

import gc
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.shared import SHARED, mlflow_tables

# How long an example takes depends on the machine, and is no property of the code.
settings.register_profile("perennial", deadline=None)
settings.load_profile("perennial")

# A quiet window's report costs two seconds and decides nothing: tests that are about reports ask for all of them.
os.environ.setdefault("PERENNIAL_REPORTS", "alarms")

# Our libraries' own objects are a million, and nothing of them is garbage: looking through them took a twelfth of a turn.
gc.set_threshold(50_000, 20, 20)

_BEGAN = time.monotonic()
_SERVERS = (
    "PERENNIAL_DATABASE",
    "PERENNIAL_LEDGER_URL",
    "PERENNIAL_LOG_URL",
    "MLFLOW_TRACKING_URI",
    "PANDERA_VALIDATION_ENABLED",
)


def _settle(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("PERENNIAL_HOME", str(folder))
    for name in _SERVERS:
        monkeypatch.delenv(name, raising=False)
    for name in ("DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "true")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh PERENNIAL_HOME for one test; its databases are closed afterwards."""
    from tasks.database import close_databases

    folder = tmp_path / "home"
    folder.mkdir()
    _settle(monkeypatch, folder)
    yield folder
    close_databases()


@pytest.fixture(scope="session", autouse=True)
def _shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> None:
    """One folder for all processes of a run; pytest removes it with the run's other folders."""
    own = tmp_path_factory.getbasetemp()
    os.environ[SHARED] = str(own if worker_id == "master" else own.parent)


@pytest.fixture(scope="session")
def _mlflow_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mlflow-home")
    shutil.copy(mlflow_tables(), folder / "mlflow.db")
    return folder


@pytest.fixture
def mlflow_home(_mlflow_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One PERENNIAL_HOME for all registry tests of a process."""
    _settle(monkeypatch, _mlflow_folder)
    return _mlflow_folder


# Files that start one thing which takes seconds of CPU, and which one process is to start once: what forks gateways, and
# Prefect's harness. The long tests of batch scoring stay apart: one process with all of them would be the last to end.
_TOGETHER = {
    "tests/deployments/gateway/": "gateways",
    "tests/flows/test_lifecycle.py": "harness",
    "tests/flows/test_replaying.py": "harness",
    "tests/flows/test_retention.py": "harness",
    "tests/flows/test_workers.py": "harness",
}


@pytest.hookimpl(optionalhook=True)  # without xdist nobody asks
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """As `--dist loadfile` says, a file is run by one process; and so are files that share what is dear."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = str(super()._split_scope(nodeid))
            return next((name for start, name in _TOGETHER.items() if file.startswith(start)), file)

    return Together(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    """`make test` leaves its figures like every other command."""
    if os.environ.get("PERENNIAL_FIGURES") != "test":
        return
    from tasks.figures import keep

    counts = {kind: len(terminalreporter.stats.get(kind, [])) for kind in ("passed", "failed", "error", "skipped")}
    seconds = round(time.monotonic() - _BEGAN, 1)
    keep("test", {**counts, "seconds": seconds, "exit": int(exitstatus)})
