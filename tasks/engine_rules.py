"""Which boolean column of the engine says that a row breaks a rule? pandera's own Ibis checks, bound so that frames agree."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import ibis
import numpy as np
import pandera.ibis
import pandera.pandas as pa
from ibis.expr import types as ir
from pandera.api.ibis.types import IbisData

from schemas.errors import PerennialError
from schemas.problem import Problem
from tasks.compiled import is_compiled
from tasks.values import Kind, UnsupportedColumnError, kind_of

__all__ = ["Fails", "UntranslatableError", "lacks", "looked_at", "rules_of"]

_FITS: dict[Kind, str] = {
    "whole": "is_integer",
    "real": "is_floating",
    "truth": "is_boolean",
    "text": "is_string",
    "time": "is_timestamp",
}
_LONGEST = 2**63 - 1
# Groups with flags, and escapes that pandas hands to Python's `re` instead of RE2.
_ODD = re.compile(r"\(\?|\\[A-Za-z0-9](?<!\\[dwsDWS])")


class UntranslatableError(PerennialError, TypeError):
    """A rule of the contract that only pandas can ask."""

    def __init__(self, problem: Problem, rules: Iterable[str]) -> None:
        self.rules = tuple(rules)
        super().__init__(
            f"the engine cannot ask {'; '.join(self.rules[:5])} of the contract of {problem.name!r}, and the window is larger "
            f"than pandas may hold ({problem.data.frame_rows:,} rows). Write the rule with pandera's own checks, read a "
            f"shorter window, or raise DataPlan.frame_rows in schemas/problems/{problem.name}.py."
        )


@dataclass(frozen=True)
class Fails:
    """One rule of one column, in the words of the frame's check, and where a row breaks it (never null)."""

    column: str
    what: str
    where: ir.BooleanValue


def _infinite(value: ir.Value) -> ir.BooleanValue:
    """Compared, which is thrice as fast as DuckDB's isinf; NaN is not equal to it."""
    bounds = [ibis.literal(text).cast("float64") for text in ("inf", "-inf")]
    return ((value == bounds[0]) | (value == bounds[1])) & value.notnull()


def looked_at(table: ibis.Table) -> ibis.Table:
    """The table, from an engine that looks at values: DuckDB believes a Parquet file's minimum and maximum, which leave NaN
    out by that format's rules, and would answer `isnan` and `<=` from them."""
    backend = table.get_backend()
    if backend.name == "duckdb":
        backend.raw_sql("SET disabled_optimizers = 'statistics_propagation'")
    return table


def lacks(column: ir.Value) -> ir.BooleanValue:
    """Null, or of real numbers no number: what pandas calls missing."""
    return column.isnull() | column.isnan() if column.type().is_floating() else column.isnull()  # true or null is true


def rules_of(problem: Problem, contract: pa.DataFrameSchema, table: ibis.Table) -> tuple[list[Fails], list[str]]:
    """Every rule that a single row can break, as expressions over `table`, and the names of those that have none.

    pandera's functions give the expressions; their bounds are bound here, since its Ibis back end compares a float with a
    decimal literal, anchors only the first branch of a pattern and has no rule for NaN.
    """
    pandera.ibis.DataFrameSchema.register_default_backends(ibis.Table)
    fails, finite, named = [], [], [f"rows: {check.error or check.name}" for check in contract.checks]
    named += [f"rows: unique({', '.join(contract.unique)})"] if contract.unique else []
    for name, column in contract.columns.items():
        if name not in table.columns:
            continue
        value = table[name]
        kind = _kind(contract, name, value)
        if kind is None or column.regex or column.unique:
            named.append(
                f"{name}: {'unique' if column.unique else 'regex' if column.regex else f'type {value.type()}'}"
            )
            continue
        if not column.nullable or name == problem.framing.key or _has_no_null(column):
            fails.append(Fails(name, f"{name}: not_nullable", lacks(value)))
        for check in column.checks:
            what = f"{name}: {check.error or check.name}"
            passes = _passes(check, table, name, kind, column)
            if passes is None:
                named.append(what)
            elif not check.raise_warning:
                fails.append(Fails(name, what, ~passes & ~lacks(value)))
        if value.type().is_floating():
            finite.append(Fails(name, f"{name}: finite", _infinite(value)))
    merged: dict[str, Fails] = {}
    for rule in (
        fails + finite
    ):  # checks of the same words are one rule: pandera's words leave out whether a bound is in
        same = merged.get(rule.what)
        merged[rule.what] = Fails(rule.column, rule.what, rule.where | same.where) if same else rule
    return list(merged.values()), named


