"""How does a model predict beyond every number it was trained on? It learns by how much the target exceeds a known column."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.pipeline import Pipeline

__all__ = ["RelativeRegressor"]

_LEAST = 0.1  # of the training rows lie below it: from a column near zero a ratio can be anything


class RelativeRegressor(RegressorMixin, BaseEstimator):
    """The pipeline fitted to target / column, and asked for column x ratio: where the column grows, so do predictions.

    A row counts by its column, so that an error of one bike weighs alike where few are rented and where many are. The
    column is never taken as less than a tenth of the training rows have; where it is missing, as their median.
    """

    def __init__(self, estimator: Pipeline, column: str) -> None:
        self.estimator = estimator
        self.column = column

    def fit(self, X: pd.DataFrame, y: pd.Series, sample_weight: np.ndarray | None = None) -> "RelativeRegressor":
        known = X[self.column].to_numpy(dtype=float)
        if not np.isfinite(known).any():
            raise ValueError(f"no training row has a value of {self.column}, which the target is relative to")
        # A positive floor: a ratio to nothing, or to less, has no meaning.
        self.least_ = max(float(np.nanquantile(known, _LEAST)), 1e-3)
        self.usual_ = max(float(np.nanmedian(known)), self.least_)
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        level = self._level(X)
        weight = level if sample_weight is None else level * sample_weight
        self.estimator.fit(X, np.asarray(y, dtype=float) / level, model__sample_weight=weight / weight.mean())
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        return self._level(X) * np.asarray(self.estimator.predict(X), dtype=float)

    def _level(self, X: pd.DataFrame) -> np.ndarray:
        known = X[self.column].to_numpy(dtype=float)
        return np.maximum(np.where(np.isfinite(known), known, self.usual_), self.least_)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "least_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
