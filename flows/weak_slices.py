"""In which part of the rows does the model know less than elsewhere? Declared columns, categories, and regions searched for."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from flows.out_of_sample import Unseen
from schemas.diagnosis import Slice
from schemas.framing import Framing
from tasks import evaluation, scoring
from tasks.scoring import Scores
from tasks.stats import fixed_interval

__all__ = ["members", "naive_losses", "weak_slices"]

_ALPHA = 0.05  # of each end, shared by all slices looked at
_FEWEST = 40  # rows of a slice under which its loss says nothing
_FEWEST_CLUSTERS = 5
_VALUES = 25  # of a column that is sliced by its values
_SHOWN = 12
_LARGEST = 0.5  # of the rows: what is weaker than that is the rule, and the rest is strong


def weak_slices(found: Unseen, *, seed: int) -> tuple[Slice, ...]:
    """The slices that lose most beyond the others, the widest room first.

    Of a column's value the excess is over what it would lose if the model were as much better than the naive answer there
    as elsewhere: a value with a base rate near a half is harder for anybody, and no weakness. Regions of numbers are
    searched on one half of the rows and judged on the other, by what is lost beyond what the model itself expects to lose:
    near the border between classes every model is unsure, and right to be. Intervals pay for all that were looked at."""
    by_value = _values(found)
    searched = _searched(found, seed=seed) or {}
    looked = max(1, len(by_value) + len(searched))
    slices = [_skill(found, one, alpha=_ALPHA / looked) for one in by_value]
    surprise = _surprise(found)
    slices += [_excess(found, name, at, surprise, alpha=_ALPHA / looked) for name, at in searched.items()]
    kept = [one for one in slices if one is not None]
    return tuple(sorted(kept, key=lambda one: -one.excess[0] * one.rows)[:_SHOWN])


def members(rows: pd.DataFrame, one: Slice) -> np.ndarray:
    """Which rows lie in the slice, shape (n,); a searched region is said by its conditions, and read again."""
    inside = np.ones(len(rows), dtype=bool)
    for condition in one.name.split(" and "):
        inside &= _holds(rows, condition)
    return inside


def _holds(rows: pd.DataFrame, condition: str) -> np.ndarray:
    for sign, compare in ((" <= ", np.less_equal), (" > ", np.greater)):
        name, _, value = condition.partition(sign)
        if value and name in rows:
            with np.errstate(invalid="ignore"):
                return np.asarray(compare(rows[name].to_numpy(dtype=float), float(value)))
    name, _, value = condition.partition(" is ")
    wanted = value.removeprefix("not ")
    if name not in rows:
        return np.zeros(len(rows), dtype=bool)
    code, names = _coded(rows[name])
    same = np.isin(code, [k for k, one in enumerate(names) if one == wanted])
    return same if value == wanted else ~same


def _coded(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Which of the column's values each row has, shape (n,), and the values as text; missing is one of them."""
    code, values = pd.factorize(column, use_na_sentinel=False)
    return code, [str(one) for one in values]


def naive_losses(label: np.ndarray, framing: Framing) -> np.ndarray:
    """Loss a row, shape (n,), of the best answer that is the same for all of these rows."""
    n = len(label)
    if framing.task == "regression":
        said = np.full(n, float(np.median(label)))
        return scoring.row_loss(Scores(said, said), label, framing)
    if framing.task == "multiclass":
        share = np.bincount(label.astype(int), minlength=framing.n_classes) / n
        score = np.tile(share, (n, 1))
        losses = [
            scoring.row_loss(Scores(score, np.full(n, float(k))), label, framing) for k in range(framing.n_classes)
        ]
    else:
        score = np.full(n, float(label.mean()))
        losses = [scoring.row_loss(Scores(score, np.full(n, d)), label, framing) for d in (0.0, 1.0)]
    return min(losses, key=lambda loss: float(loss.mean()))


@dataclass(frozen=True)
class _Value:
    """A column's value: which rows hold it, and what each row would lose by the best answer for all rows of its own value."""

    name: str
    inside: np.ndarray
    naive: np.ndarray


