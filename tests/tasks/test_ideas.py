"""Does the backlog hold what a diagnosis, a contract and the rows suggest, each item one change that fits the recipe?"""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest

from schemas.columns import about
from schemas.diagnosis import Bars, Constraint, Diagnosis, Effect, Room, Slice
from schemas.framing import CostLoss
from schemas.idea import Idea, Kind
from schemas.recipe import Recipe, changed
from tasks.ideas import Facts, facts_of, ideas_for
from tests.flows.made import HIGH, PROBLEM, readings

ROWS = readings(days=20, per_day=60)
FACTS = facts_of(PROBLEM, PROBLEM.recipe, ROWS)
SAID = ["the", "parcel", "was", "late", "and", "nobody", "answered", "the", "phone"]


def wider(**columns):
    """The problem of two classes with more columns in its contract, which the recipe does not read."""
    contract = HIGH.contract.add_columns(columns)
    return replace(HIGH, contract=contract)


def diagnosed(*rooms, loss=0.2, **how):
    said = tuple(
        Room(constraint, (gain / 2, gain, 2 * gain), True, "so it is", "do that") for constraint, gain in rooms
    )
    return Diagnosis("high", "e", "boosting", {"judged": loss}, {}, "roc_auc", {}, 0.0, rooms=said, **how)


def backlog(problem=HIGH, recipe=None, diagnosis=None, facts=None, rows=ROWS):
    recipe = recipe or problem.recipe
    return ideas_for(problem, recipe, diagnosis, facts=facts or facts_of(problem, recipe, rows))


def of(kind, ideas):
    return [idea for idea in ideas if idea.kind is kind]


def named(name, ideas):
    return next(idea for idea in ideas if idea.name == name)


@pytest.mark.parametrize("family", ["linear", "sgd", "tree", "forest", "neighbours", "boosting", "constant"])
@pytest.mark.parametrize("problem", [HIGH, PROBLEM], ids=lambda one: one.name)
def test_every_item_is_one_change_that_makes_another_recipe(problem, family):
    recipe = problem.recipe.model_copy(update={"family": family, "parameters": {}})
    ideas = backlog(problem, recipe, diagnosed((Constraint.BIAS, 0.02)))
    assert len({idea.name for idea in ideas}) == len(ideas)
    for idea in ideas:
        assert 0 < idea.chance < 1
        assert idea.impact > 0
        assert idea.cost > 0
        assert Idea.from_json(idea.to_json()) == idea
        if idea.change:
            assert len(changed(recipe, idea.applied(recipe))) == 1, idea.name
            assert idea.applied(recipe) != recipe


def test_columns_of_the_contract_that_a_request_may_hold_are_offered_and_no_other():
    problem = wider(
        age=pa.Column("float64", nullable=True),
        phone=pa.Column(str, nullable=True, metadata=about(personal=True)),
        paid=pa.Column("float64", nullable=True, metadata=about(known="with the label")),
    )
    rows = ROWS.assign(age=np.arange(len(ROWS), dtype=float), phone="a b", paid=1.0)
    rows["phone"] = pd.Series([f"n{i % 9}" for i in range(len(rows))], dtype=str)
    offered = of(Kind.FEATURES, backlog(problem, rows=rows))
    names = {idea.name for idea in offered}
    assert {"read age", "read phone", "read at"} <= names
    assert not {"read paid", "read id", "read high", "read x"} & names
    assert "personal" in named("read phone", offered).about
    assert named("read phone", offered).chance < named("read age", offered).chance


