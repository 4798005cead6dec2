"""Does a search find what is there, see no row that judges it, and say when it is itself what holds a recipe back?"""

import itertools
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from schemas.errors import PerennialError
from schemas.framing import AbsoluteLoss, BrierLoss, CostLoss, MatrixLoss
from schemas.recipe import Recipe
from schemas.search import Choice, Range, Search
from tasks import training
from tasks.inner_folds import inner_folds
from tasks.scoring import score
from tasks.splits import Split
from tasks.tuning import nested, tuned

HOUR = timedelta(hours=1)
LINEAR = Recipe(family="linear", features=("x",))
PENALTY = Search(space={"C": Range(low=1e-3, high=10, log=True)}, trials=6, inner_folds=2)


@pytest.fixture
def framing(toy):
    """Without an entity, and with a loss that needs no threshold."""
    return toy.framing.model_copy(update={"entity": None, "loss": BrierLoss(), "maturity": 30 * HOUR})


@pytest.fixture(scope="session")
def rows(toy_rows):
    return toy_rows(300)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("loss", [BrierLoss(), CostLoss(false_alarm=0.1)])
def test_inner_folds_go_forward_in_time_and_fit_what_was_known_by_then(framing, toy_rows, loss, count):
    rng = np.random.default_rng(1)
    rows = toy_rows(400, label_hours=rng.integers(1, 90, 400))
    framing = framing.model_copy(update={"loss": loss})
    parts = inner_folds(framing, rows.sample(frac=1, random_state=1), count, embargo=10 * HOUR)
    assert len(parts) == count
    judged = pd.concat([part.test["id"] for part in parts])
    assert judged.is_unique
    for part in parts:
        begins = part.test["at"].min()
        fitted = pd.concat([part.train, part.validation])
        assert not set(fitted["id"]) & set(part.test["id"])
        assert not set(part.train["id"]) & set(part.validation["id"])
        assert fitted["at"].max() < begins - 10 * HOUR
        assert fitted["label_at"].max() < begins
        assert len(part.validation) > 0 or loss.kind == "brier"
        assert part.validation.empty or part.train["at"].max() < part.validation["at"].min()


def test_without_a_time_no_entity_is_in_two_parts_of_an_inner_fold(toy, toy_rows):
    framing = toy.framing.model_copy(update={"timeless": True})
    rows = toy_rows(400)
    parts = inner_folds(framing, rows, 3)
    assert sorted(pd.concat([part.test["id"] for part in parts])) == sorted(rows["id"])
    for part in parts:
        whose = [set(frame["customer"]) for frame in (part.train, part.validation, part.test)]
        assert all(one.isdisjoint(other) for one, other in itertools.combinations(whose, 2))


def test_entities_that_judge_are_not_fitted_where_that_is_asked(toy, toy_rows):
    for part in inner_folds(toy.framing, toy_rows(400), 2, apart=True):
        fitted = set(pd.concat([part.train, part.validation])["customer"])
        assert not fitted & set(part.test["customer"])


def test_rows_too_few_for_any_inner_fold_are_refused(framing, toy_rows):
    with pytest.raises(PerennialError, match="20 labelled training rows give none of 3 inner folds"):
        inner_folds(framing, toy_rows(20), 3)


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_equal_arguments_give_an_equal_search(framing, rows, sampler):
    """With a threshold to choose, and people who come again."""
    framing = framing.model_copy(update={"entity": "customer", "loss": CostLoss(false_alarm=0.3)})
    search = PENALTY.model_copy(update={"sampler": sampler, "inner_folds": 1})
    one, other = (tuned(LINEAR, framing, rows, search, seed=3) for _ in range(2))
    assert one == other
    assert len({trial.parameters["C"] for trial in one.trials}) > 1
    if sampler == "grid":
        assert sorted(trial.parameters["C"] for trial in one.trials) == list(search.grid()["C"])
    else:
        assert tuned(LINEAR, framing, rows, search, seed=4).trials != one.trials


def test_what_is_found_is_the_best_that_was_seen_and_never_worse_than_what_was_there(framing, rows):
    found = tuned(LINEAR, framing, rows, PENALTY, seed=3)
    assert len(found.trials) == PENALTY.trials
    losses = [trial.loss for trial in found.trials if trial.loss is not None]
    assert found.best.loss == min([*losses, found.before.loss])
    assert found.gain >= 0
    worse = Search(space={"C": Range(low=1e-9, high=1e-8, log=True)}, trials=3, inner_folds=2)
    kept = tuned(LINEAR, framing, rows, worse, seed=3)
    assert kept.recipe == LINEAR
    assert kept.gain == 0


