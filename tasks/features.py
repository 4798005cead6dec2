"""What did earlier rows say about this one, as it was known at its event time? Ibis expressions, the same on every engine."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby

import ibis
import ibis.expr.types as ir

from schemas.errors import PerennialError
from schemas.features import Aggregate, Feature, Lag
from schemas.problem import Problem

__all__ = ["TakenNameError", "with_features"]

_MOMENT = "timestamp('UTC')"
_TICK = timedelta(microseconds=1)
# A number is summed as three whole ones, of 2**40, of 1 and of 2**-52: whole numbers add up alike in every order and on
# every engine, so that a window is the same to the last digit wherever and however often it is computed.
_HIGH, _LOW = 2.0**40, 2.0**52
_LARGEST = 2.0**100


class TakenNameError(PerennialError):
    def __init__(self, problem: Problem, names: Iterable[str]) -> None:
        super().__init__(
            f"the table of {problem.name!r} already has {', '.join(names)}, which its features are to compute. "
            "Give the features other names, or leave those columns out in the source's `derive`."
        )


def with_features(problem: Problem, table: ir.Table, start: datetime, end: datetime) -> ir.Table:
    """The rows of `table` with `start <= event time < end`, and on them the problem's features.

    Only rows that a window can reach are read. Rows of one moment do not see each other; a row without an entity sees none.
    """
    taken = [one.name for one in problem.features if one.name in table.columns]
    if taken:
        raise TakenNameError(problem, taken)
    time = table[problem.framing.event_time]
    rows = table.filter((time >= ibis.literal(start)) & (time < ibis.literal(end)))
    several = sorted((one for one in problem.features if _summed(one)), key=lambda one: _group(problem, one))
    found = [
        (over, _summaries(problem, table, rows, over, [one for one in group if isinstance(one, Aggregate)], start, end))
        for (over, _), group in groupby(several, key=lambda one: _group(problem, one))
    ]
    for one in problem.features:
        if not _summed(one):
            found.append((one.over, _single(problem, table, rows, one, start, end)))
    return _joined(problem, rows, found)


def _single(
    problem: Problem, table: ir.Table, rows: ir.Table, one: Feature, start: datetime, end: datetime
) -> ir.Table:
    if isinstance(one, Lag):
        return _lagged(problem, table, rows, one, start, end)
    return (_last if one.how == "last" else _distinct)(problem, table, rows, one, start, end)


def _joined(problem: Problem, rows: ir.Table, found: list[tuple[tuple[str, ...], ir.Table]]) -> ir.Table:
    """`rows` with what was found, each table of which has one row for each entity and moment that was asked about."""
    computed: dict[str, ir.Value] = {}
    joined = rows
    for position, (over, table) in enumerate(found):
        names = {name: f"_{position}_{name}" for name in table.columns}
        table = table.rename({new: old for old, new in names.items()})
        same = [rows[name] == table[names[name]] for name in over]
        same.append(rows[problem.framing.event_time].cast(_MOMENT) == table[names["at"]])
        joined = joined.left_join(table, same)
        computed |= {name: table[new] for name, new in names.items() if name not in (*over, "at")}
    columns: dict[str, ir.Value] = {name: rows[name] for name in rows.columns}
    for one in problem.features:
        value = computed[one.name]
        columns[one.name] = value.fill_null(0) if one.always else value
    return joined.select(**columns)


def _known_at(problem: Problem, table: ir.Table, column: str | None) -> ir.Value:
    """When each row's value of `column` was known: never before its event, and null where it is not known at all."""
    event = table[problem.framing.event_time].cast(_MOMENT)
    clock = _clock(problem, column)
    if isinstance(clock, timedelta):
        return (event + _interval(clock)).cast(_MOMENT) if clock else event
    known = table[clock].cast(_MOMENT)
    return ibis.ifelse(known < event, event, known)


def _clock(problem: Problem, column: str | None) -> str | timedelta:
    """By what a value is known: the column of its time, or how long after the event."""
    framing = problem.framing
    if column is None or column not in problem.late:
        return timedelta(0)
    if column in (framing.target, framing.label_time):
        return framing.label_time
    return problem.delays.get(column) or problem.filled_at.get(column, column)


def _summed(one: Feature) -> bool:
    return isinstance(one, Aggregate) and one.how not in ("last", "distinct")


def _group(problem: Problem, one: Feature) -> tuple[tuple[str, ...], str]:
    """Features with one key are windows over one stream: whose rows, and by which clock."""
    return one.over, str(_clock(problem, one.of))


