"""Which changes does one recipe make to another, and what is each held against before it is promoted?"""

from datetime import timedelta

import pytest

from schemas.recipe import FAMILIES, READABLE, Recipe, changed, difference

OLD = Recipe(
    family="boosting",
    features=("a", "b", "note"),
    parameters={"max_iter": 50},
    encodings={"note": "text"},
    interactions=(("a", "b"),),
)


@pytest.mark.parametrize(
    "new, changes",
    [
        ({}, ()),
        ({"parameters": {"max_iter": 60}}, ("parameters",)),
        ({"family": "linear", "parameters": {}}, ("family",)),
        ({"family": "linear", "parameters": {"C": 0.1}}, ("family", "parameters")),
        ({"family": "own", "estimator": "sklearn.naive_bayes:GaussianNB", "parameters": {}}, ("family",)),
        ({"features": ("a", "b", "note", "subject")}, ("features",)),
        (  # how a new column is read comes with it
            {"features": ("a", "b", "note", "subject"), "encodings": {"note": "text", "subject": "text"}},
            ("features",),
        ),
        (  # and goes with one that is left out, with what it was combined to
            {"features": ("b",), "encodings": {}, "interactions": ()},
            ("features",),
        ),
        (  # a column that stays is read in another way: that is another change
            {"features": ("a", "b", "note", "subject"), "encodings": {"note": "target", "subject": "text"}},
            ("features", "encodings"),
        ),
        ({"features": ("a", "b", "note", "c"), "interactions": ()}, ("features", "interactions")),
        ({"interactions": ()}, ("interactions",)),
        ({"balance": 0.1, "window": timedelta(days=7)}, ("window", "balance")),
        ({"class_weight": "balanced"}, ("class_weight",)),
    ],
)
def test_what_follows_from_a_change_is_none_of_its_own(new, changes):
    new = Recipe.model_validate(OLD.model_dump() | new)
    assert changed(OLD, new) == changes
    assert set(changes) <= set(difference(OLD, new))
    assert bool(changes) == (old_and_new_differ := new != OLD), old_and_new_differ


def test_another_estimator_of_the_problems_own_is_one_change():
    one = Recipe(family="own", estimator="sklearn.naive_bayes:GaussianNB", features=("a",))
    other = one.model_copy(update={"estimator": "sklearn.naive_bayes:BernoulliNB"})
    assert changed(one, other) == ("estimator",)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_is_held_against_two_simpler_families_at_most(family):
    estimator = "sklearn.naive_bayes:GaussianNB" if family == "own" else None
    recipe = Recipe(family=family, estimator=estimator, features=("a",), parameters={"x": 1}, balance=0.5)
    found = recipe.simpler()
    expected = {"constant": [], "linear": ["constant"], "sgd": ["constant"]}.get(family, ["constant", "linear"])
    assert [one.family for one in found] == expected
    assert all(Recipe.model_validate(one.model_dump()) == one for one in found)
    assert all((one.parameters, one.estimator, one.balance) == ({}, None, 0.5) for one in found)
    assert family in READABLE or "linear" in expected


@pytest.mark.parametrize(
    "said",
    [
        {"family": "own"},
        {"family": "linear", "estimator": "sklearn.naive_bayes:GaussianNB"},
        {"family": "own", "estimator": "os:system"},
        {"family": "own", "estimator": "sklearn.naive_bayes.GaussianNB"},
        {"family": "own", "estimator": "schemas.problems:X"},
        {"family": "own", "estimator": "schemas.recipe:Recipe"},
        {"balance": 1.0},
        {"drop_suspects": 0.5},
        {"threshold": 1.1},
        {"calibration": "beta"},
        {"ngrams": 4},
    ],
)
def test_what_cannot_be_trained_is_refused_before_it_is_tried(said):
    with pytest.raises(ValueError):
        Recipe.model_validate({"features": ("a",)} | said)
