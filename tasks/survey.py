"""What does a whole table hold? Counted in its engine, whatever its size; only counts leave it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import pandas as pd

from schemas.problem import Problem
from tasks.advice.facts import Labels, Shape

__all__ = ["labels_of", "shape_of"]

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
    """Labels of rows whose event lies before `until`, in a table masked as of the moment that is asked about.

    Delays are those of the slowest class: where one row in a hundred is a fraud, 99 % of labels say nothing of frauds.
    """
    framing = problem.framing
    rows = table.filter(table[framing.event_time] < ibis.literal(until)) if not framing.timeless else table
    labelled = rows.filter(rows[framing.target].notnull())
    delay = labelled[framing.label_time].epoch_seconds() - labelled[framing.event_time].epoch_seconds()
    classes = framing.task != "regression"
    by_class = labelled.group_by(said=labelled[framing.target].cast("string") if classes else ibis.literal("all"))
    found = by_class.aggregate(
        n=labelled.count(),
        median=delay.quantile(0.5),
        most=delay.quantile(0.99),
        late=(delay > int(framing.maturity.total_seconds())).sum(),
        early=(delay < 0).sum(),
    )
    found = found.order_by(ibis.desc("n")).limit(_CLASSES).to_pandas()
    timed = bool(len(found)) and not framing.timeless
    names = [str(said).removesuffix(".0") for said in found["said"]]
    slowest = int(found["most"].astype(float).argmax()) if timed else 0
    return Labels(
        matured=int(rows.count().to_pandas()),
        labelled=int(found["n"].sum()),
        classes=dict(zip(names, map(int, found["n"]), strict=True)) if classes else {},
        median=_seconds(found["median"][slowest]) if timed else None,
        most=_seconds(found["most"][slowest]) if timed else None,
        slowest=names[slowest] if timed and _differ(found["most"]) else "",
        late=float((found["late"] / found["n"]).max()) if timed else 0.0,
        early=int(found["early"].sum()) if timed else 0,
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


def _differ(delays: pd.Series) -> bool:
    """Do classes take notably different times?"""
    return len(delays) > 1 and float(delays.max()) > 1.1 * float(delays.min())


def _one(aggregated: ibis.Table) -> dict[str, Any]:
    return {str(name): value for name, value in aggregated.to_pandas().iloc[0].items()}


def _whole(value: Any) -> int:
    """A sum over no rows is null."""
    return 0 if pd.isna(value) else int(value)


def _seconds(value: Any) -> timedelta | None:
    return None if pd.isna(value) else timedelta(seconds=float(value))


def _moment(value: Any) -> datetime | None:
    return None if pd.isna(value) else pd.Timestamp(value).to_pydatetime().astimezone(UTC)
