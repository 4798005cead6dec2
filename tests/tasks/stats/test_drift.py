"""Is the distance a distance, and the same as somebody else's where theirs is defined?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from tasks.stats import binned, bins, distance
from tasks.stats.drift import category_counts, numeric_counts, quantile_edges

values = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=60)
counts = st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any).map(np.array)


def _theirs(reference, current):
    with np.errstate(all="ignore"):  # its p-value, which we do not read, divides by zero for tiny windows
        return ks_2samp(reference, current, method="asymp").statistic


def _apart(reference, current, frozen, *, ordered=True):
    one, other = (binned(x, frozen, ordered=ordered) for x in (reference, current))
    return distance(one, other, ordered=ordered)


@given(counts, counts, st.booleans())
def test_a_distance_lies_between_0_and_1_and_is_zero_to_itself(a, b, ordered):
    assert -1e-12 <= distance(a, b, ordered=ordered) <= 1 + 1e-12
    assert distance(a, a, ordered=ordered) == pytest.approx(0, abs=1e-12)
    assert distance(a, a * 7, ordered=ordered) == pytest.approx(0, abs=1e-12)


@given(counts, counts, st.booleans())
def test_it_does_not_matter_which_window_is_named_first(a, b, ordered):
    assert distance(a, b, ordered=ordered) == pytest.approx(distance(b, a, ordered=ordered))


@given(counts, counts, st.permutations(range(4)))
def test_the_order_of_categories_does_not_matter(a, b, order):
    order = list(order)
    assert distance(a, b, ordered=False) == pytest.approx(distance(a[order], b[order], ordered=False))


@given(values, values)
def test_with_an_edge_at_every_value_it_is_kolmogorov_smirnov(reference, current):
    edges = sorted({*reference, *current})
    assert _apart(reference, current, edges) == pytest.approx(_theirs(reference, current))


@given(values, values)
def test_bins_can_hide_a_difference_and_never_make_one(reference, current):
    frozen = bins(reference, ordered=True, n_bins=4)
    assert _apart(reference, current, frozen) <= _theirs(reference, current) + 1e-12


@given(values, values, values)
def test_counts_of_parts_add_up_to_counts_of_the_whole(reference, one, other):
    frozen = bins(reference, ordered=True)
    np.testing.assert_array_equal(
        binned(one, frozen, ordered=True) + binned(other, frozen, ordered=True),
        binned(one + other, frozen, ordered=True),
    )


@given(
    st.lists(st.sampled_from(["a", "b", "c", None]), max_size=20),
    st.lists(st.sampled_from(["a", "z", None]), max_size=20),
)
def test_counts_of_categories_add_up_and_lose_no_row(one, other):
    parts = [category_counts(x, ["a", "b"]) for x in (one, other)]
    np.testing.assert_array_equal(sum(parts), category_counts(one + other, ["a", "b"]))
    assert sum(parts).sum() == len(one) + len(other)


@pytest.mark.parametrize("share", [0.1, 0.6, 1.0])
def test_missing_values_are_seen_at_their_share(share):
    reference = np.random.default_rng(1).normal(size=1_000)
    current = np.where(np.arange(1_000) < share * 1_000, np.nan, reference)
    assert _apart(reference, current, bins(reference, ordered=True)) >= share - 1e-9


@pytest.mark.parametrize(
    "current, expected",
    [
        (["a", "b"] * 50, 0.0),
        (["a"] * 100, 0.5),
        (["a", "b"] * 40 + ["z"] * 20, 0.2),  # never seen
        (["a", "b"] * 40 + [None] * 20, 0.2),
        (["a", "b"] * 40 + [np.nan] * 20, 0.2),
        (["z"] * 100, 1.0),
    ],
)
def test_categories_move_by_total_variation(current, expected):
    reference = ["a", "b"] * 50
    assert _apart(reference, current, bins(reference, ordered=False), ordered=False) == pytest.approx(expected)


def test_a_category_that_looks_like_a_missing_one_is_none():
    assert category_counts(["", "None", "nan", None], ["", "None"]).tolist() == [1, 1, 1, 1]


def test_values_beyond_the_reference_fall_into_the_outer_bins():
    edges = quantile_edges(np.arange(100.0), n_bins=4)
    assert numeric_counts([-1e9, -np.inf, 1e9, np.inf], edges).tolist() == [2, 0, 0, 2, 0]


def test_a_reference_without_values_has_one_bin_and_sees_missing_ones_alone():
    frozen = bins([np.nan] * 10, ordered=True)
    assert frozen == []
    assert _apart([np.nan] * 10, [1.0] * 10, frozen) == 1.0


@pytest.mark.parametrize("ordered", [True, False])
def test_an_empty_window_has_no_distance(ordered):
    some, none = np.array([1, 2, 3]), np.zeros(3, dtype=int)
    assert np.isnan(distance(some, none, ordered=ordered))
    assert np.isnan(distance(none, some, ordered=ordered))


def test_an_outlier_does_not_hide_a_shift():
    rng = np.random.default_rng(2)
    reference, current = rng.normal(size=5_000), rng.normal(1, size=5_000)
    frozen = bins(reference, ordered=True)
    plain = _apart(reference, current, frozen)
    assert plain > 0.3
    assert _apart(reference, np.append(current, 1e9), frozen) == pytest.approx(plain, abs=0.001)
