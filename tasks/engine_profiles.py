"""What did a window look like, counted where its rows are? The same counts over frozen bins as tasks.profiles makes of a frame."""

from datetime import datetime, timedelta
from typing import Any

import ibis
import numpy as np
from ibis.expr import types as ir

from tasks.engine_rules import looked_at
from tasks.profiles import Column, Profile, compared

__all__ = ["distances_of_table", "profile_places", "profile_table", "profile_windows"]

_LARGE = 5_000_000  # rows under which a query more costs more than it saves
_NARROW = 2_000  # values that a column of whole numbers may have at most, by its range, to be counted one by one
_LOOK, _FEW = 200_000, 20_000  # rows looked at, and distinct values among them that are counted one by one
_PLACE = "perennial_place"


@ibis.udf.agg.builtin(name="histogram")
def _histogram(value: float, bounds: list[float]) -> dict[float, int]:
    """DuckDB's own: rows up to each bound, and those above the last one under infinity."""
    raise NotImplementedError  # the engine has it


def profile_table(table: ibis.Table, profile: Profile) -> dict[str, np.ndarray]:
    """Rows of each frozen bin, a column: shape (bins + 2,) or, of categories, known, unseen and missing ones.

    A column that is gone, or no longer a number or a text as it was, is left out.
    """
    found = profile_places(table, profile, ibis.literal(0, "int64"))
    return found.get(0, {name: np.zeros(len(c.bins) + 2, dtype=int) for name, c in _kept(table, profile).items()})


def profile_windows(
    table: ibis.Table, event_time: str, profile: Profile, *, origin: datetime, span: timedelta
) -> dict[datetime, dict[str, np.ndarray]]:
    """As `profile_table`, of each window of `span` from `origin` on that has a row, by its beginning: all in one pass.

    To the second: `origin` and `span` are whole ones.
    """
    seconds = int(span.total_seconds())
    place = (table[event_time].epoch_seconds() - int(origin.timestamp())) // seconds
    found = profile_places(table, profile, place.cast("int64"))
    return {origin + place * span: counts for place, counts in sorted(found.items())}


def profile_places(table: ibis.Table, profile: Profile, place: ir.IntegerValue) -> dict[int, dict[str, np.ndarray]]:
    """As `profile_table`, of the rows of each value of `place`."""
    kept = _kept(table, profile)
    table = looked_at(table.select(**{_PLACE: place}, **{name: table[name] for name in kept}))
    numbers = {name: column for name, column in kept.items() if column.ordered}
    found = _numbers(table, numbers) if numbers else {}
    for name, column in kept.items():
        if name not in numbers:
            for at, counts in _texts(table, name, column).items():
                found.setdefault(at, {})[name] = counts
    return found


def distances_of_table(profile: Profile, table: ibis.Table) -> dict[str, float]:
    """How far the window lies from the reference, as `profiles.compared` says it."""
    return compared(profile, profile_table(table, profile))


def _kept(table: ibis.Table, profile: Profile) -> dict[str, Column]:
    return {name: c for name, c in profile.items() if name in table.columns and _fits(table[name], c)}


def _fits(value: ir.Value, column: Column) -> bool:
    kind = value.type()
    numeric = kind.is_integer() or kind.is_floating() or kind.is_boolean()
    return bool(numeric if column.ordered else kind.is_string())


def _numbers(table: ibis.Table, columns: Profile) -> dict[int, dict[str, np.ndarray]]:
    """Whole numbers of a narrow range by value, all in one query; the others in one pass over them, but of a large table those
    with few values by value as well, each in a query of its own: that is faster a row."""
    narrow = _narrow(table, [name for name in columns if table[name].type().is_integer()])
    found = _valued(table, {name: columns[name] for name in narrow}) if narrow else {}
    wide = {name: column for name, column in columns.items() if name not in narrow}
    large = bool(wide) and int(table.count().to_pyarrow().as_py()) > _LARGE
    few = _with_few_values(table, list(wide)) if large else []
    many = {name: column for name, column in wide.items() if name not in few}
    asked = [({name: columns[name]}, _by_value(table, name)) for name in few] + ([(many, table)] if many else [])
    for some_columns, rows in asked:
        for at, counts in _binned(rows, some_columns, weighted=rows is not table).items():
            found.setdefault(at, {}).update(counts)
    return found


def _narrow(table: ibis.Table, names: list[str]) -> list[str]:
    """Columns that cannot have more values than are worth fetching."""
    names = [name for name in names if not table[name].type().is_uint64()]
    if not names:
        return []
    asked = {f"low_{at}": table[name].min().cast("int64") for at, name in enumerate(names)}
    asked |= {f"high_{at}": table[name].max().cast("int64") for at, name in enumerate(names)}
    said = table.aggregate(**asked).to_pyarrow().to_pylist()[0]
    ranges = {name: (said[f"low_{at}"] or 0, said[f"high_{at}"] or 0) for at, name in enumerate(names)}
    return [name for name, (low, high) in ranges.items() if high - low < _NARROW]


