"""Is every answer kept once, and is a cohort only what had matured and was known?"""

import dataclasses
import itertools
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.rows import Model, State
from schemas.stage import Stage
from tasks import predictions
from tasks.scoring import Answers, Outputs

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CHAMPION, CHALLENGER = Model("a" * 64, "1", "heuristic"), Model("b" * 64, "2", "boosting")
CANARY = State("toy", 7, stage=Stage.CANARY, rollout=3, epoch=9, share=0.25, champion=CHAMPION, challenger=CHALLENGER)


def _answers(n: int, *, score: float = 0.25) -> Answers:
    odd = np.arange(n) % 2 == 1
    champion = Outputs(np.full(n, score), np.zeros(n), np.full(n, None, dtype=object))
    rival = Outputs(np.where(odd, 0.75, np.nan), np.where(odd, 1.0, np.nan), np.where(odd, None, "ValueError"))
    return Answers(champion, rival, odd, 0.25, np.where(odd, 0.75, score), odd.astype(float))


def _labels(rows: pd.DataFrame, label=1.0, *, known_at) -> pd.DataFrame:
    times = pd.Series([known_at] * len(rows)).astype("datetime64[us, UTC]")
    return pd.DataFrame({"key": rows["id"].to_numpy(), "label": label, "known_at": times})


def _cohort(toy, now, **more):
    return predictions.cohort(toy, since=START, now=now, **more)


def test_a_row_is_kept_as_both_models_and_the_route_made_it(home, toy, toy_rows):
    rows = toy_rows(4)
    assert predictions.log(toy, CANARY, rows, _answers(4)) == 4
    found = _cohort(toy, START + 9 * DAY)
    assert found["key"].tolist() == ["0", "1", "2", "3"]
    assert (found["event_time"] == rows["at"]).all()
    assert found["entity"].tolist() == rows["customer"].astype(str).tolist()
    assert found["role"].tolist() == ["champion", "challenger"] * 2
    assert set(found["champion"]) == {CHAMPION.sha256}
    assert (found["probability"] == 0.25).all()
    assert found["champion_score"].tolist() == [0.25] * 4
    assert found["rival_score"].isna().tolist() == [True, False, True, False]
    assert found["rival_error"].isna().tolist() == [False, True, False, True]
    assert found["label"].isna().all()


def test_a_row_logged_again_stays_as_it_was(home, toy, toy_rows):
    rows = toy_rows(4)
    predictions.log(toy, CANARY, rows.head(3), _answers(3))
    predictions.log(toy, CANARY, rows, _answers(4, score=0.99))
    assert _cohort(toy, START + 9 * DAY)["champion_score"].tolist() == [0.25, 0.25, 0.25, 0.99]


def test_logging_nothing_is_nothing(home, toy, toy_rows):
    assert predictions.log(toy, CANARY, toy_rows(4).head(0), _answers(0)) == 0
    assert len(_cohort(toy, START + 9 * DAY)) == 0
    assert predictions.served(toy, since=START, until=START + DAY).empty


def test_a_cohort_holds_only_rows_older_than_the_maturity(home, toy, toy_rows):
    predictions.log(toy, CANARY, toy_rows(48), _answers(48))
    now = START + toy.framing.maturity + 10 * HOUR
    assert _cohort(toy, now)["key"].tolist() == [str(n) for n in range(10)]
    assert len(_cohort(toy, now, matured=False)) == 48
    assert len(_cohort(toy, START + 10 * HOUR, matured=False)) == 10  # none from after now


def test_a_cohort_comes_in_order_of_prediction_and_not_of_arrival(home, toy, toy_rows):
    rows = toy_rows(24)
    for part in (rows.tail(12), rows.head(12)):
        predictions.log(toy, CANARY, part, _answers(12))
    predictions.log_labels(toy, _labels(rows.tail(5), known_at=START + 25 * HOUR))
    found = _cohort(toy, START + 9 * DAY)
    assert found["event_time"].is_monotonic_increasing
    assert found["key"].tolist() == [str(n) for n in range(24)]


