"""Can a model be asked with plain arrays, past the DataFrame? Only where its answers are proved the same, digit for digit."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import pandas as pd

from schemas.framing import Framing
from tasks.scoring import Scores, score

__all__ = ["Shell", "fast_path", "innermost"]

Ask = Callable[[np.ndarray], np.ndarray]


def fast_path(model: Any, framing: Framing, golden: pd.DataFrame) -> Callable[[np.ndarray], Scores] | None:
    """A function from a float64 matrix (n, number of features, in the model's order) to the model's scores; None where
    the model reads text, or where one golden row, alone or among all, is scored another way."""
    names = list(getattr(model, "feature_names_in_", golden.columns))
    if golden.empty or not all(pd.api.types.is_numeric_dtype(golden[name]) for name in names):
        return None
    ask = _unwrapped(model, "predict" if framing.task == "regression" else "predict_proba", names)
    if ask is None:
        return None
    shell = Shell(model, ask)

    def fast(matrix: np.ndarray) -> Scores:
        return score(shell, matrix, framing)

    return fast if _same(model, fast, golden[names], framing) else None


class Shell:
    """What `score` sees of a model that is asked with arrays: no names of features, and the rest as it is."""

    def __init__(self, model: Any, ask: Ask) -> None:
        self.predict = self.predict_proba = ask
        if hasattr(model, "threshold"):
            self.threshold = model.threshold
        if hasattr(model, "classes_"):
            self.classes_ = model.classes_


def innermost(model: Any) -> Any:
    """The fitted estimator inside what carries a threshold or a calibration."""
    return _layers(model)[-1]


def _layers(model: Any) -> list[Any]:
    """The model, what it carries, and so on, down to the fitted estimator."""
    found = [model]
    while hasattr(found[-1], "estimator") or hasattr(found[-1], "estimator_"):
        found.append(getattr(found[-1], "estimator_", None) or found[-1].estimator)
    return found


def _unwrapped(model: Any, method: str, names: Sequence[str]) -> Ask | None:
    """The fitted estimator inside, asked without the names that the layers around it look up."""
    *around, inside = _layers(model)
    steps = getattr(inside, "steps", None)
    if not steps:
        return None
    prepare = [_prepared(step, names) for _, step in steps[:-1]]
    last = _boosted(steps[-1][1], method) or getattr(steps[-1][1], method, None)
    if last is None or any(one is None for one in prepare):
        return None
    corrected = [
        one for one in reversed(around) if hasattr(type(one), "remapped")
    ]  # a frozen layer has what it holds has

    def ask(matrix: np.ndarray) -> np.ndarray:
        for one in prepare:
            matrix = one(matrix)  # type: ignore[misc]
        said = np.asarray(last(matrix))
        for one in corrected:
            said = one.remapped(said)
        return said

    return ask


def _boosted(model: Any, method: str) -> Ask | None:
    """Gradient boosting's own trees, one after another, past what scikit-learn checks around each of a hundred: half the
    time of a small batch. It reaches into scikit-learn; a version that looks another way inside is asked the usual way."""
    if getattr(model, "_preprocessor", model) is not None:  # categories are encoded first
        return None
    try:
        from sklearn.ensemble._hist_gradient_boosting._predictor import _predict_from_raw_data as walk

        known, places = model._bin_mapper.make_known_categories_bitsets()
        trees = [(k, t.nodes, t.raw_left_cat_bitsets) for several in model._predictors for k, t in enumerate(several)]
        base, loss, width = model._baseline_prediction, model._loss, model.n_trees_per_iteration_
    except (ImportError, AttributeError):
        return None

    def ask(matrix: np.ndarray) -> np.ndarray:
        matrix = np.ascontiguousarray(matrix, dtype=np.float64)
        raw = np.zeros((len(matrix), width), dtype=base.dtype, order="F") + base
        columns, out = [raw[:, k] for k in range(width)], np.empty(len(matrix))
        for k, nodes, categories in trees:
            walk(nodes, matrix, categories, known, places, 1, out)
            columns[k] += out
        return np.asarray(loss.predict_proba(raw) if method == "predict_proba" else loss.link.inverse(raw.ravel()))

    return ask


def _prepared(step: Any, names: Sequence[str]) -> Ask | None:
    """A ColumnTransformer as a function of a matrix: its parts by position, side by side."""
    if not hasattr(step, "transformers_"):
        return None
    parts: list[tuple[Any, np.ndarray]] = []
    for _, how, columns in step.transformers_:
        if isinstance(how, str) and how == "drop":
            continue
        parts.append((_nameless(how), np.array([list(names).index(column) for column in columns])))
    if len(parts) == 1 and _passes(parts[0][0]):
        where = parts[0][1]
        return (lambda matrix: matrix) if (where == np.arange(len(names))).all() else (lambda matrix: matrix[:, where])

    def prepare(matrix: np.ndarray) -> np.ndarray:
        sides = [
            matrix[:, where] if _passes(how) else np.asarray(how.transform(matrix[:, where])) for how, where in parts
        ]
        return np.hstack(sides)

    return prepare


def _nameless(how: Any) -> Any:
    """A copy of a fitted transformer that has forgotten the names it was fitted with, and so does not miss them."""
    if isinstance(how, str):
        return how
    how = deepcopy(how)
    for one in (how, *(step for _, step in getattr(how, "steps", ()))):
        vars(one).pop("feature_names_in_", None)
    return how


def _passes(how: Any) -> bool:
    """A part that hands its columns on as they are."""
    return (isinstance(how, str) and how == "passthrough") or (
        type(how).__name__ == "FunctionTransformer" and how.func is None
    )


def _same(model: Any, fast: Callable[[np.ndarray], Scores], golden: pd.DataFrame, framing: Framing) -> bool:
    try:
        for rows in (golden, *(golden.iloc[[i]] for i in range(len(golden)))):
            wanted, found = score(model, rows, framing), fast(rows.to_numpy(dtype=float))
            same = np.array_equal(wanted.score, found.score, equal_nan=True)
            if not same or not np.array_equal(wanted.decision, found.decision, equal_nan=True):
                return False
    except Exception:  # whatever it is, the way with names is the one that holds
        return False
    return True