def _valued(table: ibis.Table, columns: Profile) -> dict[int, dict[str, np.ndarray]]:
    """Counts over the bins from the rows of each value, fetched at once."""
    parts = []
    for at, name in enumerate(columns):
        keys = {_PLACE: table[_PLACE], "value": table[name].cast("int64"), "at": ibis.literal(at, "int64")}
        parts.append(table.group_by(**keys).aggregate(rows=ibis._.count()))
    whole = parts[0] if len(parts) == 1 else ibis.union(*parts)
    said = whole.filter(whole[_PLACE].notnull()).to_pandas()
    found: dict[int, dict[str, np.ndarray]] = {}
    for at, (name, column) in enumerate(columns.items()):
        own, n = said[said["at"] == at], len(column.bins) + 2
        values = own["value"].to_numpy(dtype=float, na_value=np.nan)
        bins = np.where(np.isnan(values), n - 1, np.searchsorted(np.asarray(column.bins, dtype=float), values, "right"))
        for place in own[_PLACE].unique():
            here = (own[_PLACE] == place).to_numpy()
            counted = np.bincount(bins[here], weights=own["rows"].to_numpy()[here], minlength=n)
            found.setdefault(int(place), {})[name] = counted.astype(int)
    return found


def _with_few_values(table: ibis.Table, names: list[str]) -> list[str]:
    some = table.limit(_LOOK)
    distinct = some.aggregate(**{f"c{at}": some[name].nunique() for at, name in enumerate(names)}).to_pyarrow()
    return [name for at, name in enumerate(names) if distinct[f"c{at}"][0].as_py() <= _FEW]


def _by_value(table: ibis.Table, name: str) -> ibis.Table:
    """One row a value and place, with how many rows it stands for."""
    values = table.group_by(**{_PLACE: table[_PLACE], "value": table[name]}).aggregate(perennial_rows=ibis._.count())
    return values.rename({name: "value"})


def _binned(table: ibis.Table, columns: Profile, *, weighted: bool) -> dict[int, dict[str, np.ndarray]]:
    """Counts over the bins, by place; where `weighted`, a row of `table` stands for `perennial_rows` of them."""
    weight = table.perennial_rows if weighted else ibis.literal(1)
    asked: dict[str, ir.Value] = {"rows": weight.sum() if weighted else table.count()}
    for at, (name, column) in enumerate(columns.items()):
        value = table[name].cast("int8" if table[name].type().is_boolean() else table[name].type()).cast("float64")
        given = ibis.ifelse(value.isnan(), ibis.null("float64"), value)
        asked[f"given_{at}"] = weight.sum(where=given.notnull()) if weighted else given.count()
        # A bin holds edge <= x < next edge. Counted are the rows below each edge: x <= the largest double before it.
        below = [float(np.nextafter(edge, -np.inf)) for edge in column.bins]
        if table.get_backend().name == "duckdb" and not weighted:
            bounds = ibis.literal(f"[{', '.join(map(repr, below))}]").cast("array<float64>")
            asked[f"bins_{at}"] = _histogram(given, bounds)
            continue
        for place, bound in enumerate(below):
            under = given <= ibis.literal(repr(bound)).cast("float64")
            asked[f"bin_{at}_{place}"] = weight.sum(where=under) if weighted else under.sum()
    said = table.group_by(_PLACE).aggregate(**asked).to_pyarrow().to_pylist()
    return {
        int(row[_PLACE]): {name: _counts(row, at, column) for at, (name, column) in enumerate(columns.items())}
        for row in said
        if row[_PLACE] is not None
    }


def _counts(said: dict[str, Any], at: int, column: Column) -> np.ndarray:
    given, rows, n = int(said[f"given_{at}"] or 0), int(said["rows"] or 0), len(column.bins)
    if f"bins_{at}" in said:
        found = dict(said[f"bins_{at}"] or [])
        inside = [found.get(float(np.nextafter(edge, -np.inf)), 0) for edge in column.bins]
    else:
        inside = np.diff([0, *(int(said[f"bin_{at}_{place}"] or 0) for place in range(n))]).tolist()
    return np.array([*inside, given - sum(inside), rows - given], dtype=int)


def _texts(table: ibis.Table, name: str, column: Column) -> dict[int, np.ndarray]:
    known = [str(value) for value in column.bins]
    counted = table.group_by(**{_PLACE: table[_PLACE], "value": table[name]}).aggregate(rows=ibis._.count())
    # What is unseen is one group, however many values it has: none of them leaves the engine.
    cases = [(counted.value.isnull(), ibis.literal("missing"))]
    # One literal, and not one for each category, where the engine has lists: Ibis is slow with hundreds of them.
    lists = table.get_backend().name == "duckdb"
    listed = ibis.literal(known, "array<string>").contains(counted.value) if lists else counted.value.isin(known)
    cases += [(listed, ibis.literal("=") + counted.value)] if known else []
    kind = ibis.cases(*cases, else_="unseen")
    grouped = counted.group_by(**{_PLACE: counted[_PLACE], "kind": kind}).aggregate(rows=counted.rows.sum())
    kinds = {said: at for at, said in enumerate([*(f"={value}" for value in known), "unseen", "missing"])}
    found: dict[int, np.ndarray] = {}
    for row in grouped.to_pyarrow().to_pylist():
        if row[_PLACE] is not None:
            counts = found.setdefault(int(row[_PLACE]), np.zeros(len(kinds), dtype=int))
            counts[kinds[row["kind"]]] += int(row["rows"])
    return found
