"""Is a move beyond its own limit drift, and a loss above the accepted one decay?"""

import math
from datetime import timedelta

import pytest

from schemas.framing import Requirement
from tasks import gates
from tests.tasks.gates.made import FAIL, PASS, WAIT, down, up


@pytest.mark.parametrize(
    "distances, limits, expected",
    [
        ({"x": 0.05}, {"x": 0.2}, PASS),
        ({"x": 0.2}, {"x": 0.2}, PASS),  # at its limit
        ({"x": up(0.2)}, {"x": 0.2}, FAIL),
        ({"x": 0.09}, {"x": 0.01}, PASS),  # unusual, but too small to matter
        ({"x": 0.1}, {"x": 0.01}, PASS),  # at the floor
        ({"x": up(0.1)}, {"x": 0.01}, FAIL),
        ({"x": 0.15}, {"x": 0.2}, PASS),  # over the floor, and yet usual
        ({"x": 0.05, "y": 0.5}, {"x": 0.2, "y": 0.2}, FAIL),
        ({"x": 0.05, "y": 0.5}, {"x": 0.2}, PASS),  # a column that is not watched
        ({"x": math.nan}, {"x": 0.2}, WAIT),
        ({"x": math.inf}, {"x": 0.2}, WAIT),
        ({"x": 0.9}, {"x": math.nan}, WAIT),  # no limit is no licence
        ({"x": 0.9}, {"x": math.inf}, WAIT),
        ({}, {"x": 0.2}, WAIT),
        ({"x": math.nan, "y": 0.9}, {"x": 0.2, "y": 0.2}, WAIT),
        ({"y": 0.05}, {"x": 0.2, "y": 0.2}, WAIT),
        ({"x": 0.9}, {}, WAIT),
        ({}, {}, WAIT),
    ],
)
def test_drift_is_a_move_beyond_its_own_limit_and_the_floor(distances, limits, expected):
    assert _drift(distances, limits).outcome is expected


def test_drift_names_the_columns_that_moved_the_furthest_first_and_no_other():
    verdict = _drift({"x": 0.3, "y": 0.9, "z": 0.0}, {"x": 0.2, "y": 0.05, "z": 0.2})
    assert verdict.reason.startswith("moved: y by 0.90 (limit 0.10), x by 0.30 (limit 0.20);")
    distances = {"distance x": 0.3, "distance y": 0.9, "distance z": 0.0}
    assert verdict.evidence == distances | {"rate": 0.05, "alarms a year": pytest.approx(2.609, abs=1e-3)}


@pytest.mark.parametrize("far", [0.9, 0.1])
def test_drift_states_its_rate_a_window_and_a_year_and_what_it_rests_on(far):
    said = "calibrated on 26 windows to at most 5.0% false alarms a window, 2.6 a year"
    assert said in _drift({"x": far}, {"x": 0.2}).reason


def test_a_rate_above_the_allowed_one_is_told_and_nothing_rests_on_it():
    for distance, says in ((0.9, "it would say: moved x by 0.90 (limit 0.20)"), (0.1, "it would say: nothing moved")):
        verdict = _drift({"x": distance}, {"x": 0.2}, rate=0.25)
        assert verdict.outcome is WAIT
        assert verdict.reason.startswith(
            "blind: 26 windows support no rate under 25.0% false alarms a window, the plan allows 6.0%"
        )
        assert verdict.reason.endswith(says)
    assert "it would say" not in _drift({"x": 0.9}, {"x": 0.2}, rate=1.0).reason
    assert _drift({"x": 0.1}, {"x": 0.2}, rate=0.06).outcome is PASS  # at what the plan allows


def test_what_one_window_cannot_say_alone_waits_for_the_next_and_an_alarm_goes_before():
    said = _drift({"x": 0.9, "y": 0.1}, {"x": 1.0, "y": 1.0}, unsure={"x": 0.3})
    assert said.outcome is WAIT
    assert said.reason.startswith("unusual: x by 0.90 (limit 0.30); an alarm when it is repeated")
    assert _drift({"x": 0.9}, {"x": 0.2}, unsure={"x": 0.2}).outcome is FAIL


def test_a_feature_without_an_effect_is_listed_whatever_the_verdict():
    for distance in (0.1, 0.9):
        assert _drift({"x": distance}, {"x": 0.2}, aside=("y", "z")).reason.endswith(
            "without an effect on predictions moved y, z"
        )


