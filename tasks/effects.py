"""How much does each feature move a model's score? Asked once, when the model is registered."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from schemas.framing import Framing
from tasks.scoring import outputs

__all__ = ["effects"]


def effects(
    model: Any, frame: pd.DataFrame, framing: Framing, features: Sequence[str], *, rng: np.random.Generator
) -> dict[str, float]:
    """Permutation effect of each feature on the score, as a share of what the scores of two rows differ by on average.

    Zero where the model does not look at it, about 1 where it looks at nothing else. Scores alone are asked and no labels:
    whether a feature that moves matters does not depend on whether the model is right. Of a constant model all are 0; rows
    where the model raises are left out. Permutation importance after Breiman (2001), without a loss.
    """
    order = rng.permutation(len(frame))
    said = outputs(model, frame, framing).score
    whole = _mean_gap(said, said[order])
    found = {}
    for name in features:
        shuffled = frame.assign(**{name: frame[name].to_numpy()[order]}).astype({name: frame[name].dtype})
        found[name] = _mean_gap(said, outputs(model, shuffled, framing).score) / whole if whole else 0.0
    return found


def _mean_gap(one: np.ndarray, other: np.ndarray) -> float:
    gap = np.abs(one - other)
    return float(np.nanmean(gap)) if np.isfinite(gap).any() else 0.0
