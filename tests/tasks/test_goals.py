"""Is a goal called reached only where the whole interval reaches it?"""

import math

import pytest

from schemas.framing import Goal, Level
from schemas.problem import load_problem
from tasks.goals import MEASURED, aim, goal_said

LEVEL = Level(who="incumbent", metric="mae", value=20.0, source="last year")


def framing(name: str, **changes):
    return load_problem(name).framing.model_copy(update=changes)


MORE = framing("fraud", goal=Goal(metric="average_precision", at_least=0.25, reason="x"), level=None)
LESS = framing("bikes", goal=Goal(metric="mae", by=5.0, reason="x"), level=LEVEL)  # at most 15


@pytest.mark.parametrize(
    "framed, interval, said",
    [
        (MORE, (0.27, 0.31, 0.35), "reached"),
        (MORE, (0.25, 0.31, 0.35), "reached"),
        (MORE, (0.24, 0.31, 0.35), "not shown either way"),
        (MORE, (0.10, 0.20, 0.25), "not shown either way"),
        (MORE, (0.10, 0.20, 0.24), "missed"),
        (LESS, (10.0, 12.0, 15.0), "reached"),
        (LESS, (10.0, 12.0, 15.1), "not shown either way"),
        (LESS, (15.1, 18.0, 19.0), "missed"),
        (MORE, (math.nan, 0.3, math.nan), "not measured on held-out rows"),
    ],
)
def test_the_whole_interval_decides_in_the_direction_that_is_better(framed, interval, said):
    assert goal_said(framed, dict(zip(MEASURED, interval, strict=True))).endswith(said)


def test_the_sentence_has_the_goal_the_level_and_what_was_measured():
    said = goal_said(MORE, dict(zip(MEASURED, (0.27, 0.31, 0.35), strict=True)))
    assert said == "goal average_precision at least 0.25, held-out 0.31 [0.27, 0.35]: reached"
    assert aim(LESS) == "goal mae at most 15, incumbent level 20"


def test_a_model_that_nobody_measured_has_not_reached_it():
    assert goal_said(MORE, {"average_precision": 0.9}).endswith("not measured on held-out rows")


def test_without_a_goal_nothing_is_said():
    assert goal_said(framing("fraud", goal=None), {}) == aim(framing("fraud", goal=None)) == ""