def test_parameters_that_cannot_be_fitted_are_a_failed_trial_and_no_end_of_the_search(framing, rows):
    search = Search(space={"solver": Choice(values=("lbfgs", "no such"))}, sampler="grid", trials=2, inner_folds=2)
    found = tuned(LINEAR, framing, rows, search, seed=3)
    assert sorted(trial.outcome for trial in found.trials) == ["complete", "failed"]
    (failed,) = (trial for trial in found.trials if trial.outcome == "failed")
    assert failed.loss is None
    assert "InvalidParameterError" in failed.why
    with pytest.raises(PerennialError, match="cannot be fitted as it is: InvalidParameterError"):
        tuned(LINEAR.model_copy(update={"parameters": {"C": -1.0}}), framing, rows, PENALTY, seed=3)


def test_a_pruner_spares_fits_and_does_not_end_what_would_have_won(framing, rows):
    search = Search(space={"C": Range(low=1e-6, high=10, log=True)}, trials=8, sampler="random", inner_folds=3)
    whole, median, halving = (
        tuned(LINEAR, framing, rows, search.model_copy(update={"pruner": pruner}), seed=1)
        for pruner in ("none", "median", "halving")
    )
    assert whole.pruned == 0
    for found in (median, halving):
        assert 0 < found.pruned < 8
        for trial, in_full in zip(found.trials, whole.trials, strict=True):
            assert trial.folds == in_full.folds[: len(trial.folds)]
            assert (trial.loss is None) == (trial.outcome == "pruned") == (len(trial.folds) < 3)
        assert found.best.loss == pytest.approx(whole.best.loss, abs=0.002)


def test_a_deadline_ends_the_search_and_the_result_says_so(framing, rows):
    asked = iter([False, False, True])
    found = tuned(LINEAR, framing, rows, PENALTY, seed=3, deadline=lambda: next(asked, True))
    assert found.stopped
    assert len(found.trials) == 2
    assert found.at_edge is None
    assert found.best.loss == min(trial.loss for trial in (found.before, *found.trials))
    assert not tuned(LINEAR, framing, rows, PENALTY, seed=3, deadline=lambda: False).stopped


# Whether the search is at its edge.


@pytest.mark.parametrize(
    "low, high, edge",
    [
        (1e-7, 1e-4, {"C": "high"}),  # all of it far too strong a penalty
        (1e-4, 1e3, {}),  # what is best lies inside
        (1e3, 1e7, {}),  # and here nothing is left to penalise: its ends do not matter
    ],
)
def test_a_search_is_at_its_edge_where_inside_loses_more(framing, toy_rows, low, high, edge):
    search = Search(space={"C": Range(low=low, high=high, log=True)}, trials=8, inner_folds=1)
    for seed in (1, 2):
        found = tuned(LINEAR, framing, toy_rows(400, seed=seed), search, seed=seed)
        assert dict(found.at_edge) == edge


def test_where_nothing_lies_beyond_an_end_the_search_is_not_at_its_edge(framing, toy_rows):
    for limits, edge in (((), {"C": "high"}), (("low",), {"C": "high"}), (("high",), {})):
        of = Range(low=1e-5, high=1e-2, log=True, limits=limits)
        found = tuned(LINEAR, framing, toy_rows(300), Search(space={"C": of}, trials=6, inner_folds=1), seed=1)
        assert dict(found.at_edge) == edge


def test_a_search_without_anything_to_learn_is_seldom_at_its_edge(framing, toy_rows):
    search = Search(
        space={"C": Range(low=1e-2, high=1e3, log=True), "tol": Range(low=1e-5, high=1e-3, log=True)},
        trials=5,
        sampler="random",
        inner_folds=1,
    )
    named = 0
    for seed in range(8):
        rows = toy_rows(200, seed=seed)
        rows["label"] = np.random.default_rng(seed).integers(0, 2, 200).astype(float)
        named += len(tuned(LINEAR, framing, rows, search, seed=seed).at_edge)
    assert named <= 2  # of 16; by position alone two in five, 2 % by a test at 5 % of those


