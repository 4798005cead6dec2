"""What does a table too large for memory hold: copies, contradictions, late labels? Counted in its engine."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import ibis
import pandas as pd

from schemas.framing import Framing
from tasks.cleaning import Conflicts, Copies
from tasks.maturity import named_delays

__all__ = ["conflicts_in", "copies_in", "delays_in", "labelled_in"]

_STEPS = 200  # that the maturity is counted in: a delay is known to half a per cent of it


def copies_in(table: ibis.Table, columns: Sequence[str]) -> Copies:
    """Rows of `table` that are equal in all `columns`, where nothing equals nothing."""
    groups = _comparable(table, columns).group_by(list(columns)).aggregate(n=ibis._.count())
    found = groups.aggregate(
        rows=groups.n.sum(), groups=(groups.n > 1).sum(), distinct=groups.n.count(), largest=groups.n.max()
    ).to_pandas()
    rows, several, distinct, largest = (int(value) if value == value and value else 0 for value in found.iloc[0])
    return Copies(rows, several, rows - distinct, largest)


def conflicts_in(table: ibis.Table, features: Sequence[str], target: str, *, classes: bool) -> Conflicts:
    """Labelled rows of `table` that are equal in all `features` and differ in `target`."""
    rows = _comparable(table, [*features, target])
    rows = rows.filter(rows[target].notnull())
    if classes:
        by_label = rows.group_by([*features, target]).aggregate(n=ibis._.count())
        groups = by_label.group_by(list(features)).aggregate(
            n=by_label.n.sum(), labels=by_label.n.count(), wrong=by_label.n.sum() - by_label.n.max()
        )
        groups = groups.mutate(wrong=groups.wrong.cast("float64"), squares=ibis.literal(0.0))
    else:
        label = rows[target].cast("float64")
        # A median a group takes its rows together twice: once to find it, once to measure from it.
        window = ibis.window(group_by=[rows[name] for name in features])
        off = rows.mutate(off=(label - label.median().over(window)).abs())
        groups = off.group_by(list(features)).aggregate(
            n=off.count(),
            labels=off[target].nunique(),
            wrong=off.off.sum(),
            squares=off[target].cast("float64").var(how="pop") * off.count(),
        )
    return _summed(groups, classes=classes)


def _summed(groups: ibis.Table, *, classes: bool) -> Conflicts:
    several, twin = groups.labels > 1, groups.n > 1
    found = groups.aggregate(
        rows=groups.n.sum(),
        repeated=groups.n.sum(where=twin),
        groups=several.sum(),
        conflicting=groups.n.sum(where=several),
        wrong=groups.wrong.sum(),
        squares=groups.squares.sum(where=twin),
        free=(groups.n - 1).sum(where=twin),
    ).to_pandas()
    one = {name: float(value) if value == value and value is not None else 0.0 for name, value in found.iloc[0].items()}
    nan = float("nan")
    return Conflicts(
        rows=int(one["rows"]),
        repeated=int(one["repeated"]),
        groups=int(one["groups"]),
        conflicting=int(one["conflicting"]),
        floor=one["wrong"] / one["rows"] if one["rows"] else nan,
        spread=(one["squares"] / one["free"]) ** 0.5 if not classes and one["free"] else nan,
    )


def _comparable(table: ibis.Table, columns: Sequence[str]) -> ibis.Table:
    """The columns alone; a number that is none is missing, as pandas has it."""
    kept = table.select(*dict.fromkeys(columns))
    floats = [name for name in kept.columns if kept[name].type().is_floating()]
    return kept.mutate(**{n: ibis.ifelse(kept[n].isnan(), ibis.null(kept[n].type()), kept[n]) for n in floats})


def labelled_in(table: ibis.Table, framing: Framing, *, now: datetime) -> tuple[int, int, int, int]:
    """Rows, labelled rows, matured rows, and matured rows with a label."""
    known = table[framing.target].notnull()
    mature = table[framing.event_time] < ibis.literal(now - framing.maturity)
    found = table.aggregate(
        rows=table.count(), labelled=known.sum(), mature=mature.sum(), mature_labelled=(known & mature).sum()
    ).to_pandas()
    rows, labelled, matured, both = (int(value) if value == value and value else 0 for value in found.iloc[0])
    return rows, labelled, matured, both


def delays_in(table: ibis.Table, framing: Framing, *, now: datetime, by: Sequence[str] = ()) -> pd.DataFrame:
    """As `tasks.maturity.delays_of`, in steps of a two-hundredth of the maturity, each row standing for `rows` of the table."""
    step = max(framing.maturity / _STEPS, timedelta(seconds=1)).total_seconds()
    came = table[framing.target].notnull() & table[framing.label_time].notnull()

    def steps(later: ibis.Value, earlier: ibis.Value) -> ibis.Value:
        return ((later.epoch_seconds() - earlier.epoch_seconds()) / step).ceil().cast("int64")

    age = steps(ibis.literal(now), table[framing.event_time])
    delay = steps(table[framing.label_time], table[framing.event_time])
    held = list(dict.fromkeys([framing.target, *by]))
    # Names of our own: a table may have an "Age", and the engine knows no capitals.
    own = {"came__": came, "age__": age, "stop__": ibis.ifelse(came, delay, age)}
    counted = table.select(*held, **own)
    groups = counted.group_by([*own, *held]).aggregate(rows=ibis._.count()).to_pandas()
    groups = groups.rename(columns={name: name.removesuffix("__") for name in own})
    unit = step / 86_400
    return named_delays(groups.assign(age=groups["age"] * unit, stop=groups["stop"] * unit), framing)
