"""Is a column that says the target by itself told from one that only helps?"""

import numpy as np
import pandas as pd
import pytest

from tasks.suspects import alone

N = 4_000


def frame(seed: int = 1) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, size=N).astype(float)
    noise = rng.normal(size=N)
    columns = {
        "copy": target,
        "words": np.where(target == 1, "yes", "no"),
        "only when true": np.where(target == 1, rng.random(N), np.nan),
        "both ends": np.where(target == 1, rng.choice([-3.0, 3.0], size=N), 0.0) + noise * 0.1,
        "helps": target + 2 * noise,
        "noise": noise,
        "constant": np.ones(N),
        "a key": np.arange(N).astype(str),
    }
    return pd.DataFrame(columns), target


def test_a_copy_of_the_target_is_seen_in_whatever_shape_it_comes():
    rows, target = frame()
    found = alone(rows, list(rows), target, classes=2, seed=1)
    assert all(found[name] > 0.999 for name in ("copy", "words", "only when true", "both ends"))
    assert 0.55 < found["helps"] < 0.75
    assert found["noise"] == pytest.approx(0.5, abs=0.05)
    assert found["constant"] == 0.5
    assert found["a key"] == pytest.approx(0.5, abs=0.05)  # a value a row says nothing of another row


def test_of_several_classes_one_that_is_said_is_enough():
    rng = np.random.default_rng(2)
    target = rng.integers(0, 3, size=N).astype(float)
    rows = pd.DataFrame({"third": target == 2, "noise": rng.normal(size=N)})
    found = alone(rows, list(rows), target, classes=3, seed=1)
    assert found["third"] == 1.0
    assert found["noise"] == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(
    "slack, low, high", [(0.0, 0.999, 1.0), (0.1, 0.95, 0.999), (1.0, 0.4, 0.6), (100.0, -0.1, 0.05)]
)
def test_of_a_number_the_share_of_variance_that_is_said(slack, low, high):
    rng = np.random.default_rng(3)
    target = rng.normal(size=N)
    rows = pd.DataFrame({"x": target + slack * rng.normal(size=N)})
    assert low <= alone(rows, ["x"], target, classes=0, seed=1)["x"] <= high


@pytest.mark.parametrize("classes, target", [(2, np.ones(50)), (0, np.ones(50))])
def test_a_target_that_never_differs_is_said_by_nothing(classes, target):
    rows = pd.DataFrame({"x": np.arange(50.0)})
    assert np.isnan(alone(rows, ["x"], target, classes=classes, seed=1)["x"])


def test_the_same_seed_gives_the_same_answer():
    rows, target = frame()
    assert alone(rows, ["helps"], target, classes=2, seed=4) == alone(rows, ["helps"], target, classes=2, seed=4)
