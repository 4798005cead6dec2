"""How do the models of several folds answer as one? Each row is scored by the model that was not fitted on it."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tasks.splits import Split

__all__ = ["Folded", "fold_by_fold"]


def fold_by_fold(key: str, parts: Sequence[Split], fit: Callable[[Split], Any]) -> Any:
    """What `fit` makes of the one split; of several folds, a model that asks for each row the fold that judges it."""
    if len(parts) == 1:
        return fit(parts[0])
    return Folded(key, [(fit(part), part.test[key]) for part in parts])


class Folded:
    """Rows that no fold judges are scored by the first model, which was fitted on the oldest rows.

    Its operating point is that of the first model, frozen on rows that no fold judges: one for all.
    """

    def __init__(self, key: str, models: Sequence[tuple[Any, pd.Series]]) -> None:
        self._key, self._models = key, [model for model, _ in models]
        self._fold = {name: i for i, (_, keys) in enumerate(models) for name in keys}
        threshold = getattr(self._models[0], "threshold", None)
        if threshold is not None:
            self.threshold = threshold
        if hasattr(self._models[0], "classes_"):
            self.classes_ = np.unique(np.concatenate([model.classes_ for model in self._models]))

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        said = np.full(len(frame), np.nan)
        for model, rows in self._parts(frame):
            said[rows] = np.asarray(model.predict(_shown(model, frame.iloc[rows])), dtype=float)
        return said

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        """Shape (n_rows, n_classes), in the order of `classes_`; a class that a fold never saw has probability 0."""
        said = np.zeros((len(frame), len(self.classes_)))
        for model, rows in self._parts(frame):
            columns = np.searchsorted(self.classes_, model.classes_)
            said[np.ix_(rows, columns)] = model.predict_proba(_shown(model, frame.iloc[rows]))
        return said

    def _parts(self, frame: pd.DataFrame) -> list[tuple[Any, np.ndarray]]:
        fold = frame[self._key].map(lambda name: self._fold.get(name, 0)).to_numpy(dtype=int)
        return [(self._models[i], np.flatnonzero(fold == i)) for i in np.unique(fold)]


def _shown(model: Any, frame: pd.DataFrame) -> pd.DataFrame:
    names = getattr(model, "feature_names_in_", None)
    return frame if names is None else frame[list(names)]
