"""What was tried, and what belongs to it? MLflow's runs: trainings, what was measured in them, reports and profiles."""

import json
import platform
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from schemas.errors import PerennialError
from schemas.problem import Problem
from schemas.rows import Model
from schemas.settings import Settings
from tasks.tracking import api, experiment, vendor

__all__ = [
    "Recorded",
    "commit",
    "describe",
    "file_of",
    "forget_report",
    "keep_profile",
    "libraries",
    "log_report",
    "read_profile",
    "recorded",
    "run_link",
    "tags_of",
    "training_run",
    "training_times",
]

_LIBRARIES = (
    "scikit-learn",
    "pandas",
    "numpy",
    "scipy",
    "skops",
    "mlflow",
    "prefect",
    "pandera",
    "evidently",
    "ibis-framework",
)


@contextmanager
def training_run(problem: Problem, *, key: str, among: str = "") -> Iterator[str]:
    """An MLflow run for one try at training; the same `key` (after a crash) takes up the same run. `among` names a shelf
    beside the problem's own, so that a night's many runs do not bury its retrains."""
    mlflow, own = vendor(), experiment(f"{problem.name} {among}".strip())
    tags = {"perennial.key": key, "git_commit": commit(), "problem": problem.name}
    with mlflow.start_run(
        run_id=found(problem, key=key, among=among) or None, experiment_id=own, run_name=key, tags=tags
    ) as run:
        # As tags: a run that is taken up after a library was updated may say so, and a parameter may never change.
        mlflow.set_tags({f"version.{name}": version for name, version in libraries().items()})
        yield run.info.run_id


def found(problem: Problem, *, key: str, among: str = "") -> str:
    """The id of the run of that `key`; empty where there is none."""
    mlflow, own = vendor(), experiment(f"{problem.name} {among}".strip())
    there = mlflow.search_runs([own], f"tags.`perennial.key` = '{key}'", max_results=1, output_format="list")
    return str(there[0].info.run_id) if there else ""


def describe(
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    files: list[Path],
    *,
    folder: str = "data",
) -> None:
    """Log to the run under way. Undefined metrics are left out: MLflow would draw them as numbers."""
    mlflow = vendor()
    mlflow.log_params({name: str(value)[:500] for name, value in params.items()})
    mlflow.log_metrics({name: float(value) for name, value in metrics.items() if value == value})
    mlflow.set_tags(dict(tags))
    for file in files:
        mlflow.log_artifact(str(file), artifact_path=folder)


@dataclass(frozen=True)
class Recorded:
    """What a run said of itself."""

    id: str
    tags: Mapping[str, str]


def recorded(run_id: str) -> Recorded:
    """A run by its whole id; one that nobody made is refused."""
    try:
        found = api().get_run(run_id)
    except vendor().exceptions.MlflowException as error:
        raise PerennialError(
            f"MLflow has no run {run_id!r}: {error.error_code}. `make history` and the MLflow page name them."
        ) from None
    return Recorded(found.info.run_id, dict(found.data.tags))


def file_of(run_id: str, path: str) -> Path:
    """A copy of a file that was logged to a run; refused where the run has none of that name."""
    folder, _, _ = path.rpartition("/")
    if path not in [file.path for file in api().list_artifacts(run_id, folder or None)]:
        raise PerennialError(
            f"run {run_id} holds no file {path!r}, and it is not in our folder. Restore it from a backup."
        )
    return Path(vendor().artifacts.download_artifacts(artifact_uri=f"runs:/{run_id}/{path}"))


def training_times(problem: Problem, *, n: int) -> list[dict[str, float]]:
    """What each of the newest `n` retrains took, oldest first: `at` (seconds since 1970), `training seconds` from the run's
    first to its last moment, and what a fresh process measured of the model where it was asked (`serveability.*`)."""
    found = api().search_runs(
        [experiment(problem.name)],
        "attributes.status = 'FINISHED' and tags.recipe LIKE '%'",
        order_by=["attributes.start_time DESC"],
        max_results=n,
    )
    return [
        {"at": run.info.start_time / 1e3, "training seconds": (run.info.end_time - run.info.start_time) / 1e3}
        | {name: value for name, value in run.data.metrics.items() if name.startswith("serveability.")}
        for run in reversed(found)
    ]


def log_report(problem: Problem, model: Model, files: list[Path], *, folder: str) -> str:
    """Log report files to the run that made `model`, and return the run's id."""
    client = api()
    run_id = client.get_model_version(problem.name, model.version).run_id
    for file in files:
        client.log_artifact(run_id, str(file), artifact_path=f"reports/{folder}")
    return str(run_id)


def forget_report(run_id: str, *, folder: str, file: str = "") -> None:
    """Remove a report's copy from its run: one file of its folder, or all of it. A run that is gone has none."""
    mlflow = vendor()
    if not run_id:
        return
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    uri = mlflow.get_run(run_id).info.artifact_uri
    path = f"reports/{folder}/{file}" if file else f"reports/{folder}"
    get_artifact_repository(uri).delete_artifacts(path)


def tags_of(problem: Problem, model: Model) -> dict[str, str]:
    """The tags of the run that made `model`; none where the registry knows of no such version, or of no run of it."""
    client = api()
    try:
        run_id = client.get_model_version(problem.name, model.version).run_id
    except vendor().exceptions.MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return {}
    return dict(client.get_run(run_id).data.tags) if run_id else {}


def keep_profile(problem: Problem, model: Model, profile: Mapping[str, Any]) -> None:
    """Store what `model` was trained on, as bins and counts, with the run that made it."""
    client = api()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{model.sha256}.json"
        file.write_text(json.dumps(profile))
        client.log_artifact(client.get_model_version(problem.name, model.version).run_id, str(file), "profiles")


def read_profile(problem: Problem, model: Model) -> dict[str, Any] | None:
    """What `keep_profile` stored; None where it never did."""
    client = api()
    run_id = client.get_model_version(problem.name, model.version).run_id
    path = f"profiles/{model.sha256}.json"
    if path not in [file.path for file in client.list_artifacts(run_id, "profiles")]:
        return None
    found: dict[str, Any] = json.loads(
        Path(vendor().artifacts.download_artifacts(artifact_uri=f"runs:/{run_id}/{path}")).read_text()
    )
    return found


def run_link(problem: Problem, run_id: str, *, among: str = "") -> str:
    """Where a person opens the run."""
    own = experiment(f"{problem.name} {among}".strip())
    return f"{Settings().ui_url}/#/experiments/{own}/runs/{run_id}"


def libraries() -> dict[str, str]:
    """The versions that a model's last digit may depend on, as they are installed."""
    return {name: installed(name) for name in _LIBRARIES} | {"python": platform.python_version()}


@cache
def commit() -> str:
    """The commit that is checked out."""
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "no git"
