"""How is a recipe fitted, and how well does a model score rows it has not seen?"""

import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score, average_precision_score, mean_absolute_error, roc_auc_score
from sklearn.model_selection import FixedThresholdClassifier
from threadpoolctl import threadpool_limits

from schemas.errors import PerennialError
from schemas.framing import CostLoss, Framing
from schemas.recipe import Recipe
from tasks.estimators import calibrated, takes_weights
from tasks.out_of_fold import folds
from tasks.pipeline import pipeline_of
from tasks.recalibration import recalibrated
from tasks.relative import RelativeRegressor
from tasks.scoring import Scores, class_indices, row_loss, score
from tasks.splits import Split
from tasks.stats import macro_auc
from tasks.taught import balanced, class_weights, weights_of, without_suspects
from tasks.updating import updated

__all__ = [
    "best_threshold",
    "fit",
    "fit_and_freeze",
    "frozen_threshold",
    "measure",
    "naive_baseline",
    "threshold_at_precision",
    "with_threshold",
]


def fit(
    recipe: Recipe,
    framing: Framing,
    rows: pd.DataFrame,
    *,
    seed: int,
    threads: int = 1,
    threshold: float | None = None,
    champion: Any = None,
    weights: pd.Series | None = None,
) -> Any:
    """The recipe fitted on `rows`. A classifier carries its frozen threshold; equal arguments give equal models.

    `champion` is what a recipe starts from that does not start anew: `rows` are then those it was not trained on.
    `weights` says by index how much a row counts; None: all alike.
    """
    y = rows[framing.target]
    if y.isna().any():
        raise PerennialError(
            f"{int(y.isna().sum())} of {len(y)} training rows have no label; train on matured rows only."
        )
    if framing.task != "regression" and y.nunique() < 2 and recipe.family != "constant":
        raise PerennialError(
            f"all {len(y)} training rows have one label; a classifier needs both. Train on a longer window."
        )
    _fits_task(recipe, framing)
    # One thread by default: sums in another order give another model in its last digits, and so another hash.
    with threadpool_limits(limits=threads), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*lbfgs failed to converge.*")
        if recipe.start == "anew":
            model = _anew(recipe, framing, rows, weights, seed)
        else:
            model = _from_champion(recipe, framing, champion, rows)
    if threshold is None:
        return model
    return with_threshold(model, threshold, rows[_columns_of(model, recipe)], _target(y, framing))


_OF_CLASSES = ("balance", "class_weight", "calibration", "threshold")


def _fits_task(recipe: Recipe, framing: Framing) -> None:
    unfit = _OF_CLASSES if framing.task == "regression" else ("threshold",) if framing.task == "multiclass" else ()
    said = [name for name in unfit if getattr(recipe, name) is not None]
    if said:
        raise PerennialError(f"the recipe sets {', '.join(said)}, which a {framing.task} problem has no use for.")


def _anew(recipe: Recipe, framing: Framing, rows: pd.DataFrame, given: pd.Series | None, seed: int) -> Any:
    """The recipe fitted on those of the rows that teach it, each counted as it says."""
    if recipe.family == "constant":  # it learns shares alone: none is unlikely to it, weighed anew or mapped
        recipe = recipe.model_copy(update={"drop_suspects": None, "class_weight": None, "calibration": None})
    if recipe.drop_suspects is not None:
        plain = recipe.model_copy(update={"drop_suspects": None, "calibration": None})
        fitted = partial(_anew, plain, framing, given=given, seed=seed)
        rows = without_suspects(recipe.drop_suspects, framing, rows, fitted)
    weights = weights_of(recipe, framing, rows, given)
    if recipe.balance is not None:
        kept, stands = balanced(recipe.balance, framing, rows, seed=seed)
        rows, weights = rows.iloc[kept], stands if weights is None else stands * weights[kept]
    return _fitted(recipe, framing, rows, weights, seed)


