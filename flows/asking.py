"""What do people ask for? Retrain, revert, approve, pause: a row in the ledger, without the weight of what carries it out."""

import getpass
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from flows.telling import tell
from schemas.errors import PerennialError
from schemas.moments import aware
from schemas.plans import Reason
from schemas.problem import Problem, load_problem
from schemas.recipe import Recipe
from schemas.rows import Approval, Entry, Pause, Request, State
from schemas.settings import Settings
from schemas.stage import NEXT, ROLLOUT
from schemas.verdict import Outcome, Verdict
from tasks import ledger, operators, registry
from tasks.transitions import Decision, advance, answered, asked, paused

__all__ = ["approve", "ask", "pause", "person", "resume", "revert_now", "stopped_by", "user"]


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
    moment = _moment(state, now)
    # What the loop finds asks under its own name; only people have tokens.
    who = person(actor)[0] if reason in (Reason.PERSON, Reason.FORCED) else actor or user()
    request = Request(kind, reason, note, who, window_days, recipe)
    return ledger.update(problem, lambda state: asked(state, request, now=moment))


def approve(
    problem: str,
    *,
    note: str,
    actor: str = "",
    answer: Literal["approve", "reject"] = "approve",
    now: datetime | None = None,
) -> State:
    """Approve or reject the stage that waits for it. Whoever started the retrain cannot approve it; they may take it back."""
    load_problem(problem)
    who, claimed = person(actor)
    moment = _moment(ledger.state_of(problem), now)

    def approval(state: State) -> Entry:
        if state.awaits is None:
            raise PerennialError(f"nothing of {problem!r} waits for approval; it is {state.stage}.")
        starter = state.order.actor if state.order else str(state.why)
        if answer == "approve" and _same(who, starter):
            raise PerennialError(f"{who} started this retrain, and somebody else approves its challenger.")
        target = NEXT[state.stage][Outcome.PASS]
        return answered(state, Approval(str(target), who, note, answer, claimed), now=moment)

    return ledger.update(problem, approval)


def pause(
    problem: str, *, note: str, actor: str = "", span: timedelta | None = None, now: datetime | None = None
) -> State:
    """From the next turn on nothing of `problem` goes forward, for `span` or until somebody resumes: no retrain, no promotion,
    no larger share. Requests are answered and watched as before, and what is shown to be worse still goes."""
    load_problem(problem)
    who, claimed = person(actor)
    moment = _moment(ledger.state_of(problem), now)
    made = Pause(who, note, moment, moment + span if span else None, claimed)
    until = f" until {made.until:%Y-%m-%d %H:%M} UTC" if made.until else ""
    verdict = Verdict("pause", Outcome.WAIT, f"{made.who} pauses{until}: {note}")
    return _told(ledger.update(problem, lambda state: paused(state, made, verdict, now=moment)), live=now is None)


def resume(problem: str, *, note: str, actor: str = "", now: datetime | None = None) -> State:
    """End the pause of `problem`; its next turn goes on."""
    load_problem(problem)
    who, claimed = person(actor)
    moment = _moment(ledger.state_of(problem), now)

    def ended(state: State) -> Entry:
        if state.paused is None or not state.paused.holds(moment):
            raise PerennialError(f"{problem!r} is not paused; it is {state.stage}.")
        said = f"{Pause(who, note, moment, claimed=claimed).who} resumes: {note}"
        return paused(state, None, Verdict("pause", Outcome.WAIT, said), now=moment)

    return _told(ledger.update(problem, ended), live=now is None)


def _told(state: State, *, live: bool) -> State:
    if live:
        tell(state)
    return state


def person(actor: str) -> tuple[str, bool]:
    """Who acts, and whether they only say so. A token proves one name, and no other is taken beside it."""
    token = Settings().operator_token
    if token is None:
        return actor.strip() or user(), True
    name = operators.named(token.get_secret_value())
    if name is None:
        raise PerennialError(
            "PERENNIAL_OPERATOR_TOKEN is no operator's. Ask for a new one (python -m flows operator NAME), or unset it to act "
            "under a name that is only claimed."
        )
    if actor.strip() and not _same(actor, name):
        raise PerennialError(f"this token is {name}'s, and {actor!r} is somebody else. Leave the name out.")
    return name, False


def _same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def _moment(state: State, now: datetime | None) -> datetime:
    """Not before the newest row: rows only go forward. A word is taken whatever this shell's clock says, at the time of the
    ledger's database where that has a clock."""
    moment = aware(now, "now") if now else ledger.clock() or datetime.now(UTC)
    return max(moment, state.at or datetime.min.replace(tzinfo=UTC))


def revert_now(problem: str, *, note: str, actor: str = "", now: datetime | None = None) -> State:
    """Ask for a revert and do it, here and at once: no schedule, server, worker or data are waited for. Ends a rollout under
    way, or restores the previous champion, whose file has to be there and unaltered."""
    known = load_problem(problem)
    ask(problem, kind="revert", note=note, actor=actor, now=now)
    for _ in range(3):
        state = ledger.state_of(problem)
        if state.request is None or state.request.kind != "revert":  # a turn under way was quicker, and did it
            return state
        moment = _moment(state, now)
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