def test_a_column_that_explains_what_is_left_is_likelier_and_larger_than_one_that_does_not():
    rng = np.random.default_rng(3)
    problem = wider(good=pa.Column("float64"), idle=pa.Column("float64"))
    left = rng.normal(size=len(ROWS))
    rows = ROWS.assign(good=left + rng.normal(size=len(ROWS)), idle=rng.normal(size=len(ROWS)))
    facts = facts_of(problem, problem.recipe, rows, apart=rows, left=left)
    ideas = backlog(problem, diagnosis=diagnosed((Constraint.CEILING, 0.001)), facts=facts)
    good, idle = (named(f"read {name}", ideas) for name in ("good", "idle"))
    assert good.chance > 0.7 > 0.2 > idle.chance
    assert good.impact == pytest.approx(0.5 * 0.2, rel=0.2)
    assert good.impact > 2 * idle.impact


def test_a_pair_whose_product_explains_what_is_left_comes_before_others():
    problem = wider(w=pa.Column("float64"))
    recipe = Recipe(family="linear", features=("x", "z", "w"))
    rows = ROWS.assign(w=np.random.default_rng(4).normal(size=len(ROWS)))
    left = (rows["x"] * rows["w"]).to_numpy()
    facts = facts_of(problem, recipe, rows, apart=rows, left=left)
    pairs = of(Kind.INTERACTIONS, backlog(problem, recipe, diagnosed((Constraint.BIAS, 0.02)), facts))
    assert set(max(pairs, key=lambda idea: idea.chance).change["interactions"][0]) == {"x", "w"}
    assert sorted(idea.chance for idea in pairs)[-2] < 0.5


def test_a_text_is_read_word_by_word():
    problem = wider(message=pa.Column(str))
    rng = np.random.default_rng(5)
    rows = ROWS.assign(message=pd.Series([" ".join(rng.permutation(SAID)) for _ in range(len(ROWS))], dtype=str))
    unread = named("read message", backlog(problem, rows=rows))
    assert unread.change["encodings"] == {"message": "text"}
    recipe = problem.recipe.model_copy(update={"features": ("x", "message")})
    as_category = named("read message as text", backlog(problem, recipe, rows=rows))
    assert as_category.change == {"encodings": {"message": "text"}}
    read = recipe.model_copy(update={"encodings": {"message": "text"}})
    assert {"read 2000 words", "read pairs of words"} <= {idea.name for idea in backlog(problem, read, rows=rows)}


def test_idle_features_are_left_out_and_never_all_of_them():
    noise, worth = (Effect(name, (g - 0.001, g, g + 0.001), 0.0005) for name, g in (("z", 0.0), ("x", 0.02)))
    ideas = backlog(diagnosis=diagnosed((Constraint.VARIANCE, 0.01), effects=(noise, worth)))
    assert named("leave out 1 idle feature", ideas).change["features"] == ["x", "kind"]
    idle = tuple(replace(noise, feature=name) for name in HIGH.recipe.features)
    assert not [idea for idea in backlog(diagnosis=diagnosed(effects=idle)) if "idle" in idea.name]


@pytest.mark.parametrize(
    "binding, likelier, than",
    [
        (Constraint.BIAS, Kind.CAPACITY, Kind.REGULARISATION),
        (Constraint.VARIANCE, Kind.REGULARISATION, Kind.CAPACITY),
        (Constraint.MISMATCH, Kind.WINDOW, Kind.CAPACITY),
        (Constraint.NOISE, Kind.SUSPECTS, Kind.CAPACITY),
    ],
)
def test_what_mends_the_binding_constraint_is_likelier_and_gains_what_it_has_room_for(binding, likelier, than):
    ideas = backlog(diagnosis=diagnosed((binding, 0.1 if binding is Constraint.NOISE else 0.06)))
    best, other = (max(of(kind, ideas), key=lambda idea: idea.chance) for kind in (likelier, than))
    assert best.chance > 1.5 * other.chance
    assert best.impact == pytest.approx(0.01 if binding is Constraint.NOISE else 0.03)
    assert other.impact == pytest.approx(0.01), "a twentieth of the loss, where nothing is known"


