"""Does a column still say what it said? A window's values against those of the reference, column by column."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from schemas.incident import Kind
from schemas.plans import MonitoringPlan
from tasks.stats import binned, binomial_excess, bins, distance, relabelled, rescaling, rotated, spike

__all__ = ["Oddity", "odd_columns"]

ROWS = 50  # fewer tell nothing about a column
_PLENTY, _LEAST = 20_000, 2_000  # rows of the reference, and of a window, beyond which more say no more of a column
ALPHA = 0.001  # chance of a shift this large among rows that are as they were
_SCALE = 1.5  # a drift seldom stretches a whole column by more, and units mostly do: 1.6 (miles), 1.8 (degrees), 100
_MISFIT = 0.1  # interquartile ranges by which quantiles of a mere change of unit leave the line, besides noise
_STILL = 0.9  # share of one value from which a column told nothing so far, and hardly a model knows of it
_GONE = 0.95  # distance of a column that has left its former place altogether
_CYCLE = 64  # values of a cycle at most: hours, weekdays, minutes
_ENOUGH = 150  # newest rows that are looked at by themselves
_PORTIONS = (1.0, 0.5, 0.2)  # of a window, newest rows last: a change in its midst is a mixture before it is a line


@dataclass(frozen=True)
class Oddity:
    """What is odd about a column, as a fault or a change of meaning; `size` is the share of rows or the distance."""

    column: str
    kind: Kind
    says: str
    size: float


def odd_columns(
    before: pd.DataFrame,
    now: pd.DataFrame,
    columns: Sequence[str],
    *,
    plan: MonitoringPlan,
    listed: Collection[str] = (),
    personal: Collection[str] = (),
) -> list[Oddity]:
    """Every column of `now` that is empty, out of range, in other units, at a default or in other codes, against `before`.

    Rows of both are in the order of time. `listed` are the columns whose texts a contract announces: a new value of them is
    no fault. Of `personal` ones no value is said. A column that moved about as far within `before` itself, as a season's
    does, is never odd.
    """
    if len(before) < ROWS or len(now) < ROWS:
        return []
    # Both alike, so that as many rows are as long a time in both.
    step = max(1, min(len(before) // _PLENTY, len(now) // _LEAST))
    before, now = before.iloc[::step], now.iloc[::step]
    found = []
    for name in (c for c in columns if c in before and c in now):
        numeric = pd.api.types.is_numeric_dtype(before[name]) and pd.api.types.is_numeric_dtype(now[name])
        odd = _emptied(name, before[name], now[name], plan)
        if odd is None and numeric:
            odd = _number(name, before[name], now[name], plan, said=name not in personal)
        elif odd is None and not numeric and _is_text(before[name]):
            odd = _text(name, before[name], now[name], plan, listed=name in listed, said=name not in personal)
        found += [odd] if odd else []
    return _swapped(before, now, found)


def _emptied(name: str, before: pd.Series, now: pd.Series, plan: MonitoringPlan) -> Oddity | None:
    lost, was = float(now.isna().mean()), float(before.isna().mean())
    if lost - was < plan.effect_floor or binomial_excess(int(now.isna().sum()), len(now), was) >= ALPHA:
        return None
    return Oddity(name, Kind.DATA_FAULT, f"{name} is missing in {lost:.0%} of the rows, before in {was:.0%}", lost)


def _number(name: str, before: pd.Series, now: pd.Series, plan: MonitoringPlan, *, said: bool) -> Oddity | None:
    x = before.to_numpy(dtype=float)
    if spike(x, x).now >= _STILL and np.isfinite(now).any():
        return None  # the default came first, and the values after it
    sizes = [round(share * len(now)) for share in _PORTIONS]
    parts = [now.to_numpy(dtype=float)[-size:] for size in sizes if size == len(now) or size >= _ENOUGH]
    for part in parts:
        found = _default(name, x, part, plan, said=said) or _units(name, x, part, plan) or _hours(name, x, part)
        if found:
            return found
    return _beyond(name, x, parts[0], plan)


def _units(name: str, x: np.ndarray, y: np.ndarray, plan: MonitoringPlan) -> Oddity | None:
    apart = _apart(x, y)
    if not apart > max(plan.effect_floor, _noise(x, y)) or not _steady(x, apart) or _wanders(x, y):
        return None
    line, root = rescaling(x, y), np.sqrt(np.isfinite(y).sum())
    if apart >= _GONE:
        by = float(np.nanmedian(y) - np.nanmedian(x))
        said = f"{name} is {by:+.4g} off, all of it, as after a change of its unit or zero"
        return Oddity(name, Kind.MEANING, said, apart)
    if not line.misfit <= _MISFIT + 1.5 / root:
        return None
    size = abs(np.log(abs(line.scale))) if line.scale else 0.0
    # Values that draw together inside their former range are a drift like another; in other units they leave it.
    within = line.scale < 1 and line.offset != 0 and apart < 0.8
    if (line.scale < 0 or size >= np.log(_SCALE) + 1 / root) and not within:
        times = f"{line.scale:.4g} times" + (f" and {line.offset:+.4g}" if line.offset else "")
        return Oddity(name, Kind.MEANING, f"{name} is {times} what it was, as after a change of unit", apart)
    return None


def _default(name: str, x: np.ndarray, y: np.ndarray, plan: MonitoringPlan, *, said: bool) -> Oddity | None:
    """One value where there were many: a default for what is missing, or a sensor that stands still."""
    top, usual = spike(x, y), spike(x, x)
    rows = int(np.isfinite(y).sum())
    if not rows or not np.isfinite(usual.now):
        return None
    continuous = usual.now < 0.02 and np.unique(x[np.isfinite(x)]).size >= 100
    # A price that stands still for a day is in its past windows as well, however seldom each value is in all of them.
    tallest = max(usual.now, _tallest(x, len(y)))
    enough = max(plan.effect_floor, 2 * tallest) if continuous else 0.99
    if not continuous and tallest >= enough:
        return None
    chance = binomial_excess(round(top.now * rows), rows, max(top.before, usual.now))
    if top.now - top.before < enough * (1 if continuous else 0.5) or top.now < enough or chance >= ALPHA:
        return None
    value = f"{top.value:.6g}" if said else "one value"
    says = f"{name} is {value} in {top.now:.0%} of the rows, before in {top.before:.0%}, as after a new default"
    return Oddity(name, Kind.MEANING, says, top.now)


def _tallest(x: np.ndarray, rows: int) -> float:
    """The largest share that one value had in any window of so many rows before; 0 where there was none."""
    shares = [spike(part, part).now for end in range(len(x), rows - 1, -rows) if (part := x[end - rows : end]).size]
    return max((share for share in shares if np.isfinite(share)), default=0.0)


def _hours(name: str, x: np.ndarray, y: np.ndarray) -> Oddity | None:
    """A cycle of whole numbers, such as hours, that is turned: local time taken for another zone's."""
    a, b = x[np.isfinite(x)], y[np.isfinite(y)]
    if not a.size or not b.size or min(a.min(), b.min()) < 0 or max(a.max(), b.max()) >= _CYCLE:
        return None
    if (a % 1).any() or (b % 1).any() or np.unique(a).size < 5 or a.max() != b.max():
        return None
    size = int(a.max()) + 1
    counts = [np.bincount(v.astype(int), minlength=size) for v in (a, b)]
    by, without, turned = rotated(*counts)
    if by == 0 or turned > _scatter(size, b.size) or without < 3 * _scatter(size, b.size) or not _steady(a, without):
        return None
    return Oddity(name, Kind.MEANING, f"{name} is turned by {by} of {size}, as after a change of time zone", without)


