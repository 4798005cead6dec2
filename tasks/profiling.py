"""What does a table hold? Counted in the engine, with bounded samples; never the whole of it in pandas."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import pandas as pd

from tasks.guesses.facts import ROW, Column, Delay, Format, Times

_SAMPLE, _TEXTS = 20_000, 40_000

__all__ = ["columns_of", "delay_of", "sample", "texts", "times_of"]

_FEW = 60


def texts(table: ibis.Table, rows: int, names: Sequence[str]) -> dict[str, tuple[dict[str, int], list[str]]]:
    """Of each text column, sampled values with their counts, and the first ones in the file's order."""
    frame = _sampled(table, rows, _TEXTS, names)
    head = table.filter(table[ROW] < 3_000).order_by(ROW).select(*names).to_pandas()
    found = {}
    for name in names:
        values = pd.concat([frame[name], head[name]], ignore_index=True).dropna().astype(str)
        found[name] = (
            {str(v): int(n) for v, n in values.value_counts().items()},
            head[name].dropna().astype(str).tolist(),
        )
    return found


def sample(table: ibis.Table, rows: int, names: Sequence[str]) -> pd.DataFrame:
    """At most 20,000 rows, the same each time, in the file's order."""
    return _sampled(table, rows, _SAMPLE, [*names, ROW]).reset_index(drop=True)


def _sampled(table: ibis.Table, rows: int, most: int, names: Sequence[str]) -> pd.DataFrame:
    names = list(dict.fromkeys([*names, ROW]))
    if rows > most:
        # A hash of the position: the same rows on every machine, and no seed of an engine's own.
        digest = table[ROW].cast("string").hexdigest("md5")
        table = table.filter(digest < ibis.literal(f"{int(most / rows * 2**32):08x}"))
    return table.select(*names).order_by(ROW).to_pandas()


def columns_of(table: ibis.Table, rows: int, formats: Mapping[str, Format]) -> dict[str, Column]:
    """Every column counted; two passes over the table, and one over each column with few values."""
    names = list(formats)
    counted = _counts(table, names)
    frame = sample(table, rows, names)
    return {name: _column(table, rows, name, formats[name], counted, frame) for name in names}


def _counts(table: ibis.Table, names: Sequence[str]) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    for i, name in enumerate(names):
        column = table[name]
        wanted |= {f"there{i}": column.notnull().sum(), f"distinct{i}": column.approx_nunique()}
        number = _as_number(column)
        if number is not None:
            wanted |= {f"low{i}": number.min(), f"high{i}": number.max()}
            for at in ("0.01", "0.5", "0.99"):
                wanted[f"q{at}_{i}"] = number.quantile(float(at))
        if column.type().is_floating():
            wanted[f"whole{i}"] = (column == column.round()).all()
        if column.type().is_string():
            wanted[f"length{i}"] = column.length().mean()
    return dict(table.aggregate(**wanted).to_pandas().iloc[0])


def _as_number(column: Any) -> Any:
    if column.type().is_timestamp() or column.type().is_date():
        return column.cast("timestamp").epoch_seconds().cast("float64")
    return column.cast("float64") if column.type().is_numeric() or column.type().is_boolean() else None


def _column(
    table: ibis.Table, rows: int, name: str, form: Format, counted: Mapping[str, Any], frame: pd.DataFrame
) -> Column:
    i = [n for n in table.columns if n != ROW].index(name)
    kind = table[name].type()
    distinct = int(counted[f"distinct{i}"])
    top: tuple[tuple[str, int], ...] = ()
    new_late = 0
    if distinct <= 4 * _FEW or distinct > 0.9 * rows:
        exact = int(table[name].nunique().to_pandas())
        distinct = exact
    if 0 < distinct <= _FEW:
        top, new_late = _values(table, rows, name)
    number = {k: _float(counted.get(key)) for k, key in _NUMBERS(i)}
    drawn = frame[name].dropna()
    rising = float((drawn.diff().iloc[1:] >= type(drawn.diff().iloc[1])(0)).mean()) if _ordered(drawn) else 0.0
    return Column(
        name=name,
        format=form,
        rows=rows,
        missing=1 - float(counted[f"there{i}"]) / rows,
        distinct=distinct,
        whole=bool(
            kind.is_integer()
            or kind.is_boolean()
            or counted.get(f"whole{i}", False) is True
            or _true(counted.get(f"whole{i}"))
        ),
        rising=rising,
        top=top,
        length=_float(counted.get(f"length{i}")) or 0.0,
        new_late=new_late,
        **number,
    )


