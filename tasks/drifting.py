"""Did this window move further than the problem's own windows do? From counts alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from schemas.plans import MonitoringPlan
from tasks.profiles import Column, Counts, Profile, apart, lacking, merged
from tasks.stats import Unusual, alarm_ranks, smallest_rate, thinned, unusual

__all__ = ["NEGLIGIBLE", "Moved", "Reference", "Window", "moved", "over", "window_from_json", "window_to_json"]

NEGLIGIBLE = 0.01  # a feature that moves scores by less of what two rows differ by cannot raise an alarm
_LEAST_WEIGHT = 0.3  # any other feature may, at some three times the usual move
_LEAST_OWN = 3  # windows that scores of the champion outside its training rows are pooled from
_HELD = 0.8  # share of the calibration windows in which a slice has rows, that it is judged
_NONE = np.zeros(2, dtype=int)
_LIKE = 1 / 16  # of a season: Mondays are like Mondays, and a week of the year like the three around it


@dataclass(frozen=True)
class Window:
    """One window's counts; and of one that was judged, by name the limits in force and the low limits that it exceeded."""

    start: datetime
    counts: Counts
    over: Mapping[str, float] = field(default_factory=dict)
    near: Mapping[str, float] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return max((int(counts.sum()) for counts in self.counts.values()), default=0)


@dataclass(frozen=True)
class Reference:
    """What the champion was trained on, frozen: bins and counts of all of it, counts of its blocks (each as long as a
    window), and how much each feature moves the champion's score, as a share of what two rows differ by."""

    columns: Profile
    blocks: Sequence[Window] = ()
    effects: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Moved:
    """By name: how far the window lies from the reference, and the limits that are in force in it, each in [0, 1].

    `rate` is the probability of an alarm without drift that the limits keep, and `basis` says on what. `near` are
    the low limits that the window exceeds: then the next one has to exceed them as well, and no more. `aside` are the features that moved
    beyond what is usual and have no effect on scores.
    """

    distances: dict[str, float]
    limits: dict[str, float]
    near: dict[str, float]
    rate: float
    basis: str
    aside: tuple[str, ...] = ()


def moved(reference: Reference, own: Sequence[Window], now: Window, plan: MonitoringPlan) -> Moved:
    """Hold `now` against the problem's own windows before it: `own` are those outside the training rows, in order of time.

    Where they are too few for one window's alarm at the plan's rate, the blocks of the reference join them, each compared
    with the rest of the reference. A window with fewer rows is compared with as few rows of the others, and of a plan with a
    season only with windows of the same part of it.
    """
    past, blocks, pool = _comparable(reference, own, now, plan)
    use = blocks if smallest_rate(len(past)) > plan.false_alarms else []
    basis = f"{len(past)} windows of its own" + (f" and {len(use)} blocks of what it was trained on" if use else "")
    basis += f" in the same part of {plan.season}" if plan.season else ""
    rows = _Rows(reference.columns, pool, past, blocks)
    at = rows.now(now)
    calibration = [rows.of_own(window, now) for window in past] + [rows.of_block(window, now) for window in use]
    names = _judged(at, calibration)
    at = {name: value for name, value in at.items() if name in names or rows.is_feature(name)}
    weights = _weights(reference, names)
    heavy = [name for name in names if weights[name] > 0]
    limits = dict.fromkeys(at, 1.0)  # no distance is above 1
    ranks = alarm_ranks(len(calibration), alpha=plan.false_alarms, repeated=plan.repeated, among=plan.among)
    if len(calibration) < 2 or not heavy:
        return Moved(at, limits, {}, 1.0 if len(calibration) < 2 else ranks.rate, basis)
    found = unusual(
        _matrix(calibration, heavy), weights=[weights[n] for n in heavy], least_spread=plan.effect_floor / 8
    )
    low = _floored(found, ranks.low, heavy, plan)
    armed = _armed(own, now, plan)
    limits |= low if armed else _floored(found, ranks.high, heavy, plan)
    aside = _aside(
        at, calibration, [name for name in names if not weights[name]], ranks.low if armed else ranks.high, plan
    )
    near = {name: limit for name, limit in low.items() if at[name] > limit}
    return Moved(at, limits, near, ranks.rate, basis, aside)


