"""Do the rows of a table keep the contract, asked where they are? The same verdict as on a frame, without holding the rows."""

import functools
import operator
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import ibis
import ibis.expr.datatypes as dt
import numpy as np
import pandas as pd
import pandera.pandas as pa
from ibis.expr import types as ir

from schemas.problem import Problem
from tasks.contracts import Checked, check, kept_file, refuse_if_switched_off, refuse_if_whole, strict
from tasks.engine_rules import Fails, UntranslatableError, lacks, looked_at, rules_of

__all__ = ["TableChecked", "check_table", "quarantine_table"]


@dataclass(frozen=True)
class TableChecked:
    """A table split by its contract, both parts still in the engine: `valid` and `bad` together hold every row once."""

    rows: int
    bad_rows: int
    counts: dict[str, int]
    missing: dict[str, float]  # share of null a column; of no rows, nothing
    valid: ibis.Table
    bad: ibis.Table  # with `reason`, in the words of the frame's check
    extra: tuple[str, ...] = ()
    personal: frozenset[str] = frozenset()

    @property
    def bad_share(self) -> float:
        return self.bad_rows / self.rows if self.rows else 0.0

    def some_bad(self, n: int) -> pd.DataFrame:
        """At most `n` bad rows with their reasons, unmasked."""
        return self.bad.limit(n).to_pandas()


def check_table(problem: Problem, table: ibis.Table) -> TableChecked:
    """Hold every row of `table` to the contract, and its keys to being the only one.

    Raises BrokenContractError on a fault of the whole table, as `check` does. A rule that has no expression in the engine
    sends the table to pandas when it may hold it, and raises UntranslatableError when it may not.
    """
    refuse_if_switched_off()
    contract = strict(problem.contract)
    table = _as_read(contract, looked_at(table))
    empty = table.limit(0).to_pandas()
    refuse_if_whole(problem, contract, empty)
    rules, unasked = rules_of(problem, contract, table)
    if unasked:
        return _in_pandas(problem, table, unasked)
    rows, missing, found = _counted(problem, contract, table, rules)
    # A rule that no row breaks is not asked of each row again.
    rules = [rule for rule in rules if rule.what in found]
    broken = functools.reduce(operator.or_, (rule.where for rule in rules), ibis.literal(False))
    kept, bad = table.filter(~broken), table.filter(broken).mutate(reason=_reason(rules))
    # One row with a bad value takes no place from a valid one of the same key: keys are asked of the others only.
    repeated = _repeated(problem, kept)
    if repeated is not None:
        kept, again, n_again = _firsts(problem, kept, repeated)
        what = f"{problem.framing.key}: duplicated"
        found[what] = n_again
        bad = bad.union(again.mutate(reason=ibis.literal(what)))
    n_bad = int(bad.count().to_pyarrow().as_py()) if found else 0
    extra = tuple(name for name in table.columns if name not in contract.columns)
    return TableChecked(rows, n_bad, found, missing, kept, bad, extra, problem.personal)


def quarantine_table(problem: Problem, checked: TableChecked, *, start: datetime, end: datetime) -> str | None:
    """Keep the bad rows with their reasons, written by the engine; the same window writes the same file."""
    if not checked.bad_rows:
        return None
    path = kept_file(problem, start=start, end=end)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    checked.bad.to_parquet(partial)
    partial.chmod(0o600)
    partial.replace(path)
    return str(path)


def _as_read(contract: pa.DataFrameSchema, table: ibis.Table) -> ibis.Table:
    """The table as a frame holds it: pandas makes floats of whole numbers among which one lacks, and a column of nulls alone
    has no type of its own."""
    wrong = {name: wanted for name, wanted in _wanted(contract).items() if name in table.columns}
    wrong = {name: wanted for name, wanted in wrong.items() if not _is(table[name].type(), wanted)}
    if not wrong:
        return table
    asked = {"rows": table.count()} | {f"given_{at}": table[name].count() for at, name in enumerate(wrong)}
    said = table.aggregate(**asked).to_pyarrow().to_pylist()[0]
    casts = {}
    for at, (name, wanted) in enumerate(wrong.items()):
        given = said[f"given_{at}"]
        if given == 0:
            casts[name] = ibis.null(wanted)
        elif wanted.is_float64() and table[name].type().is_integer() and given < said["rows"]:
            casts[name] = table[name].cast("float64")
    return table.mutate(**casts) if casts else table


def _wanted(contract: pa.DataFrameSchema) -> dict[str, dt.DataType]:
    """The engine's type of each column that has one."""
    wanted = {}
    for name, column in contract.columns.items():
        dtype = getattr(contract.dtype or column.dtype, "type", None)
        if isinstance(dtype, pd.DatetimeTZDtype):
            wanted[name] = dt.Timestamp(timezone=str(dtype.tz), scale=6)
        elif isinstance(dtype, pd.StringDtype):
            wanted[name] = dt.string
        elif isinstance(dtype, np.dtype) and dtype.kind in "iufb":
            wanted[name] = dt.dtype(str(dtype).replace("bool", "boolean"))
    return wanted


