"""Which values does one column of a contract take? Its pandera checks, compiled into plain functions of one value."""

import math
import operator
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from itertools import islice
from types import NoneType
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.api.function_dispatch import Dispatcher

from tasks.values import EXACT, TAKES, Kind, Reader, UnsupportedColumnError, WrongTypeError, kind_of, limits, reader

__all__ = ["Column", "Rule", "compile_column", "is_compiled"]

SHORT = {
    "greater_than": "gt",
    "greater_than_or_equal_to": "ge",
    "less_than": "lt",
    "less_than_or_equal_to": "le",
    "equal_to": "eq",
    "not_equal_to": "ne",
    **{name: name for name in ("in_range", "isin", "notin", "str_matches", "str_contains")},
    **{name: name for name in ("str_startswith", "str_endswith", "str_length")},
}
# Asked as `OP(bound, value)`, so that one side of a range is `partial(OP, bound)` and runs in C.
SIDES = {"gt": operator.lt, "ge": operator.le, "lt": operator.gt, "le": operator.ge}
# What Python's `re` and RE2 (behind pandas' str) read differently, or only one of them reads.
ODD = re.compile(r"\\[A-Za-z0-9](?<!\\[dwsDWS])|\(\?(?!:)|\{,|\{\d{4}|\[\[|\[:|[+*?}]\+")
SHOWN = 5  # values of a set that a rule's text names
UTC_TIME = pd.DatetimeTZDtype(unit="us", tz="UTC")

Side = tuple[Callable[[Any, Any], Any], Any]


@dataclass(frozen=True)
class Rule:
    """One check of one column, asked about exact values and never about null."""

    text: str
    passes: Callable[[Any], Any]
    nulls: bool = True  # does it let null pass?
    low: float = -math.inf  # of a number, when `is_range`: it passes when it lies in [low, high]
    high: float = math.inf
    is_range: bool = False


@dataclass(frozen=True)
class Column:
    """What a request may hold in one column."""

    name: str
    kind: Kind
    dtype: Any
    values: Any  # the dtype of its values: of a category, its categories'
    read: Reader
    holds_null: bool
    rules: tuple[Rule, ...]
    low: float  # of a number: a double outside [low, high] breaks a rule, or has to be looked at as it was given
    high: float

    @cached_property
    def takes(self) -> frozenset[type]:
        """The types of JSON values that are worth a look."""
        nullable = self.holds_null and all(rule.nulls for rule in self.rules)
        return TAKES[self.kind] | {NoneType} if nullable else TAKES[self.kind]

    def hold(self, value: Any) -> tuple[Any, list[str]]:
        """The exact value (None where it breaks a rule), and the rules it breaks."""
        if value is None:
            broken = [rule.text for rule in self.rules if not rule.nulls]
            return None, broken if self.holds_null else ["not nullable"]
        try:
            exact = self.read(value)
        except WrongTypeError as wrong:
            return None, [str(wrong)]
        broken = [rule.text for rule in self.rules if not rule.passes(exact)]
        return (None if broken else exact), broken

    def keeps(self, cells: list[Any]) -> bool:
        """Do all these texts keep the rules? Told without a look at each: types are gathered and rules applied in C."""
        types = set(map(type, cells))
        if not types <= self.takes:
            return False
        given = [cell for cell in cells if cell is not None] if NoneType in types else cells
        try:
            "".join(given).encode()
        except UnicodeEncodeError:
            return False
        return all(all(map(rule.passes, given)) for rule in self.rules)

    def times(self, cells: list[Any]) -> "list[datetime | None] | None":
        """These times in UTC, or None when one of them breaks a rule."""
        if not self.takes.issuperset(map(type, cells)):
            return None
        try:
            times = [None if cell is None else self.read(cell) for cell in cells]
        except WrongTypeError:
            return None
        given = [time for time in times if time is not None]
        return times if all(all(map(rule.passes, given)) for rule in self.rules) else None

    def array(self, values: "np.ndarray | list[Any]") -> Any:
        """Exact values in the contract's dtype, from a list with None for null or from doubles with nan for null."""
        if isinstance(values, np.ndarray):
            if isinstance(self.dtype, np.dtype):
                return values.astype(self.dtype)
            values = [None if value != value else value for value in values.tolist()]
        if self.kind == "time":
            return pd.Series(values, dtype=UTC_TIME).astype(self.dtype)
        # A frame guesses the dtype of an array of objects, and takes a series as it is; other arrays are made faster.
        return pd.Series(values, dtype=object) if self.dtype == object else pd.array(values, dtype=self.dtype)


