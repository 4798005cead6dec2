"""What runs on the Prefect server, and when? One call registers all of it; running it again changes only what changed."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.client.schemas.responses import DeploymentResponse, GlobalConcurrencyLimitResponse
from prefect.deployments.runner import EntrypointType, RunnerDeployment
from prefect.exceptions import ObjectAlreadyExists
from prefect.schedules import Cron

from deployments import servers
from deployments.automations import acting, apply, turn_tag
from deployments.notifications import channels, forget, telling
from flows.drills import drills
from flows.guard import LEDGER, limit_name
from flows.improvement import improve
from flows.lifecycle import lifecycle
from flows.operations import approve_stage, pause_loop, retrain, roll_back
from flows.replaying import replay_history
from flows.retention import retention
from flows.scoring import score
from schemas.errors import PerennialError
from schemas.problem import Problem, known_problems, load_problem
from schemas.settings import Settings
from tasks import ledger, windows

__all__ = ["declared", "deploy", "register", "undeploy"]


_PAGE = 200
_ONE = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE)
# A dotted entrypoint: a path would load a second copy of the module, and register a broken one silently.
_DOTTED: dict[str, Any] = {"entrypoint_type": EntrypointType.MODULE_PATH}


# Forms that ask for the problem, each a flow of one deployment.
_FORMS: tuple[tuple[Flow[Any, Any], str], ...] = (
    (retrain, "Ask for a retrain by hand; drift events start it too."),
    (approve_stage, "Answer for the stage that waits for a person: the plan's `approval` names such stages."),
    (roll_back, "End the rollout under way, or restore the previous champion, at once."),
    (pause_loop, "Let nothing of a problem go forward for a while, or go on; what is shown to be worse still goes."),
    (score, "Score a file or a window of rows as one request: each row once, under the route that answers requests."),
    (replay_history, "Turn the crank through a table's past, in a home of its own beside the live loop."),
    (drills, "Plant faults into a problem's own rows, and require of the real gates the verdicts that must follow."),
)


async def declared() -> list[RunnerDeployment]:
    """A `lifecycle` and a `retention` per problem on their schedules, and an `improve` whose nights people switch on; and a form
    a thing that people, or events, start."""
    problems = [load_problem(name) for name in known_problems()]
    return [
        *[await make(problem) for problem in problems for make in (_lifecycle, _retention, _improve)],
        *[
            await of.ato_deployment(
                name=Settings().named(of.name), description=about, tags=_tags(*_turning(of)), **_placed(), **_DOTTED
            )
            for of, about in _FORMS
        ],
    ]


def _turning(form: Flow[Any, Any]) -> list[str]:
    return [turn_tag()] if form in (retrain, approve_stage, roll_back, pause_loop) else []


def _tags(*more: str) -> list[str]:
    """Every run carries its deployment's: whose it is, and over which ledger."""
    return [Settings().mark, f"{LEDGER}{ledger.identity()}", *more]


def _placed() -> dict[str, Any]:
    """In which work pool runs are started, where the settings name one."""
    settings = Settings()
    if settings.work_pool is None:
        return {}
    said = {name: os.environ.get(name, value) for name, value in servers.of_a_run().items()}
    image = {"image": settings.work_image} if settings.work_image else {}
    return {"work_pool_name": settings.work_pool, "job_variables": {"env": said, **image}}


async def _lifecycle(problem: Problem) -> RunnerDeployment:
    ready = windows.available(problem)
    paused = f"\n\nPaused: its table is not there yet. {problem.source.hint}"
    return await lifecycle.ato_deployment(
        name=Settings().named(problem.name),
        parameters={"problem": problem.name},
        # With a slug, deploying again updates the schedule in place; without one it makes another.
        schedule=Cron(problem.schedule, timezone="UTC", active=ready, slug="turn"),
        concurrency_limit=_ONE,
        description=problem.statement if ready else problem.statement + paused,
        tags=_tags(turn_tag(), problem.name),
        **_placed(),
        **_DOTTED,
    )


async def _improve(problem: Problem) -> RunnerDeployment:
    return await improve.ato_deployment(
        name=Settings().named(problem.name),
        parameters={"problem": problem.name},
        schedule=Cron("0 1 * * *", timezone="UTC", active=False, slug="night"),
        concurrency_limit=_ONE,
        description="Diagnose, choose one change, run it, learn from it, within a budget; the winner goes to the gates. Its "
        "schedule is off until somebody switches it on.",
        tags=_tags(problem.name),
        **_placed(),
        **_DOTTED,
    )


async def _retention(problem: Problem) -> RunnerDeployment:
    return await retention.ato_deployment(
        name=Settings().named(problem.name),
        parameters={"problem": problem.name},
        # On nights from Saturday to Sunday there are the fewest requests to wait behind it.
        schedule=Cron("17 3 * * 0", timezone="UTC", slug="retention"),
        concurrency_limit=_ONE,
        description="Keep features, answers and labels as long as the plan says; what is older goes, or is archived.",
        tags=_tags(problem.name),
        **_placed(),
        **_DOTTED,
    )


def deploy() -> dict[str, UUID]:
    """Apply what is declared, prune what is not, and upsert limits and automations. Returns ids by deployment name."""
    return asyncio.run(register(lambda deployment: deployment.aapply()))


