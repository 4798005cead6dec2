"""Does this request keep the problem's contract? pandera's checks, compiled once into array checks."""

import operator
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache, partial
from itertools import chain
from types import NoneType
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

from schemas.problem import Problem
from tasks.compiled import Column, compile_column, is_compiled
from tasks.values import EXACT

__all__ = ["Admitted", "Breach", "Door"]

JSON = {
    str: "string",
    float: "number",
    int: "integer",
    bool: "boolean",
    NoneType: "null",
    list: "array",
    dict: "object",
}
PLANS = 128  # orders of columns remembered: a client has one or two, and none may fill the memory
NUMERIC = ("whole", "real", "truth")


@dataclass(frozen=True)
class Breach:
    """One rule that one value breaks. It names the rule and the value's JSON kind, never the value."""

    row: int
    column: str
    rule: str
    kind: str


@dataclass(frozen=True)
class Admitted:
    """Rows of one micro-batch as arrays; a value that breaks the contract is null in them."""

    numeric: tuple[str, ...]  # names of the columns of `numbers`
    numbers: np.ndarray  # float64, shape (n, len(numeric)); nan where null
    texts: dict[str, list[str | None]]
    times: dict[str, list[datetime | None]]  # aware, UTC
    breaches: list[Breach]  # by row, then column
    # Columns with a whole number that `numbers` had to round, beyond 2**53: here it is exact, and so it is in `frame`.
    exact: dict[str, list[int | None]] = field(default_factory=dict)

    def frame(self, names: Sequence[str], door: "Door") -> pd.DataFrame:
        """Columns in the contract's dtypes, of the rows that keep it."""
        bad = {breach.row for breach in self.breaches}
        kept = [row for row in range(len(self.numbers)) if row not in bad] if bad else None
        arrays = {name: door.columns[name].array(self._values(name, kept)) for name in names}
        return pd.DataFrame(arrays, index=pd.RangeIndex(len(self.numbers) if kept is None else len(kept)), copy=False)

    def fits(self, other: "Admitted") -> bool:
        """Do both hold the same columns, and no row that breaks the contract?"""
        columns = (self.numeric, self.texts.keys(), self.times.keys(), self.exact.keys())
        whole = not (self.breaches or other.breaches)
        return whole and columns == (other.numeric, other.texts.keys(), other.times.keys(), other.exact.keys())

    @classmethod
    def joined(cls, parts: Sequence["Admitted"]) -> "Admitted":
        """The rows of several that fit, one after another."""
        first = parts[0]
        if len(parts) == 1:
            return first
        numbers = np.concatenate([part.numbers for part in parts])
        texts = {name: [one for part in parts for one in part.texts[name]] for name in first.texts}
        times = {name: [one for part in parts for one in part.times[name]] for name in first.times}
        exact = {name: [one for part in parts for one in part.exact[name]] for name in first.exact}
        return cls(first.numeric, numbers, texts, times, [], exact)

    def _values(self, name: str, kept: list[int] | None) -> "np.ndarray | list[Any]":
        if name in self.numeric and name not in self.exact:
            numbers: np.ndarray = self.numbers[:, self.numeric.index(name)]
            return numbers if kept is None else numbers[kept]
        lists: dict[str, list[Any]] = {**self.texts, **self.times, **self.exact}
        return lists[name] if kept is None else [lists[name][row] for row in kept]


