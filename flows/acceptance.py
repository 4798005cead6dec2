"""What was wanted of a model in numbers: does it reach the goal before deployment, and keep its requirements afterwards?"""

from functools import partial

import numpy as np
import pandas as pd

from flows.case import Case
from schemas.framing import Requirement
from schemas.problem import Problem
from schemas.verdict import Verdict
from tasks import evaluation, gates, scoring
from tasks.goals import MEASURED

__all__ = ["FEWEST_DAYS", "goal_measured", "requirements_kept"]

FEWEST_DAYS = 5  # under which a bootstrap over days is too sure of itself: see tasks.evaluation


def goal_measured(case: Case) -> dict[str, float]:
    """The goal's metric on held-out rows, with its interval, under the names by which a model keeps them; empty without a
    goal, or where these rows do not define it."""
    framing = case.problem.framing
    if framing.goal is None:
        return {}
    limit = framing.goal.value(framing.level)
    wanted = Requirement(metric=framing.goal.metric, at_least=limit, reason=framing.goal.reason)
    found = evaluation.metric_intervals(
        [wanted],
        framing,
        case.scores,
        case.labels,
        thresholds={},
        blocks=case.blocks,
        alpha=case.problem.retraining.alpha,
        seed=case.seed,
    )
    return dict(zip(MEASURED, found[wanted.name], strict=True)) if wanted.name in found else {}


def requirements_kept(
    problem: Problem, rows: pd.DataFrame, side: str, *, alpha: float, days: int, seed: int
) -> list[Verdict]:
    """A verdict a requirement that holds after deployment, on matured rows (columns event_time, label, SIDE_score and
    SIDE_decision) that one model answered. Rows of one day move together, so a day is the unit; fewer than `days` wait."""
    framing = problem.framing
    wanted = [requirement for requirement in framing.requirements if requirement.after]
    if not wanted:
        return []
    answered = rows[rows["label"].notna() & rows[f"{side}_decision"].notna()]
    day = answered["event_time"].dt.floor("D").to_numpy()

    def measure(requirement: Requirement) -> Verdict:
        found = evaluation.metric_intervals(
            [requirement],
            framing,
            scoring.logged(answered[f"{side}_score"], answered[f"{side}_decision"], framing),
            answered["label"].to_numpy(dtype=float),
            thresholds={},
            blocks=day,
            alpha=alpha,
            seed=seed,
        )
        return gates.requirement_live(requirement, found, days=int(np.unique(day).size), at_least=days)

    return [gates.closed(f"live requirement {r.asks}", partial(measure, r)) for r in wanted]
