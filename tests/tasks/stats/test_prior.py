"""Is the share of positives found under label shift, and its assumption called violated where it is?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.stats import label_prior


def scores(n: int, share: float, rng, *, shift: float = 0.0):
    y = rng.random(n) < share
    return 1 / (1 + np.exp(-(np.where(y, 1.0, -1.0) + shift + rng.normal(size=n)))), y


@pytest.mark.parametrize("share", [0.05, 0.3, 0.7, 0.95])
def test_under_label_shift_the_interval_of_two_errors_holds_the_share(share):
    rng, held = np.random.default_rng(5), 0
    for _ in range(200):
        before, y = scores(2_000, 0.47, rng)
        found = label_prior(scores(500, share, rng)[0], positive=before[y], negative=before[~y])
        held += abs(found.estimate - share) <= 2 * found.error
    assert 0.91 <= held / 200 <= 0.99


def test_it_is_the_confusion_matrix_estimate_when_scores_are_decisions():
    rng = np.random.default_rng(6)
    before, y = scores(5_000, 0.4, rng)
    now, _ = scores(1_000, 0.6, rng)
    said, says = (before > 0.5).astype(float), (now > 0.5).astype(float)
    matrix = np.array([[1 - said[~y].mean(), 1 - said[y].mean()], [said[~y].mean(), said[y].mean()]])
    theirs = np.linalg.solve(matrix, [1 - says.mean(), says.mean()])[1]
    assert label_prior(says, positive=said[y], negative=said[~y]).estimate == pytest.approx(theirs)


def test_inputs_that_moved_beyond_any_mixture_violate_the_assumption():
    rng = np.random.default_rng(7)
    before, y = scores(5_000, 0.47, rng)
    found = label_prior(scores(1_000, 0.7, rng, shift=3.0)[0], positive=before[y], negative=before[~y])
    assert (found.estimate > 1, found.valid) == (True, False)
    assert "assumption violated" in str(found)


@pytest.mark.parametrize(
    "positive, negative", [([], [0.1, 0.2]), ([0.5], [0.1, 0.2]), ([0.4, 0.6] * 5, [0.4, 0.6] * 5)]
)
def test_where_classes_cannot_be_told_apart_there_is_no_share(positive, negative):
    found = label_prior([0.3, 0.5], positive=positive, negative=negative)
    assert np.isnan(found.estimate)
    assert not found.valid


@given(st.floats(0, 1))
def test_an_exact_mixture_is_found_exactly(share):
    one, zero = np.tile([0.7, 0.9], 50), np.tile([0.1, 0.3], 50)
    mixed = share * one + (1 - share) * zero
    assert label_prior(mixed, positive=one, negative=zero).estimate == pytest.approx(share, abs=1e-9)