class Door:
    """A contract, compiled. Beyond pandera it refuses infinity, and every value that would have to be coerced."""

    asked: tuple[str, ...]  # the columns that a request may hold, in the contract's order
    listed: tuple[str, ...]  # the checks that do not compile and run `beside` the answer
    columns: dict[str, Column]

    def __init__(self, problem: Problem) -> None:
        contract = problem.contract
        self.asked = problem.asked
        self.columns = {
            name: compile_column(contract.columns[name], contract.dtype or contract.columns[name].dtype)
            for name in self.asked
        }
        self._aside = _aside(contract, self.asked)
        self.listed = tuple(f"{aside.rule}: {aside.why}" for aside in self._aside)
        self._plan = lru_cache(maxsize=PLANS)(lambda columns: _Plan(columns, self.columns))

    def check(self, columns: tuple[str, ...], rows: Sequence[Sequence[Any]], *, required: Collection[str]) -> Admitted:
        """Hold rows of JSON values, in the order of `columns`, to the contract."""
        if not self.columns.keys() >= set(columns):
            # Names that clients make up are never remembered.
            return _Plan(columns, self.columns).slowly(rows, self._missing(columns, required))
        plan: _Plan = self._plan(columns)
        if plan.given.issuperset(required):
            admitted = plan.quickly(rows)
            if admitted is not None:
                return admitted
        return plan.slowly(rows, self._missing(columns, required))

    def beside(self, admitted: Admitted) -> dict[str, int]:
        """How many of the rows that keep the compiled contract fail each rule that is only listed."""
        if not self._aside:
            return {}
        given = {*admitted.numeric, *admitted.texts, *admitted.times}
        frame = admitted.frame([name for name in self.asked if name in given], self)
        counts: dict[str, int] = {}
        for aside in self._aside:
            if len(frame) and given.issuperset(aside.needs):
                rule, failing = aside.count(frame)
                if failing:
                    counts[rule] = counts.get(rule, 0) + failing
        return counts

    def _missing(self, columns: tuple[str, ...], required: Collection[str]) -> list[str]:
        order = {name: at for at, name in enumerate(self.asked)}
        return sorted(set(required) - set(columns), key=lambda name: (order.get(name, len(order)), name))


class _Plan:
    """How rows in one order of columns are read."""

    def __init__(self, columns: tuple[str, ...], known: dict[str, Column]) -> None:
        self.columns = columns
        self.given = frozenset(columns)
        self.order = [known.get(name) for name in columns]
        given = [(at, column) for at, column in enumerate(self.order) if column is not None]
        # Whole numbers come first, so that they are a slice of the matrix.
        numeric = sorted(
            (pair for pair in given if pair[1].kind in NUMERIC), key=lambda pair: NUMERIC.index(pair[1].kind)
        )
        self.numeric = [column for _, column in numeric]
        self.names = tuple(column.name for column in self.numeric)
        self.pick = _picker([at for at, _ in numeric])
        self.low = np.array([column.low for column in self.numeric])
        self.high = np.array([column.high for column in self.numeric])
        self.wholes = sum(column.kind == "whole" for column in self.numeric)
        self.narrow = [at for at, column in enumerate(self.numeric) if column.values == np.float32]
        self.typed = any(column.kind == "truth" for column in self.numeric)
        self.others = [
            (at, [rule.passes for rule in column.rules if not rule.is_range])
            for at, column in enumerate(self.numeric)
            if not all(rule.is_range for rule in column.rules)
        ]
        self.texts = [(operator.itemgetter(at), column) for at, column in given if column.kind == "text"]
        self.times = [(operator.itemgetter(at), column) for at, column in given if column.kind == "time"]

    def quickly(self, rows: Sequence[Sequence[Any]]) -> Admitted | None:
        """The rows as arrays when all of them keep the contract beyond doubt; None calls for a look at each value."""
        numbers = self._numbers(rows)
        if numbers is None:
            return None
        texts: dict[str, list[str | None]] = {}
        for pick, column in self.texts:
            cells = list(map(pick, rows))
            if not column.keeps(cells):
                return None
            texts[column.name] = cells
        times: dict[str, list[datetime | None]] = {}
        for pick, column in self.times:
            read = column.times(list(map(pick, rows)))
            if read is None:
                return None
            times[column.name] = read
        return Admitted(self.names, numbers, texts, times, [])

    def _numbers(self, rows: Sequence[Sequence[Any]]) -> np.ndarray | None:
        flat = list(chain.from_iterable(map(self.pick, rows)))
        types, nulls = set(map(type, flat)), 0
        if self.typed or not types <= {int, float}:
            width = len(self.numeric)
            if not all(column.takes.issuperset(map(type, flat[at::width])) for at, column in enumerate(self.numeric)):
                return None
            nulls = flat.count(None)
        try:
            numbers = np.array(flat, dtype=np.float64).reshape(len(rows), len(self.numeric))
        except OverflowError:
            return None
        if self.narrow:
            with np.errstate(over="ignore"):
                numbers[:, self.narrow] = numbers[:, self.narrow].astype(np.float32)
        # A nan is never within: as many are as there are values, or one that was given is no number.
        if np.count_nonzero((numbers >= self.low) & (numbers <= self.high)) + nulls != numbers.size:
            return None
        wholes = numbers[:, : self.wholes]
        if self.wholes and float in types and (np.floor(wholes) < wholes).any():
            return None
        for at, rules in self.others:
            cells = [value for value in numbers[:, at].tolist() if value == value]
            if not all(all(map(passes, cells)) for passes in rules):
                return None
        return numbers

    def slowly(self, rows: Sequence[Sequence[Any]], missing: list[str]) -> Admitted:
        """Look at each value, and say which breaks what."""
        exact: dict[str, list[Any]] = {column.name: [] for column in self.order if column is not None}
        breaches: list[Breach] = []
        for row, cells in enumerate(rows):
            for name, column, cell in zip(self.columns, self.order, cells, strict=True):
                if column is None:
                    broken, name = ["unknown column"], _shown(name)
                else:
                    value, broken = column.hold(cell)
                    exact[name].append(value)
                breaches += [Breach(row, name, rule, JSON.get(type(cell), "object")) for rule in broken]
            breaches += [Breach(row, name, "missing", "missing") for name in missing]
        numbers = np.full((len(rows), len(self.numeric)), np.nan)
        for at, name in enumerate(self.names):
            numbers[:, at] = exact[name]
        wide = {
            name: exact[name] for name in self.names[: self.wholes] if any(abs(v or 0) > EXACT for v in exact[name])
        }
        texts = {column.name: exact[column.name] for _, column in self.texts}
        times = {column.name: exact[column.name] for _, column in self.times}
        return Admitted(self.names, numbers, texts, times, breaches, wide)


