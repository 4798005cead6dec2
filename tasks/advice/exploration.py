"""Where a model's own decisions say which labels are seen: can anything be known of the others, and soon enough?"""

from collections.abc import Iterator
from datetime import timedelta

from tasks.advice.facts import Facts
from tasks.advice.findings import Finding, Severity

__all__ = ["selective_labels"]

_DAY = timedelta(days=1)


def selective_labels(facts: Facts) -> Iterator[Finding]:
    problem = facts.problem
    framing, plan, share = problem.framing, problem.retraining, problem.serving.explore
    if framing.labelled_when is None:
        return
    if not share:
        yield Finding(
            Severity.MUST,
            "Of rejected rows nothing is known",
            f"only rows decided {framing.labelled_when!r} get a label, and no decision is drawn: the quality of all others "
            "stays unknown, and every gate that needs it waits until its deadline",
            "serving=ServingPlan(explore=0.02), or more",
        )
        return
    if plan.selective == "ignore":
        yield Finding(
            Severity.SHOULD,
            "Labels that a model chose to see are taken for all",
            "RetrainingPlan.selective is 'ignore': each retrain learns what the last model let it see",
            'selective="weight"',
        )
    shape = facts.shape
    if shape is None or shape.first is None:
        return
    explored = shape.rows_a_day * share * (plan.test / _DAY)
    if explored < plan.test_rows:
        needed = min(plan.test_rows / max(shape.rows_a_day * share, 1e-9), 9_999)
        yield Finding(
            Severity.SHOULD,
            "Few explored rows judge a challenger",
            f"{share:.1%} of {shape.rows_a_day:,.0f} rows a day make {explored:,.0f} in the {plan.test / _DAY:g} days held "
            f"out, and {plan.test_rows:,} are asked for",
            f"RetrainingPlan(test=timedelta(days={needed:.0f})), a larger explore, or fewer test_rows",
        )
