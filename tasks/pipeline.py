"""How does a recipe turn columns into the numbers that its estimator is fitted on? scikit-learn's own parts, put together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder

from schemas.errors import PerennialError
from schemas.framing import Framing
from schemas.recipe import Encoding, Recipe
from tasks.encoders import DateParts, DaysBetween, Frequencies, JoinedCategories, Product, Words

__all__ = ["pipeline_of"]

_RARE = 10  # rows: categories under it are one, when a recipe asks for a column each
_TOPICS = 20  # directions of a text that trees are shown; a linear model reads its words
_MANY = 50  # categories, from which on codes in the order of the alphabet say less than the target's mean


@dataclass(frozen=True)
class _Kinds:
    """The recipe's features by what they hold."""

    numeric: list[str]
    text: list[str]
    time: list[str]

    def of(self, name: str) -> str:
        return next(kind for kind in ("numeric", "text", "time") if name in getattr(self, kind))


def pipeline_of(recipe: Recipe, framing: Framing, X: pd.DataFrame, y: pd.Series, *, seed: int) -> Pipeline:
    """The recipe, unfitted. `X` and `y` are the training rows: their types decide what becomes of each column."""
    # A column without one value teaches nothing, and is left out; asked for, it may hold what it likes.
    given = X.loc[:, X.notna().any()]
    if given.empty:
        raise PerennialError(f"no feature has a value in the {len(X)} training rows: {', '.join(X.columns)}.")
    kinds = _kinds(given)
    if recipe.family == "constant":
        # It reads nothing of what it is given, but is asked with the same columns.
        text = [*kinds.text, *kinds.time]
        steps = [("any", _ordinal(recipe), text[:1])] if text else [("any", "passthrough", kinds.numeric[:1])]
    else:
        steps = _columns(recipe, framing, given, y, kinds, seed)
    transformer = ColumnTransformer([step for step in steps if step[2]])
    return Pipeline([("columns", transformer), ("model", _estimator(recipe, framing, seed))])


def _kinds(X: pd.DataFrame) -> _Kinds:
    numeric = [name for name in X.columns if pd.api.types.is_numeric_dtype(X[name])]
    time = [name for name in X.columns if pd.api.types.is_datetime64_any_dtype(X[name])]
    return _Kinds(numeric, [name for name in X.columns if name not in {*numeric, *time}], time)


Step = tuple[str, Any, list[str]]


def _columns(recipe: Recipe, framing: Framing, X: pd.DataFrame, y: pd.Series, kinds: _Kinds, seed: int) -> list[Step]:
    plain = [name for name in kinds.text if name not in recipe.encodings]
    numeric = [name for name in kinds.numeric if name not in recipe.encodings]
    dated = [name for name in kinds.time if name not in recipe.encodings]
    many = [name for name in plain if recipe.family == "boosting" and _is_many(recipe, X[name])]
    plain = [name for name in plain if name not in many]
    steps: list[Step] = [("text", _categories(recipe), plain), ("numeric", _numbers(recipe, X[numeric]), numeric)]
    if many:
        steps.append(("many", _encoder("target", recipe, framing, y, seed), many))
    if dated:
        steps.append(("dates", _filled(recipe, _encoder("date", recipe, framing, y, seed)), dated))
    for name, how in sorted((name, how) for name, how in recipe.encodings.items() if name in X):
        if how == "date" and name not in kinds.time:
            raise PerennialError(f"the recipe reads {name!r} as a date, and it holds none. Make it a time in `derive`.")
        encoder = _encoder(how, recipe, framing, y, seed)
        sparse = how in ("one-hot", "text")
        steps.append((f"{name} ({how})", encoder if sparse else _filled(recipe, encoder), [name]))
    pairs = [pair for pair in recipe.interactions if set(pair) <= set(X) and X[list(pair)].notna().all(axis=1).any()]
    return steps + [_interaction(recipe, kinds, pair) for pair in pairs]


def _is_many(recipe: Recipe, column: pd.Series) -> bool:
    return recipe.unseen_categories == "accept" and column.nunique() > _MANY


