"""What do held-out rows show about a model? Metrics with intervals, weak slices, behaviour; measured, not judged."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeRegressor

from schemas.framing import Behaviour, Direction, Fairness, Framing, Invariance, Requirement
from tasks.gates import Violations
from tasks.scoring import Scores, row_loss, score
from tasks.stats import (
    Calibration,
    average_precision,
    bootstrap_interval,
    calibration,
    macro_auc,
    precision_at_threshold,
    recall_at_threshold,
    roc_auc,
    weighted_mean,
)

__all__ = [
    "behaviour_kept",
    "calibration_of",
    "excess_slices",
    "group_members",
    "group_values",
    "metric_intervals",
]

_RESAMPLES = 400
_BLOCKS = 5  # with two days an interval lies above the truth 29 % of the time where 5 % is nominal, with five 8 %
_ASKED = 500  # rows a behavioural check is asked of: enough to see 1 % of violations, and it takes milliseconds
Interval3 = tuple[float, float, float]


def metric_intervals(
    wanted: Iterable[Requirement],
    framing: Framing,
    scores: Scores,
    labels: np.ndarray,
    *,
    thresholds: Mapping[str, float],
    blocks: np.ndarray,
    alpha: float,
    seed: int,
) -> dict[str, Interval3]:
    """(low, estimate, high) by the requirement's name, from a bootstrap over whole `blocks` (days or entities).

    `thresholds` has the operating points' thresholds, by the requirement's name, frozen on validation rows. Too few blocks
    give no interval, which a gate reads as missing.
    """
    found: dict[str, Interval3] = {}
    if np.unique(blocks).size < _BLOCKS:
        return found
    for requirement in wanted:
        measured, y = _column(requirement, framing, scores, labels)
        rng = np.random.default_rng(seed)
        interval = partial(bootstrap_interval, blocks=blocks, alpha=alpha, rng=rng, n_resamples=_RESAMPLES)
        if requirement.at_precision is None:
            found[requirement.name] = interval(_metric(requirement.metric, framing), measured, y)
            continue
        threshold = thresholds[requirement.name]
        found[requirement.name] = interval(partial(recall_at_threshold, threshold=threshold), measured, y)
        kept = interval(partial(precision_at_threshold, threshold=threshold), measured, y)
        found[f"precision of {requirement.name}"] = kept
    return found


def _column(wanted: Requirement, framing: Framing, scores: Scores, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the metric is computed from: scores, decisions, or one value a row that is averaged."""
    if wanted.at_precision is not None:
        return scores.score, labels  # judged at a threshold of its own
    match wanted.metric:
        case "recall" | "precision":
            return scores.decision, labels
        case "accuracy":
            return (scores.decision == labels).astype(float), labels
        case "mae":
            return np.abs(scores.score - labels), labels
        case "loss":
            return row_loss(scores, labels, framing), labels
    return scores.score, labels


def _metric(name: str, framing: Framing) -> Callable[..., Any]:
    match name:
        case "roc_auc":
            return macro_auc if framing.task == "multiclass" else roc_auc
        case "average_precision":
            return average_precision
        case "recall":
            return partial(recall_at_threshold, threshold=0.5)
        case "precision":
            return partial(precision_at_threshold, threshold=0.5)
    return weighted_mean


def calibration_of(scores: Scores, labels: np.ndarray, framing: Framing, *, alpha: float = 0.05) -> Calibration:
    """How far scores lie from outcomes; of several classes the worst of those shown at `alpha`, or the worst where none
    is, with its p-value paid for all of them. A regression is measured in units of its loss's bound."""
    if framing.task == "binary":
        return calibration(scores.score, labels)
    if framing.task == "regression":
        bound = getattr(framing.loss, "bound", 1.0)
        return calibration(scores.score / bound, labels / bound)
    k = framing.n_classes
    each = [calibration(scores.score[:, i], (labels == i).astype(float)) for i in range(k)]
    paid = [replace(found, p_value=min(1.0, found.p_value * k)) for found in each]
    # The surest first: a class that is off by more, and not surely, hides none that is.
    return min(paid, key=lambda found: (found.p_value >= alpha, -found.error))