def _picker(positions: list[int]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    if len(positions) > 1:
        return operator.itemgetter(*positions)
    # itemgetter of one position gives the item itself; of a slice, a list.
    return operator.itemgetter(slice(positions[0], positions[0] + 1) if positions else slice(0))


def _shown(name: str) -> str:
    """A client's word as far as a log may hold it."""
    return "".join(letter for letter in name if letter.isprintable())[:60]


@dataclass(frozen=True)
class _Aside:
    """A rule that is no function of one value, or that only warns."""

    rule: str
    why: str
    needs: tuple[str, ...]
    passed: Callable[[pd.DataFrame], Any]

    def count(self, frame: pd.DataFrame) -> tuple[str, int]:
        """The rule, and how many rows fail it: all of them when it speaks of all at once, or could not be asked."""
        try:
            passed: np.ndarray = np.asarray(self.passed(frame), dtype=bool)
        except Exception as error:
            # Whatever somebody's function raises, the answer stands; and the error's text may quote the rows.
            return f"{self.rule} (raised {type(error).__name__})", len(frame)
        if passed.ndim == 0:
            return self.rule, 0 if passed else len(frame)
        if passed.ndim == 2:
            passed = np.asarray(passed.all(axis=1))
        return self.rule, min(int(np.count_nonzero(~passed)), len(frame))


def _aside(contract: pa.DataFrameSchema, asked: tuple[str, ...]) -> tuple[_Aside, ...]:
    """All of the contract that `compile_column` leaves out."""
    listed = []
    for name in asked:
        for check in contract.columns[name].checks:
            if not is_compiled(check):
                why = "only warns" if check.raise_warning else "is no check of pandera's own on single values"
                listed.append(_Aside(_named(check, name), why, (name,), partial(_checked, check, name)))
        if contract.columns[name].unique:
            listed.append(_Aside(f"{name}: unique", "is no rule of one row", (name,), partial(_unique, [name])))
    for check in contract.checks:
        listed.append(_Aside(_named(check, "rows"), "looks at whole rows", (), partial(_checked, check, None)))
    if contract.unique:
        names = [contract.unique] if isinstance(contract.unique, str) else list(contract.unique)
        rule = f"rows: unique({', '.join(names)})"
        listed.append(_Aside(rule, "is no rule of one row", tuple(names), partial(_unique, names)))
    return tuple(listed)


def _named(check: pa.Check, where: str) -> str:
    return f"{where}: {check.error or check.name}"


def _checked(check: pa.Check, column: str | None, frame: pd.DataFrame) -> Any:
    return check(frame, column).check_output


def _unique(names: list[str], frame: pd.DataFrame) -> Any:
    return ~frame.duplicated(names, keep=False)
