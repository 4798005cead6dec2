"""What keeps the loop's own challenger from being better? Its diagnosis, from rows that were neither fitted nor held out."""

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from flows.diagnosis import diagnose
from flows.experiment import Fit, result_of, row_losses
from flows.levels import known_levels
from flows.pages.diagnosis import page
from flows.turn import seed_of
from schemas.diagnosis import Diagnosis
from schemas.experiment import Job
from schemas.plans import Tier
from schemas.settings import Settings
from tasks import development, runs
from tasks.figures import whole
from tasks.routing import position
from tasks.splits import Split

if TYPE_CHECKING:
    from flows.trial import Trial

__all__ = ["diagnosed"]

log = logging.getLogger("perennial")
_FEWEST = 200  # validation rows under which nothing can be told of them
_FEWEST_CLUSTERS = 2  # days or entities in each half of them: rows of one move together, and tell no spread
_ONCE = Tier(name="retrain", share=1, folds=1, seeds=1)


def diagnosed(trial: "Trial", model: Any, measured: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """For the ledger's notes: what binds, and where its page is; with the run too. Nothing is refused for it, and a simulation
    of thousands of retrains, which asks for no reports, has none."""
    if not (trial.turn.live or Settings().reports == "all") or len(trial.folds[0].validation) < _FEWEST:
        return {}
    try:
        parts = _parts(trial)
        if any(_clusters(trial, rows) < _FEWEST_CLUSTERS for rows in (parts.validation, parts.test)):
            return {}
        found = _found(trial, model, parts)
        found = replace(found, loss=found.loss | known_levels(trial.problem, now=trial.turn.now))
        found = replace(found, loss=found.loss | {"test": measured["test"]["loss"]})
        return _kept(trial, found)
    except Exception:
        log.exception("%s: the challenger could not be diagnosed", trial.problem.name)
        return {}


def _parts(trial: "Trial") -> Split:
    """Held-out rows are the gates' alone: one half of the validation rows stands for what lies beside, the other judges."""
    problem, part = trial.problem, trial.folds[0]
    unit = development.clusters(problem, part.validation)
    beside = unit.map({name: position(name, key=f"{problem.name}/beside") < 0.5 for name in unit.unique()})
    return Split(part.train, part.validation[beside], part.validation[~beside])


def _clusters(trial: "Trial", rows: pd.DataFrame) -> int:
    return int(development.clusters(trial.problem, rows).nunique())


def _found(trial: "Trial", model: Any, parts: Split) -> Diagnosis:
    problem, seed = trial.problem, seed_of(trial.turn)
    job = Job(problem.name, trial.frozen.sha256, trial.recipe, _ONCE, seed)
    fits = [Fit(problem, trial.recipe, 0, seed, model, parts, 0.0)]
    return diagnose(problem, job, fits, result_of(job, fits, row_losses(job, fits)), seed=seed)


def _kept(trial: "Trial", found: Diagnosis) -> dict[str, str]:
    file = Settings().root / "experiments" / trial.problem.name / f"retrain-{trial.turn.now:%Y%m%dT%H%M%S}.html"
    files: list[Path] = [whole(file, page(found))]
    files.append(whole(file.with_suffix(".json"), json.dumps(found.to_json())))
    runs.describe({}, {}, {"binding": found.binding.says[:4000]}, files, folder="diagnosis")
    return {"diagnosis": str(file), "binding": f"{found.binding.constraint}: {found.binding.says}"}
