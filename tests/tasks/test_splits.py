"""Is every row used once, does nothing look ahead, and does nothing that is fitted judge?"""

import dataclasses
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.framing import CostLoss
from schemas.plans import DataPlan, RetrainingPlan
from schemas.recipe import Recipe
from tasks import splits, training
from tasks.folded import Folded, fold_by_fold

DAY = timedelta(days=1)


@pytest.fixture(scope="session")
def rows(toy_rows):
    return toy_rows(24 * 40)


def planned(toy, *, test=5, validation=5, framing=None, **data):
    """The toy problem with these plans; days."""
    return dataclasses.replace(
        toy,
        retraining=RetrainingPlan(test=test * DAY, validation=validation * DAY, train_rows=50),
        data=DataPlan(**data),
        framing=toy.framing.model_copy(update=framing or {}),
    )


def ids(part: splits.Split) -> list[set[int]]:
    return [set(rows["id"]) for rows in (part.train, part.validation, part.test)]


@settings(max_examples=300)
@given(
    until=st.integers(-2, 45),
    test=st.integers(1, 15),
    validation=st.integers(1, 15),
    window=st.none() | st.integers(1, 40),
    disjoint=st.none() | st.integers(-5, 50),
    embargo=st.none() | st.integers(0, 9),
    fold_below=st.sampled_from([0, 10_000]),
    k=st.integers(2, 7),
    entities=st.sampled_from(["shared", "disjoint"]),
)
def test_no_row_is_in_two_parts_nothing_looks_ahead_and_the_label_delay_lies_between(
    toy, rows, until, test, validation, window, disjoint, embargo, fold_below, k, entities
):
    start = rows["at"].min()
    until, disjoint = start + until * DAY, None if disjoint is None else start + disjoint * DAY
    problem = planned(
        toy,
        test=test,
        validation=validation,
        embargo=None if embargo is None else embargo * DAY,
        fold_below=fold_below,
        folds=k,
        entities=entities,
    )
    window = None if window is None else window * DAY
    found = splits.folds(problem, rows, until=until, window=window, disjoint_from=disjoint)
    assert 1 <= len(found) <= (k if fold_below else 1)
    gap = splits.embargo_of(problem)
    assert gap == (toy.framing.maturity if embargo is None else embargo * DAY)
    judged: set[int] = set()
    for part in found:
        parts = ids(part)
        assert sum(map(len, parts)) == len(set.union(*parts))
        assert not judged & parts[2], "a row judges once"
        judged |= parts[2]
        in_order = pd.concat([part.train, part.validation, part.test])["at"]
        assert in_order.is_monotonic_increasing
        assert (in_order < until).all()
        before = pd.concat([part.train, part.validation])["at"]
        if len(part.test) and len(before):
            assert before.max() < part.test["at"].min() - gap + timedelta(microseconds=1)
            fitted = pd.concat([part.train, part.validation])
            assert (fitted["label_at"] < part.test["at"].min()).all(), "fitted with a label that was not there yet"
        assert disjoint is None or (part.test["at"] >= disjoint).all()
        assert window is None or part.train.empty or len(part.test) == 0 or np.ptp(part.train["at"]) < window
        if entities == "disjoint":
            assert not set(part.test["customer"]) & set(pd.concat([part.train, part.validation])["customer"])
    whole = splits.pooled(problem.framing, found)
    assert set(whole.test["id"]) == judged
    assert not judged & (set(whole.train["id"]) | set(whole.validation["id"]))


def test_a_large_table_is_held_to_its_newest_rows(toy, rows):
    problem = planned(toy, fold_below=0, embargo=timedelta(0))
    until = rows["at"].max() + timedelta(hours=1)
    (part,) = splits.folds(problem, rows, until=until, window=None, disjoint_from=None)
    # Labels take thirty hours: without an embargo the newest thirty rows were not labelled when judging began.
    assert [len(p) for p in (part.train, part.validation, part.test)] == [24 * 30, 24 * 5 - 30, 24 * 5]


def test_the_embargo_keeps_the_label_delay_out_of_what_is_fitted(toy, rows):
    until = rows["at"].max() + timedelta(hours=1)
    (part,) = splits.folds(planned(toy, fold_below=0), rows, until=until, window=None, disjoint_from=None)
    assert part.test["at"].min() - part.validation["at"].max() == toy.framing.maturity + timedelta(hours=1)
    # What was fitted or chose the threshold was labelled before anything was judged, as when the model serves.
    assert pd.concat([part.train, part.validation])["label_at"].max() < part.test["at"].min()


def test_few_rows_are_judged_fold_by_fold_and_most_of_them_judge(toy, rows):
    until = rows["at"].max() + timedelta(hours=1)
    problem = planned(toy, fold_below=10_000, folds=5, validation=1)
    found = splits.folds(problem, rows, until=until, window=None, disjoint_from=None)
    sizes = [len(part.test) for part in found]
    assert len(found) == 5
    assert max(sizes) - min(sizes) <= 2
    assert sum(sizes) > 0.45 * len(rows)
    grown = [len(part.train) for part in found]
    assert grown == sorted(grown)


@pytest.mark.parametrize("n", [0, 1, 40, 60])
def test_a_handful_of_rows_gives_a_split_that_judges_nothing(toy, rows, n):
    until = rows["at"].max() + DAY
    found = splits.folds(planned(toy), rows.head(n), until=until, window=None, disjoint_from=None)
    assert splits.pooled(toy.framing, found).test.empty


