"""Is a maturity refused that labels do not keep, and are classes found whose labels come at different speeds?"""

from datetime import timedelta

import numpy as np
import pytest

from tasks import gates
from tasks.stats import delay_curve, delay_curve_of_known
from tests.tasks.gates.made import FAIL, PASS, WAIT

DAY = timedelta(days=1)


def curve(n: int, *, mean: float = 1.0, followed: float = 60.0, seed: int = 1):
    rng = np.random.default_rng(seed)
    delay, age = rng.exponential(mean, n), rng.uniform(0, followed, n)
    return delay_curve(np.minimum(delay, age), delay <= age, followed=followed)


@pytest.mark.parametrize(
    "n, mean, maturity, expected, says",
    [
        (5_000, 1.0, 7, PASS, "come later"),  # e^-7: one in a thousand
        (5_000, 1.0, 2, FAIL, "too short"),  # 13 %
        (5_000, 1.0, 30, PASS, "longer than needed"),
        (60, 1.0, 4, WAIT, "cannot be told yet"),  # 1.8 %, of sixty rows
        (5_000, 1.0, 90, WAIT, "no label of a row older"),
    ],
)
def test_the_whole_interval_decides(n, mean, maturity, expected, says):
    verdict = gates.maturity_holds(
        {"all": curve(n, mean=mean)}, maturity=maturity * DAY, tolerated=0.05 if n > 60 else 0.02
    )
    assert verdict.outcome is expected
    assert says in verdict.reason


def test_the_sentence_has_the_figures():
    verdict = gates.maturity_holds({"all": curve(20_000)}, maturity=2 * DAY, tolerated=0.01)
    assert verdict.evidence["late"] == pytest.approx(np.exp(-2), abs=0.01)
    assert verdict.evidence["late_low"] < verdict.evidence["late"] < verdict.evidence["late_high"]
    assert "later than 2 days, 1.0% may" in verdict.reason


def test_rows_that_were_not_followed_do_not_make_it_look_long_enough():
    """Of the labels seen so far every one came within the maturity; of all labels a third will not."""
    rng = np.random.default_rng(3)
    delay, age = rng.exponential(3.0, 5_000), rng.uniform(0, 4.0, 5_000)
    seen = delay_curve(np.minimum(delay, age), delay <= age)
    assert gates.maturity_holds({"all": seen}, maturity=3 * DAY, tolerated=0.05).outcome is FAIL


def test_no_label_is_no_evidence():
    none = delay_curve(np.arange(1.0, 50.0), np.zeros(49, dtype=bool))
    assert gates.maturity_holds({"all": none}, maturity=3 * DAY, tolerated=0.05).outcome is WAIT


def known(n: int, mean: float, seed: int):
    rng = np.random.default_rng(seed)
    delay, age = rng.exponential(mean, n), rng.uniform(0, 60, n)
    return delay_curve_of_known(delay[delay <= age], age[delay <= age])


@pytest.mark.parametrize(
    "means, n, expected",
    [((1.0, 1.0), 3_000, PASS), ((1.0, 5.0), 3_000, FAIL), ((1.0, 1.05), 3_000, PASS), ((1.0, 1.6), 20, PASS)],
)
def test_classes_at_different_speeds_are_pointed_out(means, n, expected):
    curves = {f"y = {i}": known(n, mean, seed=i + 10) for i, mean in enumerate(means)}
    assert gates.early_labels(curves, curve(3_000, seed=9)).outcome is expected


def test_the_slow_class_is_named_with_its_figures():
    verdict = gates.early_labels({"settled": known(3_000, 1.0, 1), "fraud": known(3_000, 6.0, 2)}, curve(3_000))
    assert "of those fraud: rows labelled so far are a biased sample" in verdict.reason
    assert verdict.evidence["gap"] > 0.3


def test_one_class_is_compared_with_nobody():
    assert gates.early_labels({"y = 0": known(100, 1.0, 1)}, curve(100)).outcome is WAIT


def test_a_rare_class_that_is_late_is_not_lost_among_all():
    """Of all labels one in a thousand is late, of the frauds one in seven."""
    curves = {"all": curve(50_000, mean=0.8), "fraud": known(500, 3.0, 4)}
    verdict = gates.maturity_holds(curves, maturity=6 * DAY, tolerated=0.05)
    assert verdict.outcome is FAIL
    assert "(of fraud)" in verdict.reason
    assert gates.maturity_holds({"all": curves["all"]}, maturity=6 * DAY, tolerated=0.05).outcome is PASS


def test_no_curve_is_no_evidence():
    assert gates.maturity_holds({}, maturity=DAY, tolerated=0.05).outcome is WAIT


def test_a_group_is_named_where_it_decides_among_several():
    one = {"all": curve(5_000)}
    both = one | {"fraud": curve(5_000, seed=2)}
    assert "(of" not in gates.maturity_holds(one, maturity=2 * DAY, tolerated=0.05).reason
    assert "(of" not in gates.maturity_holds(both, maturity=7 * DAY, tolerated=0.05).reason


def test_of_two_groups_that_are_late_the_later_one_decides():
    slow, slower = curve(5_000, mean=2.0), curve(5_000, mean=4.0)
    for curves in ({"a": slow, "b": slower}, {"b": slower, "a": slow}):
        assert "(of b)" in gates.maturity_holds(curves, maturity=2 * DAY, tolerated=0.05).reason


def test_an_interval_that_ends_at_what_is_tolerated_is_within_it():
    found = gates.maturity_holds({"all": curve(5_000)}, maturity=2 * DAY, tolerated=0.1).evidence
    at_low = gates.maturity_holds({"all": curve(5_000)}, maturity=2 * DAY, tolerated=found["late_low"])
    at_high = gates.maturity_holds({"all": curve(5_000)}, maturity=2 * DAY, tolerated=found["late_high"])
    assert (at_low.outcome, at_high.outcome) == (WAIT, PASS)


def test_a_gap_counts_beyond_what_is_asked_for():
    curves = {"settled": known(3_000, 1.0, 1), "fraud": known(3_000, 6.0, 2)}
    gap = gates.early_labels(curves, curve(3_000)).evidence["gap"]
    assert gates.early_labels(curves, curve(3_000), at_least=gap).outcome is PASS
