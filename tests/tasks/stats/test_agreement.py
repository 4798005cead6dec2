"""Is kappa scikit-learn's, and is the error that it implies the one that was planted?"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from tasks.stats import bootstrap_interval, cohen_kappa, error_of_agreement

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=50)


@given(pairs=PAIRS, seed=st.integers(0, 99))
def test_it_is_scikit_learns(pairs, seed):
    one, other = np.array(pairs).T
    weight = np.random.default_rng(seed).integers(1, 4, one.size)
    if np.unique([one, other]).size < 2:
        assert math.isnan(cohen_kappa(one, other))
        return
    assert cohen_kappa(one, other) == pytest.approx(cohen_kappa_score(one, other), abs=1e-12)
    theirs = cohen_kappa_score(one, other, sample_weight=weight)
    np.testing.assert_allclose(cohen_kappa(one, other, np.array([weight, 2 * weight])), theirs, atol=1e-12)


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("error", [0.0, 0.05, 0.2])
def test_the_error_of_two_who_err_alike_is_found_from_how_often_they_agree(k, error):
    rng = np.random.default_rng(k)
    truth = rng.integers(0, k, 40_000)

    def rater():
        return np.where(rng.random(truth.size) < error, (truth + rng.integers(1, k, truth.size)) % k, truth)

    one, other = rater(), rater()
    assert error_of_agreement(float(np.mean(one == other)), k) == pytest.approx(error, abs=0.01)


def test_who_agrees_less_than_by_guessing_has_no_error_rate():
    assert math.isnan(error_of_agreement(0.4, 2))


def test_the_interval_of_kappa_holds_it():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 500)
    other = np.where(rng.random(500) < 0.2, 1 - truth, truth)
    low, kappa, high = bootstrap_interval(cohen_kappa, truth, other, alpha=0.025, rng=rng)
    assert low < 0.6 < high
    assert kappa == pytest.approx(cohen_kappa_score(truth, other))


@pytest.mark.parametrize("one, other", [([], []), ([1, 2], [1]), ([[1]], [[1]])])
def test_raters_of_other_rows_are_refused(one, other):
    with pytest.raises(ValueError):
        cohen_kappa(one, other)
