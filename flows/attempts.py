"""How far does each idea come, tier by tier, and which of those that gain becomes the parent?"""

from collections.abc import Sequence
from dataclasses import dataclass

from flows.experiment import gain_over
from flows.lab import Lab
from flows.standing import Setting, Taken, View
from schemas.experiment import Gain, Job, Result
from schemas.idea import Choice, Tried
from schemas.night import Called, Step
from schemas.recipe import Recipe
from tasks.screening import called, goes_on

__all__ = ["attempted"]


@dataclass
class _Attempt:
    """One choice on its way through the tiers."""

    choice: Choice
    job: Job
    recipe: Recipe
    result: Result | None = None
    gain: Gain | None = None
    seconds: float = 0.0
    over: bool = False

    @property
    def tier(self) -> str:
        return self.job.tier.name


def attempted(setting: Setting, lab: Lab, view: View, choices: Sequence[Choice]) -> list[Taken]:
    """Each choice as far as it comes; of several that gain in the last tier the surest becomes the parent."""
    first, last = setting.tiers[0], setting.tiers[-1]
    attempts = []
    for choice in choices:
        # A search on a sample finds what fits a sample: it goes to the last tier at once.
        tier = last if choice.idea.search else first
        recipe = choice.idea.applied(view.recipe)
        attempts.append(_Attempt(choice, setting.job(recipe, tier, choice.idea.search), recipe))
    for tier in setting.tiers:
        for attempt in attempts:
            if not attempt.over and attempt.result is not None:
                attempt.job = setting.job(attempt.recipe, tier, attempt.choice.idea.search)
        _run(setting, lab, view, [attempt for attempt in attempts if not attempt.over and attempt.job.tier == tier])
    shown = [attempt for attempt in attempts if _called(attempt) is Called.GAIN and attempt.job.tier == last]
    best = max(shown, key=lambda attempt: attempt.gain.low if attempt.gain else 0.0, default=None)
    return [_taken(view, setting, attempt, shown=attempt in shown, adopted=attempt is best) for attempt in attempts]


def _run(setting: Setting, lab: Lab, view: View, attempts: Sequence[_Attempt]) -> None:
    """One tier of these attempts, beside the parent's own run of that tier."""
    if not attempts:
        return
    tier = attempts[0].job.tier
    parent = setting.job(view.recipe, tier)
    older, *results = lab.run([parent, *(attempt.job for attempt in attempts)])
    for attempt, result in zip(attempts, results, strict=True):
        attempt.result, attempt.seconds = result, attempt.seconds + result.seconds
        if result.found is not None:
            attempt.recipe = Recipe.model_validate(result.found)
        if result.error or older.error:
            attempt.over = True
            continue
        attempt.gain = gain_over(parent, older, attempt.job, result, alpha=setting.plan.alpha)
        attempt.over = not goes_on(attempt.gain, tier, setting.tiers, worthwhile=setting.worthwhile)


def _called(attempt: _Attempt) -> Called:
    return Called.FAILED if attempt.gain is None else called(attempt.gain)


def _taken(view: View, setting: Setting, attempt: _Attempt, *, shown: bool, adopted: bool) -> Taken:
    choice, parent = attempt.choice, setting.job(view.recipe, setting.tiers[-1])
    what = _called(attempt)
    # Shown on a sample alone, it is no gain yet: the tier that decides has not seen it.
    what = Called.NOISE if what is Called.GAIN and not shown else what
    step = Step(
        idea=choice.idea,
        parent=parent.id,
        job=attempt.job.id,
        tier=attempt.tier,
        result=attempt.result,
        gain=attempt.gain,
        called=what,
        predicted_chance=choice.chance,
        predicted_gain=choice.gain,
        quadrant=choice.quadrant,
        why=choice.why,
        seconds=attempt.seconds,
        became=setting.job(attempt.recipe, setting.last).id if adopted else "",
    )
    tried = Tried(
        problem=setting.problem.name,
        idea=choice.idea,
        recipe=attempt.recipe,
        binding=view.binding,
        chance=choice.chance,
        expected=choice.gain,
        worked=shown,
        gain=attempt.gain,
        tier=attempt.tier,
        seconds=attempt.seconds,
        rows=setting.rows,
    )
    return Taken(step, tried, adopted)
