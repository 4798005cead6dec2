"""Which training rows teach a recipe, and how much does each of them count?"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from schemas.framing import Framing
from schemas.recipe import Recipe
from tasks.out_of_fold import out_of_fold, unlikely
from tasks.scoring import class_indices

__all__ = ["balanced", "class_weights", "weights_of", "without_suspects"]


def weights_of(recipe: Recipe, framing: Framing, rows: pd.DataFrame, given: pd.Series | None) -> np.ndarray | None:
    """What each row counts, shape (n,): the newest 1, half as much for each half-life that it is older, times what is given
    by index; None where all count alike."""
    own = None if given is None else given.loc[rows.index].to_numpy(dtype=float)
    if recipe.half_life is None:
        return own
    time = rows[framing.event_time]
    aged: np.ndarray = np.exp2(-((time.max() - time) / pd.Timedelta(recipe.half_life)).to_numpy(dtype=float))
    return aged if own is None else aged * own


def without_suspects(
    share: float, framing: Framing, rows: pd.DataFrame, fit: Callable[[pd.DataFrame], Any]
) -> pd.DataFrame:
    """The rows but for the `share` of each class whose label is least likely to models of `fit` that did not see it.

    Of each class alike: where a class is rare every label of it is unlikely, and it would be left out as a whole. Of
    numbers those furthest from their prediction. Of equally unlikely ones the newer stay.
    """
    labels = class_indices(rows[framing.target], framing)
    doubt = unlikely(framing, out_of_fold(framing, rows, fit), labels)
    kept = np.ones(len(rows), dtype=bool)
    for part in _by_class(framing, labels):
        worst = part[np.argsort(-doubt[part], kind="stable")]
        kept[worst[: int(share * len(part))]] = False
    return rows[kept]


def balanced(share: float, framing: Framing, rows: pd.DataFrame, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The positions of the rows that are kept, in their order, and how many rows each stands for, both of shape (kept,).

    Of every class but the rarest the `share` is kept, never fewer than the rarest has. Which ones goes by a hash of their
    keys: a row that is kept today is kept tomorrow, whatever rows came beside it.
    """
    keys = rows[framing.key].astype(str) + f" {seed}"
    order = pd.util.hash_pandas_object(keys, index=False).to_numpy()
    parts = _by_class(framing, class_indices(rows[framing.target], framing))
    fewest = min(len(part) for part in parts)
    stands = np.zeros(len(rows))
    for part in parts:
        n = max(fewest, int(np.ceil(share * len(part))))
        stands[part[np.argsort(order[part], kind="stable")[:n]]] = len(part) / n
    kept = np.flatnonzero(stands)
    return kept, stands[kept]


def class_weights(y: pd.Series, weights: np.ndarray | None) -> dict[Any, float]:
    """By class, what each of its rows counts so that all classes count alike; the rows together what they did. Each class
    goes by its place as well: boosting, and scikit-learn out of fold, know names of classes by it."""
    counts = pd.Series(np.ones(len(y)) if weights is None else weights).groupby(y.to_numpy()).sum()
    by_name = {name: float(counts.sum() / (len(counts) * count)) for name, count in counts.items()}
    return by_name | dict(enumerate(by_name.values()))


def _by_class(framing: Framing, labels: np.ndarray) -> list[np.ndarray]:
    """The positions of each class's rows; of numbers of all."""
    if framing.task == "regression":
        return [np.arange(len(labels))]
    return [np.flatnonzero(labels == one) for one in np.unique(labels)]
