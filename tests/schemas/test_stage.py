"""Is the table of arrows whole, and does the picture show it?"""

import re

import pytest

from schemas.stage import NEXT, REVERT, ROLLOUT, Stage, diagram
from schemas.verdict import Outcome


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("outcome", Outcome)
def test_every_stage_has_an_arrow_for_every_outcome(stage, outcome):
    assert NEXT[stage][outcome] in Stage


@pytest.mark.parametrize("stage", Stage)
def test_waiting_stays(stage):
    assert NEXT[stage][Outcome.WAIT] is stage


def test_only_healthy_can_revert_and_it_stays_healthy():
    assert {stage for stage, arrows in NEXT.items() if REVERT in arrows} == {Stage.HEALTHY}
    assert NEXT[Stage.HEALTHY][REVERT] is Stage.HEALTHY


def test_no_stage_has_an_arrow_of_another_name():
    assert {str(arrow) for arrows in NEXT.values() for arrow in arrows} == {*map(str, Outcome), REVERT}


@pytest.mark.parametrize("stage", sorted(ROLLOUT))
def test_a_failed_rollout_ends_in_healthy(stage):
    assert NEXT[stage][Outcome.FAIL] is Stage.HEALTHY


def test_passing_leads_through_every_stage_once():
    path, stage = [], NEXT[Stage.HEALTHY][Outcome.FAIL]
    while stage is not Stage.HEALTHY:
        path.append(stage)
        stage = NEXT[stage][Outcome.PASS]
    assert path == [Stage.RETRAIN, Stage.SHADOW, Stage.CANARY, Stage.AB, Stage.PROBATION]
    assert set(path) == ROLLOUT


def test_the_diagram_shows_every_arrow_and_no_other():
    drawn = {
        (stage, arrow, target)
        for stage, target, arrows in re.findall(r"^    (\w+) --> (\w+): (.+)$", diagram(), flags=re.MULTILINE)
        for arrow in arrows.split(", ")
    }
    assert drawn == {
        (str(stage), str(arrow), str(target)) for stage, arrows in NEXT.items() for arrow, target in arrows.items()
    }
