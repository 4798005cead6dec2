"""Which event starts what? Automations of the Prefect server, declared from the table of events."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events import EventTrigger, Posture
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import Automation, AutomationCore

from flows.guard import watched_tag
from schemas.events import EVENTS, Happening
from schemas.problem import known_problems
from schemas.settings import HEARTBEAT, Settings

__all__ = ["acting", "apply", "ending", "turn_tag"]

_SILENCE = timedelta(seconds=3 * HEARTBEAT + 5)
_START = timedelta(minutes=30)  # an image is pulled and a process started in less
_LONGEST = timedelta(hours=12)  # a retrain takes minutes, and on a very large table hours
_ONCE = timedelta(minutes=10)  # several events of one incident start one run
_PAGE = 200
_ENDED = ("Completed", "Failed", "TimedOut", "Cancelled", "Crashed")


def acting(ids: Mapping[str, UUID]) -> list[AutomationCore]:
    """What acts by itself, given the deployments' ids by FLOW/NAME."""
    happenings = EVENTS.values()
    retrains = [_starts_a_retrain(known, ids["retrain/retrain"]) for known in happenings if known.starts == "retrain"]
    turns = [
        _turns_the_crank(known, name, ids[f"lifecycle/{name}"])
        for known in happenings
        if known.starts == "lifecycle"
        for name in known_problems()
    ]
    return [*retrains, *turns, *ending()]


def ending() -> list[AutomationCore]:
    """What ends a run that would otherwise stand for ever: its process is gone, never came, or hangs. Each leads to the event
    of Prefect's own by which people hear of it."""
    return [
        # Killed together with what started it, it says nothing more.
        _ends(
            "a run without a heartbeat has crashed",
            f"The next turn mends what a killed one left behind. {_entry('worker-killed')}",
            after={"heartbeat"},
            expect={"heartbeat", *_ENDED},
            within=_SILENCE,
            state=StateType.CRASHED,
            message=f"no heartbeat for {_SILENCE.total_seconds():.0f} s: its process is gone",
            tags=(Settings().mark, watched_tag()),
        ),
        # Killed before it began, it has no heartbeat that could stop.
        _ends(
            "a run that never began has crashed",
            f"Whoever was to start it is gone; the next turn takes the step. {_entry('worker-killed')}",
            after={"Pending", "Submitting", "InfrastructurePending"},
            # The server may look at two events of one moment the wrong way round, and miss the one that says it runs.
            expect={"Running", "heartbeat", "AwaitingConcurrencySlot", "Cancelling", *_ENDED},
            within=_START,
            state=StateType.CRASHED,
            tags=(Settings().mark, watched_tag()),
            message=f"pending for {_START.total_seconds() / 60:.0f} minutes: whoever was to start it is gone",
        ),
        # A turn that waits for what never comes has a heartbeat all the same, and would keep its problem's turns waiting.
        _ends(
            "a turn that hangs is cancelled",
            f"Its process is ended, and the next turn takes the step anew. {_entry('stuck-run')}",
            after={"Running"},
            expect=set(_ENDED),
            within=_LONGEST,
            state=StateType.CANCELLING,
            message=f"running for {_LONGEST.total_seconds() / 3600:.0f} hours: it hangs",
            tags=(turn_tag(),),
        ),
    ]


async def apply(client: PrefectClient, declared: list[AutomationCore]) -> None:
    """Make the server's automations of this clone those declared: create, update what changed, and delete what is gone."""
    found, mark = await _all(client), Settings().mark
    wanted = {automation.name for automation in declared}
    for there in found:
        if mark in there.tags and there.name not in wanted:
            await client.delete_automation(there.id)
    for automation in declared:
        same = [there for there in found if there.name == automation.name]
        await _upsert(client, automation.model_copy(update={"tags": [mark]}), same)


