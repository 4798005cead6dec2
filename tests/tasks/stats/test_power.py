"""Is the smallest difference found as often as it says?"""

import math

import numpy as np
import pytest

from tasks.stats import smallest_difference


@pytest.mark.parametrize("alpha, power", [(0.05, 0.8), (0.01, 0.9)])
def test_a_z_test_finds_the_smallest_difference_with_the_stated_power(alpha, power):
    from scipy.stats import norm

    rng, n, sd, runs = np.random.default_rng(20261121), 400, 2.0, 4_000
    effect = smallest_difference(sd**2, n_per_arm=n, alpha=alpha, power=power)
    # Means of n normal rows are normal: drawing them directly is the same experiment.
    difference = rng.normal(effect, sd / math.sqrt(n), runs) - rng.normal(0, sd / math.sqrt(n), runs)
    found = difference / math.sqrt(2 * sd**2 / n) > norm.ppf(1 - alpha)
    assert found.mean() == pytest.approx(power, abs=3 * math.sqrt(power * (1 - power) / runs))


def test_four_times_the_rows_show_half_the_difference():
    assert smallest_difference(1.0, n_per_arm=400) == pytest.approx(smallest_difference(1.0, n_per_arm=100) / 2)


def test_more_power_or_less_error_needs_a_larger_difference():
    base = smallest_difference(1.0, n_per_arm=100)
    assert smallest_difference(1.0, n_per_arm=100, power=0.9) > base
    assert smallest_difference(1.0, n_per_arm=100, alpha=0.01) > base


@pytest.mark.parametrize("n", [0, -1])
def test_without_rows_nothing_can_be_shown(n):
    assert smallest_difference(1.0, n_per_arm=n) == math.inf
