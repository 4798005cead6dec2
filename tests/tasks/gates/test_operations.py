"""Does the fast clock stop a challenger that fails, is slow, is another than was judged, or answers the wrong share?"""

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from tasks import gates
from tests.tasks.gates.made import FAIL, PASS, WAIT, alpha_at, down, up

LIMITS = gates.Limits(load_seconds=30.0, latency_ms=100.0, memory_mb=2_000.0, size_mb=500.0)
PROBE = gates.Probe(rows=20, differing=0, load_seconds=1.0, latency_ms=5.0, memory_mb=100.0, size_mb=1.0)
FIGURES = ["load_seconds", "latency_ms", "memory_mb", "size_mb"]


@pytest.mark.parametrize(
    "found, expected",
    [
        ({}, PASS),
        ({"rows": 1}, PASS),
        ({"rows": 0}, WAIT),
        ({"differing": 1}, FAIL),
        ({"error": "ImportError: sklearn"}, FAIL),
        ({"error": "ImportError: sklearn", "rows": 0}, FAIL),  # what does not load is no question of rows
        ({"rows": 0, "latency_ms": 1e9}, WAIT),
    ],
)
def test_a_model_is_served_when_it_scores_in_a_fresh_process_as_it_did(found, expected):
    assert gates.serveable(replace(PROBE, **found), LIMITS).outcome is expected


@pytest.mark.parametrize("figure", FIGURES)
def test_each_figure_may_reach_its_limit_and_not_exceed_it(figure):
    limit = getattr(LIMITS, figure)
    for value, expected in [
        (down(limit), PASS),
        (limit, PASS),
        (up(limit), FAIL),
        (math.inf, FAIL),
        (math.nan, FAIL),  # what could not be measured is not within the limit
    ]:
        assert gates.serveable(replace(PROBE, **{figure: value}), LIMITS).outcome is expected, value


@pytest.mark.parametrize("figure", FIGURES)
def test_a_limit_that_is_not_a_number_is_kept_by_nothing(figure):
    assert gates.serveable(PROBE, replace(LIMITS, **{figure: math.nan})).outcome is FAIL


def test_every_figure_over_its_limit_is_named():
    verdict = gates.serveable(replace(PROBE, latency_ms=150.0, size_mb=900.0), LIMITS)
    assert verdict.reason == "one row takes 150 ms, 100 is the limit; its file has 900 MB, 500 is the limit"


def test_what_depends_on_the_machine_stands_beside_the_evidence():
    verdict = gates.serveable(PROBE, LIMITS)
    assert verdict.evidence == {"golden_rows": 20, "differing": 0}
    assert set(verdict.beside) == set(FIGURES)


def _errors(hits, share: float = 0.5, alpha: float = 0.05):
    return gates.error_guardrail(hits, [share] * len(hits), ratio=1.0, alpha=alpha, arms="side by side")


@pytest.mark.parametrize(
    "hits, share, expected",
    [
        ([], 0.05, PASS),  # an error nobody met speaks against nobody; the traffic gate asks for rows
        ([1] * 6, 0.05, FAIL),
        ([0] * 60, 0.05, PASS),
        ([0, 1] * 20, 0.5, PASS),
        ([1] * 30 + [0] * 5, 0.5, FAIL),
        ([1] * 12 + [0] * 300, 0.5, FAIL),  # evidence that was enough once is not taken back
    ],
)
def test_errors_stop_a_challenger_that_meets_more_than_its_share(hits, share, expected):
    assert _errors(hits, share).outcome is expected


def test_an_error_guardrail_stops_at_its_limit_to_the_last_bit():
    hits = [1] * 6
    alpha = alpha_at(_errors(hits).evidence["log_e"])
    assert _errors(hits, alpha=alpha * 1.001).outcome is FAIL
    assert _errors(hits, alpha=alpha).outcome is FAIL
    assert _errors(hits, alpha=alpha * (1 - 1e-15)).outcome is PASS


def test_errors_are_counted_and_none_is_said_to_be_none():
    assert _errors([0, 1, 1]).evidence | {"log_e": 0} == {"errors": 3, "errors_of_challenger": 2, "log_e": 0}
    assert _errors([0, 1, 1]).reason.startswith("2 of 3 entities with an error met it from the challenger")
    assert _errors([]).reason == "no errors"


def _slow(hits, alpha: float = 0.05):
    return gates.latency_guardrail(hits, [0.5] * len(hits), ratio=1.0, alpha=alpha, arms="over 100 ms")


def test_slow_answers_stop_a_challenger_as_errors_do():
    for hits in ([], [0, 1] * 20, [1] * 30, [0] * 60):
        slow, failed = _slow(hits), _errors(hits)
        assert (slow.outcome, slow.gate) == (failed.outcome, "latency guardrail")
        assert slow.evidence["log_e"] == failed.evidence["log_e"]
    assert _slow([1] * 30).reason.startswith("the challenger is slow: 30 of 30 entities with a slow answer met it")
    assert _slow([0, 1]).evidence | {"log_e": 0} == {"slow_answers": 2, "slow_answers_of_challenger": 1, "log_e": 0}
    assert _slow([]).reason == "no slow answers"


