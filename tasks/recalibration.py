"""How is a champion re-mapped, not retrained? It is frozen inside an estimator that corrects what its scores mean."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier

from schemas.errors import PerennialError
from schemas.framing import Framing
from tasks.scoring import class_indices, score
from tasks.stats import platt_map, straight_map, temperature

__all__ = ["RecalibratedClassifier", "RecalibratedRegressor", "UselessScoresError", "bare", "recalibrated"]

_SURE = 1e-6  # a probability nearer to 0 or 1 counts as this near: its logarithm is finite


class UselessScoresError(PerennialError):
    def __init__(self, rows: int, why: str) -> None:
        super().__init__(
            f"the champion's scores cannot be recalibrated on {rows:,} rows: {why}. Train a challenger anew instead."
        )


class _Recalibrated(BaseEstimator):
    """A fitted estimator, asked and corrected: its order of rows stays, and what a score means is mended."""

    def __init__(self, estimator: Any, slope: float = 1.0, intercept: float = 0.0) -> None:
        self.estimator = estimator
        self.slope = slope
        self.intercept = intercept

    def fit(self, X: Any, y: Any = None) -> "_Recalibrated":
        """Nothing is fitted here: `recalibrated` chose slope and intercept."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def feature_names_in_(self) -> np.ndarray:
        return self.estimator.feature_names_in_

    @property
    def n_features_in_(self) -> int:
        return int(self.estimator.n_features_in_)


class RecalibratedClassifier(ClassifierMixin, _Recalibrated):
    """Log probabilities times `slope` (one over the temperature), and of two classes the second's raised by `intercept`."""

    @property
    def classes_(self) -> np.ndarray:
        return self.estimator.classes_

    def predict(self, X: Any) -> np.ndarray:
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Shape (n_rows, n_classes), in the order of `classes_`."""
        return self.remapped(np.asarray(self.estimator.predict_proba(X), dtype=float))

    def remapped(self, probability: np.ndarray) -> np.ndarray:
        """What the estimator's probabilities, shape (n, k), become; where it gives none, none."""
        logs = self.slope * _logs(probability)
        logs[:, -1] += self.intercept
        return np.asarray(softmax(logs, axis=1))


class RecalibratedRegressor(RegressorMixin, _Recalibrated):
    """A prediction times `slope`, raised by `intercept`."""

    def predict(self, X: Any) -> np.ndarray:
        return self.remapped(np.asarray(self.estimator.predict(X), dtype=float))

    def remapped(self, prediction: np.ndarray) -> np.ndarray:
        """What the estimator's predictions, shape (n,), become."""
        return self.slope * prediction + self.intercept


def bare(model: Any) -> Any:
    """The estimator that was fitted on features, without the threshold and the correction around it."""
    while isinstance(model, FixedThresholdClassifier | FrozenEstimator | _Recalibrated):
        model = getattr(model, "estimator_", None) or model.estimator
    return model


def recalibrated(champion: Any, framing: Framing, rows: pd.DataFrame) -> Any:
    """The champion with its scores re-mapped on labelled `rows` that it was not trained on: Platt's slope and intercept of
    two classes, a temperature of several, a line of a number. An earlier correction is replaced, not stacked."""
    model = bare(champion)
    said = score(model, rows, framing).score
    y = class_indices(rows[framing.target], framing)
    if np.isnan(said).any() or np.isnan(y).any():
        raise UselessScoresError(len(rows), "a score or a label is missing")
    try:
        slope, intercept = _fitted(said, y, framing)
    except ValueError as error:
        raise UselessScoresError(len(rows), str(error)) from None
    if not slope > 0:
        raise UselessScoresError(len(rows), "a higher score no longer means a higher outcome")
    wrapped = RecalibratedRegressor if framing.task == "regression" else RecalibratedClassifier
    return wrapped(model, slope, intercept)


def _fitted(said: np.ndarray, y: np.ndarray, framing: Framing) -> tuple[float, float]:
    match framing.task:
        case "binary":
            both = _logs(np.column_stack([1 - said, said]))
            return platt_map(both[:, 1] - both[:, 0], y)
        case "multiclass":
            return 1 / temperature(_logs(said), y), 0.0
        case "regression":
            return straight_map(said, y)


def _logs(probability: np.ndarray) -> np.ndarray:
    return np.log(np.clip(probability, _SURE, 1 - _SURE))
