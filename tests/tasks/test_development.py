"""Does an experiment judge on rows that nothing was fitted on, that are the same for all, and that no retrain holds out?"""

import dataclasses
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.plans import DataPlan, RetrainingPlan, Tier
from tasks import splits
from tasks.development import BLOCKS, before_held_out, blocks, clusters

DAY = timedelta(days=1)


@pytest.fixture(scope="session")
def rows(toy_rows):
    return toy_rows(24 * 40)


def planned(toy, **data):
    plan = RetrainingPlan(test=5 * DAY, validation=5 * DAY, train_rows=50)
    return dataclasses.replace(toy, retraining=plan, data=DataPlan(**data))


def keys(part):
    return set(part["id"])


tiers = st.builds(
    Tier, name=st.just("t"), share=st.sampled_from([0.25, 1.0]), folds=st.integers(1, BLOCKS), seeds=st.just(1)
)
windows = st.one_of(st.none(), st.integers(3, 30).map(lambda n: n * DAY))


@settings(max_examples=40)
@given(tier=tiers, window=windows, seed=st.integers(0, 5), embargo=st.integers(0, 3), timeless=st.booleans())
def test_nothing_that_judges_is_fitted_and_nothing_fitted_looks_ahead(toy, rows, tier, window, seed, embargo, timeless):
    problem = planned(toy, embargo=embargo * DAY)
    if timeless:
        problem = dataclasses.replace(problem, framing=toy.framing.model_copy(update={"timeless": True}))
    found = blocks(problem, rows, tier, window=window, seed=seed)
    assert len(found) == tier.folds
    framing, judged = problem.framing, [keys(part.test) for part in found]
    assert all(judged)
    assert sum(map(len, judged)) == len(set().union(*judged))
    for part in found:
        assert not keys(part.train) & keys(part.validation)
        assert not (keys(part.train) | keys(part.validation)) & keys(part.test)
        if timeless:
            continue
        start = part.test[framing.event_time].min()
        for fitted in (part.train, part.validation):
            assert (fitted[framing.event_time] < start - embargo * DAY).all()
            assert (fitted[framing.label_time] < start).all()
            assert window is None or (fitted[framing.event_time] >= start - embargo * DAY - window).all()


@given(window=windows, seed=st.integers(1, 9), share=st.sampled_from([0.1, 0.5]))
@settings(max_examples=15)
def test_who_judges_depends_on_neither_recipe_nor_seed_nor_share(toy, rows, window, seed, share):
    problem, whole = planned(toy), Tier(name="all", share=1, folds=3, seeds=1)
    usual = blocks(problem, rows, whole, window=None, seed=0)
    other = blocks(problem, rows, whole.model_copy(update={"share": share}), window=window, seed=seed)
    assert [list(part.test["id"]) for part in usual] == [list(part.test["id"]) for part in other]


def test_another_seed_leaves_other_days_out_and_a_smaller_share_is_part_of_a_larger(toy, rows):
    problem, tier = planned(toy), Tier(name="all", share=1, folds=1, seeds=1)
    beside = [keys(blocks(problem, rows, tier, window=None, seed=seed)[0].validation) for seed in range(4)]
    assert len({frozenset(one) for one in beside}) == 4
    few, more = (
        keys(blocks(problem, rows, tier.model_copy(update={"share": s}), window=None, seed=0)[0].train)
        for s in (0.2, 0.5)
    )
    assert few < more
    assert 0.1 < len(few) / len(keys(blocks(problem, rows, tier, window=None, seed=0)[0].train)) < 0.3


def test_the_newest_block_comes_first(toy, rows):
    found = blocks(planned(toy), rows, Tier(name="all", share=1, folds=3, seeds=1), window=None, seed=0)
    first = [part.test["at"].min() for part in found]
    assert first == sorted(first, reverse=True)
    assert found[0].test["at"].max() == rows["at"].max()


@pytest.mark.parametrize("timeless", [False, True])
def test_what_a_retrain_holds_out_is_in_no_experiment(toy, rows, timeless):
    problem = planned(toy, fold_below=0)
    problem = dataclasses.replace(problem, framing=toy.framing.model_copy(update={"timeless": timeless}))
    until = rows["at"].max() + DAY
    held = splits.folds(problem, rows, until=until, window=None, disjoint_from=None)[0].test
    mine = before_held_out(problem, rows, until=until)
    assert len(held) > 50
    assert len(mine) > 300
    assert not keys(held) & keys(mine)


def test_entities_that_judge_are_fitted_nowhere_where_the_plan_says_so(toy, rows):
    problem = planned(toy, entities="disjoint")
    for part in blocks(problem, rows, Tier(name="all", share=1, folds=2, seeds=1), window=None, seed=0):
        assert set(part.test["customer"])
        assert not set(part.test["customer"]) & (set(part.train["customer"]) | set(part.validation["customer"]))


def test_rows_of_a_day_or_an_entity_move_together(toy, rows):
    assert clusters(toy, rows).nunique() == rows["customer"].nunique()
    nobody = dataclasses.replace(toy, framing=toy.framing.model_copy(update={"entity": None}))
    assert clusters(nobody, rows).nunique() == rows["at"].dt.floor("D").nunique()
