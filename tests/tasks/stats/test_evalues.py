"""Is an e-value's mean at most 1 under the hypothesis, on every path, and does it grow when the hypothesis is wrong?"""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, chisquare

from tasks.stats import coin_flip, rate_above, rate_below, sample_ratio

RAMPS = [
    [0.5] * 10,
    [0.05] * 10,
    [0.9] * 10,
    [0.05] * 3 + [0.25] * 3 + [0.5] * 4,
    [0.5, 0.01, 0.99, 0.3, 0.7, 0.2, 0.1, 0.6],
]


def _mean_on_all_paths(value, chances):
    """Exact mean of exp(value(path)) when hit i happens with chances[i]."""
    p = np.asarray(chances)
    total = 0.0
    for path in product([0, 1], repeat=len(p)):
        x = np.array(path)
        total += np.prod(np.where(x, p, 1 - p)) * np.exp(value(x))
    return total


@pytest.mark.parametrize("ramp", RAMPS)
@pytest.mark.parametrize("n", [1, 4, 8])
def test_the_mean_coin_flip_is_one_when_both_arms_err_alike(ramp, n):
    w = ramp[:n]
    assert _mean_on_all_paths(lambda x: coin_flip(x, w), w) == pytest.approx(1, abs=1e-9)


def test_the_mean_coin_flip_is_one_over_all_paths_of_ten():
    w = RAMPS[3]
    assert _mean_on_all_paths(lambda x: coin_flip(x, w), w) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("true_ratio", [0.2, 0.5, 0.9, 1.2, 2.0])
@pytest.mark.parametrize("ramp", RAMPS)
def test_the_mean_coin_flip_is_at_most_one_up_to_the_tolerated_ratio(true_ratio, ramp):
    w = np.array(ramp[:7])
    chances = w * true_ratio / (w * true_ratio + 1 - w)
    assert _mean_on_all_paths(lambda x: coin_flip(x, w, ratio=2.0), chances) <= 1 + 1e-9


def test_a_challenger_that_errs_more_is_found_and_an_equal_one_hardly_ever():
    rng = np.random.default_rng(20261121)
    w, alpha = 0.05, 0.05

    def stopped(ratio: float, errors: int) -> float:
        chance = w * ratio / (w * ratio + 1 - w)
        hits = (rng.random((200, errors)) < chance).astype(float)
        looks = range(5, errors + 1, 5)
        return np.mean([any(coin_flip(h[:n], [w] * n) >= np.log(1 / alpha) for n in looks) for h in hits])

    assert stopped(1.0, 120) <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / 200)
    # Planning rule: ln(1 / alpha) / KL(p_r || p_0) errors on average, and ln 9 for a mixture of nine; twice that is ample.
    p = w * 5 / (w * 5 + 1 - w)
    kl = p * np.log(p / w) + (1 - p) * np.log((1 - p) / (1 - w))
    assert stopped(5.0, int(2 * np.log(9 / alpha) / kl)) >= 0.8


def test_order_does_not_matter_while_the_share_stays():
    assert coin_flip([1, 0, 0, 1], [0.25] * 4) == pytest.approx(coin_flip([0, 1, 1, 0], [0.25] * 4))


def test_a_hit_at_a_small_share_speaks_louder_than_one_at_a_large():
    assert coin_flip([1], [0.05]) > coin_flip([1], [0.5]) > 0 > coin_flip([0], [0.5])


@given(st.lists(st.tuples(st.booleans(), st.floats(0.01, 0.99)), max_size=30))
def test_one_more_hit_never_lowers_a_coin_flip_and_one_more_miss_never_raises_it(errors):
    hits, w = [float(h) for h, _ in errors], [p for _, p in errors]
    now = coin_flip(hits, w)
    assert coin_flip([*hits, 1.0], [*w, 0.5]) >= now - 1e-9
    assert coin_flip([*hits, 0.0], [*w, 0.5]) <= now + 1e-9


@pytest.mark.parametrize(
    "hits, probability, says",
    [
        ([1], [0.5, 0.5], "one shape"),
        ([[1]], [[0.5]], "one shape"),
        ([1], [0.0], "strictly between"),
        ([1], [1.0], "strictly between"),
        ([1], [float("nan")], "strictly between"),
    ],
)
def test_what_is_no_coin_is_refused(hits, probability, says):
    with pytest.raises(ValueError, match=says):
        coin_flip(hits, probability)


