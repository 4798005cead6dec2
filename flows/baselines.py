"""How far does one get without a model, with a rule, and with a simple one? On held-out rows of a bounded sample."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from schemas.framing import Framing, Requirement
from schemas.problem import Problem
from schemas.recipe import FAMILIES, Recipe
from tasks import evaluation, scoring, training
from tasks.advice.facts import Baseline, Interval3, Suspect, Worth
from tasks.folded import fold_by_fold
from tasks.splits import Split, pooled
from tasks.stats import bounded_interval
from tasks.suspects import alone

__all__ = ["chance", "metric_of", "suspected", "worth_of"]

_FEWEST = 40  # rows of a part under which nothing is measured on it
_NONE = (float("nan"),) * 3
_PARTS = 10_000  # rows that are enough to see a column that says the target by itself


def worth_of(problem: Problem, folds: Sequence[Split], *, seed: int) -> Worth | None:
    """Chance, the naive baseline, the heuristic and the recipe's families from the simplest on; None where a part holds
    too few rows, or one class only."""
    framing, test = problem.framing, pooled(problem.framing, folds).test
    fitted = [part.train for part in folds]
    if len(test) < _FEWEST or any(len(t) < _FEWEST or t[framing.target].nunique() < 2 for t in fitted):
        return None
    labels = scoring.class_indices(test[framing.target], framing)
    models = _models(problem, folds, seed=seed)
    said = {"chance": chance(framing, labels, seed=seed)}
    said |= {name: scoring.score(model, test, framing) for name, model in models.items()}
    loss = {name: np.nan_to_num(scoring.row_loss(scores, labels, framing), nan=1.0) for name, scores in said.items()}
    families: tuple[str, ...] = FAMILIES
    trained = [name for name in models if name in families]
    rival = min((name for name in loss if name not in trained), key=lambda name: float(loss[name].mean()))
    days = test[framing.event_time].dt.floor("D")
    whose = _clusters(problem, test)
    gains = {name: bounded_interval(loss[rival] - loss[name], clusters=whose) for name in trained}
    best = min(trained, key=lambda name: float(loss[name].mean())) if trained else rival
    return Worth(
        rows=len(test),
        days=int(days.nunique()),
        baselines=tuple(
            Baseline(
                name,
                name in trained,
                bounded_interval(loss[name]),
                metric_of(framing, scores, labels, _blocks(framing, test, whose), seed=seed),
            )
            for name, scores in said.items()
        ),
        rival=rival,
        gains=gains,
        variance=float(np.var(loss[rival] - loss[best])),
        rival_variance=float(np.var(loss[rival])),
    )


def suspected(problem: Problem, rows: pd.DataFrame, *, seed: int) -> tuple[Suspect, ...]:
    """Every feature of the recipe with what it says of the target alone, the most telling first; `rows` are labelled."""
    framing = problem.framing
    part = rows.sample(n=min(_PARTS, len(rows)), random_state=seed)
    target = scoring.class_indices(part[framing.target], framing)
    found = alone(part, problem.recipe.features, target, classes=framing.n_classes, seed=seed)
    measure = "R2" if framing.task == "regression" else "AUC"
    ranked = sorted(((value, name) for name, value in found.items() if value == value), reverse=True)
    return tuple(Suspect(name, measure, value) for value, name in ranked)


def _models(problem: Problem, folds: Sequence[Split], *, seed: int) -> dict[str, Any]:
    """Each asked about a row as the model that was not fitted on it."""
    framing, recipe = problem.framing, problem.recipe
    each = partial(fold_by_fold, framing.key, tuple(folds))
    models = {"naive baseline": each(lambda part: training.naive_baseline(framing, part.train, recipe.features))}
    if problem.heuristic is not None:
        models["heuristic"] = problem.heuristic.fit()
    for wanted in (*recipe.simpler(), recipe):
        if wanted.family != "constant":
            models[wanted.family] = each(partial(_fitted, wanted, framing, seed=seed))
    return models


def _fitted(recipe: Recipe, framing: Framing, part: Split, *, seed: int) -> Any:
    """A threshold wants validation rows; where there are none, those that were trained on stand in."""
    validation = part.validation if len(part.validation) else part.train
    return training.fit_and_freeze(recipe, framing, Split(part.train, validation, part.test), seed=seed)


def chance(framing: Framing, labels: np.ndarray, *, seed: int) -> scoring.Scores:
    """Answers drawn without a look at the row: uniform scores, or somebody else's label."""
    rng = np.random.default_rng(seed)
    if framing.task == "regression":
        drawn = rng.permutation(labels)
        return scoring.Scores(drawn, drawn)
    if framing.task == "multiclass":
        score = rng.dirichlet(np.ones(framing.n_classes), size=len(labels))
        return scoring.Scores(score, score.argmax(axis=1).astype(float))
    uniform = rng.uniform(size=len(labels))
    return scoring.Scores(uniform, (uniform >= 0.5).astype(float))


def _clusters(problem: Problem, rows: pd.DataFrame) -> np.ndarray | None:
    entity = problem.framing.entity
    return None if entity is None else rows[entity].to_numpy()


def _blocks(framing: Framing, rows: pd.DataFrame, clusters: np.ndarray | None) -> np.ndarray:
    """What is resampled as a whole: an entity's rows, or a day's; each row by itself where there is no time."""
    if clusters is not None:
        return clusters
    return np.arange(len(rows)) if framing.timeless else rows[framing.event_time].dt.floor("D").to_numpy()


def metric_of(
    framing: Framing, scores: scoring.Scores, labels: np.ndarray, blocks: np.ndarray, *, seed: int
) -> Interval3:
    thresholds: Mapping[str, float] = {}
    wanted = Requirement(metric=framing.metric, at_least=0.0, reason="shown, not judged")
    found = evaluation.metric_intervals(
        [wanted], framing, scores, labels, thresholds=thresholds, blocks=blocks, alpha=0.05, seed=seed
    )
    return found.get(framing.metric, _NONE)