def is_compiled(check: pa.Check) -> bool:
    """Is it pandera's own check of single values? Somebody's function of the same name is not."""
    # Only pandera's own are dispatched by the type of data. The dispatcher itself may be replaced when a backend loads.
    own = isinstance(check._check_fn, Dispatcher) and check._check_fn.__name__ in SHORT
    return own and not check.raise_warning


def _is_replaced(check: pa.Check) -> bool:
    """Has pandera put its own function in the place of somebody's, or will it when the check is first called?"""
    name = getattr(check._check_fn, "__name__", "")
    return pa.Check.is_builtin_check(name) and not (isinstance(check._check_fn, Dispatcher) and check._check_kwargs)


def compile_column(column: pa.Column, dtype: Any) -> Column:
    """The column as the door holds it. `dtype` is pandera's: the contract's own where it has one, else the column's."""
    name, plain = str(column.name), getattr(dtype, "type", None)
    if column.regex or column.parsers or column.default is not None:
        what = "a regex name, a parser or a default"
        raise UnsupportedColumnError(name, what, "name each column, and change values in the source's `derive`.")
    if any(map(_is_replaced, column.checks)):
        what = "a check whose function has the name of one of pandera's own, which pandera calls in its place"
        raise UnsupportedColumnError(name, what, "rename the function.")
    kind, values = kind_of(name, plain, str(dtype))
    rules = [_rule(check, kind, plain, narrow=values == np.float32) for check in column.checks if is_compiled(check)]
    if isinstance(plain, pd.CategoricalDtype):
        every = plain.categories.tolist()
        rules.insert(0, Rule(f"category({_some(every)})", frozenset(every).__contains__))
    # An array of whole numbers or of booleans has no place for a null, whatever the contract says.
    holds_null = bool(column.nullable) and not (isinstance(plain, np.dtype) and plain.kind in "iub")
    low, high = limits(kind, values)
    low, high = max([low, *(rule.low for rule in rules)]), min([high, *(rule.high for rule in rules)])
    return Column(name, kind, plain, values, reader(kind, values), holds_null, tuple(rules), low, high)


def _rule(check: pa.Check, kind: Kind, dtype: Any, *, narrow: bool) -> Rule:
    """The check as a function in C or nearly; what is too rare for that asks pandera, one value at a time."""
    name, asked = SHORT[check._check_fn.__name__], partial(_asked, check, dtype)
    # pandera keeps the members of isin as a set, and their order in the statistics, unless an iterator was given.
    members = next(iter((check.statistics or {}).values()), None)
    ordered = {"members": members} if isinstance(members, list | tuple) else check._check_kwargs
    text, nulls = _spelled(name, ordered), asked(None)
    if isinstance(dtype, pd.CategoricalDtype) or kind == "truth":
        # So few values that pandera is asked about each of them once, now.
        every = dtype.categories.tolist() if isinstance(dtype, pd.CategoricalDtype) else [False, True]
        return Rule(text, frozenset(filter(asked, every)).__contains__, nulls)
    # pandera's own checks are of columns and of no groups: otherwise they raise, and so refuse.
    if check.element_wise or check.groupby is not None or (name.startswith("str_") and kind != "text"):
        return Rule(text, asked, nulls)
    as_given = partial(_as_given, kind, narrow)
    try:
        if name in {*SIDES, "in_range"}:
            return _range(text, nulls, kind, _sides(name, check._check_kwargs, as_given))
        if name.startswith("str_"):
            return Rule(text, _text_rule(name, check._check_kwargs, asked), nulls)
        return Rule(text, _value_rule(name, check._check_kwargs, kind, as_given), nulls)
    except (TypeError, OverflowError):
        return Rule(text, asked, nulls)


def _asked(check: pa.Check, dtype: Any, value: Any) -> bool:
    """pandera's own word on one value. A check that raises refuses it, as in `validate`."""
    try:
        return bool(check(pd.Series([value], dtype=dtype)).check_passed)
    except Exception:
        return False


def _as_given(kind: Kind, narrow: bool, bound: Any) -> Any:
    """A check's bound as pandas compares it with the column; TypeError or OverflowError when that is not so simple."""
    if isinstance(bound, np.generic):
        if narrow:
            raise TypeError  # numpy compares its own doubles with float32 as doubles, and Python's as float32
        bound = bound.item()
    if kind == "real" and type(bound) in {int, float} and bound == bound:
        if narrow and abs(bound) > float(np.finfo(np.float32).max):
            raise OverflowError
        return float(np.float32(bound)) if narrow else float(bound)
    simple = {
        "whole": type(bound) is int or (type(bound) is float and math.isfinite(bound)),
        "text": type(bound) is str,
        "time": isinstance(bound, datetime) and bound.tzinfo is not None,
    }
    if not simple.get(kind, False):
        raise TypeError
    return bound


