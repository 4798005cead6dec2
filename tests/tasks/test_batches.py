"""Is a row of a request answered once, whoever meets there, and is the request what it was when it began?"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from schemas.rows import SCORED, Model, State
from schemas.settings import Settings
from schemas.stage import Stage
from tasks import batches, predictions
from tasks.answerers import answerers
from tasks.database import open_database
from tasks.scoring import Answers, Outputs


@pytest.fixture
def toy(toy):
    """Under a name of its own: tests share PostgreSQL's log."""
    return replace(toy, name=f"toy {uuid4().hex}")


NOW = datetime(2024, 3, 1, tzinfo=UTC)
HEALTHY = State("toy", 7, stage=Stage.HEALTHY, epoch=9, champion=Model("a" * 64, "1", "heuristic"))


def answers(n: int, score: float) -> Answers:
    said = Outputs(np.full(n, score), np.zeros(n), np.full(n, None, dtype=object))
    return Answers(said, None, np.zeros(n, dtype=bool), 0.0, said.score, said.decision)


def rows(toy, frame, score: float) -> list[dict]:
    columns = predictions.as_logged(toy, HEALTHY, frame, answers(len(frame), score))
    return [{**dict(zip(SCORED, row, strict=True)), "version": "1"} for row in zip(*columns.values(), strict=True)]


def begun(toy, request="june", **inputs):
    return batches.pin(toy, request, inputs={"file": "a", **inputs}, route={"epoch": 9}, at=NOW)


def all_of(toy, column="answer_score") -> pd.Series:
    with open_database(Settings().log, "log").connect() as connection:
        query = sa.text(f"SELECT key, request, {column} FROM predictions WHERE problem = '{toy.name}'")
        found = pd.DataFrame(connection.execute(query).all(), columns=["key", "request", column])
    return found.sort_values(["key", "request"]).set_index("key")[column]


def test_of_two_that_begin_one_request_the_first_stands_for_both(log_home, toy):
    assert batches.find(toy, "june") is None
    first = begun(toy)
    assert begun(toy, file="b") == first == batches.find(toy, "june")
    assert (first.inputs, first.route, first.began, first.result) == ({"file": "a"}, {"epoch": 9}, NOW, None)
    batches.close(first, {"rows": 3}, at=NOW + timedelta(hours=1))
    assert batches.find(toy, "june").result == {"rows": 3}
    assert begun(toy, "july").id != first.id


def test_a_part_that_is_logged_again_changes_nothing_and_is_told_as_it_stands(log_home, toy, toy_rows):
    batch, frame = begun(toy), toy_rows(6)
    first = batches.log_part(batch, rows(toy, frame, 0.25))
    again = batches.log_part(batch, rows(toy, frame, 0.75))
    pd.testing.assert_frame_equal(first, again)
    assert first["key"].tolist() == ["0", "1", "2", "3", "4", "5"]
    assert first["answer_score"].tolist() == [0.25] * 6
    assert set(first["asked"]) == {"june"}
    assert all_of(toy).tolist() == [0.25] * 6


def test_who_came_first_has_answered_a_turn_another_request_or_a_gateway(log_home, toy, toy_rows):
    frame = toy_rows(8)
    predictions.log(toy, HEALTHY, frame.iloc[:2], answers(2, 0.1))
    batches.log_part(begun(toy, "may"), rows(toy, frame.iloc[2:4], 0.2))
    with open_database(Settings().log, "log").begin() as connection:
        names = [*SCORED, "version", "request", "position"]
        put = sa.insert(sa.table("predictions", *(sa.column(name) for name in names)))
        gateways = [one | {"request": 77, "position": n} for n, one in enumerate(rows(toy, frame.iloc[4:6], 0.3))]
        connection.execute(put, gateways)
    found = batches.log_part(begun(toy), rows(toy, frame.iloc[::-1], 0.4))
    assert found["key"].tolist() == ["7", "6", "5", "4", "3", "2", "1", "0"], "in the order that was asked"
    assert found["answer_score"].tolist() == [0.4, 0.4, 0.3, 0.3, 0.2, 0.2, 0.1, 0.1]
    assert found["asked"].fillna("–").tolist() == ["june", "june", "–", "–", "may", "may", "–", "–"]
    assert found["request"].tolist() == [0, 0, 77, 77, 0, 0, 0, 0]
    # And the other way round: a turn that comes later logs none of them again.
    predictions.log(toy, HEALTHY, frame.iloc[2:4], answers(2, 0.9))
    assert all_of(toy).tolist() == [0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 0.4]
    assert len(predictions.cohort(toy, since=NOW - timedelta(days=90), now=NOW)) == 8


def test_a_turn_hears_of_the_decisions_that_requests_made_and_of_no_other(log_home, toy, toy_rows):
    frame = toy_rows(6)
    keys = frame["id"].astype(str)
    assert batches.decisions(toy, keys).empty
    predictions.log(toy, HEALTHY, frame.iloc[:2], answers(2, 0.1))
    given = rows(toy, frame.iloc[1:5], 0.2)
    given[-1]["answer_decision"] = None
    batches.log_part(begun(toy), given)
    said = batches.decisions(toy, keys).sort_index()
    assert said.index.tolist() == ["2", "3", "4"]
    assert said.notna().tolist() == [True, True, False]


def test_of_two_that_score_one_row_at_once_one_is_logged_and_both_tell_it(log_home, toy, toy_rows):
    frame = toy_rows(40)
    given = [(begun(toy, f"r{n}"), rows(toy, frame, n / 10)) for n in range(4)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda one: batches.log_part(*one), given))
    stands = all_of(toy)
    assert len(stands) == 40
    for one in found:
        assert one.set_index("key")["answer_score"].sort_index().tolist() == stands.sort_index().tolist()


def test_nothing_to_log_is_nothing(log_home, toy):
    assert batches.log_part(begun(toy), []).empty


@pytest.mark.parametrize(
    "row, role, model",
    [
        ({}, "champion", "a"),
        ({"role": "challenger"}, "challenger", "b"),
        ({"role": "challenger", "rival_decision": None}, "champion", "a"),
        ({"champion_decision": None}, "previous", "b"),  # in probation
        ({"role": "heuristic", "champion_decision": None}, "heuristic", None),  # a gateway's stand-in
        ({"champion_decision": None, "rival_decision": None, "answer_decision": None}, "nobody", None),
        (
            {"champion_decision": None, "answer_decision": None},
            "nobody",
            None,
        ),  # a challenger in shadow never stands in
    ],
)
def test_an_answer_tells_who_gave_it(row, role, model):
    usual = {"role": "champion", "champion": "a", "rival": "b"}
    usual |= {"champion_decision": 1.0, "rival_decision": 0.0, "answer_decision": 1.0}
    found = answerers(pd.DataFrame([usual | row], dtype=object))
    assert found["role"].tolist() == [role]
    assert found["model"].where(found["model"].notna(), None).tolist() == [model]
