"""Is a challenger worth what it costs, in money against the champion and in simplicity against what is simpler?"""

import math

import numpy as np
import pytest

from tasks import gates
from tests.tasks.gates.made import FAIL, PASS, WAIT, down, state, up


def _value(gain: float = 0.0, over_constant: float = 1.0, n: int = 4_000, *, tolerated=0.25, at_least=100, **more):
    """Costs of 0 to 10 a row; the champion costs `gain`, the constant `over_constant` more than the challenger."""
    cost = 4.0 + 0.01 * np.resize([1.0, -1.0], n)
    return gates.business_value(
        cost + gain,
        cost,
        cost + over_constant,
        tolerated=tolerated,
        smallest=0.0,
        largest=10.0,
        currency="EUR",
        alpha=0.05,
        at_least=at_least,
        **more,
    )


@pytest.mark.parametrize(
    "gain, over_constant, n, expected",
    [
        (+1.0, 1.0, 4_000, PASS),
        (0.0, 1.0, 4_000, PASS),
        (-0.1, 1.0, 4_000, PASS),  # costs more, within what is tolerated
        (-0.25, 1.0, 4_000, FAIL),
        (-1.0, 1.0, 4_000, FAIL),
        (0.0, 1.0, 100, FAIL),  # so few do not exclude it
        (+1.0, 0.0, 4_000, PASS),  # as good as deciding all alike: not shown worse
        (+1.0, -1.0, 4_000, FAIL),  # better than the champion, and yet not worth having
        (+1.0, 1.0, 99, WAIT),
        (+1.0, -1.0, 99, WAIT),
        (0.0, 0.0, 0, WAIT),
    ],
)
def test_a_challenger_is_worth_what_it_replaces_and_worth_having_at_all(gain, over_constant, n, expected):
    assert _value(gain, over_constant, n).outcome is expected


def test_added_cost_at_what_is_tolerated_is_not_excluded_and_one_float_above_it_is():
    tolerated = -_value(-1.0).evidence["low"]
    assert _value(-1.0, tolerated=tolerated).outcome is FAIL
    assert "is not excluded" in _value(-1.0, tolerated=tolerated).reason
    assert _value(-1.0, tolerated=up(tolerated)).outcome is PASS


def test_a_cost_that_may_equal_the_constant_is_not_shown_to_exceed_it(monkeypatch):
    over = (0.1, 0.2, 0.3)
    state(monkeypatch, "quality", over, (-0.2, -0.1, 0.0), over, (-0.2, -0.1, -up(0.0)))
    assert _value().outcome is PASS
    assert _value().outcome is FAIL


def test_costs_are_said_in_the_currency_and_against_whom():
    assert "EUR a row against the champion" in _value(0.5).reason
    assert _value(0.5, -1.0).reason.startswith("it costs more than deciding all alike: -1.000")
    evidence = _value(0.5, 2.0).evidence
    assert evidence["gain"] == pytest.approx(0.5)
    assert evidence["over_constant"] == pytest.approx(2.0)


def test_one_customer_many_times_is_one_customer():
    # Twenty customers who gain and twenty who lose: a hundred rows of each are no more than forty pieces of evidence.
    gain, by_entity = np.resize([5.0, -3.0], 4_000), np.resize(np.arange(40), 4_000)
    assert _value(gain).outcome is PASS
    assert _value(gain, clusters=by_entity).outcome is FAIL
    assert "costs more" in _value(0.0, -gain).reason
    assert "costs more" not in _value(0.0, -gain, clusters=by_entity).reason


@pytest.mark.parametrize("bad", [math.nan, math.inf, 11.0], ids=str)
def test_a_cost_that_is_none_is_refused(bad):
    assert gates.closed("business value", lambda: _value(bad)).outcome is FAIL
    assert gates.closed("business value", lambda: _value(over_constant=bad)).outcome is FAIL


def _simplest(n: int = 4_000, *, margin=0.01, at_least=100, clusters=None, **worse_by):
    loss = 0.3 + 0.001 * np.resize([1.0, -1.0], n)
    simpler = {family: loss + by for family, by in worse_by.items()}
    return gates.simplest(loss, simpler, margin=margin, alpha=0.05, at_least=at_least, clusters=clusters)


@pytest.mark.parametrize(
    "worse_by, take",
    [
        ({}, None),
        ({"linear": 0.05}, None),
        ({"linear": 0.01}, None),  # at the margin
        ({"linear": 0.001}, "linear"),
        ({"linear": -0.2}, "linear"),
        ({"rule": 0.05, "linear": 0.001}, "linear"),
        ({"rule": 0.001, "linear": -0.2}, "rule"),  # the simplest that will do, not the best
    ],
)
def test_the_simplest_model_that_is_no_worse_wins(worse_by, take):
    verdict = _simplest(**worse_by)
    assert verdict.outcome is (FAIL if take else PASS)
    assert verdict.evidence.get("take") == take


@pytest.mark.parametrize("n, waits", [(0, True), (99, True), (100, False)])
def test_simplicity_needs_its_rows(n, waits):
    assert _simplest(n, linear=-0.2).outcome is (WAIT if waits else FAIL)
    assert _simplest(n).outcome is (WAIT if waits else PASS)


def test_a_high_end_at_the_margin_is_not_shown_to_be_within_it(monkeypatch):
    state(monkeypatch, "quality", (-0.1, 0.0, 0.01), (-0.1, 0.0, down(0.01)))
    assert _simplest(linear=0.0).outcome is PASS
    assert _simplest(linear=0.0).outcome is FAIL


def test_what_was_tried_is_said():
    assert _simplest().reason.endswith("(tried: none is simpler)")
    assert _simplest(rule=0.2, linear=0.1).reason.endswith("(tried: rule, linear)")


def test_a_simpler_model_is_not_taken_on_one_customer():
    worse_by = np.resize([0.095, -0.085], 4_000)
    assert _simplest(linear=worse_by).outcome is FAIL
    assert _simplest(linear=worse_by, clusters=np.resize([0, 1], 4_000)).outcome is PASS


@pytest.mark.parametrize("bad", [math.nan, math.inf], ids=str)
def test_a_simpler_model_without_a_loss_is_no_pass(bad):
    assert gates.closed("simplicity", lambda: _simplest(linear=bad)).outcome is FAIL
