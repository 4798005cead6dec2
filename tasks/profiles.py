"""What did a window look like, as counts over frozen bins? Counts merge by addition; distances come from them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from tasks.stats import (
    binned,
    bins,
    distances_of,
    jensen_shannon,
    kolmogorov_smirnov,
    missing_share,
    outside_share,
    psi,
    total_variation,
    wasserstein,
)

__all__ = [
    "Column",
    "Counts",
    "Profile",
    "apart",
    "compared",
    "count_frame",
    "distances",
    "freeze_profile",
    "lacking",
    "measures",
    "merged",
    "profile_from_json",
    "profile_to_json",
    "watched",
]

Kind = Literal["feature", "score", "slice", "label"]
Counts = Mapping[str, np.ndarray]  # rows a bin, by column; the last bin has the missing ones


@dataclass(frozen=True)
class Column:
    """One column's frozen bins and the reference's counts over them."""

    ordered: bool
    bins: list[Any]
    counts: np.ndarray
    kind: Kind = "feature"


Profile = Mapping[str, Column]


def watched(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """The columns that a profile can hold: all but moments, which no later window ever has again."""
    return [name for name in columns if not pd.api.types.is_datetime64_any_dtype(frame[name])]


def freeze_profile(reference: pd.DataFrame, columns: Sequence[str], *, kind: Kind = "feature") -> dict[str, Column]:
    """The reference's profile: bins at its own quantiles or categories, and how many of its rows fall in each."""
    profile = {}
    for name in columns:
        ordered = pd.api.types.is_numeric_dtype(reference[name])
        frozen = bins(reference[name].to_numpy(), ordered=ordered)
        profile[name] = Column(ordered, frozen, binned(reference[name].to_numpy(), frozen, ordered=ordered), kind)
    return profile


def count_frame(profile: Profile, window: pd.DataFrame) -> dict[str, np.ndarray]:
    """Rows of each frozen bin, a column; one that is gone, or no longer a number or a text as it was, is left out."""
    return {
        name: binned(window[name].to_numpy(), column.bins, ordered=column.ordered)
        for name, column in profile.items()
        if name in window and column.ordered == pd.api.types.is_numeric_dtype(window[name])
    }


def merged(parts: Iterable[Counts]) -> dict[str, np.ndarray]:
    """The counts of several windows together; of none, nothing."""
    whole: dict[str, np.ndarray] = {}
    for part in parts:
        for name, counts in part.items():
            whole[name] = whole[name] + counts if name in whole else counts
    return whole


def compared(profile: Profile, counts: Counts) -> dict[str, float]:
    """How far a window lies from the reference, each in [0, 1]: by a column's name its distance, of a feature also by
    "missing NAME" the difference of the missing shares. nan where the column is gone or retyped, or a window has no rows.
    """
    found = {}
    for name, column in profile.items():
        now = counts.get(name)
        found[name] = float("nan") if now is None else float(apart(column, column.counts, now))
        if column.kind == "feature":
            found[f"missing {name}"] = float("nan") if now is None else float(lacking(column.counts, now))
    return found


def apart(column: Column, reference: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Distance of one column's given values in windows of shape (n_windows, n_bins), or in one of shape (n_bins,).

    Where one side has rows and no value it is 0, since the missing share says it all; nan where it has no rows.
    """
    found = distances_of(reference, windows, ordered=column.ordered)
    rows = (reference.sum(axis=-1) > 0) & (windows.sum(axis=-1) > 0)
    return np.where(rows & np.isnan(found), 0.0, found)


def lacking(reference: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Difference of the missing shares, shaped as in `apart`; nan where there are no rows."""
    then, now = reference.sum(axis=-1), windows.sum(axis=-1)
    gap = windows[..., -1] / np.maximum(now, 1) - reference[..., -1] / np.maximum(then, 1)
    return np.where((then > 0) & (now > 0), np.abs(gap), np.nan)


def distances(profile: Profile, window: pd.DataFrame) -> dict[str, float]:
    """As `compared`, of a frame."""
    return compared(profile, count_frame(profile, window))


def measures(profile: Profile, counts: Counts) -> dict[str, dict[str, float]]:
    """For people, by column: the four distances that are in use (of categories Kolmogorov-Smirnov and Wasserstein give way
    to total variation, which is both where every two categories are equally far apart), and the shares of rows that are
    missing or outside what the reference had, now and then."""
    found = {}
    for name, column in profile.items():
        if name not in counts:
            continue
        then, now = column.counts, counts[name]
        found[name] = {
            "psi": psi(then, now),
            "jensen_shannon": jensen_shannon(then, now),
            "kolmogorov_smirnov": (kolmogorov_smirnov if column.ordered else total_variation)(then, now),
            "wasserstein": (wasserstein if column.ordered else total_variation)(then, now),
            "missing": missing_share(now),
            "missing_before": missing_share(then),
            "outside": outside_share(now, ordered=column.ordered),
            "outside_before": outside_share(then, ordered=column.ordered),
        }
    return found


def profile_to_json(profile: Profile) -> dict[str, Any]:
    """Bins and counts as JSON carries them."""
    return {
        name: {"ordered": c.ordered, "bins": c.bins, "counts": c.counts.tolist(), "kind": c.kind}
        for name, c in profile.items()
    }


def profile_from_json(stored: Mapping[str, Any]) -> dict[str, Column]:
    return {
        name: Column(c["ordered"], c["bins"], np.asarray(c["counts"], dtype=int), c.get("kind", "feature"))
        for name, c in stored.items()
    }
