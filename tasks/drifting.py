"""Did this window move further than the problem's own windows do? From counts alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from schemas.plans import MonitoringPlan
from tasks.held_against import Held, Reference, Window
from tasks.profiles import Counts, merged
from tasks.stats import Unusual, alarm_ranks, smallest_rate, unusual

__all__ = ["NEGLIGIBLE", "Moved", "moved", "over"]

NEGLIGIBLE = 0.01  # a feature that moves scores by less of what two rows differ by cannot raise an alarm
_LEAST_WEIGHT = 0.3  # any other feature may, at some three times the usual move
_HELD = 0.8  # share of the calibration windows in which a slice has rows, that it is judged
_LIKE = 1 / 16  # of a season: Mondays are like Mondays, and a week of the year like the three around it
_DAY = timedelta(days=1)

Calibration = Mapping[str, np.ndarray]  # distances of the calibration windows, shape (n_windows,), by name


@dataclass(frozen=True)
class Moved:
    """By name: how far the window lies from the reference, and the limits that are in force in it, each in [0, 1].

    `rate` is the probability of an alarm without drift that the limits keep, and `basis` says on what. `near` are
    the low limits that the window exceeds: then the next one has to exceed them as well, and no more. `alone` is
    whether one window can alarm by itself: of few windows only repeated moves can. `aside` are the features that moved
    beyond what is usual and have no effect on scores.
    """

    distances: dict[str, float]
    limits: dict[str, float]
    near: dict[str, float]
    rate: float
    basis: str
    aside: tuple[str, ...] = ()
    alone: bool = True


def moved(reference: Reference, own: Sequence[Window], now: Window, plan: MonitoringPlan) -> Moved:
    """Hold `now` against the problem's own windows before it: `own` are those outside the training rows, in order of time.

    Where they are too few for one window's alarm at the plan's rate, the blocks of the reference join them, each compared
    with the rest of the reference. A window with fewer rows is compared with as few rows of the others, and of a plan with a
    season only with windows of the same part of it.
    """
    past, blocks, pool = _comparable(reference, own, now, plan)
    use = blocks if smallest_rate(len(past)) > plan.false_alarms else []
    held = Held(reference.columns, pool, past, use, now)
    calibration = {name: np.append(held.past[name], held.blocks[name]) for name in held.now}
    n = len(past) + len(use)
    names = _judged(held.now, calibration)
    features = {*held.columns, *(f"missing {name}" for name in held.columns)} - {*_scores(held)}
    at = {name: value for name, value in held.now.items() if name in names or name in features}
    weights = _weights(reference, names)
    heavy, light = ([name for name in names if (weights[name] > 0) is counts] for counts in (True, False))
    ranks = alarm_ranks(n, alpha=plan.false_alarms, repeated=plan.repeated, among=plan.among)
    found = Moved(at, dict.fromkeys(at, 1.0), {}, ranks.rate if n > 1 else 1.0, _basis(past, use, plan))
    if n < 2 or not heavy:
        return found
    usual = _unusual(calibration, heavy, plan, [weights[name] for name in heavy])
    low, armed = _floored(usual, ranks.low, heavy, plan), _armed(own, now, plan)
    limits = low if armed else _floored(usual, ranks.high, heavy, plan)
    aside = _floored(_unusual(calibration, light, plan), ranks.low, light, plan) if light else {}
    return replace(
        found,
        limits=found.limits | limits,
        near={name: limit for name, limit in low.items() if at[name] > limit},
        aside=tuple(name for name, limit in aside.items() if at[name] > limit),
        alone=armed or ranks.high <= n,
    )


def over(found: Moved) -> dict[str, float]:
    """The limits that the window exceeds. What joins the calibration of later windows is clipped there: left out, each alarm
    would lower the limits of those to come; whole, a fault of one week would hide the next one."""
    return {name: limit for name, limit in found.limits.items() if found.distances[name] > limit}


def _basis(past: Sequence[Window], blocks: Sequence[Window], plan: MonitoringPlan) -> str:
    said = f"{len(past)} windows of its own" + (
        f" and {len(blocks)} blocks of what it was trained on" if blocks else ""
    )
    return said + (f" in the same part of {plan.season / _DAY:g} days" if plan.season else "")


def _comparable(
    reference: Reference, own: Sequence[Window], now: Window, plan: MonitoringPlan
) -> tuple[list[Window], list[Window], Counts]:
    """The windows and blocks that `now` is held against, and the counts that features are: of a plan with a season those of
    its part of it, and none before two whole seasons are there."""
    past, blocks = _clipped(own, now, plan), list(reference.blocks)
    pool: Counts = {name: column.counts for name, column in reference.columns.items()}
    if plan.season is not None:
        if (len(past) + len(blocks)) * plan.window < 2 * plan.season:
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


def _scores(held: Held) -> list[str]:
    return [name for name, column in held.columns.items() if column.kind != "feature"]


def _judged(at: Mapping[str, float], calibration: Calibration) -> list[str]:
    """Names with a distance now and in most of the calibration windows."""
    said = {name: np.isfinite(values) for name, values in calibration.items()}
    return [
        n for n in sorted(at) if np.isfinite(at[n]) and said[n].sum() >= max(_HELD * said[n].size, min(said[n].size, 2))
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


def _unusual(
    calibration: Calibration, names: Sequence[str], plan: MonitoringPlan, weights: Sequence[float] | None = None
) -> Unusual:
    """A slice without rows in one window is given what it has in the others. What moves by less than an eighth of the floor
    is never unusual, whatever its weight: the floor is its limit."""
    matrix = np.column_stack([calibration[name] for name in names])
    matrix = np.where(np.isfinite(matrix), matrix, np.nanmean(matrix, axis=0))
    weight = np.ones(len(names)) if weights is None else np.asarray(weights)
    return unusual(matrix, weights=weight, least_spread=weight * plan.effect_floor / 8)


def _floored(found: Unusual, rank: int, names: Sequence[str], plan: MonitoringPlan) -> dict[str, float]:
    limits = np.clip(found.limits(rank), plan.effect_floor, 1.0)
    return {name: float(limit) for name, limit in zip(names, limits, strict=True)}


def _armed(own: Sequence[Window], now: Window, plan: MonitoringPlan) -> bool:
    """Have enough of the windows right before exceeded their low limits, so that this one's are the low ones?"""
    recent = now.start - (plan.among - 1) * plan.window
    return sum(bool(window.near) for window in own if window.start >= recent) >= plan.repeated - 1