def test_a_cohort_is_of_one_rollout_and_its_stages(home, toy, toy_rows):
    rows = toy_rows(24)
    for n, (stage, rollout) in enumerate([(Stage.SHADOW, 3), (Stage.CANARY, 3), (Stage.SHADOW, 2)]):
        state = State("toy", stage=stage, rollout=rollout, champion=CHAMPION, challenger=CHALLENGER)
        predictions.log(toy, state, rows.iloc[8 * n : 8 * n + 8], _answers(8))
    now = START + 9 * DAY
    assert len(_cohort(toy, now)) == 24
    assert len(_cohort(toy, now, rollout=3)) == 16
    assert len(_cohort(toy, now, rollout=3, stages=("SHADOW",))) == 8
    assert len(_cohort(toy, now, stages=("SHADOW", "CANARY"))) == 24


def test_of_two_labels_the_latest_that_was_known_by_then_counts(home, toy, toy_rows):
    rows = toy_rows(2)
    predictions.log(toy, CANARY, rows, _answers(2))
    # A correction arrives before the first word of it, as batches do.
    predictions.log_labels(toy, _labels(rows, 0.0, known_at=START + 6 * DAY))
    predictions.log_labels(toy, _labels(rows, 1.0, known_at=START + 4 * DAY))
    seen = {days: set(_cohort(toy, START + days * DAY)["label"].dropna()) for days in (3, 4, 5, 6, 7)}
    assert seen == {3: set(), 4: set(), 5: {1.0}, 6: {1.0}, 7: {0.0}}


_names = itertools.count()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(delays=st.lists(st.integers(1, 150), min_size=12, max_size=12), at=st.integers(1, 200))
def test_no_label_is_used_before_it_was_known(home, toy, toy_rows, delays, at):
    mine = dataclasses.replace(toy, name=f"toy {next(_names)}")  # examples share the log
    rows = toy_rows(12, label_hours=np.array(delays))
    predictions.log(mine, CANARY, rows, _answers(12))
    predictions.log_labels(mine, rows.rename(columns={"id": "key", "label_at": "known_at"}))
    now = START + at * HOUR
    found = _cohort(mine, now, matured=False)
    asked = rows[rows["at"] < now]
    assert found["key"].tolist() == asked["id"].astype(str).tolist()
    np.testing.assert_array_equal(found["label"], asked["label"].where(asked["label_at"] < now))


def test_labels_logged_again_change_nothing(home, toy, toy_rows):
    rows = toy_rows(5)
    predictions.log(toy, CANARY, rows, _answers(5))
    for label in (1.0, 0.0):  # the same moment again: the first word stays
        predictions.log_labels(toy, _labels(rows, label, known_at=START + DAY))
    assert _cohort(toy, START + 9 * DAY)["label"].tolist() == [1.0] * 5


def test_problems_do_not_mix(home, toy, toy_rows):
    rows, other = toy_rows(5), dataclasses.replace(toy, name="other")
    predictions.log(toy, CANARY, rows, _answers(5))
    predictions.log_labels(other, _labels(rows, known_at=START + DAY))
    assert len(_cohort(other, START + 9 * DAY)) == 0
    assert _cohort(toy, START + 9 * DAY)["label"].isna().all()


def test_what_was_served_is_what_went_out(home, toy, toy_rows):
    predictions.log(toy, CANARY, toy_rows(6), _answers(6))
    found = predictions.served(toy, since=START + HOUR, until=START + 4 * HOUR)
    assert found["key"].tolist() == ["1", "2", "3"]
    assert found["answer_score"].tolist() == [0.75, 0.25, 0.75]


@pytest.mark.parametrize("stage", [Stage.HEALTHY, Stage.RETRAIN])
def test_a_champion_alone_leaves_the_rivals_columns_empty(home, toy, toy_rows, stage):
    said = _answers(3)
    alone = Answers(said.champion, None, np.zeros(3, dtype=bool), 0.0, said.champion.score, said.champion.decision)
    state = State("toy", stage=stage, champion=CHAMPION, previous=CHALLENGER)
    predictions.log(toy, state, toy_rows(3), alone)
    found = _cohort(toy, START + 9 * DAY)
    assert found[["rival_score", "rival_decision", "rival_error"]].isna().all(axis=None)
    assert set(found["role"]) == {"champion"}
