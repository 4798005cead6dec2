"""Which ideas are there now, as far as the newest diagnosis tells, and for what does people's word on them wait?"""

from collections.abc import Iterator
from dataclasses import dataclass

from flows.job import found_of
from schemas.experiment import Job
from schemas.idea import Idea
from schemas.night import Night
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.refused import RefusedError
from schemas.wishes import Wish, Wishes
from tasks import experiments, possible
from tasks.ideas import ideas_for

__all__ = ["Present", "present", "refuse", "waiting_lines", "waits_for"]


@dataclass(frozen=True)
class Present:
    """The recipe in place, and the backlog's own items for it; none where nothing was diagnosed yet."""

    problem: Problem
    recipe: Recipe
    ideas: tuple[Idea, ...]
    diagnosed: bool


def present(problem: Problem) -> Present:
    """After the newest night: for the recipe that won it, or from which it set out."""
    row = experiments.newest(problem.name)
    best = ""
    if row is not None and row.ended is not None:
        night = Night.from_json(row.body)
        best = night.winner or night.start
    jobs = experiments.jobs(problem.name)[::-1]
    for job in sorted(jobs, key=lambda job: job.id != best):  # the best, then the newest
        if (found := _ideas(problem, job)) is not None:
            return Present(problem, job.recipe, found, diagnosed=True)
    return Present(problem, problem.recipe, (), diagnosed=False)


def _ideas(problem: Problem, job: Job) -> tuple[Idea, ...] | None:
    found = found_of(job)
    if found is None:
        return None
    diagnosis, facts = found
    return tuple(ideas_for(problem, job.recipe, diagnosis, facts=facts))


def refuse(wishes: Wishes, now: Present) -> None:
    """Refuse items that can never be tried, and those that would hide one of the backlog's own."""
    possible.check(wishes.added, now.problem)
    own = {idea.name for idea in now.ideas}
    for wish in wishes.added:
        if wish.name in own:
            raise RefusedError(
                f"an idea is called {wish.name!r} already, and yours would hide it. Call yours otherwise; nothing was written."
            )


def waits_for(name: str, wishes: Wishes, now: Present) -> str:
    """What keeps an idea that a person named from being run now; empty where nothing does."""
    wish = next((one for one in wishes.added if one.name == name), None)
    if wish is not None:
        return _added_waits_for(wish, now)
    if any(idea.name == name for idea in now.ideas):
        return ""
    near = "" if now.diagnosed else f" (nothing of {now.problem.name} was diagnosed yet, and ideas come of that)"
    return f"no idea is called {name!r} now; it waits until one is{near}"


def waiting_lines(wishes: Wishes, now: Present) -> Iterator[str]:
    """What people named that is not run now, and why."""
    yield from (f"  waits   {name}: {why}" for name in wishes.names if (why := waits_for(name, wishes, now)))


def _added_waits_for(wish: Wish, now: Present) -> str:
    if why := possible.never(wish, now.problem):
        return f"it can never be tried: {why}"
    if why := possible.not_yet(wish, now.recipe):
        return f"it waits until the recipe in place can be changed so: {why}"
    return ""