@pytest.mark.parametrize("value", [rate_above, rate_below])
@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("n", [1, 10, 200])
def test_the_mean_rate_value_is_one_at_the_boundary(value, rate, n):
    k = np.arange(n + 1)
    logs = np.array([value(int(i), n, rate=rate) for i in k])
    assert np.sum(np.exp(binom.logpmf(k, n, rate) + logs)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("value, inside", [(rate_above, 0.05), (rate_below, 0.2)])
def test_the_mean_rate_value_is_under_one_inside_the_hypothesis(value, inside):
    k = np.arange(51)
    values = np.exp([value(int(i), 50, rate=0.1) for i in k])
    assert np.sum(binom.pmf(k, 50, inside) * values) < 1


@pytest.mark.parametrize("events, n, rate", [(0, 0, 0.1)])
def test_a_rate_without_rows_says_nothing(events, n, rate):
    assert rate_above(events, n, rate=rate) == rate_below(events, n, rate=rate) == 0.0


@given(st.integers(1, 200), st.data())
def test_more_events_raise_one_rate_value_and_lower_the_other(n, data):
    k = data.draw(st.integers(0, n - 1))
    assert rate_above(k + 1, n, rate=0.1) > rate_above(k, n, rate=0.1)
    assert rate_below(k + 1, n, rate=0.1) < rate_below(k, n, rate=0.1)


@pytest.mark.parametrize("events, n, rate", [(-1, 5, 0.1), (6, 5, 0.1), (1, 5, 0.0), (1, 5, 1.0)])
def test_counts_and_rates_out_of_range_are_refused(events, n, rate):
    for value in (rate_above, rate_below):
        with pytest.raises(ValueError, match="must lie"):
            value(events, n, rate=rate)


@pytest.mark.parametrize("ramp", RAMPS)
def test_the_mean_sample_ratio_is_one_when_shares_are_held(ramp):
    w = ramp[:8]
    assert _mean_on_all_paths(lambda x: sample_ratio(x, w), w) == pytest.approx(1, abs=1e-9)


def test_too_many_and_too_few_in_an_arm_weigh_alike_at_a_half():
    x = np.array([1, 1, 1, 0] * 20)
    assert sample_ratio(x, [0.5] * 80) == pytest.approx(sample_ratio(1 - x, [0.5] * 80))


@pytest.mark.parametrize("true_share", [0.40, 0.60])
def test_a_broken_assignment_is_found_in_either_direction(true_share):
    x = (np.random.default_rng(3).random(2_000) < true_share).astype(float)
    assert sample_ratio(x, np.full(2_000, 0.5)) > np.log(1 / 0.001)


def test_looking_fifty_times_breaks_a_chi_squared_test_and_not_this_one():
    rng = np.random.default_rng(11)
    looks, alpha, runs = np.arange(20, 1_001, 20), 0.05, 80
    naive = ours = 0
    for _ in range(runs):
        x = (rng.random(looks[-1]) < 0.5).astype(float)
        inside = np.cumsum(x)[looks - 1]
        naive += bool((chisquare([inside, looks - inside]).pvalue < alpha).any())
        ours += any(sample_ratio(x[:n], np.full(n, 0.5)) >= np.log(1 / alpha) for n in looks)
    assert ours / runs <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / runs)
    assert naive / runs > 3 * alpha


def test_a_pooled_test_of_rates_breaks_under_a_ramp_and_the_coin_flip_holds():
    """The base rate drifts while the share grows: a pooled comparison of arms takes the drift for the challenger."""
    rng = np.random.default_rng(5)
    shares = np.repeat([0.05, 0.10, 0.25, 0.50], 2_000)
    base = np.linspace(0.01, 0.05, shares.size)
    naive = ours = 0
    for _ in range(100):
        arm, erred = rng.random(shares.size) < shares, rng.random(shares.size) < base
        rate, n = [erred[arm].mean(), erred[~arm].mean()], [arm.sum(), (~arm).sum()]
        spread = np.sqrt(erred.mean() * (1 - erred.mean()) * (1 / n[0] + 1 / n[1]))
        naive += (rate[0] - rate[1]) / spread > 1.645
        ours += coin_flip(arm[erred].astype(float), shares[erred]) >= np.log(20)
    assert naive > 60
    assert ours <= 5 + 3 * np.sqrt(100 * 0.05 * 0.95)


def test_taking_up_again_gives_the_same_value():
    x = (np.random.default_rng(1).random(50) < 0.3).astype(float)
    w = np.full(50, 0.25)
    assert coin_flip(x, w) == coin_flip(x.tolist(), w.tolist()) == coin_flip(x.copy(), w.copy())