def _kind(contract: pa.DataFrameSchema, name: str, value: ir.Value) -> Kind | None:
    """The kind of a column's values, when contract and engine mean the same by it."""
    dtype = contract.dtype or contract.columns[name].dtype
    try:
        kind, _ = kind_of(name, getattr(dtype, "type", None), str(dtype))
    except UnsupportedColumnError:
        return None
    return kind if getattr(value.type(), _FITS[kind])() else None


def _has_no_null(column: pa.Column) -> bool:
    dtype = getattr(column.dtype, "type", None)
    return isinstance(dtype, np.dtype) and dtype.kind in "iub"


def _passes(check: pa.Check, table: ibis.Table, name: str, kind: Kind, column: pa.Column) -> ir.BooleanValue | None:
    """pandera's expression for a check of its own on single values; None when there is none that frames agree with."""
    if check.raise_warning:
        return ibis.literal(True)
    function, given = check._check_fn, check._check_kwargs
    if not is_compiled(check) or check.element_wise or check.groupby is not None or not check.ignore_na:
        return None
    narrow = getattr(column.dtype, "type", None) == np.float32
    if function.__name__ in {"str_matches", "str_contains"} and table.get_backend().name != "duckdb":
        return None  # DuckDB reads a pattern as pandas does, with RE2; other engines have dialects of their own
    # Looked up anew, as pandera does: a check made before the Ibis back end was registered holds an older function.
    function = pa.Check.get_builtin_check_fn(function.__name__)
    try:
        found = function(IbisData(table, name), **_bound(function.__name__, given, kind, narrow))
    except (TypeError, ValueError, OverflowError, KeyError):
        return None
    # It selects one column from `table`: the expression is what we want, so that all rules are asked in one pass.
    expression: ir.BooleanValue = found.op().values[name].to_expr()
    return expression


def _bound(function: str, given: dict[str, Any], kind: Kind, narrow: bool) -> dict[str, Any]:
    """The check's arguments as the engine has to be given them; TypeError where the engine would say otherwise."""
    if function == "str_length":
        return _of(kind, "text", given)
    if function in {"str_matches", "str_contains"}:
        _of(kind, "text", given)
        pattern = given["pattern"]
        if type(pattern) is not str or _ODD.search(pattern):
            raise TypeError
        # Anchored around all of its branches.
        return {"pattern": f"^(?:{pattern})" if function == "str_matches" else pattern}
    if function.startswith("str_"):
        return _of(kind, "text", given)
    if function in {"isin", "notin"}:
        name, members = next(iter(given.items()))
        known = [member for member in members if member is not None and member == member]
        if kind in {"time", "truth"} or not known:
            raise TypeError
        return {name: [_literal(member, kind, narrow=False) for member in known]}
    sides = {"include_min", "include_max"}
    return {name: one if name in sides else _literal(one, kind, narrow=narrow) for name, one in given.items()}


def _of(kind: Kind, wanted: Kind, given: dict[str, Any]) -> dict[str, Any]:
    if kind != wanted:
        raise TypeError
    return given


def _literal(bound: Any, kind: Kind, *, narrow: bool) -> Any:
    """A bound of the column's own kind. A float goes as text, since engines read 0.1 as a decimal and round it again."""
    if kind == "text" and type(bound) is str:
        return bound
    if (
        kind == "time"
        and isinstance(bound, datetime)
        and bound.tzinfo is not None
        and not getattr(bound, "nanosecond", 0)
    ):
        return ibis.literal(bound)
    if kind == "whole" and type(bound) is int and abs(bound) <= _LONGEST:
        return ibis.literal(bound, "int64")
    if kind in {"whole", "real"} and type(bound) in {int, float} and not math.isnan(bound):
        number = float(np.float32(bound)) if narrow else float(bound)
        return ibis.literal(repr(number)).cast("float64")
    raise TypeError
