"""How many rows of a table too large for memory are copies, or contradict each other? Counted in its engine, as tasks.cleaning counts."""

from collections.abc import Sequence

import ibis

from tasks.cleaning import Conflicts, Copies

__all__ = ["conflicts_in", "copies_in"]


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
