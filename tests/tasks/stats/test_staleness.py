"""Is the growth of loss with age the line that made the figures, with bounds that hold as often as they say?"""

import numpy as np
import pytest
from scipy.stats import spearmanr

from tasks.stats import growth, rank_correlation, sign_agreement


def test_the_bounds_hold_as_often_as_they_say():
    rng = np.random.default_rng(1)
    age = rng.uniform(5, 40, size=(2_000, 8))
    gain = 0.001 * age + rng.normal(scale=0.01, size=age.shape)
    low = np.array([growth(a, g, alpha=0.05)[0] for a, g in zip(age, gain, strict=True)])
    assert np.mean(low > 0.001) == pytest.approx(0.05, abs=0.015)


def test_models_that_do_not_age_are_rarely_said_to():
    rng = np.random.default_rng(2)
    low = [growth(rng.uniform(5, 40, 6), rng.normal(scale=0.01, size=6))[0] for _ in range(2_000)]
    assert np.mean(np.array(low) > 0) == pytest.approx(0.05, abs=0.015)


def test_the_slope_is_numpys_through_the_origin():
    age, gain = np.array([3.0, 9.0, 14.0, 20.0]), np.array([0.01, -0.02, 0.05, 0.04])
    assert growth(age, gain)[1] == pytest.approx(np.linalg.lstsq(age[:, None], gain, rcond=None)[0][0])


def test_ranks_are_scipys_and_two_pairs_have_none():
    x, y = np.random.default_rng(3).integers(0, 6, size=(2, 30))
    assert rank_correlation(x, y) == pytest.approx(spearmanr(x, y).statistic)
    assert np.isnan(rank_correlation([1, 2], [1, 2]))
    assert np.isnan(rank_correlation([1, 1, 1], [1, 2, 3]))


def test_signs_are_counted_where_both_have_one():
    assert sign_agreement([], []) == (0, 0)
    assert sign_agreement([1, -1, 0, 2], [3, 1, 1, 0]) == (1, 2)


@pytest.mark.parametrize(
    "age, gain, says", [([1], [1], "2 comparisons"), ([1, 0], [1, 1], "above 0"), ([1, 2], [1], "length")]
)
def test_what_shows_no_growth_is_refused(age, gain, says):
    with pytest.raises(ValueError, match=says):
        growth(age, gain)
