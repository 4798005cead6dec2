"""Which rows did it get wrong, and what have they in common? Tallies by tag and slice, and the rows themselves."""

from collections.abc import Sequence
from html import escape

from flows.pages.parts import tag
from schemas.diagnosis import Wrong
from tasks.drawing.strips import Row, strips
from tasks.drawing.words import number, percent
from tasks.mistakes import Kind, Line, tally

__all__ = ["mistakes"]

_OPEN, _MOST = 8, 100  # rows that are seen at once, and behind a click
_KINDS = 8
_DIGITS, _LETTERS = 9, 240


def mistakes(wrong: Sequence[Wrong], sheet: Sequence[Line] | None) -> str:
    """The tallies of the sheet, or without one the slices of the wrong rows, then the rows, the costliest first."""
    if not wrong and not sheet:
        return ""
    lines = sheet or [Line(key=one.key, slices=one.slices, loss=one.loss) for one in wrong]
    ranked = sorted(wrong, key=lambda one: -one.loss)[:_MOST]
    tags = {line.key: line for line in sheet or ()}
    rows = [_row(one, tags.get(one.key)) for one in ranked]
    more = ""
    if len(rows) > _OPEN:
        more = f"<details><summary>{len(rows) - _OPEN} more rows</summary>{_table(rows[_OPEN:])}</details>"
    return _tallies(lines, weighed=sheet is not None) + (_table(rows[:_OPEN]) + more if rows else "")


def _tallies(lines: Sequence[Line], *, weighed: bool) -> str:
    kinds = tally(lines)
    heads = {"people": "By people's tags", "us": "By what we see ourselves", "slice": "By slice"}
    found = [(head, [kind for kind in kinds if kind.by == by][:_KINDS]) for by, head in heads.items()]
    each = "".join(f"<div>{_tally(head, some, weighed=weighed)}</div>" for head, some in found if some)
    if not each:
        return ""
    what = "how much the mean loss would fall if these rows cost nothing" if weighed else "how many of these rows"
    return f'<div class="pair">{each}</div><p class="lead">The bars say {what}.</p>'


def _tally(head: str, kinds: Sequence[Kind], *, weighed: bool) -> str:
    def value(kind: Kind) -> float:
        return kind.room if weighed else float(kind.wrong)

    rows = [
        Row(
            f"{escape(kind.name)}<small>{kind.wrong} wrong{f', {kind.right} right now' if kind.right else ''}</small>",
            (value(kind),) * 3,
            "c-judged" if kind.by == "people" else "c-base",
            number(value(kind)),
        )
        for kind in sorted(kinds, key=lambda kind: -value(kind))
    ]
    return strips(rows, axis="", bars=True, heads=(escape(head), ""))


def _table(rows: Sequence[str]) -> str:
    heads = (("key", ""), ("truth", ""), ("said", ""), ("loss", "n"), ("suspect", "n"), ("tags and slices", ""))
    head = "".join(f'<th scope="col" class="{kind}">{name}</th>' for name, kind in heads)
    return f'<div class="wide"><table class="sheet"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _row(one: Wrong, line: Line | None) -> str:
    values = "; ".join(f"{name} {_brief(value)}" for name, value in one.values.items())
    tags = "".join(tag(name, "hot") for name in (line.tags if line else ()))
    tags += "".join(tag(name) for name in (*(line.automatic if line else ()), *one.slices))
    told = f'<div class="values">{escape(values)}</div>' if values else ""
    note = f"<div>{escape(line.note)}</div>" if line and line.note else ""
    return (
        f'<tr><th scope="row">{escape(one.key)}</th><td>{escape(one.label)}</td><td>{escape(one.said)}</td>'
        f'<td class="n">{number(one.loss)}</td><td class="n">{percent(one.suspect)}</td><td>{tags}{note}{told}</td></tr>'
    )


def _brief(value: str) -> str:
    """A number of many digits with four that say something, a long text by its beginning."""
    try:
        return f"{float(value):.4g}" if len(value) > _DIGITS else value
    except ValueError:
        return value if len(value) <= _LETTERS else f"{value[:_LETTERS]}…"
