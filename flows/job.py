"""What happens to one job where it runs, and what is left of it? Its losses, its diagnosis as data and as a page, its MLflow run."""

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flows import errors
from flows.diagnosis import diagnose
from flows.experiment import Fit, JudgedRows, frozen, judged_rows, run
from flows.pages.diagnosis import page
from flows.simple_models import simple_models
from schemas.diagnosis import Diagnosis
from schemas.errors import PerennialError
from schemas.experiment import Job, Part, Result
from schemas.problem import Problem, load_problem
from schemas.recipe import difference
from schemas.settings import Settings
from tasks import error_sheet, runs
from tasks.figures import whole
from tasks.ideas import Facts, facts_of, unexplained
from tasks.mistakes import usual_of

__all__ = [
    "AMONG",
    "Looked",
    "diagnosis_file",
    "found_of",
    "logged",
    "looked_at",
    "page_file",
    "run_job",
    "sheet_renewed",
]

AMONG = "experiments"  # the shelf of MLflow's runs on which a night's stand


@dataclass(frozen=True)
class Looked:
    """An experiment's result, what was found to be the matter with it, and what the rows suggest."""

    result: Result
    diagnosis: Diagnosis
    facts: Facts


def looked_at(job: Job, result: Result) -> Looked:
    """What was found of an experiment that was diagnosed; where its files were lost or damaged it is run again, and its
    result stays."""
    found = found_of(job)
    if found is None:
        run_job({"job": job.to_json()})
        found = found_of(job)
    if found is None:
        raise PerennialError(
            f"experiment {job.id} of {job.problem!r} was run again, and left no diagnosis in {diagnosis_file(job)}: the plan's "
            f"last tier is no longer {job.tier.name!r}, or the recipe no longer fits. Begin another night."
        )
    return Looked(result, *found)


def found_of(job: Job) -> tuple[Diagnosis, Facts] | None:
    """What was found of an experiment, as its file says; None where there is no file, or one that was cut off or altered."""
    try:
        said = json.loads(diagnosis_file(job).read_text())
        return Diagnosis.from_json(said["diagnosis"]), Facts.from_json(said["facts"])
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None


def run_job(said: dict[str, Any]) -> dict[str, Any]:
    """One experiment where it runs: fitted, and in the tier that decides diagnosed, while its models are at hand. Beside the
    job stands what is `known` of the champion elsewhere."""
    job = Job.from_json(said["job"])
    problem = load_problem(job.problem)
    result, fits = run(job)
    if fits and job.tier == problem.improvement.tiers[-1]:
        simple = simple_models(problem, job, frozen(job), seed=job.seed)
        found = diagnose(problem, job, fits, result, baselines=simple, edge=result.at_edge, seed=job.seed)
        found = replace(found, loss={**found.loss, **said.get("known", {})})
        told = {"diagnosis": found.to_json(), "facts": _facts(job, fits[0]).to_json()}
        whole(diagnosis_file(job), json.dumps(told))
        whole(page_file(job), page(found))
    return result.to_json()


def _facts(job: Job, fit: Fit) -> Facts:
    """What the rows suggest, held against what the fit leaves unexplained of rows that it was not fitted on."""
    framing = fit.problem.framing
    apart = pd.concat([fit.rows["near"], fit.rows["judged"]])
    parts: tuple[Part, ...] = ("near", "judged")
    left = np.concatenate([unexplained(fit.scores[part], fit.labels[part], framing) for part in parts])
    said = np.concatenate([fit.scores[part].score for part in parts])
    return facts_of(fit.problem, job.recipe, frozen(job), apart=apart, left=left, said=said)


def sheet_renewed(problem: Problem, job: Job, diagnosis: Diagnosis) -> Path:
    """The problem's error sheet with the wrong rows of this experiment; what people wrote into it stays."""
    rows, judged = frozen(job), judged_rows(job)
    shown = [name for name in job.recipe.features if name not in problem.personal]
    return errors.renew(diagnosis, judged=len(judged.loss), right=_right(problem, judged), usual=usual_of(rows, shown))


def _right(problem: Problem, judged: JudgedRows) -> Collection[str]:
    """Keys of the sheet whose rows lose less than the mean of all now."""
    listed = [line.key for line in error_sheet.read(problem.name)]
    hashed = pd.util.hash_array(np.array(listed, dtype=object)) if listed else np.array([])
    fine = set(judged.key[judged.loss < judged.loss.mean()])
    return {key for key, known in zip(listed, hashed, strict=True) if known in fine}


def diagnosis_file(job: Job) -> Path:
    return Settings().root / "experiments" / job.problem / f"{job.id}.json"


def page_file(job: Job) -> Path:
    return diagnosis_file(job).with_suffix(".html")


def logged(problem: Problem, job: Job, result: Result) -> None:
    """The experiment as an MLflow run: data, recipe, seeds, environment, and what came of it."""
    recipe = job.recipe
    params = {"family": recipe.family, "features": ",".join(recipe.features), "tier": job.tier.name, "seed": job.seed}
    metrics = {f"{part}_loss": loss for part, loss in result.loss.items()}
    metrics |= {f"judged_{name}": value for name, value in result.metrics.items()}
    tags = {
        "experiment": job.id,
        "snapshot": job.rows,
        "job": json.dumps(job.to_json()),
        "rules": problem.rules(),
        "error": result.error[:4000],
    }
    tags |= {"recipe_change": str(difference(problem.recipe, recipe))[:4000]}
    files = [file for file in (diagnosis_file(job), page_file(job)) if file.exists()]
    with runs.training_run(problem, key=job.id, among=AMONG):
        runs.describe(params | recipe.parameters, metrics, tags, files, folder="diagnosis")
