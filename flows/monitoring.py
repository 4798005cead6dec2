"""HEALTHY: is the champion still the right one, and if not, what is the reason?"""

import logging
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from flows.turn import Turn, seed_of
from schemas.plans import Reason
from schemas.problem import Problem
from schemas.rows import Model
from schemas.verdict import Outcome, Verdict, combine
from tasks import contracts, gates, monitoring, predictions, profiles, registry, scoring, windows
from tasks.stats import smallest_rate, window_limits
from tasks.transitions import Decision

__all__ = ["watch"]

log = logging.getLogger("perennial")
_DAY = timedelta(days=1)


def watch(turn: Turn) -> Decision:
    """HEALTHY: a person's request, a data fault, the first model, drift, decay, the schedule; the first that speaks."""
    asked = _request(turn)
    if asked:
        return asked
    fault = _fault(turn)
    if fault:
        return Decision(fault)
    resting = _resting(turn)
    drift, notes = _drift(turn)
    decay = _decay(turn)
    if resting:
        return Decision(combine("healthy", [resting]), notes=notes)
    if _champion(turn).trained_until is None and _champion(turn).name != "adopted":
        return _wanted(
            Reason.FIRST_MODEL, turn, Verdict("first model", Outcome.FAIL, "nothing trained serves yet"), notes
        )
    for reason, verdict in ((Reason.DRIFT, drift), (Reason.DECAY, decay), (Reason.SCHEDULE, _schedule(turn))):
        if verdict and verdict.outcome is Outcome.FAIL:
            both = [v for v in (drift, decay) if v and v.outcome is Outcome.FAIL] or [verdict]
            return _wanted(reason, turn, combine(str(reason), both), notes)
    spoken = [v for v in (drift, decay) if v]
    said = "; ".join(v.reason for v in spoken) or "no window has closed since the last turn"
    evidence = {f"{v.gate}.{key}": value for v in spoken for key, value in v.evidence.items()}
    return Decision(Verdict("healthy", Outcome.PASS, said, evidence), notes=notes)


def _request(turn: Turn) -> Decision | None:
    request = turn.state.request
    if request is None:
        return None
    if request.kind == "retrain":
        said = f"{request.actor} asks for a retrain: {request.note}"
        return _wanted(request.reason, turn, Verdict("request", Outcome.FAIL, said), {"actor": request.actor})
    previous = turn.state.previous
    if previous is None:
        return None
    said = f"{request.actor} restores {previous}: {request.note}"
    return Decision(Verdict("request", Outcome.PASS, said), revert=True, notes={"actor": request.actor})


def _wanted(reason: Reason, turn: Turn, verdict: Verdict, notes: dict[str, Any]) -> Decision:
    """A challenger is wanted, and by which test it will be judged follows from why."""
    promotion = turn.problem.retraining.promotes_by(reason)
    return Decision(verdict, why=reason, promotion=promotion, notes=notes)


def _fault(turn: Turn) -> Verdict | None:
    """Requests that break the contract: hold. Retraining on faulty data makes things worse."""
    limit = turn.problem.monitoring.bad_share
    if turn.bad_share <= limit:
        return None
    broken = ", ".join(f"{what} ({n:,})" for what, n in sorted(turn.faults.items(), key=lambda item: -item[1])[:3])
    evidence: dict[str, float | int | str | None] = {"bad_share": turn.bad_share}
    return Verdict(
        "contract",
        Outcome.WAIT,
        f"data fault, holding: {turn.bad_share:.1%} of requests are in quarantine: {broken}",
        evidence,
    )


def _resting(turn: Turn) -> Verdict | None:
    ended, cooldown = turn.state.ended, turn.problem.retraining.cooldown
    if ended is None or turn.now >= ended + cooldown:
        return None
    return Verdict("cooldown", Outcome.PASS, f"resting until {ended + cooldown:%Y-%m-%d} after the last rollout")


def _schedule(turn: Turn) -> Verdict | None:
    every, tried = turn.problem.retraining.every, turn.state.tried or turn.state.since
    if every is None or tried is None or turn.now < tried + every:
        return None
    return Verdict(
        "schedule",
        Outcome.FAIL,
        f"{(turn.now - tried) / _DAY:.0f} days since the last retrain, the plan says {every / _DAY:.0f}",
    )


def closed_window(turn: Turn) -> tuple[datetime, datetime] | None:
    """The monitoring window that closed since the last turn: windows tile the time since HEALTHY began."""
    span, since, last = turn.problem.monitoring.window, turn.state.since, turn.state.scored
    if since is None or last is None:
        return None
    closed = (turn.now - since) // span
    if closed < 1 or since + closed * span <= last:
        return None
    return since + (closed - 1) * span, since + closed * span


