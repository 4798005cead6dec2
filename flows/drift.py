"""Has the world moved? The newest closed window against the champion's reference, on the problem's own windows."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from flows.reference import Past, past_of
from flows.reports import reported
from flows.turn import Turn
from flows.window import champion_of, closed_window, unless_it_raises
from schemas.verdict import Outcome, Verdict
from tasks import gates
from tasks.drifting import Moved, moved, over
from tasks.held_against import Reference, Window
from tasks.profiles import measures

__all__ = ["WAYS", "Drift", "drifted"]

_NAN = float("nan")
_TOLD = 12  # of what moved, furthest first: the report has the others
WAYS = ("psi", "kolmogorov_smirnov", "wasserstein", "jensen_shannon")


@dataclass(frozen=True)
class Drift:
    """What was found of one closed window, [start, end).

    `distances` and `limits`, each in [0, 1], stand under a feature's own name, "score" (of classes "score CLASS"),
    "missing NAME" and "slice COLUMN=VALUE"; what moved is above its limit, and a feature without an effect on predictions has
    the limit 1. `missing` and `outside` are shares of rows by feature, now and in the reference; outside is below or above its
    range, or a category that it never had. `score` is the distance of the champion's scores that lies furthest out, nan where
    fewer than three windows outside its training rows are there to be held against.
    """

    verdict: Verdict
    notes: dict[str, Any]
    start: datetime
    end: datetime
    distances: dict[str, float] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    missing: dict[str, tuple[float, float]] = field(default_factory=dict)
    outside: dict[str, tuple[float, float]] = field(default_factory=dict)
    score: float = _NAN
    score_limit: float = _NAN


def drifted(turn: Turn) -> Drift | None:
    """The verdict on the newest closed window, with its report; None where no window closed. What cannot be judged is WAIT: an
    exception calls for no retrain, and never passes."""
    window = closed_window(turn)
    if window is None:
        return None
    found: list[Drift] = []

    def judge() -> Verdict:
        found.append(_drift(turn, *window))
        return found[0].verdict

    verdict = unless_it_raises("drift", judge)
    assert verdict is not None, "a closed window has a verdict"
    return found[0] if found else Drift(verdict, {}, *window)


def _drift(turn: Turn, start: datetime, end: datetime) -> Drift:
    plan, past = turn.problem.monitoring, past_of(turn, champion_of(turn))
    own, now = past.windows_before(start.replace(microsecond=0))
    if now.rows < plan.window_rows:
        said = f"{now.rows} rows from {start:%Y-%m-%d} to {end:%Y-%m-%d} say nothing about drift, {plan.window_rows} are needed"
        return Drift(Verdict("drift", Outcome.WAIT, said, {"rows": now.rows}), {}, start, end)
    own = _all_judged(turn, past, own)
    found = moved(past.reference, own, now, plan)
    verdict = _verdict(turn, found)
    drift = _told(past.reference, now, found, Drift(verdict, _since(turn, own, now, found), start, end))
    past.judged(_kept(now, found, verdict))
    past.save()
    report = reported(turn, start, end, verdict=verdict, distances=drift.distances, limits=drift.limits)
    return replace(drift, notes=drift.notes | report)


def _all_judged(turn: Turn, past: Past, own: list[Window]) -> list[Window]:
    """The windows before this one that nobody judged: those of the rollout, or all, where what was remembered is lost. Each
    on what came before it, so that they are found as they were."""
    for place in past.unjudged(own):
        window, before = own[place], own[:place]
        if window.rows >= turn.problem.monitoring.window_rows:
            found = moved(past.reference, before, window, turn.problem.monitoring)
            own[place] = _kept(window, found, _verdict(turn, found))
        past.judged(own[place])
    return own


def _kept(window: Window, found: Moved, verdict: Verdict) -> Window:
    """As later windows are held against it: clipped at its limits only where it was an alarm."""
    return replace(window, over=over(found) if verdict.outcome is Outcome.FAIL else {}, near=found.near)


def _verdict(turn: Turn, found: Moved) -> Verdict:
    plan = turn.problem.monitoring
    return gates.drift(
        found.distances,
        found.limits,
        floor=plan.effect_floor,
        rate=found.rate,
        allowed=plan.false_alarms,
        window=plan.window,
        basis=found.basis,
        unsure={} if found.alone else found.near,
        aside=found.aside,
    )


def _since(turn: Turn, own: list[Window], now: Window, found: Moved) -> dict[str, Any]:
    """Since when the windows lie beyond their low limits, without one between that does not."""
    if not found.near:
        return {}
    since, span = now.start, turn.problem.monitoring.window
    for window in reversed(own):
        if not window.near or window.start != since - span:
            break
        since = window.start
    return {"moved_since": since.isoformat()}


def _ways(measured: Mapping[str, float] | None) -> list[float | None]:
    """How far a column moved, as people know it; None of what is no column, such as a slice."""
    return [None if measured is None else round(measured[way], 4) for way in WAYS]


def _told(reference: Reference, now: Window, found: Moved, drift: Drift) -> Drift:
    measured = measures(reference.columns, now.counts)
    shares = {name: of for name, of in measured.items() if reference.columns[name].kind == "feature"}
    beyond = over(found) or found.near  # of few windows one alone is unusual, and no alarm yet
    furthest_first = sorted(beyond, key=lambda name: -found.distances[name] / beyond[name])[:_TOLD]
    table = [[name, found.distances[name], beyond[name], *_ways(measured.get(name))] for name in furthest_first]
    scores = [name for name in found.distances if name in reference.columns and reference.columns[name].kind == "score"]
    furthest = max(scores, key=lambda name: found.distances[name] / found.limits[name], default=None)
    return replace(
        drift,
        notes=drift.notes | ({"moved": table} if table else {}),
        distances=found.distances,
        limits=found.limits,
        missing={name: (of["missing"], of["missing_before"]) for name, of in shares.items()},
        outside={name: (of["outside"], of["outside_before"]) for name, of in shares.items()},
        score=found.distances[furthest] if furthest else _NAN,
        score_limit=found.limits[furthest] if furthest else _NAN,
    )
