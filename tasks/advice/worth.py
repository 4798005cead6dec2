"""Is this problem well asked, is a model worth building for it, and could the test set tell?"""

import math
from collections.abc import Iterator, Mapping
from datetime import timedelta

from schemas.expectations import LOWER_IS_BETTER
from schemas.framing import Framing
from schemas.recipe import READABLE, Family
from schemas.risks import open_risks
from tasks.advice.facts import Baseline, Facts, Interval3, Worth
from tasks.advice.findings import Finding, Severity
from tasks.goals import aim
from tasks.stats import smallest_paired_difference

__all__ = ["baselines", "explained", "light", "questions", "resolution", "risks"]

_FEW = 1_000  # labels under which trees overfit what a person can write down
_QUICK = timedelta(milliseconds=10)
_DAYS = 5  # blocks under which a metric has no interval: see tasks.evaluation
_MANY_TREES = frozenset({"forest", "boosting"})
_UNREAD: Mapping[Family, str] = {
    "neighbours": "all training rows, which neighbours answer with",
    "forest": "a hundred trees",
    "boosting": "some hundred boosted trees",
    "own": "an estimator that we do not know",
}
_UNFILLED = ("todo", "fill in", "fixme")


def questions(facts: Facts) -> Iterator[Finding]:
    """What the framing leaves open."""
    framing, name = facts.problem.framing, facts.problem.name
    words = f"{framing.objective} {facts.problem.statement}".lower()
    if any(mark in words for mark in _UNFILLED):
        said = "its statement or objective still says so"
        step = f"schemas/problems/{name}.py: say what is predicted, for whom, and what for"
        yield Finding(Severity.SHOULD, "The framing is not filled in", said, step)
    if framing.goal is None:
        step = f'Framing.goal=Goal(metric="{framing.metric}", ...), so that each promotion says whether it is reached'
        yield Finding(Severity.SHOULD, "Nobody says by how much", "Framing.goal is empty", step)
    if framing.level is None:
        step = f'Framing.level=Level(who="human", metric="{framing.metric}", value=..., source="...")'
        yield Finding(Severity.NOTE, "How good it is done today is not said", "Framing.level is empty", step)
    if facts.problem.heuristic is None:
        naive = _baseline(facts.worth, "naive baseline")
        said = "the loop starts from the naive baseline"
        said += f", {framing.metric} {_shown(naive.metric)}, loss {_shown(naive.loss)}" if naive else ""
        step = "Problem.heuristic: what people do today, as a few lines (schemas.heuristic)"
        yield Finding(Severity.SHOULD, "There is no heuristic", said, step)


def light(facts: Facts) -> Iterator[Finding]:
    """Where a rule or a light model is the better start, and why."""
    framing, recipe, found = facts.problem.framing, facts.problem.recipe, facts.labels
    if recipe.family not in _MANY_TREES:
        return
    reasons = []
    if found is not None and 0 < found.labelled < _FEW:
        reasons.append(f"{found.labelled:,} labels are under {_FEW:,}: trees learn their noise")
    if framing.latency_budget < _QUICK:
        budget = framing.latency_budget / timedelta(milliseconds=1)
        reasons.append(f"a budget of {budget:g} ms leaves no room for trees that grow with the data")
    gains = facts.worth.gains if facts.worth else {}
    if reasons:
        step = 'Recipe(family="linear"), or Problem.heuristic alone until there is more'
        if "linear" in gains:
            reasons.append(
                f"gain a row over the {facts.worth.rival if facts.worth else ''}: linear {_shown(gains['linear'])}"
            )
        yield Finding(Severity.SHOULD, "A rule or a light model is the better start", "; ".join(reasons), step)


def explained(facts: Facts) -> Iterator[Finding]:
    """A demand to be explained that the recipe cannot meet."""
    framing, family = facts.problem.framing, facts.problem.recipe.family
    if family in READABLE:
        return
    if framing.explainability == "full":
        said = f"Framing.explainability is full, and nobody can read {_UNREAD[family]} as a whole"
        step = 'Recipe(family="linear"), whose weights can be read, or Problem.heuristic'
        yield Finding(Severity.MUST, "The recipe cannot be explained as demanded", said, step)
    elif framing.explainability == "each decision" and family in _MANY_TREES:
        said = f"Framing.explainability asks for a reason a decision; {_UNREAD[family]} give one only after the fact"
        step = 'Recipe(family="linear") where the simplicity gate allows it'
        yield Finding(Severity.NOTE, "Each decision has to be explained", said, step)


def baselines(facts: Facts) -> Iterator[Finding]:
    """Is there anything to be gained by building?"""
    worth, problem = facts.worth, facts.problem
    if worth is None or not worth.gains:
        return
    yield _table(problem.framing, worth)
    name, gain = max(worth.gains.items(), key=lambda item: item[1][1])
    margin = problem.framing.margin
    said = (
        f"gain a row of {name} over the {worth.rival}: {_shown(gain)}, margin {margin:g} (held-out {worth.rows:,} rows)"
    )
    if gain[2] < margin:
        step = f"do not build: serve the {worth.rival}, and look for columns that know more"
        yield Finding(Severity.SHOULD, "No trained model is worth its margin", said, step)
    elif gain[0] <= 0:
        step = "more held-out rows (RetrainingPlan.test), more history, or better columns before the first turn"
        yield Finding(Severity.SHOULD, "A gain over no model is not shown", said, step)
    yield from _against_today(problem.framing, worth)


