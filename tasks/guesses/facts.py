"""What the engine counted of a table, and what was concluded from it: the words that profile, guesses and draft share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

__all__ = ["ROW", "Column", "Delay", "Format", "Hints", "Note", "Reading", "Rule", "Strength", "Table", "Task", "Times"]

ROW = "row__"  # a profiled table's column with the position in the file
Task = Literal["binary", "multiclass", "regression"]
Kind = Literal["number", "flag", "text", "time"]


@dataclass(frozen=True)
class Format:
    """How a column is written, and the Ibis code that makes it what it is; `{0}` is the column as read."""

    kind: Kind
    code: str = "{0}"  # as it is read, where nothing has to be done
    read_as: str = "VARCHAR"  # the engine's type for reading it from text
    says: str = ""  # what was seen, where that is not obvious
    nulls: tuple[str, ...] = ()  # what is written where nothing is known
    daily: bool = False  # of times: a date without an hour
    doubt: str = ""


@dataclass(frozen=True)
class Reading:
    """Options that DuckDB's own guess about a text file gets wrong, or could on another day."""

    options: Mapping[str, Any] = field(default_factory=dict)
    says: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """One column as the engine counted it; of times, numbers are seconds since 1970."""

    name: str
    format: Format
    rows: int
    missing: float  # share
    distinct: int
    low: float | None = None
    q01: float | None = None
    median: float | None = None
    q99: float | None = None
    high: float | None = None
    whole: bool = False
    rising: float = 0.0  # share of neighbouring sampled rows in the file's order that do not fall
    top: tuple[tuple[str, int], ...] = ()  # most frequent values with their counts, where there are few
    length: float = 0.0  # characters of text, in the mean
    new_late: int = 0  # values that only the later half of the file has, where there are few

    @property
    def kind(self) -> Kind:
        return self.format.kind


@dataclass(frozen=True)
class Table:
    rows: int
    columns: Mapping[str, Column]
    modified: datetime  # when the file was written, or the table was read
    reading: Reading


@dataclass(frozen=True)
class Times:
    """When the events of a table happened."""

    first: datetime
    last: datetime
    moments: int  # distinct
    quantiles: tuple[datetime, ...]  # 21, from the first to the last
    volume_ratio: float = 1.0  # the largest of a day's rows over the median, or the other way, of 98 % of the days

    @property
    def span(self) -> timedelta:
        return self.last - self.first


@dataclass(frozen=True)
class Delay:
    """How long after the event the label came, over all rows that have both times."""

    median: timedelta
    q75: timedelta
    q90: timedelta
    q95: timedelta
    q995: timedelta
    longest: timedelta
    negative: float  # share known before the event
    missing: float  # share of labelled rows without that time


@dataclass(frozen=True)
class Note:
    """A column that is left out or declared late, and why."""

    column: str
    kind: Literal["leak", "late", "personal", "id", "empty", "constant", "text", "time", "doubt"]
    says: str


@dataclass(frozen=True)
class Hints:
    """What somebody said beforehand; everything else is inferred."""

    target: str | None = None
    time: str | None = None
    entity: str | None = None
    key: str | None = None


@dataclass(frozen=True)
class Strength:
    """Out of sample: AUC of a class (0.5 is nothing) or R squared of a number (0 is nothing)."""

    value: float
    missing: float  # of whether it is filled alone

    def says(self, task: Task) -> str:
        return f"{'R2' if task == 'regression' else 'AUC'} {self.value:.3f} alone"


@dataclass(frozen=True)
class Rule:
    """The best single threshold, and its loss on rows it was not chosen on."""

    column: str
    cut: float
    below: float
    above: float
    loss: float
    naive: float