@settings(max_examples=50)
@given(seed=st.integers(0, 1000), few=st.booleans(), entity=st.sampled_from(["customer", None]))
def test_without_a_time_the_same_rows_judge_whatever_else_is_there(toy, rows, seed, few, entity):
    framing = {"timeless": True, "entity": entity}
    problem = planned(toy, framing=framing, fold_below=10_000 if few else 0)
    until = rows["at"].max() + DAY
    found = splits.folds(problem, rows, until=until, window=None, disjoint_from=None)
    assert len(found) == (5 if few else 1)
    for part in found:
        parts = ids(part)
        assert sum(map(len, parts)) == len(set.union(*parts)) == len(rows)
        if entity:
            assert not set(part.test["customer"]) & set(part.train["customer"])
    held_back = set(splits.held_back(problem, rows)["id"])
    whole = splits.pooled(problem.framing, found)
    assert held_back
    assert not held_back & set(whole.test["id"])
    fewer = rows.sample(frac=0.7, random_state=seed).sort_index()
    again = splits.pooled(problem.framing, splits.folds(problem, fewer, until=until, window=None, disjoint_from=None))
    assert set(again.test["id"]) == set(whole.test["id"]) & set(fewer["id"])


@pytest.mark.parametrize("classes", [2, 3])
def test_each_row_is_scored_by_the_model_that_was_not_fitted_on_it(toy, rows, classes):
    framing = toy.framing.model_copy(update={"loss": CostLoss(false_alarm=0.1)})
    recipe = Recipe(family="linear", features=("x",))
    until = rows["at"].max() + timedelta(hours=1)
    found = splits.folds(planned(toy, fold_below=10_000), rows, until=until, window=None, disjoint_from=None)
    fit = lambda part: training.fit_and_freeze(recipe, framing, part, seed=1)  # noqa: E731
    folded = fold_by_fold("id", found, fit)
    assert isinstance(folded, Folded)
    shuffled = pd.concat([part.test for part in found]).sample(frac=1, random_state=classes)
    said = pd.Series(folded.predict_proba(shuffled)[:, 1], index=shuffled.index)
    for part in found:
        own = fit(part).predict_proba(part.test[["x"]])[:, 1]
        np.testing.assert_allclose(said[part.test.index], own, rtol=1e-12)
    assert folded.threshold == fit(found[0]).threshold


def test_a_class_that_a_fold_never_saw_has_no_probability_there():
    class Known:
        def __init__(self, classes):
            self.classes_ = np.array(classes)

        def predict_proba(self, frame):
            return np.full((len(frame), len(self.classes_)), 1 / len(self.classes_))

    folded = Folded("id", [(Known(["a", "c"]), pd.Series([1])), (Known(["a", "b", "c"]), pd.Series([2]))])
    said = folded.predict_proba(pd.DataFrame({"id": [2, 1, 3]}))
    np.testing.assert_allclose(said, [[1 / 3, 1 / 3, 1 / 3], [0.5, 0, 0.5], [0.5, 0, 0.5]])


BEFORE = {"sha256": "a", "from": "2024-01-01T00:00:00+00:00", "until": "2024-01-08T00:00:00+00:00"}


@pytest.mark.parametrize(
    "before, changed, says",
    [
        (None, {}, "the first held-out rows"),
        (BEFORE, {}, "the same"),
        (BEFORE, {"sha256": "b", "until": "2024-01-15T00:00:00+00:00"}, "7 days later"),
        (BEFORE, {"sha256": "b", "from": "2024-01-02T00:00:00+00:00"}, "another moment"),
        (BEFORE, {"sha256": "b"}, "late, revised or quarantined"),
    ],
)
def test_every_change_of_the_held_out_rows_has_a_reason(before, changed, says):
    assert says in splits.why_changed(before, BEFORE | changed)


@settings(max_examples=200)
@given(
    since=st.integers(-2, 45),
    until=st.integers(-2, 45),
    test=st.integers(1, 15),
    validation=st.integers(1, 15),
    embargo=st.integers(0, 9),
)
def test_what_is_made_from_the_champion_sees_only_rows_that_the_champion_did_not(
    toy, rows, since, until, test, validation, embargo
):
    """The newest judge, no earlier than the middle of the time; the embargo lies before them; no row is in two parts."""
    start = rows["at"].min()
    since, until, plan = start + since * DAY, start + until * DAY, planned(toy, test=test, validation=validation)
    part = splits.unseen(toy.framing, rows, since=since, until=until, plan=plan.retraining, embargo=embargo * DAY)
    fitted, chosen, judged = ids(part)
    assert not fitted & chosen
    assert not (fitted | chosen) & judged
    for frame in vars(part).values():
        assert ((frame["at"] >= since) & (frame["at"] < until)).all()
    if judged:
        began = part.test["at"].min()
        assert began >= since + (until - since) / 2
        assert until - began <= test * DAY
        older = pd.concat([part.train, part.validation])
        assert (older["at"] < until - min(test * DAY, (until - since) / 2) - embargo * DAY).all()
    if chosen:
        assert fitted
        assert part.validation["at"].min() > part.train["at"].max()
        assert len(chosen) <= len(fitted)
