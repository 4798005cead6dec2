"""Is what a column explains of a rest what it explains, and nothing where it explains nothing?"""

import numpy as np
import pytest
from scipy.stats import chi2, f_oneway, norm

from tasks.stats.association import NOTHING, Association, by_groups, by_numbers, strongest


def test_of_a_known_mixture_it_is_the_share_that_was_mixed_in():
    rng = np.random.default_rng(1)
    group = rng.integers(0, 6, 20_000)
    left = rng.normal(size=6)[group]
    left = left / left.std() + 2 * rng.normal(size=20_000)
    assert by_groups(left, group).share == pytest.approx(0.2, abs=0.02)


def test_it_is_the_between_share_of_an_analysis_of_variance():
    rng = np.random.default_rng(2)
    group, n, g = rng.integers(0, 4, 300), 300, 4
    left = rng.normal(size=300) + 0.15 * group
    f = f_oneway(*(left[group == at] for at in range(g))).statistic
    eta2 = f * (g - 1) / (f * (g - 1) + n - g)
    found = by_groups(left, group)
    assert found.share == pytest.approx((eta2 - 3 / 299) / (1 - 3 / 299))
    assert found.z == pytest.approx(norm.isf(chi2.sf(299 * eta2, 3)), abs=0.1)


@pytest.mark.parametrize("draw", ["numbers", "groups"])
def test_where_nothing_is_explained_it_seldom_says_so(draw):
    rng = np.random.default_rng(3)
    found = []
    for _ in range(400):
        left = rng.normal(size=200)
        x = rng.normal(size=200) if draw == "numbers" else rng.integers(0, 30, 200)
        found.append(by_numbers(left, x) if draw == "numbers" else by_groups(left, x))
    assert np.mean([one.z > 3 for one in found]) <= 0.01, "the better of two looks, and each once in 700"
    assert np.mean([one.share for one in found]) < 0.02


def test_a_bend_is_seen_as_well_as_a_line():
    rng = np.random.default_rng(4)
    x = rng.normal(size=1_000)
    assert by_numbers(np.abs(x), x).share > 0.7
    assert by_numbers(x, x).share > 0.9


def test_what_misses_may_be_what_explains():
    x = np.tile([np.nan, 1.0, 2.0, 3.0], 100)
    assert by_numbers(np.isnan(x).astype(float), x).share == pytest.approx(1.0)


@pytest.mark.parametrize(
    "left, groups",
    [(np.ones(50), np.arange(50) % 2), (np.arange(50.0), np.zeros(50)), (np.arange(5.0), np.arange(5))],
)
def test_it_is_nothing_where_there_is_nothing_to_tell(left, groups):
    assert by_groups(left, groups) == NOTHING


def test_several_outputs_count_together():
    rng = np.random.default_rng(5)
    group = rng.integers(0, 3, 600)
    assert by_groups(np.eye(3)[group], group).share == pytest.approx(1.0)


def test_the_best_of_many_looks_is_worth_less_than_one():
    looks = [Association(0.1, 3.0)] * 50
    assert strongest(looks).z == pytest.approx(3.0 - np.sqrt(2 * np.log(50)))
    assert strongest([]) == NOTHING