def _starts_a_retrain(known: Happening, retrain_id: UUID) -> AutomationCore:
    """At once, with what was found as its reason. A turn that found it went to RETRAIN by itself, and its run only trains
    sooner than the schedule would: the row that the event names says so to the flow. An event from elsewhere asks."""
    return AutomationCore(
        name=f"{Settings().mark}: {known.name.replace('-', ' ')} starts a retrain",
        description=f"A {known.event} event of a problem runs the retrain deployment. {_entry(known.name)}",
        trigger=EventTrigger(
            expect={known.event},
            match={"prefect.resource.id": f"{Settings().mark}.problem.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
            within=_ONCE,
        ),
        actions=[
            RunDeployment(
                source="selected",
                deployment_id=retrain_id,
                job_variables=None,
                parameters={
                    "problem": _from_event("event.payload.problem"),
                    "reason": _from_event("event.payload.reason"),
                    "cause": known.cause,
                    "actor": known.cause,
                    "row": _from_event("event.payload.sequence | default(none)"),
                },
            )
        ],
    )


def _turns_the_crank(known: Happening, problem: str, lifecycle_id: UUID) -> AutomationCore:
    """A gateway has stopped a challenger by itself: the next turn, started at once, writes the rollback down."""
    return AutomationCore(
        name=f"{Settings().mark}: a {known.name} of {problem} turns the crank",
        description=f"A {known.event} event of {problem} runs its lifecycle. {_entry(known.name)}",
        trigger=EventTrigger(
            expect={known.event},
            match={"prefect.resource.id": f"{Settings().mark}.problem.{problem}"},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[RunDeployment(source="selected", deployment_id=lifecycle_id, job_variables=None, parameters=None)],
    )


def _ends(
    name: str,
    about: str,
    *,
    after: set[str],
    expect: set[str],
    within: timedelta,
    state: StateType,
    message: str,
    tags: tuple[str, ...] = (),
) -> AutomationCore:
    """Change the state of a run of ours (by one of `tags`) that, `within` that time `after` one state, reached none of those it
    should have."""
    return AutomationCore(
        name=f"{Settings().mark}: {name}",
        description=about,
        trigger=EventTrigger(
            after={f"prefect.flow-run.{one}" for one in after},
            expect={f"prefect.flow-run.{one}" for one in expect},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related={
                "prefect.resource.id": [f"prefect.tag.{tag}" for tag in tags or (Settings().mark,)],
                "prefect.resource.role": "tag",
            },
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=within,
        ),
        actions=[ChangeFlowRunState(name=None, force=False, state=state, message=message)],
    )


def turn_tag() -> str:
    """What turns a crank and ends carries it: a night, a replay or a large request may last for days."""
    return f"{Settings().mark}:turn"


def _entry(name: str) -> str:
    """Where somebody who meets an automation in the UI reads what it is about."""
    return f"{Settings().runbook}#{name}"


def _from_event(field: str) -> dict[str, Any]:
    """A parameter filled from the event with its type kept."""
    return {"__prefect_kind": "json", "value": {"__prefect_kind": "jinja", "template": f"{{{{ {field} | tojson }}}}"}}


async def _all(client: PrefectClient) -> list[Automation]:
    found: list[Automation] = []
    while page := await client.read_automations(limit=_PAGE, offset=len(found)):
        found += page
    return found


async def _upsert(client: PrefectClient, automation: AutomationCore, same: list[Automation]) -> None:
    """Automation.create duplicates by name; update the one that is there, and delete further ones."""
    for extra in same[1:]:
        await client.delete_automation(extra.id)
    if not same:
        await client.create_automation(automation)
        return
    # One that a person paused, to be left in peace for a while, stays paused.
    automation = automation.model_copy(update={"enabled": same[0].enabled})
    if AutomationCore.model_validate(same[0].model_dump()) != automation:
        # Only what changed: with an update the server forgets which runs it was waiting for.
        await client.update_automation(same[0].id, automation)
