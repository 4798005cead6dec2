"""How is `derive` of a draft written: what is read in its own way, the times, the label, the key?"""

from tasks.draft_words import days_of, delay_says, one_line, span_name, whole
from tasks.guesses.columns import quoted
from tasks.guesses.proposal import Proposal

__all__ = ["derive_lines"]


def derive_lines(p: Proposal) -> str:
    """Everything that is made in the engine, in the order in which one needs the other."""
    lines = ["", "", "def derive(table: ibis.Table) -> ibis.Table:"]
    lines.append('    """Reads what is written in its own way, and adds times, key and label."""')
    lines += _converted(p) + _timed(p) + _labelled(p) + _floats(p) + _keyed(p)
    return "\n".join([*lines, "    return table", "", ""])


def _converted(p: Proposal) -> list[str]:
    lines = []
    wanted = {*p.numbers, *p.categories, p.target.name, *(c.name for c in (p.key, p.entity) if c)}
    wanted |= {n.column for n in p.leaks} | {m.columns[0] for m in p.spans}
    wanted |= {name for m in (p.event, p.known) if m for name in m.columns}
    for name, column in p.table.columns.items():
        form = column.format
        if name in wanted and form.code != "{0}":
            lines += [f"    # guess: {one_line(form.says or 'text')}" + (f"; {form.doubt}" if form.doubt else "")]
            lines.append(_mutate({name: form.code.format(_cell(name))}))
    return lines


def _utc(code: str) -> str:
    return f"({code}).cast(\"timestamp('UTC')\")" if " + " in code else f"{code}.cast(\"timestamp('UTC')\")"


def _timed(p: Proposal) -> list[str]:
    if p.event is None:
        moment = f"{p.taken_at:%Y, %-m, %-d}"
        said = f"ibis.literal(datetime({moment}, tzinfo=UTC)).cast(\"timestamp('UTC')\")"
        why = "    # No column says when: every row is of the day on which the file was written."
        return [why, _mutate({p.event_name: said, p.known_name: said})]
    lines = [f"    # guess: the event, {one_line(p.event.says)}; times without a zone are taken as UTC"]
    lines.append(_mutate({p.event_name: _utc(p.event.code)}))
    event = _cell(p.event_name)
    if p.known is None or p.delay is None:
        lines.append(
            f"    # guess: a label is known {days_of(p.assumed)} after its event; no column says so. yours to say: how long it takes"
        )
        lines.append(_mutate({p.known_name: f"{event} + ibis.interval({_interval(p)})"}))
    else:
        lines.append(f"    # guess: the label came at {' and '.join(p.known.columns)}: {delay_says(p)}")
        if p.delay.negative > 0.05:
            early = f"{100 * p.delay.negative:.0f} % of the labels were known before it"
            lines.append(
                f"    # yours to say: {early}; is the event too late to be asked at? Such labels count as known at the event"
            )
        code = f"ibis.greatest({_utc(p.known.code)}, {event})" if p.delay.negative > 0 else _utc(p.known.code)
        if p.delay.missing > 0:
            lines.append(
                f"    # {100 * p.delay.missing:.1f} % of the labelled rows lack it: known as late as 99.5 % of the others"
            )
            code = (
                f"{code[:-1]}, "
                if False
                else f"ibis.coalesce({code}, {event} + ibis.interval(seconds={int(p.plan.durations.maturity.total_seconds())}))"
            )
        lines.append(_mutate({p.known_name: code}))
    lines += _calendar(p, event)
    for other in p.spans:
        name = other.columns[0]
        span = f'({_utc(other.code)}.epoch_seconds() - {event}.epoch_seconds()).cast("float64") / 86_400'
        lines.append(_mutate({span_name(name): span}))
    return lines


def _interval(p: Proposal) -> str:
    seconds = int(p.assumed.total_seconds())
    if seconds % 86_400 == 0:
        return f"days={seconds // 86_400}"
    return f"hours={seconds // 3_600}" if seconds % 3_600 == 0 else f"seconds={seconds}"


def _calendar(p: Proposal, event: str) -> list[str]:
    code = {"hour": "hour()", "weekday": "day_of_week.index()", "month": "month()"}
    # The hour of a time with a zone is no plain question to the engine, which warns or refuses; of one in UTC it is.
    made = {f"event_{part}": f'{event}.cast("timestamp").{code[part]}.cast("float64")' for part in p.calendar}
    return [_mutate(made)] if made else []


def _labelled(p: Proposal) -> list[str]:
    code = p.target.code.format(_cell(p.target.name))
    if code == _cell(p.target.name):
        return []
    why = [f"    # guess: {p.target.positive!r} is the positive class"] if p.target.positive is not None else []
    return [*why, _mutate({p.target.name: code})]


def _floats(p: Proposal) -> list[str]:
    lines: list[str] = []
    late = [n.column for n in p.leaks if p.table.columns[n.column].kind in ("number", "flag")]
    if p.numbers:
        lines.append('    table = table.mutate(**{name: table[name].cast("float64") for name in NUMBERS})')
    if late:
        lines.append(_mutate({name: f'{_cell(name)}.cast("float64")' for name in late}))
    return lines


def _keyed(p: Proposal) -> list[str]:
    lines = []
    if p.entity is not None:
        code = f'{_cell(p.entity.name)}.cast("int64")' if whole(p.entity) else f'{_cell(p.entity.name)}.cast("string")'
        code = code if p.entity.missing == 0 or whole(p.entity) else f'{code}.fill_null("unknown")'
        lines.append(_mutate({p.entity.name: code}))
    if p.key is not None:
        kind = "int64" if p.key.kind == "number" else "string"
        lines.append(_mutate({p.key.name: f'{_cell(p.key.name)}.cast("{kind}")'}))
        return lines
    lines.append(
        "    # guess: no column is different in every row, so rows are counted in the order of time and content"
    )
    first = f"{_cell(p.event_name)}, " if p.event else ""
    order = f"[{first}*(table[name] for name in sorted(table.columns))]"
    lines.append(_mutate({p.key_name: f"ibis.row_number().over(order_by={order})"}))
    return lines


def _mutate(columns: dict[str, str]) -> str:
    return (
        "    table = table.mutate(**{" + ", ".join(f"{quoted(name)}: {code}" for name, code in columns.items()) + "})"
    )


def _cell(name: str) -> str:
    return f"table[{quoted(name)}]"
