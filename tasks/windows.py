"""Which rows does a window hold, as the table stood at a given moment? Half-open, ordered, and the same twice."""

import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import ibis
import pandas as pd

from schemas.errors import PerennialError
from schemas.moments import NaiveTimestampError, aware
from schemas.problem import Problem
from schemas.settings import Settings
from schemas.source import is_text
from tasks.engines import open_table
from tasks.features import with_features

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
    "link",
    "locate",
    "materialise",
    "read_labels",
    "read_requests",
    "read_sample",
    "read_window",
    "taken",
    "undated",
    "whole_table",
    "window_table",
]


_KEPT_BYTES = 256 * 2**20


@ibis.udf.scalar.builtin
def md5(text: str) -> str:  # type: ignore[empty-body]
    """Every engine has it by this name; Ibis's own `hexdigest` is not written for PostgreSQL."""


class MissingDataError(PerennialError, FileNotFoundError):
    def __init__(self, problem: Problem, path: Path) -> None:
        hint = (
            problem.source.hint
            or f"Put the table there, or say where it is: make loop PROBLEM={problem.name} DATA=path"
        )
        super().__init__(f"problem {problem.name!r} reads {path}, and there is no such file. {hint}")


class TooManyRowsError(PerennialError):
    def __init__(self, problem: Problem, start: datetime, end: datetime, rows: int) -> None:
        super().__init__(
            f"the window {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} of {problem.name!r} has {rows:,} rows, and pandas may "
            f"hold {problem.data.frame_rows:,}. Read a shorter window, or raise DataPlan.frame_rows in "
            f"schemas/problems/{problem.name}.py."
        )


class MissingColumnError(PerennialError, KeyError):
    def __init__(self, problem: Problem, missing: Sequence[str], found: Sequence[str]) -> None:
        self.says = (
            f"the table of {problem.name!r} lacks the columns {', '.join(missing)} that its contract or framing names; "
            f"it has {', '.join(found)}. Correct schemas/problems/{problem.name}.py or the table."
        )
        super().__init__(self.says)

    def __str__(self) -> str:
        return self.says


class UnreadableTableError(PerennialError, OSError):
    """A file that is cut off, of another format, or of other letters than its name says."""

    def __init__(self, problem: Problem, error: Exception) -> None:
        # The engine's own message may quote the line it stopped at: say what kind of thing it is, and where.
        said = str(error)
        why = next(
            (why for mark, why in _UNREADABLE.items() if mark in said.lower()),
            f"the engine raised {type(error).__name__}",
        )
        line = re.search(r"[Ll]ine:? (\d+)", said)
        where = f" (line {line[1]})" if line else ""
        super().__init__(
            f"the table of {problem.name!r} at {locate(problem)} cannot be read: {why}{where}. Write it anew, whole; rows that "
            "were read before are as they were."
        )


class UnderivableError(PerennialError, TypeError):
    """What the problem derives, it derives from columns that are not there, or are of another type."""

    def __init__(self, problem: Problem, lacking: Sequence[str], times: Mapping[str, str], error: Exception) -> None:
        # An attribute's name is a column's; what other errors say may quote more.
        said = f": {str(error)[:120]}" if isinstance(error, AttributeError) else ""
        typed = "".join(f"; column {name!r} is of type {kind}" for name, kind in times.items())
        super().__init__(
            f"the columns that {problem.name!r} derives cannot be made from its table at {locate(problem)} ({type(error).__name__}{said}). Without "
            f"them it lacks {', '.join(lacking) or 'nothing'}{typed}. Correct the table, or `derive` in "
            f"schemas/problems/{problem.name}.py."
        )


# By what DuckDB says; the first that fits.
_UNREADABLE = {
    "unicode": "its letters are no UTF-8",
    "utf-8": "its letters are no UTF-8",
    "encod": "its letters are no UTF-8",
    "magic bytes": "it is no whole Parquet file, cut off at its end or of another format",
    "too small to be a parquet": "it is no whole Parquet file, cut off or empty",
    "thrift": "it is no whole Parquet file, cut off or altered",
    "expected number of columns": "a line has more or fewer values than the header has columns",
    "sniffing": "its lines do not have the same delimiter and number of values as its header",
    "convert": "a value is not of its column's type",
}


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
    rows = with_features(problem, _table(problem), start, end) if problem.features else _between(problem, start, end)
    return _as_of(problem, rows, as_of)


def whole_table(problem: Problem) -> ibis.Table:
    """The table as it lies in its engine: every row, labels of the future and all, rows without a time too. To be counted."""
    return _table(problem)


def count(problem: Problem, start: datetime, end: datetime) -> int:
    """How many rows the window has."""
    return int(_between(problem, start, end).count().to_pandas())


def affordable(problem: Problem, start: datetime, end: datetime) -> datetime:
    """The last moment up to `end` until which pandas may hold the rows since `start`."""
    while count(problem, start, end) > problem.data.frame_rows:
        if end - start <= timedelta(microseconds=1):
            raise TooManyRowsError(problem, start, end, count(problem, start, end))
        end = start + (end - start) / 2
    return end


def undated(problem: Problem) -> ibis.Table:
    """Rows that no window holds, since they have no event time."""
    table = _table(problem)
    return table.filter(table[problem.framing.event_time].isnull())


def read_requests(problem: Problem, start: datetime, end: datetime) -> pd.DataFrame:
    """The window's rows as each stood when it was requested: nothing that is filled in after the event is there."""
    return read_window(problem, start, end, as_of=start)


