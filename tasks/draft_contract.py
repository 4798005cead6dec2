"""How is the contract of a draft written, a line a column with what was seen of it?"""

from tasks.draft_words import one_line, span_name, whole
from tasks.guesses.columns import bounds, quoted, words
from tasks.guesses.facts import Column
from tasks.guesses.proposal import Proposal

__all__ = ["contract_lines"]


def contract_lines(p: Proposal) -> str:
    lines = ["CONTRACT = pa.DataFrameSchema(", "    {"]
    kind = '"int64"' if p.key is None or p.key.kind == "number" else "str"
    lines.append(
        _line(
            p,
            p.key_name,
            kind,
            "pa.Check.ge(0)" if p.key is None else "",
            "made by derive" if p.key is None else "different in every row",
        )
    )
    lines.append(_line(p, p.event_name, "UTC_TIME", "", ""))
    if p.entity is not None:
        kind = '"int64"' if whole(p.entity) else "str"
        lines.append(
            _line(
                p,
                p.entity.name,
                kind,
                "",
                f"guess: who repeats, {p.entity.distinct:,} values in {p.entity.rows:,} rows",
            )
        )
    for name in p.numbers:
        lines.append(_number_line(p, p.table.columns[name]))
    for name in p.categories:
        column, said = p.table.columns[name], words(p.table.columns[name], shown=name not in p.personal)
        lines.append(_line(p, name, "str", said.check, said.says, missing=column.missing))
    for moment in p.spans:
        column = p.table.columns[moment.columns[0]]
        lines.append(
            _line(
                p,
                span_name(column.name),
                '"float64"',
                "",
                "days after the event, or before it",
                missing=column.missing,
                about="",
            )
        )
    for part, top in (("hour", 23), ("weekday", 6), ("month", 12)):
        if part in p.calendar:
            lines.append(
                _line(
                    p,
                    f"event_{part}",
                    '"float64"',
                    f"pa.Check.in_range({int(part == 'month')}, {top})",
                    "of the event, UTC",
                )
            )
    lines += _late_lines(p)
    lines.append(_target_line(p))
    lines.append(f"        {quoted(p.known_name)}: pa.Column(UTC_TIME, nullable=True),")
    return "\n".join([*lines, "    }", ")", ""])


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
