"""Are units, defaults and swapped codes read off the values exactly where they are exact?"""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.stats import relabelled, rescaling, rotated, spike


@given(st.floats(0.01, 1e4), st.floats(-1e3, 1e3), st.integers(0, 99))
def test_a_change_of_unit_is_found_exactly(scale, offset, seed):
    x = np.random.default_rng(seed).normal(20, 5, 200)
    found = rescaling(x, scale * x + offset)
    assert found.misfit <= 0.02
    assert found.scale * 20 + found.offset == pytest.approx(scale * 20 + offset, rel=0.05, abs=0.3 * scale)


def test_a_factor_alone_has_no_offset():
    x = np.exp(np.random.default_rng(1).normal(3, 0.5, 500))
    assert (rescaling(x, 100 * x).scale, rescaling(x, 100 * x).offset) == (100.0, 0.0)


def test_a_mixture_of_both_units_is_no_line():
    x = np.random.default_rng(2).normal(20, 5, 1_000)
    assert rescaling(x, np.where(np.arange(1_000) % 2, 1.8 * x + 32, x)).misfit > 0.2


@pytest.mark.parametrize(
    "x, y", [([], [1.0, 2.0]), ([1.0, 1.0], [1.0, 2.0]), ([1.0, 2.0], [np.nan]), ([1.0, 2.0], [3.0, 3.0])]
)
def test_without_a_spread_there_is_no_line(x, y):
    assert np.isnan(rescaling(x, y).misfit)


def test_the_most_frequent_value_is_counted_among_what_is_there():
    found = spike([1.0, 2.0, np.nan], [7.0, 7.0, np.nan, 1.0])
    assert (found.value, found.now, found.before) == (7.0, pytest.approx(2 / 3), 0.0)
    assert np.isnan(spike([1.0], [np.nan]).now)


shares = st.lists(st.integers(1, 50), min_size=2, max_size=5).map(lambda n: [k / sum(n) for k in n])


@given(shares, shares)
def test_swapped_names_fit_as_well_as_the_best_of_all_permutations(p, q):
    size = max(len(p), len(q))
    p, q = (one + [0.0] * (size - len(one)) for one in (p, q))
    best = min(sum(abs(a - b) for a, b in zip(p, order, strict=True)) / 2 for order in itertools.permutations(q))
    names = "abcde"[:size]
    named, swapped = relabelled(dict(zip(names, p, strict=True)), dict(zip(names, q, strict=True)))
    assert swapped == pytest.approx(best, abs=1e-8)
    assert named >= swapped - 1e-8


@given(st.lists(st.integers(0, 30), min_size=5, max_size=24).filter(any), st.integers(0, 23))
def test_a_turned_cycle_fits_exactly(counts, by):
    _, without, turned = rotated(counts, np.roll(counts, by))
    assert turned == pytest.approx(0, abs=1e-9)
    assert without >= turned