def _fitted(recipe: Recipe, framing: Framing, rows: pd.DataFrame, weights: np.ndarray | None, seed: int) -> Any:
    X, y = rows[list(recipe.features)], _target(rows[framing.target], framing)
    by_class = None if recipe.class_weight is None else class_weights(y, weights)
    pipeline = pipeline_of(recipe, framing, X, y, seed=seed, class_weights=by_class)
    estimator = pipeline.steps[-1][1]
    if (weights is not None or recipe.relative_to is not None) and not takes_weights(estimator):
        raise PerennialError(
            f"{type(estimator).__name__} counts all rows alike, and here some count more: by Recipe.half_life, balance or "
            "relative_to, or because labels are seen of some decisions only. Choose another family."
        )
    if recipe.relative_to is not None:
        if framing.task != "regression":
            raise PerennialError(f"only a number is relative to {recipe.relative_to!r}; the task is {framing.task}")
        return RelativeRegressor(pipeline, recipe.relative_to).fit(X, y, sample_weight=weights)
    if recipe.calibration is not None:
        pipeline.steps[-1] = ("model", calibrated(estimator, recipe.calibration, _calibration_folds(framing, rows, y)))
    pipeline.fit(X, y, **({} if weights is None else {"model__sample_weight": weights}))
    if recipe.calibration is not None:
        # Which row was in which fold is no part of the model, and would be most of its file.
        pipeline.steps[-1][1].set_params(cv=None)
    if framing.task != "regression" and not hasattr(pipeline, "predict_proba"):
        name = type(estimator).__name__
        raise PerennialError(f"{name} decides and gives no probability. Recipe.calibration='sigmoid' makes one of it.")
    return pipeline


def _calibration_folds(framing: Framing, rows: pd.DataFrame, y: pd.Series) -> np.ndarray:
    fold = folds(framing, rows)
    if any(y[fold != one].nunique() < y.nunique() for one in np.unique(fold)):
        raise PerennialError(
            f"{len(rows)} training rows are too few to calibrate on: without one of five folds a class is gone. Train on a "
            "longer window, or without Recipe.calibration."
        )
    return fold


def _from_champion(recipe: Recipe, framing: Framing, champion: Any, rows: pd.DataFrame) -> Any:
    if champion is None:
        raise PerennialError(f"a recipe that starts {recipe.start!r} needs a trained champion, and there is none.")
    if recipe.start == "recalibrated":
        return recalibrated(champion, framing, rows)
    return updated(champion, rows[list(recipe.features)], _target(rows[framing.target], framing))


def _columns_of(model: Any, recipe: Recipe) -> list[str]:
    """What the model reads: of one that was made from the champion, the champion's columns."""
    return list(getattr(model, "feature_names_in_", recipe.features))


def _of(rows: pd.DataFrame, weights: pd.Series | None) -> np.ndarray | None:
    return None if weights is None else weights.loc[rows.index].to_numpy(dtype=float)


def _target(y: pd.Series, framing: Framing) -> pd.Series:
    """Labels as scikit-learn is shown them: 0 and 1, the names of classes, or numbers."""
    if framing.task == "regression":
        return y.astype(float)
    if framing.task == "binary":
        return y.astype(int)
    index = class_indices(y, framing)
    if np.isnan(index).any():
        raise PerennialError(
            f"{int(np.isnan(index).sum())} of {len(y)} training labels are none of the framing's classes "
            f"{', '.join(map(str, framing.classes))}. Name every class in the framing, or let the contract refuse the rows."
        )
    names = np.array([str(name) for name in framing.classes], dtype=object)
    return pd.Series(names[index.astype(int)], index=y.index)


def fit_and_freeze(
    recipe: Recipe,
    framing: Framing,
    parts: Split,
    *,
    seed: int,
    threads: int = 1,
    champion: Any = None,
    weights: pd.Series | None = None,
) -> Any:
    """The recipe fitted on the training rows; a classifier of two classes with its threshold frozen on validation rows,
    where it costs least, or at 0.5 where the loss has no decisions to cost; at the recipe's own where it has one."""
    model = fit(recipe, framing, parts.train, seed=seed, threads=threads, champion=champion, weights=weights)
    if framing.task != "binary":
        return model
    threshold = 0.5 if recipe.threshold is None else recipe.threshold
    if recipe.threshold is None and isinstance(framing.loss, CostLoss):
        rows = parts.validation
        threshold = best_threshold(
            score(model, rows, framing).score,
            rows[framing.target].to_numpy(dtype=float),
            framing.loss,
            _of(rows, weights),
        )
    return with_threshold(
        model, threshold, parts.train[_columns_of(model, recipe)], _target(parts.train[framing.target], framing)
    )


def frozen_threshold(model: Any) -> float | None:
    """The threshold that `fit_and_freeze` chose; None where there was nothing to choose."""
    return getattr(model, "threshold", None)