def _beyond(name: str, x: np.ndarray, y: np.ndarray, plan: MonitoringPlan) -> Oddity | None:
    a, b = x[np.isfinite(x)], y[np.isfinite(y)]
    if not a.size or not b.size:
        return None
    half = (a.max() - a.min()) / 2
    share = float(((b < a.min() - half) | (b > a.max() + half)).mean())
    if half <= 0 or share < plan.bad_share:
        return None
    said = f"{name} is far beyond all it ever was in {share:.0%} of the rows"
    return Oddity(name, Kind.DATA_FAULT, said, share)


def _text(
    name: str, before: pd.Series, now: pd.Series, plan: MonitoringPlan, *, listed: bool, said: bool
) -> Oddity | None:
    p, q = _shares(before), _shares(now)
    rows, few = len(now), _scatter(len(p), len(now))
    half = len(before) // 2
    wandered = relabelled(_shares(before[:half]), _shares(before[half:]))[0]
    named, swapped = relabelled(p, q)
    if len(p) < 2 or not p or wandered > named / 3:
        return None
    if swapped <= few and named >= max(3 * few, 2 * plan.effect_floor):
        says = f"{name} has the shares it had under other names, as after a change of codes"
        return Oddity(name, Kind.MEANING, says, named)
    gone = [c for c, share in p.items() if share >= 2 * plan.effect_floor and c not in q and share * rows >= 30]
    if gone:
        value = repr(gone[0]) if said else "one of its values"
        says = f"{name} is {value} no more, which it was in {p[gone[0]]:.0%} of the rows"
        return Oddity(name, Kind.MEANING, says, p[gone[0]])
    new = sum(share for c, share in q.items() if c not in p)
    if not listed and new >= plan.effect_floor:
        return Oddity(name, Kind.DATA_FAULT, f"{name} has values never seen before in {new:.0%} of the rows", new)
    return None


