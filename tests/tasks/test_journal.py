"""Is what a gateway writes there, once, and whole, also when the database goes away and comes back?"""

import dataclasses
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from schemas.rows import ANSWER
from schemas.settings import Settings
from tasks import database, journal, predictions
from tasks.journal import Group, Journal, JournalError, Numbers, RepeatedIdError, Trip
from tasks.spill import Spill

NOW = datetime(2024, 1, 10, tzinfo=UTC)
FEATURES = (("x", "real"), ("kind", "text"))


@pytest.fixture
def log(home, toy):
    made = Journal(toy, FEATURES)
    yield made
    made.close()


def _answer(number: int, position: int = 0, **more):
    row = dict.fromkeys(ANSWER)
    row |= {"problem": "toy", "key": f"{number:x}", "entity": "e", "event_time": number, "rollout": 1, "epoch": 2}
    row |= {"stage": "SHADOW", "role": "champion", "probability": 0.0, "champion": "a" * 64, "rival": "b" * 64}
    row |= {"champion_score": 0.25, "champion_decision": 0.0, "answer_score": 0.25, "answer_decision": 0.0}
    row |= {"request": number, "position": position, "version": "3"}
    return tuple((row | more)[name] for name in ANSWER)


class _Raising:
    """A statement that fails when it is looked at."""

    def __init__(self, error):
        self.error = error

    def __iter__(self):
        raise self.error


def _sql(query: str):
    with sqlite3.connect(Settings().root / "predictions.db") as connection:
        return connection.execute(query).fetchall()


def test_what_was_written_is_there_after_the_process_is_gone(log, home):
    log.write(Group(answers=[_answer(7)], features=[(7, 0, 0.5, "a")], ids=[("mine", 7, "p")]))
    assert _sql("select request, version, champion_score from predictions") == [(7, "3", 0.25)]
    assert _sql("select * from features_toy") == [(7, 0, 0.5, "a")]
    assert log.known(["mine", "other"]) == {"mine": (7, "p")}
    assert [row["answer_score"] for row in log.answered(7)] == [0.25]


def test_a_group_written_twice_is_there_once(log):
    for _ in range(2):
        log.write(Group(answers=[_answer(7)], features=[(7, 0, 0.5, "a")]))
    assert _sql("select count(*) from predictions") == _sql("select count(*) from features_toy") == [(1,)]


def test_of_two_gateways_that_answer_one_id_the_second_writes_nothing(log):
    log.write(Group(answers=[_answer(7)], ids=[("mine", 7, "p")]))
    with pytest.raises(RepeatedIdError):
        log.write(Group(answers=[_answer(8)], ids=[("mine", 8, "p")]))
    assert _sql("select request from predictions") == [(7,)]
    log.write(Group(answers=[_answer(9)]))
    assert _sql("select request from predictions") == [(7,), (9,)]


def test_a_shadow_score_joins_its_row_and_never_changes_one_that_was_said(log, toy):
    log.write(Group(answers=[_answer(7), _answer(8)]))
    log.write(Group(rival=[(0.75, 1.0, None, None, 7, 0), (None, None, "ValueError", None, 8, 0)]))
    log.write(Group(rival=[(0.1, 0.0, None, None, 7, 0), (0.1, 0.0, None, None, 8, 0)]))
    said = _sql("select rival_score, rival_decision, rival_error from predictions order by request")
    assert said == [(0.75, 1.0, None), (None, None, "ValueError")]


def test_a_trip_is_written_once_and_read_with_its_moment(log, toy):
    trip = Trip(3, "b" * 64, NOW, "errors")
    log.write(Group(trips=[trip, trip]))
    log.write(Group(trips=[dataclasses.replace(trip, reason="again")]))
    assert journal.trips(toy, 3) == [trip]
    assert journal.trips(toy, 4) == []


def test_refusals_are_counted_by_reason(log, toy):
    log.write(Group(counts=[("refused", "x: in_range", 2), ("refused", "x: in_range", 1), ("dropped", "rival", 9)]))
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    assert journal.refused_since(toy, now - hour, now + hour) == {"x: in_range": 3}
    assert journal.refused_since(toy, now - 2 * hour, now - hour) == {}


def test_a_contract_that_grew_adds_its_column(log, home, toy):
    log.write(Group(features=[(7, 0, 0.5, "a")]))
    grown = Journal(toy, (*FEATURES, ("more", "whole")))
    grown.write(Group(features=[(8, 0, 0.5, "a", 3)]))
    grown.close()
    assert _sql("select request, more from features_toy") == [(7, None), (8, 3)]


def test_a_database_that_goes_away_is_said_and_comes_back(log, monkeypatch):
    log.write(Group(answers=[_answer(7)]))
    broken = sqlite3.connect(Settings().root / "predictions.db", isolation_level=None)
    broken.execute("alter table predictions rename to away")
    with pytest.raises(JournalError, match="cannot be written"):
        log.write(Group(answers=[_answer(8)]))
    broken.execute("alter table away rename to predictions")
    broken.close()
    log.write(Group(answers=[_answer(8)]))
    assert _sql("select request from predictions") == [(7,), (8,)]


