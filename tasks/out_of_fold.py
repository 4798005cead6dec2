"""What does a recipe say of rows that it was not fitted on? Fold by fold, so that each row is scored by the others' model."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from schemas.errors import PerennialError
from schemas.framing import Framing
from tasks.scoring import score

__all__ = ["folds", "out_of_fold", "unlikely"]


def folds(framing: Framing, rows: pd.DataFrame, k: int = 5) -> np.ndarray:
    """The fold of each row, shape (n,). Entities stay together where they repeat; without them a fold is a stretch of time,
    so that neighbours do not give each other away; without a time it goes by the key. `rows` are in time order."""
    if framing.entity is not None or framing.timeless:
        unit = rows[framing.entity or framing.key].astype(str)
        return (pd.util.hash_pandas_object(unit, index=False) % k).to_numpy(dtype=int)
    return np.arange(len(rows)) * k // max(len(rows), 1)


def out_of_fold(framing: Framing, rows: pd.DataFrame, fit: Callable[[pd.DataFrame], Any], *, k: int = 5) -> np.ndarray:
    """What the models that `fit` makes of the other folds say of each row: probabilities of shape (n, classes), or
    predictions of shape (n,)."""
    fold, said = folds(framing, rows, k), None
    for one in np.unique(fold):
        held = fold == one
        found = score(fit(rows[~held]), rows[held], framing).score
        found = np.column_stack([1 - found, found]) if framing.task == "binary" else found
        said = np.full((len(rows), *found.shape[1:]), np.nan) if said is None else said
        said[held] = found
    if said is None or not np.isfinite(said).all():
        raise PerennialError(f"the recipe gives no finite score on {len(rows)} rows out of fold.")
    return said


def unlikely(framing: Framing, said: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How little each label was to be expected, shape (n,): one minus the probability of its class, or how far a number
    lies from the prediction. `labels` are as `class_indices` gives them."""
    if framing.task == "regression":
        return np.abs(said - labels)
    return np.asarray(1 - said[np.arange(len(labels)), labels.astype(int)])
