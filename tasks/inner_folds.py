"""How are training rows parted once more, so that a search is judged on rows that its fits have not seen?"""

import itertools
from datetime import timedelta

import numpy as np
import pandas as pd

from schemas.errors import PerennialError
from schemas.framing import CostLoss, Framing
from tasks.routing import position
from tasks.splits import Split

__all__ = ["inner_folds"]

_FIRST = 0.40  # of the rows come before the first fold, or it would be fitted on next to nothing
_ALONE = 0.70  # and before a fold that is the only one
_VALIDATION = 0.20  # of the rows before a fold choose its threshold


def inner_folds(
    framing: Framing, rows: pd.DataFrame, count: int, *, embargo: timedelta | None = None, apart: bool = False
) -> tuple[Split, ...]:
    """At most `count` splits of the labelled ones of `rows`, whose tests are disjoint; a fold in which nothing can be fitted
    is left out, and where all are the rows are refused.

    By time where there is one, as the model will serve: fitted on what was labelled before its test began, `embargo` (None:
    the framing's maturity) before it. Else by a keyed hash of the entity, or of the row where none repeats. `apart`: entities
    that judge a fold are not fitted in it. Only a loss of decisions between two classes has a threshold to choose, and so
    validation rows.
    """
    rows = rows.dropna(subset=[framing.target])
    wait = framing.maturity if embargo is None else embargo
    parts = _hashed(framing, rows, count) if framing.timeless else _forward(framing, rows, count, wait, apart=apart)
    kept = tuple(part for part in parts if _can_fit(framing, part))
    if not kept:
        raise PerennialError(
            f"{len(rows)} labelled training rows give none of {count} inner folds rows to fit and to judge, {wait} apart. "
            "Tune on a longer window, or with a shorter embargo."
        )
    return kept


def _forward(framing: Framing, rows: pd.DataFrame, count: int, embargo: timedelta, *, apart: bool) -> list[Split]:
    rows = rows.sort_values([framing.event_time, framing.key], kind="stable")
    time, n = rows[framing.event_time], len(rows)
    first = int((_FIRST if count > 1 else _ALONE) * n)
    starts = [time.iloc[first + i * (n - first) // count] for i in range(count)] if n else []
    ends = [*starts[1:], time.max() + pd.Timedelta(microseconds=1)] if n else []
    parts = []
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        before = rows[(time < start - embargo) & (rows[framing.label_time] < start)]
        test = rows[(time >= start) & (time < end)]
        if apart:
            before, test = before[~_in_slice(framing, before, i, count)], test[_in_slice(framing, test, i, count)]
        parts.append(_with_validation(framing, before, test))
    return parts


def _with_validation(framing: Framing, before: pd.DataFrame, test: pd.DataFrame) -> Split:
    if not _has_threshold(framing) or before.empty:
        return Split(before, before.iloc[:0], test)
    time = before[framing.event_time]
    newest = time >= time.iloc[int((1 - _VALIDATION) * len(before))]
    return Split(before[~newest], before[newest], test)


def _hashed(framing: Framing, rows: pd.DataFrame, count: int) -> list[Split]:
    chooses = (_where(framing, rows, "validation") < _VALIDATION) & _has_threshold(framing)
    tests = [_in_slice(framing, rows, i, count) for i in range(count)]
    return [Split(rows[~test & ~chooses], rows[~test & chooses], rows[test]) for test in tests]


def _in_slice(framing: Framing, rows: pd.DataFrame, fold: int, count: int) -> np.ndarray:
    """Whose row judges `fold`, shape (n_rows,)."""
    edges = np.linspace(0, 1, count + 1) if count > 1 else np.array([_ALONE, 1.0])
    low, high = list(itertools.pairwise(edges))[fold]
    where = _where(framing, rows, "fold")
    return (where >= low) & (where < high)


def _where(framing: Framing, rows: pd.DataFrame, purpose: str) -> np.ndarray:
    """Where each row's entity, or the row itself, stands in [0, 1), shape (n_rows,); another draw than the outer split's."""
    names = rows[framing.entity or framing.key].astype(str)
    at = {name: position(name, key=f"inner {purpose}") for name in names.unique()}
    return names.map(at).to_numpy(dtype=float)


def _has_threshold(framing: Framing) -> bool:
    return framing.task == "binary" and isinstance(framing.loss, CostLoss)


def _can_fit(framing: Framing, part: Split) -> bool:
    labels = 1 if framing.task == "regression" else 2
    enough = part.train[framing.target].nunique() >= labels and len(part.test) > 0
    return enough and (len(part.validation) > 0 or not _has_threshold(framing))