def _shift(positives, rows, held_out, *, factor=3.0, alpha=0.05):
    return gates.prediction_shift(positives, rows, held_out=held_out, factor=factor, alpha=alpha)


@pytest.mark.parametrize(
    "positives, rows, held_out, expected",
    [
        (20, 1_000, 0.02, PASS),
        (45, 1_000, 0.02, PASS),  # within a factor of 3
        (200, 1_000, 0.02, FAIL),
        (0, 1_000, 0.02, FAIL),
        (1, 3, 0.02, PASS),  # too few to say
        (0, 1, 0.5, PASS),
        (1_000, 1_000, 0.9, PASS),  # there is no share above all
        (0, 1_000, 0.9, FAIL),
        (0, 0, 0.02, WAIT),
        (5, 100, 0.0, WAIT),  # it acted on nothing that was held out: no limits
        (5, 100, 1.0, FAIL),  # under a third of all
        (5, 100, 3.5, WAIT),  # no share
        (5, 100, -0.1, WAIT),
        (5, 100, math.nan, WAIT),
        (5, 100, math.inf, WAIT),
    ],
)
def test_a_model_that_acts_on_another_share_than_when_it_was_judged_is_stopped(positives, rows, held_out, expected):
    assert _shift(positives, rows, held_out).outcome is expected


@pytest.mark.parametrize("factor", [1.0, 0.5, math.inf, math.nan])
def test_a_factor_that_leaves_no_room_or_all_of_it_gives_no_limits(factor):
    assert _shift(5, 100, 0.25, factor=factor).outcome is WAIT


@pytest.mark.parametrize("positives", [0, 200], ids=["too few", "too many"])
def test_a_shift_stops_at_its_limit_to_the_last_bit(positives):
    log_e = _shift(positives, 1_000, 0.02).evidence["log_e"]
    alpha = alpha_at(log_e, shared_by=2)
    assert _shift(positives, 1_000, 0.02, alpha=alpha).outcome is FAIL
    assert _shift(positives, 1_000, 0.02, alpha=alpha * (1 - 1e-13)).outcome is PASS


def test_the_shares_of_a_shift_are_those_of_the_rows():
    verdict = gates.prediction_shift(20, 1_000, held_out=0.02, factor=3.0, alpha=0.05, what="refusals")
    assert verdict.gate == "prediction shift of refusals"
    assert verdict.evidence | {"log_e": 0} == {"rows": 1_000, "share": 0.02, "held_out": 0.02, "log_e": 0}


def _held(inside: int, n: int, share: float, alpha: float = 0.05):
    return gates.shares_held(np.arange(n) < inside, np.full(n, share), alpha=alpha)


@pytest.mark.parametrize(
    "inside, n, share, expected",
    [
        (0, 0, 0.5, WAIT),
        (0, 1, 0.5, PASS),
        (50, 1_000, 0.05, PASS),
        (500, 1_000, 0.5, PASS),
        (600, 1_000, 0.5, FAIL),
        (0, 1_000, 0.05, FAIL),
    ],
)
def test_arms_hold_the_shares_they_were_given(inside, n, share, expected):
    assert _held(inside, n, share).outcome is expected


def test_a_sample_ratio_fails_at_its_limit_to_the_last_bit():
    alpha = alpha_at(_held(600, 1_000, 0.5).evidence["log_e"])
    assert _held(600, 1_000, 0.5, alpha).outcome is FAIL
    assert _held(600, 1_000, 0.5, alpha * (1 - 1e-13)).outcome is PASS


ENOUGH = {"requests": 100, "entities": 50, "elapsed": timedelta(days=2)}


@pytest.mark.parametrize(
    "found, expected",
    [
        ({}, PASS),  # exactly what is needed
        ({"requests": 101, "entities": 51, "elapsed": timedelta(days=3)}, PASS),
        ({"requests": 99}, WAIT),
        ({"entities": 49}, WAIT),
        ({"elapsed": timedelta(days=2, microseconds=-1)}, WAIT),
        ({"requests": 99, "entities": 5_000, "elapsed": timedelta(days=90)}, WAIT),  # one does not make up for another
        ({"requests": 0, "entities": 0, "elapsed": timedelta(0)}, WAIT),
    ],
)
def test_a_share_needs_its_requests_its_entities_and_its_time(found, expected):
    needed = {"at_least": timedelta(days=2), "requests_needed": 100, "entities_needed": 50}
    verdict = gates.enough_traffic(**(ENOUGH | found), **needed)
    assert verdict.outcome is expected
    assert ("are needed" in verdict.reason) is (expected is WAIT)