def _NUMBERS(i: int) -> list[tuple[str, str]]:  # noqa: N802
    return [
        ("low", f"low{i}"),
        ("q01", f"q0.01_{i}"),
        ("median", f"q0.5_{i}"),
        ("q99", f"q0.99_{i}"),
        ("high", f"high{i}"),
    ]


def _true(value: Any) -> bool:
    return value is not None and bool(pd.notna(value)) and bool(value)


def _ordered(drawn: pd.Series) -> bool:
    return (
        len(drawn) > 2
        and (pd.api.types.is_numeric_dtype(drawn) or pd.api.types.is_datetime64_any_dtype(drawn))
        and not pd.api.types.is_bool_dtype(drawn)
    )


def _float(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def _values(table: ibis.Table, rows: int, name: str) -> tuple[tuple[tuple[str, int], ...], int]:
    """Values with their counts, most frequent first, and how many the first half of the file does not have."""
    column = table[name]
    early = (table[ROW] < rows // 2).sum()
    found = table.filter(column.notnull()).group_by(v=column).aggregate(n=ibis._.count(), early=early)
    frame = found.to_pandas().sort_values(["n", "v"], ascending=[False, True])
    top = tuple((str(v), int(n)) for v, n in zip(frame["v"], frame["n"], strict=True))
    return top, int((frame["early"].fillna(0) == 0).sum())


def times_of(table: ibis.Table, time: Any) -> Times:
    """When events happened: `time` is a timestamp expression of the table."""
    seconds = time.cast("timestamp").epoch_seconds().cast("float64")
    grid = [i / 20 for i in range(21)]
    wanted = {f"q{i}": seconds.quantile(at) for i, at in enumerate(grid)}
    found = table.aggregate(moments=time.nunique(), **wanted).to_pandas().iloc[0]
    moments = [datetime.fromtimestamp(float(found[f"q{i}"]), tz=UTC) for i in range(21)]
    daily = table.group_by(day=time.cast("timestamp").truncate("D")).aggregate(n=ibis._.count()).to_pandas()
    daily = daily.dropna()
    ratios = daily["n"] / daily["n"].median()
    ratio = max(float(ratios.quantile(0.99)), 1 / max(float(ratios.quantile(0.01)), 1e-9)) if len(daily) else 1.0
    return Times(moments[0], moments[-1], int(found["moments"]), tuple(moments), ratio)


def delay_of(table: ibis.Table, event: Any, known: Any, target: Any) -> Delay | None:
    """How long after the event a label came; None where no row has both times."""
    days = (known.cast("timestamp").epoch_seconds() - event.cast("timestamp").epoch_seconds()).cast("float64")
    both = event.notnull() & target.notnull()
    wanted = {f"q{i}": days.quantile(q, where=both) for i, q in enumerate((0.5, 0.75, 0.9, 0.95, 0.995, 1.0))}
    wanted |= {"negative": (days < 0).mean(where=both), "missing": known.isnull().mean(where=both)}
    found = table.aggregate(**wanted).to_pandas().iloc[0]
    if pd.isna(found["q0"]):
        return None
    spans = [timedelta(seconds=float(found[f"q{i}"])) for i in range(6)]
    return Delay(
        spans[0],
        spans[1],
        spans[2],
        spans[3],
        spans[4],
        spans[5],
        float(found["negative"] or 0),
        float(found["missing"] or 0),
    )
