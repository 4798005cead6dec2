"""Does each gate pass on evidence alone, fail on evidence alone, and wait for the rest?"""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from schemas.framing import Requirement
from schemas.plans import Promotion
from schemas.verdict import Outcome, Verdict
from tasks import gates

PASS, FAIL, WAIT = Outcome.PASS, Outcome.FAIL, Outcome.WAIT
BETTER, NO_WORSE = Promotion.SUPERIORITY, Promotion.NON_INFERIORITY
NOW = datetime(2024, 3, 1, tzinfo=UTC)


def _losses(gain: float, n: int = 400, *, spread: float = 0.001) -> tuple[np.ndarray, np.ndarray]:
    """Champion's and challenger's losses whose paired difference has this mean, whichever n is looked at."""
    champion = np.full(n, 0.5)
    return champion, champion - gain + spread * np.resize([1.0, -1.0], n)


@pytest.mark.parametrize(
    "error", [ValueError("no"), KeyError("loss"), ZeroDivisionError(), AssertionError("x" * 9_999)]
)
def test_a_gate_that_raises_is_a_fail_that_says_so_in_short(error):
    def broken() -> Verdict:
        raise error

    verdict = gates.closed("gate", broken)
    assert verdict.outcome is FAIL
    assert type(error).__name__ in verdict.reason
    assert len(verdict.reason) < 300


def test_a_gate_that_answers_is_taken_at_its_word():
    assert gates.closed("g", lambda: Verdict("g", WAIT, "later")) == Verdict("g", WAIT, "later")


@pytest.mark.parametrize(
    "limits, measured, expected",
    [
        ({"at_least": 0.5}, {"roc_auc": 0.6}, PASS),
        ({"at_least": 0.5}, {"roc_auc": 0.5}, PASS),
        ({"at_least": 0.5}, {"roc_auc": 0.4}, FAIL),
        ({"at_most": 0.5}, {"roc_auc": 0.4}, PASS),
        ({"at_most": 0.5}, {"roc_auc": 0.6}, FAIL),
        ({"at_least": 0.2, "at_most": 0.5}, {"roc_auc": 0.6}, FAIL),
        ({"at_least": 0.5}, {}, WAIT),
        ({"at_least": 0.5}, {"mae": 9.0}, WAIT),
        ({"at_least": 0.5}, {"roc_auc": math.nan}, WAIT),
        ({"at_most": 0.5}, {"roc_auc": -math.inf}, WAIT),
    ],
)
def test_a_requirement_needs_its_metric_and_its_side(limits, measured, expected):
    wanted = Requirement(metric="roc_auc", reason="chance", **limits)
    assert gates.requirement(wanted, measured).outcome is expected


@pytest.mark.parametrize(
    "scores, expected",
    [
        ([], WAIT),
        ([0.1, 0.2], PASS),
        ([0.1, math.nan], FAIL),
        ([0.1, math.inf], FAIL),
        ([0.3] * 50, FAIL),
        ([0.3], PASS),
    ],
)
def test_scores_are_finite_and_not_all_the_same(scores, expected):
    assert gates.finite(scores).outcome is expected


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
        (NO_WORSE, -0.020, FAIL),
    ],
)
def test_offline_the_whole_interval_lies_on_the_claimed_side(promotion, gain, expected):
    verdict = gates.paired_offline(
        *_losses(gain), promotion=promotion, margin=0.01, alpha=0.05, at_least=100, against="champion"
    )
    assert verdict.outcome is expected
    assert verdict.evidence["gain"] == pytest.approx(gain)


def test_offline_an_interval_that_straddles_its_floor_is_a_fail_since_nothing_more_will_come():
    losses = _losses(0.001, n=100, spread=0.5)
    verdict = gates.paired_offline(*losses, promotion=BETTER, margin=0.01, alpha=0.05, at_least=100)
    assert verdict.evidence["low"] < 0 < verdict.evidence["high"]
    assert verdict.outcome is FAIL


@pytest.mark.parametrize("n", [0, 1, 99])
def test_offline_too_few_rows_wait(n):
    verdict = gates.paired_offline(*_losses(0.5, n), promotion=BETTER, margin=0.01, alpha=0.05, at_least=100)
    assert verdict.outcome is WAIT
    assert str(n) in verdict.reason


@pytest.mark.parametrize(
    "gain, spread, n, expected",
    [
        (+0.02, 0.001, 400, PASS),
        (0.0, 0.001, 400, PASS),
        (-0.001, 0.5, 400, PASS),  # perhaps worse, but not shown
        (-0.02, 0.001, 400, FAIL),
        (-0.02, 0.001, 99, WAIT),
        (0.0, 0.001, 0, WAIT),
    ],
)
def test_the_sanity_check_fails_what_is_shown_worse_than_the_constant(gain, spread, n, expected):
    verdict = gates.not_shown_worse(*_losses(gain, n, spread=spread), alpha=0.05, at_least=100, against="constant")
    assert verdict.outcome is expected


