"""Which rows does a window hold, as the table stood at a given moment? Half-open, ordered, and the same twice."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import pandas as pd

from schemas.errors import PerennialError
from schemas.moments import NaiveTimestampError, aware
from schemas.problem import Problem
from tasks.features import with_features
from tasks.opening import (
    MissingColumnError,
    MissingDataError,
    UnderivableError,
    UnreadableTableError,
    available,
    counts_of,
    locate,
    open_source,
)

__all__ = [
    "MissingColumnError",
    "MissingDataError",
    "NaiveTimestampError",
    "TooManyRowsError",
    "UnderivableError",
    "UnreadableTableError",
    "affordable",
    "available",
    "aware",
    "bounds",
    "count",
    "labelled",
    "link",
    "locate",
    "materialise",
    "read_labels",
    "read_requests",
    "read_sample",
    "read_window",
    "repeated",
    "slices",
    "taken",
    "undated",
    "whole_table",
    "window_table",
]


@ibis.udf.scalar.builtin
def md5(text: str) -> str:  # type: ignore[empty-body]
    """Every engine has it by this name; Ibis's own `hexdigest` is not written for PostgreSQL."""


class TooManyRowsError(PerennialError):
    def __init__(self, problem: Problem, start: datetime, end: datetime, rows: int) -> None:
        super().__init__(
            f"the window {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} of {problem.name!r} has {rows:,} rows, and pandas may "
            f"hold {problem.data.frame_rows:,}. Read a shorter window, or raise DataPlan.frame_rows in "
            f"schemas/problems/{problem.name}.py."
        )


def read_window(problem: Problem, start: datetime, end: datetime, *, as_of: datetime) -> pd.DataFrame:
    """Rows with `start <= event time < end`, ordered by event time and key, as the table stood at `as_of`.

    A label, or another column filled in later, is null where it was filled after `as_of`. RangeIndex, UTC. More rows than
    the plan lets pandas hold raise TooManyRowsError.
    """
    rows = count(problem, start, end)
    if rows > problem.data.frame_rows:
        raise TooManyRowsError(problem, start, end, rows)
    return _frame(problem, window_table(problem, start, end, as_of=as_of))


def read_sample(
    problem: Problem, start: datetime, end: datetime, *, as_of: datetime, at_most: int | None = None
) -> tuple[pd.DataFrame, float]:
    """The window, or where it has more rows than pandas may hold (or than `at_most`) the same part of its keys each time;
    and the share read."""
    rows = count(problem, start, end)
    budget = min(problem.data.frame_rows, at_most or problem.data.frame_rows)
    share = min(1.0, budget / rows) if rows else 1.0
    table = window_table(problem, start, end, as_of=as_of)
    if share < 1:
        # Under the budget by three standard deviations of a binomial, so that no draw exceeds it.
        share -= 3 * (share / rows) ** 0.5
        digest = md5(table[problem.framing.key].cast("string") + ibis.literal("/sample"))
        table = table.filter(digest < ibis.literal(f"{int(share * 2**32):08x}"))
    return _frame(problem, table), share


def window_table(problem: Problem, start: datetime, end: datetime, *, as_of: datetime) -> ibis.Table:
    """The window in its engine: the contract's columns as they stood at `as_of`, in no order."""
    for what, value in (("start", start), ("end", end), ("as_of", as_of)):
        aware(value, what)
    rows = (
        with_features(problem, open_source(problem), start, end) if problem.features else _between(problem, start, end)
    )
    return _as_of(problem, rows, as_of)


def whole_table(problem: Problem) -> ibis.Table:
    """The table as it lies in its engine: every row, labels of the future and all, rows without a time too. To be counted."""
    return open_source(problem)


def count(problem: Problem, start: datetime, end: datetime) -> int:
    """How many rows the window has."""
    rows, known = _between(problem, start, end), counts_of(problem)
    if (start, end) not in known:
        known[start, end] = int(rows.count().to_pandas())
    return known[start, end]


def labelled(problem: Problem, start: datetime, end: datetime, *, as_of: datetime) -> int:
    """How many rows of the window had a label that was known by `as_of`."""
    aware(as_of, "as_of")
    rows, framing = _between(problem, start, end), problem.framing
    known = rows[framing.label_time] < ibis.literal(as_of)
    return int(rows.filter(known, rows[framing.target].notnull()).count().to_pandas())


def affordable(problem: Problem, start: datetime, end: datetime) -> datetime:
    """The last moment up to `end` until which pandas may hold the rows since `start`."""
    while count(problem, start, end) > problem.data.frame_rows:
        if end - start <= timedelta(microseconds=1):
            raise TooManyRowsError(problem, start, end, count(problem, start, end))
        end = start + (end - start) / 2
    return end


def slices(problem: Problem, start: datetime, end: datetime, *, at_most: int) -> list[tuple[datetime, datetime]]:
    """The window as windows of at most so many rows, in order; of rows at one moment there may be more."""
    if count(problem, start, end) <= at_most or end - start <= timedelta(microseconds=1):
        return [(start, end)] if count(problem, start, end) else []
    middle = start + (end - start) / 2
    return [*slices(problem, start, middle, at_most=at_most), *slices(problem, middle, end, at_most=at_most)]


