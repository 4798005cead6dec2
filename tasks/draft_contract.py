"""How is the contract of a draft written, a line a column with what was seen of it?"""

from tasks.draft_words import one_line, span_name, whole
from tasks.guesses.columns import bounds, quoted, words
from tasks.guesses.facts import Column
from tasks.guesses.proposal import Proposal

__all__ = ["contract_lines"]


def contract_lines(p: Proposal) -> str:
    lines = [
        _key_line(p),
        _line(p, p.event_name, "UTC_TIME", "", ""),
        *_entity_lines(p),
        *(_number_line(p, p.table.columns[name]) for name in p.numbers),
        *(_word_line(p, p.table.columns[name]) for name in p.categories),
        *(_span_line(p, p.table.columns[moment.columns[0]]) for moment in p.spans),
        *_calendar_lines(p),
        *_late_lines(p),
        _target_line(p),
        f"        {quoted(p.known_name)}: pa.Column(UTC_TIME, nullable=True),",
    ]
    return "\n".join(["CONTRACT = pa.DataFrameSchema(", "    {", *lines, "    }", ")", ""])


def _key_line(p: Proposal) -> str:
    if p.key is None:
        return _line(p, p.key_name, '"int64"', "pa.Check.ge(0)", "made by derive")
    return _line(p, p.key_name, '"int64"' if p.key.kind == "number" else "str", "", "different in every row")


def _entity_lines(p: Proposal) -> list[str]:
    if p.entity is None:
        return []
    says = f"guess: who repeats, {p.entity.distinct:,} values in {p.entity.rows:,} rows"
    return [_line(p, p.entity.name, '"int64"' if whole(p.entity) else "str", "", says)]


def _word_line(p: Proposal, column: Column) -> str:
    said = words(column, shown=column.name not in p.personal)
    return _line(p, column.name, "str", said.check, said.says, missing=column.missing)


def _span_line(p: Proposal, column: Column) -> str:
    says = "days after the event, or before it"
    return _line(p, span_name(column.name), '"float64"', "", says, missing=column.missing, about="")


def _calendar_lines(p: Proposal) -> list[str]:
    ranges = {"hour": "0, 23", "weekday": "0, 6", "month": "1, 12"}
    return [
        _line(p, f"event_{part}", '"float64"', f"pa.Check.in_range({range_})", "of the event, UTC")
        for part, range_ in ranges.items()
        if part in p.calendar
    ]


def _line(
    p: Proposal, name: str, kind: str, check: str, says: str, *, missing: float = 0.0, about: str | None = None
) -> str:
    extra = ", nullable=True" if missing > 0 else ""
    if name in p.personal and about is None:
        extra += ", metadata=about(personal=True)"
        says = f"{says}; personal? {p.personal[name]}" if says else f"personal? {p.personal[name]}"
    extra += about or ""
    said = "; ".join(s for s in (says, f"{100 * missing:.2g} % missing" if missing > 0 else "") if s)
    inside = ", ".join(part for part in (kind, check) if part) + extra
    comment = f"        # {one_line(name)}: {one_line(said)}\n" if len(said) > 60 else ""
    return f"{comment}        {quoted(name)}: pa.Column({inside})," + (
        f"  # {one_line(said)}" if said and not comment else ""
    )


def _number_line(p: Proposal, column: Column) -> str:
    if column.kind == "flag":
        return _line(p, column.name, '"float64"', "pa.Check.isin([0.0, 1.0])", "true or false", missing=column.missing)
    said = bounds(column)
    return _line(p, column.name, '"float64"', said.check, said.says, missing=column.missing)


def _late_lines(p: Proposal) -> list[str]:
    lines = []
    for note in p.leaks:
        column = p.table.columns[note.column]
        kind = '"float64"' if column.kind in ("number", "flag") else "str"
        personal = ", personal=True" if note.column in p.personal else ""
        about = f', nullable=True, metadata=about(known="with the label"{personal})'
        lines.append(f"        # suspected leak: {one_line(note.says)}. Correct it where it is known at the event")
        lines.append(f"        {quoted(note.column)}: pa.Column({kind}{about}),")
    return lines


def _target_line(p: Proposal) -> str:
    column, name = p.table.columns[p.target.name], quoted(p.target.name)
    comment = f"        # the target, guess: {one_line(p.target.says)}"
    comment += f"; or {', '.join(p.target.others)}" if p.target.others else ""
    comment += f"; {100 * column.missing:.2g} % have no label" if column.missing > 0 else ""
    if p.target.task == "binary":
        check = '"float64", pa.Check.isin([0.0, 1.0])'
    elif p.target.task == "multiclass":
        kind, classes = (
            ("str", p.target.classes)
            if isinstance(p.target.classes[0], str)
            else ('"float64"', tuple(float(c) for c in p.target.classes))
        )
        check = f"{kind}, pa.Check.isin([{', '.join(quoted(c) if isinstance(c, str) else repr(c) for c in classes)}])"
    else:
        said = bounds(column)
        check = f'"float64", {said.check}' if said.check else '"float64"'
    return f"{comment}\n        {name}: pa.Column({check}, nullable=True),"
