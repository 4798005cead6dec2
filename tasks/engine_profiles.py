"""What did a window look like, counted where its rows are? The same counts over frozen bins as tasks.profiles makes of a frame."""

from typing import Any

import ibis
import numpy as np
from ibis.expr import types as ir

from tasks.engine_rules import looked_at
from tasks.profiles import Column, Profile
from tasks.stats import distance

__all__ = ["distances_of_table", "profile_table"]

_LOOK, _FEW = 200_000, 20_000  # rows looked at, and distinct values among them that are counted one by one


@ibis.udf.agg.builtin(name="histogram")
def _histogram(value: float, bounds: list[float]) -> dict[float, int]:
    """DuckDB's own: rows up to each bound, and those above the last one under infinity."""
    raise NotImplementedError  # the engine has it


def profile_table(table: ibis.Table, profile: Profile) -> dict[str, np.ndarray]:
    """Rows of each frozen bin, a column: shape (bins + 2,) or, of categories, known, unseen and missing ones.

    A column that is gone, or no longer a number or a text as it was, is left out.
    """
    table = looked_at(table)
    kept = {name: column for name, column in profile.items() if name in table.columns and _fits(table[name], column)}
    numbers = {name: column for name, column in kept.items() if column.ordered}
    counts = _numbers(table, numbers) if numbers else {}
    return {name: counts[name] if name in numbers else _texts(table, name, column) for name, column in kept.items()}


def distances_of_table(profile: Profile, table: ibis.Table) -> dict[str, float]:
    """Distance of each column from the reference, in [0, 1]; nan where the column is gone or retyped."""
    counts = profile_table(table, profile)
    return {
        name: distance(column.counts, counts[name], ordered=column.ordered) if name in counts else float("nan")
        for name, column in profile.items()
    }


def _fits(value: ir.Value, column: Column) -> bool:
    kind = value.type()
    numeric = kind.is_integer() or kind.is_floating() or kind.is_boolean()
    return bool(numeric if column.ordered else kind.is_string())


def _numbers(table: ibis.Table, columns: Profile) -> dict[str, np.ndarray]:
    """Columns with few values by value, each in one query; the others in one pass over all of them."""
    some = table.limit(_LOOK)
    distinct = some.aggregate(**{f"c{at}": some[name].nunique() for at, name in enumerate(columns)}).to_pyarrow()
    few = [name for at, name in enumerate(columns) if distinct[f"c{at}"][0].as_py() <= _FEW]
    found: dict[str, np.ndarray] = {}
    for name in few:
        values = table.group_by(value=table[name]).aggregate(perennial_rows=ibis._.count())
        found |= _binned(values.rename({name: "value"}), {name: columns[name]}, weighted=True)
    many = {name: column for name, column in columns.items() if name not in few}
    return found | (_binned(table, many, weighted=False) if many else {})


def _binned(table: ibis.Table, columns: Profile, *, weighted: bool) -> dict[str, np.ndarray]:
    """Counts over the bins; where `weighted`, a row of `table` stands for `perennial_rows` of them."""
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
    said = table.aggregate(**asked).to_pyarrow().to_pylist()[0]
    return {name: _counts(said, at, column) for at, (name, column) in enumerate(columns.items())}


def _counts(said: dict[str, Any], at: int, column: Column) -> np.ndarray:
    given, rows, n = int(said[f"given_{at}"] or 0), int(said["rows"] or 0), len(column.bins)
    if f"bins_{at}" in said:
        found = dict(said[f"bins_{at}"] or [])
        inside = [found.get(float(np.nextafter(edge, -np.inf)), 0) for edge in column.bins]
    else:
        inside = np.diff([0, *(int(said[f"bin_{at}_{place}"] or 0) for place in range(n))]).tolist()
    return np.array([*inside, given - sum(inside), rows - given], dtype=int)


def _texts(table: ibis.Table, name: str, column: Column) -> np.ndarray:
    known = [str(value) for value in column.bins]
    counted = table.group_by(value=table[name]).aggregate(rows=ibis._.count())
    # What is unseen is one group, however many values it has: none of them leaves the engine.
    cases = [(counted.value.isnull(), ibis.literal("missing"))]
    cases += [(counted.value.isin(known), ibis.literal("=") + counted.value)] if known else []
    grouped = counted.group_by(place=ibis.cases(*cases, else_="unseen")).aggregate(rows=counted.rows.sum())
    found = {row["place"]: int(row["rows"]) for row in grouped.to_pyarrow().to_pylist()}
    places = [*(f"={value}" for value in known), "unseen", "missing"]
    return np.array([found.get(place, 0) for place in places], dtype=int)
