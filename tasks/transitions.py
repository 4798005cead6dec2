"""Given a state and a decision, what is the state after this turn? The only code that moves a model between roles."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from schemas.plans import Promotion, Reason
from schemas.rows import Approval, Entry, Model, Pause, Request, State
from schemas.stage import NEXT, REVERT, Stage
from schemas.verdict import Outcome, Verdict

__all__ = ["Decision", "adopted", "advance", "answered", "asked", "paused", "rules_changed"]


@dataclass(frozen=True)
class Decision:
    """What a stage decided: the verdict, and what it brings with it."""

    verdict: Verdict
    model: Model | None = None  # COLD: what serves first; RETRAIN: the challenger
    snapshot: str | None = None
    share: float | None = None  # CANARY: the next share
    why: Reason | None = None  # HEALTHY: why a retrain is wanted
    promotion: Promotion | None = None
    revert: bool = False
    awaits: bool = False  # a PASS that waits for a person's approval
    drop_request: bool = False  # a request that cannot be done
    order: Request | None = None  # HEALTHY: what RETRAIN shall do, where it is not what somebody asked for
    notes: dict[str, Any] = field(default_factory=dict)


def advance(
    state: State, decision: Decision, *, now: datetime, first_share: float, scored: datetime | None = None
) -> Entry:
    """The ledger row of one turn. `first_share` is the plan's smallest canary share, used on entering CANARY; requests
    are answered up to `scored` (by default up to `now`)."""
    arrow = REVERT if decision.revert else str(decision.verdict.outcome)
    if arrow not in NEXT[state.stage]:
        raise ValueError(f"{state.stage} has no arrow {arrow}")
    target = NEXT[state.stage][arrow]
    after = _moved(state, decision, target, now=now, first_share=first_share)
    if _route(after) != _route(state):
        after = replace(after, epoch=state.epoch + 1)
    if decision.drop_request:
        after = replace(after, request=None)
    pause, notes = state.paused, decision.notes
    if pause is not None and not pause.holds(now):
        after = replace(after, paused=None)
        notes = notes | {"resumed": f"the pause by {pause.who} came to its end, {pause.until:%Y-%m-%d %H:%M} UTC"}
    after = replace(after, sequence=state.sequence + 1, at=now, turned=now, scored=scored or now)
    return Entry(after, "turn", state.stage, arrow, decision.verdict, notes)


def _moved(state: State, decision: Decision, target: Stage, *, now: datetime, first_share: float) -> State:
    outcome = decision.verdict.outcome
    if decision.revert:
        return _reverted(state, now)
    if target is state.stage and outcome is Outcome.WAIT:
        if decision.share is not None:
            return replace(state, share=decision.share, share_since=now)
        return replace(state, awaits=(state.awaits or now) if decision.awaits else None)
    entered = replace(state, stage=target, since=state.since if target is state.stage else now)
    entered = replace(entered, awaits=None, approval=None)
    match state.stage, outcome:
        case Stage.COLD, Outcome.PASS:
            return replace(entered, champion=_needed(decision.model))
        case Stage.HEALTHY, Outcome.FAIL:
            return replace(
                entered,
                why=decision.why,
                promotion=decision.promotion,
                rollout=state.rollout + 1,
                tried=now,
                order=decision.order or state.request,
                request=state.request if decision.order else None,
                judged_by=state.rules,
            )
        case Stage.RETRAIN, Outcome.PASS:
            return replace(entered, challenger=_needed(decision.model), snapshot=decision.snapshot)
        case Stage.SHADOW, Outcome.PASS:
            return replace(entered, share=first_share, share_since=now)
        case Stage.CANARY, Outcome.PASS:
            # A stage that will be skipped serves no larger share than the one that was judged.
            return replace(entered, share=decision.share or 0.5, share_since=now)
        case Stage.AB, Outcome.PASS:
            return _promoted(entered)
        case Stage.PROBATION, Outcome.PASS:
            return replace(entered, why=None, promotion=None, snapshot=None, order=None, ended=now)
        case Stage.PROBATION, Outcome.FAIL:
            # The previous champion is back: a revert that somebody asked for meanwhile is done.
            request = None if state.request and state.request.kind == "revert" else state.request
            return _ended(replace(entered, champion=_needed(state.previous), previous=None, request=request), now)
        case ((Stage.RETRAIN | Stage.SHADOW | Stage.CANARY | Stage.AB), Outcome.FAIL):
            return _ended(entered, now)
        case (Stage.COLD, Outcome.FAIL) | (Stage.HEALTHY, Outcome.PASS):
            return entered
        case _:
            raise AssertionError(f"no rule for {state.stage} on {outcome}")


def _promoted(state: State) -> State:
    return replace(
        state,
        champion=_needed(state.challenger),
        previous=state.champion,
        challenger=None,
        share=0.0,
        share_since=None,
    )


def _ended(state: State, now: datetime) -> State:
    """The rollout is over. A request that came meanwhile still waits."""
    return replace(
        state,
        challenger=None,
        snapshot=None,
        share=0.0,
        share_since=None,
        why=None,
        promotion=None,
        order=None,
        ended=now,
    )


def _reverted(state: State, now: datetime) -> State:
    return replace(
        state,
        champion=_needed(state.previous),
        previous=None,
        since=now,
        ended=now,
        request=None,
        awaits=None,
        approval=None,
    )


def asked(state: State, request: Request, *, now: datetime) -> Entry:
    """A row that queues a request, one deep: the latest wins."""
    verdict = Verdict("request", Outcome.WAIT, f"{request.actor} asks for a {request.kind}: {request.note}")
    # A revert that waits is a person's word on safety: no retrain takes its place.
    waiting = state.request
    stays = waiting is not None and waiting.kind == "revert" and request.kind == "retrain"
    after = replace(state, sequence=state.sequence + 1, at=now, request=waiting if stays else request)
    return Entry(after, "request", state.stage, "WAIT", verdict)


def answered(state: State, approval: Approval, *, now: datetime) -> Entry:
    """A row that says who approved or rejected the stage that comes next."""
    said = f"{approval.who} {approval.answer}s {approval.stage} for {state.challenger}: {approval.note}"
    after = replace(state, sequence=state.sequence + 1, at=now, approval=approval)
    return Entry(after, "approval", state.stage, "WAIT", Verdict("approval", Outcome.WAIT, said))


def paused(state: State, pause: Pause | None, verdict: Verdict, *, now: datetime) -> Entry:
    """A row that says from when on nothing goes forward, or, without a pause, that it does again."""
    after = replace(state, sequence=state.sequence + 1, at=now, paused=pause)
    return Entry(after, "pause", state.stage, "WAIT", verdict)


def rules_changed(state: State, rules: str, *, now: datetime) -> Entry:
    """A row that says the contract or the framing is another one now."""
    verdict = Verdict(
        "rules",
        Outcome.WAIT,
        f"contract and framing are now {rules[:12]}, before {state.rules[:12] or 'none'}",
    )
    after = replace(state, sequence=state.sequence + 1, at=now, rules=rules)
    return Entry(after, "rules", state.stage, "WAIT", verdict)


def adopted(state: State, model: Model, *, actor: str, now: datetime) -> Entry:
    """A row that makes a team's own model version 1. Only from COLD: later a model serves after passing every stage."""
    if state.stage is not Stage.COLD:
        raise ValueError(f"a model is adopted in COLD, and {state.problem!r} is in {state.stage}: ask for a retrain")
    verdict = Verdict("adopt", Outcome.PASS, f"{actor} brings {model}, which serves first")
    after = replace(
        state,
        sequence=state.sequence + 1,
        at=now,
        stage=Stage.HEALTHY,
        since=now,
        turned=now,
        scored=now,
        champion=model,
        epoch=state.epoch + 1,
    )
    return Entry(after, "adopt", state.stage, "PASS", verdict)


def _route(state: State) -> tuple[object, ...]:
    return (state.stage, state.share, state.champion, state.challenger, state.previous)


def _needed(model: Model | None) -> Model:
    if model is None:
        raise AssertionError("this arrow moves a model into a role, and there is none")
    return model
