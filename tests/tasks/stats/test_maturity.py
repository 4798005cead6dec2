"""Is the share of labels that have come scipy's, within its band, and unmoved by rows that still wait?"""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import CensoredData, ecdf

from tasks.stats import delay_curve, delay_curve_of_known

ROWS = st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=2, max_size=60)


def waited(n: int, seed: int, *, followed: float = 10.0, never: float = 0.0):
    """Delays of mean three, ages even over the time followed, and a share that never gets a label."""
    rng = np.random.default_rng(seed)
    delay = np.where(rng.random(n) < never, np.inf, rng.exponential(3.0, n))
    return delay, rng.uniform(0, followed, n)


@given(rows=ROWS)
def test_it_is_scipys(rows):
    stop, came = np.array(rows).T.astype(float)
    came = came.astype(bool)
    ours = delay_curve(stop, came)
    if not came.any():
        assert ours.delay.size == 0
        return
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):  # theirs is undefined where all have come
        theirs = ecdf(CensoredData.right_censored(stop, ~came)).sf
        band = theirs.confidence_interval(method="log-log")
    at = np.searchsorted(theirs.quantiles, ours.delay)
    np.testing.assert_allclose(1 - ours.known, theirs.probabilities[at], atol=1e-12)
    inside = (ours.known > 0) & (ours.known < 1)
    np.testing.assert_allclose(1 - ours.low[inside], band.high.probabilities[at][inside], atol=1e-9)
    np.testing.assert_allclose(1 - ours.high[inside], band.low.probabilities[at][inside], atol=1e-9)


@given(rows=ROWS)
def test_a_curve_rises_and_lies_within_its_band(rows):
    stop, came = np.array(rows).T.astype(float)
    curve = delay_curve(stop, came.astype(bool))
    assert (np.diff(curve.known) >= 0).all()
    assert ((curve.low <= curve.known + 1e-12) & (curve.known <= curve.high + 1e-12)).all()
    assert ((curve.low >= 0) & (curve.high <= 1)).all()


@given(rows=ROWS, times=st.integers(2, 4))
def test_a_weight_stands_for_as_many_rows(rows, times):
    stop, came = np.array(rows).T.astype(float)
    once = delay_curve(stop, came.astype(bool), weight=np.full(stop.size, times))
    often = delay_curve(np.tile(stop, times), np.tile(came.astype(bool), times))
    np.testing.assert_allclose(once.known, often.known)
    np.testing.assert_allclose(once.low, often.low)
    assert once.later_than(3.0) == pytest.approx(often.later_than(3.0), nan_ok=True)


def test_where_all_have_come_it_is_the_share_by_counting():
    delay = np.random.default_rng(1).integers(1, 20, 300).astype(float)
    curve = delay_curve(delay, np.ones(300, dtype=bool))
    for age in (1.0, 7.0, 19.0):
        assert curve.at(age)[1] == pytest.approx(np.mean(delay <= age))
        assert curve.later_than(age)[1] == pytest.approx(np.mean(delay > age))
    assert curve.quantile(0.5) == np.quantile(delay, 0.5, method="inverted_cdf")


def test_rows_that_wait_make_labels_no_faster():
    """The mean of the delays seen so far is far too short; the curve is not."""
    delay, age = waited(20_000, 1)
    came = delay <= age
    curve = delay_curve(np.minimum(delay, age), came)
    assert np.median(delay[came]) < 1.7
    assert curve.quantile(0.5) == pytest.approx(3 * math.log(2), rel=0.03)
    assert curve.at(6.0)[1] == pytest.approx(1 - math.exp(-2), abs=0.01)


def test_labels_alone_say_the_same_once_their_ages_are_known():
    delay, age = waited(20_000, 2)
    came = delay <= age
    curve = delay_curve_of_known(delay[came], age[came])
    # Of labels that come within ten days at all.
    assert curve.at(3.0)[1] == pytest.approx((1 - math.exp(-1)) / (1 - math.exp(-10 / 3)), abs=0.02)


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_labels_alone_are_counted_as_the_definition_says(seed):
    rng = np.random.default_rng(seed)
    delay = rng.integers(1, 6, 30).astype(float)
    age = delay + rng.integers(0, 6, 30)
    curve = delay_curve_of_known(delay, age)
    for t, known in zip(curve.delay, curve.known, strict=True):
        later = [s for s in curve.delay if s > t]
        terms = [1 - np.sum(delay == s) / np.sum((delay <= s) & (s <= age)) for s in later]
        assert known == pytest.approx(np.prod(terms))


@pytest.mark.parametrize("never", [0.0, 0.1])
def test_the_share_that_comes_later_lies_in_its_interval_as_often_as_stated(never):
    hits = []
    for seed in range(300):
        delay, age = waited(400, seed, followed=40.0, never=never)
        came = delay <= age
        low, _, high = delay_curve(np.minimum(delay, age), came).later_than(6.0)
        hits.append(low <= math.exp(-2) <= high)
    assert np.mean(hits) == pytest.approx(0.95, abs=0.035)


def test_the_band_holds_as_often_as_stated():
    hits = []
    for seed in range(300):
        delay, age = waited(400, seed)
        came = delay <= age
        low, _, high = delay_curve(np.minimum(delay, age), came).at(4.0)
        hits.append(low <= 1 - math.exp(-4 / 3) <= high)
    assert np.mean(hits) == pytest.approx(0.95, abs=0.035)


def test_rows_that_never_get_a_label_are_not_late_ones():
    delay, age = waited(5_000, 3, followed=60.0, never=0.2)
    came = delay <= age
    curve = delay_curve(np.minimum(delay, age), came)
    assert curve.known[-1] == pytest.approx(0.8, abs=0.02)
    assert curve.later_than(9.0)[1] == pytest.approx(math.exp(-3), abs=0.01)
    assert math.isnan(curve.quantile(0.9))


def test_nothing_is_said_beyond_the_age_of_the_oldest_row():
    curve = delay_curve([1.0, 2.0, 3.0], [True, True, False])
    assert all(map(math.isnan, curve.at(3.5)))
    assert all(map(math.isnan, curve.later_than(3.5)))


def test_one_delay_for_all_is_a_single_step():
    curve = delay_curve(np.full(100, 24.0), np.ones(100, dtype=bool))
    assert curve.quantile(0.5) == curve.quantile(0.999) == 24.0
    low, late, high = curve.later_than(24.0)
    assert (low, late) == (0.0, 0.0)
    assert 0 < high < 0.04  # none of a hundred
    assert curve.at(24.0)[0] > 0.96
    assert curve.later_than(23.0)[1] == 1.0


@pytest.mark.parametrize(
    "stop, came", [([], []), ([1.0, -1.0], [True, True]), ([math.nan], [True]), ([1.0, 2.0], [True])]
)
def test_what_is_no_delay_is_refused(stop, came):
    with pytest.raises(ValueError):
        delay_curve(stop, np.array(came, dtype=bool))


def test_a_label_from_the_future_is_refused():
    with pytest.raises(ValueError, match="delay <= age"):
        delay_curve_of_known([3.0, 1.0], [2.0, 9.0])
