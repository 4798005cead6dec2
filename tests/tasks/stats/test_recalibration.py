"""Are the maps those that maximum likelihood and least squares give, by laws and by another hand's optimiser?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, log_softmax

from tasks.stats import platt_map, straight_map, temperature

columns = st.lists(st.tuples(st.floats(-6, 6), st.booleans()), min_size=4, max_size=60).filter(
    lambda pairs: 0 < sum(y for _, y in pairs) < len(pairs)
)


@given(columns)
def test_the_mean_of_what_it_says_is_the_smoothed_share_of_ones(pairs):
    """The intercept's own equation of maximum likelihood, whatever the scores."""
    s, y = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    slope, intercept = platt_map(s, y)
    ones, zeros = y.sum(), (1 - y).sum()
    wanted = (ones * (ones + 1) / (ones + 2) + zeros / (zeros + 2)) / y.size
    assert expit(slope * s + intercept).mean() == pytest.approx(wanted, abs=1e-4)


@given(columns, st.floats(0.2, 5), st.floats(-3, 3))
def test_scores_moved_along_a_line_get_the_same_probabilities(pairs, scale, shift):
    s, y = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    one, other = platt_map(s, y), platt_map(scale * s + shift, y)
    assert expit(one[0] * s + one[1]) == pytest.approx(expit(other[0] * (scale * s + shift) + other[1]), abs=2e-3)


def test_it_is_the_least_loss_that_scipy_finds_too():
    rng = np.random.default_rng(1)
    s = rng.normal(size=500)
    y = (rng.random(500) < expit(0.6 * s - 1)).astype(float)
    ones = y.sum()
    wanted = np.where(y > 0, (ones + 1) / (ones + 2), 1 / (y.size - ones + 2))
    found = minimize(lambda at: np.sum(np.logaddexp(0, at[0] * s + at[1]) - wanted * (at[0] * s + at[1])), [1.0, 0.0])
    assert platt_map(s, y) == pytest.approx(tuple(found.x), abs=1e-4)


def test_separated_scores_have_a_finite_map():
    slope, intercept = platt_map([-1.0, -2.0, 1.0, 2.0], [0, 0, 1, 1])
    assert np.isfinite([slope, intercept]).all()
    assert slope > 0


def test_the_temperature_is_the_best_of_a_fine_grid():
    rng = np.random.default_rng(2)
    logs = log_softmax(3 * rng.normal(size=(400, 3)), axis=1)
    y = np.array([rng.choice(3, p=np.exp(log_softmax(row / 2))) for row in logs])
    grid = np.exp(np.linspace(-2, 2, 801))
    lost = [-log_softmax(logs / t, axis=1)[np.arange(400), y].mean() for t in grid]
    assert temperature(logs, y) == pytest.approx(grid[int(np.argmin(lost))], rel=0.01)
    assert temperature(logs, y) == pytest.approx(2, rel=0.25)


def test_a_line_is_numpys():
    x, y = np.random.default_rng(3).normal(size=(2, 50))
    assert straight_map(x, y) == pytest.approx(tuple(np.polyfit(x, y, 1)))


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda: platt_map([1.0, 2.0], [1, 1]), "both kinds"),
        (lambda: platt_map([1.0], [1]), "from 2 on"),
        (lambda: platt_map([np.nan, 1.0], [0, 1]), "finite"),
        (lambda: straight_map([1.0, 1.0], [0, 1]), "no line"),
        (lambda: temperature([[0.0, -np.inf]], [0]), "finite"),
        (lambda: temperature([0.0], [0]), "shape"),
    ],
)
def test_what_has_no_map_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
