"""Where is a problem's table, and does it have what the problem reads? Opened once, derived, checked."""

import atexit
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import duckdb
import ibis

from schemas.errors import PerennialError
from schemas.moments import NaiveTimestampError
from schemas.problem import Problem
from schemas.settings import Settings
from schemas.source import is_text
from tasks.engines import open_table

__all__ = [
    "MissingColumnError",
    "MissingDataError",
    "UnderivableError",
    "UnreadableTableError",
    "available",
    "counts_of",
    "locate",
    "open_source",
]

_KEPT_BYTES = 256 * 2**20


class MissingDataError(PerennialError, FileNotFoundError):
    def __init__(self, problem: Problem, path: Path) -> None:
        hint = (
            problem.source.hint
            or f"Put the table there, or say where it is: make loop PROBLEM={problem.name} DATA=path"
        )
        super().__init__(f"problem {problem.name!r} reads {path}, and there is no such file. {hint}")


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


def open_source(problem: Problem) -> ibis.Table:
    """The problem's table as it lies in its engine, with what the problem derives: every row, and nothing masked."""
    path = locate(problem)
    if not available(problem):
        raise MissingDataError(problem, path)
    if problem.source.url is not None:
        return _engine_table(problem)
    key = _key(problem, path)
    if key not in _OPENED:
        if len(_OPENED) >= 16:
            _OPENED.clear()
        try:
            _OPENED[key] = (_derived(problem, str(path)), problem, {})
        except duckdb.Error as error:
            raise UnreadableTableError(problem, error) from None
    return _OPENED[key][0]


def counts_of(problem: Problem) -> dict[tuple[datetime, datetime], int]:
    """Where to remember how many rows a window has: with the file as it lies there. A pattern or another engine may hold
    more rows by the next time, and nothing is remembered of them."""
    path = locate(problem)
    known = _OPENED.get(_key(problem, path)) if problem.source.url is None and path.is_file() else None
    return known[2] if known else {}


def _key(problem: Problem, path: Path) -> tuple[str, int, int]:
    return (str(path), path.stat().st_mtime_ns if path.exists() else 0, id(problem))


# Opened once a process, and again when the file has changed. The problem is kept beside its table, so that its id stays its own.
_OPENED: dict[tuple[str, int, int], tuple[ibis.Table, Problem, dict[tuple[datetime, datetime], int]]] = {}
atexit.register(_OPENED.clear)  # DuckDB prints page after page of what is open when it goes


def locate(problem: Problem) -> Path:
    """Where the table is; absolute locations are taken as they are."""
    return Settings().data / problem.source.location


def available(problem: Problem) -> bool:
    """Is there a table to read? Of another engine's we only know once we ask it."""
    if problem.source.url is not None:
        return True
    path = locate(problem)
    return path.exists() or any(path.parent.glob(path.name))


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
