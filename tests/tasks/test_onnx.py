"""Is an ONNX graph used only where it says the same, and is it said why it is not?"""

import sys

import numpy as np
import pandas as pd
import pytest

from schemas.framing import BrierLoss
from schemas.recipe import Recipe
from tasks import onnx, training
from tasks.onnx import onnx_path
from tasks.scoring import score

NAMES = [f"x{i}" for i in range(5)]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    made = pd.DataFrame(rng.normal(size=(400, 5)), columns=NAMES)
    return made.assign(label=(made["x0"] + rng.normal(size=400) > 0).astype(float))


@pytest.fixture(scope="module")
def framing(toy):
    return toy.framing.model_copy(update={"loss": BrierLoss()})


@pytest.fixture(scope="module")
def linear(rows, framing):
    return training.fit(Recipe(family="linear", features=tuple(NAMES)), framing, rows, seed=3, threshold=0.4)


def test_a_linear_model_says_the_same_through_a_graph(linear, rows, framing):
    fast = onnx_path(linear, framing, rows[NAMES])
    assert fast is not None
    wanted, found = score(linear, rows[NAMES], framing), fast(rows[NAMES].to_numpy())
    np.testing.assert_allclose(found.score, wanted.score, atol=1e-6)
    np.testing.assert_array_equal(found.decision, wanted.decision)


def test_a_graph_that_differs_on_one_replayed_row_is_not_used(linear, rows, framing, caplog, monkeypatch):
    real = onnx._session

    def one_off(*args, **more):
        ask = real(*args, **more)

        def asked(matrix):
            said = ask(matrix)
            said[-1] += 2e-6
            return said

        return asked

    monkeypatch.setattr(onnx, "_session", one_off)
    assert onnx_path(linear, framing, rows[NAMES]) is None
    assert "differs on 1 of 400 replayed rows" in caplog.text


def test_a_model_that_does_not_convert_is_asked_the_usual_way(rows, framing, caplog):
    boosting = training.fit(Recipe(family="boosting", features=tuple(NAMES)), framing, rows, seed=3, threshold=0.4)
    assert onnx_path(boosting, framing, rows[NAMES]) is None
    assert "does not convert" in caplog.text


def test_without_the_extra_it_is_said_what_to_install(linear, rows, framing, caplog, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert onnx_path(linear, framing, rows[NAMES]) is None
    assert "install the extra `onnx`" in caplog.text


def test_no_replayed_row_proves_nothing(linear, rows, framing):
    assert onnx_path(linear, framing, rows[NAMES].head(0)) is None
