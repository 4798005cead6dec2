"""How is MLflow reached? Where it is, without its telemetry, and each problem's experiment."""

import os
from functools import cache
from pathlib import Path
from typing import Any

from schemas.settings import Settings

__all__ = ["api", "experiment", "vendor"]


def vendor() -> Any:
    """The library, imported when it is first needed, at the address that the settings name."""
    uri = Settings().mlflow
    if uri.startswith("sqlite:///"):
        Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow

    if mlflow.get_tracking_uri() != uri:
        mlflow.set_tracking_uri(uri)
    return mlflow


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
    location = (Settings().artifacts / name).as_uri() if uri.startswith("sqlite") else None
    return str(mlflow.create_experiment(name, artifact_location=location))
