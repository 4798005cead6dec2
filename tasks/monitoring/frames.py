"""What of two windows can be drawn? Evidently dies of an empty, a missing or a retyped column, and skips types it does not know."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["Drawable", "drawable", "shown"]

_CATEGORIES = 20  # values of a column that a plot shows by name, the most frequent first; the rest is one more
_OTHER = "(other)"


@dataclass(frozen=True)
class Drawable:
    """Two frames of the same columns, numbers as float64 and the rest as text, and why other columns are not among them."""

    current: pd.DataFrame
    reference: pd.DataFrame
    numeric: list[str]
    text: list[str]
    undrawn: dict[str, str]


def drawable(
    current: pd.DataFrame,
    reference: pd.DataFrame,
    columns: Iterable[str],
    *,
    rows: int,
    seed: int,
    personal: Iterable[str] = (),
) -> Drawable:
    """At most `rows` rows of each frame, drawn with `seed` and in their order, of those `columns` that can be compared."""
    undrawn: dict[str, str] = {}
    numeric: list[str] = []
    text: list[str] = []
    hidden = set(personal)
    for name in columns:
        reason = "personal, and masked wherever rows are shown" if name in hidden else _reason(current, reference, name)
        if reason:
            undrawn[name] = reason
        else:
            (numeric if _is_number(reference[name]) else text).append(name)
    parts = [frame.sample(n=min(rows, len(frame)), random_state=seed).sort_index() for frame in (current, reference)]
    drawn = [pd.DataFrame({n: _numbers(p[n]) for n in numeric} | {n: _text(p[n]) for n in text}) for p in parts]
    now, before = (part.reset_index(drop=True) for part in drawn)
    for name in [*numeric, *text]:  # a sample may have drawn none of the few values there are
        if not (now[name].notna().any() and before[name].notna().any()):
            undrawn[name] = "no value among the rows drawn"
    numeric, text = ([name for name in names if name not in undrawn] for names in (numeric, text))
    for name in text:
        _bounded(now, before, name)
    return Drawable(now[[*numeric, *text]], before[[*numeric, *text]], numeric, text, undrawn)


def _reason(current: pd.DataFrame, reference: pd.DataFrame, name: str) -> str:
    """Why a column cannot be drawn; empty where it can."""
    for frame, what in ((current, "window"), (reference, "reference")):
        if name not in frame:
            return f"not in the {what}"
        if not _numbers(frame[name]).notna().any() if _is_number(frame[name]) else not frame[name].notna().any():
            return f"without a value in the {what}"
    kinds = [_kind(frame[name]) for frame in (current, reference)]
    if kinds[0] != kinds[1]:
        return f"of another type than in the reference: {current[name].dtype}, before {reference[name].dtype}"
    return "a moment in time, which no distance is drawn of" if kinds[0] == "moment" else ""


def _kind(column: pd.Series) -> str:
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return "moment"
    return "number" if _is_number(column) else "text"


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column.dtype)  # with uint8, Int64, boolean and pyarrow's own


def _numbers(column: pd.Series) -> pd.Series:
    values = column.to_numpy(dtype=float, na_value=np.nan)
    return pd.Series(np.where(np.isfinite(values), values, np.nan), index=column.index)


def _text(column: pd.Series) -> pd.Series:
    values = [shown(str(v)) if k else None for v, k in zip(column, column.notna(), strict=True)]
    return pd.Series(values, index=column.index, dtype=object)


def shown(text: str) -> str:
    """Text that a page shows and never runs: a value of a table may hold a tag, and Evidently writes it as it is."""
    return text.replace("<", "‹").replace(">", "›")


def _bounded(current: pd.DataFrame, reference: pd.DataFrame, name: str) -> None:
    """Rare values become one: a plot of a thousand names shows none, and takes megabytes."""
    often = pd.concat([current[name], reference[name]]).value_counts()
    if len(often) <= _CATEGORIES:
        return
    shown = set(often.index[:_CATEGORIES])
    for frame in (current, reference):
        frame[name] = frame[name].where(frame[name].isin(shown) | frame[name].isna(), _OTHER).astype(object)
