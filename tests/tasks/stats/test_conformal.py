"""Does a window without drift exceed its limits no more often than stated?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.stats import smallest_rate, window_limits


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
