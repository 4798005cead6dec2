"""What does a hand-written rule look like to everything that expects a model?"""

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

__all__ = ["HeuristicClassifier", "HeuristicRegressor"]


class HeuristicClassifier(ClassifierMixin, BaseEstimator):
    """Subclass with `probability(frame)`, shape (n_rows,), in [0, 1]; at least 0.5 means positive. Nothing is fitted."""

    threshold = 0.5

    def probability(self, frame: pd.DataFrame) -> np.ndarray:
        raise NotImplementedError

    def fit(self, X: Any = None, y: Any = None) -> Self:
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        positive = np.asarray(self.probability(X), dtype=float)
        return np.column_stack([1 - positive, positive])

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        return (np.asarray(self.probability(X), dtype=float) >= self.threshold).astype(int)

    def __sklearn_is_fitted__(self) -> bool:
        return True


class HeuristicRegressor(RegressorMixin, BaseEstimator):
    """Subclass with `predict(frame)`, shape (n_rows,). Nothing is fitted."""

    def fit(self, X: Any = None, y: Any = None) -> Self:
        self.fitted_ = True
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        raise NotImplementedError
