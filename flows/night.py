"""How does a night of experiments go? Look, choose one change, try it tier by tier, keep it if it gains, learn, look again."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import numpy as np

from flows.attempts import attempted
from flows.lab import Lab
from flows.night_so_far import so_far
from flows.standing import Setting, Taken, View
from schemas.course import Course, Judgement, Left
from schemas.idea import Choice, Tried
from schemas.night import Night
from schemas.recipe import Recipe, difference
from schemas.wishes import Wishes
from tasks import experiments
from tasks.criteria import judge
from tasks.goals import goal_as_loss
from tasks.ideas import ideas_for
from tasks.strategy import choose, rated

__all__ = ["best_of", "first_view", "spend_night"]

Clock = Callable[[], datetime]


def spend_night(
    setting: Setting, lab: Lab, *, wishes: Callable[[], Wishes], clock: Clock, show: Callable[[Night], None]
) -> Night:
    """From where the store says that the night stands to its end. Equal settings give equal nights, whatever was killed: a
    choice depends on the steps before it alone, and an experiment that has a result is not run again."""
    problem, before = setting.problem.name, _history(setting)
    taken = [Taken.from_json(body) for body in experiments.steps(problem, setting.night)]
    decisions = _setting_out(setting)
    used, began = sum(one.step.seconds for one in taken), clock()
    while True:
        said = wishes()
        view = _view(setting, lab, taken, before, said)
        left = _left(setting, taken, timedelta(seconds=used) + (clock() - began))
        judgement = _judged(setting, view, taken, left)
        decisions = _noted(decisions, judgement)
        night = so_far(setting, lab, view, taken, left, judgement, decisions)
        show(night)
        if judgement.stops:
            return night
        choices = _choices(setting, lab, view, taken, before, said, judgement)
        assert choices, "with nothing to choose the criteria end the night"
        for one in attempted(setting, lab, view, choices):
            experiments.take(problem, setting.night, len(taken), one.to_json())
            taken.append(one)


def _setting_out(setting: Setting) -> list[str]:
    if setting.base is None:
        return []
    change = difference(setting.start, setting.base)
    return [f"sets out from what an earlier night on the same rows won by, over what is in place: {change}"]


def first_view(setting: Setting, lab: Lab, wishes: Wishes) -> View:
    """Where a night would begin: what binds, and what could be tried."""
    return _view(setting, lab, [], _history(setting), wishes)


def _history(setting: Setting) -> list[Tried]:
    """What every other night of every problem tried."""
    return [Taken.from_json(body).tried for _, night, body in experiments.steps_of_all() if night != setting.night]


def _view(setting: Setting, lab: Lab, taken: Sequence[Taken], before: Sequence[Tried], wishes: Wishes) -> View:
    adopted = [one.tried.recipe for one in taken if one.adopted]
    recipe = adopted[-1] if adopted else setting.origin
    looked = lab.look(setting.job(recipe, setting.tiers[-1]))
    ideas = ideas_for(setting.problem, recipe, looked.diagnosis, facts=looked.facts)
    history = [*before, *(one.tried for one in taken)]
    binding = looked.diagnosis.binding.constraint if looked.diagnosis.rooms else None
    backlog = rated(
        ideas,
        history,
        problem=setting.problem.name,
        parent=recipe,
        binding=binding,
        wishes=wishes,
        rows=setting.rows,
        start=setting.start,
    )
    return View(recipe, looked, ideas, backlog)


def _choices(
    setting: Setting,
    lab: Lab,
    view: View,
    taken: Sequence[Taken],
    before: Sequence[Tried],
    wishes: Wishes,
    judgement: Judgement,
) -> list[Choice]:
    return choose(
        view.ideas,
        [*before, *(one.tried for one in taken)],
        problem=setting.problem.name,
        parent=view.recipe,
        binding=view.binding,
        plan=setting.plan,
        run=len(taken),
        # A draw of its own for each step, so that one that is gone on with draws what it would have drawn.
        rng=np.random.default_rng([setting.seed, len(taken)]),
        wishes=wishes,
        course=judgement.course,
        n=min(lab.slots, setting.plan.runs - len(taken)),
        rows=setting.rows,
        start=setting.start,
    )


def _judged(setting: Setting, view: View, taken: Sequence[Taken], left: Left) -> Judgement:
    return judge(
        [one.tried for one in taken],
        view.backlog,
        loss=view.looked.result.loss["judged"],
        target=_target(setting, view),
        worthwhile=setting.worthwhile,
        diagnosis=view.diagnosis,
        plan=setting.plan,
        left=left,
    )


def best_of(setting: Setting) -> Recipe:
    """The recipe that won so far; the one that the night set out from where none did."""
    steps = [Taken.from_json(body) for body in experiments.steps(setting.problem.name, setting.night)]
    return next((one.tried.recipe for one in reversed(steps) if one.adopted), setting.origin)


def _left(setting: Setting, taken: Sequence[Taken], used: timedelta) -> Left:
    """What remains; `used` is time that the night ran, and not what lay between a kill and its going on."""
    plan = setting.plan
    hours = sum(one.step.seconds for one in taken) / 3600
    money = None if plan.money is None else plan.money - hours * plan.money_per_hour
    return Left(plan.runs - len(taken), plan.time - used, money)


def _target(setting: Setting, view: View) -> float | None:
    """The loss at which the goal's metric would be reached, by the line through the baselines and the best so far."""
    framing, found = setting.problem.framing, view.looked.result
    metric = framing.goal.metric if framing.goal else ""
    points = [(found.loss["judged"], found.metrics[metric])] if metric in found.metrics else []
    if metric == framing.metric:
        points += [(b.loss[1], b.metric[1]) for b in view.diagnosis.baselines if b.loss and b.metric]
    return goal_as_loss(framing, points)


def _noted(decisions: list[str], judgement: Judgement) -> list[str]:
    """Each change of course with its reason, and not the same sentence over and over."""
    said = f"{judgement.course}: {judgement.reason}"
    same = decisions and judgement.course is Course.PERSIST and decisions[-1].startswith(str(Course.PERSIST))
    return decisions if same else [*decisions, said]
