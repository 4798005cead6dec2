"""How is MLflow reached? Where it is, without its telemetry, and each problem's experiment."""

import fcntl
import os
import sqlite3
from contextlib import closing
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from schemas.settings import Settings
from tasks import database

__all__ = ["api", "experiment", "made_ready", "vendor"]


def vendor() -> Any:
    """The library, imported when it is first needed, at the address that the settings name."""
    uri = Settings().mlflow
    if uri.startswith("sqlite:///"):
        Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    for name, value in Settings().silence.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    made_ready(uri)
    import mlflow

    if mlflow.get_tracking_uri() != uri:
        ours = "MLFLOW_TRACKING_URI" not in os.environ
        mlflow.set_tracking_uri(uri)
        if ours:
            # It writes the address, which may hold a password, where every process that we start would find it.
            os.environ.pop("MLFLOW_TRACKING_URI", None)
    return mlflow


@cache
def made_ready(uri: str) -> None:
    """Once a process: MLflow's database at `uri` is there with its tables, and at the version of the MLflow that opens it, its
    rows kept."""
    if not _is_database(uri):
        return
    database.ensure(uri)
    # Of two that find no tables, MLflow lets one fail: each makes them as if it were alone.
    with database.one_at_a_time(uri) as empty:
        if empty:
            from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

            Settings().root.mkdir(parents=True, exist_ok=True)
            SqlAlchemyStore(uri, Settings().artifacts.as_uri())
    library = find_spec("mlflow")
    assert library is not None
    assert library.origin is not None
    migrations = Path(library.origin).parent / "store" / "db_migrations"
    if not database.behind(uri, migrations):
        return
    Settings().root.mkdir(parents=True, exist_ok=True)
    with (Settings().root / "mlflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if database.behind(uri, migrations):
            from mlflow import db

            _keep_before(uri)
            # What `mlflow db upgrade` does; its command line would show the password to whoever lists processes.
            upgrade: Any = db.upgrade.callback
            upgrade(uri)


def _keep_before(uri: str) -> None:
    """A copy of the SQLite file as it is, beside it: its migrations are not undone where one fails. PostgreSQL's are."""
    if not uri.startswith("sqlite:///"):
        return
    path = Path(uri.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(path)) as now, closing(sqlite3.connect(f"{path}.before-upgrade")) as kept:
        now.backup(kept)


def _is_database(uri: str) -> bool:
    """And not the address of a server."""
    return uri.startswith(("sqlite:", "postgresql", "mysql", "mssql"))


def api() -> Any:
    """A client of that address."""
    return vendor().MlflowClient()


def experiment(name: str) -> str:
    """The id of the experiment of a problem, made where there is none."""
    return _experiment_at(name, Settings().mlflow)


@cache
def _experiment_at(name: str, uri: str) -> str:
    mlflow = vendor()
    found = mlflow.get_experiment_by_name(name)
    if found:
        return str(found.experiment_id)
    # An MLflow server keeps artifacts where it was told to; beside our own database, they go under our folder.
    location = (Settings().artifacts / name).as_uri() if _is_database(uri) else None
    return str(mlflow.create_experiment(name, artifact_location=location))
