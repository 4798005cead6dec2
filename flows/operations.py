"""What do people start by hand? Retrain, revert, adopt."""

import getpass
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from prefect import flow
from pydantic import BaseModel, Field

from flows.lifecycle import lifecycle
from flows.monitoring import restored
from flows.turn import Turn, conclude, reverting
from schemas.errors import PerennialError
from schemas.plans import Reason
from schemas.problem import known_problems, load_problem
from schemas.recipe import Recipe
from schemas.rows import Approval, Entry, Request, State
from schemas.settings import Settings
from schemas.stage import NEXT, ROLLOUT, Stage
from schemas.verdict import Outcome
from tasks import ledger, registry, scoring, windows
from tasks.transitions import adopted, approved, asked

__all__ = ["ProblemName", "TrainingWindow", "adopt", "approve", "ask", "fetch", "retrain", "revert_now", "turn_once"]


class TrainingWindow(BaseModel):
    """How far back the challenger is trained."""

    days: float | None = Field(
        default=None,
        gt=0,
        le=3650,
        title="Training window (days)",
        description="Empty: as far back as the problem's recipe says.",
    )


# The form in the Prefect UI offers the problems there are.
ProblemName = Annotated[str, Field(title="Problem", json_schema_extra={"enum": list(known_problems())})]


@flow(name="retrain", flow_run_name="retrain {problem}")
def retrain(
    problem: ProblemName,
    reason: str = "a person asked",
    training_window: TrainingWindow = TrainingWindow(),  # noqa: B008  (frozen default that the form shows)
    cause: Literal["person", "drift", "decay", "schedule", "forced replacement"] = "person",
    actor: str = "",
) -> str:
    """Ask for a retrain and turn the crank: HEALTHY turns to RETRAIN, and the next turn trains.

    During a rollout the request waits, one deep; the latest reason wins. `cause` decides which test promotes.
    """
    state = ledger.state_of(problem)
    if cause not in ("person", "forced replacement") and state.stage not in (Stage.HEALTHY, Stage.RETRAIN):
        return str(state.stage)  # what was found is being dealt with: a rollout is under way
    if state.stage is not Stage.RETRAIN or cause in ("person", "forced replacement"):
        ask(problem, kind="retrain", note=reason, actor=actor, window_days=training_window.days, reason=Reason(cause))
        stage = lifecycle(problem)
        if stage != Stage.RETRAIN:
            return stage
    return str(lifecycle(problem))


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
    request = Request(kind, reason, note, actor or _user(), window_days, recipe)
    moment = max(windows.aware(now or datetime.now(UTC), "now"), state.at or datetime.min.replace(tzinfo=UTC))
    return ledger.update(problem, lambda state: asked(state, request, now=moment))


def approve(problem: str, *, note: str, actor: str = "", now: datetime | None = None) -> State:
    """Approve the stage that waits for it. Whoever started the retrain cannot; a name that is typed is only claimed."""
    load_problem(problem)
    who = actor or _user()
    state = ledger.state_of(problem)
    moment = max(windows.aware(now or datetime.now(UTC), "now"), state.at or datetime.min.replace(tzinfo=UTC))

    def approval(state: State) -> Entry:
        if state.awaits is None:
            raise PerennialError(f"nothing of {problem!r} waits for approval; it is {state.stage}.")
        starter = state.order.actor if state.order else str(state.why)
        if who == starter:
            raise PerennialError(f"{who} started this retrain, and somebody else approves its challenger.")
        target = NEXT[state.stage][Outcome.PASS]
        return approved(state, Approval(str(target), who, note), now=moment)

    return ledger.update(problem, approval)


def adopt(problem: str, uri: str, *, actor: str = "", now: datetime | None = None) -> State:
    """Register a model of the team as version 1, in place of the heuristic."""
    known = load_problem(problem)
    if ledger.state_of(problem).champion is not None:
        raise PerennialError(
            f"{problem!r} has begun already; a model is adopted before its first turn. Ask for a retrain instead."
        )
    model = registry.adopt(known, uri)
    # A table that ends in the past is adopted at its end, so that a replay of it may follow.
    moment = windows.aware(now, "now") if now else min(datetime.now(UTC), windows.bounds(known)[1])
    rows = windows.read_window(known, moment - known.monitoring.reference, moment, as_of=moment)
    features = list(getattr(model, "feature_names_in_", known.recipe.features))
    missing = sorted(set(features) - set(known.contract.columns))
    if missing:
        raise PerennialError(f"the model wants columns that the contract of {problem!r} lacks: {', '.join(missing)}.")
    asked_of = windows.read_requests(known, moment - known.monitoring.reference, moment).tail(200)
    raised = [error for error in scoring.outputs(model, asked_of, known.framing).errors if error is not None]
    if asked_of.empty or raised:
        what = (
            f"raises {raised[0]} on {len(raised)} of {len(asked_of)} requests"
            if raised
            else "could be tried on no request"
        )
        raise PerennialError(
            f"the model {what} of the {known.monitoring.reference.days} days before {moment:%Y-%m-%d}; it is not adopted."
        )
    with registry.training_run(known, key=f"{problem}/adopt") as run:
        registered = registry.register(known, model, name="adopted", example=rows[features].head(30), run_id=run)
    # Nobody told us what it was trained on, so every row up to now counts as seen.
    registered = replace(registered, trained_until=moment)
    state = ledger.update(problem, lambda state: adopted(state, registered, actor=actor or _user(), now=moment))
    registry.project(known, state)
    return state


def revert_now(problem: str, *, note: str, actor: str = "", now: datetime | None = None) -> State:
    """Ask for a revert and take the turn that does it, here and at once: no schedule, no server and no worker is waited
    for. Ends a rollout under way, or restores the previous champion."""
    asked_for = ask(problem, kind="revert", note=note, actor=actor, now=now)
    assert asked_for.at is not None
    moment = max(windows.aware(now or datetime.now(UTC), "now"), asked_for.at)
    for _ in range(3):
        try:
            # No request is answered and no window is read on the way: it has to work while the data are away.
            state = ledger.state_of(problem)
            turn = Turn(problem, state, moment, scored=state.scored)
            entry = conclude(turn, reverting(turn) or restored(turn))
            break
        except ledger.LostRaceError:  # a turn under way was quicker: what was asked for still waits
            moment = max(moment, ledger.state_of(problem).at or moment)
    else:
        raise PerennialError(f"other turns of {problem!r} were quicker three times; the next one reverts.")
    if entry.state.epoch == asked_for.epoch:
        raise PerennialError(f"nothing was reverted: {entry.verdict.reason}.")
    return entry.state


def turn_once(problem: str) -> str:
    """One turn now, and the stage it leads to; on the Prefect server of PREFECT_API_URL."""
    return str(lifecycle(load_problem(problem).name))


def fetch(problem: str) -> str:
    """Get a problem's public table (or simulate it) and write it where the problem reads it."""
    known = load_problem(problem)
    if known.source.simulate is not None:
        frame = known.source.simulate(Settings().seed)
    elif known.source.fetch is not None:
        try:
            frame = known.source.fetch()
        except OSError as error:
            raise PerennialError(
                f"the table of {problem!r} could not be fetched ({type(error).__name__}). {known.source.hint}"
            ) from None
    else:
        raise PerennialError(f"{problem!r} has no public table to fetch. {known.source.hint}")
    return str(windows.materialise(known, frame))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