@pytest.mark.parametrize("refused", [
    sa.exc.DataError("insert", {}, ValueError("out of range")),
    sa.exc.StatementError("a value of no known type", "insert", {}, TypeError()),
])  # fmt: skip
def test_a_value_that_the_database_refuses_is_no_database_that_is_away(log, monkeypatch, refused):
    log.write(Group(answers=[_answer(7)]))
    connection = log._connection
    with monkeypatch.context() as refusing:
        refusing.setattr(log, "_put_trips", _Raising(refused))
        with pytest.raises(type(refused)):
            log.write(Group(answers=[_answer(8)], trips=[Trip(3, "b" * 64, NOW, "errors")]))
    log.write(Group(answers=[_answer(9)]))
    assert log._connection is connection, "it was there all the time"
    assert _sql("select request from predictions") == [(7,), (9,)]


def test_a_number_that_no_column_holds_fails_its_own_group_on_either_engine(log_home, toy):
    log = Journal(toy, FEATURES)
    with pytest.raises((sa.exc.DataError, OverflowError)):
        log.write(Group(counts=[("refused", "x", 2**70)]))
    log.write(Group(counts=[("refused", "x", 1)]))
    now = datetime.now(UTC)
    assert journal.refused_since(toy, now - timedelta(hours=1), now + timedelta(hours=1)) == {"x": 1}
    log.close()


def test_a_database_that_cannot_be_opened_is_said(home, toy, monkeypatch):
    (home / "dir.db").mkdir()
    monkeypatch.setenv("PERENNIAL_LOG_URL", f"sqlite:///{home}/dir.db")
    with pytest.raises(JournalError):
        Journal(toy, FEATURES).register(NOW)


def test_a_request_number_never_comes_twice_and_rises(monkeypatch):
    clock = iter([5_000, 5_000, 4_000, 9_000])
    monkeypatch.setattr(journal.time, "time_ns", lambda: next(clock) * 1_000)
    one = Numbers(replica=4_098)
    found = [one.next() for _ in range(4)]
    assert found == sorted(set(found))
    assert {n % 4_096 for n in found} == {2}
    assert found[-1] == 9_000 * 4_096 + 2


def test_every_gateway_gets_a_number_of_its_own(log):
    assert log.register(NOW) != log.register(NOW)


@given(st.lists(st.integers(1, 9), max_size=4), st.integers(0, 400))
def test_a_spill_file_cut_anywhere_gives_back_whole_groups_only(tmp_path_factory, sizes, cut):
    spill = Spill(tmp_path_factory.mktemp("spill"))
    groups = [
        Group(
            answers=[_answer(10 * n + i) for i in range(size)], trips=[Trip(n, "m", NOW, "why")], counts=[("a", "b", 1)]
        )
        for n, size in enumerate(sizes)
    ]
    for group in groups:
        spill.add(group)
    if not groups:
        assert spill.files() == []
        assert not spill.waiting()
        return
    (file,) = spill.files()
    file.write_bytes(file.read_bytes()[: -1 - cut] if cut else file.read_bytes())
    left = list(spill.take_back())
    assert left == groups[: len(left)]
    assert cut or left == groups
    assert not spill.waiting()


def test_what_the_version_before_spilled_is_taken_in_as_decisions_that_nobody_drew(log, tmp_path):
    spill = Spill(tmp_path)
    before = ANSWER.index("propensity")
    assert before == len(ANSWER) - 2, "what was spilled before is the beginning of what is spilled now"
    spill.add(Group(answers=[_answer(1)[:before]]))
    for group in spill.take_back():
        log.write(group)
    assert _sql("select request, propensity, explored from predictions") == [(1, 1.0, 0)]


def test_a_file_that_another_gateway_writes_to_is_left_to_it(tmp_path):
    one, other = Spill(tmp_path), Spill(tmp_path)
    one.add(Group(answers=[_answer(1)]))
    other.add(Group(answers=[_answer(2)]))
    assert [group.answers[0][23] for group in other.take_back()] == [2]
    assert len(one.files()) == 1
    assert [group.answers[0][23] for group in one.take_back()] == [1]
    assert not one.waiting()


def test_a_spilled_file_goes_only_when_all_of_it_was_taken_in(tmp_path):
    spill = Spill(tmp_path)
    for number in (1, 2):
        spill.add(Group(answers=[_answer(number)]))
    half = spill.take_back()
    next(half)
    half.close()
    assert len(spill.files()) == 1
    assert len(list(spill.take_back())) == 2


def test_a_cohort_has_the_first_answer_of_a_key_and_the_turns_rows_beside(log, toy, toy_rows):
    moment = round(NOW.timestamp() * 1e6)
    same = {"key": "42", "event_time": moment}
    log.write(Group(answers=[_answer(8, **same, answer_decision=1.0), _answer(9, **same, champion_decision=1.0)]))
    rows = predictions.cohort(toy, since=NOW - timedelta(days=1), now=NOW + timedelta(days=9))
    assert rows["key"].tolist() == ["42"]
    assert rows["champion_decision"].tolist() == [0.0]
    assert predictions.answered(toy, since=NOW, until=NOW + timedelta(days=1)) == (2, 0)
    database.close_databases()
