"""How do intervals stand side by side? A table whose rows share one axis: a name, a picture of the interval, its numbers.

The text is HTML, and only the marks are SVG, placed in percent: so a strip is as wide as its page, and its letters stay as large
on a phone as on paper. No library draws this: a page costs some tens of milliseconds and less than 100 KB, where Plotly alone
is 4.5 MB of script.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from schemas.diagnosis import Span
from tasks.drawing.scales import Scale, around, ticks
from tasks.drawing.words import shown, signed

__all__ = ["Mark", "Row", "strips"]


@dataclass(frozen=True)
class Mark:
    """A line across all rows, with a name at the foot."""

    value: float
    kind: str  # a class of the style sheet
    name: str = ""


@dataclass(frozen=True)
class Row:
    """One row: `name` and `told` are HTML, and the interval is drawn as `kind`, a class of the style sheet."""

    name: str
    interval: Span | None
    kind: str
    told: str
    marks: tuple[Mark, ...] = ()  # of this row alone


def strips(
    rows: Sequence[Row],
    *,
    axis: str,
    marks: Sequence[Mark] = (),
    bars: bool = False,
    signs: bool = False,
    heads: tuple[str, str] = ("", ""),
    kind: str = "",
) -> str:
    """The rows on one axis: points with whiskers, or `bars` from zero. `axis` says what lies along it and which way is good,
    and `kind` is a class of the whole."""
    values = [value for row in rows if row.interval for value in row.interval]
    values += [mark.value for mark in (*marks, *(one for row in rows for one in row.marks))]
    scale = around(values, zero=bars or signs)
    across = ([Mark(0.0, "zero")] if bars or signs else []) + list(marks)
    named = any(heads)
    head = f'<thead><tr><th scope="col">{heads[0]}</th><th></th><th scope="col" class="n">{heads[1]}</th></tr></thead>'
    body = "".join(_row(row, scale, across, bars=bars) for row in rows)
    return (
        f'<table class="strips {kind}"><colgroup><col class="c1"><col><col class="c3"></colgroup>{head if named else ""}<tbody>{body}</tbody>'
        f'<tfoot><tr><td></td><td class="axis">{_axis(scale, signs=signs)}</td><td></td></tr>'
        f'<tr><td></td><td class="says">{escape(axis)}{_key(marks)}</td><td></td></tr></tfoot></table>'
    )


def _row(row: Row, scale: Scale, across: Iterable[Mark], *, bars: bool) -> str:
    lines = "".join(_line(mark, scale) for mark in (*across, *row.marks))
    return (
        f'<tr class="{row.kind}"><th scope="row">{row.name}</th><td class="strip"><svg aria-hidden="true">{_grid(scale)}'
        f'{lines}{_drawn(row.interval, scale, bars=bars)}</svg></td><td class="n">{row.told}</td></tr>'
    )


def _drawn(interval: Span | None, scale: Scale, *, bars: bool) -> str:
    if interval is None:
        return ""
    low, middle, high = (scale.at(value) for value in interval)
    whisker = f'<line class="whisker" x1="{low:.2f}%" x2="{high:.2f}%" y1="50%" y2="50%"/>' if low < high else ""
    if not bars:
        return f'{whisker}<circle class="point" cx="{middle:.2f}%" cy="50%" r="5"/>'
    left, right = sorted((scale.at(0.0), middle))
    return f'<rect class="bar" x="{left:.2f}%" width="{right - left:.2f}%" y="50%" height="16" transform="translate(0 -8)"/>{whisker}'


def _line(mark: Mark, scale: Scale) -> str:
    x = f"{scale.at(mark.value):.2f}%"
    return f'<line class="mark {mark.kind}" x1="{x}" x2="{x}" y1="0" y2="100%"/>'


def _grid(scale: Scale) -> str:
    places = (f"{scale.at(value):.2f}%" for value in ticks(scale.low, scale.high, 5)[0])
    return "".join(f'<line class="grid" x1="{x}" x2="{x}" y1="0" y2="100%"/>' for x in places)


def _axis(scale: Scale, *, signs: bool) -> str:
    values, digits = ticks(scale.low, scale.high, 5)
    said = [signed(value, digits) if signs else shown(value, digits) for value in values]
    texts = (
        f'<text x="{scale.at(value):.2f}%" y="14" text-anchor="middle">{text}</text>'
        for value, text in zip(values, said, strict=True)
    )
    return f'<svg aria-hidden="true">{"".join(texts)}</svg>'


def _key(marks: Sequence[Mark]) -> str:
    said = "".join(f'<span class="key {mark.kind}">{escape(mark.name)}</span>' for mark in marks if mark.name)
    return f'<div class="keys">{said}</div>' if said else ""
