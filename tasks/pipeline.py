"""How does a recipe turn columns into the numbers that its estimator is fitted on? scikit-learn's own parts, put together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder

from schemas.errors import PerennialError
from schemas.framing import Framing
from schemas.recipe import Encoding, Recipe
from tasks.encoders import DateParts, DaysBetween, Frequencies, JoinedCategories, Phrases, Product, Words
from tasks.estimators import estimator_of, reads_sparse

__all__ = ["pipeline_of"]

_RARE = 10  # rows: categories under it are one, when a recipe asks for a column each
_TOPICS = 20  # directions of a text that trees and distances are shown; a linear model reads its words
# They read codes and gaps as they are; every other family is given categories as columns, nothing missing and one scale.
_TREES = frozenset({"tree", "forest", "boosting"})
_MANY = 50  # categories, from which on codes in the order of the alphabet say less than the target's mean


@dataclass(frozen=True)
class _Kinds:
    """The recipe's features by what they hold."""

    numeric: list[str]
    text: list[str]
    time: list[str]

    def of(self, name: str) -> str:
        return next(kind for kind in ("numeric", "text", "time") if name in getattr(self, kind))


def pipeline_of(
    recipe: Recipe,
    framing: Framing,
    X: pd.DataFrame,
    y: pd.Series,
    *,
    seed: int,
    class_weights: Mapping[Any, float] | None = None,
) -> Pipeline:
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
    model = estimator_of(recipe, framing, seed=seed, class_weights=class_weights)
    transformer = ColumnTransformer([step for step in steps if step[2]])
    return Pipeline([("columns", transformer), ("model", model)])


def _kinds(X: pd.DataFrame) -> _Kinds:
    numeric = [name for name in X.columns if pd.api.types.is_numeric_dtype(X[name])]
    time = [name for name in X.columns if pd.api.types.is_datetime64_any_dtype(X[name])]
    return _Kinds(numeric, [name for name in X.columns if name not in {*numeric, *time}], time)


Step = tuple[str, Any, list[str]]


def _columns(recipe: Recipe, framing: Framing, X: pd.DataFrame, y: pd.Series, kinds: _Kinds, seed: int) -> list[Step]:
    plain = [name for name in kinds.text if name not in recipe.encodings]
    numeric = [name for name in kinds.numeric if name not in recipe.encodings]
    dated = [name for name in kinds.time if name not in recipe.encodings]
    many = [name for name in plain if recipe.family in _TREES and _is_many(recipe, X[name])]
    plain = [name for name in plain if name not in many]
    steps: list[Step] = [
        ("text", _categories(recipe, framing), plain),
        ("numeric", _numbers(recipe, X[numeric]), numeric),
    ]
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
    return steps + [_interaction(recipe, framing, kinds, pair) for pair in pairs]


def _is_many(recipe: Recipe, column: pd.Series) -> bool:
    return recipe.unseen_categories == "accept" and column.nunique() > _MANY


def _categories(recipe: Recipe, framing: Framing) -> Any:
    if recipe.family in _TREES:
        return _ordinal(recipe)
    unknown = "ignore" if recipe.unseen_categories == "accept" else "error"
    return OneHotEncoder(handle_unknown=unknown, sparse_output=reads_sparse(recipe, framing))


def _numbers(recipe: Recipe, X: pd.DataFrame) -> Any:
    """Trees take missing values as they are; other families are given the mean, and told that it was missing."""
    if recipe.family in _TREES:
        return "passthrough"
    filling: dict[str, Any] = {"add_indicator": True} if X.isna().any(axis=None) else {}
    return make_pipeline(SimpleImputer(**filling), StandardScaler())


def _filled(recipe: Recipe, encoder: Any) -> Any:
    """For all but trees also without gaps, and on one scale."""
    if recipe.family in _TREES:
        return encoder
    return make_pipeline(encoder, SimpleImputer(), StandardScaler())


def _encoder(how: Encoding, recipe: Recipe, framing: Framing, y: pd.Series, seed: int) -> Any:
    sparse = reads_sparse(recipe, framing)
    match how:
        case "ordinal":
            return _ordinal(recipe)
        case "one-hot":
            unknown = "infrequent_if_exist" if recipe.unseen_categories == "accept" else "error"
            return OneHotEncoder(min_frequency=_RARE, handle_unknown=unknown, sparse_output=sparse)
        case "target":
            return _target_encoder(framing, y, seed)
        case "frequency":
            return Frequencies()
        case "text":
            return _words(recipe, None if sparse else _TOPICS, seed)
        case "date":
            return DateParts("parts" if recipe.family in _TREES else "circles")


def _words(recipe: Recipe, topics: int | None, seed: int) -> Words:
    if recipe.ngrams == 1:
        return Words(recipe.vocabulary, topics, seed)
    return Phrases(recipe.vocabulary, topics, seed, recipe.ngrams)


def _target_encoder(framing: Framing, y: pd.Series, seed: int) -> TargetEncoder:
    """Cross-fitted by scikit-learn: no training row is encoded by its own label."""
    kind = {"regression": "continuous"}.get(framing.task, framing.task)
    if kind == "continuous":
        folds: Any = KFold(5 if len(y) >= 5 else 2, shuffle=True, random_state=seed)
    else:
        folds = StratifiedKFold(max(2, min(5, int(y.value_counts().min()))), shuffle=True, random_state=seed)
    return TargetEncoder(target_type=kind, cv=folds)


def _interaction(recipe: Recipe, framing: Framing, kinds: _Kinds, pair: tuple[str, str]) -> Step:
    name, columns = f"{pair[0]} and {pair[1]}", list(pair)
    match kinds.of(pair[0]), kinds.of(pair[1]):
        case ("numeric", "numeric"):
            return name, _filled(recipe, Product()), columns
        case ("text", "text"):
            return name, make_pipeline(JoinedCategories(), _categories(recipe, framing)), columns
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