def excess_slices(
    excess: np.ndarray,
    frame: pd.DataFrame,
    features: Sequence[str],
    *,
    at_least: int,
    seed: int,
    entity: np.ndarray | None = None,
    at_most: int = 3,
) -> dict[str, np.ndarray] | None:
    """Rows (positions, shape (n,)) of the slices where `excess` is highest, by their description, found on one random half
    of the rows (of the entities, where they repeat) and given on the other: what was searched for is not what is judged.
    None where a half is too small to search.

    `excess` is one value a row, shape (n_rows,). A slice is a leaf of a tree of depth two with `at_least` rows.
    """
    X = _numbers(frame[list(features)])
    unit = np.arange(len(X)) if entity is None else np.unique(entity, return_inverse=True)[1]
    units = int(unit.max()) + 1 if len(unit) else 0
    first = (np.random.default_rng(seed).permutation(units) < units // 2)[unit]
    if min(first.sum(), (~first).sum()) < 2 * at_least:
        return None
    tree = DecisionTreeRegressor(max_depth=2, min_samples_leaf=at_least, random_state=seed).fit(X[first], excess[first])
    leaf = tree.apply(X)
    means = {node: excess[first & (leaf == node)].mean() for node in np.unique(leaf[first])}
    worst = sorted((node for node in means if means[node] > 0), key=lambda node: -means[node])[:at_most]
    return {_described(tree, node, list(X.columns)): np.flatnonzero(~first & (leaf == node)) for node in worst}


def _numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Text becomes one column a value, so that a leaf can be said in words."""
    text = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    return pd.get_dummies(frame, columns=text, prefix_sep=" is ").astype(float)


def _described(tree: Any, leaf: int, names: list[str]) -> str:
    """The path to a leaf, in words."""
    inner, said = tree.tree_, []
    node = 0
    while node != leaf:
        left, right = int(inner.children_left[node]), int(inner.children_right[node])
        goes_left = leaf in _below(inner, left)
        name, cut = names[inner.feature[node]], float(inner.threshold[node])
        if " is " in name:
            said.append(name.replace(" is ", " is not ") if goes_left else name)
        else:
            said.append(f"{name} {'<=' if goes_left else '>'} {cut:.4g}")
        node = left if goes_left else right
    return " and ".join(said) or "all rows"


def _below(inner: Any, node: int) -> set[int]:
    left = int(inner.children_left[node])
    return {node} if left < 0 else {node} | _below(inner, left) | _below(inner, int(inner.children_right[node]))


def group_values(
    wanted: Fairness, frame: pd.DataFrame, scores: Scores, labels: np.ndarray, framing: Framing
) -> dict[str, np.ndarray]:
    """The measure a row, shape (n_rows,), by group. A true positive rate is measured on the positives alone."""
    values = row_loss(scores, labels, framing) if wanted.measure == "loss" else scores.decision
    return _by_group(wanted, frame, labels, values)


def group_members(
    wanted: Fairness, frame: pd.DataFrame, labels: np.ndarray, entity: np.ndarray | None
) -> dict[str, np.ndarray] | None:
    """Whose row each is, in the order of `group_values`; None where entities do not repeat."""
    return None if entity is None else _by_group(wanted, frame, labels, entity)


def _by_group(wanted: Fairness, frame: pd.DataFrame, labels: np.ndarray, values: np.ndarray) -> dict[str, np.ndarray]:
    asked = labels >= 0.5 if wanted.measure == "true positive rate" else np.ones(len(frame), dtype=bool)
    group = frame[wanted.column].map(str, na_action=None).to_numpy(dtype=object)
    return {name: values[asked & (group == name)] for name in sorted(set(group))}


def behaviour_kept(model: Any, rows: pd.DataFrame, framing: Framing) -> dict[str, Violations]:
    """How many rows break each declared behaviour, asked of at most 500 rows spread over all of them."""
    step = max(1, len(rows) // _ASKED)
    asked = rows.iloc[::step]
    return {_named(check): _violations(check, model, asked, framing) for check in framing.behaviours}


def _named(check: Behaviour) -> str:
    match check:
        case Invariance():
            return f"invariance to {check.column} {', '.join(map(str, check.values))}"
        case Direction():
            return f"{check.column} {check.by:+g} moves the score {check.moves}"
    return check.name


def _violations(check: Behaviour, model: Any, asked: pd.DataFrame, framing: Framing) -> Violations:
    before = score(model, asked, framing)
    broken = np.zeros(len(asked), dtype=bool)
    if isinstance(check, Invariance):
        for value in check.values:
            moved = score(model, asked.assign(**{check.column: value}), framing)
            broken |= _differs(moved, before.decision, framing)
    elif isinstance(check, Direction):
        after = score(model, asked.assign(**{check.column: asked[check.column] + check.by}), framing)
        rise = _scalar(after.score) - _scalar(before.score)
        # Written so that a score which is no number breaks it too.
        broken = ~((rise if check.moves == "down" else -rise) <= check.slack)
    else:
        after = score(model, asked.assign(**check.values), framing)
        broken = _differs(after, np.full(len(asked), check.decision), framing)
    return Violations(int(broken.sum()), len(asked), check.tolerated_share)


def _differs(said: Scores, wanted: np.ndarray, framing: Framing) -> np.ndarray:
    """Another decision, or none; a prediction is another one from the non-inferiority margin on."""
    if framing.task == "regression":
        return ~(np.abs(said.decision - wanted) <= framing.margin * getattr(framing.loss, "bound", 1.0))
    return said.decision != wanted


def _scalar(value: np.ndarray) -> np.ndarray:
    """One number a row: of several classes the probability of the last, which the framing's order makes the highest."""
    return value[:, -1] if value.ndim == 2 else value