def _facts(problem: Problem, table: ir.Table, one: Feature, since: datetime, until: datetime) -> ir.Table:
    """The rows that windows may look at: those with an entity, by the moment `at` their value was known."""
    at = _known_at(problem, table, one.of)
    whose = [table[name].notnull() for name in one.over]
    return table.mutate(at=at).filter(at >= ibis.literal(since), at < ibis.literal(until), *whose)


def _asked(problem: Problem, rows: ir.Table, over: tuple[str, ...]) -> ir.Table:
    """Each entity and moment that is asked about, once: what was known then is the same for all rows of it."""
    rows = rows.drop_null(list(over)) if over else rows
    return rows.select(*over, at=rows[problem.framing.event_time].cast(_MOMENT)).distinct()


def _stream(asked: ir.Table, facts: ir.Table, values: Iterable[str]) -> ir.Table:
    """Questions and facts in one table, so that a window over it looks from each question back on facts."""
    facts = facts.mutate(asked=False)
    nulls = {name: ibis.null(facts[name].type()) for name in values}
    return ibis.union(asked.mutate(asked=True, **nulls).select(*facts.columns), facts)


def _window(over: tuple[str, ...], far: timedelta, near: timedelta = _TICK) -> ibis.expr.builders.WindowBuilder:
    return ibis.range_window(group_by=list(over), order_by="at", preceding=(_interval(far), _interval(near)))


