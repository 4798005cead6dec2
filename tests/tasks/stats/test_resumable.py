"""Does a test taken up from its state give the same bits as one that never stopped, and does its peak hold at every row?"""

import json
import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.stats import (
    Betting,
    CoinFlip,
    RunningAverage,
    SampleRatio,
    betting,
    coin_flip,
    running_average,
    sample_ratio,
)

ALPHA = 0.05
LIMIT = math.log(1 / ALPHA)


def _gains(rng, n):
    return (rng.uniform(-1, 1, n),)


def _flips(rng, n):
    return (rng.random(n) < 0.3).astype(float), rng.uniform(0.01, 0.99, n)


TESTS = [
    pytest.param(Betting(0.03), _gains, id="betting"),
    pytest.param(CoinFlip(1.5), _flips, id="coin flip"),
    pytest.param(RunningAverage(), _gains, id="running average"),
    pytest.param(SampleRatio(), _flips, id="sample ratio"),
]


@pytest.mark.parametrize("test, draw", TESTS)
@settings(deadline=None, max_examples=40)
@given(st.integers(0, 9_000), st.lists(st.integers(0, 9_000), max_size=12), st.integers(0, 2**32))
def test_chunks_and_saved_states_do_not_change_a_bit(test, draw, n, cuts, seed):
    rows = draw(np.random.default_rng(seed), n)
    whole, part = test.update(*rows), test
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), n], strict=True):
        part = type(part).resume(json.loads(json.dumps(part.state()))).update(*[x[start:stop] for x in rows])
    assert part == whole  # every float, the peak included
    assert part.n == n


@pytest.mark.parametrize("test, draw", TESTS)
def test_row_by_row_is_the_same_and_the_peak_is_the_largest_value_on_the_way(test, draw):
    rows = draw(np.random.default_rng(8), 300)
    part, seen = test, []
    for i in range(300):
        part = part.update(*[x[i : i + 1] for x in rows])
        seen.append(part.log_e(0.0) if isinstance(part, RunningAverage) else part.log_e)
    assert part == test.update(*rows)
    if not isinstance(part, RunningAverage):
        assert part.log_peak == max(0.0, *seen)
        assert part.log_e == seen[-1]


@pytest.mark.parametrize("test, draw", TESTS)
def test_no_rows_change_nothing_and_a_test_is_never_changed_in_place(test, draw):
    rows = draw(np.random.default_rng(8), 10)
    before = test.state()
    test.update(*rows)
    assert test.state() == before
    assert test.update(*[x[:0] for x in rows]) == test


def test_the_functions_are_the_tests_after_all_rows():
    rng = np.random.default_rng(2)
    (x,), (hits, w) = _gains(rng, 50), _flips(rng, 50)
    assert betting(x, margin=0.1) == Betting(0.1).update(x).log_e
    assert coin_flip(hits, w, ratio=2.0) == CoinFlip(2.0).update(hits, w).log_e
    assert sample_ratio(hits, w) == SampleRatio().update(hits, w).log_e
    assert running_average(x, alpha=0.01) == RunningAverage().update(x).interval(0.01)


@pytest.mark.parametrize("test, draw", TESTS)
def test_a_state_of_another_test_or_of_another_grid_is_refused(test, draw):
    state = test.state()
    with pytest.raises(ValueError, match="the state is of test 'other'"):
        type(test).resume({**state, "test": "other"})
    with pytest.raises(ValueError, match="another grid"):
        type(test).resume({**state, "grid": state["grid"][1:]})


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.5])
def test_on_all_paths_the_peak_of_betting_crosses_with_at_most_alpha(margin):
    down = 0.5 + margin / 2  # D in {-1, 1} with mean exactly -margin
    crossed = total = 0.0
    for path in product([1.0, -1.0], repeat=11):
        chance = np.prod(np.where(np.array(path) < 0, down, 1 - down))
        test = Betting(margin).update(path)
        crossed += chance * (test.log_peak >= LIMIT)
        total += chance * math.exp(test.log_e)
    assert total == pytest.approx(1, abs=1e-9)
    assert crossed <= ALPHA


@pytest.mark.parametrize("w", [[0.5] * 11, [0.05] * 4 + [0.25] * 4 + [0.5] * 3])
def test_on_all_paths_the_peaks_of_coins_cross_with_at_most_alpha(w):
    totals, crossed = np.zeros(2), np.zeros(2)
    for path in product([0.0, 1.0], repeat=11):
        chance = np.prod(np.where(path, w, 1 - np.array(w)))
        tests = CoinFlip().update(path, w), SampleRatio().update(path, w)
        crossed += [chance * (test.log_peak >= LIMIT) for test in tests]
        totals += [chance * math.exp(test.log_e) for test in tests]
    assert totals == pytest.approx(1, abs=1e-9)
    assert (crossed <= ALPHA).all()