def test_drift_names_the_columns_without_a_distance():
    assert _drift({"y": 0.1}, {"z": 0.2, "x": 0.2, "y": 0.2}).reason.endswith("x, z")


def _drift(distances, limits, *, rate=0.05, **more):
    return gates.drift(
        distances,
        limits,
        floor=0.1,
        rate=rate,
        allowed=0.06,
        window=timedelta(days=7),
        basis="26 windows",
        **more,
    )


@pytest.mark.parametrize(
    "daily, expected",
    [
        ([0.10] * 10, PASS),
        ([0.10, 0.101] * 5, PASS),
        ([0.30, 0.31] * 5, FAIL),
        ([0.05, 0.06] * 5, PASS),  # better than when it was accepted
        ([0.05, 0.60] * 5, PASS),  # too uneven to say
        ([0.30, 0.31] * 4 + [0.30], WAIT),
        ([], WAIT),
    ],
)
def test_decay_is_a_loss_whose_lower_bound_lies_above_what_was_held_out(daily, expected):
    assert gates.decay(daily, held_out=0.10, tolerance=0.01, alpha=0.01, at_least=10).outcome is expected


def test_a_lower_bound_at_what_is_tolerated_is_no_decay_and_one_float_above_it_is():
    daily = [0.3, 0.31, 0.32] * 4

    def decay(held_out: float):
        return gates.decay(daily, held_out=held_out, tolerance=0.0, alpha=0.01, at_least=10)

    low = decay(0.1).evidence["low"]
    assert decay(up(low)).outcome is PASS
    assert decay(low).outcome is PASS
    assert decay(down(low)).outcome is FAIL


def test_the_tolerance_is_added_to_what_was_held_out():
    daily = [0.3, 0.31, 0.32] * 4
    assert gates.decay(daily, held_out=0.1, tolerance=0.3, alpha=0.01, at_least=10).outcome is PASS


@pytest.mark.parametrize("held_out", [math.nan, math.inf, -math.inf])
def test_an_accepted_loss_that_is_not_known_is_never_kept(held_out):
    verdict = gates.decay([0.3, 0.31] * 10, held_out=held_out, tolerance=0.01, alpha=0.01, at_least=10)
    assert verdict.outcome is WAIT


def test_days_that_are_missing_are_counted():
    verdict = gates.decay([0.1] * 9, held_out=0.1, tolerance=0.01, alpha=0.01, at_least=10)
    assert verdict.evidence == {"days": 9}
    assert verdict.reason == "9 days of matured rows, 10 are needed"


@pytest.mark.parametrize(
    "limit, interval, days, expected",
    [
        ({"at_least": 0.5}, (0.6, 0.7, 0.8), 10, PASS),
        ({"at_least": 0.5}, (0.4, 0.6, 0.8), 10, PASS),  # doubt takes nothing back
        ({"at_least": 0.5}, (0.3, 0.4, 0.5), 10, PASS),  # reaches the floor
        ({"at_least": 0.5}, (0.3, 0.4, down(0.5)), 10, FAIL),
        ({"at_most": 0.5}, (0.5, 0.6, 0.7), 10, PASS),
        ({"at_most": 0.5}, (up(0.5), 0.6, 0.7), 10, FAIL),
        ({"at_least": 0.1, "at_most": 0.5}, (0.6, 0.7, 0.8), 10, FAIL),
        ({"at_least": 0.5}, (0.1, 0.2, 0.3), 9, WAIT),  # too few days to say so
        ({"at_least": 0.5}, (math.nan, 0.2, math.nan), 10, WAIT),
    ],
)
def test_what_is_required_after_deployment_is_broken_only_by_a_whole_interval(limit, interval, days, expected):
    wanted = Requirement(metric="loss", when="after", reason="it was agreed", **limit)
    verdict = gates.requirement_live(wanted, {"loss": interval}, days=days, at_least=10)
    assert verdict.outcome is expected
    assert expected is not FAIL or "it was agreed" in verdict.reason


def test_a_requirement_of_live_rows_that_nobody_measured_waits():
    wanted = Requirement(metric="loss", at_most=0.5, when="after", reason="")
    assert gates.requirement_live(wanted, {}, days=99, at_least=10).outcome is WAIT