def _is(found: dt.DataType, wanted: dt.DataType) -> bool:
    return found.is_timestamp() if wanted.is_timestamp() else found(nullable=True) == wanted


def _in_pandas(problem: Problem, table: ibis.Table, unasked: Sequence[str]) -> TableChecked:
    """The frame's check of a table that pandas may hold."""
    rows = int(table.count().to_pyarrow().as_py())
    if rows > problem.data.frame_rows:
        raise UntranslatableError(problem, unasked)
    order = [problem.framing.event_time, problem.framing.key]
    checked: Checked = check(problem, table.order_by(order).to_pandas())
    bad = checked.bad.assign(reason=checked.reasons.to_numpy())
    return TableChecked(
        checked.rows,
        checked.bad_rows,
        checked.counts,
        checked.missing,
        ibis.memtable(checked.valid),
        ibis.memtable(bad),
        checked.extra,
        checked.personal,
    )


def _counted(
    problem: Problem, contract: pa.DataFrameSchema, table: ibis.Table, rules: Sequence[Fails]
) -> tuple[int, dict[str, float], dict[str, int]]:
    """How many rows there are, the missing share of each column, and the rows that break each rule.

    One pass over all columns but the texts; a text's rules are asked of its distinct values, which are few where they matter.
    Sums of booleans and no filtered counts: DuckDB makes five of them in the time of one.
    """
    names = [name for name in contract.columns if name in table.columns]
    texts = [name for name in names if table[name].type().is_string() and contract.columns[name].checks]
    asked = {"rows": table.count()}
    asked |= {f"missing_{at}": lacks(table[name]).sum() for at, name in enumerate(names) if name not in texts}
    asked |= {f"rule_{at}": rule.where.sum() for at, rule in enumerate(rules) if rule.column not in texts}
    said = table.aggregate(**asked).to_pyarrow().to_pylist()[0]
    rows = int(said["rows"])
    lacking = {name: int(said.get(f"missing_{at}") or 0) for at, name in enumerate(names)}
    found = {rule.what: int(said.get(f"rule_{at}") or 0) for at, rule in enumerate(rules)}
    for name in texts:
        values = table.group_by(table[name]).aggregate(perennial_rows=ibis._.count())
        own, _ = rules_of(problem, contract, values)
        weights = {f"rule_{at}": values.perennial_rows.sum(where=rule.where) for at, rule in enumerate(own)}
        weights["missing"] = values.perennial_rows.sum(where=lacks(values[name]))
        said = values.aggregate(**weights).to_pyarrow().to_pylist()[0]
        lacking[name] = int(said["missing"] or 0)
        found |= {rule.what: int(said[f"rule_{at}"] or 0) for at, rule in enumerate(own)}
    missing = {name: count / rows for name, count in lacking.items() if rows}
    return rows, missing, {what: count for what, count in found.items() if count}


def _reason(rules: Sequence[Fails]) -> ir.StringValue:
    """Every rule that a row breaks, one after another."""
    said = ibis.literal("")
    for rule in rules:
        said = said + ibis.ifelse(rule.where, ibis.literal(f"; {rule.what}"), ibis.literal(""))
    return said.substr(2)


def _repeated(problem: Problem, kept: ibis.Table) -> ibis.Table | None:
    """The keys that more than one row has; None when there are none."""
    key = problem.framing.key
    # Where each key is above the one before it, in whatever order rows come, no two are alike: most tables are written so.
    before = kept.select(key=kept[key], before=kept[key].lag())
    if not before.filter(before.before.notnull() & ~(before.key > before.before)).count().to_pyarrow().as_py():
        return None
    counted = kept.group_by(key).aggregate(times=kept.count())
    repeated = counted.filter(counted.times > 1).select(key)
    return repeated if int(repeated.count().to_pyarrow().as_py()) else None


def _firsts(problem: Problem, kept: ibis.Table, repeated: ibis.Table) -> tuple[ibis.Table, ibis.Table, int]:
    """The rows without those that repeat a key, and those: of rows with one key the earliest stays."""
    key, event_time = problem.framing.key, problem.framing.event_time
    several = kept.semi_join(repeated, key)
    # By all columns after the time: the order has to be the same in the two queries, or a row could fall in neither.
    order = [several[event_time], *(several[name] for name in several.columns if name != event_time)]
    numbered = several.mutate(perennial_place=ibis.row_number().over(group_by=several[key], order_by=order))
    first = numbered.filter(numbered.perennial_place == 0).drop("perennial_place")
    again = numbered.filter(numbered.perennial_place > 0).drop("perennial_place")
    return kept.anti_join(repeated, key).union(first), again, int(again.count().to_pyarrow().as_py())
