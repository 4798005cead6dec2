"""Is the distance a distance, and the same as somebody else's where theirs is defined?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy, ks_2samp, wasserstein_distance

from tasks.stats import (
    binned,
    bins,
    distance,
    jensen_shannon,
    kolmogorov_smirnov,
    missing_share,
    outside_share,
    psi,
    thinned,
    total_variation,
    wasserstein,
)
from tasks.stats.drift import category_counts, numeric_counts, quantile_edges

values = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=60)
counts = st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(lambda c: any(c[:-1])).map(np.array)


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


@given(counts, counts, st.permutations(range(3)))
def test_the_order_of_categories_does_not_matter(a, b, order):
    order = [*order, 3]  # the last bin has the missing ones
    assert distance(a[order], b[order], ordered=False) == pytest.approx(distance(a, b, ordered=False), nan_ok=True)


@given(values, values)
def test_with_an_edge_at_every_value_it_is_kolmogorov_smirnov(reference, current):
    edges = sorted({*reference, *current})
    assert _apart(reference, current, edges) == pytest.approx(_theirs(reference, current))


@given(values, values)
def test_bins_can_hide_a_difference_and_never_make_one(reference, current):
    frozen = bins(reference, ordered=True, n_edges=4)
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


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 1.0])
def test_missing_values_are_told_by_their_share_and_are_no_distance(share):
    reference = np.random.default_rng(1).normal(size=1_000)
    current = np.where(np.random.default_rng(2).permutation(1_000) < share * 1_000, np.nan, reference)
    counted = binned(current, bins(reference, ordered=True), ordered=True)
    assert missing_share(counted) == pytest.approx(share)
    apart = _apart(reference, current, bins(reference, ordered=True))
    assert apart < 0.05 if share < 1 else np.isnan(apart)


@pytest.mark.parametrize(
    "current, expected",
    [
        (["a", "b"] * 50, 0.0),
        (["a"] * 100, 0.5),
        (["a", "b"] * 40 + ["z"] * 20, 0.2),  # never seen
        (["a", "b"] * 40 + [None] * 20, 0.0),  # missing, and of those that are given none moved
        (["a", "b"] * 40 + [np.nan] * 20, 0.0),
        (["z"] * 100, 1.0),
    ],
)
def test_categories_move_by_total_variation(current, expected):
    reference = ["a", "b"] * 50
    assert _apart(reference, current, bins(reference, ordered=False), ordered=False) == pytest.approx(expected)


def test_a_category_that_looks_like_a_missing_one_is_none():
    assert category_counts(["", "None", "nan", None], ["", "None"]).tolist() == [1, 1, 1, 1]


def test_values_beyond_the_reference_have_bins_of_their_own():
    edges = quantile_edges(np.arange(100.0), n_edges=5)
    counted = numeric_counts([-1e9, -np.inf, 0.0, 99.0, np.nextafter(99, 100), 1e9, np.inf, np.nan], edges)
    assert counted.tolist() == [2, 1, 0, 0, 1, 3, 1]
    assert outside_share(counted, ordered=True) == pytest.approx(5 / 8)


@given(values)
def test_no_row_of_the_reference_lies_outside_its_own_range(reference):
    counted = binned(reference, bins(reference, ordered=True), ordered=True)
    assert counted[0] == counted[-2] == 0
    assert counted.sum() == len(reference)


def test_there_are_64_edges_at_quantiles_and_one_for_each_of_fewer_values():
    many = quantile_edges(np.random.default_rng(1).normal(size=6_300))
    assert len(many) == 64
    inside = numeric_counts(np.random.default_rng(1).normal(size=6_300), many)[1:-2]
    assert (np.abs(inside - 100) <= 1).all()
    assert quantile_edges([3.0, 1.0, 1.0, 2.0]).tolist() == [1.0, 2.0, 3.0, np.nextafter(3, 4)]


def test_an_endless_list_of_categories_keeps_its_most_frequent_ones():
    names = [f"n{n}" for n in range(900) for _ in range(2 if n >= 400 else 1)]
    kept = bins(names, ordered=False)
    assert set(kept) == {f"n{n}" for n in range(400, 900)}
    assert outside_share(binned(names, kept, ordered=False), ordered=False) == pytest.approx(400 / 1_400)


def test_a_reference_without_values_has_one_bin_and_everything_is_outside_of_it():
    frozen = bins([np.nan] * 10, ordered=True)
    assert frozen == []
    assert np.isnan(_apart([np.nan] * 10, [1.0] * 10, frozen))
    assert outside_share(binned([1.0, np.nan], frozen, ordered=True), ordered=True) == 0.5


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


@given(counts, counts)
def test_jensen_shannon_is_scipys(a, b):
    assert jensen_shannon(a, b) == pytest.approx(jensenshannon(a / a.sum(), b / b.sum(), base=2), abs=1e-7)


full = st.lists(st.integers(1, 50), min_size=5, max_size=5).map(np.array)


@given(full, full)
def test_psi_is_the_sum_of_both_relative_entropies(a, b):
    r, c = a / a.sum(), b / b.sum()
    assert psi(a, b) == pytest.approx(entropy(r, c) + entropy(c, r))


@given(counts, counts)
def test_psi_is_never_negative_and_finite_where_a_bin_is_empty(a, b):
    assert 0 <= psi(a, b) < np.inf
    assert psi(a, a * 3) == pytest.approx(0, abs=1e-12)


@given(counts, counts)
def test_kolmogorov_smirnov_and_total_variation_of_counts_are_those_of_the_rows_they_count(a, b):
    rows = [np.repeat(np.arange(3.0), one[:-1]) for one in (a, b)]
    assert kolmogorov_smirnov(a, b) == pytest.approx(_theirs(*rows))
    shares = [one[:-1] / one[:-1].sum() for one in (a, b)]
    assert total_variation(a, b) == pytest.approx(
        max(abs(sum(shares[0][list(s)]) - sum(shares[1][list(s)])) for s in _SETS)
    )


_SETS = [(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]


@given(counts, counts)
def test_wasserstein_is_scipys_between_the_mid_quantiles_of_the_reference(a, b):
    share = a[:-1] / a[:-1].sum()
    places = np.cumsum(share) - share / 2
    assert wasserstein(a, b) == pytest.approx(wasserstein_distance(places, places, a[:-1], b[:-1]), abs=1e-12)


def test_wasserstein_says_by_how_many_ranks_rows_moved_whatever_their_unit():
    rng = np.random.default_rng(3)
    reference = rng.normal(size=20_000)
    for unit in (1.0, 1e6):
        frozen = bins(reference * unit, ordered=True)
        then, beyond = (binned(x * unit, frozen, ordered=True) for x in (reference, np.full(100, 50.0)))
        assert wasserstein(then, beyond) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("measure", [psi, jensen_shannon, kolmogorov_smirnov, total_variation, wasserstein])
def test_a_window_without_rows_has_no_measure(measure):
    some, none = np.array([1, 2, 3, 0]), np.zeros(4, dtype=int)
    assert np.isnan(measure(some, none))
    assert np.isnan(measure(none, some))


def test_fewer_rows_are_drawn_from_counts_without_replacement():
    counted, rng = np.array([60, 30, 0, 10]), np.random.default_rng(1)
    drawn = np.array([thinned(counted, 20, rng) for _ in range(4_000)])
    assert (drawn.sum(axis=1) == 20).all()
    assert (drawn <= counted).all()
    # Hypergeometric: a binomial's variance times (N - n) / (N - 1).
    assert drawn[:, 0].mean() == pytest.approx(12, abs=0.1)
    assert drawn[:, 0].var() == pytest.approx(20 * 0.6 * 0.4 * 80 / 99, rel=0.1)
    assert thinned(counted, 100, rng) is counted