def test_where_nothing_is_said_the_fields_order_is_kept():
    """Features, interactions, family, capacity, regularisation, window, weights: by what is expected of the best of each."""
    problem = wider(more=pa.Column("float64"))
    rows = ROWS.assign(more=np.arange(len(ROWS), dtype=float))
    recipe = Recipe(family="linear", features=("x", "z"))
    noise = tuple(Effect(name, (0.0, 0.001, 0.002), 0.0) for name in recipe.features)
    ideas = backlog(problem, recipe, diagnosed(effects=noise), rows=rows)
    order = (Kind.FEATURES, Kind.INTERACTIONS, Kind.FAMILY, Kind.REGULARISATION, Kind.WINDOW)
    chances = [max(idea.chance for idea in of(kind, ideas)) for kind in order]
    assert chances == sorted(chances, reverse=True)


def test_windows_go_both_ways_within_what_there_is():
    recipe = HIGH.recipe.model_copy(update={"window": timedelta(days=8)})
    windows = {idea.name for idea in of(Kind.WINDOW, backlog(recipe=recipe))}
    assert windows == {
        "train on the last 4 days",
        "a half-life of 1.6 days",
        "train on all rows",
        "train on the last 16 days",
    }
    whole = {idea.name for idea in of(Kind.WINDOW, backlog(recipe=recipe.model_copy(update={"window": None})))}
    assert not {"train on all rows"} & whole
    timeless = replace(HIGH, framing=HIGH.framing.model_copy(update={"timeless": True}))
    assert of(Kind.WINDOW, backlog(timeless)) == []


def test_scores_are_mended_where_the_loss_reads_them():
    brier = HIGH.framing.model_validate(HIGH.framing.model_dump() | {"loss": {"kind": "brier"}})
    assert of(Kind.RECALIBRATION, backlog(replace(HIGH, framing=brier)))
    assert isinstance(HIGH.framing.loss, CostLoss)
    assert of(Kind.RECALIBRATION, backlog()) == []
    written = HIGH.recipe.model_copy(update={"threshold": 0.5})
    assert of(Kind.THRESHOLD, backlog(recipe=written))[0].change == {"threshold": None}
    assert of(Kind.THRESHOLD, backlog()) == []


def test_scores_that_are_off_are_mapped_first():
    brier = HIGH.framing.model_validate(HIGH.framing.model_dump() | {"loss": {"kind": "brier"}})
    problem, ideas = replace(HIGH, framing=brier), {}
    for said, came in (("off", (0.4, 0.5, 0.6)), ("fine", (0.1, 0.2, 0.3))):
        bars = Bars(at=(0.2,), values=(came,), rows=(500,))
        ideas[said] = of(Kind.RECALIBRATION, backlog(problem, diagnosis=diagnosed(calibration=bars)))[0].chance
    assert ideas["off"] > 2 * ideas["fine"]


def test_people_are_asked_for_what_no_recipe_mends():
    weak = Slice("kind is b", 300, 0.4, (0.05, 0.1, 0.15), 0.6)
    rooms = [(Constraint.SLICE, 0.05), (Constraint.NOISE, 0.02), (Constraint.DATA, 0.01)]
    asked = of(Kind.REQUEST, backlog(diagnosis=diagnosed(*rooms, slices=(weak,))))
    assert [idea.name for idea in asked] == [
        "collect rows of kind is b",
        "have suspects labelled again",
        "collect more rows",
    ]
    assert all(not idea.runs and not idea.change for idea in asked)
    assert of(Kind.REQUEST, backlog()) == []


def test_facts_of_few_rows_are_of_types_alone():
    few = ROWS.head(30)
    facts = facts_of(HIGH, HIGH.recipe, ROWS, apart=few, left=np.ones(30))
    assert isinstance(facts, Facts)
    assert all(column.explains is None for column in facts.columns.values())
    assert facts.pairs == {}
    assert facts.columns["kind"].holds == "category"
    assert facts.rarest == pytest.approx(min(ROWS["high"].mean(), 1 - ROWS["high"].mean()))
