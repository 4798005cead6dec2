"""Which models are there, and which roles do they hold? MLflow's model registry."""

import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from schemas.errors import PerennialError
from schemas.problem import Problem
from schemas.route import BrokenRouteError, Route, Served
from schemas.rows import Model, State
from schemas.settings import Settings
from tasks.modelfile import AlteredModelError, digest, held, load_file
from tasks.scoring import Scores, score
from tasks.tracking import api, vendor

__all__ = [
    "AlteredModelError",
    "adopt",
    "by_content",
    "check",
    "fetch",
    "load",
    "model_file",
    "project",
    "read_route",
    "reassert",
    "register",
]

_ROLES = ("champion", "challenger", "previous")
# Inferring the environment starts a subprocess and takes 6 to 10 s; we know what a model of ours needs.
_REQUIREMENTS = [f"{name}=={installed(name)}" for name in ("scikit-learn", "pandas", "numpy", "skops")]


def register(
    problem: Problem,
    model: Any,
    *,
    name: str,
    example: pd.DataFrame,
    run_id: str,
    why: str = "",
    trained_from: datetime | None = None,
    trained_until: datetime | None = None,
    held_out: Mapping[str, float] | None = None,
    snapshot: str = "",
    base: str = "",
) -> Model:
    """A version for `model`: the one that holds the same content already, or a new one logged to the run. The rows of
    `example` become its golden rows: whoever serves it scores them first, and compares."""
    mlflow, client = vendor(), api()
    content, trusted = held(model, problem)
    _ensure_registered(problem)
    found = client.search_model_versions(f"name = '{problem.name}' and tags.sha256 = '{content}'")
    if found:
        number = str(min(int(v.version) for v in found))
    else:
        kind = "predict" if problem.framing.task == "regression" else "predict_proba"
        import mlflow.sklearn  # brings scikit-learn with it, which reading does not need
        from mlflow.models import infer_signature

        info = mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(example, getattr(model, kind)(example)),
            pip_requirements=_REQUIREMENTS,
            serialization_format="skops",
            skops_trusted_types=trusted,
            pyfunc_predict_fn=kind,
        )
        made = client.create_model_version(
            problem.name,
            info.model_uri,
            run_id=run_id,
            model_id=info.model_id,
            tags={"sha256": content, "kind": name, "snapshot": snapshot, "base": base},
        )
        number = str(made.version)
        _keep_golden(client, run_id, content, model, example, problem)
    return Model(content, number, name, why, trained_from, trained_until, dict(held_out or {}), snapshot, base)


def by_content(problem: Problem, sha256: str) -> Model:
    """The oldest registered version with this content; refused where there is none."""
    found = api().search_model_versions(f"name = '{problem.name}' and tags.sha256 = '{sha256}'")
    if not found:
        raise PerennialError(
            f"no version of {problem.name!r} holds the model {sha256[:12]}: it was deleted. Restore it in MLflow."
        )
    one = min(found, key=lambda version: int(version.version))
    return Model(sha256, str(one.version), one.tags["kind"], snapshot=one.tags["snapshot"], base=one.tags["base"])


def load(problem: Problem, model: Model) -> Any:
    """The estimator of a registered version, after its content was held against the ledger's sha256."""
    return _loaded(problem.name, model.sha256, model.version, Settings().mlflow)


def check(problem: Problem, model: Model) -> None:
    """Refuse a registered version whose file is gone, or is not the one that was registered; it is not brought to life."""
    if digest(_file(problem.name, model.version)) != model.sha256:
        raise AlteredModelError(
            f"version {model.version} of {problem.name!r} is not the file that was registered as {model.sha256[:12]}. "
            "It is not served; restore the file."
        )


def model_file(problem: Problem, model: Model) -> Path:
    """Where the file of a registered version lies, after its content was held against the ledger's sha256."""
    load(problem, model)
    return _file(problem.name, model.version)


def _file(name: str, number: str) -> Path:
    return Path(vendor().artifacts.download_artifacts(artifact_uri=f"models:/{name}/{number}")) / "model.skops"


def adopt(problem: Problem, uri: str) -> Any:
    """The scikit-learn estimator at an MLflow URI, a folder or a .skops file; only trusted types are brought to life."""
    path = Path(uri)
    if not path.exists():
        path = Path(vendor().artifacts.download_artifacts(artifact_uri=uri))
    if path.is_dir():
        path = path / "model.skops"
    if not path.exists():
        raise PerennialError(
            f"{uri!r} holds no skops model; save it with skops.io.dump(model, 'model.skops') and name that file."
        )
    return load_file(path, problem)