def over(found: Moved) -> dict[str, float]:
    """The limits that the window exceeds. What joins the calibration of later windows is clipped there: left out, each alarm
    would lower the limits of those to come; whole, a fault of one week would hide the next one."""
    return {name: limit for name, limit in found.limits.items() if found.distances[name] > limit}


def window_to_json(window: Window) -> dict[str, Any]:
    counts = {name: counts.tolist() for name, counts in window.counts.items()}
    return {"counts": counts, "over": dict(window.over), "near": dict(window.near)}


def window_from_json(start: str, stored: Mapping[str, Any]) -> Window:
    counts = {name: np.asarray(counts, dtype=int) for name, counts in stored["counts"].items()}
    return Window(datetime.fromisoformat(start), counts, stored.get("over", {}), stored.get("near", {}))


def _comparable(
    reference: Reference, own: Sequence[Window], now: Window, plan: MonitoringPlan
) -> tuple[list[Window], list[Window], Counts]:
    """The windows and blocks that `now` is held against, and the counts that features are: of a plan with a season those of
    its part of it, and none before two whole seasons are there."""
    past, blocks = _clipped(own, now, plan), list(reference.blocks)
    pool: Counts = {name: column.counts for name, column in reference.columns.items()}
    if plan.season is not None:
        first = min((window.start for window in (*past, *blocks)), default=now.start)
        if now.start - first < 2 * plan.season:
            return [], [], pool
        past, blocks = _alike(past, now, plan.season), _alike(blocks, now, plan.season)
        pool = merged(block.counts for block in blocks) if len(blocks) > 1 else pool
    # Half a window, or one with a day of rows, says more of its size than of what is in it.
    least = np.median([window.rows for window in (*past, *blocks)] or [0]) / 2
    return [w for w in past if w.rows >= max(least, 1)], [w for w in blocks if w.rows >= max(least, 1)], pool


def _clipped(own: Sequence[Window], now: Window, plan: MonitoringPlan) -> list[Window]:
    """A window beyond its low limits alone joins as it is, unless an alarm follows, or still may: what begins to move would
    otherwise widen the limits that its next window has to exceed."""
    reach = (plan.among - 1) * plan.window
    alarms = [now.start, *(window.start for window in own if window.over)]
    return [
        replace(w, over=w.near)
        if w.near and not w.over and any(timedelta(0) < at - w.start <= reach for at in alarms)
        else w
        for w in own
    ]


def _alike(windows: Iterable[Window], now: Window, season: timedelta) -> list[Window]:
    def apart_in_season(window: Window) -> timedelta:
        phase = abs(now.start - window.start) % season
        return min(phase, season - phase)

    return [window for window in windows if apart_in_season(window) <= season * _LIKE]


class _Rows:
    """Distances by name, a window. Features are held against the reference; scores, and scores in slices, of rows that the
    champion was not trained on against other such rows, since on training rows they are those of a model that knows them."""

    def __init__(self, columns: Profile, pool: Counts, past: Sequence[Window], blocks: Sequence[Window]) -> None:
        self.columns, self.pool = columns, pool
        quiet = [window.counts for window in past if not window.over]
        self.fresh = merged(quiet) if len(quiet) >= _LEAST_OWN else {}
        self.seen = merged(block.counts for block in blocks)
        self.scored = bool(self.fresh)

    def is_feature(self, name: str) -> bool:
        return name.startswith("missing ") or (name in self.columns and self.columns[name].kind == "feature")

    def now(self, window: Window) -> dict[str, float]:
        return self._row(window.counts, lambda column, name: (self.fresh if _scored(column) else self.pool).get(name))

    def of_own(self, window: Window, now: Window) -> dict[str, float]:
        def held_against(column: Column, name: str) -> np.ndarray | None:
            if not _scored(column):
                return self.pool.get(name)
            whole = self.fresh.get(name)
            return whole if whole is None or window.over else whole - window.counts.get(name, 0)

        found = self._row(self._thinned(window, now), held_against)
        return {name: min(value, window.over.get(name, 1.0)) for name, value in found.items()}

    def of_block(self, block: Window, now: Window) -> dict[str, float]:
        def rest(column: Column, name: str) -> np.ndarray | None:
            whole = (self.seen if _scored(column) else self.pool).get(name)
            return None if whole is None else whole - block.counts.get(name, 0)

        return self._row(self._thinned(block, now), rest)

    def _thinned(self, window: Window, now: Window) -> dict[str, np.ndarray]:
        """As many rows as `now` has: fewer rows lie further out by chance alone. Drawn the same each time."""
        rng = np.random.default_rng(int(window.start.timestamp()) & 0xFFFFFFFF)
        rows = {name: int(counts.sum()) for name, counts in now.counts.items()}
        return {
            name: thinned(counts, rows.get(name, 0) or int(counts.sum()), rng)
            for name, counts in sorted(window.counts.items())
        }

    def _row(self, counts: Counts, held_against: Any) -> dict[str, float]:
        found = {}
        for name, column in self.columns.items():
            if column.kind == "label" or (_scored(column) and not self.scored):
                continue
            now, then = counts.get(name, _NONE), held_against(column, name)
            then = _NONE if then is None else then
            found[name] = apart(column, then, now)
            if column.kind == "feature":
                found[f"missing {name}"] = lacking(then, now)
        return found


