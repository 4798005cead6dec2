"""Does a route say what its ledger state says, and is anything else refused?"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.route import BrokenRouteError, Route, Served
from schemas.rows import Model, State
from schemas.stage import Stage

ONE, TWO = Model("a" * 64, "1", "heuristic"), Model("b" * 64, "2", "boosting")


@pytest.mark.parametrize(
    "state, share, rival",
    [
        (State("p", stage=Stage.HEALTHY, champion=ONE), False, None),
        (State("p", stage=Stage.HEALTHY, champion=TWO, previous=ONE), False, None),  # it only stands by
        (State("p", stage=Stage.SHADOW, champion=ONE, challenger=TWO), False, TWO),
        (State("p", stage=Stage.CANARY, champion=ONE, challenger=TWO, share=0.05), True, TWO),
        (State("p", stage=Stage.AB, champion=ONE, challenger=TWO, share=0.5), True, TWO),
        (State("p", stage=Stage.PROBATION, champion=TWO, previous=ONE), False, ONE),
    ],
)
def test_who_answers_and_who_scores_beside_follow_from_the_stage(state, share, rival):
    route = Route.of(state)
    assert route.answers_a_share is share
    assert (route.rival.sha256 if route.rival else None) == (rival.sha256 if rival else None)
    assert Route.from_json(route.to_json()) == route


def test_before_something_serves_there_is_no_route():
    assert Route.of(State("p")) is None


def test_every_rollout_deals_its_entities_anew():
    assert Route("p", 1, Stage.CANARY, 0.1, 3, Served("a", "1", "x")).key == "p/3"


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_text_that_is_no_route_is_refused_as_one(text):
    with pytest.raises(BrokenRouteError):
        Route.from_json(text)


def test_a_route_that_lost_a_part_or_its_champion_is_refused():
    whole = json.loads(Route.of(State("p", stage=Stage.HEALTHY, champion=ONE)).to_json())
    for name in whole:
        with pytest.raises(BrokenRouteError):
            Route.from_json(json.dumps({k: v for k, v in whole.items() if k != name}))
    with pytest.raises(BrokenRouteError, match="no champion"):
        Route.from_json(json.dumps(whole | {"champion": None}))
    with pytest.raises(BrokenRouteError):
        Route.from_json(json.dumps(whole | {"stage": "CORONATION"}))