def project(problem: Problem, state: State) -> list[str]:
    """Make aliases and the `route` tag say what the ledger says. Returns the foreign edits it found, in sentences."""
    _ensure_registered(problem)
    return reassert(problem.name, state)


def reassert(name: str, state: State) -> list[str]:
    """`project`, of a registered model by its name: a problem whose file is gone has a route to be ended still."""
    client = api()
    wanted = {role: model.version for role in _ROLES if (model := getattr(state, role)) is not None}
    registered = client.get_registered_model(name)
    actual = {role: str(number) for role, number in registered.aliases.items() if role in _ROLES}
    tag = registered.tags.get("route")
    route, written = Route.of(state), _written_route(tag)
    before = {role: said.version for role in _ROLES if written and (said := getattr(written, role))}
    # Our own crash between two writes leaves what is wanted now, or what was written then; anything else is foreign.
    foreign = [
        f"alias {role} was set to version {actual.get(role, 'none')} by somebody else; the ledger says {wanted.get(role, 'none')}"
        for role in _ROLES
        if before and actual.get(role) not in (before.get(role), wanted.get(role))
    ]
    if tag is not None and written is None:
        foreign.append("the route tag was overwritten by somebody else with something that is no route")
    for role in _ROLES:
        if role in wanted and actual.get(role) != wanted[role]:
            client.set_registered_model_alias(name, role, wanted[role])
        elif role in actual and role not in wanted:
            client.delete_registered_model_alias(name, role)
    if route is not None and written != route:
        client.set_registered_model_tag(name, "route", route.to_json())
    for sentence in foreign:
        logging.getLogger("perennial").warning("%s: %s", name, sentence)
    return foreign


def _written_route(tag: str | None) -> Route | None:
    try:
        return Route.from_json(tag) if tag else None
    except BrokenRouteError:
        return None


def read_route(problem: Problem) -> Route | None:
    """The route as it was last projected; None before the first. Raises where the registry is away or the tag is no route."""
    tag = api().get_registered_model(problem.name).tags.get("route")
    return Route.from_json(tag) if tag else None


def fetch(problem: Problem, served: Served, cache: Path) -> tuple[Any, pd.DataFrame, Scores]:
    """A registered model with its golden rows and what it scored there. Kept as files in `cache`, which serve while the
    registry is away: the model is held against `served.sha256` wherever it came from, and only trusted types live."""
    kept = cache / f"{served.sha256}.skops"
    golden = cache / f"{served.sha256}.parquet"
    if not (kept.exists() and golden.exists()):
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        _copy(_file(problem.name, served.version), kept)
        run = api().get_model_version(problem.name, served.version).run_id
        uri = f"runs:/{run}/golden/{served.sha256}.parquet"
        _copy(Path(vendor().artifacts.download_artifacts(artifact_uri=uri)), golden)
    if digest(kept) != served.sha256:
        kept.unlink()  # the next try fetches it anew
        raise AlteredModelError(
            f"version {served.version} of {problem.name!r} is not the file that was registered as {served.sha256[:12]}; "
            "it is not served. Restore the file, or revert to the previous champion."
        )
    rows = pd.read_parquet(golden)
    said = np.stack([np.asarray(one, dtype=float) for one in rows.pop(_SCORE)])
    return load_file(kept, problem), rows, Scores(said, rows.pop(_DECISION).to_numpy(dtype=float))


_SCORE, _DECISION = "perennial score", "perennial decision"


def _keep_golden(client: Any, run_id: str, content: str, model: Any, rows: pd.DataFrame, problem: Problem) -> None:
    said = score(model, rows, problem.framing)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{content}.parquet"
        rows.assign(**{_SCORE: list(said.score), _DECISION: said.decision}).to_parquet(file)
        client.log_artifact(run_id, str(file), artifact_path="golden")


def _copy(source: Path, target: Path) -> None:
    """Whole or not at all."""
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, partial)
    partial.replace(target)


@lru_cache(maxsize=16)
def _loaded(name: str, content: str, number: str, uri: str) -> Any:
    from schemas.problem import load_problem

    path = _file(name, number)
    found = digest(path)
    if found != content:
        raise AlteredModelError(
            f"version {number} of {name!r} hashes to {found[:12]}, the ledger says {content[:12]}: its file was changed. "
            "It is not served; restore the file, or revert to the previous champion."
        )
    return load_file(path, load_problem(name))


def _ensure_registered(problem: Problem) -> None:
    client = api()
    try:
        client.get_registered_model(problem.name)
    except Exception as error:
        if getattr(error, "error_code", "") != "RESOURCE_DOES_NOT_EXIST":
            raise
        client.create_registered_model(problem.name, description=problem.statement)
