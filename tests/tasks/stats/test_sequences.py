"""Does an interval hold at every look, and is a single look the textbook's?"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from tasks.stats import confidence_sequence, fixed_interval

ALPHA = 0.05
samples = st.lists(st.floats(-1, 1), min_size=30, max_size=60)


def _crossings(n_runs: int, draw) -> tuple[float, float]:
    """Shares of runs in which ours and a z-test exclude 0 at some n between 30 and 2,000, looking at every n."""
    n = np.arange(30, 2_001)
    rho2 = (-2 * math.log(ALPHA) + math.log(-2 * math.log(ALPHA)) + 1) / 2_000
    radius = np.sqrt(2 * (n * rho2 + 1) / (n * n * rho2) * np.log(np.sqrt(n * rho2 + 1) / ALPHA))
    ours = naive = 0
    for _ in range(n_runs):
        x = draw(2_000)
        mean = np.cumsum(x)[29:] / n
        squares = np.cumsum(x * x)[29:] - n * mean**2
        spread, ours_spread = np.sqrt(squares / (n - 1)), np.sqrt((squares + 0.25) / n)
        ours += bool((np.abs(mean) > radius * ours_spread).any())
        naive += bool((np.abs(mean) > 1.96 * spread / np.sqrt(n)).any())
    last = confidence_sequence(x)
    assert last[2] - last[1] == pytest.approx(radius[-1] * ours_spread[-1])  # the simulated formula is the code's
    return ours / n_runs, naive / n_runs


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.normal(size=n),
        lambda rng, n: rng.choice([-1.0, 0.0, 1.0], p=[0.05, 0.9, 0.05], size=n),
        lambda rng, n: rng.normal(size=n) * (1 + np.arange(n) / n),
    ],
    ids=["normal", "rare disagreements", "growing spread"],
)
def test_two_equal_models_are_told_apart_about_alpha_of_the_time_by_ours_and_often_by_a_z_test(draw):
    rng, runs = np.random.default_rng(20261121), 400
    ours, naive = _crossings(runs, lambda n: draw(rng, n))
    assert ours <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / runs)
    assert naive > 4 * ALPHA


def test_a_real_difference_is_found():
    rng = np.random.default_rng(2)
    found = [confidence_sequence(rng.normal(0.2, 1, size=2_000))[0] > 0 for _ in range(100)]
    assert np.mean(found) > 0.95


@given(samples, st.floats(-5, 5))
def test_adding_a_constant_moves_the_interval_by_it(values, shift):
    moved = confidence_sequence(np.array(values) + shift)
    assert moved == pytest.approx(np.array(confidence_sequence(values)) + shift, abs=1e-9)


@given(samples, st.floats(0.1, 10))
def test_another_unit_scales_the_interval(values, unit):
    assert confidence_sequence(np.array(values) * unit, bound=unit) == pytest.approx(
        np.array(confidence_sequence(values)) * unit, abs=1e-9
    )


@given(samples)
def test_changing_sides_mirrors_the_interval(values):
    low, mean, high = confidence_sequence(values)
    assert confidence_sequence(-np.array(values)) == pytest.approx((-high, -mean, -low), abs=1e-12)


@given(samples, st.floats(0.001, 0.2))
def test_less_error_makes_a_wider_interval(values, alpha):
    low, _, high = confidence_sequence(values, alpha=alpha)
    wider_low, _, wider_high = confidence_sequence(values, alpha=alpha / 2)
    assert wider_low <= low <= high <= wider_high


def test_the_sequence_is_wider_than_an_interval_for_one_look():
    x = np.random.default_rng(1).normal(size=500)
    assert confidence_sequence(x)[2] > fixed_interval(x, alpha=ALPHA / 2)[2]


def test_more_rows_narrow_the_interval():
    widths = [np.ptp(confidence_sequence([0.1, -0.1] * n)) for n in (20, 100, 1_000, 10_000)]
    assert widths == sorted(widths, reverse=True)


def test_rows_that_all_agree_prove_nothing_exactly():
    low, mean, high = confidence_sequence([0.0] * 30)
    assert low < -0.1 < mean == 0.0 < 0.1 < high


def test_below_the_burn_in_nothing_is_excluded():
    low, mean, high = confidence_sequence([1.0] * 29)
    assert (low, mean, high) == (-math.inf, 1.0, math.inf)
    assert math.isfinite(confidence_sequence([1.0, 0.0] * 15)[0])


def test_taking_up_again_gives_the_same_interval():
    x = np.random.default_rng(4).normal(size=100)
    assert (
        confidence_sequence(x)
        == confidence_sequence(x.tolist())
        == confidence_sequence(np.concatenate([x[:50], x[50:]]))
    )


@given(st.lists(st.floats(-100, 100), min_size=3, max_size=40).filter(lambda x: np.std(x) > 1e-6))
def test_a_single_look_is_students_interval(values):
    for alpha in (0.05, 0.01):
        theirs = ttest_1samp(values, 0).confidence_interval(1 - 2 * alpha)
        low, mean, high = fixed_interval(values, alpha=alpha)
        assert (low, high) == pytest.approx((theirs.low, theirs.high), rel=1e-6, abs=1e-9)
        assert mean == pytest.approx(np.mean(values), abs=1e-9)


def test_each_end_of_a_single_look_misses_alpha_of_the_time():
    rng = np.random.default_rng(8)
    intervals = [fixed_interval(rng.normal(size=20)) for _ in range(4_000)]
    assert np.mean([low > 0 for low, _, _ in intervals]) == pytest.approx(0.05, abs=0.011)
    assert np.mean([high < 0 for _, _, high in intervals]) == pytest.approx(0.05, abs=0.011)


@pytest.mark.parametrize("interval", [confidence_sequence, fixed_interval])
@pytest.mark.parametrize(
    "values, says", [([], "n >= 1"), ([[1.0, 2.0]], "shape"), ([1.0, math.nan], "1 of 2"), ([math.inf, 1.0], "1 of 2")]
)
def test_values_that_are_none_are_refused(interval, values, says):
    with pytest.raises(ValueError, match=says):
        interval(values)


def test_one_value_has_no_interval():
    with pytest.raises(ValueError, match="at least 2"):
        fixed_interval([1.0])


@given(st.lists(st.floats(-10, 10), min_size=3, max_size=30), st.permutations(range(30)))
def test_clusters_of_one_row_are_no_clusters_and_repeated_rows_are_no_new_evidence(values, names):
    names = list(names)[: len(values)]
    plain = fixed_interval(values)
    assert fixed_interval(values, clusters=names) == pytest.approx(plain, abs=1e-9)
    assert fixed_interval(values * 4, clusters=names * 4) == pytest.approx(plain, abs=1e-9)


def test_rows_of_a_customer_are_not_independent_and_clusters_say_so():
    rng, runs = np.random.default_rng(9), 1_000
    who = np.repeat(np.arange(40), rng.integers(1, 15, 40))
    missed = np.zeros(2)
    for _ in range(runs):
        x = rng.normal(size=40)[who] + 0.5 * rng.normal(size=who.size)
        missed += [fixed_interval(x)[0] > 0, fixed_interval(x, clusters=who)[0] > 0]
    assert missed[0] / runs > 0.2
    assert missed[1] / runs == pytest.approx(ALPHA, abs=0.035)


def test_one_cluster_has_no_interval_and_every_row_has_a_cluster():
    with pytest.raises(ValueError, match="at least 2 clusters, got 1"):
        fixed_interval([1.0, 2.0], clusters=["a", "a"])
    with pytest.raises(ValueError, match="shape of the values"):
        fixed_interval([1.0, 2.0], clusters=["a"])
