"""Which requests does a file hold? Its rows in the contract's columns, a bounded part at a time, in the file's own order."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import ibis
import numpy as np
import pandas as pd
import pyarrow as pa

from schemas.errors import PerennialError
from schemas.moments import NaiveTimestampError
from schemas.problem import Problem
from schemas.source import is_text
from tasks.values import kind_of

__all__ = ["FAULT", "Firsts", "requests_in"]

# Why a row cannot be answered whatever the contract says of its values; null where it can. No column of a contract has a space.
FAULT = "perennial fault"
_ZONED = r"^\s*\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?\s*(Z|[+-]\d\d(:?\d\d)?)\s*$"
_GUESSED = ("types", "dtypes", "columns", "auto_type_candidates")
_WHOLE = r"^\s*[+-]?\d+(\.0*)?\s*$"


class Firsts:
    """Of rows with one key the first may be answered, wherever the others are. Only keys of several rows are remembered."""

    def __init__(self, problem: Problem, repeated: Iterable[Any]) -> None:
        self._key, self._repeated = problem.framing.key, set(repeated)
        self._seen: set[Any] = set()

    def marked(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The next rows, with FAULT where their key came before."""
        keys, fault = frame[self._key], np.full(len(frame), None, dtype=object)
        if FAULT in frame:
            fault = frame[FAULT].to_numpy(dtype=object, na_value=None)
        for position in np.flatnonzero(keys.isin(self._repeated)) if self._repeated else ():
            if keys.iloc[position] in self._seen and fault[position] is None:
                fault[position] = f"{self._key}: duplicated"
            self._seen.add(keys.iloc[position])
        return frame.assign(**{FAULT: pd.array(fault, dtype="str")})


class UnreadableFileError(PerennialError, OSError):
    def __init__(self, path: Path, error: Exception) -> None:
        # The engine's own message may quote the line it stopped at.
        super().__init__(
            f"the file {path} cannot be read as {'delimited text' if is_text(path.name) else 'Parquet'} "
            f"({type(error).__name__}). Its name says what it is: give a .csv or a .parquet file that is whole."
        )


class LackingColumnsError(PerennialError, KeyError):
    def __init__(self, problem: Problem, path: Path, lacking: Sequence[str], found: Sequence[str]) -> None:
        self.says = (
            f"the file {path} lacks the columns {', '.join(lacking)}, without which no request of {problem.name!r} can be "
            f"answered; it has {', '.join(found)}. Give them as a gateway is given them, those that the problem derives or computes "
            "too; the label, and what is filled in later, may be left out."
        )
        super().__init__(self.says)

    def __str__(self) -> str:
        return self.says


def requests_in(problem: Problem, path: Path, *, rows: int) -> Iterator[pd.DataFrame]:
    """The file's requests, at most `rows` at a time: columns of the contract, of which the label and what is filled in later
    are null whether or not the file has them, and FAULT.

    Text is read by the contract's types: a cell that is none of its column's type makes its own row faulty, and no other.
    """
    if not path.is_file():
        raise PerennialError(f"there is no file {path}. Give the path of a CSV or Parquet file of requests.")
    connection = ibis.duckdb.connect(threads=2)
    try:
        table = _asked(problem, path, connection)
        firsts = Firsts(problem, _repeated(problem, table))
        # Not by Ibis's own `to_pyarrow_batches`: it calls what duckdb 2 has renamed.
        batches = connection.con.sql(connection.compile(table)).to_arrow_reader(rows)
        for part in _sliced(batches, rows):
            yield firsts.marked(_typed(problem, part.to_pandas()))
    except duckdb.Error as error:
        raise UnreadableFileError(path, error) from None
    finally:
        connection.disconnect()


def _asked(problem: Problem, path: Path, connection: Any) -> ibis.Table:
    """The columns of a request, and FAULT, as the engine is to read them."""
    connection.raw_sql("SET TimeZone = 'UTC'")
    text = is_text(path.name)
    if text:
        # The types are the contract's: a guess from the first lines would take the zeros from 00123, and refuse a file whole.
        reading = {name: said for name, said in problem.source.reading.items() if name not in _GUESSED}
        table = connection.read_csv(str(path), **reading, all_varchar=True)
    else:
        table = connection.read_parquet(str(path))
    lacking = [name for name in problem.asked if name not in table.columns]
    if lacking:
        raise LackingColumnsError(problem, path, lacking, table.columns)
    read = {name: _cell(problem, table, name) if text else (table[name], None) for name in problem.asked}
    for name, (value, _) in read.items():
        if value.type().is_timestamp() and value.type().timezone is None:
            raise NaiveTimestampError(f"column {name!r} of {path}", f"of type {value.type()}")
    faults = [fault for _, fault in read.values() if fault is not None]
    fault = ibis.coalesce(*faults) if faults else ibis.null("string")
    return table.select(**{name: value for name, (value, _) in read.items()}, **{FAULT: fault})


def _cell(problem: Problem, table: ibis.Table, name: str) -> tuple[Any, Any]:
    """A column of texts as the contract's type, and what is wrong with a text that is none of it."""
    text = table[name]
    dtype = problem.contract.dtype or problem.contract.columns[name].dtype
    plain = getattr(dtype, "type", None)
    kind, values = kind_of(name, plain, str(dtype))
    if kind == "text":
        return text, None
    if kind == "time":
        value, rule = text.try_cast("timestamp('UTC', 6)"), "time with a zone (ISO 8601)"
        value = ibis.ifelse(text.re_search(_ZONED), value, ibis.null(value.type()))
    elif kind == "whole":
        value, rule = text.try_cast("decimal(38, 0)").try_cast(str(values)), str(values)
        value = ibis.ifelse(text.re_search(_WHOLE), value, ibis.null(value.type()))
    else:
        value = text.try_cast("boolean" if kind == "truth" else str(values))
        rule = "bool" if kind == "truth" else str(values)
    return value, ibis.ifelse(text.notnull() & value.isnull(), f"{name}: dtype({rule!r})", ibis.null("string"))


def _repeated(problem: Problem, table: ibis.Table) -> set[Any]:
    """Keys of more than one row: counted in the engine, which has room on the disk."""
    key = table[problem.framing.key]
    counts = table.filter(key.notnull()).group_by(key.name("key")).agg(n=lambda rows: rows.count())
    return set(counts.filter(counts.n > 1).key.to_pandas())


def _sliced(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """The batches as tables of `rows` rows each, and the rest."""
    waiting: list[pa.RecordBatch] = []
    held = 0
    for batch in batches:
        while held + len(batch) >= rows:
            first = rows - held
            yield pa.Table.from_batches([*waiting, batch.slice(0, first)])
            waiting, held, batch = [], 0, batch.slice(first)
        if len(batch):
            waiting.append(batch)
            held += len(batch)
    if waiting:
        yield pa.Table.from_batches(waiting)


def _typed(problem: Problem, part: pd.DataFrame) -> pd.DataFrame:
    """Every column that the contract has: what no request holds is null; what pandas has types of its own for has them."""
    columns: dict[str, Any] = {}
    for name, column in problem.contract.columns.items():
        plain = getattr(problem.contract.dtype or column.dtype, "type", None)
        if name in problem.late:
            columns[name] = pd.Series([None] * len(part), dtype=object)
        elif part[name].dtype != plain and isinstance(plain, pd.api.extensions.ExtensionDtype):
            columns[name] = part[name].astype(plain)
        else:
            columns[name] = part[name]
    return pd.DataFrame({**columns, FAULT: part[FAULT].astype(object)})
