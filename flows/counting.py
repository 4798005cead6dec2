"""How many rows of each window fall into each frozen bin? Features of all rows in the engine, scores of some of them."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from schemas.problem import Problem
from tasks import contracts, engine_contracts, scoring, windows
from tasks.engine_profiles import profile_windows
from tasks.engine_rules import UntranslatableError
from tasks.profiles import Column, Profile, count_frame, freeze_profile

__all__ = ["counted", "slices_of", "with_scores"]

_SCORED_ROWS = 3_000  # of a window that the champion scores anew: a share of them is known to one in fifty
_ALL_SCORED_ROWS = 1_000_000  # of all windows together
_SLICES = 8  # values of a declared column that are watched, the most frequent ones
_SLICE_SHARE = 0.05  # of rows that a slice has at least


def counted(
    problem: Problem,
    columns: Profile,
    champion: Any,
    first: datetime,
    n: int,
    *,
    span: timedelta,
    since: datetime | None = None,
) -> dict[datetime, dict[str, np.ndarray]]:
    """Counts of the `n` windows of `span` from `first` on, by their beginning: features of all their valid rows in the engine,
    scores of a part of them, the same each time. A window without a row is left out; rows before `since` are not counted."""
    if n < 1:
        return {}
    since = max(since or first, first)
    features = {name: column for name, column in columns.items() if column.kind == "feature"}
    table = windows.window_table(problem, since, first + n * span, as_of=first)
    try:
        valid = engine_contracts.check_table(problem, table).valid
        found = profile_windows(valid, problem.framing.event_time, features, origin=first, span=span)
    except UntranslatableError:  # one window may fit into a frame where all of them do not
        found = {}
        for at in (first + place * span for place in range(n)):
            rows = contracts.check(problem, windows.read_sample(problem, max(at, since), at + span, as_of=at)[0]).valid
            found |= {at: count_frame(features, rows)} if len(rows) else {}
    for at, rows in _sampled(problem, first, n, span, since):
        scores = count_frame(_scores_of(columns), with_scores(problem, champion, rows, columns))
        found.setdefault(at, {}).update({name: _given(columns[name], counts) for name, counts in scores.items()})
    return found


def _sampled(
    problem: Problem, first: datetime, n: int, span: timedelta, since: datetime
) -> Iterable[tuple[datetime, pd.DataFrame]]:
    """The valid rows of a sample of the windows, window by window."""
    time, at_most = problem.framing.event_time, min(n * _SCORED_ROWS, _ALL_SCORED_ROWS)
    rows, _ = windows.read_sample(problem, since, first + n * span, as_of=first, at_most=at_most)
    valid = contracts.check(problem, rows).valid
    for place, part in valid.groupby((valid[time] - pd.Timestamp(first)) // span):
        yield first + int(place) * span, part


def with_scores(problem: Problem, champion: Any, rows: pd.DataFrame, columns: Profile | None = None) -> pd.DataFrame:
    """The rows' scores as columns: "score", or of classes "score CLASS"; the declared columns; and of the slices that
    `columns` has the score of their rows, of the likeliest class where there are several."""
    score = scoring.outputs(champion, rows, problem.framing).score
    plain = (
        {"score": score}
        if score.ndim == 1
        else {f"score {name}": score[:, at] for at, name in enumerate(problem.framing.classes)}
    )
    frame = pd.DataFrame(plain).assign(likeliest=score if score.ndim == 1 else score.max(axis=1))
    frame = frame.assign(**{name: rows[name].astype(str).to_numpy() for name in _declared(problem)})
    slices = [name for name, column in (columns or {}).items() if column.kind == "slice"]
    found = {name: frame["likeliest"].where(frame[_column(name)] == _value(name)) for name in slices}
    return frame.assign(**found)


def _declared(problem: Problem) -> list[str]:
    """Columns whose values a report may show."""
    return [name for name in problem.framing.slices if name not in problem.personal]


def slices_of(problem: Problem, scored: pd.DataFrame, columns: Mapping[str, Column]) -> dict[str, Column]:
    """The scores within the largest slices of each declared column."""
    found: dict[str, Column] = {}
    for name in _declared(problem):
        shares = scored[name].value_counts(normalize=True).sort_index().sort_values(ascending=False, kind="stable")
        for value in shares[shares >= _SLICE_SHARE].index[:_SLICES]:
            inside = pd.DataFrame({f"slice {name}={value}": scored["likeliest"][scored[name] == value]})
            found |= freeze_profile(inside, list(inside), kind="slice")
    return found


def _column(name: str) -> str:
    return name.removeprefix("slice ").partition("=")[0]


def _value(name: str) -> str:
    return name.partition("=")[2]


def _scores_of(columns: Profile) -> dict[str, Column]:
    return {name: column for name, column in columns.items() if column.kind in ("score", "slice")}


def _given(column: Column, counts: np.ndarray) -> np.ndarray:
    """Rows of other slices are no missing scores of this one."""
    return np.append(counts[:-1], 0) if column.kind == "slice" else counts