def _values(found: Unseen) -> list[_Value]:
    """Each value of a column with few of them: the declared ones first, then the recipe's categories."""
    problem, rows = found.fit.problem, found.rows
    declared = [name for name in problem.framing.slices if name in rows]
    texts = [name for name in found.fit.recipe.features if not pd.api.types.is_numeric_dtype(rows[name])]
    shown = [
        name for name in dict.fromkeys([*declared, *texts]) if name not in {*problem.personal, problem.framing.key}
    ]
    return [one for name in shown if 1 < rows[name].nunique() <= _VALUES for one in _of_column(found, name)]


def _of_column(found: Unseen, name: str) -> list[_Value]:
    code, names = _coded(found.rows[name])
    inside = {said: np.isin(code, [k for k, one in enumerate(names) if one == said]) for said in set(names)}
    naive = np.empty(len(code))
    for of in inside.values():
        naive[of] = naive_losses(found.label[of], found.fit.problem.framing)
    return [_Value(f"{name} is {said}", inside[said], naive) for said in sorted(inside)]


def _searched(found: Unseen, *, seed: int) -> Mapping[str, np.ndarray] | None:
    problem, rows = found.fit.problem, found.rows
    numbers = [name for name in found.fit.recipe.features if pd.api.types.is_numeric_dtype(rows[name])]
    told = {*problem.personal, problem.framing.key}
    full = [name for name in numbers if name not in told and rows[name].notna().all()]
    if not full:
        return None
    entity = rows[problem.framing.entity].to_numpy() if problem.framing.entity else None
    at_least = max(_FEWEST, len(rows) // 20)
    return evaluation.excess_slices(_surprise(found), rows, full, at_least=at_least, seed=seed, entity=entity)


def _surprise(found: Unseen) -> np.ndarray:
    """Loss beyond what the model itself expects to lose, shape (n,): zero on average where it is calibrated. A number's model
    says no expectation; there it is the loss over the mean."""
    framing = found.fit.problem.framing
    if framing.task == "regression":
        return found.loss - found.loss.mean()
    score = found.score if found.score.ndim == 2 else np.column_stack([1 - found.score, found.score])
    threshold = scoring.threshold_of(found.fit.model)
    decision = score.argmax(axis=1).astype(float) if found.score.ndim == 2 else (found.score >= threshold).astype(float)
    said = Scores(found.score, decision)
    expected = sum(
        score[:, k] * scoring.row_loss(said, np.full(len(score), float(k)), framing) for k in range(score.shape[1])
    )
    beyond = np.asarray(scoring.row_loss(said, found.label, framing) - expected)
    return beyond - beyond.mean()  # a model that is too sure everywhere has no slice for it


def _skill(found: Unseen, one: _Value, *, alpha: float) -> Slice | None:
    inside, rest = one.inside, ~one.inside
    if not _enough(found, inside) or inside.mean() > _LARGEST:
        return None
    # Against each row's own value: one answer for all the others would owe the model what the column alone says.
    naive_rest = float(one.naive[rest].mean())
    if naive_rest <= 0:
        return None
    # No better than naive elsewhere either: then nothing more is asked of the slice.
    left = min(1.0, float(found.loss[rest].mean()) / naive_rest)
    span = fixed_interval(found.loss[inside] - left * one.naive[inside], alpha=alpha, clusters=found.cluster[inside])
    return _slice(found, one.name, inside, span)


def _excess(found: Unseen, name: str, at: np.ndarray, surprise: np.ndarray, *, alpha: float) -> Slice | None:
    inside = np.zeros(len(found.loss), dtype=bool)
    inside[at] = True
    if not _enough(found, inside) or inside.mean() > _LARGEST / 2:
        return None
    span = fixed_interval(surprise[inside], alpha=alpha, clusters=found.cluster[inside])
    one = _slice(found, name, inside, span)
    # What it was judged on is one half; its rows and its share of the loss are those of both.
    return _slice(found, name, members(found.rows, one), span)


def _enough(found: Unseen, inside: np.ndarray) -> bool:
    return int(inside.sum()) >= _FEWEST and len(np.unique(found.cluster[inside])) >= _FEWEST_CLUSTERS


def _slice(found: Unseen, name: str, inside: np.ndarray, span: tuple[float, float, float]) -> Slice:
    loss, whole = found.loss[inside], float(found.loss.sum())
    return Slice(name, int(inside.sum()), float(loss.mean()), span, float(loss.sum()) / whole if whole else 0.0)
