"""Which events does one row of the ledger call for?"""

from pathlib import Path
from typing import Any

from schemas.events import EVENTS, Event
from schemas.plans import Reason
from schemas.rows import Entry, plain
from schemas.stage import REVERT, Stage
from schemas.verdict import Outcome

__all__ = ["events_of"]

# An arrow taken, and its name. Arrows that are missing are told by the verdict alone.
_MOVED: dict[tuple[Stage, str], str] = {
    (Stage.COLD, Outcome.PASS): "first-champion",
    (Stage.COLD, Outcome.FAIL): "nothing-serves",
    (Stage.COLD, Outcome.WAIT): "nothing-serves",
    (Stage.HEALTHY, REVERT): "rollback",
    (Stage.RETRAIN, Outcome.PASS): "challenger",
    (Stage.RETRAIN, Outcome.FAIL): "rejected",
    (Stage.SHADOW, Outcome.FAIL): "rejected",
    (Stage.CANARY, Outcome.FAIL): "rollback",
    (Stage.AB, Outcome.FAIL): "rollback",
    (Stage.AB, Outcome.PASS): "promotion",
    (Stage.PROBATION, Outcome.PASS): "confirmed",
    (Stage.PROBATION, Outcome.FAIL): "rollback",
}
# Why a challenger is wanted, where that is an event of its own; every other reason is a "retrain".
_WANTED = {
    Reason.DRIFT: "drift",
    Reason.DECAY: "decay",
    Reason.STALENESS: "staleness",
    Reason.RECALIBRATION: "recalibration",
}
# A gate that did not pass, and is no step of a rollout.
_HELD = {
    "contract": "fault",
    "data": "fault",
    "labels": "label-pipeline",
    "skew": "skew",
    "approval": "approval-waiting",
}
# What triage calls an incident that calls for no challenger. Of time alone there is nothing to tell.
_INCIDENT = {
    "data fault": "fault",
    "change of meaning": "meaning-change",
    "label-pipeline fault": "label-pipeline",
    "model bug": "model-bug",
    "label shift": "label-shift",
    "concept drift": "concept-drift",
    "covariate shift": "covariate-shift",
    "seasonal": "seasonal",
}
# Triage asks a person, because an allowance is used up, or else it is a "person-wanted".
_ASK = "ask a person"
_SPENT = ("budget", "oscillation")
_UNJUDGED = ("could not be judged", "could not judge")


def events_of(entry: Entry) -> list[Event]:
    """The verdict, then what moved, held or was found, and what was noted beside; each name at most once.

    One incident is one event: where a challenger is wanted for it, or the loop holds, its payload says what triage calls it.
    """
    names = dict.fromkeys(_of_a_turn(entry) if entry.kind == "turn" else _of_a_word(entry))
    about, payload = f"{entry.state.sequence}/{entry.state.hash}", _payload(entry)
    reasons = _reasons(entry)
    return [
        Event(EVENTS[name], entry.state.problem, about, {**payload, "reason": reasons.get(name, payload["reason"])})
        for name in names
    ]


def _of_a_turn(entry: Entry) -> list[str]:
    told = _held(entry) or _moved(entry)
    if entry.before is Stage.HEALTHY and (not told or entry.arrow == REVERT):
        told = [*told, *_found(entry)]
    return ["verdict", *told, *_beside(entry)]


def _of_a_word(entry: Entry) -> list[str]:
    """A person's, and no turn: a pause would stop a loop in silence. What is asked or answered is told by the turn it leads to."""
    return [("pause" if entry.state.paused else "resume")] if entry.kind == "pause" else []


def _held(entry: Entry) -> list[str]:
    verdict = entry.verdict
    name = _HELD.get(verdict.gate)
    if name is None or verdict.outcome is Outcome.PASS:
        return []
    # Rejected, or not answered in time: the stage FAILs as others do.
    return [name] if name != "approval-waiting" or verdict.outcome is Outcome.WAIT else []


def _moved(entry: Entry) -> list[str]:
    if entry.before is Stage.HEALTHY and entry.arrow == Outcome.FAIL:
        # A retrain that was asked for has its run already: an event that starts one would start another, and that one another.
        asked, why = entry.verdict.gate == "request", entry.state.why
        return ["retrain" if asked or why is None else _WANTED.get(why, "retrain")]
    name = _MOVED.get((entry.before, entry.arrow))
    return [name] if name else []


def _found(entry: Entry) -> list[str]:
    incident = _incident(entry)
    if str(incident.get("action", "")) == _ASK:
        spent = str(incident.get("spent", ""))
        return [spent if spent in _SPENT else "person-wanted"]
    name = _INCIDENT.get(str(incident.get("kind", "")))
    return [name] if name else []


def _beside(entry: Entry) -> list[str]:
    verdict = entry.verdict
    unjudged = verdict.outcome is not Outcome.PASS and any(words in verdict.reason for words in _UNJUDGED)
    lapsed = ["approval-lapsed"] if entry.notes.get("lapsed") else []
    return [*lapsed, *_reasons(entry), *(["unjudged"] if unjudged else [])]


def _reasons(entry: Entry) -> dict[str, str]:
    """What was noted beside the verdict, by its event: the verdict speaks of something else."""
    notes = entry.notes
    said = {"unanswered": f"{notes['unanswered']:,} requests got no answer"} if notes.get("unanswered") else {}
    said |= {"resume": notes["resumed"]} if notes.get("resumed") else {}
    return said | ({"foreign-edit": "; ".join(notes["foreign"])} if notes.get("foreign") else {})


def _payload(entry: Entry) -> dict[str, Any]:
    state, notes, incident = entry.state, entry.notes, _incident(entry)
    return {
        "stage": str(state.stage),
        "before": str(entry.before),
        "verdict": str(entry.verdict.outcome),
        "gate": entry.verdict.gate,
        "reason": entry.verdict.reason,
        "evidence": plain({**(incident.get("evidence") or {}), **entry.verdict.statistics()}),
        "incident": str(incident.get("kind", "")),
        "action": str(incident.get("action", "")),
        "worth": str(notes.get("worth", "")),  # what the offline gate promised of a rollout that ended, and what came
        "report": _link(notes.get("report", "")),
        "mlflow": notes.get("report_run") or notes.get("link") or "",
        "sequence": state.sequence,
    }


def _incident(entry: Entry) -> dict[str, Any]:
    return entry.notes.get("incident") or {}


def _link(report: str) -> str:
    """A file as a link that can be opened where it lies."""
    path = Path(report)
    return path.as_uri() if report and path.is_absolute() else report
