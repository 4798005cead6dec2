"""Is a feature that a model leans on told from one that it never looks at?"""

import numpy as np
import pandas as pd
import pytest

from tasks.effects import effects


class Leans:
    """Its probability is a weighted sum, and it raises where x is missing."""

    def __init__(self, **weights):
        self.weights = weights

    def predict_proba(self, frame):
        if frame["x"].isna().any():
            raise ValueError("x is missing")
        score = 0.5 + sum(
            weight * frame[name].map({"a": 0.0, "b": 1.0}.get if name == "kind" else float)
            for name, weight in self.weights.items()
        )
        return np.column_stack([1 - score, score])


def _effects(toy, model, frame, names=("x", "z", "kind")):
    return effects(model, frame, toy.framing, names, rng=np.random.default_rng(1))


@pytest.fixture
def frame():
    rng = np.random.default_rng(2)
    kind = pd.Series(rng.choice(["a", "b"], 2_000), dtype=str)
    return pd.DataFrame({"x": rng.uniform(-1, 1, 2_000), "z": rng.uniform(-1, 1, 2_000), "kind": kind})


def test_what_a_model_never_looks_at_has_no_effect_and_what_it_looks_at_alone_has_all(toy, frame):
    assert _effects(toy, Leans(x=0.2), frame) == {"x": 1.0, "z": 0.0, "kind": 0.0}
    assert _effects(toy, Leans(kind=0.2), frame) == {"x": 0.0, "z": 0.0, "kind": 1.0}


def test_the_feature_with_the_larger_weight_has_the_larger_effect_and_no_unit_counts(toy, frame):
    found = _effects(toy, Leans(x=0.2, z=0.05), frame)
    assert 0 < found["z"] < found["x"] < 1
    other = _effects(toy, Leans(x=0.0002, z=0.05), frame.assign(x=frame["x"] * 1_000))
    assert other == pytest.approx(found)


def test_a_constant_model_and_one_that_always_raises_have_no_effects(toy, frame):
    assert _effects(toy, Leans(), frame) == {"x": 0, "z": 0, "kind": 0}
    assert _effects(toy, Leans(x=1), frame.assign(x=np.nan)) == {"x": 0, "z": 0, "kind": 0}


def test_rows_on_which_a_model_raises_are_left_out(toy, frame):
    holed = frame.assign(x=frame["x"].where(np.arange(2_000) % 50 > 0))
    assert _effects(toy, Leans(x=0.2), holed)["x"] == pytest.approx(1, abs=0.1)
