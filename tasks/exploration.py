"""Which requests get a decision that is drawn instead of the model's, and how likely was the one that went out?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from schemas.problem import Problem
from tasks.routing import position
from tasks.scoring import Answers

__all__ = ["Drawn", "draw", "label_chance", "with_exploration"]


@dataclass(frozen=True)
class Drawn:
    """Decisions as they go out, shape (n,), the probability with which each was made, in (0, 1], and which were drawn."""

    decision: np.ndarray
    propensity: np.ndarray
    explored: np.ndarray


def draw(problem: Problem, units: Sequence[str], score: np.ndarray, decision: np.ndarray, *, may: np.ndarray) -> Drawn:
    """Replace the decisions of the plan's share of `units` (keys or entities, shape (n,)), where `may` is True.

    A keyed hash draws: replicas, restarts and replays agree, and its key is none of a rollout's, so that both arms are
    explored alike. A row that is drawn counts as explored also where the draw fell on what the model had said: drawn rows
    are a random sample of all, and the others are not. Rows without a decision, or that would be overruled and have a
    score outside the plan's range, are never drawn.
    """
    plan, framing = problem.serving, problem.framing
    low, high = plan.explore_scores
    to = framing.labelled_decision if plan.explore_to is None else framing.decision_of(plan.explore_to)
    able = may & np.isfinite(decision)
    if score.ndim == 1:
        # Where the draw could change nothing it costs nothing: without those rows the drawn ones were no sample of all.
        able &= ((score >= low) & (score <= high)) | (decision == to)
    explored = able & _inside(units, f"{problem.name}/explore", plan.explore)
    if to is None:
        drawn = _any_of(framing.n_classes, units, f"{problem.name}/explore/decision")
        chance = np.full(decision.shape, plan.explore / framing.n_classes)
    else:
        drawn = np.full(decision.shape, to)
        chance = plan.explore * (drawn == np.where(explored, to, decision))
    out = np.where(explored, drawn, decision)
    propensity = np.where(able, chance + (1 - plan.explore) * (out == decision), 1.0)
    return Drawn(out, propensity, explored)


def with_exploration(problem: Problem, frame: pd.DataFrame, answers: Answers) -> Answers:
    """The answers to a batch of rows as they go out; unchanged where the plan explores nothing. What each model said stays."""
    plan, framing = problem.serving, problem.framing
    if not plan.explore:
        return answers
    named = framing.key if plan.explore_by == "row" else framing.entity or framing.key
    units = frame[named].astype(str).tolist()
    drawn = draw(problem, units, answers.score, answers.decision, may=np.ones(len(frame), dtype=bool))
    return replace(answers, decision=drawn.decision, propensity=drawn.propensity, explored=drawn.explored)


def label_chance(decision: np.ndarray, propensity: np.ndarray, *, seen: float) -> np.ndarray:
    """How likely each row was to be decided as `seen`, whose label is known, shape (n,): zero where it never could be.

    Only two decisions were possible of a row, the model's and the one that is drawn: what did not go out had the rest.
    """
    return np.where(decision == seen, propensity, 1 - propensity)


def _inside(units: Sequence[str], key: str, share: float) -> np.ndarray:
    return np.array([position(unit, key=key) < share for unit in units], dtype=bool)


def _any_of(k: int, units: Sequence[str], key: str) -> np.ndarray:
    return np.array([float(int(position(unit, key=key) * k)) for unit in units], dtype=float)
