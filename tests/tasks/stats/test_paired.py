"""Do paired tests hold where they claim to, on every path, and find what is there?"""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.stats import Betting, RunningAverage, betting, confidence_sequence, running_average
from tasks.stats.paired import reach

ALPHA = 0.05
LIMIT = math.log(1 / ALPHA)
gains = st.lists(st.floats(-1, 1), min_size=1, max_size=40)


@pytest.mark.parametrize(
    "values, chances, margin",
    [
        ([-1, 0, 1], [0.3, 0.4, 0.3], 0.0),
        ([-1, 0, 1], [0.4, 0.4, 0.2], 0.2),
        ([-1, 0.25], [0.2, 0.8], 0.0),
        ([-0.7, 0.3], [0.5, 0.5], 0.2),
        ([-1, 1], [0.95, 0.05], 0.9),
    ],
)
def test_the_mean_of_betting_over_all_paths_is_one_at_the_boundary(values, chances, margin):
    x, p = np.array(values, dtype=float), np.array(chances)
    assert x @ p == pytest.approx(-margin)
    paths = [list(path) for path in product(range(len(x)), repeat=7)]
    mean = sum(np.prod(p[path]) * math.exp(betting(x[path], margin=margin)) for path in paths)
    assert mean == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_the_mean_of_betting_is_at_most_one_when_means_follow_the_past_below_the_boundary(margin):
    def mean(path):  # the law of the next row depends on what came: always at or below the boundary
        return -margin - (0.2 if sum(path) > 0 else 0.0)

    assert _mean_on_paths(8, mean, lambda path, _: betting(path, margin=margin)) <= 1 + 1e-9


def _mean_on_paths(n, mean, log_e):
    """Exact mean of exp(log_e) over paths in {-1, 1}^n whose next value has mean `mean(past)`."""
    total = 0.0
    for path in product([-1.0, 1.0], repeat=n):
        means = [mean(path[:i]) for i in range(n)]
        chance = math.prod((1 + x * m) / 2 for x, m in zip(path, means, strict=True))
        total += chance * math.exp(log_e(path, means)) if chance > 0 else 0.0
    return total


@pytest.mark.parametrize(
    "mean",
    [
        lambda past: 0.0,
        lambda past: 0.9 * (-1) ** len(past),
        lambda past: 0.9 if sum(past) > 0 else -0.9,
        lambda past: -past[-1] * 0.8 if past else 0.3,
        lambda past: 1.0 if sum(past) <= 0 else 0.2,
    ],
    ids=["none", "alternating", "runs away", "turns back", "pushed up"],
)
@pytest.mark.parametrize("n", [1, 6, 10])
def test_the_running_average_is_valid_whatever_the_next_mean_does(mean, n):
    value = _mean_on_paths(n, mean, lambda path, means: RunningAverage().update(path).log_e(sum(means) / n))
    assert value <= 1 + 1e-9


@pytest.mark.parametrize(
    "values, chances", [([-1, 0, 1], [0.25, 0.5, 0.25]), ([-0.5, 0.5], [0.5, 0.5]), ([-1, 1 / 9], [0.1, 0.9])]
)
def test_the_mean_of_the_running_average_over_all_paths_is_at_most_one_in_both_directions(values, chances):
    paths = np.array(list(product(range(len(values)), repeat=7)))
    for sign in (1, -1):
        mean = sum(
            np.prod(np.array(chances)[p])
            * math.exp(RunningAverage().update(sign * np.array(values, float)[p]).log_e(0.0))
            for p in paths
        )
        assert 0.5 < mean <= 1 + 1e-9


# The edge as a function of Q, interpolated: it is concave, so the interpolated one is crossed no less often.
SQUARES = np.concatenate([[0.0], np.geomspace(1e-3, 2_000, 300)])
EDGE = np.array([reach(q, alpha=ALPHA) for q in SQUARES])


def _peeking(draw, runs=300, n=3_000):
    """Shares of runs in which betting, and either end of the running average, is wrong about the means at any row."""
    ours = np.zeros(3)
    for _ in range(runs):
        x, mean = draw(n)
        test = Betting().update(x)
        s, q, m = np.cumsum(x), np.cumsum(x * x), np.cumsum(mean)
        half = np.interp(q, SQUARES, EDGE)
        ours += [test.log_peak >= LIMIT, (s - half > m).any(), (s + half < m).any()]
    return ours / runs


@pytest.mark.parametrize(
    "values, chances",
    [([-1.0, 0.0, 1.0], [0.05, 0.9, 0.05]), ([-0.1, 0.1], [0.5, 0.5]), ([-1.0, 0.01], [1 / 101, 100 / 101])],
    ids=["0/1 losses", "small differences", "rare large loss"],
)
def test_equal_models_looked_at_after_every_row_are_told_apart_at_most_alpha_of_the_time(values, chances):
    rng = np.random.default_rng(20261121)
    wrong = _peeking(lambda n: (rng.choice(values, p=chances, size=n), np.zeros(n)))
    assert (wrong <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / 300)).all()