def _sides(name: str, given: dict[str, Any], as_given: Callable[[Any], Any]) -> list[Side]:
    if name != "in_range":
        return [(SIDES[name], as_given(next(iter(given.values()))))]
    low = operator.le if given["include_min"] else operator.lt
    high = operator.ge if given["include_max"] else operator.gt
    return [(low, as_given(given["min_value"])), (high, as_given(given["max_value"]))]


def _range(text: str, nulls: bool, kind: Kind, sides: list[Side]) -> Rule:
    low, high = -math.inf, math.inf
    for compare, bound in sides if kind in {"whole", "real"} else []:
        upper = compare in {operator.gt, operator.ge}
        if kind == "whole":
            edge = math.floor(bound) if upper else math.ceil(bound)
            edge = float(edge if compare(bound, edge) else edge + (-1 if upper else 1))
        else:
            edge = bound if compare(bound, bound) else math.nextafter(bound, -math.inf if upper else math.inf)
        low, high = (low, edge) if upper else (edge, high)
    passes: Callable[[Any], Any] = partial(sides[0][0], sides[0][1]) if len(sides) == 1 else partial(_within, *sides)
    return Rule(text, passes, nulls, low, high, is_range=kind in {"whole", "real"})


def _within(low: Side, high: Side, value: Any) -> bool:
    return bool(low[0](low[1], value) and high[0](high[1], value))


def _value_rule(name: str, given: dict[str, Any], kind: Kind, as_given: Callable[[Any], Any]) -> Callable[[Any], Any]:
    if name in {"eq", "ne"}:
        return partial(operator.eq if name == "eq" else operator.ne, as_given(given["value"]))
    if kind == "time":
        raise TypeError
    # A member is not rounded to the column's dtype, as a bound is: it equals a value exactly or not at all.
    like: Kind = "whole" if kind == "real" else kind
    exact = frozenset(_as_given(like, False, member) for member in next(iter(given.values())) if not _is_null(member))
    if kind == "whole" and {int, float} <= set(map(type, exact)) and max(map(abs, exact)) > EXACT:
        raise TypeError  # pandas makes doubles of such a mixture, where whole numbers that differ may be one
    return exact.__contains__ if name == "isin" else lambda value: value not in exact


def _text_rule(name: str, given: dict[str, Any], asked: Callable[[Any], bool]) -> Callable[[Any], Any]:
    if name == "str_length":
        return partial(_is_long, given.get("min_value"), given.get("max_value"), given.get("exact_value"))
    text = _as_given("text", False, next(iter(given.values())))
    if name in {"str_startswith", "str_endswith"}:
        return operator.methodcaller(name.removeprefix("str_"), text)
    if ODD.search(text):
        return asked
    pattern = re.compile(text)
    return partial(_matches, pattern.match if name == "str_matches" else pattern.search, asked)


def _is_long(least: int | None, most: int | None, exactly: int | None, value: str) -> bool:
    if exactly is not None:
        return len(value) == exactly
    return (least is None or least <= len(value)) and (most is None or len(value) <= most)


def _matches(search: Callable[[str], Any], asked: Callable[[Any], bool], value: str) -> bool:
    # Beyond printable ASCII the engines differ on what a digit, a word, a space and the end of a text are.
    return bool(search(value)) if value.isascii() and value.isprintable() else asked(value)


def _is_null(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or value != value


def _spelled(name: str, given: dict[str, Any]) -> str:
    """As people write it: in_range(0, 1, include_max=False), isin(pos, online)."""
    if name in {"isin", "notin"}:
        return f"{name}({_some(next(iter(given.values())))})"
    parts = [f"{key}={value}" for key, value in given.items() if name == "str_length" and value is not None]
    if name != "str_length":
        parts = [str(value) for key, value in given.items() if not key.startswith("include_")]
        parts += [f"{key}=False" for key, value in given.items() if key.startswith("include_") and not value]
    return f"{name}({', '.join(parts)})"


def _some(values: Collection[Any]) -> str:
    more = len(values) - SHOWN
    return ", ".join([*map(str, islice(values, SHOWN)), *([f"{more} more"] if more > 0 else [])])
