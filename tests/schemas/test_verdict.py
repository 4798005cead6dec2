"""Do verdicts combine so that nothing passes for want of evidence?"""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.verdict import Interval, Outcome, Verdict, combine

PASS, FAIL, WAIT = Outcome.PASS, Outcome.FAIL, Outcome.WAIT


@pytest.mark.parametrize(
    "outcomes, expected",
    [
        ([], WAIT),
        ([PASS], PASS),
        ([PASS, PASS], PASS),
        ([WAIT], WAIT),
        ([PASS, WAIT], WAIT),
        ([FAIL], FAIL),
        ([PASS, FAIL], FAIL),
        ([WAIT, FAIL], FAIL),
        ([FAIL, WAIT, PASS], FAIL),
    ],
)
def test_one_fail_fails_one_wait_waits_and_nothing_waits(outcomes, expected):
    assert combine("all", [Verdict(f"g{i}", o, f"r{i}") for i, o in enumerate(outcomes)]).outcome is expected


@given(st.lists(st.sampled_from(list(Outcome)), min_size=1))
def test_the_order_of_gates_does_not_matter(outcomes):
    verdicts = [Verdict(f"g{i}", outcome, "") for i, outcome in enumerate(outcomes)]
    assert combine("all", verdicts).outcome is combine("all", reversed(verdicts)).outcome


def test_only_those_speak_who_decide_and_all_give_evidence():
    together = combine("all", [Verdict("a", PASS, "fine", {"n": 1}), Verdict("b", FAIL, "broken", {"n": 2})])
    assert together.reason == "broken"
    assert together.evidence == {"a.n": 1, "b.n": 2}


@pytest.mark.parametrize(
    "low, estimate, high",
    [
        (math.nan, 0.0, 1.0),
        (0.0, math.nan, 1.0),
        (0.0, 0.5, math.nan),
        (1.0, 0.5, 2.0),
        (0.0, 3.0, 2.0),
    ],
)
def test_an_interval_that_is_none_is_refused(low, estimate, high):
    with pytest.raises(ValueError, match="low <= estimate <= high"):
        Interval(low, estimate, high)


def test_an_interval_may_be_infinite():
    assert str(Interval(-math.inf, 0.25, math.inf)) == "+0.2500 [-inf, +inf]"


@pytest.mark.parametrize(
    "value, written",
    [
        (0.1 + 0.2, 0.3),
        (1 / 3, 0.333333333333),
        (1.23456789012345e-9, 1.23456789012e-9),
        (7, 7),
        ("text", "text"),
        (None, None),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
    ],
)
def test_statistics_have_twelve_digits_and_no_number_that_json_lacks(value, written):
    assert Verdict("g", PASS, "", {"value": value}).statistics() == {"value": written}


@given(st.floats(min_value=1e-6, max_value=1e6))
def test_rounding_twice_is_rounding_once(value):
    once = Verdict("g", PASS, "", {"v": value}).statistics()
    assert Verdict("g", PASS, "", once).statistics() == once
    assert once["v"] == pytest.approx(value, rel=1e-11)