def _interval(span: timedelta) -> ir.IntervalScalar:
    return ibis.interval(microseconds=span // _TICK)


def _summaries(
    problem: Problem,
    table: ir.Table,
    rows: ir.Table,
    over: tuple[str, ...],
    several: list[Aggregate],
    start: datetime,
    end: datetime,
) -> ir.Table:
    facts = _facts(problem, table, several[0], start - max(one.window for one in several), end)
    parts = {f"{one.name}.{part}": value for one in several for part, value in _parts(one, facts).items()}
    stream = _stream(_asked(problem, rows, over), facts.select(*over, "at", **parts), parts)
    found = stream.mutate(**{one.name: _summary(one, stream) for one in several})
    return found.filter(found.asked).select(*over, "at", *(one.name for one in several))


def _parts(one: Aggregate, facts: ir.Table) -> dict[str, ir.Value]:
    """What is added up, or compared, of each fact."""
    if one.of is None:
        return {"n": ibis.literal(1, "int64")}
    value = facts[one.of]
    if one.how in ("min", "max"):
        kept = _number(value) if value.type().is_numeric() else value
        return {"v": kept}
    if one.how in ("count", "share"):
        parts = {"n": _one_where(value.notnull())}
        return parts if one.value is None else parts | {"hit": _one_where(value == one.value)}
    number = _number(value)
    parts = {"n": _one_where(number.notnull()), **_limbs("s", number)}
    return parts | _limbs("q", number * number) if one.how == "std" else parts


def _one_where(condition: ir.Value) -> ir.Value:
    return ibis.ifelse(condition, ibis.literal(1, "int64"), ibis.literal(0, "int64"))


def _number(value: ir.Value) -> ir.Value:
    """As a double; what is no finite number is missing, and so is one from 10**15 on."""
    if value.type().is_boolean():
        return ibis.ifelse(value.isnull(), ibis.null("float64"), _one_where(value).cast("float64"))
    number = value.cast("float64")
    return ibis.ifelse(number.abs() < _LARGEST**0.5, number, ibis.null("float64"))


def _limbs(name: str, number: ir.Value) -> dict[str, ir.Value]:
    high = (number / _HIGH).floor()
    rest = number - high.cast("float64") * _HIGH
    whole = rest.floor()
    part = ((rest - whole.cast("float64")) * _LOW).floor()
    return {f"{name}2": high, f"{name}1": whole, f"{name}0": part}


def _summary(one: Aggregate, stream: ir.Table) -> ir.Value:
    w = _window(one.over, one.window)

    def total(part: str) -> ir.Value:
        return stream[f"{one.name}.{part}"].sum().over(w).cast("float64")

    def number(name: str) -> ir.Value:
        return total(f"{name}2") * _HIGH + total(f"{name}1") + total(f"{name}0") / _LOW

    match one.how:
        case "min":
            return stream[f"{one.name}.v"].min().over(w)
        case "max":
            return stream[f"{one.name}.v"].max().over(w)
        case "count":
            return total("n" if one.value is None else "hit").fill_null(0).cast("int64")
        case "share":
            return total("hit") / total("n").nullif(0)
        case "sum":
            return number("s").fill_null(0.0)
        case "mean":
            return number("s") / total("n").nullif(0)
        case _:
            return _deviation(total("n"), number("s"), number("q"))


def _deviation(n: ir.Value, total: ir.Value, squares: ir.Value) -> ir.Value:
    """The sample's standard deviation; null of fewer than two values, and zero where rounding is all there is.

    Good to eight digits while the mean is under 10,000 deviations: of a column beyond that, take the difference to a
    constant in the source's `derive` first.
    """
    above = squares - total * total / n.nullif(0)
    above = ibis.ifelse(above > squares * 2.0**-46, above, 0.0)
    return (above / ibis.ifelse(n > 1, n - 1, ibis.null("float64"))).sqrt()


def _last(
    problem: Problem, table: ir.Table, rows: ir.Table, one: Aggregate, start: datetime, end: datetime
) -> ir.Table:
    facts = _facts(problem, table, one, start - one.window, end)
    facts = facts.filter(facts[str(one.of)].notnull())
    found = _newest(problem, rows, facts, one, _window(one.over, one.window))
    return found.select(*one.over, "at", **{one.name: found["_value"]})


def _lagged(problem: Problem, table: ir.Table, rows: ir.Table, one: Lag, start: datetime, end: datetime) -> ir.Table:
    time = table[problem.framing.event_time].cast(_MOMENT)
    whose = [table[name].notnull() for name in one.over]
    first, last = ibis.literal(start - one.by - one.within), ibis.literal(end)
    facts = table.mutate(at=time, _known=_known_at(problem, table, one.of)).filter(time >= first, time < last, *whose)
    found = _newest(problem, rows, facts, one, _window(one.over, one.by + one.within, one.by))
    value = ibis.ifelse(found["_known"] < found["at"], found["_value"], ibis.null(found["_value"].type()))
    return found.select(*one.over, "at", **{one.name: value})


def _newest(
    problem: Problem, rows: ir.Table, facts: ir.Table, one: Feature, w: ibis.expr.builders.WindowBuilder
) -> ir.Table:
    """The newest fact that each question's window holds; of several at one moment that with the greatest key."""
    if "_known" not in facts.columns:
        facts = facts.mutate(_known=facts["at"])
    key = problem.framing.key
    order = [ibis.desc(facts[name], nulls_first=False) for name in dict.fromkeys((key, one.of, "_known"))]
    place = ibis.row_number().over(group_by=[*one.over, "at"], order_by=order)
    facts = facts.mutate(_place=place).filter(ibis._["_place"] == 0)
    facts = facts.select(*one.over, "at", "_known", _value=facts[str(one.of)])
    moments = facts.select(*one.over, "at", _then=facts["at"])
    stream = _stream(_asked(problem, rows, one.over), moments, ["_then"])
    found = stream.mutate(_newest=stream["_then"].max().over(w)).filter(stream.asked).drop("_then", "asked")
    there = facts.rename({f"_{name}": name for name in one.over}, _then="at")
    same = [found[name] == there[f"_{name}"] for name in one.over] + [found["_newest"] == there["_then"]]
    return found.inner_join(there, same)


def _distinct(
    problem: Problem, table: ir.Table, rows: ir.Table, one: Aggregate, start: datetime, end: datetime
) -> ir.Table:
    """How many values a window holds: each counts from where it was seen to where it leaves, or is seen again."""
    of = str(one.of)
    facts = _facts(problem, table, one, start - one.window, end)
    facts = facts.filter(facts[of].notnull()).select(*one.over, "at", _value=facts[of]).distinct()
    again = facts["at"].lead().over(group_by=[*one.over, "_value"], order_by="at")
    leaves = (facts["at"] + _interval(one.window)).cast(_MOMENT)
    seen = facts.mutate(_until=ibis.ifelse(again < leaves, again, leaves))
    begins = seen.select(*one.over, "at", _step=ibis.literal(1, "int64"))
    ends = seen.select(*one.over, at=seen["_until"], _step=ibis.literal(-1, "int64"))
    stream = _stream(_asked(problem, rows, one.over), ibis.union(begins, ends), ["_step"])
    w = ibis.range_window(group_by=list(one.over), order_by="at", preceding=(None, _interval(_TICK)))
    counted = stream.mutate(**{one.name: stream["_step"].sum().over(w).cast("int64")})
    return counted.filter(counted.asked).select(*one.over, "at", one.name)
