"""What is told of a night, while it runs and when it has ended?"""

from collections.abc import Sequence
from datetime import timedelta

from flows.experiment import gain_over
from flows.lab import Lab
from flows.standing import Setting, Taken, View
from schemas.course import Judgement, Left
from schemas.idea import Quadrant
from schemas.night import Called, Night, Skipped, Spent
from tasks.track_record import track_record

__all__ = ["so_far"]


def so_far(
    setting: Setting,
    lab: Lab,
    view: View,
    taken: Sequence[Taken],
    left: Left,
    judgement: Judgement,
    decisions: Sequence[str],
) -> Night:
    last, plan = setting.tiers[-1], setting.plan
    start, best = setting.job(setting.start, last), setting.job(view.recipe, last)
    won = any(one.adopted for one in taken)
    gain = None
    if won:
        gain = gain_over(start, lab.run([start])[0], best, view.looked.result, alpha=plan.alpha)
    open_ = [one.idea for one in view.backlog if one.quadrant is not Quadrant.AVOID]
    return Night(
        problem=setting.problem.name,
        began=setting.began,
        ended=None,
        start=start.id,
        steps=tuple(one.step for one in taken),
        baselines=view.diagnosis.baselines,
        opportunity=view.diagnosis.opportunity,
        spent=_spent(setting, taken, left),
        stopped=judgement.reason if judgement.stops else "",
        decisions=tuple(decisions),
        learned=_learned(taken),
        next=tuple(open_[:5]),
        skipped=_skipped(view, taken),
        requests=tuple(idea for idea in view.ideas if not idea.runs),
        winner=best.id if won else "",
        gain=gain,
    )


def _spent(setting: Setting, taken: Sequence[Taken], left: Left) -> tuple[Spent, ...]:
    plan, hour = setting.plan, timedelta(hours=1)
    found = [
        Spent("experiments", len(taken), plan.runs),
        Spent("hours", (plan.time - left.time) / hour, plan.time / hour),
    ]
    if plan.money is not None and left.money is not None:
        found.append(Spent(setting.problem.framing.currency, plan.money - left.money, plan.money))
    return tuple(found)


def _learned(taken: Sequence[Taken]) -> tuple[str, ...]:
    if not taken:
        return ()
    gains = [f"{one.step.idea.name} gains {one.step.gain} a row" for one in taken if one.adopted]
    return (*gains, track_record([one.tried for one in taken]).says)


def _skipped(view: View, taken: Sequence[Taken]) -> tuple[Skipped, ...]:
    avoided = [
        Skipped(one.idea, "seldom works, and gains little for its cost", one.quadrant)
        for one in view.backlog
        if one.quadrant is Quadrant.AVOID
    ]
    excluded = [
        Skipped(one.step.idea, f"tried: {one.step.gain} a row is no gain", one.step.quadrant)
        for one in taken
        if one.step.called is Called.WORSE
    ]
    return (*excluded, *avoided)
