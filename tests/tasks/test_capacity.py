"""Is more capacity more, less less, and does every recipe that is asked for fit?"""

import pytest

from schemas.recipe import Recipe
from tasks import training
from tasks.capacity import greedy, less, more, work
from tests.flows.made import HIGH, readings

ROWS = readings(days=1)
RECIPES = [
    Recipe(features=("x", "z", "kind"), parameters={"max_iter": 20}),
    Recipe(
        features=("x", "z"), parameters={"max_iter": 5, "max_leaf_nodes": 2, "max_depth": 2, "l2_regularization": 5.0}
    ),
    Recipe(features=("x", "z"), parameters={"max_iter": 20, "max_leaf_nodes": None, "min_samples_leaf": 1}),
    Recipe(family="linear", features=("x", "kind"), parameters={"C": 0.1}),
    Recipe(family="sgd", features=("x", "z")),
    Recipe(family="constant", features=("x",)),
]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda one: f"{one.family}-{len(one.parameters)}")
def test_each_can_be_fitted(recipe):
    for other in (more(recipe), less(recipe), greedy(recipe)):
        if other is not None:
            training.fit(other, HIGH.framing, ROWS, seed=0)


def test_boosting_has_more_of_everything_and_less():
    recipe = Recipe(features=("x",))
    wide, narrow = more(recipe).parameters, less(recipe).parameters
    assert wide["max_iter"] > 100 > narrow["max_iter"]
    assert wide["max_leaf_nodes"] > 31 > narrow["max_leaf_nodes"]
    assert wide["min_samples_leaf"] < 20 < narrow["min_samples_leaf"]


def test_what_is_at_its_defaults_and_linear_has_no_less():
    assert less(Recipe(family="linear", features=("x",))) is None
    assert less(RECIPES[3]).parameters["C"] < 0.1


def test_work_grows_with_rows_and_rounds():
    recipe = RECIPES[0]
    assert work(recipe, 100) < work(recipe, 10_000) < work(more(recipe), 10_000)
    assert work(RECIPES[3], 100) >= 1