@pytest.mark.parametrize(
    "promotion, gain, enough, expected",
    [
        (BETTER, +0.020, True, PASS),
        (BETTER, +0.020, False, WAIT),  # shown, but the minimum time is not over
        (BETTER, 0.0, True, WAIT),
        (BETTER, -0.020, True, FAIL),
        (BETTER, -0.020, False, FAIL),  # refuted: no need to wait
        (NO_WORSE, -0.002, True, PASS),
        (NO_WORSE, -0.002, False, WAIT),
        (NO_WORSE, -0.010, True, WAIT),  # at the margin itself
        (NO_WORSE, -0.020, True, FAIL),
    ],
)
def test_live_the_whole_interval_and_the_minimum_time_decide(promotion, gain, enough, expected):
    verdict = gates.paired_sequential(*_losses(gain), promotion=promotion, margin=0.01, alpha=0.05, enough=enough)
    assert verdict.outcome is expected


@pytest.mark.parametrize("n", [0, 1, 29])
def test_live_too_few_rows_wait_however_clear_they_are(n):
    losses = _losses(0.5, n)
    assert gates.paired_sequential(*losses, promotion=BETTER, margin=0.01, alpha=0.05, enough=True).outcome is WAIT


@pytest.mark.parametrize(
    "gain, n, enough, expected",
    [
        (0.0, 400, True, PASS),
        (0.0, 400, False, WAIT),
        (-0.005, 400, True, PASS),
        (-0.020, 400, True, FAIL),
        (-0.020, 400, False, FAIL),
        (0.0, 0, True, WAIT),
        (-0.5, 29, True, WAIT),  # below the burn-in nothing is known, so nothing passes
    ],
)
def test_in_probation_only_shown_harm_brings_the_previous_champion_back(gain, n, enough, expected):
    assert gates.no_worse_live(*_losses(gain, n), margin=0.01, alpha=0.05, enough=enough).outcome is expected


@pytest.mark.parametrize(
    "gate",
    [
        lambda a, b: gates.paired_offline(a, b, promotion=BETTER, margin=0.01, alpha=0.05, at_least=1),
        lambda a, b: gates.not_shown_worse(a, b, alpha=0.05, at_least=1, against="constant"),
        lambda a, b: gates.paired_sequential(a, b, promotion=BETTER, margin=0.01, alpha=0.05, enough=True),
        lambda a, b: gates.no_worse_live(a, b, margin=0.01, alpha=0.05, enough=True),
    ],
    ids=["offline", "sanity", "live", "probation"],
)
def test_losses_that_do_not_pair_or_are_undefined_are_never_a_pass(gate):
    for champion, challenger in (([0.5] * 3, [0.1] * 4), ([0.5] * 40, [math.nan] * 40)):
        assert gates.closed("g", lambda a=champion, b=challenger: gate(a, b)).outcome is FAIL


@pytest.mark.parametrize(
    "hits, share, expected",
    [
        ([], 0.05, PASS),  # an error nobody met speaks against nobody; the traffic gate asks for rows
        ([1] * 6, 0.05, FAIL),
        ([0] * 60, 0.05, PASS),
        ([0, 1] * 20, 0.5, PASS),
        ([1] * 30 + [0] * 5, 0.5, FAIL),
    ],
)
def test_errors_stop_a_challenger_that_meets_more_than_its_share(hits, share, expected):
    verdict = gates.error_guardrail(hits, [share] * len(hits), ratio=1.0, alpha=0.05, arms="")
    assert verdict.outcome is expected


@pytest.mark.parametrize(
    "positives, rows, held_out, expected",
    [
        (20, 1_000, 0.02, PASS),
        (45, 1_000, 0.02, PASS),  # within a factor of 3
        (200, 1_000, 0.02, FAIL),
        (0, 1_000, 0.02, FAIL),
        (1, 3, 0.02, PASS),  # too few to say
        (0, 0, 0.02, WAIT),
        (5, 100, 0.0, WAIT),  # it acted on nothing that was held out: no limits
    ],
)
def test_a_model_that_acts_on_another_share_than_when_it_was_judged_is_stopped(positives, rows, held_out, expected):
    assert gates.prediction_shift(positives, rows, held_out=held_out, factor=3.0, alpha=0.05).outcome is expected


@pytest.mark.parametrize(
    "inside, n, share, expected",
    [
        (0, 0, 0.5, WAIT),
        (50, 1_000, 0.05, PASS),
        (500, 1_000, 0.5, PASS),
        (600, 1_000, 0.5, FAIL),
        (0, 1_000, 0.05, FAIL),
    ],
)
def test_arms_hold_the_shares_they_were_given(inside, n, share, expected):
    x = np.arange(n) < inside
    assert gates.shares_held(x, np.full(n, share), alpha=0.05).outcome is expected


