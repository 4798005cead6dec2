"""Is a gain called one as seldom as it should be, where there is none, and found where there is one?"""

import numpy as np
import pytest

from tasks.stats import fixed_interval, gain_interval


def drawn(rng, *, gain=0.0, folds=3, seeds=3, rows=200, seed_sd=0.01, row_sd=0.2):
    """Row gains averaged over seeds, and fold by seed means: each fit is off by its own luck, the same on all of its rows."""
    luck = rng.normal(0, seed_sd, (folds, seeds))
    row = rng.normal(gain, row_sd, (folds, rows))
    cells = row.mean(axis=1, keepdims=True) + luck
    return (row + luck.mean(axis=1, keepdims=True)).ravel(), cells


@pytest.mark.parametrize("rows, seed_sd", [(100, 0.0), (100, 0.02), (2_000, 0.02), (2_000, 0.2)])
def test_noise_is_called_a_gain_as_often_as_stated(rows, seed_sd):
    rng = np.random.default_rng([20261122, rows])
    runs = 1_500
    called = [gain_interval(*drawn(rng, rows=rows, seed_sd=seed_sd), alpha=0.05)[0] > 0 for _ in range(runs)]
    assert np.mean(called) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_rows_alone_would_call_luck_a_gain():
    rng = np.random.default_rng(7)
    worlds = [drawn(rng, rows=2_000, seed_sd=0.05) for _ in range(200)]
    assert np.mean([fixed_interval(gain, alpha=0.05)[0] > 0 for gain, _ in worlds]) > 0.2


def test_a_real_gain_is_found():
    rng = np.random.default_rng(3)
    found = [gain_interval(*drawn(rng, gain=0.03, rows=1_000))[0] > 0 for _ in range(200)]
    assert np.mean(found) > 0.9


def test_with_one_seed_and_no_spread_it_is_the_interval_of_the_rows():
    gain = np.random.default_rng(1).normal(0.1, 1, 400)
    clusters = np.repeat(np.arange(40), 10)
    for cells in (np.full((2, 1), 0.1), np.full((2, 3), 0.1)):
        found = gain_interval(gain, cells, alpha=0.05, clusters=clusters)
        assert found == pytest.approx(fixed_interval(gain, alpha=0.05, clusters=clusters))


def test_what_cannot_be_told_is_refused():
    with pytest.raises(ValueError, match="at least 2 clusters"):
        gain_interval([0.1, 0.2], [[0.1]], clusters=["a", "a"])
    with pytest.raises(ValueError, match=r"\(folds, seeds\)"):
        gain_interval([0.1, 0.2], [0.1, 0.2])