def _categories(recipe: Recipe) -> Any:
    if recipe.family == "boosting":
        return _ordinal(recipe)
    return OneHotEncoder(handle_unknown="ignore" if recipe.unseen_categories == "accept" else "error")


def _numbers(recipe: Recipe, X: pd.DataFrame) -> Any:
    """Trees take missing values as they are; a linear model is given the mean, and told that it was missing."""
    if recipe.family == "boosting":
        return "passthrough"
    filling: dict[str, Any] = {"add_indicator": True} if X.isna().any(axis=None) else {}
    return make_pipeline(SimpleImputer(**filling), StandardScaler())


def _filled(recipe: Recipe, encoder: Any) -> Any:
    """For a linear model also without gaps, and on one scale."""
    if recipe.family == "boosting":
        return encoder
    return make_pipeline(encoder, SimpleImputer(), StandardScaler())


def _encoder(how: Encoding, recipe: Recipe, framing: Framing, y: pd.Series, seed: int) -> Any:
    linear = recipe.family in ("linear", "sgd")
    match how:
        case "ordinal":
            return _ordinal(recipe)
        case "one-hot":
            unknown = "infrequent_if_exist" if recipe.unseen_categories == "accept" else "error"
            return OneHotEncoder(min_frequency=_RARE, handle_unknown=unknown, sparse_output=linear)
        case "target":
            return _target_encoder(framing, y, seed)
        case "frequency":
            return Frequencies()
        case "text":
            return Words(topics=None if linear else _TOPICS, seed=seed)
        case "date":
            return DateParts("circles" if linear else "parts")


def _target_encoder(framing: Framing, y: pd.Series, seed: int) -> TargetEncoder:
    """Cross-fitted by scikit-learn: no training row is encoded by its own label."""
    kind = {"regression": "continuous"}.get(framing.task, framing.task)
    if kind == "continuous":
        folds: Any = KFold(5 if len(y) >= 5 else 2, shuffle=True, random_state=seed)
    else:
        folds = StratifiedKFold(max(2, min(5, int(y.value_counts().min()))), shuffle=True, random_state=seed)
    return TargetEncoder(target_type=kind, cv=folds)


def _interaction(recipe: Recipe, kinds: _Kinds, pair: tuple[str, str]) -> Step:
    name, columns = f"{pair[0]} and {pair[1]}", list(pair)
    match kinds.of(pair[0]), kinds.of(pair[1]):
        case ("numeric", "numeric"):
            return name, _filled(recipe, Product()), columns
        case ("text", "text"):
            return name, make_pipeline(JoinedCategories(), _categories(recipe)), columns
        case ("time", "time"):
            return name, _filled(recipe, DaysBetween()), columns
        case (first, second):
            raise PerennialError(
                f"the recipe combines {pair[0]!r} ({first}) with {pair[1]!r} ({second}); two numbers, two texts or two "
                "times combine. Make one of them the other's kind in the source's `derive`."
            )


def _ordinal(recipe: Recipe) -> OrdinalEncoder:
    if recipe.unseen_categories == "raise":
        return OrdinalEncoder(handle_unknown="error")
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)


def _estimator(recipe: Recipe, framing: Framing, seed: int) -> BaseEstimator:
    classes, given = framing.task != "regression", dict(recipe.parameters)
    kinds: Mapping[str, Any] = {
        "boosting": HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor,
        "linear": LogisticRegression if classes else Ridge,
        "sgd": SGDClassifier if classes else SGDRegressor,
        "constant": DummyClassifier if classes else DummyRegressor,
    }
    if recipe.family != "constant":
        given = {"random_state": seed} | given
    if recipe.family == "boosting":
        given = {"early_stopping": False} | given  # its random split would spend rows we hold out by time
    if recipe.family == "sgd":
        # A rate that falls with every row seen would soon learn nothing from the newest; and of a classifier's losses
        # only this one gives probabilities.
        given = {"learning_rate": "constant", "eta0": 0.01} | ({"loss": "log_loss"} if classes else {}) | given
    return kinds[recipe.family](**given)
