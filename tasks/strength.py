"""How well does each column alone say what is to be predicted, on rows it was not fitted on, and do a few add up to it?"""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.preprocessing import OrdinalEncoder
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tasks.guesses.facts import Rule, Strength, Task

__all__ = ["best_rule", "filled_with", "strengths", "sums"]

_MOST = 6  # terms of a sum that is looked for
_LACK, _HAVE = 0.9, 0.9  # of unlabelled rows, and of labelled ones: as the doctor asks


def strengths(sample: pd.DataFrame, y: np.ndarray, names: Sequence[str], task: Task) -> dict[str, Strength]:
    """Each column's strength: a shallow tree fitted on the first half of the sampled rows, asked about the second."""
    keep = ~pd.isna(y)
    frame, y = sample[keep], y[keep]
    half = len(y) // 2
    if half < 20 or (task != "regression" and (len(set(y[:half])) < 2 or len(set(y[half:])) < 2)):
        return {}
    return {
        name: Strength(_power(_coded(frame[name]), y, half, task), _filled(frame[name], y, half, task))
        for name in names
    }


def _coded(column: pd.Series) -> np.ndarray:
    """The column as numbers; of words, their place in the alphabet, which a tree can cut."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return column.astype("int64").to_numpy(dtype=float)
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=float, na_value=np.nan)
    words = column.astype("string").fillna("").to_numpy(dtype=object).reshape(-1, 1)
    return OrdinalEncoder().fit_transform(words)[:, 0]


def _filled(column: pd.Series, y: np.ndarray, half: int, task: Task) -> float:
    missing = column.isna().to_numpy(dtype=float)
    return _power(missing, y, half, task) if 0 < missing.mean() < 1 else (0.0 if task == "regression" else 0.5)


def _power(x: np.ndarray, y: np.ndarray, half: int, task: Task) -> float:
    x = np.where(np.isfinite(x), x, np.nan).reshape(-1, 1)
    leaf = max(5, half // 200)
    if task == "regression":
        tree = DecisionTreeRegressor(max_leaf_nodes=64, min_samples_leaf=leaf, random_state=0).fit(x[:half], y[:half])
        return float(r2_score(y[half:], tree.predict(x[half:])))
    tree = DecisionTreeClassifier(max_leaf_nodes=64, min_samples_leaf=leaf, random_state=0).fit(x[:half], y[:half])
    said = tree.predict_proba(x[half:])
    if task == "binary":
        return float(roc_auc_score(y[half:], said[:, 1]))
    aucs = [
        float(roc_auc_score(y[half:] == one, said[:, i]))
        for i, one in enumerate(tree.classes_)
        if 0 < (y[half:] == one).mean() < 1
    ]
    return float(np.mean(aucs)) if aucs else 0.5


def filled_with(sample: pd.DataFrame, y: pd.Series, names: Sequence[str]) -> tuple[str, ...]:
    """Columns that nearly all unlabelled rows lack and nearly all labelled rows have: they came with the label."""
    without = y.isna().to_numpy()
    if not 10 <= without.sum() < len(y):
        return ()
    empty = sample[list(names)].isna()
    lacking, having = empty[without].mean() > _LACK, empty[~without].mean() < 1 - _HAVE
    return tuple(name for name in names if lacking[name] and having[name])


def sums(sample: pd.DataFrame, y: np.ndarray, names: Sequence[str]) -> tuple[str, ...]:
    """Numeric columns of which a few add up to the target, or multiply to it, exactly; empty where none do."""
    keep = np.isfinite(y)
    frame = sample.loc[keep, list(names)].astype(float)
    frame = frame.loc[:, frame.notna().mean() > 0.98]
    whole = frame.notna().all(axis=1).to_numpy()
    frame, y = frame[whole], y[keep][whole]
    if len(y) < 60 or frame.shape[1] < 2:
        return ()
    found = _exact(frame.to_numpy(), y, list(frame.columns))
    if not found and (y > 0).all():
        positive = frame.loc[:, (frame > 0).all()]
        found = _exact(np.log(positive.to_numpy()), np.log(y), list(positive.columns)) if positive.shape[1] > 1 else ()
    return found


def _exact(x: np.ndarray, y: np.ndarray, names: list[str]) -> tuple[str, ...]:
    """Greedily the column that explains most of what is left, until nothing is left; then what can be spared goes."""
    half, spread = len(y) // 2, float(np.var(y)) or 1.0
    chosen: list[int] = []
    left = y - y.mean()
    for _ in range(min(_MOST, x.shape[1])):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            centred = x - x.mean(axis=0)
            score = np.abs(centred.T @ left) / np.sqrt((centred**2).sum(axis=0))
        score[chosen] = -1
        chosen.append(int(np.nanargmax(np.nan_to_num(score, nan=-1.0))))
        left = _rest(x[:, chosen], y, len(y))
        if np.mean(left**2) < 1e-6 * spread:
            break
    if np.mean(_rest(x[:, chosen], y, half)[half:] ** 2) > 1e-6 * spread:
        return ()
    for one in list(chosen):
        fewer = [i for i in chosen if i != one]
        if fewer and np.mean(_rest(x[:, fewer], y, half)[half:] ** 2) < 1e-6 * spread:
            chosen = fewer
    return tuple(names[i] for i in chosen)


def _rest(x: np.ndarray, y: np.ndarray, fitted: int) -> np.ndarray:
    design = np.column_stack([np.ones(len(y)), x])
    return y - design @ np.linalg.lstsq(design[:fitted], y[:fitted], rcond=None)[0]


def best_rule(sample: pd.DataFrame, y: np.ndarray, names: Sequence[str], task: Task, *, bound: float) -> Rule | None:
    """The threshold on one number that loses least on the second half of the rows; None for classes, or without numbers."""
    if task == "multiclass":
        return None
    keep = np.isfinite(y)
    frame, y = sample.loc[keep], y[keep]
    half = len(y) // 2
    rules = [
        r for name in names if (r := _rule(name, frame[name].to_numpy(dtype=float), y, half, task, bound)) is not None
    ]
    return min(rules, key=lambda rule: rule.loss, default=None)


def _rule(name: str, x: np.ndarray, y: np.ndarray, half: int, task: Task, bound: float) -> Rule | None:
    x = np.where(np.isfinite(x), x, np.nanmedian(x) if np.isfinite(x).any() else 0.0)
    tree = DecisionTreeRegressor(max_depth=1, min_samples_leaf=max(10, half // 50), random_state=0).fit(
        x[:half, None], y[:half]
    )
    if tree.tree_.node_count < 3:
        return None
    cut, sides = float(tree.tree_.threshold[0]), x[:half] <= tree.tree_.threshold[0]
    middle = np.mean if task == "binary" else np.median
    below, above = float(middle(y[:half][sides])), float(middle(y[:half][~sides]))
    said = np.where(x[half:] <= cut, below, above)

    def loss(p: np.ndarray | float) -> float:
        return float(np.mean((y[half:] - p) ** 2 if task == "binary" else np.minimum(np.abs(y[half:] - p) / bound, 1)))

    return Rule(name, cut, below, above, loss(said), loss(float(middle(y[:half]))))
