"""When did rows arrive, how many, and did the same ones come twice? Counted in the engine, a partition at a time."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations

import ibis
import ibis.expr.operations as ops

from tasks.engine_rules import lacks, looked_at
from tasks.gates import Seen

__all__ = ["copied_partitions", "missing_by_column", "new_values", "rows_by_partition"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PRIME = 2_147_483_647  # hashes are summed modulo it, so that no sum of them overflows
_LEAST = 20  # rows of a partition under which equal content may be chance


def rows_by_partition(table: ibis.Table, event_time: str, *, partition: timedelta) -> dict[datetime, int]:
    """Rows by the beginning of the partition they belong to; those without a row are left out."""
    counted = table.filter(table[event_time].notnull()).group_by(place=_place(table, event_time, partition))
    rows = counted.aggregate(rows=ibis._.count()).to_pyarrow().to_pylist()
    return {_EPOCH + row["place"] * partition: int(row["rows"]) for row in rows}


def copied_partitions(
    table: ibis.Table, event_time: str, columns: Iterable[str], *, partition: timedelta, since: datetime
) -> list[tuple[datetime, datetime]]:
    """Pairs of partitions, the later one from `since` on, with the same rows in all of `columns` (without key and times).

    Compared by sums of hashes, a column. A column that is constant within a partition says nothing (a weekday differs from
    day to day by itself); partitions under 20 rows are left out, and so is everything where earlier partitions are already
    alike: such a table repeats itself by nature. An engine without a hash has no pairs.
    """
    names = [name for name in columns if not table[name].type().is_temporal()]
    if not names or not table.get_backend().has_operation(ops.Hash):
        return []
    prints = _fingerprints(table, event_time, names, partition)
    alike = [pair for pair in combinations(sorted(prints), 2) if prints[pair[0]]["rows"] == prints[pair[1]]["rows"]]
    alike = [(a, b) for a, b in alike if _same(prints[a], prints[b], len(names))]
    if any(b < since for _, b in alike):
        return []
    return alike


def missing_by_column(table: ibis.Table, columns: Iterable[str]) -> tuple[int, dict[str, float]]:
    """Rows, and the share of null (of real numbers also NaN) in each column; of no rows, no shares."""
    names = list(columns)
    table = looked_at(table)
    lacking = {f"c{at}": lacks(table[name]).sum() for at, name in enumerate(names)}
    said = table.aggregate(rows=table.count(), **lacking).to_pyarrow().to_pylist()[0]
    rows = int(said["rows"])
    return rows, {name: int(said[f"c{at}"]) / rows for at, name in enumerate(names)} if rows else {}


def new_values(now: ibis.Table, reference: ibis.Table, columns: Sequence[str]) -> dict[str, Seen]:
    """Of each text column: rows of `now` whose value `reference` never had, and how many such rows are to be expected."""
    found = {}
    for name in columns:
        known = reference.filter(reference[name].notnull()).group_by(value=reference[name]).aggregate(n=ibis._.count())
        said = known.aggregate(rows=known.n.sum(), once=known.count(where=known.n == 1)).to_pyarrow().to_pylist()[0]
        if not said["rows"]:
            continue
        given = now.filter(now[name].notnull()).group_by(value=now[name]).aggregate(n=ibis._.count())
        new = given.anti_join(known, "value")
        new_said = new.aggregate(rows=new.n.sum(), names=new.count()).to_pyarrow().to_pylist()[0]
        rows = given.n.sum().to_pyarrow().as_py() or 0
        found[name] = Seen(int(rows), int(new_said["rows"] or 0), int(new_said["names"]), said["once"] / said["rows"])
    return found


def _place(table: ibis.Table, event_time: str, partition: timedelta) -> ibis.Value:
    """The number of the partition, counted from 1970 in UTC."""
    seconds = int(partition.total_seconds())
    return (table[event_time].epoch_seconds() // seconds).cast("int64")


def _fingerprints(
    table: ibis.Table, event_time: str, names: Sequence[str], partition: timedelta
) -> Mapping[datetime, Mapping[str, int]]:
    """Of each partition of enough rows: how many, and for each column the sum of its hashes and whether it varies."""
    grouped = table.group_by(place=_place(table, event_time, partition))
    asked = {"rows": ibis._.count()}
    for at, name in enumerate(names):
        asked[f"sum_{at}"] = (table[name].hash() % _PRIME).sum()
        asked[f"varies_{at}"] = table[name].min() != table[name].max()
    rows = grouped.aggregate(**asked).to_pyarrow().to_pylist()
    return {_EPOCH + row["place"] * partition: row for row in rows if row["rows"] >= _LEAST}


def _same(a: Mapping[str, int], b: Mapping[str, int], n: int) -> bool:
    varying = [at for at in range(n) if a[f"varies_{at}"] or b[f"varies_{at}"]]
    return bool(varying) and all(a[f"sum_{at}"] == b[f"sum_{at}"] for at in varying)
