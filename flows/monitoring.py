"""HEALTHY: is the champion still the right one, and if not, what is the reason?"""

from datetime import timedelta
from typing import Any

from flows.drift import drifted
from flows.faults import requests_fault, skewed
from flows.feedback import feedback
from flows.quality import decayed
from flows.turn import Turn
from flows.window import champion_of, unless_it_raises, valid_rows
from schemas.errors import PerennialError
from schemas.plans import Reason
from schemas.rows import Model
from schemas.verdict import Outcome, Verdict, combine
from tasks import registry, scoring, windows
from tasks.transitions import Decision

__all__ = ["watch"]

_DAY = timedelta(days=1)


def watch(turn: Turn) -> Decision:
    """HEALTHY: a data fault, a person's request, the first model, drift, decay, the schedule; the first that speaks."""
    noted: dict[str, Any] = {}
    fault = requests_fault(turn, noted)
    drift, notes = (None, {}) if fault else drifted(turn)
    notes |= noted | feedback(turn)
    asked = _request(turn, notes)
    if asked and (asked.revert or not fault):
        return asked
    if fault:
        return Decision(fault)
    skew = skewed(turn, notes)
    if skew and skew.outcome is Outcome.FAIL:
        return Decision(Verdict(skew.gate, Outcome.WAIT, f"holding: {skew.reason}", skew.evidence), notes=notes)
    decay = unless_it_raises("decay", lambda: decayed(turn))
    resting = _resting(turn)
    if resting:
        return Decision(resting, notes=notes)
    if not champion_of(turn).trained:
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
        said = f"{request.actor} asks to restore the previous champion, but {cannot}; {champion_of(turn)} goes on"
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
        recent = valid_rows(problem, turn.now - problem.monitoring.window, turn.now).tail(200)
        errors = scoring.outputs(registry.load(problem, model), recent, problem.framing).errors
    except PerennialError as error:
        return str(error)
    failed = [error for error in errors if error is not None]
    return f"{model} raises {failed[0]} on {len(failed)} of the {len(recent)} newest requests" if failed else ""


def _wanted(reason: Reason, turn: Turn, verdict: Verdict, notes: dict[str, Any]) -> Decision:
    """A challenger is wanted, and by which test it will be judged follows from why."""
    promotion = turn.problem.retraining.promotes_by(reason)
    return Decision(verdict, why=reason, promotion=promotion, notes=notes)


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