async def register(add: Callable[[RunnerDeployment], Awaitable[UUID]]) -> dict[str, UUID]:
    """`deploy`, with the way a deployment is applied given: a runner serves those that it applied itself."""
    async with get_client() as client:
        ways = await channels(client)  # first: what is set wrongly is refused before anything has changed
        await _alone(client)
        await _pool(client)
        await _moved(client)
        ids = {}
        for deployment in await declared():
            # Left unsaid, a deployment that a person paused stays paused.
            deployment.model_fields_set.discard("paused")
            name = (deployment.name or "").removeprefix(Settings().named(""))
            ids[f"{deployment.flow_name}/{name}"] = await add(deployment)
        await _prune(client, set(ids.values()))
        for name in known_problems():
            await client.upsert_global_concurrency_limit_by_name(limit_name(name), 1)
        await _unlimit(client, keep={limit_name(name) for name in known_problems()})
        await apply(client, [*acting(ids), *(automation for way in ways for automation in telling(way))])
        await forget(client)
    return ids


def undeploy(of: str | None = None) -> int:
    """Remove from the server what this clone has deployed there, and how many deployments that were. `of` names the ledger
    that it was deployed over, where that is another than ours: what it left there belongs to nobody else."""
    return asyncio.run(_undeployed(of or ledger.identity()))


async def _undeployed(identity: str) -> int:
    async with get_client() as client:
        there = await _ours(client)
        strange = {said for one in there if (said := _ledger_of(one)) not in ("", identity)}
        if strange:
            raise PerennialError(
                f"what {Settings().mark} has on this Prefect server was deployed over the ledger {', '.join(sorted(strange))}, and "
                f"not over {identity}. If nobody turns that one any longer, say --of {min(strange)}; if somebody does, it is "
                "another clone's: set PERENNIAL_CLONE."
            )
        await apply(client, [])
        for deployment in there:
            await client.delete_deployment(deployment.id)
        await _unlimit(client, keep=set())
    return len(there)


async def _alone(client: PrefectClient) -> None:
    """Refuse, before anything has changed, to overwrite another clone's deployments, and to share its pool: a worker takes all
    that its pool is given, with its own code and over its own ledger."""
    mine, settings, api = ledger.identity(), Settings(), client.api_url
    others = [one for one in await _all(client) if _ledger_of(one) not in ("", mine)]
    same = [one for one in others if settings.mark in one.tags]
    if same:
        raise PerennialError(
            f"another clone has deployed {len(same)} of this name to the Prefect server at {api}, over the ledger "
            f"{_ledger_of(same[0])}; ours is {mine}. Nothing was changed. Give this clone a name of its own (PERENNIAL_CLONE=...); "
            "if both are meant to be one, let PERENNIAL_HOME, PERENNIAL_DATABASE and PERENNIAL_LEDGER_URL name one ledger; if the "
            f"other is gone for good, remove what it left: make undeploy ARGS='--of {_ledger_of(same[0])}'."
        )
    pool = [one for one in others if one.work_pool_name is not None and one.work_pool_name == settings.work_pool]
    if pool:
        raise PerennialError(
            f"the work pool {settings.work_pool!r} has runs of another clone, over the ledger {_ledger_of(pool[0])}: its workers "
            "would take ours. Nothing was changed. Name a pool of this clone's own in PERENNIAL_WORK_POOL."
        )


def _ledger_of(deployment: DeploymentResponse) -> str:
    """The ledger that it was deployed over; empty of what is none of ours, and of what was deployed before this was said."""
    return next((tag.removeprefix(LEDGER) for tag in deployment.tags if tag.startswith(LEDGER)), "")


async def _unlimit(client: PrefectClient, *, keep: set[str]) -> None:
    """The limits of problems that are gone. One whose slot is taken has a turn to wait for: the next deploy removes it."""
    found = list[GlobalConcurrencyLimitResponse]()
    while page := await client.read_global_concurrency_limits(limit=_PAGE, offset=len(found)):
        found += page
    for limit in found:
        if limit.name.startswith(limit_name("")) and limit.name not in keep and not limit.active_slots:
            await client.delete_global_concurrency_limit_by_name(limit.name)


async def _pool(client: PrefectClient) -> None:
    """The work pool that is named, made where it is not there."""
    settings = Settings()
    if settings.work_pool is None:
        return
    if settings.work_pool_type != "process" and not settings.work_image:
        raise PerennialError(
            f"PERENNIAL_WORK_POOL_TYPE is {settings.work_pool_type}, and such a pool runs an image: set PERENNIAL_WORK_IMAGE to one "
            "that deployments/Dockerfile built."
        )
    try:
        await client.create_work_pool(WorkPoolCreate(name=settings.work_pool, type=settings.work_pool_type))
    except ObjectAlreadyExists:
        pool = await client.read_work_pool(settings.work_pool)
        if pool.type != settings.work_pool_type:
            raise PerennialError(
                f"the work pool {settings.work_pool!r} is of type {pool.type}, and PERENNIAL_WORK_POOL_TYPE says "
                f"{settings.work_pool_type}. Set it to {pool.type}, or name another pool."
            ) from None


async def _moved(client: PrefectClient) -> None:
    """The server leaves a deployment in its pool when none is said: one that stands in another than wanted is made anew."""
    for deployment in await _ours(client):
        if deployment.work_pool_name != Settings().work_pool:
            await client.delete_deployment(deployment.id)


async def _prune(client: PrefectClient, keep: set[UUID]) -> None:
    """A deployment whose problem was removed would stay for ever: what carries our tag and is not declared goes."""
    for deployment in await _ours(client):
        if deployment.id not in keep:
            await client.delete_deployment(deployment.id)


async def _ours(client: PrefectClient) -> list[DeploymentResponse]:
    """All that carry this clone's mark."""
    return await _all(client, DeploymentFilter(tags=DeploymentFilterTags(all_=[Settings().mark])))


async def _all(client: PrefectClient, wanted: DeploymentFilter | None = None) -> list[DeploymentResponse]:
    """What the server has, a page at a time."""
    found = list[DeploymentResponse]()
    while page := await client.read_deployments(deployment_filter=wanted, limit=_PAGE, offset=len(found)):
        found += page
    return found
