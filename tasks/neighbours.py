"""How do nearest neighbours stay one model, however often they were asked? Their tree is saved as it was built."""

from typing import Any

from sklearn.neighbors import KDTree, KNeighborsClassifier, KNeighborsRegressor

__all__ = ["NeighboursClassifier", "NeighboursRegressor"]


class _Uncounted:
    """scikit-learn's tree counts how often it was asked, and writes that to its file: a model that has answered would be
    another one than it was, by its content. The tree of the file is built anew from the same rows."""

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())  # type: ignore[call-overload]
        if isinstance(state.get("_tree"), KDTree):
            how = {"metric": state["effective_metric_"], **state["effective_metric_params_"]}
            state["_tree"] = KDTree(state["_fit_X"], state["leaf_size"], **how)
        return state


class NeighboursClassifier(_Uncounted, KNeighborsClassifier):
    """scikit-learn's, with a file that is the same after every answer."""


class NeighboursRegressor(_Uncounted, KNeighborsRegressor):
    """scikit-learn's, with a file that is the same after every answer."""