def _table(framing: Framing, worth: Worth) -> Finding:
    """Every way to answer, in one line."""
    shown = [f"{b.name} {_shown(b.metric if b.metric[1] == b.metric[1] else b.loss)}" for b in worth.baselines]
    level = framing.level
    shown += [f"{level.who} level {level.value:g}"] if level is not None and level.metric == framing.metric else []
    what = f"How far each gets ({framing.metric}, {worth.rows:,} held-out rows)"
    return Finding(Severity.NOTE, what, " · ".join(shown), "")


def _against_today(framing: Framing, worth: Worth) -> Iterator[Finding]:
    """The best simple model beside the level of whoever does it now."""
    level, trained = framing.level, [b for b in worth.baselines if b.trained and not math.isnan(b.metric[1])]
    if level is None or level.metric != framing.metric or not trained:
        return
    sign = -1 if level.metric in LOWER_IS_BETTER else 1
    best = max(trained, key=lambda b: sign * b.metric[1])
    optimistic = best.metric[0] if sign < 0 else best.metric[2]
    pessimistic = best.metric[2] if sign < 0 else best.metric[0]
    said = f"{best.name} {_shown(best.metric)}, {level.who} level {level.value:g} ({level.source})"
    if sign * optimistic <= sign * level.value:
        step = f"do not build for quality: the {level.who} is better. Build only if the model is cheaper, and say so"
        yield Finding(Severity.SHOULD, "Today's level is above what a model reaches", said, step)
    elif sign * pessimistic <= sign * level.value:
        step = "do not build yet: the gap to today is within the noise. More rows, or better columns"
        yield Finding(Severity.SHOULD, "A lead over today's level is not shown", said, step)


def resolution(facts: Facts) -> Iterator[Finding]:
    """The smallest difference that the held-out rows can show, beside the margin and the goal."""
    worth, problem, plan = facts.worth, facts.problem, facts.problem.retraining
    newest = next((parts for parts in facts.parts if parts.at == "the newest moment"), None)
    if worth is None or newest is None or newest.test == 0:
        return
    smallest = smallest_paired_difference(worth.variance, n=newest.test, alpha=plan.alpha)
    margin, gain = problem.framing.margin, max((g[1] for g in worth.gains.values()), default=0.0)
    needed = math.ceil(newest.test * (smallest / margin) ** 2)
    said = f"{newest.test:,} held-out rows show a difference of {smallest:.2g} a row (80 % power), the margin is {margin:g}"
    step = f"RetrainingPlan.test: about {needed:,} rows show the margin; or a wider margin"
    if smallest > margin and smallest > gain:
        yield Finding(Severity.SHOULD, "The test set cannot resolve the margin", said, step)
    elif smallest > margin:
        said += f"; the first model's gain of {gain:.2g} shows"
        yield Finding(Severity.NOTE, "The test set resolves no difference as small as the margin", said, step)
    yield from _goal_in_sight(problem.framing, worth, newest.test)
    wanted = any(requirement.before for requirement in problem.framing.requirements)
    if wanted and not problem.framing.timeless and problem.framing.entity is None and worth.days < _DAYS:
        said = f"held-out rows span {worth.days} days, and an interval over days wants {_DAYS}"
        yield Finding(
            Severity.MUST, "No requirement can be measured", said, f"RetrainingPlan.test=timedelta(days={_DAYS + 1})"
        )


def _goal_in_sight(framing: Framing, worth: Worth, rows: int) -> Iterator[Finding]:
    """Is the goal further from today's level than the interval of its metric is wide?"""
    goal, trained = framing.goal, [b for b in worth.baselines if b.trained and not math.isnan(b.metric[1])]
    if goal is None or goal.metric != framing.metric or not trained:
        return
    sign = -1 if goal.metric in LOWER_IS_BETTER else 1
    best = max(trained, key=lambda b: sign * b.metric[1])
    half = (best.metric[2] - best.metric[0]) / 2 * math.sqrt(worth.rows / rows)
    wanted = goal.value(framing.level)
    said = f"{aim(framing)}; {best.name} reaches {_shown(best.metric)}"
    if framing.level is not None and framing.level.metric == goal.metric and half > abs(wanted - framing.level.value):
        step = "RetrainingPlan.test longer, so that reaching the goal can be told from today"
        said += f", and held-out rows give ±{half:.2g}"
        yield Finding(Severity.SHOULD, "The test set cannot tell the goal from today's level", said, step)
    elif sign * (best.metric[1] + sign * half) < sign * wanted:
        step = "better columns or a longer window first; the loop will run and say 'missed'"
        yield Finding(Severity.NOTE, "The goal is not in sight", said, step)


def risks(facts: Facts) -> Iterator[Finding]:
    found = open_risks(facts.problem)
    if found:
        reasons = {why: [name for name in found if found[name] == why] for why in found.values()}
        said = "; ".join(f"{', '.join(names)} ({why})" for why, names in reasons.items())
        step = "Risk.detector: name one that works here, or let it work"
        yield Finding(
            Severity.SHOULD, f"{len(found)} open risk{'s' if len(found) > 1 else ''}, which nothing watches", said, step
        )
    elif not facts.problem.framing.risks:
        step = 'Framing.risks=(Risk(name="the world changes", detector="decay"), ...)'
        yield Finding(Severity.NOTE, "No risk is written down", "Framing.risks is empty", step)


def _baseline(worth: Worth | None, name: str) -> Baseline | None:
    return next((b for b in worth.baselines if b.name == name), None) if worth else None


def _shown(interval: Interval3) -> str:
    low, value, high = interval
    return "undefined" if math.isnan(value) else f"{value:.3g} [{low:.3g}, {high:.3g}]"
