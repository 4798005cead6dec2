"""Which kinds of mistakes does a model make? Wrong rows with the tags that people and we gave them, and the room in each kind."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import pandas as pd

from schemas.diagnosis import Wrong

__all__ = ["By", "Kind", "Line", "State", "Usual", "automatic", "merged", "tally", "usual_of", "with_tag"]

By = Literal["people", "us", "slice"]  # who says that a row is of a kind
State = Literal["wrong", "right", "unlisted"]  # by the newest run; unlisted: not judged by it, or wrong and not shown

_SUSPECT = 0.9  # how unlikely a label is before it is suspected by itself
_RARE = 0.01  # of the rows
_FAR = 0.005  # of the rows at either end of a number
_LENGTH = 0.05  # the same of the length of a text
_TEXT = 30  # letters on average from which on a text is more than a name
_NOTHING = frozenset({"", "nan", "NaN", "None", "<NA>", "NaT"})


@dataclass(frozen=True)
class Line:
    """One row of the error sheet. `tags` and `note` are people's, the rest is the newest run's that listed the row."""

    key: str
    tags: tuple[str, ...] = ()
    note: str = ""
    label: str = ""
    said: str = ""
    loss: float | None = None
    suspect: float | None = None
    room: float = 0.0  # what this row adds to the mean loss of all judged rows
    automatic: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    values: str = ""
    experiment: str = ""  # id of the newest that listed it
    state: State = "wrong"
    extra: dict[str, str] = field(default_factory=dict)  # columns that people added, by their names


@dataclass(frozen=True)
class Usual:
    """What is usual of a feature: the common values of a category, the range of a number or of a text's length."""

    common: frozenset[str] | None = None
    span: tuple[float, float] | None = None
    length: tuple[float, float] | None = None


@dataclass(frozen=True)
class Kind:
    """The rows of one tag or slice. `room` is by how much the mean loss of the judged rows would fall if these cost nothing."""

    name: str
    by: By
    wrong: int
    right: int  # were wrong in an earlier run
    room: float


def usual_of(rows: pd.DataFrame, features: Iterable[str]) -> dict[str, Usual]:
    """What is usual among `rows`, by feature; times are left out. Personal columns are for the caller to leave out."""
    found = {name: _usual(rows[name].dropna()) for name in features}
    return {name: usual for name, usual in found.items() if usual is not None}


def _usual(column: pd.Series) -> Usual | None:
    if not len(column) or pd.api.types.is_datetime64_any_dtype(column):
        return None
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        low, high = (float(column.quantile(q)) for q in (_FAR, 1 - _FAR))
        return Usual(span=(low, high))
    text = column.astype(str)
    length = text.str.len()
    if float(length.mean()) >= _TEXT:
        return Usual(length=(float(length.quantile(_LENGTH)), float(length.quantile(1 - _LENGTH))))
    share = text.value_counts(normalize=True)
    return Usual(common=frozenset(share.index[share >= _RARE]))


def automatic(wrong: Wrong, usual: Mapping[str, Usual]) -> tuple[str, ...]:
    """What can be said of a wrong row without a person."""
    said = ["suspect label"] if wrong.suspect >= _SUSPECT else []
    for name, value in wrong.values.items():
        if name in usual:
            said += [f"{what} {name}" for what in _odd(value, usual[name])]
    return tuple(said)


def _odd(value: str, usual: Usual) -> list[str]:
    if value in _NOTHING:
        return ["missing"]
    if usual.common is not None:
        return [] if value in usual.common else ["rare"]
    if usual.length is not None:
        low, high = usual.length
        return ["short"] * (len(value) < low) + ["long"] * (len(value) > high)
    low, high = usual.span or (-math.inf, math.inf)
    try:
        return [] if low <= float(value) <= high else ["far out"]
    except ValueError:  # masked
        return []


def merged(
    kept: Sequence[Line],
    wrong: Sequence[Wrong],
    *,
    judged: int,
    experiment: str = "",
    right: Collection[str] = (),
    usual: Mapping[str, Usual] | None = None,
) -> list[Line]:
    """The sheet after a run: every kept line stays where it is, with its tags and notes; rows that are wrong anew follow.

    `judged` is how many rows the run judged, and `right` holds the keys of those that it got right.
    """
    now = {one.key: _facts(one, judged, experiment, usual or {}) for one in wrong}
    lines = [_renewed(line, now, right) for line in kept]
    there = {line.key for line in kept}
    return lines + [line for key, line in now.items() if key not in there]


def _facts(one: Wrong, judged: int, experiment: str, usual: Mapping[str, Usual]) -> Line:
    return Line(
        key=one.key,
        label=one.label,
        said=one.said,
        loss=one.loss,
        suspect=one.suspect,
        room=one.loss / judged,
        automatic=automatic(one, usual),
        slices=one.slices,
        values="; ".join(f"{name} = {value}" for name, value in one.values.items()),
        experiment=experiment,
    )


def _renewed(line: Line, now: Mapping[str, Line], right: Collection[str]) -> Line:
    if line.key in now:
        return replace(now[line.key], tags=line.tags, note=line.note, extra=line.extra)
    return replace(line, state="right" if line.key in right else "unlisted")


def with_tag(lines: Sequence[Line], key: str, tag: str) -> list[Line]:
    """The sheet with one tag more on the row of this key; KeyError where no line has it."""
    if all(line.key != key for line in lines):
        raise KeyError(key)
    return [
        replace(line, tags=(*line.tags, tag)) if line.key == key and tag not in line.tags else line for line in lines
    ]


def tally(lines: Sequence[Line]) -> list[Kind]:
    """Every tag and slice with its rows and its room, the widest first. A key counts once, however many lines it has."""
    found: dict[tuple[str, By], dict[str, Line]] = {}
    for line in lines:
        said: dict[By, tuple[str, ...]] = {"people": line.tags, "us": line.automatic, "slice": line.slices}
        for by, names in said.items():
            for name in names:
                found.setdefault((name, by), {})[line.key] = line
    kinds = [_kind(name, by, list(rows.values())) for (name, by), rows in found.items()]
    return sorted(kinds, key=lambda kind: (-kind.room, -kind.wrong, kind.name))


def _kind(name: str, by: By, rows: Sequence[Line]) -> Kind:
    counted = {state: [line for line in rows if line.state == state] for state in get_args(State)}
    room = sum(line.room for line in counted["wrong"])
    return Kind(name, by, len(counted["wrong"]), len(counted["right"]), room)
