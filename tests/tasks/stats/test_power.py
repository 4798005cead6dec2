"""Is the smallest difference found as often as it says?"""

import math

import numpy as np
import pytest

from tasks.stats import (
    betting,
    coin_flip,
    entities_for_sample_ratio,
    errors_for_coin_flip,
    rows_for_betting,
    rows_for_running_average,
    rows_for_unpaired,
    running_average,
    sample_ratio,
    smallest_difference,
    smallest_paired_difference,
    unpaired_sequence,
)

RUNS = 300
CHANCE = 3 * math.sqrt(0.8 * 0.2 / RUNS)


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


def _found(test, runs=RUNS):
    rng = np.random.default_rng(20261121)
    return np.mean([test(rng) for _ in range(runs)])


def _paired(rng, n, gain, variance):
    """Rows of paired 0/1 losses with this mean and variance."""
    second = variance + gain**2
    return rng.choice([-1.0, 0.0, 1.0], p=[(second - gain) / 2, 1 - second, (second + gain) / 2], size=int(n))


@pytest.mark.parametrize(
    "gain, margin, variance", [(0.0, 0.05, 0.1), (0.05, 0.0, 0.2), (0.02, 0.05, 0.3), (0.0, 0.05, 0.01)]
)
def test_the_planned_rows_are_enough_for_paired_tests_and_half_are_not(gain, margin, variance):
    n = rows_for_betting(gain, variance=variance, margin=margin)
    power = _found(lambda rng: betting(_paired(rng, n, gain, variance), margin=margin) >= math.log(20))
    assert power == pytest.approx(0.8, abs=CHANCE + 0.02)
    assert _found(lambda rng: betting(_paired(rng, n // 2, gain, variance), margin=margin) >= math.log(20)) < 0.65
    n = rows_for_running_average(gain, variance=variance, margin=margin)
    power = _found(lambda rng: running_average(_paired(rng, n, gain, variance))[0] > -margin)
    assert power == pytest.approx(0.8, abs=CHANCE + 0.02)


def test_small_real_valued_differences_need_no_more_than_planned():
    n = rows_for_betting(0.0, variance=0.05**2, margin=0.02)
    assert _found(lambda rng: betting(rng.choice([-0.05, 0.05], size=n), margin=0.02) >= math.log(20)) >= 0.8 - CHANCE


@pytest.mark.parametrize("share, rate, other", [(0.5, 0.2, 0.25), (0.1, 0.2, 0.3)])
def test_the_planned_rows_are_enough_for_arms(share, rate, other):
    variance = (rate * (1 - rate) + other * (1 - other)) / 2
    n = rows_for_unpaired(other - rate, variance=variance, share=share)
    assert n == rows_for_unpaired(rate - other, variance=variance, share=share)

    def finds(rng):
        z = rng.random(n) < share
        y = (rng.random(n) < np.where(z, other, rate)).astype(float)
        return unpaired_sequence(y, z, np.full(n, share))[0] > 0

    assert _found(finds, runs=200) == pytest.approx(0.8, abs=0.11)


@pytest.mark.parametrize("ratio, share, tolerated", [(3.0, 0.05, 1.0), (2.0, 0.5, 1.0), (10.0, 0.1, 2.0)])
def test_the_planned_errors_reach_the_power_exactly_and_one_fewer_does_not(ratio, share, tolerated):
    from scipy.stats import binom

    n = errors_for_coin_flip(ratio, share=share, tolerated=tolerated)
    chance = share * ratio / (share * ratio + 1 - share)

    def power(n):
        flips = [np.repeat([1.0, 0.0], [k, n - k]) for k in range(n + 1)]
        found = [coin_flip(x, np.full(n, share), ratio=tolerated) >= math.log(20) for x in flips]
        return binom.pmf(np.arange(n + 1), n, chance) @ found

    assert power(n) >= 0.8 > power(n - 1)


@pytest.mark.parametrize("true_share, share", [(0.4, 0.5), (0.14, 0.1), (0.06, 0.1)])
def test_the_planned_entities_show_a_broken_split(true_share, share):
    n = entities_for_sample_ratio(true_share, share=share, alpha=0.01)
    power = _found(lambda rng: sample_ratio(rng.random(n) < true_share, np.full(n, share)) >= math.log(100))
    assert power == pytest.approx(0.8, abs=CHANCE)


def test_what_can_never_be_shown_needs_infinitely_many():
    assert rows_for_betting(-0.01, variance=0.1, margin=0.01) == math.inf
    assert rows_for_running_average(-0.02, variance=0.1, margin=0.01) == math.inf
    assert rows_for_unpaired(0.0, variance=0.1, share=0.5) == math.inf
    assert errors_for_coin_flip(1.0, share=0.1) == errors_for_coin_flip(2.0, share=0.1, tolerated=2.0) == math.inf
    assert entities_for_sample_ratio(0.1, share=0.1) == math.inf


@pytest.mark.parametrize("rows", [rows_for_betting, rows_for_running_average])
def test_more_gain_or_margin_needs_fewer_rows_and_more_power_or_variance_needs_more(rows):
    base = rows(0.0, variance=0.1, margin=0.05)
    assert rows(0.01, variance=0.1, margin=0.05) < base
    assert rows(0.0, variance=0.1, margin=0.06) < base
    assert rows(0.0, variance=0.1, margin=0.05, power=0.9) > base
    assert rows(0.0, variance=0.1, margin=0.05, alpha=0.01) > base
    assert rows(0.0, variance=0.2, margin=0.05) > base
    assert rows(0.0, variance=0.0, margin=0.05) >= 3 / 0.05


def test_a_sequential_test_needs_more_rows_than_one_look():
    n = rows_for_betting(0.02, variance=0.1)
    assert smallest_paired_difference(0.1, n=n) < 0.02 < smallest_paired_difference(0.1, n=n / 4)
    assert smallest_difference(0.1, n_per_arm=n) == pytest.approx(math.sqrt(2) * smallest_paired_difference(0.1, n=n))


def test_moments_that_no_loss_has_are_refused():
    with pytest.raises(ValueError, match=r"no values in \[-1, 1\] have mean 0.5 and variance 0.9"):
        rows_for_betting(0.5, variance=0.9)