def _drift(turn: Turn) -> tuple[Verdict | None, dict[str, Any]]:
    """The verdict on the newest closed window, with its one Evidently report; None where no window closed."""
    window = closed_window(turn)
    if window is None:
        return None, {}
    problem, plan = turn.problem, turn.problem.monitoring
    start, end = window
    current = _valid(problem, start, end)
    if current.empty:
        return Verdict("drift", Outcome.WAIT, f"no rows between {start:%Y-%m-%d} and {end:%Y-%m-%d}"), {}
    reference = _reference(turn)
    profile, past = _calibration(turn, reference)
    now_at = profiles.distances(profile, current)
    names = sorted(profile)
    if smallest_rate(len(past)) > plan.false_alarms:
        limits = dict.fromkeys(names, 1.0)
        rate = smallest_rate(len(past))
        verdict = Verdict(
            "drift",
            Outcome.PASS,
            f"blind: {len(past)} calibration windows support no false-alarm rate under {rate:.0%}, the plan asks for {plan.false_alarms:.0%}",
        )
    else:
        found = window_limits([[row[name] for name in names] for row in past], alpha=plan.false_alarms)
        limits = {name: max(float(limit), plan.effect_floor) for name, limit in zip(names, found, strict=True)}
        verdict = gates.drift(now_at, limits, floor=plan.effect_floor, rate=plan.false_alarms)
    name = f"{start:%Y%m%dT%H%M}-{end:%Y%m%dT%H%M}"
    report = monitoring.make_report(
        problem.name, name, current, reference, distances=now_at, limits=limits, seed=seed_of(turn)
    )
    run = registry.log_report(problem, _champion(turn), [report.html, report.json], folder=name)
    return verdict, {"report": str(report.html), "report_run": registry.run_link(problem, run)}


def _reference(turn: Turn) -> pd.DataFrame:
    """What the champion was trained on; for a rule, the weeks before it began to serve."""
    problem, champion = turn.problem, _champion(turn)
    if champion.trained_from and champion.trained_until:
        return _valid(problem, champion.trained_from, champion.trained_until)
    since = turn.state.since or turn.now
    return _valid(problem, since - problem.monitoring.reference, since)


def _calibration(turn: Turn, reference: pd.DataFrame) -> tuple[dict[str, profiles.Column], list[dict[str, float]]]:
    """The reference's frozen profile, and the distances of past windows that the reference does not hold.

    Windows from before the last drift alarm belong to another regime: after a retrain for drift the calibration starts
    anew, and the verdict says how blind that leaves it.
    """
    problem, champion = turn.problem, _champion(turn)
    known = monitoring.recall(problem.name, champion.sha256)
    if known:
        return profiles.profile_from_json(known["profile"]), known["past"]
    profile = profiles.freeze_profile(reference, problem.recipe.features)
    span = problem.monitoring.window
    end = champion.trained_from or (turn.state.since or turn.now) - problem.monitoring.reference
    oldest = max(end - problem.monitoring.history, windows.bounds(problem)[0])
    past = []
    drifted = champion.why in (Reason.DRIFT, Reason.DECAY)
    while end - span >= oldest and not drifted:
        past.append(profiles.distances(profile, _valid(problem, end - span, end)))
        end -= span
    monitoring.remember(problem.name, champion.sha256, {"profile": profiles.profile_to_json(profile), "past": past})
    return profile, past


def _decay(turn: Turn) -> Verdict | None:
    """The champion's loss on matured rows it answered, a value a day, against what it showed when it was accepted."""
    problem, plan, champion = turn.problem, turn.problem.monitoring, _champion(turn)
    if closed_window(turn) is None or "loss" not in champion.held_out:
        return None
    until = turn.now - problem.framing.maturity
    rows = predictions.cohort(problem, since=until - plan.decay_window, now=turn.now)
    rows = rows[(rows["champion"] == champion.sha256) & rows["label"].notna()]
    said = scoring.Scores(rows["champion_score"].to_numpy(dtype=float), rows["champion_decision"].to_numpy(dtype=float))
    loss = np.nan_to_num(scoring.row_loss(said, rows["label"].to_numpy(dtype=float), problem.framing), nan=1.0)
    daily = pd.Series(loss).groupby(rows["event_time"].dt.floor("D").to_numpy()).mean()
    return gates.decay(
        daily.to_list(),
        held_out=champion.held_out["loss"],
        tolerance=plan.decay_tolerance,
        alpha=plan.decay_alpha,
        at_least=plan.decay_blocks,
    )


def _valid(problem: Problem, start: datetime, end: datetime) -> pd.DataFrame:
    """The window's rows as they were requested, without those in quarantine."""
    return contracts.check(problem, windows.read_requests(problem, start, end)).valid


def _champion(turn: Turn) -> Model:
    assert turn.state.champion is not None, "HEALTHY means that a champion serves"
    return turn.state.champion
