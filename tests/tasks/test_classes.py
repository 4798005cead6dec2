"""Are three or more classes scored, decided, priced and logged as two are, each under its own name?"""

import dataclasses
import itertools
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, confusion_matrix, log_loss

from schemas.errors import PerennialError
from schemas.framing import AbsoluteLoss, BrierLoss, CostMatrix, Framing, LogLoss, MatrixLoss
from schemas.recipe import Recipe
from schemas.rows import Model, State
from schemas.stage import Stage
from tasks import predictions, training
from tasks.scoring import (
    Answers,
    Outputs,
    Scores,
    answer,
    class_indices,
    clipped_share,
    logged,
    outputs,
    row_cost,
    row_loss,
    score,
)

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
BANDS = ("low", "mid", "high")  # sorted by name the last comes first, as scikit-learn sorts them
COSTS = ((0.0, 0.3, 1.0), (0.2, 0.0, 0.4), (0.9, 0.5, 0.1))


def framing(**changes) -> Framing:
    given_ = {"task": "multiclass", "classes": BANDS, "loss": BrierLoss(), "key": "id", "entity": "customer"}
    given_ |= {"event_time": "at", "target": "band", "label_time": "band_at", "maturity": 2 * DAY, "margin": 0.01}
    return Framing(**(given_ | {"objective": "", "tolerated_harm": 0.01, "metric": "roc_auc"} | changes))


class Says:
    """Gives each row the probabilities that stand in its columns `low`, `mid`, `high`, in an order of its own."""

    def __init__(self, *classes: str, raises: tuple[int, ...] = ()) -> None:
        self.classes_, self.raises = np.array(classes or sorted(BANDS), dtype=object), raises

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        if set(self.raises) & set(frame["id"]):
            raise LookupError("a category nobody has seen")
        return frame[list(self.classes_)].to_numpy(dtype=float)


