"""HEALTHY: is the champion still the right one, and if not, what is the reason?"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from flows.acceptance import requirements_kept
from flows.trust import requests_trusted
from flows.turn import Turn, gateway_answers, seed_of
from schemas.errors import PerennialError, told
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
_NOTED = ("missing ", "unseen ")  # shares of rows that a verdict on the data tells, and that are no fault


def watch(turn: Turn) -> Decision:
    """HEALTHY: a data fault, a person's request, the first model, drift, decay, the schedule; the first that speaks."""
    noted: dict[str, Any] = {}
    fault = _fault(turn, noted)
    drift, notes = (None, {}) if fault else _drift_or_blind(turn)
    notes |= noted
    asked = _request(turn, notes)
    if asked and (asked.revert or not fault):
        return asked
    if fault:
        return Decision(fault)
    skewed = _skew(turn, notes)
    if skewed and skewed.outcome is Outcome.FAIL:
        return Decision(Verdict(skewed.gate, Outcome.WAIT, f"holding: {skewed.reason}", skewed.evidence), notes=notes)
    decay = _unless_it_raises("decay", lambda: _decayed(turn))
    resting = _resting(turn)
    if resting:
        return Decision(resting, notes=notes)
    if not _champion(turn).trained:
        return _wanted(
            Reason.FIRST_MODEL, turn, Verdict("first model", Outcome.FAIL, "nothing trained serves yet"), notes
        )
    for reason, verdict in ((Reason.DRIFT, drift), (Reason.DECAY, decay), (Reason.SCHEDULE, _schedule(turn))):
        if verdict and verdict.outcome is Outcome.FAIL:
            both = [v for v in (drift, decay) if v and v.outcome is Outcome.FAIL] or [verdict]
            return _wanted(reason, turn, combine(str(reason), both), notes)
    spoken = [v for v in (drift, decay) if v]
    if not spoken:
        return Decision(Verdict("healthy", Outcome.PASS, "no window has closed since the last turn"), notes=notes)
    whole = combine("healthy", spoken)
    return Decision(Verdict("healthy", whole.outcome, "; ".join(v.reason for v in spoken), whole.evidence), notes=notes)


def _drift_or_blind(turn: Turn) -> tuple[Verdict | None, dict[str, Any]]:
    """The drift verdict and its report. What cannot be judged is WAIT: an exception calls for no retrain, and never passes."""
    notes: dict[str, Any] = {}

    def judge() -> Verdict | None:
        verdict, found = _drift(turn)
        notes.update(found)
        return verdict

    return _unless_it_raises("drift", judge), notes


def _unless_it_raises(name: str, judge: Callable[[], Verdict | None]) -> Verdict | None:
    try:
        return judge()
    except Exception as error:
        log.exception("%s could not be judged", name)
        return Verdict(name, Outcome.WAIT, f"{name} could not be judged: {told(error)}")


def _request(turn: Turn, notes: dict[str, Any]) -> Decision | None:
    request = turn.state.request
    if request is None:
        return None
    notes = {**notes, "actor": request.actor}
    if request.kind == "retrain":
        said = f"{request.actor} asks for a retrain: {request.note}"
        return _wanted(request.reason, turn, Verdict("request", Outcome.FAIL, said), notes)
    previous = turn.state.previous
    cannot = "there is no previous champion" if previous is None else _cannot_serve(turn, previous)
    if cannot:
        said = f"{request.actor} asks to restore the previous champion, but {cannot}; {_champion(turn)} goes on"
        return Decision(Verdict("request", Outcome.WAIT, said), drop_request=True, notes=notes)
    said = f"{request.actor} restores {previous}: {request.note}"
    return Decision(Verdict("request", Outcome.PASS, said), revert=True, notes=notes)


def _cannot_serve(turn: Turn, model: Model) -> str:
    """Why `model` cannot answer what is asked now; empty when it can."""
    problem = turn.problem
    try:
        if not windows.available(problem):  # then its file and its content are all that can be looked at
            registry.load(problem, model)
            return ""
        recent = _valid(problem, turn.now - problem.monitoring.window, turn.now).tail(200)
        errors = scoring.outputs(registry.load(problem, model), recent, problem.framing).errors
    except PerennialError as error:
        return str(error)
    failed = [error for error in errors if error is not None]
    return f"{model} raises {failed[0]} on {len(failed)} of the {len(recent)} newest requests" if failed else ""


def _wanted(reason: Reason, turn: Turn, verdict: Verdict, notes: dict[str, Any]) -> Decision:
    """A challenger is wanted, and by which test it will be judged follows from why."""
    promotion = turn.problem.retraining.promotes_by(reason)
    return Decision(verdict, why=reason, promotion=promotion, notes=notes)


def _fault(turn: Turn, notes: dict[str, Any]) -> Verdict | None:
    """Requests that break the contract: hold. Retraining on faulty data makes things worse."""
    limit = turn.problem.monitoring.bad_share
    if turn.bad_share <= limit:
        return _unless_it_raises("data", lambda: _untrusted(turn, notes))
    broken = ", ".join(f"{what} ({n:,})" for what, n in sorted(turn.faults.items(), key=lambda item: -item[1])[:3])
    evidence: dict[str, float | int | str | None] = {"bad_share": turn.bad_share}
    return Verdict(
        "contract",
        Outcome.WAIT,
        f"data fault, holding: {turn.bad_share:.1%} of requests are in quarantine: {broken}",
        evidence,
    )


def _skew(turn: Turn, notes: dict[str, Any]) -> Verdict | None:
    """Requests whose features are not those of the table: a model trained on the table would be asked with others as well."""
    window = closed_window(turn)
    if window is None or turn.problem.serving.answered_by != "gateway":
        return None
    from flows.skew import skew

    verdict = _unless_it_raises("skew", lambda: skew(turn.problem, *window))
    if verdict is not None:
        notes["skew"] = verdict.reason
    return verdict


