"""Are calibrated scores rejected about alpha of the time, and others found with the size of their gap?"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.stats import calibration

RUNS = 600


def _probabilities(rng, n, a, b):
    p = rng.beta(a, b, n)
    return p, (rng.random(n) < p).astype(float)


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: _probabilities(rng, 1_000, 2, 2),
        lambda rng: _probabilities(rng, 1_000, 0.3, 8),
        lambda rng: (lambda p: (p, (rng.random(800) < p).astype(float)))(rng.choice([0.05, 0.2, 0.9], size=800)),
        lambda rng: (lambda s: (s, s + rng.normal(size=200) * 3))(rng.normal(size=200)),
        lambda rng: (lambda s: (s, s * rng.gamma(4, 0.25, 2_000)))(rng.random(2_000) + 0.1),
    ],
    ids=["probabilities", "rare events", "tied scores", "few real labels", "skewed real labels"],
)
def test_calibrated_scores_are_rejected_about_alpha_of_the_time(draw):
    rng = np.random.default_rng(20261121)
    p_values = np.array([calibration(*draw(rng)).p_value for _ in range(RUNS)])
    for alpha in (0.05, 0.2):
        assert (p_values < alpha).mean() == pytest.approx(alpha, abs=3.5 * math.sqrt(alpha * (1 - alpha) / RUNS))


@pytest.mark.parametrize("gap", [0.05, 0.1])
def test_a_constant_gap_is_found_with_its_size(gap):
    rng = np.random.default_rng(3)
    p = rng.uniform(0.2, 0.7, 20_000)
    result = calibration(p, (rng.random(p.size) < p + gap).astype(float))
    assert result.error == pytest.approx(gap, abs=0.012)
    assert result.p_value < 1e-6
    real = calibration(p, p + gap + rng.normal(size=p.size) * 0.3)
    assert real.error == pytest.approx(gap, abs=0.012)


def test_the_error_of_calibrated_scores_is_not_what_chance_adds():
    rng = np.random.default_rng(4)
    results = [calibration(*_probabilities(rng, 500, 2, 2)) for _ in range(200)]
    naive = [math.sqrt(sum(b.rows * b.gap**2 for b in r.bins) / r.rows) for r in results]
    assert np.mean([r.error**2 for r in results]) < np.mean(np.square(naive)) / 2
    assert np.mean([r.error == 0 for r in results]) > 0.3


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80), st.integers(1, 15))
def test_bins_hold_every_row_once_and_their_gaps_average_to_the_whole(rows, n_bins):
    s, y = np.array([s for s, _ in rows]), np.array([float(y) for _, y in rows])
    result = calibration(s, y, n_bins=n_bins)
    assert sum(b.rows for b in result.bins) == result.rows == len(rows)
    assert 1 <= len(result.bins) <= n_bins
    assert sum(b.rows * b.gap for b in result.bins) / len(rows) == pytest.approx((y - s).mean(), abs=1e-9)
    assert result.error >= 0
    assert 0 <= result.p_value <= 1
    assert [b.score for b in result.bins] == sorted(b.score for b in result.bins)


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_the_order_of_rows_does_not_matter_though_scores_are_tied(seed):
    rng = np.random.default_rng(seed)
    p, y = rng.integers(1, 5, 300) / 5, rng.integers(0, 2, 300)
    order = np.argsort(y)  # sorted by label: a split of equal scores by row order would follow it
    assert calibration(p[order], y[order]).chi2 == pytest.approx(calibration(p, y).chi2)


@given(st.floats(-5, 5), st.floats(0.1, 10))
def test_real_labels_may_be_shifted_and_scaled_together(shift, unit):
    rng = np.random.default_rng(6)
    s, y = rng.normal(size=100), rng.normal(size=100)
    one, other = calibration(s, y), calibration(s * unit + shift, y * unit + shift)
    assert other.error == pytest.approx(one.error * unit, rel=1e-6)
    assert other.p_value == pytest.approx(one.p_value, rel=1e-6)


def test_certain_scores_are_right_or_refuted():
    right = calibration([0.0, 1.0, 1.0], [0, 1, 1])
    assert (right.error, right.chi2, right.p_value) == (0.0, 0.0, 1.0)
    wrong = calibration([0.0, 1.0, 1.0], [0, 1, 0])
    assert wrong.p_value == 0.0


@pytest.mark.parametrize(
    "score, label, says",
    [
        ([], [], "n >= 1"),
        ([0.5], [0, 1], "one shape"),
        ([math.nan], [1], "not finite"),
        ([0.1], [math.inf], "not finite"),
    ],
)
def test_what_is_no_pair_of_columns_is_refused(score, label, says):
    with pytest.raises(ValueError, match=says):
        calibration(score, label)
    with pytest.raises(ValueError, match="n_bins"):
        calibration([0.5], [1], n_bins=0)


def test_a_score_next_to_nothing_is_refuted_by_one_event_and_overflows_nothing():
    result = calibration([1e-320, 1e-320], [0, 1])
    assert result.p_value == 0.0
    assert math.isfinite(result.chi2)