def draw(n: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows with probabilities of three bands, and the index of the true one."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.dirichlet([1.0, 1.0, 1.0], size=n), columns=list(BANDS))
    return table.assign(id=np.arange(n), customer=np.arange(n) // 2), rng.integers(0, 3, size=n).astype(float)


samples = st.tuples(st.integers(1, 60), st.integers(0, 10_000))


# Columns follow the framing's order, whatever the model's.


@given(samples)
def test_score_columns_come_in_the_framings_order_whatever_the_models(sample):
    table, _ = draw(*sample)
    for order in itertools.permutations(BANDS):
        said = score(Says(*order), table, framing())
        np.testing.assert_array_equal(said.score, table[list(BANDS)])
        np.testing.assert_array_equal(said.decision, np.argmax(table[list(BANDS)].to_numpy(), axis=1))


def test_a_class_that_training_did_not_see_has_no_probability_and_its_own_column():
    table, _ = draw(20, 1)
    said = score(Says("high", "low"), table, framing())
    assert said.score.shape == (20, 3)
    assert (said.score[:, 1] == 0).all()
    np.testing.assert_array_equal(said.score[:, [0, 2]], table[["low", "high"]])


@pytest.mark.parametrize("family", ["constant", "linear", "boosting"])
@pytest.mark.parametrize("classes", [BANDS, (10, 20, 30)], ids=["names", "numbers"])
def test_a_trained_model_knows_the_classes_by_name_seen_or_not(toy_rows, family, classes):
    rows = toy_rows(120)
    index = np.digitize(rows["x"], [-0.5, 0.5])
    rows = rows.assign(band=np.array(classes)[index])
    recipe = Recipe(family=family, features=("x", "kind"), parameters={"max_iter": 5} if family == "boosting" else {})
    whole = training.fit(recipe, framing(classes=classes), rows, seed=1)
    said = score(whole, rows, framing(classes=classes))
    assert said.score.sum(axis=1) == pytest.approx(1)
    for position, name in enumerate(classes):
        column = list(whole.classes_).index(str(name))
        np.testing.assert_array_equal(said.score[:, position], whole.predict_proba(rows[["x", "kind"]])[:, column])
    if family != "constant":
        assert (said.decision == index).mean() > 0.8
    without = training.fit(recipe, framing(classes=classes), rows[index != 1], seed=1)
    assert (score(without, rows, framing(classes=classes)).score[:, 1] == 0).all()


def test_a_label_that_is_no_class_is_refused_in_training_with_a_sentence(toy_rows):
    rows = toy_rows(6).assign(band=["low", "mid", "high", "huge", "huge", "low"])
    with pytest.raises(PerennialError, match="2 of 6 training labels are none of the framing's classes low, mid, high"):
        training.fit(Recipe(family="linear", features=("x",)), framing(), rows, seed=1)


# Labels under the names that tables give them.


@pytest.mark.parametrize(
    "classes, labels, expected",
    [
        (BANDS, ["low", "high", "mid"], [0, 2, 1]),
        (BANDS, ["huge", None, np.nan, pd.NA, ""], [np.nan] * 5),
        ((0, 1, 2), [2, 0, 1], [2, 0, 1]),
        ((3, 5, 9), [9.0, 3.0, np.nan], [2, 0, np.nan]),  # whole numbers beside a gap
        ((3, 5, 9), ["9", "3"], [2, 0]),
        ((3, 5, 9), [4, 0, 5.5], [np.nan] * 3),
        ((-1, 0, 1), [-1, 1, -0.0], [0, 2, 1]),
        (("0", "1", "2"), [0, 2.0], [0, 2]),
    ],
)
def test_a_label_is_the_position_of_its_class_and_nothing_where_it_is_none(classes, labels, expected):
    for column in (pd.Series(labels), pd.Series(labels, dtype=object), np.array(labels, dtype=object)):
        np.testing.assert_array_equal(class_indices(column, framing(classes=classes)), np.array(expected, dtype=float))


def test_labels_of_other_tasks_are_numbers_as_they_were(toy):
    labels = pd.Series([0.0, 1.0, np.nan])
    for one in (toy.framing, framing(task="regression", classes=(), loss=AbsoluteLoss(bound=1.0))):
        np.testing.assert_array_equal(class_indices(labels, one), labels)


# Losses, against somebody else's numbers.


@given(samples)
def test_brier_is_scikit_learns_halved(sample):
    table, y = draw(*sample)
    probability = table[list(BANDS)].to_numpy()
    loss = row_loss(Scores(probability, np.zeros(len(y))), y, framing())
    theirs = brier_score_loss(y.astype(int), probability, labels=[0, 1, 2], scale_by_half=True)
    assert loss.mean() == pytest.approx(theirs)
    assert ((loss >= 0) & (loss <= 1)).all()


@given(samples)
def test_log_loss_is_scikit_learns_in_units_of_its_bound(sample):
    table, y = draw(*sample)
    probability = table[list(BANDS)].to_numpy()
    said = Scores(probability, np.zeros(len(y)))
    generous = row_loss(said, y, framing(loss=LogLoss(bound=1_000.0)))
    assert 1_000 * generous.mean() == pytest.approx(log_loss(y.astype(int), probability, labels=[0, 1, 2]))
    tight = row_loss(said, y, framing(loss=LogLoss(bound=0.5)))
    by_hand = [min(1.0, -math.log(p[int(truth)]) / 0.5) for p, truth in zip(probability, y, strict=True)]
    assert tight == pytest.approx(by_hand)


@given(samples)
def test_matrix_loss_is_the_confusion_matrix_priced(sample):
    table, y = draw(*sample)
    priced = framing(loss=MatrixLoss(costs=COSTS))
    said = score(Says(), table, priced)
    confused = confusion_matrix(y, said.decision, labels=[0, 1, 2])
    assert row_loss(said, y, priced).sum() == pytest.approx((confused * np.array(COSTS)).sum())


@given(samples)
def test_the_decision_is_the_one_of_least_expected_cost(sample):
    table, _ = draw(*sample)
    said = score(Says(), table, framing(loss=MatrixLoss(costs=COSTS)))
    for p, decided in zip(table[list(BANDS)].to_numpy(), said.decision, strict=True):
        expected = [sum(p[truth] * COSTS[truth][choice] for truth in range(3)) for choice in range(3)]
        assert expected[int(decided)] == pytest.approx(min(expected))


def test_a_costly_miss_is_decided_for_though_another_class_is_likelier():
    dear = MatrixLoss(costs=((0.0, 0.1, 0.1), (0.1, 0.0, 0.1), (1.0, 1.0, 0.0)))
    table = pd.DataFrame({"low": [0.6], "mid": [0.2], "high": [0.2], "id": [0]})
    assert score(Says(), table, framing(loss=dear)).decision.tolist() == [2.0]
    assert score(Says(), table, framing()).decision.tolist() == [0.0]


@pytest.mark.parametrize("loss", [BrierLoss(), LogLoss(), MatrixLoss(costs=COSTS)])
def test_a_row_without_label_or_with_any_score_missing_has_no_loss(loss):
    said = np.array([[0.2, 0.3, 0.5], [np.nan] * 3, [0.2, np.nan, 0.8], [0.2, 0.3, 0.5]])
    y = np.array([np.nan, 1.0, 2.0, 2.0])
    found = row_loss(Scores(said, np.array([2.0, np.nan, 2.0, 2.0])), y, framing(loss=loss))
    assert np.isnan(found).tolist() == [True, True, True, False]


def test_certainty_of_the_wrong_class_costs_the_bound_and_no_more():
    certain = Scores(np.array([[1.0, 0.0, 0.0]] * 2), np.zeros(2))
    assert row_loss(certain, np.array([1.0, 0.0]), framing(loss=LogLoss())).tolist() == [1.0, 0.0]
    assert row_loss(certain, np.array([1.0, 0.0]), framing()).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    "loss, expected",
    [(LogLoss(bound=math.log(4)), 0.5), (LogLoss(bound=9.0), 0.25), (BrierLoss(), 0.0), (MatrixLoss(costs=COSTS), 0.0)],
)
def test_the_clipped_share_counts_rows_beyond_the_bound(loss, expected):
    true = np.array([0.9, 0.3, 0.2, 0.0])
    said = np.column_stack([true, (1 - true) / 2, (1 - true) / 2])
    assert clipped_share(Scores(said, np.zeros(4)), np.zeros(4), framing(loss=loss)) == expected
    assert clipped_share(Scores(said[:0], np.zeros(0)), np.zeros(0), framing(loss=loss)) == 0.0


@given(samples)
def test_a_decision_costs_what_its_matrix_says(sample):
    table, y = draw(*sample)
    costs = CostMatrix(costs=((-20.0, 3.0, 5.0), (150.0, 0.0, 5.0), (150.0, 30.0, 0.0)), tolerated=1.0)
    said = score(Says(), table, framing())
    by_hand = [costs.costs[int(truth)][int(d)] for truth, d in zip(y, said.decision, strict=True)]
    np.testing.assert_array_equal(row_cost(said, y, costs), by_hand)


def test_without_label_or_score_there_is_no_cost():
    costs = CostMatrix(costs=((0.0, 3.0), (150.0, 0.0)), tolerated=1.0)
    said = Scores(np.array([0.2, np.nan, 0.9]), np.array([0.0, np.nan, 1.0]))
    found = row_cost(said, np.array([1.0, 1.0, np.nan]), costs)
    assert found[0] == 150.0
    assert np.isnan(found[1:]).all()


def test_metrics_name_the_classes_and_are_undefined_where_one_is_missing():
    table, y = draw(200, 3)
    names = np.array(BANDS, dtype=object)[y.astype(int)]
    measured = training.measure(score(Says(), table, framing()), names, framing())
    assert sum(measured[f"share of {band}"] for band in BANDS) == pytest.approx(1)
    assert 0 < measured["roc_auc"] < 1
    two = y < 2
    assert math.isnan(training.measure(score(Says(), table[two], framing()), names[two], framing())["roc_auc"])


# A score that is no number is no decision.


@pytest.mark.parametrize("loss", [BrierLoss(), LogLoss(), MatrixLoss(costs=COSTS)])
@pytest.mark.parametrize("missing", [["low"], ["high"], list(BANDS)])
def test_a_row_whose_score_is_no_number_in_any_class_has_no_decision(loss, missing):
    table, _ = draw(9, 5)
    table.loc[4, missing] = np.nan
    said = score(Says(), table, framing(loss=loss))
    assert np.flatnonzero(np.isnan(said.decision)).tolist() == [4]


def test_of_two_classes_too_a_score_that_is_no_number_is_no_decision(toy):
    class Half:
        threshold = 0.5

        def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
            p = frame["p"].to_numpy()
            return np.column_stack([1 - p, p])

    said = score(Half(), pd.DataFrame({"p": [0.2, np.nan, 0.5, 0.9]}), toy.framing)
    np.testing.assert_array_equal(said.decision, [0.0, np.nan, 1.0, 1.0])


# One bad row, and two models, with a column a class.


def test_the_rows_that_raise_or_are_no_number_stand_alone():
    table, _ = draw(9, 5)
    table.loc[4, "mid"] = np.inf
    said = outputs(Says(raises=(2, 7)), table, framing())
    assert said.errors.tolist() == [None, None, "LookupError", None, "NotFinite", None, None, "LookupError", None]
    bad = [2, 4, 7]
    assert np.isnan(said.score[bad]).all()
    assert np.isnan(said.decision[bad]).all()
    assert np.isfinite(np.delete(said.score, bad, axis=0)).all()


@pytest.mark.parametrize("stage", [Stage.SHADOW, Stage.CANARY, Stage.PROBATION])
def test_where_a_rival_fails_the_champions_probabilities_go_out_whole(stage):
    table, _ = draw(60, 6)
    said = answer(
        table,
        framing(),
        champion=Says(),
        rival=Says(raises=tuple(range(0, 60, 3))),
        stage=stage,
        share=0.5,
        key="bands/1",
    )
    assert said.score.shape == (60, 3)
    np.testing.assert_array_equal(said.score, table[list(BANDS)])
    assert np.isnan(said.rival.score[(np.arange(60) % 3 == 0) | ~(said.by_rival | (stage is not Stage.CANARY))]).all()
    assert said.by_rival.any() == (stage is Stage.CANARY)


# The log.


@pytest.fixture
def bands(toy):
    return dataclasses.replace(
        toy, name="bands", framing=framing(target="kind", label_time="label_at"), recipe=Recipe(features=("x",))
    )


STATE = State(
    "bands", 7, stage=Stage.SHADOW, rollout=3, champion=Model("a" * 64, "1", "c"), challenger=Model("b" * 64, "2", "r")
)


def _said(n: int) -> Answers:
    table, _ = draw(n, 8)
    rival = outputs(Says(raises=(1,)), table, framing())
    champion = outputs(Says(), table[["mid", "high", "low", "id"]].set_axis([*BANDS, "id"], axis=1), framing())
    return Answers(champion, rival, np.zeros(n, dtype=bool), 0.0, champion.score, champion.decision)


def test_scores_come_back_from_the_log_as_they_went_in_to_the_last_bit(home, bands, toy_rows):
    said = _said(5)
    predictions.log(bands, STATE, toy_rows(5), said)
    rows = predictions.cohort(bands, since=START, now=START + 9 * DAY)
    for side, model in (("champion", said.champion), ("rival", said.rival)):
        back = logged(rows[f"{side}_score"], rows[f"{side}_decision"], bands.framing)
        np.testing.assert_array_equal(back.score, model.score)
        np.testing.assert_array_equal(back.decision, model.decision)
    assert [len(s) for s in rows["champion_score"]] == [3] * 5
    assert rows["rival_score"].isna().tolist() == [False, True, False, False, False]
    assert rows["rival_error"].tolist()[1] == "LookupError"


def test_labels_are_logged_as_the_position_of_their_class(home, bands, toy_rows):
    rows = toy_rows(4)
    predictions.log(bands, STATE, rows, _said(4))
    known = pd.Series([START + 3 * DAY] * 3).astype("datetime64[us, UTC]")
    labels = pd.DataFrame({"key": rows["id"][:3], "label": ["high", "low", "mid"], "known_at": known})
    predictions.log_labels(bands, labels)
    found = predictions.cohort(bands, since=START, now=START + 9 * DAY)
    np.testing.assert_array_equal(found["label"], [2.0, 0.0, 1.0, np.nan])
    loss = row_loss(
        logged(found["champion_score"], found["champion_decision"], bands.framing), found["label"], bands.framing
    )
    assert np.isnan(loss).tolist() == [False, False, False, True]


def test_a_champion_alone_leaves_the_rivals_lists_empty_and_no_rows_are_no_rows(home, bands, toy_rows):
    said = _said(3)
    alone = Answers(said.champion, None, said.by_rival, 0.0, said.score, said.decision)
    assert predictions.cohort(bands, since=START, now=START + 9 * DAY).empty
    predictions.log(bands, dataclasses.replace(STATE, challenger=None), toy_rows(3), alone)
    rows = predictions.cohort(bands, since=START, now=START + 9 * DAY)
    assert rows[["rival_score", "rival_decision", "rival_error"]].isna().all(axis=None)
    assert np.isnan(logged(rows["rival_score"], rows["rival_decision"], bands.framing).score).all()


def test_what_was_served_comes_back_as_lists(home, bands, toy_rows):
    said = _said(3)
    predictions.log(bands, STATE, toy_rows(3), said)
    found = predictions.served(bands, since=START, until=START + DAY)
    assert list(found) == ["key", "event_time", "champion", "answer_score", "answer_decision"]
    np.testing.assert_array_equal(np.stack(found["answer_score"]), said.score)
    np.testing.assert_array_equal(found["answer_decision"], said.decision)


def test_a_label_of_no_class_costs_the_other_labels_nothing(home, bands, toy_rows):
    rows = toy_rows(2)
    predictions.log(bands, STATE, rows, _said(2))
    known = pd.Series([START + 3 * DAY] * 2).astype("datetime64[us, UTC]")
    labels = pd.DataFrame({"key": rows["id"], "label": ["huge", "mid"], "known_at": known})
    assert predictions.log_labels(bands, labels) == 1
    found = predictions.cohort(bands, since=START, now=START + 9 * DAY)
    np.testing.assert_array_equal(found["label"], [np.nan, 1.0])


def test_two_classes_and_numbers_are_logged_in_one_column_as_before(home, toy, toy_rows):
    import sqlalchemy as sa

    from schemas.settings import Settings
    from tasks.database import open_database

    value = Outputs(np.array([0.25, 0.75]), np.array([0.0, 1.0]), np.full(2, None, dtype=object))
    said = Answers(value, value, np.zeros(2, dtype=bool), 0.0, value.score, value.decision)
    for name, one in (
        ("binary", toy.framing),
        ("number", framing(task="regression", classes=(), loss=AbsoluteLoss(bound=9.0), target="x", label_time="at")),
    ):
        problem = dataclasses.replace(toy, name=name, framing=one, recipe=Recipe(features=("kind",)))
        predictions.log(problem, dataclasses.replace(STATE, problem=name), toy_rows(2), said)
        rows = predictions.cohort(problem, since=START, now=START + 9 * DAY)
        assert rows["champion_score"].tolist() == rows["rival_score"].tolist() == [0.25, 0.75]
        assert predictions.served(problem, since=START, until=START + DAY)["answer_score"].tolist() == [0.25, 0.75]
    with open_database(Settings().log, "log").connect() as connection:
        lists = connection.execute(
            sa.text("SELECT champion_scores, rival_scores, answer_scores FROM predictions")
        ).all()
    assert set(lists) == {(None, None, None)}
