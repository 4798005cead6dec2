"""Is this JSON value one of the column's dtype? Strictly: nothing is coerced, and no digit is lost."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd

from schemas.errors import PerennialError

__all__ = [
    "EXACT",
    "TAKES",
    "Kind",
    "Reader",
    "UnsupportedColumnError",
    "WrongTypeError",
    "kind_of",
    "limits",
    "reader",
]

Kind = Literal["whole", "real", "truth", "text", "time"]
Reader = Callable[[Any], Any]
TAKES: dict[Kind, frozenset[type]] = {
    "whole": frozenset({int, float}),
    "real": frozenset({int, float}),
    "truth": frozenset({bool}),
    "text": frozenset({str}),
    "time": frozenset({str}),
}
EXACT = 2.0**53 - 1  # up to here a double holds every whole number, and no other whole number rounds to one of them


class UnsupportedColumnError(PerennialError, TypeError):
    def __init__(self, name: str, what: str, step: str) -> None:
        super().__init__(f"column {name!r} of the contract has {what}, which the door cannot hold a request to; {step}")


class WrongTypeError(ValueError):
    """A value that is not of its column's type; the text is the rule, never the value."""


def kind_of(name: str, dtype: Any, spelled: str) -> tuple[Kind, Any]:
    """The kind of a column's values, and their own dtype (of a category: its categories')."""
    if isinstance(dtype, pd.DatetimeTZDtype):
        return "time", dtype
    if isinstance(dtype, pd.StringDtype) or spelled == "object":
        return "text", dtype
    values = getattr(dtype, "numpy_dtype", dtype)
    if isinstance(dtype, pd.CategoricalDtype) and dtype.categories is not None:
        values = dtype.categories.dtype
        if len(dtype.categories) and all(isinstance(value, str) for value in dtype.categories):
            return "text", values
    kinds: dict[str, Kind] = {"i": "whole", "u": "whole", "f": "real", "b": "truth"}
    known = isinstance(values, np.dtype) and values.kind in kinds and values.itemsize <= 8 and values != np.float16
    if isinstance(dtype, pd.ArrowDtype) or not known:
        step = "declare an integer, float32, float64, bool, str, a category with its categories, or a time with a zone."
        raise UnsupportedColumnError(name, f"dtype {spelled}", step)
    return kinds[values.kind], values


def limits(kind: Kind, values: Any) -> tuple[float, float]:
    """Between which a double needs no second look: it is finite, and a whole number is exact."""
    if kind == "whole":
        return max(-EXACT, float(np.iinfo(values).min)), min(EXACT, float(np.iinfo(values).max))
    largest = float(np.finfo(np.float64).max)
    return (0.0, 1.0) if kind == "truth" else (-largest, largest)


def reader(kind: Kind, values: Any) -> Reader:
    """From a JSON value, never null, to the exact value; raises WrongTypeError."""
    if kind == "whole":
        return partial(_whole, int(np.iinfo(values).min), int(np.iinfo(values).max), str(values))
    if kind == "real":
        return partial(_real, values == np.float32, str(values))
    if kind == "time":
        return partial(_time, {"s": 1_000_000, "ms": 1_000}.get(values.unit, 1), values.unit == "ns")
    return _truth if kind == "truth" else _text


def _whole(lowest: int, highest: int, rule: str, value: Any) -> int:
    if type(value) is float:
        if not math.isfinite(value):
            raise WrongTypeError("finite")
        value = int(value) if value.is_integer() else None
    if type(value) is not int or not lowest <= value <= highest:
        raise WrongTypeError(rule)
    return value


def _real(narrow: bool, rule: str, value: Any) -> float:
    if type(value) is not float and type(value) is not int:
        raise WrongTypeError(rule)
    try:
        with np.errstate(over="ignore"):
            exact = float(np.float32(float(value))) if narrow else float(value)
    except OverflowError:
        exact = math.inf
    if not math.isfinite(exact):
        raise WrongTypeError("finite")
    return exact


def _truth(value: Any) -> bool:
    if type(value) is not bool:
        raise WrongTypeError("bool")
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise WrongTypeError("str")
    try:
        value.encode()
    except UnicodeEncodeError:  # half a surrogate pair is no text: neither pandas nor a log can hold it
        raise WrongTypeError("str") from None
    return value


def _time(grain: int, nanoseconds: bool, value: Any) -> datetime:
    """A time in UTC: digits below a microsecond are dropped, those between it and the column's own unit refused."""
    wrong = WrongTypeError("time with a zone (ISO 8601)")
    if type(value) is not str:
        raise wrong
    try:
        time = datetime.fromisoformat(value)
        zoned, time = time.tzinfo is not None, time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise wrong from None
    # int64 nanoseconds reach from September 1677 to April 2262.
    if not zoned or time.microsecond % grain or (nanoseconds and not 1678 <= time.year <= 2261):
        raise wrong
    return time
