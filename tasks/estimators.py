"""Which estimator is behind a family's name? scikit-learn's, at defaults that suit tables, or one of the problem's own."""

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from schemas.errors import PerennialError
from schemas.framing import Framing
from schemas.recipe import Family, Recipe
from tasks.neighbours import NeighboursClassifier, NeighboursRegressor

__all__ = [
    "UnknownEstimatorError",
    "calibrated",
    "estimator_of",
    "parameter_names",
    "reads_sparse",
    "takes_weights",
]

# For classes, and for a number.
_KINDS: Mapping[Family, tuple[Any, Any]] = {
    "constant": (DummyClassifier, DummyRegressor),
    "linear": (LogisticRegression, Ridge),
    "sgd": (SGDClassifier, SGDRegressor),
    "tree": (DecisionTreeClassifier, DecisionTreeRegressor),
    "neighbours": (NeighboursClassifier, NeighboursRegressor),
    "forest": (RandomForestClassifier, RandomForestRegressor),
    "boosting": (HistGradientBoostingClassifier, HistGradientBoostingRegressor),
}
_DEFAULTS: Mapping[Family, dict[str, Any]] = {
    # A rate that falls with every row seen would soon learn nothing from the newest.
    "sgd": {"learning_rate": "constant", "eta0": 0.01},
    # A person reads 32 leaves; and a share among twenty rows is a probability, which one row's label is not.
    "tree": {"max_depth": 5, "min_samples_leaf": 20},
    "forest": {"min_samples_leaf": 5},
    # Of five neighbours there are six probabilities. In a tree of them a row is what it is among many, to its last digit.
    "neighbours": {"n_neighbors": 25, "algorithm": "kd_tree"},
    "boosting": {"early_stopping": False},  # its random split would spend rows we hold out by time
}


class UnknownEstimatorError(PerennialError):
    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f"Recipe.estimator={path!r} {why}. Name a class that follows scikit-learn's conventions as module:Class, of a "
            "file under schemas/problems or of scikit-learn, with the parameters it takes."
        )


def estimator_of(
    recipe: Recipe, framing: Framing, *, seed: int, class_weights: Mapping[Any, float] | None = None
) -> BaseEstimator:
    """The recipe's estimator, unfitted; `class_weights` by class as labels are shown to it."""
    classes = framing.task != "regression"
    kind, known = _kind(recipe, framing), parameter_names(recipe, framing)
    chance = "random_state" in known and recipe.family != "constant"
    given = _DEFAULTS.get(recipe.family, {}) | ({"random_state": seed} if chance else {})
    if recipe.family == "sgd" and classes:
        given = {"loss": "log_loss"} | given  # of a classifier's losses only this one gives probabilities
    if class_weights is not None:
        if "class_weight" not in known:
            raise PerennialError(f"{kind.__name__} takes no weights by class: leave out Recipe.class_weight.")
        given = given | {"class_weight": dict(class_weights)}
    unknown = [f"{name}={value!r}" for name, value in recipe.parameters.items() if name not in known]
    if unknown and recipe.estimator is None:
        raise PerennialError(
            f"{kind.__name__} takes no {', '.join(unknown)}: correct Recipe.parameters. It takes {', '.join(known)}."
        )
    try:
        return kind(**(given | recipe.parameters))
    except TypeError as error:
        if recipe.estimator is None:
            raise
        raise UnknownEstimatorError(recipe.estimator, f"does not take these parameters: {error}") from None


def parameter_names(recipe: Recipe, framing: Framing) -> tuple[str, ...]:
    """What the recipe's estimator takes, in the order of the alphabet."""
    return tuple(sorted(_kind(recipe, framing)._get_param_names()))


def _kind(recipe: Recipe, framing: Framing) -> Any:
    if recipe.family == "own":
        return _own(recipe, framing)
    return _KINDS[recipe.family][0 if framing.task != "regression" else 1]


def _own(recipe: Recipe, framing: Framing) -> Any:
    path = recipe.estimator or ""
    module, _, name = path.partition(":")
    try:
        kind = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        raise UnknownEstimatorError(path, f"cannot be imported: {error}") from None
    if not (isinstance(kind, type) and issubclass(kind, BaseEstimator)):
        raise UnknownEstimatorError(path, "is no estimator class")
    wanted = "regressor" if framing.task == "regression" else "classifier"
    found = getattr(kind, "_estimator_type", None) or _told(kind, path, recipe)
    if found != wanted:
        raise UnknownEstimatorError(path, f"is a {found}, and the task {framing.task} takes a {wanted}")
    return kind


def _told(kind: Any, path: str, recipe: Recipe) -> str | None:
    """What the class says it is; only one of its objects can tell."""
    try:
        return get_tags(kind(**recipe.parameters)).estimator_type
    except TypeError as error:
        raise UnknownEstimatorError(path, f"does not take these parameters: {error}") from None


def reads_sparse(recipe: Recipe, framing: Framing) -> bool:
    """Can the words of a text stay as they are, hundreds of columns that are mostly zero? Trees and distances are shown a
    few directions of them instead."""
    if recipe.family == "own":
        return bool(get_tags(estimator_of(recipe, framing, seed=0)).input_tags.sparse)
    return recipe.family in ("linear", "sgd")


def takes_weights(estimator: BaseEstimator) -> bool:
    """Can a row count for more than another in its fit?"""
    return bool(has_fit_parameter(estimator, "sample_weight"))


def calibrated(estimator: BaseEstimator, method: str, fold: np.ndarray) -> CalibratedClassifierCV:
    """The estimator with its scores mapped to what came true of rows of another fold; `fold`, shape (n,), is each training
    row's. Fitted once on all of them (ensemble=False), so that serving costs what it cost."""
    pairs = [(np.flatnonzero(fold != one), np.flatnonzero(fold == one)) for one in np.unique(fold)]
    return CalibratedClassifierCV(estimator, method=method, cv=pairs, ensemble=False)
