"""Does the extrapolated gain hold what its interval says, where the law is known?"""

import numpy as np
import pytest

from tasks.stats import power_law

SIZES = np.array([125.0, 250.0, 500.0, 1000.0])


def measured(rng, *, floor, height, exponent, apart, together=0.01):
    """Losses at the sizes: wrong together by the rows that judge them, and a little apart."""
    truth = floor + height * (SIZES / SIZES[-1]) ** -exponent
    covariance = together**2 * np.ones((4, 4)) + apart**2 * np.eye(4)
    return truth + together * rng.normal() + apart * rng.normal(size=4), covariance


def test_the_gain_of_more_rows_lies_in_its_interval_as_often_as_said():
    rng, inside = np.random.default_rng(3), []
    for _ in range(120):
        floor, height, exponent = rng.uniform(0.05, 0.2), rng.uniform(0.01, 0.08), rng.uniform(0.2, 1.4)
        loss, covariance = measured(rng, floor=floor, height=height, exponent=exponent, apart=0.004)
        low, _, high = power_law(SIZES, loss, covariance, rng=rng, draws=1_000).gain(4_000, alpha=0.05)
        inside.append(low <= height * (1 - 4**-exponent) <= high)
    # 90 % are promised; three standard deviations of 120 draws are 8 %.
    assert np.mean(inside) >= 0.82


def test_surer_losses_say_more():
    widths = []
    for apart in (0.008, 0.001):
        rng = np.random.default_rng(1)
        loss, covariance = measured(rng, floor=0.1, height=0.05, exponent=0.5, apart=apart)
        low, _, high = power_law(SIZES, loss, covariance, rng=rng).gain(4_000)
        widths.append(high - low)
    assert widths[1] < widths[0]


def test_more_rows_gain_more_and_none_gain_nothing():
    rng = np.random.default_rng(2)
    law = power_law(SIZES, 0.1 + 0.05 * (SIZES / 1000) ** -0.5, 1e-6 * np.eye(4), rng=rng)
    assert law.gain(1_000) == (0.0, 0.0, 0.0)
    assert 0 < law.gain(2_000)[1] < law.gain(8_000)[1] < law.gain(1e12)[1]
    assert law.least()[0] <= 0.1 <= law.least()[2]


@pytest.mark.parametrize("loss", [[0.2, 0.2, 0.2, 0.2], [0.1, 0.15, 0.2, 0.25]])
def test_a_curve_that_does_not_fall_promises_nothing(loss):
    law = power_law(SIZES, loss, 1e-8 * np.eye(4), rng=np.random.default_rng(1))
    assert law.gain(4_000)[2] < 0.001


def test_two_sizes_are_no_curve():
    with pytest.raises(ValueError, match="3 rising sizes"):
        power_law([1, 2], [0.2, 0.1], np.eye(2), rng=np.random.default_rng(1))
