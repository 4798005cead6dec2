"""HEALTHY: is the champion still the right one, and if not, what is the matter and what is done?"""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from flows.drift import Drift, drifted
from flows.faults import requests_fault, skewed
from flows.feedback import feedback
from flows.incident import Memory, acted, holding, judged, remembered, vouched
from flows.quality import Quality, quality
from flows.renewal import labels_came, scheduled, stale
from flows.turn import Turn
from flows.window import cannot_serve, champion_of, closed_window, unless_it_raises
from schemas.errors import told
from schemas.incident import FAULTS, Action, Incident, Kind
from schemas.plans import Reason
from schemas.verdict import Outcome, Verdict, combine
from tasks.transitions import Decision

__all__ = ["watch"]

# Nothing is wrong, and it is time all the same; the first that speaks.
_RENEWAL: dict[Reason, Callable[[Turn], Verdict | None]] = {
    Reason.STALENESS: stale,
    Reason.LABELS: labels_came,
    Reason.SCHEDULE: scheduled,
}
log = logging.getLogger("perennial")


def watch(turn: Turn) -> Decision:
    """HEALTHY: a fault of what came in, a person's revert, what triage makes of window, labels and model, a person's
    request, the first model; the first that speaks."""
    notes, window = dict[str, Any](), closed_window(turn)
    if window:
        notes["window"] = [moment.isoformat() for moment in window]
    memory, fault = remembered(turn), requests_fault(turn, notes)
    if turn.state.request and turn.state.request.kind == "revert":
        return _reverted(turn, notes)
    if fault:
        return holding(turn, memory, Incident(Kind.DATA_FAULT, Action.HOLD, fault.reason, fault.evidence), fault, notes)
    moved, skew = drifted(turn), skewed(turn, notes)
    notes |= (moved.notes if moved else {}) | feedback(turn)
    if skew and skew.outcome is Outcome.FAIL:
        verdict = Verdict(skew.gate, Outcome.WAIT, f"holding: {skew.reason}", skew.evidence)
        incident = Incident(Kind.DATA_FAULT, Action.HOLD, verdict.reason, skew.evidence)
        return holding(turn, memory, incident, verdict, notes)
    measured = quality(turn)
    notes |= measured.notes if measured else {}
    return _triaged(turn, memory, moved, measured, notes)


def _triaged(
    turn: Turn, memory: Memory, moved: Drift | None, measured: Quality | None, notes: dict[str, Any]
) -> Decision:
    decay = measured.verdict if measured else None
    spoken = [*([moved.verdict] if moved else []), *([decay] if decay else [])]
    try:
        found = judged(turn, memory, drift=moved, decay=decay, due=_due(turn))
    except Exception as error:  # what cannot be judged starts nothing; what a person asks for goes on
        log.exception("%s: triage could not judge", turn.name)
        notes = {**notes, "unjudged": f"triage could not judge: {told(error)}"}
        if turn.state.request is not None and not memory.holds:
            return _retrained(turn, notes)
        return Decision(Verdict("triage", Outcome.WAIT, notes["unjudged"]), notes=notes)
    predictions = measured.predictions if measured else None
    if found is None and predictions is not None and predictions.outcome is Outcome.FAIL:
        # Nothing to retrain on: without labels nobody knows which of them are wrong.
        spoken = [Verdict("predictions", Outcome.WAIT, f"look at it: {predictions.reason}", predictions.evidence)]
    return _decided(turn, memory, found, spoken, notes)


def _due(turn: Turn) -> Verdict | None:
    """Why it is time to renew though nothing is wrong: age, new labels, the schedule; the first that says so."""
    for reason, judge in _RENEWAL.items():
        verdict = unless_it_raises(str(reason), partial(judge, turn))
        if verdict is not None and verdict.outcome is Outcome.FAIL:
            return verdict
    return None


def _decided(
    turn: Turn, memory: Memory, incident: Incident | None, spoken: list[Verdict], notes: dict[str, Any]
) -> Decision:
    """Holding goes before what a person asks for, unless they asked knowing of it; the rest comes after."""
    fault = incident is not None and incident.kind in FAULTS
    if incident is not None and fault and not vouched(turn, memory, incident):
        return acted(turn, memory, incident, spoken, notes)
    if memory.holds and "window" not in notes and not _vouched_again(turn, memory):
        return _still_holding(memory, notes)
    if turn.state.request is not None:
        return _retrained(turn, notes)
    if not champion_of(turn).trained:
        return _first_model(turn, notes)
    if incident is not None:
        return acted(turn, memory, incident, spoken, notes)
    resting = _resting(turn)
    if resting:
        return Decision(resting, notes=notes)
    if not spoken:
        return Decision(Verdict("healthy", Outcome.PASS, "no window has closed since the last turn"), notes=notes)
    if spoken[0].gate == "predictions":
        return Decision(spoken[0], notes=notes)
    whole = combine("healthy", spoken)
    return Decision(Verdict("healthy", whole.outcome, "; ".join(v.reason for v in spoken), whole.evidence), notes=notes)


def _vouched_again(turn: Turn, memory: Memory) -> bool:
    assert memory.open is not None
    return vouched(turn, memory, Incident(Kind(memory.open["kind"]), Action.HOLD, memory.open["reason"]))


def _still_holding(memory: Memory, notes: dict[str, Any]) -> Decision:
    """Between two windows a fault goes on: only a closed window can show that it is over."""
    assert memory.open is not None
    said = f"still holding since {memory.open['since'][:10]}, until a window closes without it: {memory.open['reason']}"
    evidence = {"incident": memory.open["kind"], "action": memory.open["action"]}
    return Decision(Verdict("triage", Outcome.WAIT, said, evidence), notes={**notes, "incident": memory.open})


def _retrained(turn: Turn, notes: dict[str, Any]) -> Decision:
    request = turn.state.request
    assert request is not None
    verdict = Verdict("request", Outcome.FAIL, f"{request.actor} asks for a retrain: {request.note}")
    promotion = turn.problem.retraining.promotes_by(request.reason)
    return Decision(verdict, why=request.reason, promotion=promotion, notes={**notes, "actor": request.actor})


def _reverted(turn: Turn, notes: dict[str, Any]) -> Decision:
    request, previous = turn.state.request, turn.state.previous
    assert request is not None
    notes = {**notes, "actor": request.actor}
    cannot = "there is no previous champion" if previous is None else cannot_serve(turn, previous)
    if cannot:
        said = f"{request.actor} asks to restore the previous champion, but {cannot}; {champion_of(turn)} goes on"
        return Decision(Verdict("request", Outcome.WAIT, said), drop_request=True, notes=notes)
    said = f"{request.actor} restores {previous}: {request.note}"
    return Decision(Verdict("request", Outcome.PASS, said), revert=True, notes=notes)


def _first_model(turn: Turn, notes: dict[str, Any]) -> Decision:
    resting = _resting(turn)
    if resting:
        return Decision(resting, notes=notes)
    verdict = Verdict("first model", Outcome.FAIL, "nothing trained serves yet")
    promotion = turn.problem.retraining.promotes_by(Reason.FIRST_MODEL)
    return Decision(verdict, why=Reason.FIRST_MODEL, promotion=promotion, notes=notes)


def _resting(turn: Turn) -> Verdict | None:
    ended, cooldown = turn.state.ended, turn.problem.retraining.cooldown
    if ended is None or turn.now >= ended + cooldown:
        return None
    return Verdict("cooldown", Outcome.PASS, f"resting until {ended + cooldown:%Y-%m-%d} after the last rollout")
