"""Is the share of flipped labels found, and is classes that overlap none?"""

import numpy as np
import pytest

from tasks.stats import flipped_share


def labelled(rng, *, n, spread, flipped, base=0.0):
    z = base + spread * rng.normal(size=n)
    right = rng.random(n) < 1 / (1 + np.exp(-z))
    return z, (right ^ (rng.random(n) < flipped)).astype(float)


@pytest.mark.parametrize("flipped", [0.1, 0.25])
def test_the_interval_holds_the_share(flipped):
    rng = np.random.default_rng(5)
    held = [
        low <= flipped <= high
        for low, _, high in (
            flipped_share(*labelled(rng, n=1_500, spread=3.0, flipped=flipped), alpha=0.05) for _ in range(30)
        )
    ]
    assert np.mean(held) >= 0.75


@pytest.mark.parametrize("spread, base", [(0.7, 0.0), (1.5, -1.0), (4.0, 1.0)])
def test_classes_that_overlap_are_not_flipped(spread, base):
    rng = np.random.default_rng(6)
    lows = [flipped_share(*labelled(rng, n=1_500, spread=spread, flipped=0.0, base=base))[0] for _ in range(20)]
    assert np.mean(np.array(lows) > 0.03) <= 0.1


def test_only_the_order_of_scores_counts():
    z, y = labelled(np.random.default_rng(7), n=1_000, spread=3.0, flipped=0.2)
    assert flipped_share(z, y) == flipped_share(np.tanh(z / 5), y)


def test_one_class_or_few_rows_say_nothing():
    assert all(np.isnan(flipped_share(np.arange(200.0), np.zeros(200))))
    assert all(np.isnan(flipped_share(np.arange(50.0), np.arange(50) % 2)))
    with pytest.raises(ValueError, match="0 or 1"):
        flipped_share([0.1, 0.2], [0, 2])
