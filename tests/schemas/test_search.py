"""Is a search that cannot be meant refused when it is written, and does each family's fit its rows?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.recipe import FAMILIES, Recipe
from schemas.search import _SPACES, Choice, Range, Search, default_search

ENDS = st.tuples(st.floats(1e-6, 1e3), st.floats(1.01, 1e4)).map(lambda pair: (pair[0], pair[0] * pair[1]))


@pytest.mark.parametrize(
    "said, why",
    [
        ({"low": 1, "high": 1}, "goes up"),
        ({"low": 2, "high": 1}, "goes up"),
        ({"low": 0, "high": 1, "log": True}, "begins above 0"),
        ({"low": 1, "high": 9, "log": True, "step": 2}, "no step"),
        ({"low": 1, "high": 2.5, "integer": True}, "whole ends"),
        ({"low": 1, "high": 3, "integer": True, "step": 0.5}, "whole ends"),
        ({"low": 1, "high": float("inf")}, "finite"),
    ],
)
def test_a_range_that_cannot_be_meant_is_refused(said, why):
    with pytest.raises(ValidationError, match=why):
        Range(**said)


def test_a_choice_of_one_or_of_the_same_twice_is_none():
    for values in (("a",), ("a", "b", "a")):
        with pytest.raises(ValidationError):
            Choice(values=values)
    assert Choice(values=(True, 1, None)).values == (True, 1, None)


@given(ENDS, st.booleans(), st.floats(0, 1))
def test_a_value_lies_in_its_range_where_it_was_put(ends, log, position):
    of = Range(low=ends[0], high=ends[1], log=log)
    value = of.at(position)
    assert of.low <= value <= of.high
    # Four digits are kept: half a unit of the fourth, on the range's own scale.
    off = 5e-4 / of.position(of.low * 2.718281828) ** -1 if log else 5e-4 * of.high / (of.high - of.low)
    assert of.position(value) == pytest.approx(position, abs=max(off, 1e-9))


@given(st.integers(1, 50), st.integers(1, 500), st.booleans(), st.floats(0, 1))
def test_whole_numbers_stay_whole_and_inside(low, width, log, position):
    value = Range(low=low, high=low + width, log=log, integer=True).at(position)
    assert isinstance(value, int)
    assert low <= value <= low + width


@pytest.mark.parametrize(
    "of, points",
    [
        (Range(low=0, high=1, step=0.4), (0, 0.4, 0.8)),  # 1 is no step of it
        (Range(low=50, high=200, step=50, integer=True), (50, 100, 150, 200)),
        (Range(low=1, high=1000, log=True), (1, 10, 100, 1000)),
        (Range(low=1, high=3, integer=True), (1, 2, 3)),
        (Range(low=0, high=3), (0, 1, 2, 3)),
    ],
)
def test_a_grid_has_both_ends_and_no_value_twice(of, points):
    assert of.points(4) == pytest.approx(points)


def test_a_grid_that_the_trials_do_not_cover_is_refused():
    space = {"a": Range(low=0, high=1), "b": Choice(values=("x", "y", "z"))}
    assert Search(space=space, sampler="grid", trials=12).grid_size == 12
    with pytest.raises(ValidationError, match="12 points and the search 11 trials"):
        Search(space=space, sampler="grid", trials=11)


@pytest.mark.parametrize(
    "of, end, wider",
    [
        (Range(low=1, high=100, log=True), "high", (1, 1000)),
        (Range(low=1, high=100, log=True), "low", (0.1, 100)),
        (Range(low=1, high=100, log=True, integer=True), "low", (1, 100)),  # no whole number lies under it
        (Range(low=10, high=20, integer=True), "high", (10, 25)),
        (Range(low=0, high=1, limits=("low",)), "low", (0, 1)),
    ],
)
def test_a_range_is_widened_at_its_edge_and_never_beyond_its_limit(of, end, wider):
    search = Search(space={"a": of, "b": Choice(values=(1, 2))}).widened({"a": end})
    assert (search.space["a"].low, search.space["a"].high) == pytest.approx(wider)
    assert Search.model_validate_json(search.model_dump_json()) == search


@pytest.mark.parametrize("rows", [1, 30, 500, 5_000, 1_000_000])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("family", sorted(_SPACES))
def test_each_family_has_a_search_that_fits_its_rows(family, task, rows):
    recipe = Recipe.model_construct(family=family, features=("x",), start="anew")
    search = default_search(recipe, task=task, rows=rows)
    assert 1 <= len(search.space) <= 5
    leaf = search.space.get("min_samples_leaf")
    assert leaf is None or leaf.high <= max(rows / 10, 8)
    near = search.space.get("n_neighbors")
    assert near is None or near.high <= max(rows / 4, 2)


def test_every_family_that_learns_has_a_search_and_what_is_made_from_a_champion_has_none():
    assert set(FAMILIES) - {"constant", "own"} <= set(
        _SPACES
    )  # what a team's own class could search, nobody else knows
    assert default_search(Recipe(family="constant", features=("x",)), task="binary", rows=500) is None
    assert default_search(Recipe(features=("x",), start="recalibrated"), task="binary", rows=500) is None