def _untrusted(turn: Turn, notes: dict[str, Any]) -> Verdict | None:
    """Rows that came late, twice, or with half of a column gone: hold; what is less is noted. Requests that a gateway
    answered are in no table."""
    problem, last = turn.problem, turn.state.turned
    if last is None or not windows.available(problem) or gateway_answers(turn):
        return None
    verdict = requests_trusted(problem, since=last, now=turn.now, closed=closed_window(turn))
    shares = {what.partition(".")[2]: share for what, share in verdict.evidence.items()}
    noted = [f"{what} in {share:.1%} of the rows" for what, share in shares.items() if what.startswith(_NOTED)]
    notes |= {"noted": ", ".join(noted)} if noted else {}
    if verdict.outcome is not Outcome.FAIL:
        return None
    return Verdict("data", Outcome.WAIT, f"data fault, holding: {verdict.reason}", verdict.evidence)


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
    span, since, last = turn.problem.monitoring.window, turn.state.since, turn.state.turned
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


def _calibration(
    turn: Turn, reference: pd.DataFrame, *, before: datetime
) -> tuple[dict[str, profiles.Column], list[dict[str, float]]]:
    """The reference's frozen profile, and the distances of windows before `before` that the reference does not hold.

    Windows from before a drift belong to another regime: after a retrain for drift the calibration starts anew from the
    windows that raised no alarm, and until they are enough the verdict says how blind that leaves it.
    """
    problem, champion = turn.problem, _champion(turn)
    known = monitoring.recall(problem.name, champion.sha256)
    if known is None:
        profile = profiles.freeze_profile(reference, problem.recipe.features)
        known = {"profile": profiles.profile_to_json(profile), "past": _past(turn, profile)}
        monitoring.remember(problem.name, champion.sha256, known)
    past = [distances for began, distances in sorted(known["past"].items()) if began < before.isoformat()]
    return profiles.profile_from_json(known["profile"]), past


def _past(turn: Turn, profile: dict[str, profiles.Column]) -> dict[str, dict[str, float]]:
    """Distances of the windows before the reference, by their beginning; a window without rows says nothing."""
    problem, champion = turn.problem, _champion(turn)
    past: dict[str, dict[str, float]] = {}
    if champion.why in (Reason.DRIFT, Reason.DECAY):
        return past
    span = problem.monitoring.window
    end = champion.trained_from or (turn.state.since or turn.now) - problem.monitoring.reference
    oldest = max(end - problem.monitoring.history, windows.bounds(problem)[0])
    while end - span >= oldest:
        rows = _valid(problem, end - span, end)
        if len(rows):
            past[(end - span).isoformat()] = profiles.distances(profile, rows)
        end -= span
    return past


def _join_calibration(turn: Turn, start: datetime, distances: dict[str, float]) -> None:
    """A window without an alarm is one of the problem's own; the same window joins once, however often its turn is run."""
    name, sha256 = turn.problem.name, _champion(turn).sha256
    known = monitoring.recall(name, sha256)
    if known is not None and all(np.isfinite(list(distances.values()))):
        known["past"][start.isoformat()] = distances
        monitoring.remember(name, sha256, known)


def _decayed(turn: Turn) -> Verdict | None:
    """The decay of the champion's loss, and what is required of it after deployment, as one verdict."""
    problem, plan, champion = turn.problem, turn.problem.monitoring, _champion(turn)
    if closed_window(turn) is None or not champion.trained:
        return None
    until = turn.now - problem.framing.maturity
    rows = predictions.cohort(problem, since=until - plan.decay_window, now=turn.now)
    rows = rows[rows["champion"] == champion.sha256]
    complete = gates.labels_complete(int(rows["label"].isna().sum()), len(rows), limit=problem.rollout.unlabelled)
    if len(rows) and complete.outcome is not Outcome.PASS:
        return Verdict("decay", complete.outcome, f"decay is not judged: {complete.reason}", complete.evidence)
    rows = rows[rows["label"].notna()]
    answered = rows[rows["role"] == "champion"]
    kept = requirements_kept(
        problem, answered, "champion", alpha=plan.decay_alpha, days=plan.decay_blocks, seed=seed_of(turn)
    )
    loss = [_decay(turn, rows)] if "loss" in champion.held_out else []
    verdicts = [*loss, *kept]
    return combine("decay", verdicts) if kept else next(iter(verdicts), None)


def _decay(turn: Turn, rows: pd.DataFrame) -> Verdict:
    """The champion's loss on matured rows it answered, a value a day, against what it showed when it was accepted."""
    framing, plan = turn.problem.framing, turn.problem.monitoring
    said = scoring.logged(rows["champion_score"], rows["champion_decision"], framing)
    loss = np.nan_to_num(scoring.row_loss(said, rows["label"].to_numpy(dtype=float), framing), nan=1.0)
    daily = pd.Series(loss).groupby(rows["event_time"].dt.floor("D").to_numpy()).mean()
    return gates.decay(
        daily.to_list(),
        held_out=_champion(turn).held_out["loss"],
        tolerance=plan.decay_tolerance,
        alpha=plan.decay_alpha,
        at_least=plan.decay_blocks,
    )


def _valid(problem: Problem, start: datetime, end: datetime) -> pd.DataFrame:
    """The window's rows as they were requested, without those in quarantine."""
    return contracts.check(problem, windows.read_sample(problem, start, end, as_of=start)[0]).valid


def _champion(turn: Turn) -> Model:
    assert turn.state.champion is not None, "HEALTHY means that a champion serves"
    return turn.state.champion