def read_labels(problem: Problem, start: datetime, end: datetime) -> pd.DataFrame:
    """Labels that became known in `start <= label time < end`: columns key, label, known_at."""
    for what, value in (("start", start), ("end", end)):
        aware(value, what)
    table, framing = _table(problem), problem.framing
    known = table[framing.label_time]
    rows = table.filter((known >= ibis.literal(start)) & (known < ibis.literal(end)))
    rows = rows.select(key=rows[framing.key], label=rows[framing.target], known_at=rows[framing.label_time])
    return rows.order_by(["known_at", "key"]).to_pandas()


def bounds(problem: Problem) -> tuple[datetime, datetime]:
    """The first and the last event time there is."""
    time = _table(problem)[problem.framing.event_time]
    first, last = time.min().to_pandas(), time.max().to_pandas()
    if pd.isna(first):
        raise PerennialError(f"the table of {problem.name!r} at {locate(problem)} has no rows. Put rows there first.")
    return first.to_pydatetime().astimezone(UTC), last.to_pydatetime().astimezone(UTC)


def taken(problem: Problem) -> datetime:
    """The last moment that the table speaks of, an event or a label: what it does not hold by then, it may not hold yet."""
    table, framing = _table(problem), problem.framing
    labelled = table[framing.label_time].max().to_pandas()
    last = bounds(problem)[1]
    return last if pd.isna(labelled) else max(last, labelled.to_pydatetime().astimezone(UTC))


def locate(problem: Problem) -> Path:
    """Where the table is; absolute locations are taken as they are."""
    return Settings().data / problem.source.location


def available(problem: Problem) -> bool:
    """Is there a table to read? Of another engine's we only know once we ask it."""
    if problem.source.url is not None:
        return True
    path = locate(problem)
    return path.exists() or any(path.parent.glob(path.name))


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


def _table(problem: Problem) -> ibis.Table:
    path = locate(problem)
    if not available(problem):
        raise MissingDataError(problem, path)
    if problem.source.url is not None:
        return _engine_table(problem)
    key = (str(path), path.stat().st_mtime_ns if path.exists() else 0, id(problem))
    if key not in _OPENED:
        if len(_OPENED) >= 16:
            _OPENED.clear()
        try:
            _OPENED[key] = (_derived(problem, str(path)), problem)
        except duckdb.Error as error:
            raise UnreadableTableError(problem, error) from None
    return _OPENED[key][0]


# Opened once a process, and again when the file has changed. The problem is kept beside its table, so that its id stays its own.
_OPENED: dict[tuple[str, int, int], tuple[ibis.Table, Problem]] = {}


def _derived(problem: Problem, path: str) -> ibis.Table:
    """The table with its derived columns, checked."""
    connection = ibis.duckdb.connect(threads=2)
    connection.raw_sql("SET TimeZone = 'UTC'")
    text = is_text(path)
    table = connection.read_csv(path, **problem.source.reading) if text else connection.read_parquet(path)
    table = _with_derived(problem, table)
    _check(problem, table)
    # What is parsed or derived would be so anew at each read; a file that fits is kept as columns instead.
    most = _KEPT_BYTES if text else _KEPT_BYTES // 4  # Parquet is packed
    small = (text or problem.source.derive is not None) and _size(path) < most
    return connection.create_table("kept", table, temp=True) if small else table


def _size(path: str) -> int:
    """Bytes of the file, or of all files of a glob."""
    whole = Path(path)
    return sum(file.stat().st_size for file in ([whole] if whole.exists() else whole.parent.glob(whole.name)))


def _engine_table(problem: Problem) -> ibis.Table:
    table = _with_derived(problem, open_table(problem))
    _check(problem, table)
    return table


def _with_derived(problem: Problem, table: ibis.Table) -> ibis.Table:
    """The table with what the problem derives. A column that is gone or of another type is named before Python's own words."""
    if problem.source.derive is None:
        return table
    try:
        return problem.source.derive(table)
    except (AttributeError, ibis.common.exceptions.IbisError) as error:
        lacking = [name for name in problem.contract.columns if name not in table.columns]
        times = [name for name in (problem.framing.event_time, problem.framing.label_time) if name in table.columns]
        raise UnderivableError(problem, lacking, {name: str(table[name].type()) for name in times}, error) from None


def _check(problem: Problem, table: ibis.Table) -> None:
    computed = {one.name for one in problem.features}
    missing = sorted(set(problem.contract.columns) - set(table.columns) - computed)
    if missing:
        raise MissingColumnError(problem, missing, table.columns)
    framing, filled = problem.framing, problem.filled_at
    for column in dict.fromkeys([framing.event_time, framing.label_time, *filled.values()]):
        kind = table[column].type()
        if not kind.is_timestamp() or kind.timezone is None:
            raise NaiveTimestampError(f"column {column!r} of {problem.name!r}", f"of type {kind}")


def _between(problem: Problem, start: datetime, end: datetime) -> ibis.Table:
    table = _table(problem)
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
    return rows.select(*problem.contract.columns).mutate(**masks)


def _frame(problem: Problem, rows: ibis.Table) -> pd.DataFrame:
    first = [problem.framing.event_time, problem.framing.key]
    frame = rows.order_by(first).to_pandas().reset_index(drop=True)
    if frame.duplicated(first).any():  # rows that share a key come in whatever order the engine has them: fix one
        rest = [name for name in frame.columns if name not in first]
        frame = frame.sort_values([*first, *rest], ignore_index=True)
    return frame
