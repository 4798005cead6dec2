"""Does the difference of two arms hold under ramps, drift and returning customers, at every look?"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.stats import unpaired_sequence
from tasks.stats.unpaired import radius

ALPHA, RUNS = 0.05, 100
CHANCE = 3 * math.sqrt(ALPHA * (1 - ALPHA) / RUNS)
LOOKS = np.unique(np.geomspace(300, 6_000, 25).astype(int))
RAMP = np.repeat([0.05, 0.10, 0.25, 0.50], 1_500)


def _wrong(draw, **options):
    """Shares of runs in which the low end, or the high end, excludes 0 at any look."""
    rng, wrong = np.random.default_rng(20261121), np.zeros(2)
    for _ in range(RUNS):
        y, z, w, who = draw(rng)
        seen = np.array(
            [unpaired_sequence(y[:n], z[:n], w[:n], entity=None if who is None else who[:n], **options) for n in LOOKS]
        )
        wrong += [(seen[:, 0] > 0).any(), (seen[:, 2] < 0).any()]
    return wrong / RUNS


def _ramp(rng):
    base = np.linspace(0.05, 0.3, RAMP.size)
    return (rng.random(RAMP.size) < base).astype(float), rng.random(RAMP.size) < RAMP, RAMP, None


def _amounts(rng):
    return rng.lognormal(size=RAMP.size), rng.random(RAMP.size) < 0.1, np.full(RAMP.size, 0.1), None


@pytest.mark.parametrize("draw, bound", [(_ramp, 1.0), (_amounts, 3.0)], ids=["ramp and drift", "long tail"])
def test_equal_arms_are_told_apart_at_most_alpha_of_the_time(draw, bound):
    assert (_wrong(draw, bound=bound) <= ALPHA + CHANCE).all()


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_customers_who_return_are_counted_once(share):
    def draw(rng):
        who = np.repeat(np.arange(600), 10)
        arm, rate = rng.random(600) < share, rng.beta(0.2, 1.8, 600)
        return (rng.random(6_000) < rate[who]).astype(float), arm[who], np.full(6_000, share), who

    def rows_alone(rng):
        return (*draw(rng)[:3], None)

    assert (_wrong(draw) <= ALPHA + CHANCE).all()
    assert _wrong(rows_alone)[0] > 2 * ALPHA


def test_a_pooled_difference_takes_a_ramp_for_an_effect_and_the_weighted_one_does_not():
    rng = np.random.default_rng(4)
    ours, pooled = [], []
    for _ in range(200):
        y, z, w, _ = _ramp(rng)
        ours.append(unpaired_sequence(y, z, w)[1])
        pooled.append(y[z].mean() - y[~z].mean())
    assert np.mean(pooled) > 0.05
    assert np.mean(ours) == pytest.approx(0, abs=3 * np.std(ours) / math.sqrt(200))


def test_a_real_difference_is_found_with_its_sign():
    rng = np.random.default_rng(2)
    z = rng.random(8_000) < 0.5
    y = (rng.random(8_000) < np.where(z, 0.3, 0.2)).astype(float)
    low, estimate, high = unpaired_sequence(y, z, np.full(8_000, 0.5))
    assert 0 < low < 0.1 < high
    assert estimate == pytest.approx(0.1, abs=0.03)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32), st.floats(-3, 3), st.floats(0.1, 10))
def test_shifts_cancel_units_scale_and_changing_arms_mirrors(seed, shift, unit):
    rng = np.random.default_rng(seed)
    y, w = rng.random(400), rng.uniform(0.3, 0.7, 400)
    z, who = rng.random(400) < w, rng.integers(0, 300, 400)
    base = unpaired_sequence(y, z, w, entity=who, burn_in=20)
    assert math.isfinite(base[0])
    assert unpaired_sequence(y + shift, z, w, entity=who, burn_in=20) == pytest.approx(base, abs=1e-9)
    scaled = unpaired_sequence(y * unit, z, w, entity=who, burn_in=20, bound=unit)
    assert scaled == pytest.approx(np.array(base) * unit, abs=1e-9)
    mirrored = unpaired_sequence(y, ~z, 1 - w, entity=who, burn_in=20)
    assert mirrored == pytest.approx((-base[2], -base[1], -base[0]), abs=1e-9)


def test_each_row_its_own_customer_is_no_customer():
    rng = np.random.default_rng(3)
    y, z, w = rng.random(500), rng.random(500) < 0.5, np.full(500, 0.5)
    assert unpaired_sequence(y, z, w, entity=np.arange(500)) == pytest.approx(unpaired_sequence(y, z, w))


def test_below_the_burn_in_of_the_smaller_arm_nothing_is_excluded():
    z = np.append(np.ones(10), np.zeros(990))
    y, w = np.random.default_rng(1).random(1_000), np.full(1_000, 0.01)
    low, estimate, high = unpaired_sequence(y, z, w)
    assert (low, high) == (-math.inf, math.inf)
    assert math.isfinite(estimate)
    assert math.isfinite(unpaired_sequence(y, z, w, burn_in=10)[0])
    one_customer = np.append(np.zeros(10), np.arange(1, 991))
    assert unpaired_sequence(y, z, w, entity=one_customer, burn_in=10)[0] == -math.inf
    assert np.isnan(unpaired_sequence(y, np.zeros(1_000), w)[1])


def test_arms_without_any_event_prove_nothing():
    z = np.tile([1, 0], 100)
    low, estimate, high = unpaired_sequence(np.zeros(200), z, np.full(200, 0.5))
    assert low < estimate == 0.0 < high


@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_a_normal_walk_crosses_the_radius_at_most_alpha_of_the_time(alpha):
    rng, n = np.random.default_rng(6), np.arange(1, 4_001)
    edge = np.array([radius(int(i), alpha=alpha, tuned_for=2_000) for i in n])
    crossed = [(np.cumsum(rng.normal(size=n.size)) / n > edge).any() for _ in range(600)]
    assert np.mean(crossed) <= alpha + 3 * math.sqrt(alpha / 600)
    assert np.mean(crossed) > 0  # a radius that nothing ever crosses would be no radius


@pytest.mark.parametrize(
    "y, z, w, says",
    [
        ([], [], [], "n >= 1"),
        ([0.1], [1, 0], [0.5], "one shape"),
        ([0.1], [2], [0.5], "in_challenger is 0 or 1, got 2"),
        ([0.1], [1], [1.0], "strictly between"),
        ([math.nan], [1], [0.5], "not finite"),
    ],
)
def test_what_is_no_experiment_is_refused(y, z, w, says):
    with pytest.raises(ValueError, match=says):
        unpaired_sequence(y, z, w)
