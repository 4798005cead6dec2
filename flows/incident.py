"""What is the matter with a champion's world, and what is done about it? One incident, one response."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from flows.drift import Drift
from flows.recipes import incumbent
from flows.signs import learnable, read_signs
from flows.turn import Turn
from flows.window import closed_window
from schemas.incident import FAULTS, Action, Incident, Kind
from schemas.plans import Reason, RetrainingPlan
from schemas.rows import Request
from schemas.stage import REVERT, ROLLOUT, Stage
from schemas.verdict import Outcome, Verdict
from tasks import ledger
from tasks.responses import MONTH, Past, settled
from tasks.transitions import Decision
from tasks.triage import Signs, triage

__all__ = ["Memory", "acted", "holding", "judged", "remembered", "vouched"]

_DAY = timedelta(days=1)
ACTOR = "triage"


@dataclass(frozen=True)
class Memory:
    """What the ledger's rows say of the incident that goes on, and of what was done.

    `open`: its newest note, None where the last closed window was calm; `since`: the beginning of the window that first
    showed it; `told`: when it was first written down; `asked`: when somebody last asked for something.
    """

    past: Past
    open: dict[str, Any] | None = None
    since: datetime | None = None
    told: datetime | None = None
    asked: datetime | None = None
    promoted: datetime | None = None  # when the champion became it, as far back as is remembered: to a window of it
    found: bool = False  # by triage, and not by what every turn looks at

    @property
    def holds(self) -> bool:
        """Whether triage found a fault in the newest window that closed: requests are looked at each turn anyway."""
        return self.open is not None and self.found and self.open["kind"] in {str(kind) for kind in FAULTS}


def remembered(turn: Turn) -> Memory:
    """The memory as the ledger has it: the same whoever reads it, after a restart and in a replay."""
    plan, now = turn.problem.retraining, turn.now
    reach = max(plan.flips, MONTH, 4 * plan.incident, turn.problem.monitoring.decay_window)
    read = ledger.rows(turn.name, after=now - reach, noting=("incident", "window"))
    rows = [row for row in read if row.facts["kind"] in ("turn", "request")]
    requests = [row for row in rows if row.facts["kind"] == "request"]
    turns = [row for row in rows if row.facts["kind"] == "turn"]
    chain = _chain(turns, now, plan)
    answers = [row for row in chain if row.facts["stage"] == Stage.RETRAIN or row.facts["arrow"] == REVERT]
    past = Past(
        answered=_at(answers[-1]) if answers else None,
        response=Action(answers[-1].notes["incident"]["action"]) if answers else None,
        ended=turn.state.ended,
        retrains=sum(_by_itself(row) and _at(row) > now - MONTH for row in turns),
        hurried=any(row.notes["incident"].get("emergency") for row in answers),
        champions=_champions([row for row in turns if _at(row) > now - plan.flips], turn),
    )
    return Memory(
        past,
        open=chain[-1].notes["incident"] if chain else None,
        since=datetime.fromisoformat(chain[0].notes["incident"]["since"]) if chain else None,
        told=_at(chain[0]) if chain else None,
        asked=_at(requests[-1]) if requests else None,
        promoted=_promoted(turns, turn),
        found=bool(chain) and chain[-1].facts["gate"] == "triage",
    )


def _chain(turns: list[ledger.Row], now: datetime, plan: RetrainingPlan) -> list[ledger.Row]:
    """The turns that wrote the incident that goes on, oldest first: back to the last closed window in which all that was
    asked said that nothing is the matter. A window that could not be judged ends none, and the plan's time for one does."""
    chain: list[ledger.Row] = []
    later = now
    for row in reversed(turns):
        said, at = row.notes.get("incident"), _at(row)
        calm = row.notes.get("window") and (row.facts["gate"], row.facts["arrow"]) == ("healthy", Outcome.PASS)
        if later - at > plan.incident or (calm and not said):
            break
        if said and "due" not in said["evidence"]:  # the schedule's word tells of no change
            chain.append(row)
        if said or row.facts["before"] in ROLLOUT:
            later = at
    return chain[::-1]


def _by_itself(row: ledger.Row) -> bool:
    """Whether the loop started a retrain that nobody asked for; the first model is no answer to anything."""
    begun = row.facts["before"] == Stage.HEALTHY and row.facts["stage"] == Stage.RETRAIN
    return begun and row.facts["gate"] != "request" and row.facts["why"] != Reason.FIRST_MODEL


def _champions(turns: list[ledger.Row], turn: Turn) -> tuple[str, ...]:
    """Each champion of the time by its content, as one followed another. One that failed its probation was none yet, nor is one
    that a person reverted before a window of it closed, where its probation ended before the time began."""
    found: list[str] = []
    known = [row.facts["champion"] for row in turns if row.facts["champion"] and row.facts["stage"] != Stage.PROBATION]
    now = [turn.state.champion.sha256] if turn.state.champion else []
    for sha256 in [*(model["sha256"] for model in known), *now]:
        found += [sha256] if found[-1:] != [sha256] else []
    return tuple(found)


def _promoted(turns: list[ledger.Row], turn: Turn) -> datetime | None:
    """The oldest of the newest turns in which the champion of now was it."""
    found, champion = None, turn.state.champion
    for row in reversed(turns):
        serving = row.facts["champion"]
        if champion is None or not serving or serving["sha256"] != champion.sha256:
            break
        found = _at(row)
    return found


def _at(row: ledger.Row) -> datetime:
    return datetime.fromisoformat(row.facts["at"])


