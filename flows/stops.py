"""What ends or holds a stage, whatever its own gates say? Old rules, a person, a gateway's breaker, faulty requests, a missing
approval, a pause."""

from dataclasses import replace
from datetime import timedelta

from flows.asking import stopped_by
from flows.turn import Turn
from schemas.rows import Pause
from schemas.stage import NEXT, ROLLOUT, Stage
from schemas.verdict import Outcome, Verdict
from tasks import journal
from tasks.transitions import Decision

__all__ = ["approved", "held", "judged_by_old_rules", "resting", "reverting", "tripped", "unpaused"]


def held(turn: Turn, decision: Decision) -> Decision:
    """No step forward on faulty data: in a rollout a PASS waits while too many requests are in quarantine."""
    verdict, limit = decision.verdict, turn.problem.monitoring.bad_share
    if turn.bad_share <= limit or turn.state.stage not in ROLLOUT or not _forward(turn.state.stage, decision):
        return decision
    broken = ", ".join(list(turn.faults)[:3])
    said = f"data fault, holding: {turn.bad_share:.1%} of requests are in quarantine ({broken}); otherwise {verdict.reason}"
    return Decision(Verdict("contract", Outcome.WAIT, said, verdict.evidence), notes=decision.notes)


def approved(turn: Turn, decision: Decision) -> Decision:
    """A PASS into a stage that the plan wants approved waits until a person has; rollback stays armed meanwhile, since
    every turn asks the stage's own gates again."""
    state, plan = turn.state, turn.problem.rollout
    verdict, target = decision.verdict, NEXT[state.stage].get(str(decision.verdict.outcome))
    if (
        verdict.outcome is not Outcome.PASS
        or decision.revert
        or state.stage not in ROLLOUT
        or target not in plan.approval
    ):
        return decision
    answer = state.approval if state.approval and state.approval.stage == str(target) else None
    if answer is not None and answer.answer == "reject":
        said = f"{answer.who} rejected {target}: {answer.note}"
        return Decision(Verdict("approval", Outcome.FAIL, said, verdict.evidence), notes=decision.notes)
    if answer is not None:
        said = f"{verdict.reason}; {answer.who} approved: {answer.note}"
        return replace(decision, verdict=Verdict(verdict.gate, Outcome.PASS, said, verdict.evidence, verdict.beside))
    if state.awaits is not None and turn.now - state.awaits >= plan.approval_at_most:
        said = f"nobody approved {target} within {plan.approval_at_most / timedelta(days=1):g} days; {verdict.reason}"
        lapsed = {"lapsed": str(target)}  # a person's no is the same verdict, and another event
        return Decision(Verdict("approval", Outcome.FAIL, said, verdict.evidence), notes=decision.notes | lapsed)
    said = f"{target} waits for a person's approval (make approve PROBLEM={turn.name}); {verdict.reason}"
    # What a PASS brings with it, such as a challenger, comes with the turn that finds the approval.
    return Decision(Verdict("approval", Outcome.WAIT, said, verdict.evidence), notes=decision.notes, awaits=True)


def unpaused(turn: Turn, decision: Decision) -> Decision:
    """What a pause lets through: everything but a step forward. A challenger that is shown to be worse still goes, and so
    does a new champion in probation."""
    state, verdict = turn.state, decision.verdict
    pause = state.paused
    if pause is None or not pause.holds(turn.now) or decision.revert or not _forward(state.stage, decision):
        return decision
    said = f"{_held_by(pause)}; otherwise {verdict.outcome}: {verdict.reason}"
    waits = Verdict("pause", Outcome.WAIT, said, verdict.evidence, verdict.beside)
    return Decision(waits, notes=decision.notes, awaits=decision.awaits)


def resting(turn: Turn) -> Decision | None:
    """While a pause lasts no model is trained."""
    pause, stage = turn.state.paused, turn.state.stage
    if pause is None or not pause.holds(turn.now) or stage not in (Stage.COLD, Stage.RETRAIN):
        return None
    return Decision(Verdict("pause", Outcome.WAIT, _held_by(pause)))


def _forward(stage: Stage, decision: Decision) -> bool:
    """Whether a decision makes a challenger, or brings one nearer to serving."""
    outcome = decision.verdict.outcome
    if stage is Stage.HEALTHY:
        return outcome is Outcome.FAIL
    return stage in ROLLOUT and (outcome is Outcome.PASS or decision.share is not None)


def _held_by(pause: Pause) -> str:
    until = f" until {pause.until:%Y-%m-%d %H:%M} UTC" if pause.until else ""
    return f"paused by {pause.who}{until}: {pause.note}"


def reverting(turn: Turn) -> Decision | None:
    """A person's revert ends the rollout under way; in probation that restores the previous champion."""
    request, stage = turn.state.request, turn.state.stage
    if request is None or request.kind != "revert" or stage in (Stage.COLD, Stage.HEALTHY):
        return None
    return stopped_by(request)


def tripped(turn: Turn) -> Decision | None:
    """A gateway's breaker has taken the challenger off the answers: the rollout ends here."""
    state = turn.state
    if state.challenger is None or state.stage not in (Stage.SHADOW, Stage.CANARY, Stage.AB):
        return None
    found = [trip for trip in journal.trips(turn.problem, state.rollout) if trip.model == state.challenger.sha256]
    if not found:
        return None
    said = f"the gateway's breaker tripped at {found[0].at:%Y-%m-%d %H:%M:%S} UTC: {found[0].reason}"
    return Decision(Verdict("breaker", Outcome.FAIL, said))


def judged_by_old_rules(turn: Turn) -> Decision | None:
    """A rollout that began under another contract or framing FAILs: its evidence answers another question."""
    state = turn.state
    if state.stage in (Stage.COLD, Stage.HEALTHY) or state.judged_by == state.rules:
        return None
    reason = f"rules changed: the rollout began under {state.judged_by[:12]}, contract and framing are now {state.rules[:12]}"
    return Decision(Verdict("rules", Outcome.FAIL, reason))
