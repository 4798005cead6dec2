"""What do people ask for? Retrain, revert, approve: a row in the ledger, without the weight of what carries it out."""

import getpass
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

from schemas.errors import PerennialError
from schemas.moments import aware
from schemas.plans import Reason
from schemas.problem import Problem, load_problem
from schemas.recipe import Recipe
from schemas.rows import Approval, Entry, Request, State
from schemas.stage import NEXT, ROLLOUT
from schemas.verdict import Outcome, Verdict
from tasks import ledger, registry
from tasks.transitions import Decision, advance, approved, asked

__all__ = ["approve", "ask", "revert_now", "stopped_by", "user"]


def ask(
    problem: str,
    *,
    kind: Literal["retrain", "revert"],
    note: str,
    actor: str = "",
    reason: Reason = Reason.PERSON,
    window_days: float | None = None,
    recipe: dict[str, Any] | None = None,
    now: datetime | None = None,
) -> State:
    """Queue a request in the ledger, one deep: the latest wins. The next HEALTHY turn acts on it."""
    load_problem(problem)
    state = ledger.state_of(problem)
    if state.champion is None:
        raise PerennialError(
            f"{problem!r} has not begun: nothing serves yet. Let it take its first turn (python -m flows turn {problem}), then ask."
        )
    # In a rollout a revert ends it, whether or not there was a champion before.
    if kind == "revert" and state.previous is None and state.stage not in ROLLOUT:
        raise PerennialError(f"{problem!r} has no previous champion to go back to; {state.champion} serves.")
    if recipe is not None:
        Recipe.model_validate(recipe)
    request = Request(kind, reason, note, actor or user(), window_days, recipe)
    moment = max(aware(now or datetime.now(UTC), "now"), state.at or datetime.min.replace(tzinfo=UTC))
    return ledger.update(problem, lambda state: asked(state, request, now=moment))


def approve(problem: str, *, note: str, actor: str = "", now: datetime | None = None) -> State:
    """Approve the stage that waits for it. Whoever started the retrain cannot; a name that is typed is only claimed."""
    load_problem(problem)
    who = actor or user()
    state = ledger.state_of(problem)
    moment = max(aware(now or datetime.now(UTC), "now"), state.at or datetime.min.replace(tzinfo=UTC))

    def approval(state: State) -> Entry:
        if state.awaits is None:
            raise PerennialError(f"nothing of {problem!r} waits for approval; it is {state.stage}.")
        starter = state.order.actor if state.order else str(state.why)
        if who == starter:
            raise PerennialError(f"{who} started this retrain, and somebody else approves its challenger.")
        target = NEXT[state.stage][Outcome.PASS]
        return approved(state, Approval(str(target), who, note), now=moment)

    return ledger.update(problem, approval)


def revert_now(problem: str, *, note: str, actor: str = "", now: datetime | None = None) -> State:
    """Ask for a revert and do it, here and at once: no schedule, server, worker or data are waited for. Ends a rollout under
    way, or restores the previous champion, whose file has to be there and unaltered."""
    known = load_problem(problem)
    before = ask(problem, kind="revert", note=note, actor=actor, now=now)
    for _ in range(3):
        state = ledger.state_of(problem)
        if state.request is None or state.request.kind != "revert":  # a turn under way was quicker, and did it
            return state
        assert before.at is not None
        moment = max(aware(now or datetime.now(UTC), "now"), state.at or before.at)
        entry = advance(state, _reverted(known, state), now=moment, first_share=0.0, scored=state.scored)
        try:
            after = ledger.append(state, replace(entry, notes={"wall": datetime.now(UTC).isoformat()} | entry.notes))
        except ledger.LostRaceError:
            continue
        registry.project(known, after)
        return after
    raise PerennialError(f"other turns of {problem!r} were quicker three times; the next one reverts.")


def stopped_by(request: Request) -> Decision:
    """A person's revert ends the rollout under way; in probation that restores the previous champion."""
    return Decision(
        Verdict("request", Outcome.FAIL, f"{request.actor} asks to revert: {request.note}"),
        drop_request=True,  # it is done: the next turn must not go back a second time
        notes={"actor": request.actor},
    )


def _reverted(problem: Problem, state: State) -> Decision:
    request = state.request
    assert request is not None
    if state.stage in ROLLOUT:
        return stopped_by(request)
    assert state.previous is not None, "asking checked it"
    registry.check(problem, state.previous)
    said = f"{request.actor} restores {state.previous}: {request.note}"
    return Decision(Verdict("request", Outcome.PASS, said), revert=True, notes={"actor": request.actor})


def user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
