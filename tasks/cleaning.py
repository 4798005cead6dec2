"""Which rows say the same twice, and which contradict each other? Copies, near-copies and conflicting labels of a frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

__all__ = [
    "Conflicts",
    "Copies",
    "Shared",
    "conflicts",
    "copies_across",
    "copies_within",
    "near_copies",
    "near_keys",
    "row_keys",
    "tells_apart",
    "without_copies",
]

_ODD = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Copies:
    """Rows that are equal in some columns. `copies` leaves out the first of each group: what a training set can do without."""

    rows: int
    groups: int  # of two or more rows
    copies: int
    largest: int  # rows of the largest group; 1 where there is no copy, 0 where there is no row

    @property
    def share(self) -> float:
        return self.copies / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class Shared:
    """Rows of the `newer` part that some row of the `older` part equals."""

    older: str
    newer: str
    rows: int
    share: float


@dataclass(frozen=True)
class Conflicts:
    """Rows with the same features and another label, and what they cost any model that sees these features alone.

    `floor`: of classes the least error rate that any model can have on these rows, of numbers the least mean absolute
    error; a lower bound, since a row without a twin adds none. `spread`: of numbers the standard deviation of labels within
    groups of equal features; nan for classes, and where no row has a twin.
    """

    rows: int  # labelled
    repeated: int  # that have a twin in features
    groups: int  # with more than one label
    conflicting: int  # rows of those groups
    floor: float
    spread: float

    @property
    def share(self) -> float:
        return self.conflicting / self.rows if self.rows else 0.0


def row_keys(frame: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """One number a row, shape (n,): equal for rows that are equal in all `columns`, where nothing equals nothing."""
    return _keys(_hashes(frame[list(columns)]))


def near_keys(frame: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """As `row_keys`, with numbers rounded to a thousandth of their spread in `frame`: rows to be compared are in one frame."""
    return _keys(_hashes(_rounded(frame[list(columns)])))


def near_copies(newer: pd.DataFrame, older: pd.DataFrame, columns: Sequence[str]) -> float:
    """Share of `newer` rows that some `older` row equals in all `columns`, numbers rounded to a thousandth of their spread."""
    if newer.empty or older.empty:
        return 0.0
    return copies_across({"older": older, "newer": newer}, columns)[0].share


def copies_within(keys: np.ndarray) -> Copies:
    """How many of the rows with these keys, shape (n,), are copies of another."""
    if keys.size == 0:
        return Copies(0, 0, 0, 0)
    counts = np.unique(keys, return_counts=True)[1]
    return Copies(int(keys.size), int((counts > 1).sum()), int(keys.size - counts.size), int(counts.max()))


def copies_across(parts: Mapping[str, pd.DataFrame], columns: Sequence[str]) -> list[Shared]:
    """Near-copies that each later part has in each earlier one, `parts` in time order; parts without rows are left out."""
    held = {name: part for name, part in parts.items() if len(part)}
    if len(held) < 2:
        return []
    keys = near_keys(pd.concat([part[list(columns)] for part in held.values()], ignore_index=True), columns)
    ends = np.cumsum([len(part) for part in held.values()])
    of = dict(zip(held, np.split(keys, ends[:-1]), strict=True))
    found = {(a, b): np.isin(of[b], of[a]) for a, b in combinations(held, 2)}
    return [Shared(a, b, int(copies.sum()), float(copies.mean())) for (a, b), copies in found.items()]


def tells_apart(frame: pd.DataFrame, columns: Sequence[str]) -> dict[str, int]:
    """By column, how many more near-copies there would be without it, most first: what alone keeps equal rows apart."""
    hashes = _hashes(_rounded(frame[list(columns)]))
    whole = _keys(hashes)
    with_all = copies_within(whole).copies
    without = {name: copies_within(whole - hashes[:, i]).copies - with_all for i, name in enumerate(columns)}
    return dict(sorted(without.items(), key=lambda item: -item[1]))


def without_copies(frame: pd.DataFrame, columns: Sequence[str]) -> tuple[pd.DataFrame, int]:
    """`frame` with the first of each group of rows that are equal in all `columns`, in its order; and how many went."""
    again = frame.duplicated(list(columns)).to_numpy()  # by value: no row goes because two hashes met
    return (frame[~again], int(again.sum())) if again.any() else (frame, 0)


def conflicts(frame: pd.DataFrame, features: Sequence[str], target: str, *, classes: bool) -> Conflicts:
    """Labelled rows of `frame` that are equal in all `features` and differ in `target`."""
    rows = frame[frame[target].notna()]
    if rows.empty:
        return Conflicts(0, 0, 0, 0, float("nan"), float("nan"))
    group = pd.Series(np.unique(row_keys(rows, features), return_inverse=True)[1])
    label = rows[target].reset_index(drop=True)
    size = group.map(group.value_counts())
    differing = group.map(label.groupby(group).nunique()) > 1
    floor, spread = _floor_of_classes(group, label), float("nan")
    if not classes:
        label = label.astype(float)
        floor = float((label - label.groupby(group).transform("median")).abs().mean())
        twins = (label - label.groupby(group).transform("mean"))[size > 1]
        free = len(twins) - int(group[size > 1].nunique())
        spread = float(np.sqrt((twins**2).sum() / free)) if free else float("nan")
    return Conflicts(
        rows=len(rows),
        repeated=int((size > 1).sum()),
        groups=int(group[differing].nunique()),
        conflicting=int(differing.sum()),
        floor=floor,
        spread=spread,
    )


def _floor_of_classes(group: pd.Series, label: pd.Series) -> float:
    """In each group all but the most frequent label are wrong."""
    counts = pd.DataFrame({"group": group, "label": label.astype(str)}).value_counts()
    return float(len(group) - counts.groupby(level="group").max().sum()) / len(group)


def _rounded(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers in thousandths of their spread, whole. What is not finite is kept as it is, and has no part in the spread."""
    numbers = {name: frame[name].astype(float) for name in frame if pd.api.types.is_numeric_dtype(frame[name])}
    spreads = {name: float(values[np.isfinite(values)].std()) for name, values in numbers.items()}
    rounded = {
        name: (values / ((spreads[name] if spreads[name] > 0 else 1.0) / 1_000)).round()
        for name, values in numbers.items()
    }
    return frame.assign(**rounded)


def _hashes(frame: pd.DataFrame) -> np.ndarray:
    """One number a value, shape (n, columns); the same value means another number in another column."""
    parts = np.empty((len(frame), frame.shape[1]), dtype=np.uint64)
    for i, name in enumerate(frame):
        values = frame[name] + 0.0 if pd.api.types.is_float_dtype(frame[name]) else frame[name]  # minus zero is zero
        h = pd.util.hash_pandas_object(values, index=False).to_numpy(dtype=np.uint64)
        h = (h + np.uint64((i + 1) * _ODD % 2**64)) * np.uint64(0xBF58476D1CE4E5B9)
        parts[:, i] = (h ^ (h >> np.uint64(31))) * np.uint64(0x94D049BB133111EB)
    return parts


def _keys(hashes: np.ndarray) -> np.ndarray:
    return hashes.sum(axis=1, dtype=np.uint64)
