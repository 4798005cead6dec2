"""How is somebody's table opened: which bytes, which delimiter, and does every value read as its column is said to be written?"""

import csv
import gzip
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ibis

from schemas.errors import PerennialError
from schemas.source import is_text
from tasks.engines import shown_url
from tasks.guesses.facts import ROW, Format, Reading

__all__ = ["Opened", "UnreadableTableError", "breaks", "detected", "evaluated", "native", "opened", "typed", "unparsed"]


class UnreadableTableError(PerennialError, ValueError):
    """A table that no problem can be made of."""


class Opened:
    """A table in an engine of its own: text as text, `row__` the position in the file."""

    def __init__(self, connection: Any, table: ibis.Table, reading: Reading, modified: datetime) -> None:
        self.connection, self.table, self.reading, self.modified = connection, table, reading, modified
        self.rows = int(table.count().to_pandas())
        if not self.rows:
            raise UnreadableTableError(
                "the table has no rows: a problem is made of what is in it. Put rows there first."
            )

    @property
    def names(self) -> list[str]:
        return [name for name in self.table.columns if name != ROW]

    def keep(self, table: ibis.Table, name: str) -> ibis.Table:
        return self.connection.create_table(name, table)


@contextmanager
def opened(data: str, *, table: str | None = None) -> Iterator[Opened]:
    """The file, glob or database table as it is, kept on disk as columns while it is looked at."""
    with tempfile.TemporaryDirectory(prefix="perennial-profile-") as folder:
        connection = ibis.duckdb.connect(Path(folder) / "profile.duckdb", threads=2, memory_limit="1GB")
        connection.raw_sql("SET TimeZone = 'UTC'")
        connection.raw_sql("SET preserve_insertion_order = true")
        try:
            yield _open(connection, data, table, Path(folder))
        finally:
            connection.disconnect()


def _open(connection: Any, data: str, table: str | None, folder: Path) -> Opened:
    if "://" in data:
        raw, reading, modified = _from_database(connection, data, table, folder), Reading(), datetime.now(UTC)
    else:
        files = files_of(data)
        modified = datetime.fromtimestamp(max(f.stat().st_mtime for f in files), tz=UTC)
        reading = Reading()
        if is_text(data):
            reading = _reading(files[0])
            raw = connection.read_csv([str(f) for f in files], all_varchar=True, **reading.options)
        else:
            raw = connection.read_parquet([str(f) for f in files])
    kept = connection.create_table("raw__", raw.mutate(**{ROW: ibis.row_number()}))
    return Opened(connection, kept, reading, modified)


def files_of(data: str) -> list[Path]:
    """The files a path or glob names, in order."""
    path = Path(data)
    found = [path] if path.is_file() else sorted(path.parent.glob(path.name))
    if not found:
        raise UnreadableTableError(
            f"there is no file {data}. Name a CSV or Parquet file, a glob, or a database URL with TABLE=."
        )
    return found


def _from_database(connection: Any, url: str, table: str | None, folder: Path) -> ibis.Table:
    """Copied in batches, so that what is counted loads neither the server nor memory."""
    if not table:
        raise UnreadableTableError("a database holds many tables: say which, with TABLE=name")
    path = folder / "copied.parquet"
    schema, _, name = table.rpartition(".")
    try:
        ibis.connect(url).table(name, database=schema or None).to_parquet(path)
    except Exception as error:  # whatever it says may quote the URL, and its password with it
        said = f"{shown_url(url)} gave no table {table!r} ({type(error).__name__}). Is it reachable, is TABLE right?"
        raise UnreadableTableError(said) from None
    return connection.read_parquet(path)


def _reading(path: Path) -> Reading:
    """Encoding, delimiter and header of a text file, where DuckDB would have to guess them."""
    start = _start(path)
    encoding = _encoding(start)
    lines = start.decode(encoding, errors="replace").splitlines()[:200]
    delimiter = max(",;\t|", key=lambda d: _steady(lines, d))
    options: dict[str, Any] = {"delim": delimiter, "header": _has_header(lines, delimiter), "quote": '"'}
    says = []
    if encoding != "utf-8":
        options["encoding"] = encoding
        says.append(f"its bytes are no UTF-8, read as {encoding}")
    if delimiter != ",":
        says.append(f"columns are divided by {delimiter!r}")
    if not options["header"]:
        says.append("the first line holds values and no names")
    return Reading(options, tuple(says))


def _start(path: Path) -> bytes:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        return file.read(8 * 2**20)


def _encoding(start: bytes) -> str:
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    try:
        start[: start.rfind(b"\n") + 1].decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _steady(lines: Sequence[str], delimiter: str) -> float:
    """How many columns this delimiter gives, if it gives every line as many."""
    widths = [len(row) for row in csv.reader(lines[:-1] or lines, delimiter=delimiter) if row]
    if not widths:
        return 0.0
    usual = max(set(widths), key=widths.count)
    return usual * (widths.count(usual) / len(widths)) ** 4 if usual > 1 else 0.0