def judged(
    turn: Turn, memory: Memory, *, drift: Drift | None, decay: Verdict | None, due: Verdict | None
) -> Incident | None:
    """The incident of this turn with the action that is taken; None where all is as it was."""
    window, plan = closed_window(turn), turn.problem.monitoring
    if window is None:
        signs = Signs(decay=decay, due=due)
    else:
        found = read_signs(turn, window, drift=drift, decay=decay, since=memory.since, promoted=memory.promoted)
        signs = replace(found, due=due)
    incident = triage(signs, plan=plan)
    if incident is None:
        return None
    return settled(incident, memory.past, plan=turn.problem.retraining, now=turn.now)


def vouched(turn: Turn, memory: Memory, incident: Incident) -> bool:
    """Whether a person has asked for a retrain after this suspicion was written down: their word that the rows are right."""
    request = turn.state.request
    if request is None or request.kind != "retrain" or request.reason not in (Reason.PERSON, Reason.FORCED):
        return False
    same = memory.open is not None and memory.open["kind"] == incident.kind
    return same and memory.told is not None and memory.asked is not None and memory.asked >= memory.told


def holding(turn: Turn, memory: Memory, incident: Incident, verdict: Verdict, notes: dict[str, Any]) -> Decision:
    """No step: what came in is a fault, in the words of `verdict`."""
    return Decision(verdict, notes=noted(turn, memory, incident, notes))


def acted(turn: Turn, memory: Memory, incident: Incident, verdicts: list[Verdict], notes: dict[str, Any]) -> Decision:
    """The step that the incident's action is. `verdicts` are the alarms whose evidence the ledger keeps."""
    notes = noted(turn, memory, incident, notes)
    evidence = {key: value for verdict in verdicts for key, value in _named(verdict)}
    evidence |= {"incident": str(incident.kind), "action": str(incident.action)}
    evidence |= {f"triage.{key}": value for key, value in incident.evidence.items() if key not in evidence}
    match incident.action:
        case Action.HOLD | Action.ASK:
            return Decision(Verdict("triage", Outcome.WAIT, incident.reason, evidence), notes=notes)
        case Action.NOTE:
            return Decision(Verdict("triage", Outcome.PASS, incident.reason, evidence), notes=notes)
        case Action.ROLL_BACK:
            return Decision(Verdict("triage", Outcome.PASS, incident.reason, evidence), revert=True, notes=notes)
        case Action.RETRAIN | Action.RECALIBRATE:
            return _challenged(turn, incident, evidence, notes)


def _challenged(turn: Turn, incident: Incident, evidence: dict[str, Any], notes: dict[str, Any]) -> Decision:
    why = _why(incident, evidence)
    return Decision(
        Verdict(str(why), Outcome.FAIL, incident.reason, evidence),
        why=why,
        promotion=turn.problem.retraining.promotes_by(why),
        order=_order(turn, incident, why),
        notes=notes,
    )


def _named(verdict: Verdict) -> list[tuple[str, float | int | str | None]]:
    return [(f"{verdict.gate}.{key}", value) for key, value in verdict.evidence.items()]


def _why(incident: Incident, evidence: dict[str, Any]) -> Reason:
    """Why a challenger is wanted, in the ledger's words."""
    if incident.action is Action.RECALIBRATE:
        return Reason.RECALIBRATION
    match incident.kind:
        case Kind.COVARIATE_SHIFT | Kind.LABEL_SHIFT:
            return Reason.DRIFT
        case Kind.CONCEPT_DRIFT:
            return Reason.DRIFT if "triage.gap" in evidence else Reason.DECAY
        case _:
            due = evidence.get("triage.due")
            return Reason(due) if due else Reason.DECAY


def _order(turn: Turn, incident: Incident, why: Reason) -> Request | None:
    """What RETRAIN shall do otherwise than by the problem's own recipe."""
    if incident.action is Action.RECALIBRATE:
        usual = incumbent(turn.problem, turn.state.champion)
        since = incident.window - turn.problem.framing.maturity if incident.window else usual.window
        recipe = usual.model_copy(update={"start": "recalibrated", "window": since})
        return Request("retrain", why, incident.reason, ACTOR, recipe=recipe.model_dump(mode="json"))
    days = _since_the_change(turn, incident)
    return Request("retrain", why, incident.reason, ACTOR, window_days=days) if days else None


def _since_the_change(turn: Turn, incident: Incident) -> float | None:
    """Days of matured rows since the change; None where there are too few, and all of the recipe's window is taken."""
    problem = turn.problem
    if incident.window is None or not learnable(turn, incident.window):
        return None
    span = incident.window - problem.framing.maturity
    return span / _DAY if problem.recipe.window is None or span < problem.recipe.window else None


def noted(turn: Turn, memory: Memory, incident: Incident, notes: dict[str, Any]) -> dict[str, Any]:
    """The notes with the incident beside them, as people, events and the next turns read it."""
    window = closed_window(turn)
    begun = memory.since if memory.open is not None else None
    since = begun or (turn.now - incident.window if incident.window else None) or (window[0] if window else turn.now)
    said: dict[str, Any] = {
        "kind": str(incident.kind),
        "action": str(incident.action),
        "reason": incident.reason,
        "evidence": dict(incident.evidence),
        "since": since.isoformat(),
    }
    said |= {"columns": list(incident.columns)} if incident.columns else {}
    said |= {"emergency": True} if incident.emergency else {}
    said |= {"spent": incident.spent} if incident.spent else {}
    said |= {"window": [moment.isoformat() for moment in window]} if window else {}
    return {**notes, "incident": said}
