"""What is proposed for a whole table: every guess with its evidence, ready to be written down."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tasks.guesses.columns import feature_of, left_out, personal_of
from tasks.guesses.facts import Column, Delay, Note, Rule, Table, Times
from tasks.guesses.keys import is_id
from tasks.guesses.plan import Plan
from tasks.guesses.target import Target
from tasks.guesses.times import Moment
from tasks.guesses.words import bare

__all__ = ["Proposal", "Scale", "roles"]


@dataclass(frozen=True)
class Scale:
    """What the target's spread says of loss and margin."""

    bound: float  # of an absolute error; 1 for classes
    naive: float  # loss of the base rate or the median
    margin: float
    positives: float  # share of ones; 0 for others


@dataclass(frozen=True)
class Proposal:
    name: str
    location: str
    url: str | None
    table: Table
    target: Target
    event: Moment | None
    event_name: str
    known: Moment | None
    known_name: str
    delay: Delay | None
    assumed: timedelta
    key: Column | None
    key_name: str
    entity: Column | None
    times: Times | None
    plan: Plan
    matured: float  # share of the labels that have come after the maturity
    scale: Scale
    numbers: tuple[str, ...]  # features
    categories: tuple[str, ...]
    spans: tuple[Moment, ...]  # other times, as days from the event
    calendar: tuple[str, ...]
    notes: tuple[Note, ...]
    rule: Rule | None
    types: Mapping[str, str]  # of text files: what DuckDB's own guess gets wrong
    nulls: tuple[str, ...]
    reading: Mapping[str, object]

    @property
    def timeless(self) -> bool:
        return self.event is None

    def note(self, column: str, *kinds: str) -> Note | None:
        return next((n for n in self.notes if n.column == column and (not kinds or n.kind in kinds)), None)

    @property
    def personal(self) -> dict[str, str]:
        return {n.column: n.says for n in self.notes if n.kind == "personal"}

    @property
    def leaks(self) -> list[Note]:
        return [n for n in self.notes if n.kind == "leak"]

    @property
    def taken_at(self) -> datetime:
        return self.table.modified


def roles(
    columns: Mapping[str, Column], *, taken: set[str], entity: Column | None, leaks: list[Note]
) -> tuple[tuple[str, ...], tuple[str, ...], list[Note]]:
    """Features that are numbers, features that are words, and why the other columns are none."""
    numbers, categories, notes = [], [], list(leaks)
    leaking = {n.column for n in leaks if n.kind == "leak"}
    for name, column in columns.items():
        personal = personal_of(column, entity=entity is not None and entity.name == name)
        notes += [Note(name, "personal", personal)] if personal else []
        if name in taken or name in leaking or column.kind == "time":
            continue
        out = left_out(column) or _identifies(column)
        if out is not None:
            notes.append(out)
        elif feature_of(column) == "number":
            numbers.append(name)
        elif feature_of(column) == "category":
            categories.append(name)
    return tuple(numbers), tuple(categories), notes


def _identifies(column: Column) -> Note | None:
    """A number or word of nearly every row's own tells nothing of the next one."""
    if (is_id(column.name) or bare(column.name) in {"index", "instant", "rowid"}) and column.distinct > 50:
        return Note(column.name, "id", f"an identifier with {column.distinct:,} values")
    if column.whole and column.kind == "number" and column.distinct > 0.99 * column.rows and column.rising > 0.98:
        return Note(column.name, "id", "counts the rows")
    return None
