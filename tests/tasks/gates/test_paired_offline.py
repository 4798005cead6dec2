"""Does one look at held-out rows pass only what the whole interval shows?"""

import math

import numpy as np
import pytest

from tasks import gates
from tests.tasks.gates.made import BETTER, FAIL, NO_WORSE, PASS, WAIT, losses, state, up


def _offline(pair, promotion=NO_WORSE, *, margin=0.01, at_least=100, **more):
    return gates.paired_offline(*pair, promotion=promotion, margin=margin, alpha=0.05, at_least=at_least, **more)


def _sanity(pair, *, at_least=100, **more):
    return gates.not_shown_worse(*pair, alpha=0.05, at_least=at_least, against="constant", **more)


@pytest.mark.parametrize(
    "promotion, gain, expected",
    [
        (BETTER, +0.020, PASS),
        (BETTER, 0.0, FAIL),
        (BETTER, -0.005, FAIL),
        (BETTER, -0.020, FAIL),
        (NO_WORSE, +0.020, PASS),
        (NO_WORSE, 0.0, PASS),
        (NO_WORSE, -0.005, PASS),  # worse, but within the margin
        (NO_WORSE, -0.010, FAIL),  # at the margin itself
        (NO_WORSE, -0.020, FAIL),
    ],
)
def test_offline_the_whole_interval_lies_on_the_claimed_side(promotion, gain, expected):
    verdict = _offline(losses(gain), promotion)
    assert verdict.outcome is expected
    assert verdict.evidence["gain"] == pytest.approx(gain)


def test_offline_an_interval_that_straddles_its_floor_is_a_fail_since_nothing_more_will_come():
    verdict = _offline(losses(0.001, spread=0.5), BETTER)
    assert verdict.evidence["low"] < 0 < verdict.evidence["high"]
    assert verdict.outcome is FAIL
    assert "is not shown to be better than the champion" in verdict.reason


def test_offline_a_low_end_at_the_margin_fails_and_one_float_above_it_passes():
    pair = losses(-0.02)
    margin = -_offline(pair).evidence["low"]
    assert _offline(pair, margin=margin).outcome is FAIL
    assert _offline(pair, margin=up(margin)).outcome is PASS
    assert "is no more than" in _offline(pair, margin=up(margin)).reason


def test_offline_superiority_must_exceed_zero_and_not_reach_it(monkeypatch):
    state(monkeypatch, "paired", (0.0, 0.1, 0.2), (up(0.0), 0.1, 0.2))
    assert _offline(losses(0.1), BETTER).outcome is FAIL
    assert _offline(losses(0.1), BETTER).outcome is PASS


@pytest.mark.parametrize("gate", [_offline, _sanity], ids=["champion", "constant"])
@pytest.mark.parametrize("n, waits", [(0, True), (1, True), (99, True), (100, False), (101, False)])
def test_offline_too_few_rows_wait_however_clear_they_are(gate, n, waits):
    verdict = gate(losses(-0.5, n))
    assert verdict.outcome is (WAIT if waits else FAIL)
    assert verdict.evidence["rows"] == n
    assert (verdict.reason == f"{n} held-out rows, 100 are needed") is waits


def test_harm_so_rare_that_it_is_not_among_the_rows_is_not_excluded_by_them():
    assert _offline(losses(0.0, 500, spread=0.0), margin=0.001).outcome is FAIL
    assert _offline(losses(0.0, 50_000, spread=0.0), margin=0.001).outcome is PASS


def test_rows_of_one_entity_are_one_piece_of_evidence():
    gain = np.resize([0.3, -0.1], 2_000)
    champion, challenger = np.full(2_000, 0.5), 0.5 - gain
    by_entity = np.where(gain > 0, 0, 1)
    assert _offline((champion, challenger), BETTER).outcome is PASS
    assert _offline((champion, challenger), BETTER, clusters=by_entity).outcome is FAIL
    assert _sanity((challenger, champion)).outcome is FAIL
    assert _sanity((challenger, champion), clusters=by_entity).outcome is PASS


@pytest.mark.parametrize("clipped, said", [(0.0, False), (up(0.0), True), (0.25, True)])
def test_losses_at_their_bound_are_said(clipped, said):
    verdict = _offline(losses(0.0), clipped=clipped)
    assert ("of the losses are clipped" in verdict.reason) is said
    assert verdict.evidence["clipped"] == clipped


@pytest.mark.parametrize(
    "gain, spread, expected",
    [
        (+0.02, 0.001, PASS),
        (0.0, 0.001, PASS),
        (-0.001, 0.5, PASS),  # perhaps worse, but not shown
        (-0.02, 0.001, FAIL),
    ],
)
def test_the_sanity_check_fails_what_is_shown_worse_than_the_constant(gain, spread, expected):
    verdict = _sanity(losses(gain, spread=spread))
    assert verdict.outcome is expected
    assert ("is not shown to be worse" in verdict.reason) is (expected is PASS)


def test_a_high_end_at_zero_is_not_shown_worse_and_one_float_below_it_is(monkeypatch):
    state(monkeypatch, "paired", (-0.2, -0.1, 0.0), (-0.2, -0.1, -up(0.0)))
    assert _sanity(losses(-0.1)).outcome is PASS
    assert _sanity(losses(-0.1)).outcome is FAIL


@pytest.mark.parametrize("gate", [_offline, _sanity], ids=["champion", "constant"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 2.0], ids=str)
def test_offline_a_loss_that_is_none_is_refused(gate, bad):
    champion, challenger = losses(0.2)
    challenger[7] = bad
    assert gates.closed("g", lambda: gate((champion, challenger))).outcome is FAIL
    assert gates.closed("g", lambda: gate((challenger, champion))).outcome is FAIL


@pytest.mark.parametrize("gate", [_offline, _sanity], ids=["champion", "constant"])
def test_offline_losses_that_do_not_pair_are_refused(gate):
    assert gates.closed("g", lambda: gate(([0.5] * 300, [0.1] * 301))).outcome is FAIL


def test_a_refusal_says_what_difference_the_rows_can_tell_and_a_pass_does_not():
    kept = {"promotion": BETTER, "margin": 0.01, "alpha": 0.05, "at_least": 100}
    assert "they can tell a difference of" not in gates.paired_offline(*losses(0.05), **kept).reason
    assert "they can tell a difference of" in gates.paired_offline(*losses(0.0), **kept).reason
