"""Which types may a model file bring to life? The committed list; everything else is refused before it is loaded."""

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
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.tree._tree.Tree",
    "tasks.encoders.DateParts",
    "tasks.encoders.DaysBetween",
    "tasks.encoders.Frequencies",
    "tasks.encoders.JoinedCategories",
    "tasks.encoders.Product",
    "tasks.encoders.Words",
    "tasks.recalibration.RecalibratedClassifier",
    "tasks.recalibration.RecalibratedRegressor",
    "tasks.relative.RelativeRegressor",
)


def trusted_for(heuristic: BaseEstimator | None) -> list[str]:
    """The committed list, and the problem's own heuristic, which is code in this repository."""
    own = [f"{type(heuristic).__module__}.{type(heuristic).__qualname__}"] if heuristic is not None else []
    return sorted([*TRUSTED_TYPES, *own])