def _swapped(before: pd.DataFrame, now: pd.DataFrame, found: list[Oddity]) -> list[Oddity]:
    """Two columns that each look like the other did: the wrong one was written into each."""
    columns = [
        c for c in before if c in now and pd.api.types.is_float_dtype(before[c]) and pd.api.types.is_float_dtype(now[c])
    ]
    values = {c: (before[c].to_numpy(dtype=float), now[c].to_numpy(dtype=float)) for c in columns}
    far = [c for c in columns if _apart(*values[c]) >= 0.3 and _steady(values[c][0], 0.3)]
    for i, one in enumerate(far):
        for other in far[i + 1 :]:
            crossed = max(_apart(values[one][0], values[other][1]), _apart(values[other][0], values[one][1]))
            if crossed <= 0.1 + _noise(*values[one]):
                said = f"{one} and {other} each look as the other did, as after a swap of columns"
                rest = [odd for odd in found if odd.column not in (one, other)]
                return [Oddity(one, Kind.MEANING, said, crossed), *rest]
    return found


def _apart(x: np.ndarray, y: np.ndarray) -> float:
    """Kolmogorov-Smirnov distance of what is there; nan where nothing is."""
    x, y = x[np.isfinite(x)], y[np.isfinite(y)]
    frozen = bins(x, ordered=True)
    return distance(binned(x, frozen, ordered=True), binned(y, frozen, ordered=True), ordered=True)


def _noise(x: np.ndarray, y: np.ndarray) -> float:
    """The distance that chance exceeds once in a thousand (Smirnov), of rows that are each for themselves."""
    n, m = max(int(np.isfinite(x).sum()), 1), max(int(np.isfinite(y).sum()), 1)
    return float(1.95 * np.sqrt(1 / n + 1 / m))


def _steady(x: np.ndarray, apart: float) -> bool:
    """Whether both halves of the reference are much nearer to each other than the present is to it."""
    half = x.size // 2
    return not _apart(x[:half], x[half:]) > apart / 3


def _wanders(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether windows of the same size before were a third as far off in their middle and in their spread: a level that
    changes from week to week lies beyond its past every now and then, and no row of such a week is like those of another."""
    x, y = x[np.isfinite(x)], y[np.isfinite(y)]
    windows = [x[end - y.size : end] for end in range(x.size, y.size - 1, -y.size)]
    if len(windows) < 2:
        return False
    off, wider = _off(x, y)
    past = np.array([_off(x, window) for window in windows])
    return bool(off <= 3 * past[:, 0].max() and wider <= 3 * past[:, 1].max())


def _off(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """How far the median of `y` is from that of `x`, and how many times wider or narrower its middle half is, in logarithms."""
    (low, middle, high), (a, b, c) = np.quantile(x, (0.25, 0.5, 0.75)), np.quantile(y, (0.25, 0.5, 0.75))
    tiny = np.finfo(float).tiny
    return abs(float(b - middle)), abs(float(np.log(max(c - a, tiny) / max(high - low, tiny))))


def _scatter(names: int, rows: int) -> float:
    """Total variation that chance alone makes among so many names, with a margin."""
    return 0.02 + 0.8 * float(np.sqrt(max(names, 1) / rows))


def _shares(values: pd.Series) -> dict[str, float]:
    return {str(name): float(share) for name, share in values.dropna().value_counts(normalize=True).items()}


def _is_text(values: pd.Series) -> bool:
    return pd.api.types.is_string_dtype(values) or values.dtype == object
