"""What runs on the Prefect server, and when? One call registers all of it; running it again changes only what changed."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy, StateType
from prefect.deployments.runner import EntrypointType, RunnerDeployment
from prefect.events import EventTrigger, Posture
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore
from prefect.schedules import Cron

from flows.drills import drills
from flows.guard import limit_name
from flows.lifecycle import lifecycle
from flows.operations import retrain
from flows.retention import retention
from schemas.problem import known_problems, load_problem
from tasks import windows

__all__ = ["declared", "deploy", "register"]

_TAG = "perennial"
_SILENCE = timedelta(seconds=95)  # three heartbeats of 30 s, and some


async def declared() -> list[RunnerDeployment]:
    """A `lifecycle` and a `retention` per problem on their schedules; `retrain` for people and events; `drills` for whoever doubts the gates."""
    # A dotted entrypoint: a path would load a second copy of the module, and register a broken one silently.
    dotted: dict[str, Any] = {"entrypoint_type": EntrypointType.MODULE_PATH}
    one = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE)
    deployments = []
    for name in known_problems():
        problem = load_problem(name)
        ready = windows.available(problem)
        about = (
            problem.statement
            if ready
            else f"{problem.statement}\n\nPaused: its table is not there yet. {problem.source.hint}"
        )
        deployments.append(
            await lifecycle.ato_deployment(
                name=name,
                parameters={"problem": name},
                # With a slug, deploying again updates the schedule in place; without one it makes another.
                schedule=Cron(problem.schedule, timezone="UTC", active=ready, slug="turn"),
                concurrency_limit=one,
                description=about,
                tags=[_TAG, name],
                **dotted,
            )
        )
        deployments.append(
            await retention.ato_deployment(
                name=name,
                parameters={"problem": name},
                # On nights from Saturday to Sunday there are the fewest requests to wait behind it.
                schedule=Cron("17 3 * * 0", timezone="UTC", slug="retention"),
                concurrency_limit=one,
                description="Keep features, answers and labels as long as the plan says; what is older goes, or is archived.",
                tags=[_TAG, name],
                **dotted,
            )
        )
    deployments.append(
        await retrain.ato_deployment(
            name="retrain", description="Ask for a retrain by hand; drift events start it too.", tags=[_TAG], **dotted
        )
    )
    deployments.append(
        await drills.ato_deployment(
            name="drills",
            description="Plant faults into a problem's own rows, and require of the real gates the verdicts that must follow.",
            tags=[_TAG],
            **dotted,
        )
    )
    return deployments


def deploy() -> dict[str, UUID]:
    """Apply what is declared, prune what is not, and upsert limits and automations. Returns ids by deployment name."""
    return asyncio.run(register(lambda deployment: deployment.aapply()))


async def register(apply: Callable[[RunnerDeployment], Awaitable[UUID]]) -> dict[str, UUID]:
    """`deploy`, with the way a deployment is applied given: a runner serves those that it applied itself."""
    ids = {}
    for deployment in await declared():
        # Left unsaid, a deployment that a person paused stays paused.
        deployment.model_fields_set.discard("paused")
        ids[f"{deployment.flow_name}/{deployment.name}"] = await apply(deployment)
    async with get_client() as client:
        await _prune(client, set(ids.values()))
        for name in known_problems():
            await client.upsert_global_concurrency_limit_by_name(limit_name(name), 1)
        trips = [_turn_on_trip(name, ids[f"lifecycle/{name}"]) for name in known_problems()]
        for automation in [*_automations(ids["retrain/retrain"]), *trips, _crash_without_heartbeat()]:
            await _upsert(client, automation)
    return ids


async def _prune(client: PrefectClient, keep: set[UUID]) -> None:
    """A deployment whose problem was removed would stay for ever: what carries our tag and is not declared goes."""
    found = await client.read_deployments(deployment_filter=DeploymentFilter(tags=DeploymentFilterTags(all_=[_TAG])))
    for deployment in found:
        if deployment.id not in keep:
            await client.delete_deployment(deployment.id)


def _automations(retrain_id: UUID) -> list[AutomationCore]:
    """Drift and decay start a retrain at once, with what was found as its reason."""
    return [
        AutomationCore(
            name=f"perennial: {cause} starts a retrain",
            description=f"A perennial.{cause} event of a problem runs the retrain deployment.",
            trigger=EventTrigger(
                expect={f"perennial.{cause}"},
                match={"prefect.resource.id": "perennial.problem.*"},
                for_each={"prefect.resource.id"},
                posture=Posture.Reactive,
                threshold=1,
            ),
            actions=[
                RunDeployment(
                    source="selected",
                    deployment_id=retrain_id,
                    job_variables=None,
                    parameters={
                        "problem": _from_event("event.payload.problem"),
                        "reason": _from_event("event.payload.reason"),
                        "cause": cause,
                        "actor": cause,
                    },
                )
            ],
        )
        for cause in ("drift", "decay")
    ]


def _turn_on_trip(problem: str, lifecycle_id: UUID) -> AutomationCore:
    """A gateway has stopped a challenger by itself: the next turn, started at once, writes the rollback down."""
    return AutomationCore(
        name=f"perennial: a trip of {problem} turns the crank",
        description=f"A perennial.trip event of {problem} runs its lifecycle.",
        trigger=EventTrigger(
            expect={"perennial.trip"},
            match={"prefect.resource.id": f"perennial.problem.{problem}"},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[RunDeployment(source="selected", deployment_id=lifecycle_id, job_variables=None, parameters=None)],
    )


def _crash_without_heartbeat() -> AutomationCore:
    """A run whose process was killed says nothing more, and would stay Running for ever."""
    ended = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
    return AutomationCore(
        name="perennial: a run without a heartbeat has crashed",
        description="The next turn mends what a killed one left behind.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat", *ended},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related={"prefect.resource.id": f"prefect.tag.{_TAG}", "prefect.resource.role": "tag"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=_SILENCE,
        ),
        actions=[
            ChangeFlowRunState(
                name=None,
                force=False,
                state=StateType.CRASHED,
                message=f"no heartbeat for {_SILENCE.total_seconds():.0f} s: its process is gone",
            )
        ],
    )


def _from_event(field: str) -> dict[str, Any]:
    """A parameter filled from the event with its type kept."""
    return {"__prefect_kind": "json", "value": {"__prefect_kind": "jinja", "template": f"{{{{ {field} | tojson }}}}"}}


async def _upsert(client: PrefectClient, automation: AutomationCore) -> None:
    """Automation.create duplicates by name; update the one that is there, and delete further ones."""
    same = await client.read_automations_by_name(automation.name)
    for extra in same[1:]:
        await client.delete_automation(extra.id)
    if not same:
        await client.create_automation(automation)
    elif AutomationCore.model_validate(same[0].model_dump()) != automation:
        # Only what changed: with an update the server forgets which runs it was waiting for.
        await client.update_automation(same[0].id, automation)
