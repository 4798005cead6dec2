"""What does a whole table hold? Counted in its engine, whatever its size; only counts leave it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import pandas as pd

from schemas.problem import Problem
from tasks.advice.facts import Labels, Shape
from tasks.maturity import Measured

__all__ = ["labels_of", "shape_of", "slowest_of"]

_MISSING, _FILLED = 0.9, 0.1  # of unlabelled and of labelled rows: a column that comes with the label
_CLASSES = 50  # a target with more values is shown its largest


def shape_of(table: ibis.Table, problem: Problem, *, now: datetime) -> Shape:
    """Rows, days, keys and entities of the table as it lies there."""
    framing = problem.framing
    time, key = table[framing.event_time], table[framing.key]
    counted = _one(
        table.aggregate(
            rows=table.count(),
            first=time.min(),
            last=time.max(),
            future=(time > ibis.literal(now)).sum(),
            no_time=time.isnull().sum(),
            no_key=key.isnull().sum(),
            keys=key.nunique(),
            entities=table[framing.entity or framing.key].nunique(),
        )
    )
    gap, days = _days(table, framing.event_time)
    return Shape(
        rows=int(counted["rows"]),
        first=_moment(counted["first"]),
        last=_moment(counted["last"]),
        days=days,
        longest_gap=gap,
        future=_whole(counted["future"]),
        no_time=_whole(counted["no_time"]),
        no_key=_whole(counted["no_key"]),
        repeated_keys=int(counted["rows"]) - _whole(counted["no_key"]) - int(counted["keys"]),
        entities=int(counted["entities"]),
        filled_with_label=_filled_with_label(table, problem),
    )


def labels_of(table: ibis.Table, problem: Problem, *, until: datetime) -> Labels:
    """Labels of rows whose event lies before `until`, in a table masked as of the moment that is asked about. How long
    they took is `slowest_of`'s to say."""
    framing = problem.framing
    rows = table.filter(table[framing.event_time] < ibis.literal(until)) if not framing.timeless else table
    labelled = rows.filter(rows[framing.target].notnull())
    early = labelled[framing.label_time] < labelled[framing.event_time]
    classes = framing.task != "regression"
    by_class = labelled.group_by(said=labelled[framing.target].cast("string") if classes else ibis.literal("all"))
    found = by_class.aggregate(n=labelled.count(), early=early.sum())
    found = found.order_by(ibis.desc("n")).limit(_CLASSES).to_pandas()
    names = [str(said).removesuffix(".0") for said in found["said"]]
    return Labels(
        matured=int(rows.count().to_pandas()),
        labelled=int(found["n"].sum()),
        classes=dict(zip(names, map(int, found["n"]), strict=True)) if classes else {},
        early=int(found["early"].sum()) if len(found) else 0,
    )


def slowest_of(measured: Sequence[Measured], labels: Labels, *, maturity: timedelta) -> Labels:
    """`labels` with the delays of the slowest class: where one row in a hundred is a fraud, 99 % of labels say nothing of
    frauds. A group that was not followed for long enough is taken at the longest delay it showed."""
    if not measured:
        return labels
    most = {group.group: group.p99 if group.p99 == group.p99 else group.longest for group in measured}
    slowest = max(measured, key=lambda group: (most[group.group], group.of == "class"))
    late = [group.curve.later_than(maturity / timedelta(days=1))[1] for group in measured]
    notably = slowest.of == "class" and most[slowest.group] > 1.1 * min(most.values())
    return replace(
        labels,
        median=timedelta(days=slowest.median) if slowest.median == slowest.median else None,
        most=timedelta(days=most[slowest.group]),
        slowest=slowest.group if notably else "",
        late=max((share for share in late if share == share), default=0.0),
    )


def _days(table: ibis.Table, event_time: str) -> tuple[timedelta, int]:
    """The longest time between two days that have rows, and how many days have."""
    days = table.select(day=table[event_time].truncate("D")).filter(lambda t: t.day.notnull()).distinct()
    found = days.order_by("day").to_pandas()["day"]
    gaps = found.diff().dropna()
    return (gaps.max().to_pytimedelta() if len(gaps) else timedelta(0)), len(found)


def _filled_with_label(table: ibis.Table, problem: Problem) -> tuple[str, ...]:
    """Features that nearly all unlabelled rows lack and nearly all labelled rows have: they came with the label."""
    known = table[problem.framing.target].notnull()
    nulls = {
        f"{state} {name}": table[name].isnull().sum(where=where)
        for name in problem.recipe.features
        for state, where in (("with", known), ("without", ~known))
    }
    counted = _one(table.aggregate(labelled=known.sum(), rows=table.count(), **nulls))
    labelled = _whole(counted["labelled"])
    unlabelled = int(counted["rows"]) - labelled
    if not labelled or unlabelled < 30:  # fewer tell nothing
        return ()
    return tuple(
        name
        for name in problem.recipe.features
        if _whole(counted[f"without {name}"]) > _MISSING * unlabelled
        and _whole(counted[f"with {name}"]) < _FILLED * labelled
    )


def _one(aggregated: ibis.Table) -> dict[str, Any]:
    return {str(name): value for name, value in aggregated.to_pandas().iloc[0].items()}


def _whole(value: Any) -> int:
    """A sum over no rows is null."""
    return 0 if pd.isna(value) else int(value)


def _moment(value: Any) -> datetime | None:
    return None if pd.isna(value) else pd.Timestamp(value).to_pydatetime().astimezone(UTC)