def test_what_moves_the_loss_is_what_is_important(framing, rows):
    space = {"C": Range(low=1e-6, high=1, log=True), "tol": Range(low=1e-6, high=1e-4, log=True)}
    search = Search(space=space, trials=12, sampler="random", pruner="none", inner_folds=1)
    found = tuned(LINEAR, framing, rows, search, seed=2).importance
    assert list(found) == ["C", "tol"]
    assert found["C"] > 0.8
    assert sum(found.values()) == pytest.approx(1)
    assert tuned(LINEAR, framing, rows, search.model_copy(update={"trials": 5}), seed=2).importance == {}


# Whether tuning can fool the estimate.


def test_a_nested_search_is_the_same_whatever_the_rows_that_judge_it_hold(framing, rows):
    """No row of them can have been given to a fit: they are other rows, rows that no fit would take, or none at all."""
    parts = Split(rows[:150], rows[150:200], rows[200:])
    unfit = [part.assign(x=np.nan, label=np.nan, kind="never seen") for part in (parts.validation, parts.test)]
    said = [
        nested(LINEAR, framing, [Split(parts.train, *other)], PENALTY, seed=3)
        for other in ([parts.validation, parts.test], unfit, [rows.iloc[:0]] * 2)
    ]
    assert said[0] == said[1] == said[2]
    assert [len(one) for one in said] == [1, 1, 1]


def test_each_outer_split_has_a_search_of_its_own(framing, rows):
    none, search = rows.iloc[:0], PENALTY.model_copy(update={"trials": 3, "inner_folds": 1})
    one, other = nested(LINEAR, framing, [Split(rows[:150], none, none), Split(rows, none, none)], search, seed=3)
    assert one == tuned(LINEAR, framing, rows[:150], search, seed=3)
    assert other == tuned(LINEAR, framing, rows, search, seed=3)
    assert one != other


def test_on_noise_the_search_looks_better_than_a_constant_and_the_nested_estimate_does_not(framing, toy_rows):
    classes = ("0", "1", "2")
    wrong = MatrixLoss(costs=((0, 1, 1), (1, 0, 1), (1, 1, 0)))
    framing = framing.model_copy(update={"task": "multiclass", "classes": classes, "loss": wrong})
    recipe = Recipe(family="sgd", features=("x",), parameters={"max_iter": 5, "tol": None})
    search = Search(
        space={"alpha": Range(low=1e-5, high=1, log=True), "eta0": Range(low=1e-4, high=10, log=True)},
        trials=12,
        sampler="random",
        pruner="none",
        inner_folds=1,
    )
    inner, outer = [], []
    for seed in range(5):
        rows = toy_rows(1200, seed=seed)
        rows["label"] = np.random.default_rng(seed).integers(0, 3, 1200).astype(float)
        part = Split(rows[:200], rows.iloc[:0], rows[200:])
        (found,) = nested(recipe, framing, [part], search, seed=seed)
        inner.append(found.best.loss)
        outer.append(_loss_outside(found.recipe, framing, part))
    constant = 2 / 3  # of three classes drawn alike, whatever is said; 1,000 rows and 5 seeds: sd .007
    assert np.mean(inner) < constant - 0.03
    assert np.mean(outer) == pytest.approx(constant, abs=0.02)


def test_a_recipe_that_is_made_from_the_champion_has_nothing_to_tune(framing, rows):
    with pytest.raises(PerennialError, match="recalibrated from the champion"):
        tuned(LINEAR.model_copy(update={"start": "recalibrated"}), framing, rows, PENALTY, seed=3)


@pytest.mark.parametrize("task, name, drowned", [("binary", "C", 1e-6), ("regression", "alpha", 1e6)])
def test_what_tuning_found_helps_on_rows_that_it_never_saw(framing, toy_rows, task, name, drowned):
    """A penalty that drowns what there is to learn is found and mended."""
    framing = framing.model_copy(update={"task": task} | ({"loss": AbsoluteLoss(bound=1.0)} if name == "alpha" else {}))
    rows, recipe = toy_rows(600), LINEAR.model_copy(update={"parameters": {name: drowned}})
    part = Split(rows[:400], rows.iloc[:0], rows[400:])
    search = Search(space={name: Range(low=1e-6, high=1e6, log=True)}, trials=6, inner_folds=1)
    (found,) = nested(recipe, framing, [part], search, seed=1)
    before, after = (_loss_outside(one, framing, part) for one in (recipe, found.recipe))
    assert found.gain > 0
    assert after < before


def _loss_outside(recipe, framing, part) -> float:
    model = training.fit_and_freeze(recipe, framing, part, seed=1)
    return training.measure(score(model, part.test, framing), part.test[framing.target].to_numpy(), framing)["loss"]
