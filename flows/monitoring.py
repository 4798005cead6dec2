"""HEALTHY: is the champion still the right one, and if not, what is the reason?"""

from collections.abc import Callable
from functools import partial
from typing import Any

from flows.drift import drifted
from flows.faults import requests_fault, skewed
from flows.quality import quality
from flows.renewal import labels_came, scheduled, stale
from flows.turn import Turn
from flows.window import champion_of, unless_it_raises, valid_rows
from schemas.errors import PerennialError
from schemas.plans import Reason
from schemas.rows import Model
from schemas.verdict import Outcome, Verdict, combine
from tasks import registry, scoring, windows
from tasks.transitions import Decision

__all__ = ["watch"]

# Nothing is wrong, and it is time all the same; the first that speaks.
_RENEWAL: dict[Reason, Callable[[Turn], Verdict | None]] = {
    Reason.STALENESS: stale,
    Reason.LABELS: labels_came,
    Reason.SCHEDULE: scheduled,
}


def watch(turn: Turn) -> Decision:
    """HEALTHY: a data fault, a person's request, the first model, drift, decay, its age, new labels, the schedule; the first that speaks."""
    noted: dict[str, Any] = {}
    fault = requests_fault(turn, noted)
    found = None if fault else drifted(turn)
    drift, notes = (found.verdict, found.notes | noted) if found else (None, noted)
    asked = _request(turn, notes)
    if asked and (asked.revert or not fault):
        return asked
    if fault:
        return Decision(fault)
    skew = skewed(turn, notes)
    if skew and skew.outcome is Outcome.FAIL:
        return Decision(Verdict(skew.gate, Outcome.WAIT, f"holding: {skew.reason}", skew.evidence), notes=notes)
    measured = quality(turn)
    decay = measured.verdict if measured else None
    notes |= measured.notes if measured else {}
    resting = _resting(turn)
    if resting:
        return Decision(resting, notes=notes)
    if not champion_of(turn).trained:
        return _wanted(
            Reason.FIRST_MODEL, turn, Verdict("first model", Outcome.FAIL, "nothing trained serves yet"), notes
        )
    reasons: dict[Reason, Verdict | None] = {Reason.DRIFT: drift, Reason.DECAY: decay}
    reasons |= {reason: unless_it_raises(str(reason), partial(judge, turn)) for reason, judge in _RENEWAL.items()}
    for reason, verdict in reasons.items():
        if verdict and verdict.outcome is Outcome.FAIL:
            both = [v for v in (drift, decay) if v and v.outcome is Outcome.FAIL] or [verdict]
            return _wanted(reason, turn, combine(str(reason), both), notes)
    spoken = [v for v in (drift, decay) if v]
    moved = measured.predictions if measured else None
    if (
        moved and moved.outcome is Outcome.FAIL
    ):  # nothing to retrain on: without labels nobody knows which of them are wrong
        return Decision(
            Verdict("predictions", Outcome.WAIT, f"look at it: {moved.reason}", moved.evidence), notes=notes
        )
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
