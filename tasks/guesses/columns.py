"""What does the contract say of a column, and can a recipe use it today?"""

import math
import re
from dataclasses import dataclass

from tasks.guesses.facts import Column, Note
from tasks.guesses.words import PERSONAL, PERSONS, bare, tokens

__all__ = ["Said", "bounds", "feature_of", "left_out", "number", "personal_of", "quoted", "words"]

_MANY = 200  # words of a column over which a recipe learns its rows by heart
_LISTED = 20
_TEXT = 40.0
_PARTS = {"hour": (0, 23), "hr": (0, 23), "month": (1, 12), "mnth": (1, 12), "weekday": (0, 7), "dayofweek": (0, 7)}


@dataclass(frozen=True)
class Said:
    """A line of the contract: the check as code, and what was seen as a comment."""

    check: str
    says: str


def quoted(text: str) -> str:
    """A Python literal with double quotes, as the formatter writes it."""
    if '"' in text and "'" not in text:
        return "'" + text.replace("\\", "\\\\") + "'"
    return (
        '"'
        + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
        + '"'
    )


def number(value: float) -> str:
    """A limit as people write it.

    >>> number(1500.0), number(0.25), number(-40.0), number(1234567.0)
    ('1_500', '0.25', '-40', '1_234_567')
    """
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):_}"
    return f"{value:.6g}"


def bounds(column: Column) -> Said:
    """A range with slack: never the sample's own ends, but its sign, and a good deal beyond what was seen."""
    low, high, q01, q99 = column.low, column.high, column.q01, column.q99
    if low is None or high is None or q01 is None or q99 is None:
        return Said("", "no value is filled")
    seen = f"{_short(low)} to {_short(high)}, 98 % in {_short(q01)} to {_short(q99)}"
    part = _PARTS.get(bare(column.name))
    if part and part[0] <= low and high <= part[1]:
        return Said(f"pa.Check.in_range({part[0]}, {part[1]})", seen)
    if low >= 0 and high <= 1:
        return Said("pa.Check.in_range(0, 1)", seen)
    spread = max(high - low, abs(high), 1e-9)
    top = _up(high + 0.5 * spread)
    if low >= 0:
        return Said(f"pa.Check.in_range(0, {number(top)})", f"{seen}; never negative")
    return Said(f"pa.Check.in_range({number(-_up(-(low - 0.5 * spread)))}, {number(top)})", seen)


def _up(value: float) -> float:
    """The next number of two digits that is larger."""
    if value <= 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.ceil(value / step) * step:.12g}")


def _short(value: float) -> str:
    return f"{value:,.4g}" if abs(value) < 1e5 else f"{value:,.0f}"


def words(column: Column, *, shown: bool = True) -> Said:
    """A list of words where they are few and the later half of the file brings no new ones; else any word."""
    if not column.top or len(column.top) > _LISTED or column.new_late or not shown:
        why = f"{column.distinct:,} words" + (
            f", {column.new_late} of them only in the later half" if column.new_late else ""
        )
        return Said("", why)
    often = ", ".join(f"{v} {100 * n / column.rows:.0f} %" for v, n in column.top[:3])
    listed = ", ".join(quoted(value) for value in sorted(v for v, _ in column.top))
    return Said(f"pa.Check.isin([{listed}])", _clean(f"{len(column.top)} words: {often}"))


def _clean(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def feature_of(column: Column) -> str | None:
    """ "number" or "category" where a recipe can use the column today, else None. Text in many words waits for encodings."""
    if column.kind in ("number", "flag"):
        return "number"
    if column.kind == "text" and column.distinct <= _MANY and column.length <= _TEXT:
        return "category"
    return None


def left_out(column: Column) -> Note | None:
    """Why a column is no feature whatever the target: empty, nearly so, or always the same."""
    if column.distinct == 0:
        return Note(column.name, "empty", "never filled")
    if column.missing > 0.5:
        return Note(column.name, "empty", f"{100 * column.missing:.0f} % missing")
    if column.distinct == 1:
        return Note(column.name, "constant", "one value throughout")
    if feature_of(column) is None and column.kind == "text":
        return Note(column.name, "text", f"{column.distinct:,} words of {column.length:.0f} characters in the mean")
    return None


def personal_of(column: Column, *, entity: bool) -> str:
    """Why a column is suspected to be about a person; empty where it is not."""
    said = set(tokens(column.name))
    if entity and said & PERSONS:
        return "says who it is"
    named = said & PERSONAL or bare(column.name) in PERSONAL
    if named and column.distinct > 20:
        return f"by its name ({', '.join(sorted(said & PERSONAL)) or column.name})"
    if said & {"name"} and column.kind == "text" and column.distinct > max(50, 0.05 * column.rows):
        return "a name, nearly one a row"
    if said & PERSONS and said & {"id", "code", "number", "no", "name"} and column.distinct > 50:
        return "identifies a person"
    return ""
