"""How long do a window's labels take, by class and by slice? Delays in days, with the rows that still wait."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from schemas.framing import Framing
from tasks.scoring import class_indices
from tasks.stats import DelayCurve, delay_curve, delay_curve_of_known

__all__ = ["Measured", "delays_of", "measured", "named_delays"]

_DAY = timedelta(days=1)
_FEW = 30  # labels of a group under which its curve is not shown


@dataclass(frozen=True)
class Measured:
    """The delays of one group of rows, in days. nan where the rows were not followed for long enough to say."""

    group: str  # "all", "fraud = 1", "channel = pos"
    of: str  # "all", "class" or "slice"
    rows: int
    labelled: int
    median: float
    p95: float
    p99: float
    longest: float
    curve: DelayCurve


def delays_of(frame: pd.DataFrame, framing: Framing, *, now: datetime, by: Sequence[str] = ()) -> pd.DataFrame:
    """One row a row of a window as it stood at `now`: `stop` (its label's delay in days, or its age), `came`, `age`, `rows`
    (1), `class` (nan while unknown), and the columns `by`."""
    event, known = frame[framing.event_time], frame[framing.label_time]
    came = frame[framing.target].notna() & known.notna()
    age = (pd.Timestamp(now) - event) / pd.Timedelta(_DAY)
    stop = ((known - event) / pd.Timedelta(_DAY)).where(came, age)
    held = frame[list(dict.fromkeys([framing.target, *by]))]
    return named_delays(held.assign(stop=stop, came=came, age=age, rows=1), framing)


def named_delays(counted: pd.DataFrame, framing: Framing) -> pd.DataFrame:
    """Delays with the class that the label names; a regression has none."""
    if framing.task == "regression":
        return counted.assign(**{"class": float("nan")})
    index = pd.Series(class_indices(counted[framing.target], framing), index=counted.index)
    return counted.assign(**{"class": index.where(counted["came"])})


def measured(delays: pd.DataFrame, framing: Framing, *, by: Sequence[str] = (), alpha: float = 0.05) -> list[Measured]:
    """The delays of all rows, of each class, and of each value of the columns `by`; groups with few labels are left out.

    A label that came before its event is no delay, and is left out: `impossible` rows are a fault of the table.
    """
    rows = delays[(delays["stop"] >= 0) & (delays["age"] >= 0)]
    if rows.empty or not rows["came"].any():
        return []
    found = [_of_rows("all", "all", rows, alpha)]
    names = framing.classes if framing.task == "multiclass" else (0, 1)
    known = rows[rows["came"]]
    for index, name in enumerate(names if framing.task != "regression" else ()):
        group = known[known["class"] == index]
        if group["rows"].sum() >= _FEW:
            found.append(_of_labels(f"{framing.target} = {name}", group, alpha))
    for column in by:
        for value, group in rows.groupby(column, observed=True):
            if group.loc[group["came"], "rows"].sum() >= _FEW:
                found.append(_of_rows(f"{column} = {value}", "slice", group, alpha))
    return found


def _of_rows(name: str, of: str, rows: pd.DataFrame, alpha: float) -> Measured:
    curve = delay_curve(rows["stop"], rows["came"], weight=rows["rows"], followed=float(rows["age"].max()), alpha=alpha)
    return _figures(name, of, rows, curve)


def _of_labels(name: str, labels: pd.DataFrame, alpha: float) -> Measured:
    """Which class a row without a label belongs to, nobody knows: only labels that came can speak of it."""
    # In one step of an engine a label may come just after the row was last looked at.
    age = labels["age"].clip(lower=labels["stop"])
    curve = delay_curve_of_known(labels["stop"], age, weight=labels["rows"], alpha=alpha)
    return _figures(name, "class", labels, curve)


def _figures(name: str, of: str, rows: pd.DataFrame, curve: DelayCurve) -> Measured:
    return Measured(
        group=name,
        of=of,
        rows=int(rows["rows"].sum()),
        labelled=int(rows.loc[rows["came"], "rows"].sum()),
        median=curve.quantile(0.5),
        p95=curve.quantile(0.95),
        p99=curve.quantile(0.99),
        longest=float(curve.delay[-1]),
        curve=curve,
    )