def _scored(column: Column) -> bool:
    return column.kind in ("score", "slice")


def _judged(at: Mapping[str, float], calibration: Sequence[Mapping[str, float]]) -> list[str]:
    """Names with a distance now and in most of the calibration windows."""
    n = len(calibration)
    return [
        name
        for name in sorted(at)
        if np.isfinite(at[name])
        and sum(np.isfinite(row.get(name, np.nan)) for row in calibration) >= max(_HELD * n, min(n, 2))
    ]


def _weights(reference: Reference, names: Iterable[str]) -> dict[str, float]:
    """What a name counts, from 0.3 to 1 by the root of the feature's effect on scores against the largest, or nothing where it
    has none. A missing share counts wholly: it is a fault of the data before it is a move. Where no feature has an effect,
    a constant serves, and all count alike."""
    effects = {name: value for name, value in reference.effects.items() if value >= NEGLIGIBLE}
    largest = max(effects.values(), default=0.0)

    def weight(name: str) -> float:
        of = name.removeprefix("missing ")
        column = reference.columns.get(name) or reference.columns.get(of)
        if not effects or column is None or column.kind != "feature":
            return 1.0
        if of not in reference.effects:
            return 1.0
        if of not in effects:
            return 0.0
        return 1.0 if of != name else max(float(np.sqrt(effects[of] / largest)), _LEAST_WEIGHT)

    return {name: weight(name) for name in names}


def _matrix(calibration: Sequence[Mapping[str, float]], names: Sequence[str]) -> np.ndarray:
    """Shape (n_windows, n_names); a slice without rows in one window is given what it has in the others."""
    matrix = np.array([[row.get(name, np.nan) for name in names] for row in calibration])
    return np.where(np.isfinite(matrix), matrix, np.nanmean(matrix, axis=0))


def _floored(found: Unusual, rank: int, names: Sequence[str], plan: MonitoringPlan) -> dict[str, float]:
    limits = np.clip(found.limits(rank), plan.effect_floor, 1.0)
    return {name: float(limit) for name, limit in zip(names, limits, strict=True)}


def _aside(
    at: Mapping[str, float],
    calibration: Sequence[Mapping[str, float]],
    names: list[str],
    rank: int,
    plan: MonitoringPlan,
) -> tuple[str, ...]:
    if not names:
        return ()
    limits = _floored(unusual(_matrix(calibration, names), least_spread=plan.effect_floor / 8), rank, names, plan)
    return tuple(name for name in names if at[name] > limits[name])


def _armed(own: Sequence[Window], now: Window, plan: MonitoringPlan) -> bool:
    """Have enough of the windows right before exceeded their low limits, so that this one's are the low ones?"""
    recent = now.start - (plan.among - 1) * plan.window
    return sum(bool(window.near) for window in own if window.start >= recent) >= plan.repeated - 1
