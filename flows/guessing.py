"""What is guessed of a table: the engine's counts and samples, joined with the decisions over them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from flows.guessing_times import Timed, timed
from schemas.source import is_text
from tasks import profiling, strength, tables
from tasks.guesses import keys, leaks, plan, target, times
from tasks.guesses.columns import feature_of, left_out
from tasks.guesses.facts import Column, Format, Hints, Note, Rule, Table, Times
from tasks.guesses.formats import format_of
from tasks.guesses.proposal import Proposal, Scale, roles

__all__ = ["propose"]


@dataclass(frozen=True)
class _Asked:
    name: str
    location: str
    url: str | None
    hints: Hints
    nulls: tuple[str, ...]
    reading: Mapping[str, object]
    types: Mapping[str, str]


def propose(
    name: str, data: str, *, location: str, url: str | None, table: str | None = None, hints: Hints
) -> Proposal:
    """Everything that is guessed of the table at `data`, each with its evidence; a problem will find it at `location`."""
    with tables.opened(data, table=table) as opened:
        formats, nulls = _formats(opened)
        typed = tables.typed(opened, formats, nulls, name="typed__")
        columns = profiling.columns_of(typed, opened.rows, formats)
        facts = Table(opened.rows, columns, opened.modified, opened.reading)
        reading, types = _read_as(data, opened.reading.options, formats, nulls)
        return _guessed(_Asked(name, location, url, hints, nulls, reading, types), facts, typed)


@dataclass(frozen=True)
class _Features:
    """What a recipe may learn from, and why every other column is none of it."""

    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    calendar: tuple[str, ...]
    notes: list[Note]


def _guessed(asked: _Asked, facts: Table, typed: Any) -> Proposal:
    """Target, times, key and entity; then what they leave over as features, and a plan that fits the table."""
    hints, taken = asked.hints, set(facts.columns)
    aim = target.target_of(facts.columns, asked=hints.target)
    when = timed(typed, facts, aim, asked=hints.time)
    used = {aim.name, *when.columns}
    key = keys.key_of(facts.columns, asked=hints.key, but=used)
    entity = keys.entity_of(facts.columns, asked=hints.entity, but=used | ({key.name} if key else set()))
    sampled = _sample(typed, facts, aim, when.event)
    fitted, matured = _planned(when, facts, entity=entity is not None)
    leaking = _leaks(sampled, facts, aim, used | {c.name for c in (key, entity) if c})
    # Parts of a date and the hour stay features; a time as a whole is none.
    own = {aim.name, *(c.name for c in (key, entity) if c is not None)}
    features = _features(when, fitted, facts, roles(facts.columns, taken=own, entity=entity, leaks=leaking))
    scale = _scale(sampled["y__"], aim)
    rest = times.others(when.found, when.event, when.known)
    return Proposal(
        name=asked.name,
        location=asked.location,
        url=asked.url,
        table=facts,
        target=aim,
        event=when.event,
        event_name=_event_name(when.event, taken),
        known=when.known,
        known_name=_free("known_at", taken),
        delay=when.delay,
        assumed=_assumed(when),
        key=key,
        key_name=key.name if key else _free("row_id", taken),
        entity=entity,
        times=when.moments,
        plan=fitted,
        matured=matured,
        scale=scale,
        numbers=features.numbers,
        categories=features.categories,
        spans=tuple(m for m in rest if when.event and not m.late and facts.columns[m.columns[0]].missing <= 0.5),
        calendar=features.calendar,
        notes=(*features.notes, *_untaken(rest, when)),
        rule=_rule(sampled, aim, features.numbers, scale),
        types=asked.types,
        nulls=asked.nulls,
        reading=asked.reading,
    )


def _free(name: str, taken: set[str]) -> str:
    return name if name not in taken else f"{name}_made"


def _event_name(event: times.Moment | None, taken: set[str]) -> str:
    return event.columns[0] if event and len(event.columns) == 1 else _free("event_at", taken)


def _assumed(when: Timed) -> timedelta:
    """How long a label takes where no column says it."""
    return plan.assumed_delay(when.moments) if when.moments else timedelta(days=1)


def _planned(when: Timed, facts: Table, *, entity: bool) -> tuple[plan.Plan, float]:
    """The plan, and the share of labels that its maturity waits for."""
    maturity, matured = _assumed(when), 1.0
    if when.delay and when.moments:
        maturity, matured = plan.maturity_of(when.delay, when.moments, facts.rows, entity=entity)
    fallback = Times(facts.modified - timedelta(days=365), facts.modified, 2, (facts.modified,) * 21)
    return plan.plan_of(when.moments or fallback, facts.rows, maturity, entity=entity), matured


def _features(
    when: Timed, fitted: plan.Plan, facts: Table, found: tuple[tuple[str, ...], tuple[str, ...], list[Note]]
) -> _Features:
    """The columns `found` for their kind, without parts of a date that training rows do not see again."""
    numbers, categories, notes = found
    if when.coarse:
        notes.append(when.coarse)
    if when.event is None or when.moments is None:
        return _Features(numbers, categories, (), notes)
    columns = facts.columns
    reach = fitted.durations.window or fitted.durations.history + fitted.live / 2
    gone = times.passing({n: columns[n] for n in (*numbers, *categories)}, when.moments, reach)
    calendar = _calendar(columns, when.event, when.moments, reach)
    if not calendar and len(gone) == len(numbers) + len(categories):
        gone = {}  # a recipe needs a feature
    numbers, categories = (tuple(n for n in names if n not in gone) for names in (numbers, categories))
    return _Features(numbers, categories, calendar, notes + [Note(name, "time", why) for name, why in gone.items()])


def _untaken(rest: list[times.Moment], when: Timed) -> list[Note]:
    why = "a time that comes later, or nobody knows when"
    return [Note(moment.columns[0], "time", why) for moment in rest if not when.event or moment.late]


def _rule(sampled: pd.DataFrame, aim: target.Target, numbers: tuple[str, ...], scale: Scale) -> Rule | None:
    """The best single threshold; None for classes, and where there are too few rows to find one."""
    if aim.task == "multiclass" or len(sampled) <= 100:
        return None
    return strength.best_rule(sampled, sampled["y__"].to_numpy(dtype=float), numbers, aim.task, bound=scale.bound)


def _sample(typed: Any, facts: Table, aim: target.Target, event: times.Moment | None) -> pd.DataFrame:
    """Sampled rows in time order, or shuffled where there is no time; `y__` is the target as it will be learned."""
    made = {"y__": tables.evaluated(typed, aim.code.format(f"table[{aim.name!r}]"))}
    if event is not None:
        made["t__"] = tables.evaluated(typed, event.code)
    frame = profiling.sample(typed.mutate(**made), facts.rows, [*facts.columns, *made])
    if event is not None:
        return frame.sort_values("t__", kind="stable", ignore_index=True)
    return frame.iloc[np.random.default_rng(7).permutation(len(frame))].reset_index(drop=True)


def _leaks(sampled: pd.DataFrame, facts: Table, aim: target.Target, but: set[str]) -> list[Note]:
    names = [
        n
        for n, c in facts.columns.items()
        if n not in but and c.kind != "time" and c.distinct > 0 and (left_out(c) is None or c.missing > 0.5)
    ]
    names = [n for n in names if feature_of(facts.columns[n]) or facts.columns[n].missing > 0.5]
    y = sampled["y__"].to_numpy(dtype=object if aim.classes and isinstance(aim.classes[0], str) else float)
    measured = strength.strengths(sampled, y, names, aim.task)
    added: tuple[str, ...] = ()
    if aim.task == "regression":
        numbers = [n for n in names if facts.columns[n].kind == "number" and facts.columns[n].distinct > 2]
        added = strength.sums(sampled, y.astype(float), numbers)
    together = strength.filled_with(sampled, sampled["y__"], names)
    return leaks.leaks_of(aim, facts.columns, measured, added, together=together, but=but)


def _calendar(columns: Mapping[str, Column], event: times.Moment, moments: Times, reach: timedelta) -> tuple[str, ...]:
    """Parts of the event time that a recipe can learn from, where the table has no column for them."""
    there = {word for name in columns for word in (name.lower(),)}
    days = moments.span / timedelta(days=1)
    wanted = []
    if not event.daily and not there & {"hour", "hr", "hours"}:
        wanted.append("hour")
    if days >= 14 and moments.moments > days / 20 and not there & {"weekday", "dayofweek", "day_of_week", "dow"}:
        wanted.append("weekday")
    if reach >= timedelta(days=730) and not there & {"month", "mnth"}:
        wanted.append("month")
    return tuple(wanted)


def _scale(y: pd.Series, aim: target.Target) -> Scale:
    """Loss of what needs no thought, and a twentieth of it as the margin."""
    known = y.dropna()
    if aim.task == "regression":
        values = known.to_numpy(dtype=float)
        low, high = np.quantile(values, [0.01, 0.99])
        bound = float(f"{max(high - low, np.ptp(values) / 100, 1e-9):.2g}")
        naive = float(np.mean(np.minimum(np.abs(values - np.median(values)) / bound, 1)))
        return Scale(bound, naive, _one_digit(0.05 * naive), 0.0)
    shares = known.value_counts(normalize=True).to_numpy(dtype=float)
    naive = float(1 - (shares**2).sum()) / 2
    return Scale(1.0, naive, _one_digit(0.05 * naive), float(known.mean()) if aim.task == "binary" else 0.0)


def _one_digit(value: float) -> float:
    return float(f"{max(value, 1e-6):.1g}")


def _formats(opened: tables.Opened) -> tuple[dict[str, Format], tuple[str, ...]]:
    """How each column is written, held against every row; and the words that stand for nothing."""
    known = {name: tables.native(opened.table, name) for name in opened.names}
    words = [name for name in opened.names if opened.table[name].type().is_string()]
    drawn = profiling.texts(opened.table, opened.rows, words) if words else {}
    said = {name: format_of(name, values, in_order=order) for name, (values, order) in drawn.items()}
    nulls = tuple(sorted({null for form in said.values() for null in form.nulls} | {""}))
    for name, odd in tables.unparsed(opened, said, nulls).items():
        # A few words among numbers are a way of saying nothing; more make it text.
        spoken = (
            len(odd) <= 3 and said[name].kind == "number" and not any(any(c.isdigit() for c in word) for word in odd)
        )
        nulls = tuple(sorted({*nulls, *odd})) if spoken else nulls
        said[name] = said[name] if spoken else Format("text", nulls=said[name].nulls)
    for name, form in list(said.items()):
        if form.kind == "time" and tables.breaks(opened, name, form, nulls):
            said[name] = Format("text", nulls=form.nulls)
    whole = {name: said.get(name) or known[name] for name in opened.names}
    return {name: form for name, form in whole.items() if form is not None}, nulls


def _read_as(
    data: str, options: Mapping[str, Any], formats: Mapping[str, Format], nulls: tuple[str, ...]
) -> tuple[dict[str, object], dict[str, str]]:
    """The reading options that have to be said, and the types that DuckDB guesses otherwise."""
    if "://" in data or not is_text(data):
        return {}, {}
    wanted = {k: v for k, v in options.items() if (k, v) not in {("delim", ","), ("header", True), ("quote", '"')}}
    if set(nulls) - {""}:
        wanted["nullstr"] = list(nulls)
    found = tables.detected(data, wanted)
    if list(found) != list(formats):
        wanted = {**wanted, "delim": options["delim"], "header": options["header"]}
        found = tables.detected(data, wanted)
    fits = {
        "BIGINT": ("int64",),
        "DOUBLE": ("float64",),
        "VARCHAR": ("string",),
        "BOOLEAN": ("boolean",),
        "TIMESTAMP": ("timestamp(6)", "timestamp", "date"),
        "TIMESTAMPTZ": ("timestamp('UTC', 6)", "timestamp('UTC')"),
    }
    return wanted, {name: form.read_as for name, form in formats.items() if found.get(name) not in fits[form.read_as]}