def test_where_performance_drifts_the_running_average_holds_and_betting_does_not_claim_to():
    rng = np.random.default_rng(3)
    wave = 0.3 * np.sin(np.arange(3_000) / 200)

    def draw(n):
        return wave + rng.choice([-0.5, 0.5], size=n), wave

    betting_wrong, low_wrong, high_wrong = _peeking(draw, runs=100)
    assert betting_wrong > 0.9  # the first swing is a real gain of those rows: each row's mean is not at most 0
    assert low_wrong <= ALPHA
    assert high_wrong <= ALPHA


@given(gains, st.floats(0.01, 1), st.data())
def test_a_larger_gain_never_lowers_the_evidence(values, more, data):
    i = data.draw(st.integers(0, len(values) - 1))
    better = [*values]
    better[i] = min(1.0, better[i] + more)
    assert betting(better) >= betting(values) - 1e-9
    assert running_average(better)[1] >= running_average(values)[1] - 1e-12


@given(gains, st.floats(0, 0.4), st.floats(0, 0.4))
def test_a_larger_margin_is_easier_to_keep(values, margin, more):
    seen = RunningAverage().update(values)
    assert seen.log_e(-margin - more) >= seen.log_e(-margin) - 1e-9
    assert seen.log_e(0.0) <= LIMIT or seen.interval(ALPHA)[0] >= 0


@given(gains, st.floats(0.1, 10))
def test_changing_sides_mirrors_the_interval_and_a_unit_scales_it(values, unit):
    low, mean, high = running_average(values)
    assert running_average([-x for x in values]) == pytest.approx((-high, -mean, -low), abs=1e-12)
    scaled = running_average(np.clip(np.array(values) * unit, -unit, unit), bound=unit)
    assert scaled == pytest.approx((low * unit, mean * unit, high * unit), rel=1e-9, abs=1e-9)
    assert -1 <= low <= mean + 1e-12
    assert mean <= high + 1e-12 <= 1 + 1e-12


@given(gains, st.floats(0.001, 0.2))
def test_the_end_of_the_interval_is_where_the_evidence_is_one_over_alpha(values, alpha):
    seen = RunningAverage().update(values)
    low, _, high = seen.interval(alpha)
    if low > -1:
        assert seen.log_e(low) == pytest.approx(math.log(1 / alpha), abs=1e-6)
    wider = seen.interval(alpha / 2)
    assert wider[0] <= low <= high <= wider[2]


def test_no_rows_are_no_evidence_and_have_no_average():
    assert betting([]) == Betting(0.5).log_e == 0.0
    assert RunningAverage().log_e(0.3) == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(ValueError, match="at least 1 row, got 0"):
        running_average([])


def test_order_does_not_matter_to_the_last_value():
    x = np.random.default_rng(1).uniform(-1, 1, 200)
    assert betting(x[::-1]) == pytest.approx(betting(x))
    assert running_average(x[::-1]) == pytest.approx(running_average(x))


@pytest.mark.parametrize(
    "sd, n, most", [(0.01, 200, 3), (0.05, 1_000, 1.7), (0.1, 10_000, 1.1), (0.3, 1_000, 1.15), (0.5, 100_000, 1.05)]
)
def test_the_price_of_holding_exactly_is_a_bounded_width(sd, n, most):
    x = np.where(np.arange(n) % 2, sd, -sd)
    exact, asymptotic = running_average(x), confidence_sequence(x)
    assert exact[2] - exact[1] <= most * (asymptotic[2] - asymptotic[1])


@pytest.mark.parametrize("judge", [betting, running_average])
@pytest.mark.parametrize(
    "values, says",
    [
        ([1.1], r"1 of 1 values lie outside \[-1, 1\], as 1.1"),
        ([0.0, math.nan], "as nan"),
        ([-math.inf], "as -inf"),
        ([[0.1]], "shape"),
    ],
)
def test_values_out_of_range_are_refused(judge, values, says):
    with pytest.raises(ValueError, match=says):
        judge(values)


@pytest.mark.parametrize("margin", [-0.01, 1.0, math.nan])
def test_a_margin_out_of_range_is_refused(margin):
    with pytest.raises(ValueError, match=r"margin must lie in \[0, 1\)"):
        Betting(margin)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_level_out_of_range_is_refused(alpha):
    with pytest.raises(ValueError, match="alpha must lie"):
        running_average([0.1], alpha=alpha)


@pytest.mark.parametrize("bound", [0.0, -1.0, math.inf])
def test_a_bound_that_is_none_is_refused(bound):
    with pytest.raises(ValueError, match="bound must be positive"):
        RunningAverage(bound)
