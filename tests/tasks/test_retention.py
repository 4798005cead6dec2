"""Is what is old no longer kept, and is no row ever lost or kept twice, wherever the process is killed?"""

from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import PerennialError
from schemas.plans import ServingPlan
from tasks import archives, predictions, retention
from tasks.journal import Journal
from tasks.labels import take_in
from tests.tasks.kept import (
    DAY,
    NOW,
    PLAN,
    Row,
    archived,
    beside,
    everything,
    fresh,
    killed_at,
    logged,
    table,
)

OPEN = 2  # rollouts 0 and 1 are over
rows = st.builds(
    Row,
    days=st.sampled_from([1, 9, 11, 29, 31, 45, 75, 120]),
    rollout=st.integers(0, 3),
    labelled=st.booleans(),
    gateway=st.booleans(),
    same_request=st.booleans(),
)
histories = st.lists(rows, min_size=1, max_size=10)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(retention, "_FILE", 3)
    monkeypatch.setattr(retention, "_BATCH", 2)


def _archive(problem, open_rollout=OPEN):
    return retention.archive(problem, now=NOW, open_rollout=open_rollout)


def _check(problem, history):
    """What the plan says of each row, reckoned row by row."""
    gone = {n for n, row in enumerate(history) if row.days > 30 and row.rollout < OPEN}
    assert {int(key[1:]) for key in archived(problem, "predictions")["key"]} == gone
    labels = {n for n in gone if history[n].labelled and history[n].days > 30.5}
    assert {int(key[1:]) for key in archived(problem, "labels")["key"]} == labels
    kept = table(problem, "predictions")
    asked = {n for n, row in enumerate(history) if row.gateway and not (row.days > 10 and row.rollout < OPEN)}
    assert {int(x) for x in table(problem, "features")["x"]} == asked
    requests = {int(r) for r in kept["request"] if r}
    halved = {int(r) for r in archived(problem, "predictions")["request"]}
    assert {int(r) for r in table(problem, "client_ids")["request"]} == requests - halved


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(history=histories, kills=st.lists(st.integers(0, 60), max_size=4))
def test_killed_anywhere_and_run_again_no_row_is_lost_and_none_is_archived_twice(log_home, toy, history, kills):
    problem = fresh(toy)
    logged(problem, history)
    before = {kind: everything(problem, kind) for kind in ("predictions", "labels")}
    for step in [*kills, 10**6]:
        with killed_at(step):
            _archive(problem)
        for kind, was in before.items():
            assert everything(problem, kind) == was
    _check(problem, history)
    assert not archives.begun(problem.name)


def test_no_step_at_which_it_is_killed_loses_a_row(home, toy):
    history = [Row(45), Row(45, same_request=True), Row(5)]
    step, ended = 0, False
    while not ended:
        problem = fresh(toy)
        logged(problem, history)
        before = {kind: everything(problem, kind) for kind in ("predictions", "labels")}
        with killed_at(step) as calls:
            _archive(problem)
        ended = calls[-1] != "killed"
        assert {kind: everything(problem, kind) for kind in before} == before, f"killed at {calls[-2:]}"
        _archive(problem)
        assert {kind: everything(problem, kind) for kind in before} == before, f"killed at {calls[-2:]}"
        _check(problem, history)
        step += 1
    assert step > 50, "there are that many steps"


def test_a_second_run_finds_nothing(log_home, toy):
    problem = fresh(toy)
    logged(problem, [Row(40), Row(50), Row(5)])
    first = _archive(problem)
    assert (first.features, first.answers, first.labels, first.beside) == (2, 2, 2, 2)
    assert [file.name[:19] for file in first.files] == [
        "predictions-2026-01",
        "predictions-2026-02",
        "labels-2026-01-" + first.files[2].name[15:19],
        "labels-2026-02-" + first.files[3].name[15:19],
    ]
    assert _archive(problem) == retention.Archived(0, 0, 0, ())


def test_another_problem_of_the_same_log_is_left_alone(log_home, toy):
    mine, other = fresh(toy), fresh(toy)
    for problem in (mine, other):
        logged(problem, [Row(40), Row(5)])
        beside(problem, 60, 0)
    _archive(mine)
    assert len(table(other, "predictions")) == len(table(other, "labels")) == len(table(other, "features")) == 2
    assert len(table(other, "counts")) == len(table(other, "trips")) == 1


def test_a_rollout_under_way_keeps_rows_labels_features_ids_counts_and_trips(log_home, toy):
    problem = fresh(toy)
    logged(problem, [Row(100, rollout=1), Row(90, rollout=2), Row(40, rollout=3)])
    for days, rollout in ((95, 1), (80, 2)):
        beside(problem, days, rollout)
    _archive(problem)
    assert table(problem, "predictions")["rollout"].tolist() == [2, 3]
    assert table(problem, "labels")["key"].tolist() == ["k1", "k2"]
    assert len(table(problem, "features")) == len(table(problem, "client_ids")) == 2
    assert table(problem, "trips")["rollout"].tolist() == [2]
    assert len(table(problem, "counts")) == 1, "the count since its first row is its evidence"
    _archive(problem, open_rollout=4)
    assert len(table(problem, "predictions")) == len(table(problem, "trips")) == len(table(problem, "counts")) == 0


