"""Has the world moved? The newest closed window against the champion's reference, on the problem's own windows."""

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from flows.reports import reported
from flows.turn import Turn
from flows.window import champion_of, closed_window, reference_rows, unless_it_raises, valid_rows
from schemas.plans import Reason
from schemas.verdict import Outcome, Verdict
from tasks import gates, monitoring, profiles, windows
from tasks.stats import smallest_rate, window_limits

__all__ = ["drifted"]


def drifted(turn: Turn) -> tuple[Verdict | None, dict[str, Any]]:
    """The drift verdict and its report. What cannot be judged is WAIT: an exception calls for no retrain, and never passes."""
    notes: dict[str, Any] = {}

    def judge() -> Verdict | None:
        verdict, found = _drift(turn)
        notes.update(found)
        return verdict

    return unless_it_raises("drift", judge), notes


def _drift(turn: Turn) -> tuple[Verdict | None, dict[str, Any]]:
    """The verdict on the newest closed window, with its one Evidently report; None where no window closed."""
    window = closed_window(turn)
    if window is None:
        return None, {}
    problem, plan = turn.problem, turn.problem.monitoring
    start, end = window
    current = valid_rows(problem, start, end)
    if current.empty:
        return Verdict("drift", Outcome.WAIT, f"no rows between {start:%Y-%m-%d} and {end:%Y-%m-%d}"), {}
    reference = reference_rows(turn)
    profile, past = _calibration(turn, reference, before=start)
    now_at = profiles.distances(profile, current)
    names = sorted(profile)
    if smallest_rate(len(past)) > plan.false_alarms:
        limits = dict.fromkeys(names, 1.0)
        rate = smallest_rate(len(past))
        verdict = Verdict(
            "drift",
            Outcome.WAIT,
            f"blind: {len(past)} calibration windows support no false-alarm rate under {rate:.0%}, the plan asks for {plan.false_alarms:.0%}",
        )
    else:
        found = window_limits([[row[name] for name in names] for row in past], alpha=plan.false_alarms)
        limits = {name: max(float(limit), plan.effect_floor) for name, limit in zip(names, found, strict=True)}
        verdict = gates.drift(now_at, limits, floor=plan.effect_floor, rate=plan.false_alarms)
    if verdict.outcome is not Outcome.FAIL:
        _join_calibration(turn, start, now_at)
    return verdict, reported(turn, start, end, verdict=verdict, distances=now_at, limits=limits)


def _calibration(
    turn: Turn, reference: pd.DataFrame, *, before: datetime
) -> tuple[dict[str, profiles.Column], list[dict[str, float]]]:
    """The reference's frozen profile, and the distances of windows before `before` that the reference does not hold.

    Windows from before a drift belong to another regime: after a retrain for drift the calibration starts anew from the
    windows that raised no alarm, and until they are enough the verdict says how blind that leaves it.
    """
    problem, champion = turn.problem, champion_of(turn)
    known = monitoring.recall(problem.name, champion.sha256)
    if known is None:
        profile = profiles.freeze_profile(reference, problem.recipe.features)
        known = {"profile": profiles.profile_to_json(profile), "past": _past(turn, profile)}
        monitoring.remember(problem.name, champion.sha256, known)
    past = [distances for began, distances in sorted(known["past"].items()) if began < before.isoformat()]
    return profiles.profile_from_json(known["profile"]), past


def _past(turn: Turn, profile: dict[str, profiles.Column]) -> dict[str, dict[str, float]]:
    """Distances of the windows before the reference, by their beginning; a window without rows says nothing."""
    problem, champion = turn.problem, champion_of(turn)
    past: dict[str, dict[str, float]] = {}
    if champion.why in (Reason.DRIFT, Reason.DECAY):
        return past
    span = problem.monitoring.window
    end = champion.trained_from or (turn.state.since or turn.now) - problem.monitoring.reference
    oldest = max(end - problem.monitoring.history, windows.bounds(problem)[0])
    while end - span >= oldest:
        rows = valid_rows(problem, end - span, end)
        if len(rows):
            past[(end - span).isoformat()] = profiles.distances(profile, rows)
        end -= span
    return past


def _join_calibration(turn: Turn, start: datetime, distances: dict[str, float]) -> None:
    """A window without an alarm is one of the problem's own; the same window joins once, however often its turn is run."""
    name, sha256 = turn.problem.name, champion_of(turn).sha256
    known = monitoring.recall(name, sha256)
    if known is not None and all(np.isfinite(list(distances.values()))):
        known["past"][start.isoformat()] = distances
        monitoring.remember(name, sha256, known)
