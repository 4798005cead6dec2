"""What is dear to make, and the same for every process that shares the tests: made by the first that asks, kept for all."""

import fcntl
import multiprocessing
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from multiprocessing import forkserver
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

__all__ = ["SHARED", "copied_home", "forking", "mlflow_tables", "once", "prefect_tables"]

SHARED = "PERENNIAL_TESTS_SHARED"  # the run's folder, which tests/conftest.py names


def once(name: str, make: Callable[[Path], object]) -> Path:
    """The folder `name` of this run of the tests, filled by `make(folder)` once, whichever process comes first."""
    if SHARED not in os.environ:  # outside of a test run
        os.environ[SHARED] = mkdtemp()
    run = Path(os.environ[SHARED])
    made, done = run / name, run / f"{name}.made"
    with (run / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
            make(made)
            done.touch()
    return made


def copied_home(source: Path, target: Path) -> None:
    """A home of its own: MLflow names models and profiles by absolute path, and what one test keeps no other may read."""
    shutil.copytree(source, target)
    with closing(sqlite3.connect(target / "mlflow.db")) as database, database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for column in [row[1] for row in database.execute(f"PRAGMA table_info('{table}')")]:
                moved = (
                    f"""UPDATE "{table}" SET "{column}" = replace("{column}", ?, ?) WHERE instr("{column}", ?) > 0"""
                )
                database.execute(moved, (f"{source}/", f"{target}/", f"{source}/"))


def mlflow_tables() -> Path:
    """An SQLite file with MLflow's tables, which it takes 5 s to make."""
    return once("mlflow-tables", _make_tables) / "mlflow.db"


def forking() -> Any:
    """Where processes are forked from one that has imported what ours need, which takes 6 s of CPU, and has opened nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["flows.scoring", "mlflow", "skops.io", "sklearn.ensemble", "distributed", "tests.proofs.scoring"]
    )
    forkserver.ensure_running()  # before Dask names a list of its own
    return context


def prefect_tables(target: Path) -> None:
    """`target` becomes a Prefect server's SQLite file as its first start leaves it, which spares each later one 6 s of CPU."""
    made = once("prefect-tables", _make_prefect_tables) / "prefect" / "prefect.db"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(made, target)


def _make_prefect_tables(home: Path) -> None:
    import pytest

    from deployments import servers

    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PREFECT_")]:
            patch.delenv(name)
        patch.setenv("PERENNIAL_HOME", str(home))
        with servers.prefect_server():
            pass
    with closing(sqlite3.connect(home / "prefect" / "prefect.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # a server that was ended may leave rows beside its file


def _make_tables(home: Path) -> None:
    import pytest

    from schemas.problem import load_problem
    from schemas.rows import State
    from tasks import registry

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(home))
        # MLflow sets it for processes it starts. Set here first, it is gone again afterwards; no other home reads it then.
        patch.setenv("MLFLOW_TRACKING_URI", "")
        patch.delenv("MLFLOW_TRACKING_URI")
        registry.project(load_problem("fraud"), State("fraud"))
