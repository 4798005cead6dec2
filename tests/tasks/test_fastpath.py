"""Is a model asked with plain arrays only where it says the same, digit for digit?"""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from schemas.framing import BrierLoss
from schemas.heuristic import HeuristicClassifier
from schemas.recipe import Recipe
from tasks import training
from tasks.fastpath import fast_path
from tasks.scoring import score

NAMES = [f"x{i}" for i in range(5)]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    made = pd.DataFrame(rng.normal(size=(400, 5)), columns=NAMES)
    made.loc[::17, "x3"] = np.nan
    return made.assign(label=(made["x0"] + rng.normal(size=400) > 0).astype(float))


def _fitted(toy, rows, family, threshold=0.4, features=tuple(NAMES)):
    recipe = Recipe(family=family, features=features)
    framing = toy.framing.model_copy(update={"loss": BrierLoss()})
    return training.fit(recipe, framing, rows, seed=3, threshold=threshold), framing


@pytest.mark.parametrize("family", ["boosting", "linear"])
@pytest.mark.parametrize("threshold", [None, 0.4])
def test_numbers_are_scored_the_same_with_and_without_their_names(toy, rows, family, threshold):
    model, framing = _fitted(toy, rows, family, threshold)
    fast = fast_path(model, framing, rows[NAMES].head(20))
    assert fast is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fast(rows[NAMES].to_numpy())
    wanted = score(model, rows[NAMES], framing)
    np.testing.assert_array_equal(found.score, wanted.score)
    np.testing.assert_array_equal(found.decision, wanted.decision)


def test_columns_in_another_order_than_the_pipeline_reads_them_are_put_right(toy, rows):
    model, framing = _fitted(toy, rows, "boosting", features=("x4", "x1", "x0"))
    fast = fast_path(model, framing, rows[["x4", "x1", "x0"]].head(20))
    assert fast is not None
    np.testing.assert_array_equal(
        fast(rows[["x4", "x1", "x0"]].to_numpy()).score, score(model, rows[NAMES], framing).score
    )


def test_text_rules_and_strange_models_are_asked_with_their_names(toy, toy_rows, rows):
    model = training.fit(toy.recipe, toy.framing, toy_rows(400), seed=3, threshold=0.3)
    assert fast_path(model, toy.framing, toy_rows(10)[list(toy.recipe.features)]) is None
    assert fast_path(HeuristicClassifier(), toy.framing, rows[NAMES].head(3)) is None
    assert fast_path(_fitted(toy, rows, "linear")[0], toy.framing, rows[NAMES].head(0)) is None


class Moody(FunctionTransformer):
    """Prepares another way when it is given no names."""

    def __sklearn_tags__(self):
        return super().__sklearn_tags__()

    def transform(self, X):
        return np.asarray(X, dtype=float) + (0.0 if hasattr(X, "columns") else 1e-9)


def test_a_model_that_differs_in_its_last_digit_is_asked_with_its_names(toy, rows):
    model, framing = _fitted(toy, rows, "linear", threshold=None)
    model.steps[0][1].transformers_ = [("moody", Moody(), NAMES)]
    inner = Pipeline(model.steps)
    inner.steps[0][1].transform = lambda X: Moody().transform(X[NAMES].fillna(0.0))
    assert fast_path(inner, framing, rows[NAMES].head(20)) is None
