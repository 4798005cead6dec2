"""Can a rollout be gone through with this much traffic, how long does each stage take, and does a replay have room for one?"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from schemas.plans import RolloutPlan
from schemas.problem import Problem
from tasks.advice.facts import Facts, Shape
from tasks.advice.findings import Finding, Severity
from tasks.advice.table import days_of
from tasks.stats import rows_for_unpaired

__all__ = ["Schedule", "rollout", "schedule_of"]

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Schedule:
    """How long a rollout takes at the table's traffic, and what it leaves out."""

    stages: dict[str, timedelta]
    skipped: tuple[str, ...]  # with the reason
    impossible: tuple[str, ...]  # stages that end at their deadline, with the reason

    @property
    def whole(self) -> timedelta:
        return sum(self.stages.values(), timedelta(0))


def schedule_of(problem: Problem, shape: Shape, *, loss_variance: float | None) -> Schedule:
    """Stages in order. `loss_variance` is of the rival's loss a row; without it nobody knows whether A/B skips itself."""
    plan, maturity = problem.rollout, problem.framing.maturity
    stages, skipped, impossible = {"shadow": plan.shadow_at_least + maturity}, [], []
    for share in plan.shares:
        took = _share_takes(plan, shape, share)
        thin = shape.rows_a_day * share * (plan.canary_at_most / _DAY) < plan.share_requests
        if thin and share != plan.shares[-1]:
            skipped.append(f"canary {share:.0%} ({shape.rows_a_day:,.0f} requests a day are too few)")
        elif took > plan.canary_at_most:
            impossible.append(_thin(plan, share, took))
        else:
            stages[f"canary {share:.0%}"] = took
    needed = _ab_rows(problem, loss_variance)
    expected = shape.rows_a_day * (plan.ab_at_most / _DAY)
    if plan.ab_at_least is None:
        skipped.append("A/B (by the plan)")
    elif needed is not None and needed > expected:
        skipped.append(
            f"A/B (a harm of {problem.framing.tolerated_harm:g} shows in {needed:,.0f} rows, {expected:,.0f} come)"
        )
    else:
        stages["A/B"] = max(plan.ab_at_least, (needed or 0) / max(shape.rows_a_day, 1e-9) * _DAY) + maturity
    own = plan.probation_rows / max(shape.rows_a_day, 1e-9) * _DAY + maturity
    if own > plan.probation_at_most:
        impossible.append(
            f"probation ({plan.probation_rows} matured rows take {days_of(own)}, it lasts {days_of(plan.probation_at_most)})"
        )
    stages["probation"] = max(plan.probation, own)
    return Schedule(stages, tuple(skipped), tuple(impossible))


def rollout(facts: Facts) -> Iterator[Finding]:
    """Whether a challenger can get through, and whether a replay shows one that does."""
    shape, problem = facts.shape, facts.problem
    if shape is None or not shape.rows:
        return
    if problem.framing.timeless:
        said = "the table has no time of its own: no row comes after another, so that nothing can be shadowed or answered in turn"
        step = "make loop ends at an accepted offline gate, on rows held out by hash; a live rollout wants requests with a time"
        yield Finding(Severity.NOTE, "No rollout can be replayed", said, step)
        return
    variance = facts.worth.rival_variance if facts.worth else None
    found = schedule_of(problem, shape, loss_variance=variance)
    for why in found.impossible:
        step = "RolloutPlan: larger shares, lower minimum, or a later deadline for this traffic"
        yield Finding(Severity.MUST, "A stage ends at its deadline", why, step)
    shown = " + ".join(f"{stage} {days_of(took)}" for stage, took in found.stages.items())
    skipped = f"; skipped: {', '.join(found.skipped)}" if found.skipped else ""
    said = f"{shown} = {days_of(found.whole)} at {shape.rows_a_day:,.0f} rows a day{skipped}"
    room = _replayed(problem, shape)
    if room < found.whole:
        said = f"{days_of(max(room, timedelta(0)))} are replayed, a rollout takes {days_of(found.whole)}: {shown}"
        days = int((problem.source.history - (found.whole - room)) / _DAY)
        shorter = f"Source.history=timedelta(days={days})" if days > 0 else "more history"
        step = f"{shorter}, or RolloutPlan.shadow_at_least, ab_at_least (None with ab_waiver), probation shorter"
        yield Finding(Severity.SHOULD, "The replay is too short for one rollout", said, step)
    else:
        yield Finding(Severity.NOTE, f"A rollout takes {days_of(found.whole)}, {days_of(room)} are replayed", said, "")


def _share_takes(plan: RolloutPlan, shape: Shape, share: float) -> timedelta:
    """Until the share has its minimum time, requests and entities; never where there are not as many entities."""
    answered = max(shape.rows_a_day * share, 1e-9)
    if shape.entities * share < plan.share_entities:
        return timedelta.max
    # An entity comes back: the first `k` of them take as many requests as it has rows on average, at most.
    entities = plan.share_entities * min(shape.rows / max(shape.entities, 1), 2.0)
    return max(plan.share_at_least, max(plan.share_requests, entities) / answered * _DAY)


def _thin(plan: RolloutPlan, share: float, took: timedelta) -> str:
    if took == timedelta.max:
        return f"canary {share:.0%}: the table has too few entities for {plan.share_entities} in that arm"
    return f"canary {share:.0%} takes {days_of(took)}, its deadline is {days_of(plan.canary_at_most)}"


def _ab_rows(problem: Problem, variance: float | None) -> float | None:
    if variance is None or not math.isfinite(variance):
        return None
    plan = problem.rollout
    return rows_for_unpaired(problem.framing.tolerated_harm, variance=variance, share=0.5, alpha=plan.alpha)


def _replayed(problem: Problem, shape: Shape) -> timedelta:
    """From the end of the team's history to the last row."""
    first = problem.source.starts or shape.first
    if first is None or shape.last is None:
        return timedelta(0)
    return shape.last - (first + problem.source.history)
