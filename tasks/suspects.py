"""Which single column says the target nearly by itself? It may have been filled in with it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tasks.stats import roc_auc

__all__ = ["alone"]

_BINS = {True: 20, False: 100}  # of classes; of a number, whose own spread within a bin is left unexplained


def alone(
    frame: pd.DataFrame, features: Sequence[str], target: np.ndarray, *, classes: int, seed: int
) -> dict[str, float]:
    """How well each feature alone predicts `target`, shape (n,): area under the curve (of several classes the best of
    them), or share of variance where `classes` is 0.

    Means of the target by bin (quantiles, or the values; missing is one) on one random half, judged on the other:
    what bends both ways is seen too, and a column with one value a row predicts nothing.
    """
    half = np.random.default_rng(seed).permutation(len(frame)) < len(frame) // 2
    found = {}
    for name in features:
        codes = _binned(frame[name], bins=_BINS[classes > 0])
        if classes == 0:
            found[name] = float(np.fmax(_explained(codes, target, half), _straight(frame[name], target)))
        else:
            sides = [target == k for k in (range(classes) if classes > 2 else (1,))]
            found[name] = max(_separated(codes, side.astype(float), half) for side in sides)
    return found


def _binned(column: pd.Series, *, bins: int) -> np.ndarray:
    """A code a row, from 0; missing is a code of its own."""
    if pd.api.types.is_numeric_dtype(column) and column.nunique() > bins:
        edges = np.unique(np.nanquantile(column.to_numpy(dtype=float), np.linspace(0, 1, bins + 1)[1:-1]))
        codes = np.searchsorted(edges, column.to_numpy(dtype=float))
        codes[column.isna().to_numpy()] = len(edges) + 1
        return codes
    return pd.factorize(column, use_na_sentinel=False)[0]


def _means(codes: np.ndarray, target: np.ndarray, half: np.ndarray) -> np.ndarray:
    """The first half's mean of the target for the code of each row of the second; the overall mean where it saw none."""
    size = int(codes.max()) + 1
    sums = np.bincount(codes[half], weights=target[half], minlength=size)
    counts = np.bincount(codes[half], minlength=size)
    overall = target[half].mean()
    return ((sums + overall) / (counts + 1))[codes[~half]]


def _separated(codes: np.ndarray, side: np.ndarray, half: np.ndarray) -> float:
    judged = side[~half]
    if not 0 < judged.mean() < 1 or not 0 < side[half].mean() < 1:
        return float("nan")
    return float(roc_auc(_means(codes, side, half), judged))


def _straight(column: pd.Series, target: np.ndarray) -> float:
    """Share of variance that a straight line explains: a copy in another unit is one, and no bin is as fine."""
    if not pd.api.types.is_numeric_dtype(column) or column.nunique() < 2 or target.std() == 0:
        return float("nan")
    known = column.notna().to_numpy()
    x, y = column.to_numpy(dtype=float)[known], target[known]
    if len(x) < len(target) / 2 or x.std() == 0 or y.std() == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1]) ** 2


def _explained(codes: np.ndarray, target: np.ndarray, half: np.ndarray) -> float:
    judged = target[~half]
    spread = float(((judged - judged.mean()) ** 2).sum())
    if spread == 0:
        return float("nan")
    return 1 - float(((judged - _means(codes, target, half)) ** 2).sum()) / spread
