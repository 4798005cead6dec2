"""What do the rows themselves suggest? What each column holds, and what it explains of what the model leaves unexplained."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from schemas.framing import Framing
from schemas.problem import Problem
from schemas.recipe import Recipe
from tasks.scoring import Scores
from tasks.stats.association import NOTHING, Association, by_groups, by_numbers, departure, strongest

__all__ = ["Column", "Facts", "facts_of", "unexplained"]

Holds = Literal["number", "category", "text", "time"]

_WORDS = 4.0  # a column with as many words a value on average is read, and not counted
_LEVELS = 200  # of a category; further ones are one
_VOCABULARY = 150
_PAIRED = 12  # columns of which pairs are looked at
_FEWEST = 60  # rows apart, under which nothing is asked of them


@dataclass(frozen=True)
class Column:
    name: str
    holds: Holds
    distinct: int
    missing: float  # share of the rows
    explains: Association | None = None  # of what the model leaves unexplained; None: not looked at


@dataclass(frozen=True)
class Facts:
    """Of the rows that experiments share. `reach` is how far back they go, `span` how far the recipe's own."""

    rows: int  # that a full experiment fits, about
    span: timedelta | None
    reach: timedelta | None
    rarest: float | None  # share of the rarest class
    columns: dict[str, Column] = field(default_factory=dict)
    pairs: dict[tuple[str, str], Association] = field(default_factory=dict)  # of columns that the recipe uses
    off: Association | None = (
        None  # what a mapping of scores to what came would take of what is left; None: not looked at
    )

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "span": self.span and self.span.total_seconds(),
            "reach": self.reach and self.reach.total_seconds(),
            "pairs": [[*pair, asdict(found)] for pair, found in self.pairs.items()],
        }

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> "Facts":
        pairs = {(one, other): found for one, other, found in said["pairs"]}
        made: Facts = TypeAdapter(cls).validate_python(said | {"pairs": pairs})
        return made

    def holding(self, *kinds: Holds) -> list[Column]:
        return [column for column in self.columns.values() if column.holds in kinds]


def facts_of(
    problem: Problem,
    recipe: Recipe,
    rows: pd.DataFrame,
    *,
    apart: pd.DataFrame | None = None,
    left: np.ndarray | None = None,
    said: np.ndarray | None = None,
) -> Facts:
    """`rows` are those that experiments share; `apart` rows that the model was not fitted on, `left` what it leaves
    unexplained of each, as `unexplained` says it, and `said` its scores. Without these the facts are of types and counts."""
    framing = problem.framing
    if apart is not None and len(apart) < _FEWEST:
        apart = left = said = None
    offered = [name for name in problem.asked if name != framing.key and name in rows]
    columns = {name: _column(name, rows[name], apart, left) for name in offered}
    pairs = {} if apart is None or left is None else _pairs(recipe, columns, apart, left)
    time = rows[framing.event_time]
    reach = None if framing.timeless else (time.max() - time.min()).to_pytimedelta()
    span = reach if recipe.window is None or reach is None else min(recipe.window, reach)
    rarest = None if framing.task == "regression" else float(rows[framing.target].value_counts(normalize=True).min())
    fitted = len(rows) if framing.timeless or recipe.window is None else int((time > time.max() - recipe.window).sum())
    off = None if left is None or said is None or framing.task != "binary" else departure(left, said)
    return Facts(fitted, span, reach, rarest, columns, pairs, off)


def unexplained(scores: Scores, labels: np.ndarray, framing: Framing) -> np.ndarray:
    """What came less what was said, shape (n,), or (n, k) of k classes; labels as `scoring.class_indices` gives them."""
    if framing.task != "multiclass":
        return np.asarray(labels - scores.score)
    return np.asarray(np.eye(framing.n_classes)[labels.astype(int)] - scores.score)


def _column(name: str, values: pd.Series, apart: pd.DataFrame | None, left: np.ndarray | None) -> Column:
    holds = _holds(values)
    found = None if apart is None or left is None else _explains(apart[name], holds, left)
    return Column(name, holds, int(values.nunique()), float(values.isna().mean()), found)


def _holds(values: pd.Series) -> Holds:
    if pd.api.types.is_datetime64_any_dtype(values):
        return "time"
    if pd.api.types.is_numeric_dtype(values):
        return "number"
    some = values.dropna().head(500).astype(str)
    return "text" if len(some) and some.str.count(r"\w+").mean() >= _WORDS else "category"


def _explains(values: pd.Series, holds: Holds, left: np.ndarray) -> Association:
    match holds:
        case "number":
            return by_numbers(left, values.to_numpy(dtype=float, na_value=np.nan))
        case "category":
            return by_groups(left, _levels(values))
        case "time":
            parts = (values.dt.hour, values.dt.dayofweek, values.dt.month)
            return strongest([by_groups(left, part.fillna(-1)) for part in parts])
        case "text":
            return _words(values, left)


def _levels(values: pd.Series) -> np.ndarray:
    """Categories by name; those of fewer than three rows say nothing by themselves, and are one."""
    named = values.astype(object).where(values.notna(), "").astype(str)
    counts = named.value_counts()
    kept = counts[counts >= 3].index[:_LEVELS]
    return np.asarray(named.where(named.isin(kept), "\x00rare"))


def _words(values: pd.Series, left: np.ndarray) -> Association:
    """The word that explains most stands for the text; the rest of it adds what they add beyond chance."""
    found = values.fillna("").astype(str).str.lower().str.findall(r"\w\w+").map(set)
    frequent = found.explode().value_counts().index[:_VOCABULARY]
    each = [by_groups(left, found.map(lambda words, word=word: word in words)) for word in frequent]
    best = strongest(each)
    return Association(min(1.0, sum(one.share for one in each if one.z > 3)), best.z)


def _pairs(
    recipe: Recipe, columns: dict[str, Column], apart: pd.DataFrame, left: np.ndarray
) -> dict[tuple[str, str], Association]:
    """What the product of two numbers, or two categories as one, explain; those that a recipe can combine."""
    used = [name for name in recipe.features if name in columns]
    numbers = [name for name in used if columns[name].holds == "number"]
    categories = [name for name in used if columns[name].holds == "category"]
    scaled = {name: _scaled(apart[name]) for name in numbers}
    found = {
        (one, other): by_numbers(left, scaled[one] * scaled[other])
        for one, other in combinations(_first(numbers, columns), 2)
    }
    for one, other in combinations(_first(categories, columns), 2):
        joined = apart[one].astype(str) + "\x1f" + apart[other].astype(str)
        found[one, other] = by_groups(left, _levels(joined))
    # The best of so many pairs stands out by chance as well.
    chance = math.sqrt(2 * math.log(max(len(found), 1)))
    found = {pair: replace(one, z=one.z - chance) for pair, one in found.items()}
    return dict(sorted(found.items(), key=lambda pair: -pair[1].z))


def _first(names: Sequence[str], columns: dict[str, Column]) -> list[str]:
    return sorted(names, key=lambda name: -(columns[name].explains or NOTHING).z)[:_PAIRED]


def _scaled(values: pd.Series) -> np.ndarray:
    x = values.to_numpy(dtype=float, na_value=np.nan)
    return np.asarray((x - np.nanmean(x)) / (np.nanstd(x) or 1.0))
