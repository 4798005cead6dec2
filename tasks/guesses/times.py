"""Which moment is the event, and which one is when its label became known?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from tasks.guesses.facts import Column, Times
from tasks.guesses.words import EVENTS, LATE_TIMES, LEADS, MONTHS, NO_EVENTS, PLANNED, bare, tokens

__all__ = ["Moment", "asked_before", "ended", "event_of", "known_of", "moments", "others", "passing"]

_YEAR = 31_556_952.0


@dataclass(frozen=True)
class Moment:
    """A time that the table holds, or that several of its columns make."""

    code: str  # Ibis code over `table`
    columns: tuple[str, ...]
    says: str
    points: float
    median: float = 0.0  # seconds since 1970
    daily: bool = False

    @property
    def late(self) -> bool:
        return any(set(tokens(name)) & LATE_TIMES and not set(tokens(name)) & PLANNED for name in self.columns)

    @property
    def planned(self) -> bool:
        return any(set(tokens(name)) & PLANNED for name in self.columns)


def moments(columns: Mapping[str, Column], *, target: str) -> list[Moment]:
    """Every time of the table, with how much it looks like an event's."""
    found = [_whole(column, columns) for name, column in columns.items() if column.kind == "time" and name != target]
    made = _assembled(columns, target)
    return [m for m in found if m is not None] + ([made] if made else [])


def event_of(found: Sequence[Moment], *, asked: str | None = None) -> Moment | None:
    """The earliest time that is not named like an end, among those that most rows have; None where there is no time."""
    if asked is not None:
        named = [m for m in found if any(bare(asked) == bare(name) for name in m.columns)]
        return max(named, key=lambda m: len(m.columns)) if named else None
    fit = [m for m in found if m.points > 0]
    if not fit:
        return None
    early = [m for m in fit if not m.late] or fit
    best = max(m.points for m in early)
    close = [m for m in early if m.points >= best - 2.0]
    # Of times that look alike the earlier one is when the question is asked.
    return min(close, key=lambda m: (m.median, -m.points))


def known_of(found: Sequence[Moment], event: Moment) -> Moment | None:
    """The time that came with the label: named like an end and later than the event, else a planned one."""
    rest = [m for m in found if m is not event and not set(m.columns) & set(event.columns)]
    # The middle of an event made of parts is only known to a year.
    slack = 86_400 if len(event.columns) == 1 else _YEAR
    ends = [m for m in rest if m.late and m.median >= event.median - slack]
    if ends:
        return max(ends, key=lambda m: (m.points, m.median))
    plans = [m for m in rest if m.planned and m.median >= event.median and m.points > -2]
    return max(plans, key=lambda m: m.points) if plans else None


def ended(known: Moment) -> Moment:
    """A label that stands under a date is known when that day is over."""
    if not known.daily:
        return known
    return replace(known, code=f"{known.code} + ibis.interval(days=1)", says=f"{known.says}; at the end of that day")


def asked_before(event: Moment, columns: Mapping[str, Column]) -> Moment | None:
    """The event less the days between asking and it, where a column counts them; None where none does."""
    for name, column in columns.items():
        fits = column.whole and column.low is not None and column.low >= 0 and column.missing == 0
        if set(tokens(name)) & LEADS and fits and column.kind == "number":
            code = f'{event.code} - {_cell(name)}.cast("int64").as_interval("D")'
            says = f"{event.says}, less the days of {name!r}: that is when it was asked"
            return replace(event, code=code, columns=(*event.columns, name), says=says)
    return None


def others(found: Sequence[Moment], event: Moment | None, known: Moment | None) -> list[Moment]:
    """Times that are neither, single columns only."""
    used = set(event.columns if event else ()) | set(known.columns if known and not known.planned else ())
    return [m for m in found if len(m.columns) == 1 and not set(m.columns) & used]


def passing(columns: Mapping[str, Column], spanned: Times, reach: timedelta) -> dict[str, str]:
    """Parts of a date that training rows of `reach` hardly see again, and why: a tree learns by them which day it was, and of
    a month it has never seen it knows nothing. Years never return, seasons should twice, days of the month through a year."""
    found = {}
    for name, column in columns.items():
        said, low, high = set(tokens(name)), column.low, column.high
        if column.kind == "text" and "month" in said and _month_names(column):
            part, needed = "month", 730
        elif column.kind != "number" or not column.whole or low is None or high is None:
            continue
        elif said & {"year", "yr"} and abs(low - spanned.first.year) <= 1 and abs(high - spanned.last.year) <= 1:
            part, needed = "year", 0
        elif said & {"month", "mnth", "mon"} and low >= 1 and high <= 12:
            part, needed = "month", 730
        elif said & {"week", "weeknum"} and low >= 0 and 12 < high <= 53:
            part, needed = "week", 730
        elif said & {"day", "dom", "mday"} and low >= 1 and 12 < high <= 31:
            part, needed = "day of the month", 365
        else:
            continue
        if part == "year":
            found[name] = "a year does not return"
        elif reach / timedelta(days=1) < needed:
            found[name] = f"a {part} that {reach / timedelta(days=1):,.0f} days of training see too seldom"
    return found


