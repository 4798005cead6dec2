"""What did a window look like, as counts over frozen bins? Counts merge by addition; distances come from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tasks.stats import binned, bins, distance

__all__ = ["Column", "distances", "freeze_profile", "profile_from_json", "profile_to_json"]


@dataclass(frozen=True)
class Column:
    """One column's frozen bins and the reference's counts over them."""

    ordered: bool
    bins: list[Any]
    counts: np.ndarray


Profile = Mapping[str, Column]


def freeze_profile(reference: pd.DataFrame, columns: Sequence[str]) -> dict[str, Column]:
    """The reference's profile: bins at its own quantiles or categories, and how many of its rows fall in each."""
    profile = {}
    for name in columns:
        ordered = pd.api.types.is_numeric_dtype(reference[name])
        frozen = bins(reference[name].to_numpy(), ordered=ordered)
        profile[name] = Column(ordered, frozen, binned(reference[name].to_numpy(), frozen, ordered=ordered))
    return profile


def distances(profile: Profile, window: pd.DataFrame) -> dict[str, float]:
    """Distance of each column of `window` from the reference, in [0, 1]; nan where the column is gone or retyped."""
    result = {}
    for name, column in profile.items():
        if name not in window or column.ordered != pd.api.types.is_numeric_dtype(window[name]):
            result[name] = float("nan")
            continue
        counts = binned(window[name].to_numpy(), column.bins, ordered=column.ordered)
        result[name] = distance(column.counts, counts, ordered=column.ordered)
    return result


def profile_to_json(profile: Profile) -> dict[str, Any]:
    return {name: {"ordered": c.ordered, "bins": c.bins, "counts": c.counts.tolist()} for name, c in profile.items()}


def profile_from_json(stored: Mapping[str, Any]) -> dict[str, Column]:
    return {name: Column(c["ordered"], c["bins"], np.asarray(c["counts"])) for name, c in stored.items()}
