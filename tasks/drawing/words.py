"""How are moments, numbers and tables written on a page? Escaped, with a sign where it says something, and no false digits."""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from schemas.diagnosis import Span

__all__ = ["bounds", "is_page", "missing", "moment", "number", "percent", "shown", "signed", "span", "table"]


def table(heads: Sequence[str], lines: Iterable[Sequence[str]], *, numeric: int) -> str:
    """A table whose columns from `numeric` on are numbers. Every cell is escaped."""
    head = "".join(f'<th scope="col"{_aligned(i, numeric)}>{escape(name)}</th>' for i, name in enumerate(heads))
    body = "".join(f"<tr>{_row(line, numeric)}</tr>" for line in lines)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _row(line: Sequence[str], numeric: int) -> str:
    cells = (f"<td{_aligned(i, numeric)}>{escape(text)}</td>" for i, text in enumerate(line) if i)
    return f'<th scope="row">{escape(line[0])}</th>' + "".join(cells)


def _aligned(position: int, numeric: int) -> str:
    return ' class="n"' if position >= numeric else ""


def missing(what: str, away: str) -> str:
    """What is not there, and the type of the error that took it."""
    return f'<p class="missing"><b>Missing:</b> {what} ({escape(away)}).</p>'


def moment(at: datetime) -> str:
    """A time element, in UTC to the minute."""
    return f'<time datetime="{at.isoformat()}">{at.astimezone(UTC):%Y-%m-%d %H:%M}</time>'


def span(seconds: float) -> str:
    """A duration as people say it, in the largest unit of which there are two.

    >>> span(42.3), span(3 * 3600), span(86_400), span(14 * 86_400)
    ('42 s', '3 h', '24 h', '14 days')
    """
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def percent(share: float) -> str:
    """Three digits of a share, as 25 % or 0.25 %.

    >>> percent(0.25), percent(1 / 3)
    ('25 %', '33.3 %')
    """
    return f"{100 * share:.3g} %"


def signed(value: float, digits: int = 4) -> str:
    """A difference with its sign, and without one where it rounds to nothing.

    >>> signed(-0.02, 2), signed(0.0, 2)
    ('−0.02', '0.00')
    """
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}".replace("-", "−") if rounded else f"{0:.{digits}f}"


def shown(value: float, digits: int | None = None) -> str:
    """A number as people read it: `digits` decimals, or four figures that say something.

    >>> shown(0.0123456), shown(1234.5), shown(-3.0), shown(float("nan"))
    ('0.01235', '1,234', '−3', '–')
    """
    if not math.isfinite(value):
        return "–"
    if digits is None:
        digits = max(0, min(6, 3 - math.floor(math.log10(abs(value))))) if value else 0
        text = f"{value:,.{digits}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        text = f"{value:,.{digits}f}"
    return text.replace("-", "−")


def bounds(interval: Span, *, sign: bool = False) -> tuple[str, str, str]:
    """The three numbers of an interval, to two figures of its width.

    >>> bounds((0.00812, 0.01114, 0.01413), sign=True)
    ('+0.0081', '+0.0111', '+0.0141')
    """
    width = interval[2] - interval[0]
    digits = max(0, min(6, 1 - math.floor(math.log10(width)))) if math.isfinite(width) and width > 0 else None
    if sign:
        digits = 4 if digits is None else digits
        low, middle, high = (signed(value, digits) if math.isfinite(value) else "–" for value in interval)
    else:
        low, middle, high = (shown(value, digits) for value in interval)
    return low, middle, high


def number(value: float | Span, *, sign: bool = False) -> str:
    """A number, or an interval by its middle and its ends, as HTML; the whole value stands in an attribute, for scripts."""
    if isinstance(value, tuple):
        low, middle, high = bounds(value, sign=sign)
        told = f"{middle} <small>[{low}, {high}]</small>" if value[0] < value[2] else middle
        ends = f'data-low="{float(value[0])!r}" data-high="{float(value[2])!r}"'
        return f'<data value="{float(value[1])!r}" {ends}>{told}</data>'
    return f'<data value="{float(value)!r}">{signed(value) if sign else shown(value)}</data>'


def is_page(where: str) -> bool:
    """A page of the web or a file, which a link may lead to, and no script.

    >>> is_page("https://a.example/x"), is_page("diagnosis.html"), is_page("javascript:alert(1)")
    (True, True, False)
    """
    return where.startswith(("http://", "https://", "file://")) or ":" not in where
