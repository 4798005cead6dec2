"""How is a champion fitted on? Its own estimator, taught the rows that came since, with columns prepared as they always were."""

from copy import deepcopy
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline

from schemas.errors import PerennialError
from tasks.recalibration import bare

__all__ = ["NotUpdatableError", "updated"]


class NotUpdatableError(PerennialError):
    def __init__(self, what: str) -> None:
        super().__init__(f"the champion cannot be updated: {what}. Train a challenger anew, with Recipe.start='anew'.")


def updated(champion: Any, X: pd.DataFrame, y: pd.Series) -> Pipeline:
    """A copy of the champion's pipeline after one `partial_fit` on rows it has not seen, in their order; the champion
    stays as it is. Scaling and encodings are those it was first fitted with: new means and categories are not learned."""
    pipeline = bare(champion)
    if not isinstance(pipeline, Pipeline) or not hasattr(pipeline.steps[-1][1], "partial_fit"):
        raise NotUpdatableError(f"{_kind(pipeline)} has no partial_fit")
    known = list(pipeline.feature_names_in_)
    if sorted(known) != sorted(X.columns):
        raise NotUpdatableError(
            f"it reads {', '.join(known)}, and the recipe names {', '.join(X.columns)}: an update keeps the columns"
        )
    fitted = deepcopy(pipeline)
    fitted.steps[-1][1].partial_fit(fitted[:-1].transform(X[known]), y)
    return fitted


def _kind(model: Any) -> str:
    last = model.steps[-1][1] if isinstance(model, Pipeline) else model
    return type(last).__name__