def _whole(column: Column, columns: Mapping[str, Column]) -> Moment | None:
    if column.missing > 0.9 or column.distinct < 2 or column.low is None or column.high is None:
        return None
    words = set(tokens(column.name))
    points = 2.0 - 4 * column.missing + 2 * (column.rising > 0.95) + (column.rising > 0.6) * 0.5
    points += bool(words & EVENTS) * 1.0 + min(column.distinct / 500, 1.0)
    points -= 6 * bool(words & NO_EVENTS)
    points -= 2 * bool(words & LATE_TIMES)
    points -= 3 * (column.high - column.low > 40 * _YEAR)
    code, says = _cell(column.name), _said(column)
    names: tuple[str, ...] = (column.name,)
    daily, hour = column.format.daily, _hour(columns)
    if daily and hour is not None and hour.name != column.name and column.distinct < 0.5 * column.rows:
        whole = hour.format.says != "a time of day, in hours"
        code = f"{code} + " + (
            f'{_cell(hour.name)}.cast("int64").as_interval("h")'
            if whole
            else f'({_cell(hour.name)} * 60).round().cast("int64").as_interval("m")'
        )
        names, says, daily = (*names, hour.name), f"{says}, with the hour in {hour.name!r}", False
    return Moment(code, names, says, points, column.median or 0.0, daily)


def _said(column: Column) -> str:
    said = [f"{100 * (1 - column.missing):.0f} % filled"]
    said += [column.format.says] if column.format.says else []
    said += [f"{100 * column.rising:.0f} % of neighbouring rows do not go back"] if column.rising > 0.6 else []
    said += [column.format.doubt] if column.format.doubt else []
    return ", ".join(said)


def _hour(columns: Mapping[str, Column]) -> Column | None:
    for name, column in columns.items():
        if column.kind != "number" or column.low is None or column.high is None:
            continue
        clock = column.format.says == "a time of day, in hours"
        if (
            (clock or bare(name) in {"hour", "hr", "hours", "hourofday", "starthour"})
            and column.low >= 0
            and column.high < 24.0
        ):
            return column
    return None


def _cell(name: str) -> str:
    return 'table["' + name.replace("\\", "\\\\").replace('"', '\\"') + '"]'


def _assembled(columns: Mapping[str, Column], target: str) -> Moment | None:
    """A year, a month and perhaps a day and an hour, each in a column of its own."""
    parts = {part: _part(columns, part, target) for part in ("year", "month", "day", "hour")}
    year, month, day, hour = (parts[p] for p in ("year", "month", "day", "hour"))
    if year is None or month is None:
        return None
    names = tuple(p.name for p in (year, month, day, hour) if p is not None)
    number = [f'{_cell(year.name)}.cast("int64")']
    if month.kind == "text":
        text = f'{_cell(year.name)}.cast("int64").cast("string") + " " + {_cell(month.name)}.left(3) + " "'
        text += f' + {_cell(day.name)}.cast("int64").cast("string")' if day else ' + "1"'
        code = f'({text}).as_timestamp("%Y %b %d")'
        code += f' + {_cell(hour.name)}.cast("int64").as_interval("h")' if hour else ""
    else:
        for part, otherwise in ((month, "1"), (day, "1"), (hour, "0")):
            number.append(f'{_cell(part.name)}.cast("int64")' if part else otherwise)
        code = f"ibis.timestamp({', '.join([*number, '0', '0'])})"
    middle = ((year.median or 1970) - 1970) * _YEAR + (_YEAR / 2)
    return Moment(code, names, f"made of {', '.join(names)}", 3.0 + (day is not None), middle, hour is None)


def _part(columns: Mapping[str, Column], part: str, target: str) -> Column | None:
    """The column that holds this part of a date: by its name and what its values can be."""
    named = {
        "year": {"year", "yr"},
        "month": {"month", "mnth", "mon"},
        "day": {"day", "dom", "mday"},
        "hour": {"hour", "hr"},
    }[part]
    allowed = {"year": (1900, 2100), "month": (1, 12), "day": (1, 31), "hour": (0, 23)}[part]
    for name, column in columns.items():
        words = set(tokens(name))
        if (
            name == target
            or column.missing > 0.01
            or not words & named
            or words & {"week", "weekday", "built", "of"} - ({"of"} if part == "day" else set())
        ):
            continue
        if part == "day" and words & {"week", "year"} and "month" not in words and not words & {"date"}:
            continue
        if part == "month" and words & {"day", "dom"}:
            continue
        if part == "month" and column.kind == "text" and _month_names(column):
            return column
        low, high = column.low, column.high
        if column.kind != "number" or not column.whole or low is None or high is None:
            continue
        if allowed[0] <= low and high <= allowed[1] and (part != "day" or high > 12):
            return column
    return None


def _month_names(column: Column) -> bool:
    return 1 < column.distinct <= 12 and all(value[:3].lower() in MONTHS for value, _ in column.top)
