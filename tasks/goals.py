"""How far is a model from what the team wanted? What was measured, beside the goal, in one sentence."""

import math
from collections.abc import Mapping

from schemas.expectations import LOWER_IS_BETTER
from schemas.framing import Framing

__all__ = ["MEASURED", "aim", "goal_said"]

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
