"""Is a slow rise found, and chance seldom taken for one?"""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, theilslopes

from tasks.stats import mann_kendall, theil_sen, trend


def pairs_rising(values):
    n = len(values)
    return sum(np.sign(values[j] - values[i]) for i in range(n) for j in range(i + 1, n))


@given(st.permutations(range(6)))
def test_the_p_value_is_the_share_of_orders_that_rise_as_much(order):
    every = [pairs_rising(one) for one in permutations(range(6))]
    assert mann_kendall(order) == pytest.approx(np.mean(np.array(every) >= pairs_rising(order)))


@pytest.mark.parametrize("n", [7, 25, 40])
def test_it_is_the_exact_test_of_another_library(n):
    x = np.random.default_rng(n).normal(size=n) + 0.05 * np.arange(n)
    other = kendalltau(np.arange(n), x, method="exact", alternative="greater")
    assert mann_kendall(x) == pytest.approx(other.pvalue, rel=1e-9)


def test_equal_values_are_near_the_share_of_their_orders():
    x = [1, 1, 2, 2, 2, 3, 3, 1]
    rng = np.random.default_rng(1)
    every = [pairs_rising(rng.permutation(x)) for _ in range(4_000)]
    assert mann_kendall(x) == pytest.approx(np.mean(np.array(every) >= pairs_rising(x)), abs=0.02)


def test_what_never_changes_does_not_rise():
    assert mann_kendall([5.0] * 9) == 1.0


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=20, unique=True))
def test_the_slope_is_that_of_another_library(values):
    time = np.arange(len(values), dtype=float) ** 1.5
    assert theil_sen(values, time)[0] == pytest.approx(theilslopes(values, time).slope, rel=1e-9, abs=1e-9)


def test_chance_is_taken_for_a_rise_as_often_as_stated():
    rng = np.random.default_rng(2)
    hits = [mann_kendall(rng.lognormal(size=30)) < 0.01 for _ in range(3_000)]
    assert np.mean(hits) <= 0.01 + 3 * np.sqrt(0.01 / 3_000)


def test_a_rise_under_noise_is_found():
    rng = np.random.default_rng(3)
    found = [trend(10 * 1.03 ** np.arange(30) * rng.lognormal(0, 0.15, 30)) for _ in range(200)]
    assert np.mean([one.p_value < 0.01 and one.growth > 0.5 for one in found]) > 0.9


def test_one_run_that_took_for_ever_is_no_trend():
    found = trend([10.0, 11.0, 10.5, 900.0, 10.2, 10.1, 10.7, 10.4])
    assert found.p_value > 0.05
    assert abs(found.growth) < 0.1


@pytest.mark.parametrize("values", [[1.0, 2.0], [1.0, np.nan, 2.0, 3.0], []])
def test_what_cannot_have_a_trend_is_refused(values):
    with pytest.raises(ValueError):
        trend(values)