def _has_header(lines: Sequence[str], delimiter: str) -> bool:
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter) if row]
    if len(rows) < 2:
        return True
    first = rows[0]
    below = [[row[i] for row in rows[1:] if len(row) > i and row[i]] for i in range(len(first))]
    if any(
        cell and not _is_number(cell) and column and all(map(_is_number, column))
        for cell, column in zip(first, below, strict=True)
    ):
        return True  # a word over a column of numbers is its name
    numbers = sum(_is_number(cell) for cell in first)
    repeated = sum(cell in {row[i] for row in rows[1:] if len(row) > i} for i, cell in enumerate(first) if cell)
    return len(set(first)) == len(first) and numbers <= len(first) / 10 and repeated <= len(first) / 4


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True


def unparsed(table: Opened, formats: Mapping[str, Format], nulls: Sequence[str]) -> dict[str, list[str]]:
    """Values of text columns that their format cannot read, over the whole table; at most ten of each."""
    found = {}
    for name, form in formats.items():
        if form.kind == "text" or not table.table[name].type().is_string():
            continue
        column = table.table[name]
        bad = ~_reads(column, form) & column.notnull() & ~column.isin(list(nulls))
        rows = table.table.filter(bad).select(v=column).distinct().limit(10).to_pandas()
        found[name] = rows["v"].tolist()
    return {name: values for name, values in found.items() if values}


_PATTERNS = {"BIGINT": "int64", "DOUBLE": "float64", "BOOLEAN": "boolean", "TIMESTAMP": "timestamp"}


def _reads(column: Any, form: Format) -> Any:
    """Can the engine read this value? Of numbers it is tried; of dates in another manner, their shape is looked at."""
    if form.read_as in _PATTERNS:
        return column.strip().try_cast(_PATTERNS[form.read_as]).notnull()
    if form.read_as == "TIMESTAMPTZ":
        return column.try_cast("timestamp('UTC')").notnull()
    if form.kind == "time":
        return column.re_search(r"\d")
    return column.re_search(r"^[^A-Za-z]*\d[^A-Za-z]*[A-Za-z/%²³°]*$")


_CASTS = {
    "BIGINT": "int64",
    "DOUBLE": "float64",
    "BOOLEAN": "boolean",
    "TIMESTAMP": "timestamp",
    "TIMESTAMPTZ": "timestamp('UTC')",
}


def native(table: ibis.Table, name: str) -> Format | None:
    """The format of a column that the engine knows the type of; None where it is text, or what no recipe can use."""
    kind = table[name].type()
    if kind.is_boolean():
        return Format("flag", read_as="BOOLEAN")
    if kind.is_numeric():
        return Format("number", read_as="BIGINT" if kind.is_integer() else "DOUBLE")
    if kind.is_date():
        return Format("time", '{0}.cast("timestamp")', "TIMESTAMP", daily=True)
    return Format("time", "{0}", "TIMESTAMP") if kind.is_timestamp() else None


def typed(table: Opened, formats: Mapping[str, Format], nulls: Sequence[str], *, name: str) -> ibis.Table:
    """The table as the draft will read and derive it, by the same code."""
    raw = {}
    for column, form in formats.items():
        cell = table.table[column]
        if cell.type().is_string():
            cell = cell.isin(list(nulls)).ifelse(ibis.null(str), cell) if nulls else cell
            cell = cell.strip().cast(_CASTS[form.read_as]) if form.read_as in _CASTS else cell
        raw[column] = cell
    read = table.table.select(ROW, **raw)
    made = {column: evaluated(read, form.code.format(f"table[{column!r}]")) for column, form in formats.items()}
    return table.keep(read.select(ROW, **made), name)


def evaluated(table: ibis.Table, code: str) -> Any:
    """An expression of the draft, over this table: what is measured is what will be written."""
    return eval(code, {"ibis": ibis, "table": table, "__builtins__": {}})  # noqa: S307  (our own text; names of columns stand in it as literals)


def breaks(table: Opened, name: str, form: Format, nulls: Sequence[str]) -> bool:
    """Does the engine refuse some value of this column in this format?"""
    try:
        made = typed(table, {name: form}, nulls, name=f"tried_{abs(hash(name))}")
        made.count().to_pandas()
    except Exception:  # whatever the engine calls it, the column is text then
        return True
    return False


def detected(data: str, options: Mapping[str, Any]) -> dict[str, str]:
    """The types that DuckDB's own guess gives a text file's columns under these options."""
    connection = ibis.duckdb.connect(threads=2)
    connection.raw_sql("SET TimeZone = 'UTC'")
    try:
        schema = connection.read_csv([str(f) for f in files_of(data)], **options).schema()
    except Exception:  # a guess that fails is as good as none
        return {}
    finally:
        connection.disconnect()
    return {name: str(kind) for name, kind in schema.items()}