@pytest.mark.parametrize(
    "requests, entities, days, expected",
    [(100, 50, 2, PASS), (99, 50, 2, WAIT), (100, 49, 2, WAIT), (100, 50, 1.9, WAIT), (0, 0, 0, WAIT)],
)
def test_a_share_needs_its_requests_its_entities_and_its_time(requests, entities, days, expected):
    verdict = gates.enough_traffic(
        requests=requests,
        entities=entities,
        elapsed=timedelta(days=days),
        at_least=timedelta(days=2),
        requests_needed=100,
        entities_needed=50,
    )
    assert verdict.outcome is expected


@pytest.mark.parametrize(
    "gain, n, enough, last_look, suffices, expected",
    [
        (0.0, 400, True, False, False, PASS),
        (0.0, 400, False, False, False, WAIT),
        (-0.05, 400, True, False, False, FAIL),
        (-0.05, 400, False, False, False, FAIL),
        (-0.05, 400, True, True, True, FAIL),  # shown harm never suffices
        (0.0, 10, True, False, True, WAIT),
        (0.0, 10, True, True, False, WAIT),
        (0.0, 10, True, True, True, WAIT),  # too few rows for an interval are no evidence, whatever the plan accepts
        (-0.005, 100, True, True, True, PASS),  # not excluded, not shown: the plan accepts it in writing
        (0.0, 0, True, True, True, WAIT),  # an empty arm shows nothing, whatever the plan accepts
    ],
)
def test_the_business_effect_excludes_harm_over_what_is_tolerated(gain, n, enough, last_look, suffices, expected):
    champion, challenger = _losses(gain, n)
    verdict = gates.business_effect(
        champion,
        challenger,
        tolerated_harm=0.01,
        alpha=0.05,
        enough=enough,
        last_look=last_look,
        no_harm_suffices=suffices,
    )
    assert verdict.outcome is expected


def test_one_empty_arm_is_not_half_of_the_evidence():
    verdict = gates.business_effect(
        [], [0.0] * 400, tolerated_harm=0.01, alpha=0.05, enough=True, last_look=True, no_harm_suffices=True
    )
    assert verdict.outcome is WAIT


@pytest.mark.parametrize(
    "distances, limits, expected",
    [
        ({"x": 0.05}, {"x": 0.2}, PASS),
        ({"x": 0.3}, {"x": 0.2}, FAIL),
        ({"x": 0.09}, {"x": 0.01}, PASS),  # unusual, but too small to matter
        ({"x": 0.05, "y": 0.5}, {"x": 0.2, "y": 0.2}, FAIL),
        ({"x": math.nan}, {"x": 0.2}, WAIT),
        ({}, {"x": 0.2}, WAIT),
        ({"x": math.nan, "y": 0.9}, {"x": 0.2, "y": 0.2}, WAIT),
        ({}, {}, WAIT),
    ],
)
def test_drift_is_a_move_beyond_its_own_limit_and_the_floor(distances, limits, expected):
    assert gates.drift(distances, limits, floor=0.1, rate=0.05).outcome is expected


@pytest.mark.parametrize(
    "daily, expected",
    [
        ([0.10] * 10, PASS),
        ([0.10, 0.101] * 5, PASS),
        ([0.30, 0.31] * 5, FAIL),
        ([0.05, 0.06] * 5, PASS),  # better than when it was accepted
        ([0.05, 0.60] * 5, PASS),  # too uneven to say
        ([0.30] * 9, WAIT),
        ([], WAIT),
    ],
)
def test_decay_is_a_loss_whose_lower_bound_lies_above_what_was_held_out(daily, expected):
    verdict = gates.decay(daily, held_out=0.10, tolerance=0.01, alpha=0.01, at_least=10)
    assert verdict.outcome is expected


@pytest.mark.parametrize("before", list(Outcome))
@pytest.mark.parametrize("late", [-1, 0, 1])
def test_a_deadline_turns_waiting_into_a_fail_and_nothing_else(before, late):
    verdict = Verdict("g", before, "because", {"n": 1})
    after = gates.at_deadline(verdict, now=NOW + timedelta(seconds=late), deadline=NOW)
    if before is WAIT and late >= 0:
        assert after.outcome is FAIL
        assert "deadline" in after.reason
        assert "because" in after.reason
        assert after.evidence == verdict.evidence
    else:
        assert after == verdict


def test_every_gate_is_in_the_tables_above():
    import inspect
    import sys

    source = inspect.getsource(sys.modules[__name__])
    assert not [name for name in gates.__all__ if f"gates.{name}(" not in source]
