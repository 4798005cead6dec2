"""Can the model of a run be made again? Its recipe, fitted anew on the frozen rows, and held against what was logged."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from pydantic import ValidationError

from flows.experiment import fits_of, frozen, kept_rows, row_losses
from schemas.errors import PerennialError
from schemas.experiment import Job
from schemas.problem import Problem, load_problem
from schemas.recipe import Recipe
from schemas.refused import findings
from schemas.route import Served
from tasks import registry, runs, scoring, snapshots, training
from tasks.modelfile import content_of

__all__ = ["Reproduction", "lines", "reproduce"]

# Of a score, or of a share of it where it is larger than one. Between versions of a library a sum may be taken in another
# order; a model that is off by more is another one.
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Reproduction:
    """The model of a run beside the same recipe fitted now. `largest` is the largest difference of a score on golden rows,
    over the larger of one and the score; 0 where all are equal to the last digit."""

    run: str
    problem: str
    model: str
    rows: int
    same_content: bool
    largest: float
    decisions: int  # golden rows that are decided otherwise
    tolerance: float  # 0 unless the versions of libraries differ
    commit: tuple[str, str]
    versions: Mapping[str, tuple[str, str]]  # those that differ: then, now
    rules_changed: bool

    @property
    def equal(self) -> bool:
        return self.decisions == 0 and self.largest <= self.tolerance

    def data(self) -> dict[str, Any]:
        """The same for scripts."""
        return asdict(self) | {"equal": self.equal}


def reproduce(run_id: str) -> Reproduction:
    """The challenger of this run, or its experiment, made again, and what differs. Raises PerennialError for a run that
    trained nothing, whose model was refused, or whose rows are gone."""
    run = runs.recorded(run_id)
    return _experiment(run) if "job" in run.tags else _challenger(run)


def _challenger(run: runs.Recorded) -> Reproduction:
    for tag, why in (
        ("problem", "no run of ours"),
        ("refit", "no training of the loop"),
        ("model", f"refused: {run.tags.get('reason', 'unjudged')}"),
    ):
        if tag not in run.tags:
            raise PerennialError(
                f"run {run.id} has no tag {tag!r}, and so no model to be made again: {why}. Name the run of a challenger that "
                "was accepted, or of an experiment: `make history`, the report of a night and MLflow list them."
            )
    problem = load_problem(run.tags["problem"])
    rebuilt = _rebuilt(run, problem)
    with TemporaryDirectory() as folder:
        _, golden, then = registry.fetch(problem, _served(run, problem), Path(folder))
    now = scoring.score(rebuilt, golden, problem.framing)
    same = content_of(rebuilt, problem) == run.tags["model"]
    decisions = int((now.decision != then.decision).sum())
    return _compared(
        run, problem, run.tags["model"], then=then.score, now=now.score, same_content=same, decisions=decisions
    )


def _experiment(run: runs.Recorded) -> Reproduction:
    """Its models are not kept; what they lost on each judged row is."""
    job = _said(run, "job", lambda text: Job.from_json(json.loads(text)))
    named = run.tags.get("experiment", "none")
    if job.id != named:
        raise PerennialError(
            f"run {run.id} says in its tag 'experiment' that it is {named}, and its tag 'job' is that of {job.id}: one of the two "
            "was altered after the run. Restore it from a backup of MLflow, or name another run."
        )
    then, now = kept_rows(job), row_losses(job, list(fits_of(job, frozen(job))))
    if len(then.loss) != len(now.loss):
        raise PerennialError(
            f"experiment {job.id} kept the losses of {len(then.loss)} rows, and is judged on {len(now.loss)}: the kept ones are "
            "another's. Restore them from a backup."
        )
    same = np.array_equal(then.loss, now.loss)
    return _compared(run, load_problem(job.problem), job.id, then=then.loss, now=now.loss, same_content=same)


def _compared(
    run: runs.Recorded,
    problem: Problem,
    model: str,
    *,
    then: np.ndarray,
    now: np.ndarray,
    same_content: bool,
    decisions: int = 0,
) -> Reproduction:
    versions = {
        name: (run.tags.get(f"version.{name}", "unknown"), here)
        for name, here in runs.libraries().items()
        if run.tags.get(f"version.{name}") != here
    }
    return Reproduction(
        run.id,
        problem.name,
        model,
        len(then),
        same_content=same_content,
        largest=float(np.max(np.abs(now - then) / np.maximum(1.0, np.abs(then)))),
        decisions=decisions,
        tolerance=_TOLERANCE if versions else 0.0,
        commit=(run.tags.get("git_commit", "unknown"), runs.commit()),
        versions=versions,
        rules_changed=run.tags.get("rules", problem.rules()) != problem.rules(),
    )


def lines(found: Reproduction) -> Iterator[str]:
    """One screen."""
    word = "is made again" if found.equal else "is NOT made again"
    yield f"{found.problem}: {found.model[:16]} of run {found.run} {word}"
    content = "the same, so that every row is scored alike" if found.same_content else "another"
    yield f"  its content     {content}"
    yield f"  rows            {found.rows}, scores differ by {found.largest:.3g} at most, {found.decisions} decided otherwise"
    yield f"  may differ by   {f'{found.tolerance:g}: library versions differ' if found.tolerance else 'nothing'}"
    then, now = (one[:12] for one in found.commit)
    yield f"  code            {then} then, {'the same' if then == now else now} now"
    changed = ", ".join(f"{name} {a} then, {b} now" for name, (a, b) in found.versions.items())
    yield f"  libraries       {changed or 'the same versions'}"
    if found.rules_changed:
        yield "  framing         contract or framing are others than they were when it was trained"


def _rebuilt(run: runs.Recorded, problem: Problem) -> Any:
    """What the run's refit made: the recipe on everything labelled, with the operating point that it had found."""
    said = _said(run, "refit", _object)
    rows = _rows(run, problem, "fitted_on")
    weights = _rows(run, problem, "weights")["weight"] if "weights" in run.tags else None
    base = None
    if "base" in run.tags:
        base = registry.load(problem, registry.by_content(problem, run.tags["base"]))
    recipe = _said(run, "recipe", Recipe.model_validate_json)
    return training.fit(recipe, problem.framing, rows, champion=base, weights=weights, **said)


def _object(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(f"{found!r} is no object")
    return found


Read = TypeVar("Read")


def _said(run: runs.Recorded, tag: str, read: Callable[[str], Read]) -> Read:
    """What a tag says; one that says nothing that can be read was altered."""
    text = run.tags.get(tag, "")
    try:
        return read(text)
    except ValidationError as error:
        why = findings(error)
    except KeyError as error:
        why = f"it lacks {error}"
    except (TypeError, ValueError) as error:
        why = str(error)
    raise PerennialError(
        f"run {run.id} has a tag {tag!r} that cannot be read: it says {text[:80]!r}, and {why}. It was altered after the run: "
        "restore it from a backup of MLflow, or name another run."
    )


def _served(run: runs.Recorded, problem: Problem) -> Served:
    logged = registry.by_content(problem, run.tags["model"])
    return Served(logged.sha256, logged.version, logged.name)


def _rows(run: runs.Recorded, problem: Problem, tag: str) -> pd.DataFrame:
    """The frozen rows that a tag names: from our folder, or from the copy that the run holds."""
    sha256 = run.tags[tag]
    path = snapshots.place(problem.name, sha256)
    if not path.exists():
        path = runs.file_of(run.id, f"data/{path.name}")
    return snapshots.load(snapshots.Snapshot(path, sha256, 0))
