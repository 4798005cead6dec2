"""Does a window without drift exceed its limits no more often than stated?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.stats import alarm_ranks, alarm_rate, smallest_rate, unusual, window_limits


@pytest.mark.parametrize("n_windows, alpha", [(19, 0.05), (40, 0.05), (30, 0.2)])
@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: np.abs(rng.normal(size=(n, 4))),
        lambda rng, n: np.abs(rng.normal(size=(n, 4)) + rng.normal(size=(n, 1))),
        lambda rng, n: rng.exponential(size=(n, 4)) * [1, 10, 100, 1000],
    ],
    ids=["independent", "columns move together", "long tails, other units"],
)
def test_a_window_like_the_others_exceeds_its_limits_at_most_alpha_of_the_time(n_windows, alpha, draw):
    rng, runs = np.random.default_rng(20261121), 600
    alarms = 0
    for _ in range(runs):
        windows = draw(rng, n_windows + 1)
        alarms += bool((windows[-1] > window_limits(windows[:-1], alpha=alpha)).any())
    assert alarms / runs <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / runs)
    assert alarms / runs >= alpha / 4  # a limit that nothing ever exceeds would be no limit


def test_a_shifted_window_exceeds_them():
    rng = np.random.default_rng(3)
    calibration = rng.normal(0.05, 0.01, size=(40, 5))
    shifted = np.array([0.05, 0.05, 0.2, 0.05, 0.05])
    assert (shifted > window_limits(calibration, alpha=0.05)).tolist() == [False, False, True, False, False]


def test_one_limit_for_each_column_separately_would_alarm_too_often():
    rng, runs, n = np.random.default_rng(4), 400, 40
    naive = ours = 0
    for _ in range(runs):
        windows = np.abs(rng.normal(size=(n + 1, 20)))
        naive += bool((windows[-1] > np.quantile(windows[:-1], 0.95, axis=0)).any())
        ours += bool((windows[-1] > window_limits(windows[:-1], alpha=0.05)).any())
    assert naive / runs > 0.4
    assert ours / runs < 0.1


@pytest.mark.parametrize("n, alpha", [(16, 0.058), (98, 0.01), (2, 0.3), (8, 0.05)])
def test_a_rate_that_so_few_windows_cannot_support_is_refused(n, alpha):
    with pytest.raises(ValueError, match=f"{n} calibration windows support no rate under"):
        window_limits(np.random.default_rng(1).random((n, 2)), alpha=alpha)


@given(st.integers(2, 300))
def test_the_smallest_rate_is_supported_and_nothing_below_it(n):
    calibration = np.random.default_rng(n).random((n, 1))
    assert np.isfinite(window_limits(calibration, alpha=smallest_rate(n))).all()
    with pytest.raises(ValueError, match="support no rate"):
        window_limits(calibration, alpha=smallest_rate(n) * 0.99)


@pytest.mark.parametrize("calibration", [[0.1, 0.2], [[0.1], [np.nan]], [[0.1], [np.inf]], np.empty((0, 3)), [[0.1]]])
def test_calibration_that_is_none_is_refused(calibration):
    with pytest.raises(ValueError, match="calibration"):
        window_limits(calibration, alpha=0.5)


@given(st.floats(0.1, 100), st.integers(0, 1000))
def test_another_unit_scales_the_limits(unit, seed):
    calibration = 1 + np.random.default_rng(seed).random((20, 3))
    assert window_limits(calibration * unit, alpha=0.1) == pytest.approx(window_limits(calibration, alpha=0.1) * unit)


def test_a_column_that_never_moved_is_given_a_hair():
    limits = window_limits(np.column_stack([np.zeros(30), np.random.default_rng(1).random(30)]), alpha=0.05)
    assert 0 < limits[0] < 0.01


@pytest.mark.parametrize(
    "high, low, repeated, among", [(0.02, 0.1, 2, 3), (0.0, 0.3, 3, 5), (0.1, 0.1, 2, 3), (0.0, 0.2, 1, 1)]
)
def test_the_rate_of_repeated_windows_is_what_a_simulation_counts(high, low, repeated, among):
    rng, n = np.random.default_rng(6), 200_000
    u = rng.random(n)
    lows = np.convolve(u < low, np.ones(among), mode="full")[:n] >= repeated
    found = np.mean((u < high) | ((u < low) & lows))
    assert alarm_rate(high, low, repeated=repeated, among=among) == pytest.approx(found, abs=0.003)


@pytest.mark.parametrize("n_windows", [5, 8, 17, 26, 60, 200])
@pytest.mark.parametrize("alpha", [0.01, 0.06, 0.2])
def test_ranks_keep_the_rate_where_any_do_and_say_so_where_none_does(n_windows, alpha):
    found = alarm_ranks(n_windows, alpha=alpha, repeated=2, among=3)
    assert found.low <= found.high <= n_windows + 1
    assert found.low <= n_windows
    of = lambda rank: (n_windows + 1 - rank) / (n_windows + 1)  # noqa: E731
    assert found.rate == pytest.approx(alarm_rate(of(found.high), of(found.low), repeated=2, among=3))
    least = min(smallest_rate(n_windows), alarm_rate(0, smallest_rate(n_windows), repeated=2, among=3))
    assert (found.rate <= alpha) == (least <= alpha)


def test_windows_ranked_among_those_before_them_alarm_as_often_as_stated():
    """What the loop does: each window is held against all before it, and joins them."""
    rng, alarms, looks, alpha = np.random.default_rng(7), 0, 0, 0.06
    for _ in range(60):
        rows = list(np.abs(rng.normal(size=(12, 5))))
        lows = [False, False]
        for _ in range(25):
            ranks, found = alarm_ranks(len(rows), alpha=alpha, repeated=2, among=3), unusual(rows)
            now = np.abs(rng.normal(size=5))
            low = bool((now > found.limits(ranks.low)).any())
            alarms += bool((now > found.limits(ranks.high)).any()) or (low and any(lows[-2:]))
            lows.append(low)
            rows.append(now)
            looks += 1
    assert alarms / looks <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / looks)
    assert alarms / looks >= alpha / 4


def test_a_rank_beyond_the_last_is_never_exceeded():
    found = unusual(np.random.default_rng(1).random((9, 2)))
    assert np.isinf(found.limits(10)).all()
    assert (found.limits(9) >= found.limits(8)).all()


def test_no_window_supports_no_rate():
    assert alarm_ranks(0, alpha=0.5, repeated=2, among=3).rate == 1


def test_each_window_is_standardised_by_the_others_as_a_new_one_is_by_all():
    distances = np.random.default_rng(2).random((7, 3))
    by_hand = []
    for i in range(7):
        others = np.delete(distances, i, axis=0)
        by_hand.append(((distances[i] - others.mean(axis=0)) / others.std(axis=0)).max())
    assert unusual(distances).worst == pytest.approx(np.sort(by_hand))


def test_a_feature_that_counts_half_has_to_lie_twice_as_far_out():
    distances = np.random.default_rng(3).random((30, 1))
    whole, half = unusual(distances), unusual(distances, weights=[0.5])
    assert half.limits(30) == pytest.approx(whole.limits(30))  # alone it is measured by itself
    both = unusual(np.hstack([distances, distances]), weights=[1.0, 0.5])
    assert both.limits(30)[1] - both.centre[1] == pytest.approx(2 * (both.limits(30)[0] - both.centre[0]))


def test_what_hardly_ever_moved_does_not_become_the_most_unusual_of_all():
    rng = np.random.default_rng(4)
    usual, rare = rng.normal(0.1, 0.02, size=30), np.where(np.arange(30) == 9, 0.004, 0.0)
    plain, floored = (unusual(np.column_stack([usual, rare]), least_spread=s).limits(30)[0] for s in (1e-4, 0.0125))
    assert plain > 0.5
    assert floored < 0.2
