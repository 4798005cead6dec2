"""Which types may a model file bring to life? The committed list; everything else is refused before it is loaded."""

import importlib
from collections.abc import Iterable

from sklearn.base import BaseEstimator

__all__ = ["TRUSTED_TYPES", "trusted_for"]

# Beyond what skops trusts by itself. Each is a plain container of numbers inside scikit-learn, or one of our own encoders and corrections.
TRUSTED_TYPES = (
    "numpy.dtype",
    "sklearn._loss.link.IdentityLink",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.link.MultinomialLogit",
    "sklearn._loss.loss.AbsoluteError",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss.loss.HalfMultinomialLoss",
    "sklearn._loss.loss.HalfSquaredError",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
    "tasks.encoders.DateParts",
    "tasks.encoders.DaysBetween",
    "tasks.encoders.Frequencies",
    "tasks.encoders.JoinedCategories",
    "tasks.encoders.Phrases",
    "tasks.encoders.Product",
    "tasks.encoders.Words",
    "tasks.neighbours.NeighboursClassifier",
    "tasks.neighbours.NeighboursRegressor",
    "tasks.recalibration.RecalibratedClassifier",
    "tasks.recalibration.RecalibratedRegressor",
    "tasks.relative.RelativeRegressor",
)


_OURS = "schemas.problems."  # beneath it a team's own estimators stand, reviewed with the rest of this repository


def trusted_for(heuristic: BaseEstimator | None, found: Iterable[str] = ()) -> list[str]:
    """The committed list, the problem's own heuristic, which is code in this repository, and, of the types `found` in a
    model file, estimators that this repository defines under schemas/problems. A type of scikit-learn that skops does not
    know, or of any other package, is taken only once the list names it."""
    own = [f"{type(heuristic).__module__}.{type(heuristic).__qualname__}"] if heuristic is not None else []
    return sorted({*TRUSTED_TYPES, *own, *(name for name in found if _of_this_repository(name))})


def _of_this_repository(name: str) -> bool:
    """Is it an estimator class that a file under schemas/problems defines? Only such a file is imported to find out."""
    module, _, kind = name.rpartition(".")
    if not module.startswith(_OURS):
        return False
    try:
        there = getattr(importlib.import_module(module), kind, None)
    except ImportError:
        return False
    return isinstance(there, type) and issubclass(there, BaseEstimator) and there.__module__ == module