def repeated(problem: Problem, start: datetime, end: datetime) -> set[Any]:
    """Keys that more than one row of the window has."""
    rows = _between(problem, start, end)
    counts = rows.group_by(rows[problem.framing.key].name("key")).agg(n=lambda some: some.count())
    return set(counts.filter(counts.n > 1).key.to_pandas().dropna())


def undated(problem: Problem) -> ibis.Table:
    """Rows that no window holds, since they have no event time."""
    table = open_source(problem)
    return table.filter(table[problem.framing.event_time].isnull())


def read_requests(problem: Problem, start: datetime, end: datetime) -> pd.DataFrame:
    """The window's rows as each stood when it was requested: nothing that is filled in after the event is there."""
    return read_window(problem, start, end, as_of=start)


def read_labels(problem: Problem, start: datetime, end: datetime) -> pd.DataFrame:
    """Labels that became known in `start <= label time < end`: columns key, label, known_at."""
    for what, value in (("start", start), ("end", end)):
        aware(value, what)
    table, framing = open_source(problem), problem.framing
    known = table[framing.label_time]
    rows = table.filter((known >= ibis.literal(start)) & (known < ibis.literal(end)))
    rows = rows.select(key=rows[framing.key], label=rows[framing.target], known_at=rows[framing.label_time])
    return rows.order_by(["known_at", "key"]).to_pandas()


def bounds(problem: Problem) -> tuple[datetime, datetime]:
    """The first and the last event time there is."""
    time = open_source(problem)[problem.framing.event_time]
    first, last = time.min().to_pandas(), time.max().to_pandas()
    if pd.isna(first):
        raise PerennialError(f"the table of {problem.name!r} at {locate(problem)} has no rows. Put rows there first.")
    return first.to_pydatetime().astimezone(UTC), last.to_pydatetime().astimezone(UTC)


def taken(problem: Problem) -> datetime:
    """The last moment that the table speaks of, an event or a label: what it does not hold by then, it may not hold yet."""
    table, framing = open_source(problem), problem.framing
    labelled = table[framing.label_time].max().to_pandas()
    last = bounds(problem)[1]
    return last if pd.isna(labelled) else max(last, labelled.to_pydatetime().astimezone(UTC))


def link(problem: Problem, data: Path) -> None:
    """Let the problem read the table at `data` from now on: a link, no copy."""
    if not data.exists():
        raise MissingDataError(problem, data)
    target = locate(problem)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_symlink() or target.exists():
        if target.resolve() == data.resolve():
            return
        target.unlink()
    target.symlink_to(data.resolve())


def materialise(problem: Problem, frame: pd.DataFrame) -> Path:
    """Write a made or fetched table to where the problem reads it; whole or not at all."""
    target = locate(problem)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    if target.suffix == ".csv":
        frame.to_csv(partial, index=False)
    else:
        frame.to_parquet(partial, index=False)
    partial.replace(target)
    return target


def _between(problem: Problem, start: datetime, end: datetime) -> ibis.Table:
    table = open_source(problem)
    time = table[problem.framing.event_time]
    return table.filter((time >= ibis.literal(start)) & (time < ibis.literal(end)))


def _as_of(problem: Problem, rows: ibis.Table, as_of: datetime) -> ibis.Table:
    """What was filled in at `as_of` or later is null."""
    framing, moment = problem.framing, ibis.literal(as_of)
    time = rows[framing.event_time]
    hidden = {name: time + ibis.literal(delay) for name, delay in problem.delays.items()}
    # The time goes with what it times: that a review is to come, and when, is known to nobody yet.
    hidden |= {name: rows[known] for column, known in problem.filled_at.items() for name in (column, known)}
    # When a label came tells what it is (frauds come later), so the time is hidden with the label.
    hidden |= dict.fromkeys((framing.target, framing.label_time), rows[framing.label_time])
    masks = {c: ibis.ifelse(known < moment, rows[c], ibis.null(rows[c].type())) for c, known in hidden.items()}
    if not masks[framing.target].type().is_string():
        masks[framing.target] = masks[framing.target].cast("float64")  # whole numbers have no null in pandas
    # In one projection, and not in two: the engine's text is compiled anew for each read.
    return rows.select(**{name: masks.get(name, rows[name]) for name in (*problem.contract.columns, *masks)})


def _frame(problem: Problem, rows: ibis.Table) -> pd.DataFrame:
    first = [problem.framing.event_time, problem.framing.key]
    frame = rows.order_by(first).to_pandas().reset_index(drop=True)
    if frame.duplicated(first).any():  # rows that share a key come in whatever order the engine has them: fix one
        rest = [name for name in frame.columns if name not in first]
        frame = frame.sort_values([*first, *rest], ignore_index=True)
    return frame
