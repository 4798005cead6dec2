"""Can our gates say no? Faults planted one by one into a problem's own rows, each with the verdict that must follow."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from flows.artifacts import key_of
from flows.drills import evidence, live, models, steps
from flows.drills.world import Drill, World, build, scratch_home
from flows.operations import ProblemName
from schemas.errors import PerennialError, told
from schemas.problem import load_problem
from schemas.settings import Settings
from tasks import windows
from tasks.figures import keep

__all__ = ["ALL", "WrongVerdictError", "drills", "run_drill", "run_drills", "world_of"]

UNJUDGED = "could not be judged"
ALL: list[Drill] = [*models.DRILLS, *evidence.DRILLS, *live.DRILLS, *steps.DRILLS]


class WrongVerdictError(PerennialError):
    """A gate that let a planted fault by, or refused a sound challenger."""


@flow(name="drills", flow_run_name="{problem}")
def drills(problem: ProblemName = "fraud", now: datetime | None = None) -> dict[str, Any]:
    """Plant every fault into the rows of `problem` before `now` and require the right verdict; fails if one is wrong.

    Args:
        problem: Into whose rows the faults are planted; nothing that serves is touched.
        now: Rows before this moment are taken; empty is the present, or the end of the table.
    """
    figures = run_drills(
        problem, now, ask=lambda world, drill: task(name=drill.name, cache_policy=NO_CACHE)(run_drill)(world, drill)
    )
    create_table_artifact(
        key=key_of("drills", problem),
        table=[{key: one[key] for key in ("name", "expected", "got", "right", "reason")} for one in figures["drills"]],
        description=f"{figures['right']} of {len(figures['drills'])} drills right",
    )
    wrong = [one for one in figures["drills"] if not one["right"]]
    if wrong:
        shown = "; ".join(f"{one['name']}: expected {one['expected']}, got {one['got']}" for one in wrong)
        raise WrongVerdictError(f"{len(wrong)} of {len(figures['drills'])} drills on {problem!r} went wrong: {shown}.")
    return figures


def run_drills(
    problem: str,
    now: datetime | None = None,
    *,
    ask: Callable[[World, Drill], dict[str, Any]] | None = None,
    show: Callable[[dict[str, Any]], None] = lambda _: None,
) -> dict[str, Any]:
    """Every drill that applies to the problem, in plain Python; `show` sees each result as it comes."""
    world, found = world_of(problem, now), []
    with scratch_home():
        for drill in ALL:
            if drill.applies(world.problem):
                found.append((ask or run_drill)(world, drill))
                show(found[-1])
    right = sum(one["right"] for one in found)
    figures = {"problem": problem, "right": right, "wrong": len(found) - right, "drills": found}
    keep("drills", figures)
    return figures


def run_drill(world: World, drill: Drill) -> dict[str, Any]:
    """One drill's result. A drill that raises has no verdict, which is never the right one."""
    try:
        verdict = drill.ask(world)
    except Exception as error:
        got, reason = "error", told(error)
    else:
        got, reason = str(verdict.outcome), verdict.reason
    for_that = drill.because in reason and (UNJUDGED not in reason or drill.refusal or UNJUDGED in drill.because)
    right = got == str(drill.expected) and for_that
    return {"name": drill.name, "expected": str(drill.expected), "got": got, "right": right, "reason": reason}


def world_of(problem: str, now: datetime | None = None) -> World:
    """The problem's newest rows before `now`; by default before the present, or the table's end if that comes first."""
    known = load_problem(problem)
    moment = windows.aware(now, "now") if now else min(datetime.now(UTC), windows.bounds(known)[1])
    return build(known, moment, seed=Settings().seed)
