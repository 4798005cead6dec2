"""How far does one get with less thought, on the very rows that judge experiments? Once for each set of rows."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flows.baselines import chance, metric_of
from schemas.diagnosis import Baseline
from schemas.errors import PerennialError
from schemas.experiment import Job
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.settings import Settings
from tasks import development, scoring, training
from tasks.figures import whole
from tasks.folded import fold_by_fold
from tasks.splits import Split
from tasks.stats import fixed_interval

__all__ = ["simple_models"]

_ALPHA = 0.025
_SHALLOW = {"max_iter": 30, "max_leaf_nodes": 4}


def simple_models(problem: Problem, job: Job, rows: pd.DataFrame, *, seed: int = 0) -> tuple[Baseline, ...]:
    """Chance, the naive answer, the heuristic, a linear model, a shallow one of trees, the incumbent recipe, and the level that
    the framing states; on the judged rows of the job's tier. They are kept in a file by the rows and what is asked of them, so
    that a night of experiments fits them once."""
    path = _file(problem, job)
    if path.exists():
        return tuple(_read(one) for one in json.loads(path.read_text()))
    found = _measured(problem, job, rows, seed=seed)
    whole(path, json.dumps([asdict(one) for one in found]))
    return found


def _file(problem: Problem, job: Job) -> Path:
    said = [job.rows, job.tier.folds, problem.recipe.model_dump_json(), problem.rules()]
    name = sha256(json.dumps(said).encode()).hexdigest()[:16]
    return Settings().root / "experiments" / problem.name / f"simple-{name}.json"


def _read(said: dict[str, Any]) -> Baseline:
    loss, metric = (None if said[name] is None else tuple(said[name]) for name in ("loss", "metric"))
    return Baseline(said["name"], loss, metric, said["trained"])


def _measured(problem: Problem, job: Job, rows: pd.DataFrame, *, seed: int) -> tuple[Baseline, ...]:
    framing = problem.framing
    tier = job.tier.model_copy(update={"share": 1.0, "seeds": 1})
    folds = development.blocks(problem, rows, tier, window=problem.recipe.window, seed=seed)
    test = pd.concat([part.test for part in folds])
    labels = scoring.class_indices(test[framing.target], framing)
    blocks = development.clusters(problem, test).to_numpy()
    said = {"chance": chance(framing, labels, seed=seed)}
    trained = []
    for name, model, fitted in _models(problem, folds, seed=seed):
        said[name] = scoring.score(model, test, framing)
        trained += [name] if fitted else []
    found = [
        Baseline(
            name,
            fixed_interval(
                np.nan_to_num(scoring.row_loss(one, labels, framing), nan=1.0), alpha=_ALPHA, clusters=blocks
            ),
            metric_of(framing, one, labels, blocks, seed=seed),
            name in trained,
        )
        for name, one in said.items()
    ]
    level = framing.level
    if level is not None:
        known = (level.value,) * 3 if level.metric == framing.metric else None
        found.append(Baseline(f"{level.who} level", None, known))
    return tuple(found)


def _models(problem: Problem, folds: Sequence[Split], *, seed: int) -> list[tuple[str, Any, bool]]:
    """Each by its name, asked about a row as the model that was not fitted on it, and whether it was trained. What a fit
    refuses (one class in a fold) is left out: a baseline that nobody can have is none."""
    framing, recipe = problem.framing, problem.recipe
    each = partial(fold_by_fold, framing.key, tuple(folds))
    found: list[tuple[str, Any, bool]] = [
        ("naive baseline", each(lambda part: training.naive_baseline(framing, part.train, recipe.features)), False)
    ]
    if problem.heuristic is not None:
        found.append(("heuristic", problem.heuristic.fit(), False))
    plain = Recipe(features=recipe.features, window=recipe.window, encodings={})
    wanted = {
        "linear": plain.model_copy(update={"family": "linear"}),
        "shallow trees": plain.model_copy(update={"family": "boosting", "parameters": _SHALLOW}),
        "incumbent": recipe,
    }
    for name, one in wanted.items():
        if one.start != "anew":
            continue
        try:
            fit = partial(training.fit_and_freeze, one, framing, seed=seed, threads=Settings().threads)
            found.append((name, each(fit), True))
        except PerennialError:
            continue
    return found