def test_a_label_stays_while_an_answer_of_its_key_does(log_home, toy):
    problem = fresh(toy)
    logged(problem, [Row(40, gateway=False), Row(40)])
    logged(problem, [Row(3)])  # k0 again, asked of a gateway
    _archive(problem)
    assert archived(problem, "labels")["key"].tolist() == ["k1"]
    assert set(table(problem, "labels")["key"]) == {"k0"}


def test_a_label_of_a_key_that_nobody_asked_about_is_archived_when_it_is_old(log_home, toy):
    problem = fresh(toy)
    logged(problem, [Row(40)])
    take_in(problem, [("stranger", 1, NOW - 50 * DAY), ("new", 1, NOW - DAY)], now=NOW)
    _archive(problem)
    assert set(archived(problem, "labels")["key"]) == {"k0", "stranger"}
    assert table(problem, "labels")["key"].tolist() == ["new"]


def test_a_repeated_client_id_never_gets_half_of_an_answer(log_home, toy):
    problem = fresh(toy)
    logged(problem, [Row(40), Row(5, same_request=True)])
    client_id = table(problem, "client_ids")["client_id"][0]
    journal = Journal(problem, [])
    assert journal.known([client_id])
    _archive(problem)
    assert not journal.known([client_id])
    journal.close()


def test_a_plan_may_keep_answers_for_less_time_than_features(log_home, toy):
    problem = fresh(toy, ServingPlan(keep_features=90 * DAY, keep_answers=30 * DAY))
    logged(problem, [Row(40), Row(5)])
    assert _archive(problem).features == 1
    assert table(problem, "features")["x"].tolist() == [1.0]


def test_an_archived_row_is_word_for_word_what_was_logged(log_home, toy):
    problem = fresh(toy)
    logged(problem, [Row(40), Row(41), Row(42, gateway=False)])
    before = everything(problem, "predictions")
    _archive(problem)
    assert table(problem, "predictions").empty
    assert everything(problem, "predictions") == before


def test_months_begin_in_utc_and_no_file_holds_two(log_home, toy):
    problem = fresh(toy)
    edge = (NOW - datetime(2026, 1, 1, tzinfo=UTC)).days
    logged(problem, [Row(days) for days in (edge, edge + 1, edge + 2, edge + 32)])
    months = {file.name.split("-", 1)[1][:7] for file in _archive(problem).files if file.name.startswith("p")}
    assert months == {"2025-11", "2025-12", "2026-01"}
    for file in archives.files(problem.name, "predictions"):
        times = pd.to_datetime(archives.read(file)["event_time"].astype("int64"), unit="us", utc=True)
        assert set(times.dt.strftime("%Y-%m")) == {file.name.split("-", 1)[1][:7]}


def test_a_file_that_does_not_read_back_deletes_nothing(log_home, toy, monkeypatch):
    problem = fresh(toy)
    logged(problem, [Row(40), Row(41)])
    real = archives.pd.read_parquet
    monkeypatch.setattr(archives.pd, "read_parquet", lambda *args, **more: real(*args, **more).head(1))
    with pytest.raises(PerennialError, match="holds 1 rows as read back"):
        _archive(problem)
    assert len(table(problem, "predictions")) == 2


def test_a_damaged_file_that_was_begun_deletes_nothing(log_home, toy):
    problem = fresh(toy)
    logged(problem, [Row(40), Row(41)])
    step = 0
    while not archives.begun(problem.name):
        with killed_at(step):
            _archive(problem)
        step += 1
    (begun,) = archives.begun(problem.name)
    begun.write_bytes(begun.read_bytes()[:-1])
    with pytest.raises(PerennialError, match="no longer hashes to its name"):
        _archive(problem)
    assert len(table(problem, "predictions")) == 2


def test_a_full_disk_is_one_sentence_and_loses_nothing(log_home, toy, monkeypatch):
    problem = fresh(toy)
    logged(problem, [Row(40)])

    def full(*_args, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archives.pd.DataFrame, "to_parquet", full)
    with pytest.raises(PerennialError, match=r"No space left on device.*run again"):
        _archive(problem)
    assert len(table(problem, "predictions")) == 1


def test_two_archivings_of_one_problem_never_run_at_once(home, toy):
    problem = fresh(toy)
    with archives.alone(problem.name), pytest.raises(PerennialError, match="by another process"):
        _archive(problem)
    _archive(problem)


def test_a_problem_that_never_answered_anything_has_nothing_to_archive(home, toy):
    assert _archive(fresh(toy)) == retention.Archived(0, 0, 0, ())


def test_what_is_archived_is_in_no_cohort_and_the_rest_is(home, toy):
    problem = fresh(toy)
    logged(problem, [Row(40), Row(5)])
    _archive(problem)
    found = predictions.cohort(problem, since=NOW - 400 * DAY, now=NOW)
    assert found["key"].tolist() == ["k1"]
    assert found["label"].tolist() == [1.0]
    assert PLAN.keep_answers == 30 * DAY
