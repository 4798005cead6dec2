"""Do few labels, weighed by how fast they come, tell what all of them will?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.stats import delay_curve_of_known, shares_known, weighted_ratio

AT_ONCE = delay_curve_of_known([0.0] * 9, [9.0] * 9)


def drawn(seed, n, *, base=0.08):
    """Positives that nobody acted on are known in nine days, those acted on in three, negatives in one."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < base).astype(float)
    acted = (rng.normal(1.4 * y, 1) > 1).astype(float)
    mean = np.where(y == 1, np.where(acted == 1, 3.0, 9.0), 1.0)
    return y, acted, np.minimum(rng.gamma(2, mean / 2), 14), (2 * y + acted).astype(int), rng


def cohort(seed):
    """A cohort of ages from three to ten days, and the curves of the five weeks before."""
    _, _, delay, kind, rng = drawn(seed, 6_000)
    age = rng.uniform(0, 35, delay.size)
    known = delay < age
    curves = [delay_curve_of_known(delay[known & (kind == k)], age[known & (kind == k)]) for k in range(4)]
    y, acted, delay, kind, rng = drawn(seed + 10_000, 2_500)
    age = rng.uniform(3, 10, y.size)
    return y, acted, kind, age, delay < age, curves


@pytest.fixture(scope="module")
def runs():
    found = {"recall": [], "precision": [], "base rate": []}
    for seed in range(120):
        y, acted, kind, age, known, curves = cohort(seed)
        parts = {"recall": (y * acted, y), "precision": (y * acted, acted), "base rate": (y, np.ones(y.size))}
        for name, (u, v) in parts.items():
            low, value, high = weighted_ratio(u[known], v[known], age=age[known], group=kind[known], curves=curves)
            found[name].append((low, value, high, u.sum() / v.sum(), u[known].sum() / v[known].sum()))
    return {name: np.array(rows) for name, rows in found.items()}


@pytest.mark.parametrize("name", ["recall", "precision", "base rate"])
def test_the_interval_holds_what_the_cohort_shows_in_the_end(runs, name):
    low, _, high, true, _ = runs[name].T
    assert np.mean((low <= true) & (true <= high)) >= 0.93


@pytest.mark.parametrize("name", ["recall", "precision", "base rate"])
def test_the_estimate_is_right_on_average(runs, name):
    _, value, _, true, _ = runs[name].T
    assert np.mean(value - true) == pytest.approx(0, abs=0.012)


def test_labels_so_far_are_not(runs):
    _, _, _, true, early = runs["recall"].T
    assert np.mean(early - true) > 0.1


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=40))
def test_with_all_labels_it_is_the_plain_ratio_and_sure_of_it(rows):
    u, v = np.array([a and b for a, b in rows], dtype=float), np.array([b for _, b in rows], dtype=float)
    found = weighted_ratio(u, v, age=np.full(u.size, 5.0), group=np.zeros(u.size, int), curves=[AT_ONCE])
    if v.sum() == 0:
        assert np.isnan(found).all()
    else:
        assert found == pytest.approx([u.sum() / v.sum()] * 3)


def test_a_label_stands_for_as_many_rows_as_its_share_is_small():
    half = delay_curve_of_known([1, 1, 2], [1, 9, 9])
    found = weighted_ratio([3, 1], [1, 1], age=[1, 1], group=[0, 1], curves=[half, AT_ONCE], bounded=False)
    assert found[1] == pytest.approx((2 * 3 + 1 * 1) / (2 + 1))


def test_what_all_agree_on_is_not_certain_while_labels_are_under_way():
    half = delay_curve_of_known([1, 1, 2], [1, 9, 9])
    low, value, high = weighted_ratio([1] * 8, [1] * 8, age=[1] * 8, group=[0] * 8, curves=[half])
    assert (value, high) == (1.0, 1.0)
    assert 0.4 < low < 0.95


def test_ages_beyond_those_that_were_followed_have_all_their_labels():
    assert shares_known([0.5, 1.0, 99.0], [0, 0, 0], [delay_curve_of_known([1, 1, 2], [1, 9, 9])]).tolist() == [
        0,
        0.5,
        1,
    ]


def test_a_label_that_came_before_any_can_is_refused():
    late = delay_curve_of_known([5.0] * 9, [9.0] * 9)
    with pytest.raises(ValueError, match="1 labels came before any label comes"):
        weighted_ratio([1.0], [1.0], age=[1.0], group=[0], curves=[late])
