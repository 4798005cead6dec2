"""What do people start by hand? Retrain, approve, roll back, pause, adopt; each a form in the Prefect UI."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from prefect import flow
from prefect.runtime import flow_run
from pydantic import BaseModel, Field

from flows.asking import approve, ask, pause, resume, revert_now, user
from flows.guard import of_this_clone, watched
from flows.lifecycle import lifecycle
from flows.telling import tell
from schemas.errors import PerennialError
from schemas.plans import Reason
from schemas.problem import known_problems, load_problem
from schemas.rows import State
from schemas.settings import Settings
from schemas.stage import Stage
from tasks import ledger, registry, runs, scoring, windows
from tasks.transitions import adopted

__all__ = [
    "ProblemName",
    "TrainingWindow",
    "adopt",
    "approve",
    "approve_stage",
    "ask",
    "fetch",
    "pause",
    "pause_loop",
    "resume",
    "retrain",
    "revert_now",
    "roll_back",
    "turn_once",
]


class TrainingWindow(BaseModel):
    """How far back the challenger is trained."""

    days: float | None = Field(
        default=None,
        gt=0,
        le=3650,
        title="Training window (days)",
        description="Empty: as far back as the problem's recipe says.",
    )


# The form in the Prefect UI offers the problems there are. What a field is for it reads in the flow's docstring, under Args.
ProblemName = Annotated[str, Field(json_schema_extra={"enum": list(known_problems())})]
Said = Annotated[str, Field(min_length=1, pattern=r"\S")]  # something, and not only spaces


@flow(name="retrain", flow_run_name="retrain {problem}")
def retrain(
    problem: ProblemName,
    reason: str = "a person asked",
    training_window: TrainingWindow = TrainingWindow(),  # noqa: B008  (frozen default that the form shows)
    cause: Literal[
        "person", "drift", "decay", "schedule", "forced replacement", "staleness", "recalibration"
    ] = "person",
    actor: str = "",
    row: int | None = None,
) -> str:
    """Ask for a retrain and turn the crank: HEALTHY turns to RETRAIN, and the next turn trains.

    During a rollout the request waits, one deep; the latest reason wins. `cause` decides which test promotes.

    Args:
        problem: Whose champion is to have a challenger.
        reason: Why; it stands in the ledger for good.
        training_window: How far back the challenger is trained.
        cause: A person's challenger has to be better than the champion; a forced replacement has to be no worse.
        actor: Your name, which a form cannot check. Whoever starts a retrain cannot approve its challenger.
        row: Filled by events, with the ledger's row that found it; empty for people.
    """
    of_this_clone()
    if cause in ("person", "forced replacement"):
        actor = _whoever_filled_the_form(actor, wanted=bool(load_problem(problem).rollout.approval))
    state = ledger.state_of(problem)
    if cause not in ("person", "forced replacement") and state.stage not in (Stage.HEALTHY, Stage.RETRAIN):
        return str(state.stage)  # what was found is being dealt with: a rollout is under way
    # The turn that wrote the row went to RETRAIN by itself, and needs the crank only. In HEALTHY again it has been dealt
    # with, and to ask anew would be a second retrain for one incident.
    if row is not None and state.stage is not Stage.RETRAIN:
        return str(state.stage)
    if state.stage is not Stage.RETRAIN or cause in ("person", "forced replacement"):
        ask(problem, kind="retrain", note=reason, actor=actor, window_days=training_window.days, reason=Reason(cause))
        stage = turn_once(problem)
        if stage != Stage.RETRAIN:
            return stage
    return turn_once(problem)


@flow(name="approve", flow_run_name="{decision} {problem}")
def approve_stage(problem: ProblemName, decision: Literal["approve", "reject"], name: Said, note: Said) -> str:
    """Answer for the stage that waits for a person, and turn the crank: an approved challenger goes on where its gates pass
    it still, a rejected one goes. Refused where nothing waits.

    Args:
        problem: Whose challenger waits.
        decision: Whoever started the retrain can reject its challenger, and not approve it.
        name: Yours. A form cannot check it, and the ledger calls it a claimed name; an operator's token in a shell proves one.
        note: Why; it stands in the ledger for good.
    """
    of_this_clone()
    approve(problem, note=note, actor=name, answer=decision)
    return turn_once(problem)


@flow(name="roll-back", flow_run_name="roll back {problem}")
def roll_back(problem: ProblemName, name: Said, reason: Said) -> str:
    """End the rollout under way, or restore the previous champion; at once, without a turn. Refused where there is nothing to
    go back to.

    Args:
        problem: Whose challenger, or new champion, goes.
        name: Yours; a form cannot check it, and the ledger says so.
        reason: Why; it stands in the ledger for good.
    """
    of_this_clone()
    state = revert_now(problem, note=reason, actor=name)
    tell(state)
    return f"{state.champion} serves; {state.stage}"


@flow(name="pause", flow_run_name="{action} {problem}")
def pause_loop(
    problem: ProblemName,
    action: Literal["pause", "resume"],
    name: Said,
    reason: Said,
    days: Annotated[float | None, Field(gt=0, le=365)] = None,
) -> str:
    """Let nothing go forward: no retrain, no promotion, no larger share. Requests are answered and watched as before, and a
    challenger or new champion that is shown to be worse still goes.

    Args:
        problem: Which loop.
        action: Resuming ends a pause before its time.
        name: Yours; a form cannot check it, and the ledger says so.
        reason: Why; it stands in the ledger for good.
        days: How long the pause lasts, in days; empty is until somebody resumes.
    """
    of_this_clone()
    if action == "pause":
        state = pause(problem, note=reason, actor=name, span=timedelta(days=days) if days else None)
    else:
        state = resume(problem, note=reason, actor=name)
    return str(state.stage)


def _whoever_filled_the_form(name: str, *, wanted: bool) -> str:
    """On a server an empty name is not the worker's user: nobody knows who filled the form."""
    if name.strip() or not flow_run.deployment_id:
        return name.strip()
    if wanted:
        raise PerennialError(
            "the field `actor` is empty, and the plan wants this challenger approved by somebody else than who starts it: "
            "give your name and start again."
        )
    return "somebody"


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
    with runs.training_run(known, key=f"{problem}/adopt") as run:
        registered = registry.register(known, model, name="adopted", example=rows[features].head(30), run_id=run)
    # Nobody told us what it was trained on, so every row up to now counts as seen.
    registered = replace(registered, trained_until=moment)
    state = ledger.update(problem, lambda state: adopted(state, registered, actor=actor or user(), now=moment))
    registry.project(known, state)
    return state


def turn_once(problem: str) -> str:
    """One turn now, and the stage it leads to; on the Prefect server of PREFECT_API_URL."""
    with watched():
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