def with_threshold(model: Any, threshold: float, X: pd.DataFrame, y: pd.Series) -> Any:
    """`model` with its operating point frozen into it."""
    return FixedThresholdClassifier(FrozenEstimator(model), threshold=threshold, response_method="predict_proba").fit(
        X, y
    )


def naive_baseline(
    framing: Framing, rows: pd.DataFrame, features: Sequence[str], *, weights: pd.Series | None = None
) -> Any:
    """What needs no thought: the base rate, or the median."""
    X, y = rows[list(features)], _target(rows[framing.target], framing)
    if framing.task == "regression":
        return DummyRegressor(strategy="median").fit(X, y, sample_weight=_of(rows, weights))
    base_rate = DummyClassifier(strategy="prior").fit(X, y, sample_weight=_of(rows, weights))
    return with_threshold(base_rate, 0.5, X, y) if framing.task == "binary" else base_rate


def threshold_at_precision(scores: np.ndarray, labels: np.ndarray, precision: float) -> float:
    """The lowest threshold that reaches this precision on validation rows: the most recall; inf where none does.

    >>> threshold_at_precision(np.array([0.1, 0.4, 0.6, 0.9]), np.array([0, 1, 0, 1]), 0.6)
    0.4
    """
    order = np.argsort(-np.asarray(scores, dtype=float), kind="stable")
    s, y = np.asarray(scores, dtype=float)[order], np.asarray(labels, dtype=float)[order]
    reached = np.cumsum(y) / np.arange(1, s.size + 1) >= precision
    # Rows with one score are acted on together or not at all.
    reached &= np.append(s[1:] < s[:-1], True) if s.size else reached
    return float(s[np.flatnonzero(reached)[-1]]) if reached.any() else float("inf")


def best_threshold(scores: np.ndarray, labels: np.ndarray, loss: CostLoss, weights: np.ndarray | None = None) -> float:
    """The threshold with the least cost on validation rows, each as often as it weighs; ties go to the higher one, which
    reviews less.

    >>> best_threshold(np.array([0.1, 0.2, 0.9]), np.array([0, 0, 1]), CostLoss(false_alarm=0.1))
    0.55
    """
    order = np.argsort(scores, kind="stable")
    s, y = np.asarray(scores, dtype=float)[order], np.asarray(labels, dtype=float)[order]
    w = np.ones(s.size) if weights is None else np.asarray(weights, dtype=float)[order]
    # Acting on everything from position i on: misses lie before i, false alarms from i on.
    missed = np.concatenate([[0.0], np.cumsum(w * y)]) * loss.miss
    alarms = np.concatenate([np.cumsum((w * (1 - y))[::-1])[::-1], [0.0]]) * loss.false_alarm
    cost = missed + alarms
    cuts = np.concatenate([[s[0]], (s[1:] + s[:-1]) / 2, [np.nextafter(s[-1], np.inf)]])
    # Halfway between neighbouring floats is the lower one itself: a cut lies above it.
    cuts[1:-1] = np.maximum(cuts[1:-1], np.nextafter(s[:-1], np.inf))
    between = np.concatenate([[True], s[1:] > s[:-1], [True]])
    cost = np.where(between, cost, np.inf)
    best = len(cost) - 1 - int(np.argmin(cost[::-1]))
    return float(cuts[best])


def measure(scores: Scores, labels: np.ndarray, framing: Framing) -> dict[str, float]:
    """Metrics on labelled rows. A metric that these labels cannot give is nan, which every gate reads as missing."""
    y = class_indices(labels, framing)
    result = {"loss": float(np.mean(row_loss(scores, y, framing))), "rows": float(y.size)}
    if framing.task == "regression":
        return result | {"mae": float(mean_absolute_error(y, scores.score))}
    result["accuracy"] = float(accuracy_score(y, scores.decision))
    if framing.task == "multiclass":
        shares = {f"share of {name}": float(np.mean(scores.decision == i)) for i, name in enumerate(framing.classes)}
        return result | shares | {"roc_auc": float(macro_auc(scores.score, y))}
    both = 0 < y.mean() < 1
    result |= {"positives": float(np.mean(scores.decision >= 0.5)), "base rate": float(y.mean())}
    result["roc_auc"] = float(roc_auc_score(y, scores.score)) if both else float("nan")
    result["average_precision"] = float(average_precision_score(y, scores.score)) if both else float("nan")
    return result
