"""How far is a model from what the team wanted? What was measured, beside the goal, in one sentence."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from schemas.expectations import LOWER_IS_BETTER
from schemas.framing import Framing

__all__ = ["MEASURED", "aim", "goal_as_loss", "goal_said"]

# Under which names a model keeps what its goal's metric was on held-out rows, with the bounds of its interval.
MEASURED = ("goal low", "goal", "goal high")


def aim(framing: Framing) -> str:
    """The goal as a limit, in words; empty without one.

    A goal says how much, and today's level from where.
    """
    goal, level = framing.goal, framing.level
    if goal is None:
        return ""
    side = "at most" if goal.metric in LOWER_IS_BETTER else "at least"
    today = f", {level.who} level {level.value:g}" if level is not None and level.metric == goal.metric else ""
    return f"goal {goal.metric} {side} {goal.value(level):g}{today}"


def goal_as_loss(framing: Framing, points: Sequence[tuple[float, float]]) -> float | None:
    """The loss a row at which the goal's metric would be reached; None without a goal, or where nobody can tell.

    `points` are (loss, metric) of what was measured, the metric the goal's. A metric that is no loss has no loss of its own:
    it is read off the least-squares line through the points, of which there have to be three, and the better a point's loss,
    the better its metric. Where that line says otherwise, loss and metric do not move together, and there is no answer.

    >>> from schemas.framing import Goal
    >>> class framing: goal, level, task, loss = Goal(metric="roc_auc", at_least=0.9, reason="it pays"), None, "binary", None
    >>> round(goal_as_loss(framing, [(0.25, 0.5), (0.20, 0.7), (0.18, 0.78)]), 3)
    0.15
    """
    goal = framing.goal
    if goal is None:
        return None
    wanted = goal.value(framing.level)
    if goal.metric == "loss":
        return wanted
    known = [(loss, metric) for loss, metric in points if math.isfinite(loss) and math.isfinite(metric)]
    if len(known) < 3 or len({metric for _, metric in known}) < 2:
        return None
    loss, metric = np.array(known).T
    slope, at_zero = np.polyfit(metric, loss, 1)
    rises = goal.metric in LOWER_IS_BETTER
    return float(slope * wanted + at_zero) if (slope > 0) == rises else None


def goal_said(framing: Framing, held_out: Mapping[str, float]) -> str:
    """Whether a model that showed `held_out` reaches the goal; empty where the framing has none. The whole interval has
    to reach it: where it lies on both sides, that is what is said."""
    goal = framing.goal
    if goal is None:
        return ""
    low, value, high = (held_out.get(name, math.nan) for name in MEASURED)
    if not all(map(math.isfinite, (low, value, high))):
        return f"{aim(framing)}: not measured on held-out rows"
    wanted = goal.value(framing.level)
    worst, best = (high, low) if goal.metric in LOWER_IS_BETTER else (low, high)
    sign = -1 if goal.metric in LOWER_IS_BETTER else 1
    if sign * worst >= sign * wanted:
        said = "reached"
    elif sign * best < sign * wanted:
        said = "missed"
    else:
        said = "not shown either way"
    return f"{aim(framing)}, held-out {value:.4g} [{low:.4g}, {high:.4g}]: {said}"
