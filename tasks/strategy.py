"""Which idea is tried next, and why that one now?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.course import Course
from schemas.diagnosis import Constraint
from schemas.idea import Choice, Idea, Purpose, Quadrant, Tried
from schemas.plans.improvement import ImprovementPlan
from schemas.recipe import Recipe
from schemas.wishes import Wishes
from tasks.chances import Chance, chance_of

__all__ = ["Rated", "choose", "explored_share", "is_moonshot_turn", "quadrant_of", "rated"]

_LIKELY = 0.2  # chance from which on an idea is more than a shot in the dark
_LARGE = 0.25  # of the largest gain in the backlog: what is worth less is incremental at best
_CURIOUS = 0.05  # share of choices that stay exploring when the plan's phases are through
_LEARNING = (
    0.25  # what a deviation of a chance is worth, against the same chance of a gain: it serves later choices alone
)


@dataclass(frozen=True)
class Rated:
    """An idea with what is known of its chance, and where it stands among the others."""

    idea: Idea
    chance: Chance
    quadrant: Quadrant

    @property
    def value(self) -> float:
        """Loss a row to be gained per cost: chance x impact / cost, and the information value, which is the deviation of the
        chance x impact / cost: what an experiment could change about the choices after it."""
        return self.worth(self.chance.mean)

    def worth(self, chance: float) -> float:
        return (chance + _LEARNING * self.chance.sd) * self.idea.impact / self.idea.cost


def rated(
    backlog: Sequence[Idea],
    history: Sequence[Tried],
    *,
    problem: str,
    parent: Recipe,
    binding: Constraint | None,
    wishes: Wishes = Wishes(),  # noqa: B008  (frozen)
    rows: str = "",
    start: Recipe | None = None,
) -> list[Rated]:
    """What a machine could run now: people's items among it and their vetoes out of it, each change that fits the parent and
    makes a recipe that has not been run on these `rows`, which `start` has; what is to be avoided stands in it as such. Best
    first."""
    ideas = _merged(backlog, wishes)
    here = [one for one in history if one.problem == problem and one.rows == rows]
    run = {one.model_dump_json() for one in (parent, start) if one is not None}
    run |= {one.recipe.model_dump_json() for one in here}
    open_ = [idea for idea in ideas if idea.name not in wishes.veto and idea.runs and _is_new(idea, parent, run, here)]
    largest = max((idea.impact / idea.cost for idea in open_), default=0.0)
    found = []
    for idea in open_:
        chance = chance_of(idea, history, problem=problem, binding=binding)
        found.append(Rated(idea, chance, quadrant_of(chance.mean, idea.impact / idea.cost, largest=largest)))
    return sorted(found, key=lambda one: -one.value)


def choose(
    backlog: Sequence[Idea],
    history: Sequence[Tried],
    *,
    problem: str,
    parent: Recipe,
    binding: Constraint | None,
    plan: ImprovementPlan,
    run: int,
    rng: np.random.Generator,
    wishes: Wishes = Wishes(),  # noqa: B008  (frozen)
    course: Course = Course.PERSIST,
    n: int = 1,
    rows: str = "",
    start: Recipe | None = None,
) -> list[Choice]:
    """The next `n` ideas to run against `parent`, or fewer where the backlog has no more; `run` experiments have been run.

    What people asked for comes first. Every fifth turn (at plan.moonshots of .2) is a moonshot's, where there is one.
    Otherwise the idea with the greatest value is taken, or, as often as the phase explores, the one that is greatest in
    a draw from the posteriors (Thompson sampling). Several at once are of different kinds, as long as there are. To
    pivot is to explore as at the start. Equal arguments, with `rng` in one state, give equal choices.
    """
    all_ = rated(
        backlog, history, problem=problem, parent=parent, binding=binding, wishes=wishes, rows=rows, start=start
    )
    asked = [one for name in wishes.first for one in all_ if one.idea.name == name]
    chosen: list[Choice] = []
    rest = [one for one in all_ if one in asked or one.quadrant is not Quadrant.AVOID]
    while rest and len(chosen) < n:
        first = next((one for one in asked if one in rest), None)
        one, purpose = (
            (first, Purpose.ASKED) if first else _next(_spread(rest, chosen), plan, run + len(chosen), course, rng)
        )
        chosen.append(_choice(one, purpose, history, binding))
        rest = [other for other in rest if not _is_same(other.idea, one.idea, parent)]
    return chosen


def quadrant_of(chance: float, gain: float, *, largest: float) -> Quadrant:
    """Likely or not, large or not; `gain` is loss a row per cost, and large is relative to the largest in the backlog."""
    match chance >= _LIKELY, gain > 0 and gain >= _LARGE * largest:
        case True, True:
            return Quadrant.QUICK_WIN
        case True, False:
            return Quadrant.INCREMENTAL
        case False, True:
            return Quadrant.MOONSHOT
        case _:
            return Quadrant.AVOID


def explored_share(plan: ImprovementPlan, run: int, course: Course = Course.PERSIST) -> float:
    """Share of choices made for what they teach; phases are equal parts of plan.runs, and some curiosity stays."""
    if course is Course.PIVOT:
        return max(plan.explore)
    phase = min(run * len(plan.explore) // plan.runs, len(plan.explore) - 1)
    return max(plan.explore[phase], _CURIOUS)


def is_moonshot_turn(plan: ImprovementPlan, run: int) -> bool:
    """Turns are set aside evenly: the fifth, the tenth and so on at a share of .2."""
    return int((run + 1) * plan.moonshots + 1e-9) > int(run * plan.moonshots + 1e-9)


def _next(
    open_: list[Rated], plan: ImprovementPlan, run: int, course: Course, rng: np.random.Generator
) -> tuple[Rated, Purpose]:
    explores = rng.random() < explored_share(plan, run, course)
    moonshots = [one for one in open_ if one.quadrant is Quadrant.MOONSHOT]
    others = [one for one in open_ if one.quadrant is not Quadrant.MOONSHOT]
    if moonshots and (is_moonshot_turn(plan, run) or not others):
        return _best(moonshots, explores, rng), Purpose.MOONSHOT
    return _best(others, explores, rng), Purpose.EXPLORE if explores else Purpose.EXPLOIT


def _best(among: list[Rated], explores: bool, rng: np.random.Generator) -> Rated:
    if not explores:
        return among[0]
    # One draw a kind: its ideas share what is not known of it, and keep their order.
    kinds = sorted({one.idea.kind for one in among})
    at = dict(zip(kinds, rng.random(len(kinds)), strict=True))
    return max(among, key=lambda one: one.worth(one.chance.quantile(at[one.idea.kind])))


def _spread(rest: list[Rated], chosen: list[Choice]) -> list[Rated]:
    """A portfolio: several at once fail together least when they are of different kinds."""
    taken = {one.idea.kind for one in chosen}
    return [one for one in rest if one.idea.kind not in taken] or rest


def _merged(backlog: Sequence[Idea], wishes: Wishes) -> list[Idea]:
    largest = max((idea.impact for idea in backlog), default=0.0)
    added = [wish.idea(impact=largest) for wish in wishes.added]
    names = {idea.name for idea in added}
    return [*added, *(idea for idea in backlog if idea.name not in names)]


def _is_new(idea: Idea, parent: Recipe, run: set[str], history: Sequence[Tried]) -> bool:
    """Of a search the recipe is not known beforehand: it is new on a parent on which it has not been run."""
    try:
        child = idea.applied(parent)
    except ValueError:
        return False
    if idea.search is None:
        return child.model_dump_json() not in run
    return all(one.idea.search != idea.search or one.idea.change != idea.change for one in history)


def _is_same(one: Idea, other: Idea, parent: Recipe) -> bool:
    """Two names for one experiment."""
    return one.search == other.search and one.applied(parent) == other.applied(parent)


def _choice(one: Rated, purpose: Purpose, history: Sequence[Tried], binding: Constraint | None) -> Choice:
    idea, chance = one.idea, one.chance.mean
    alike = [t for t in history if t.idea.kind is idea.kind and t.binding is binding]
    before = f"; {sum(t.worked for t in alike)} of {len(alike)} of its kind gained so far" if alike else ""
    mends = f"; {binding} binds, and it mends that" if binding in idea.mends else ""
    why = (
        f"{purpose}, {one.quadrant}: {idea.name} gains {idea.impact:.4f} a row with a chance of {chance:.0%} at "
        f"{idea.cost:.2g} of an experiment's cost{mends}{before}"
    )
    return Choice(idea, chance, idea.impact, one.quadrant, purpose, why)
