"""Does a turn rest on what a gateway logged, act on what its breaker tripped, and wait for the person that the plan wants?"""

from datetime import UTC, datetime, timedelta

import pytest

from flows.operations import revert_now
from flows.replay import plain_turn
from schemas.errors import PerennialError
from schemas.rows import ANSWER, State
from schemas.stage import Stage
from schemas.verdict import Outcome
from tasks import predictions, registry
from tasks.journal import Group, Journal, Trip
from tests.flows.test_turns import DAY, PROBLEM, newest, state, verdicts

PASS, FAIL = Outcome.PASS, Outcome.FAIL


@pytest.fixture
def journal(monkeypatch):
    monkeypatch.setenv("PERENNIAL_SERVING", "gateway")
    made = Journal(PROBLEM, (("amount", "real"),))
    yield made
    made.close()


def _answers(of: State, moments, **more):
    """What a gateway writes of requests under this state, one entity each."""
    for number, moment in enumerate(moments, start=1):
        row = dict.fromkeys(ANSWER) | {"problem": "fraud", "key": f"k{number}", "entity": f"c{number}"}
        row |= {"event_time": round(moment.timestamp() * 1e6), "rollout": of.rollout, "epoch": of.epoch}
        row |= {"stage": str(of.stage), "role": "champion", "probability": 0.0, "champion": of.champion.sha256}
        row |= {"rival": of.challenger.sha256 if of.challenger else None, "version": "1", "latency_ms": 2.0}
        row |= {"champion_score": 0.1, "champion_decision": 0.0, "answer_score": 0.1, "answer_decision": 0.0}
        row |= {"request": number + round(moment.timestamp()) * 4096, "position": 0}
        row |= {name: value(number) if callable(value) else value for name, value in more.items()}
        yield tuple(row[name] for name in ANSWER)


def test_a_live_turn_scores_nothing_that_a_gateway_answers(at, journal):
    now = at("SHADOW")
    before = predictions.cohort(PROBLEM, since=now - 9 * DAY, now=now + 9 * DAY, matured=False)
    journal.write(Group(answers=list(_answers(state(), [now - DAY / 2, now - DAY / 3]))))
    plain_turn("fraud", now)
    after = predictions.cohort(PROBLEM, since=now - 9 * DAY, now=now + 9 * DAY, matured=False)
    assert sorted(set(after["key"]) - set(before["key"])) == ["k1", "k2"]
    assert newest().notes["answered"] == 2
    assert newest().notes["labelled"] > 0, "labels of the table count as well"


def test_a_replay_answers_by_itself_whatever_the_plan_says_of_the_present(at, monkeypatch):
    now = at("SHADOW")
    assert PROBLEM.serving.answered_by == "gateway"
    plain_turn("fraud", now)
    assert newest().notes["answered"] > 100


@pytest.mark.parametrize("stage", ["SHADOW", "CANARY"])
def test_a_trip_of_the_gateway_ends_the_rollout_at_the_next_turn(at, journal, monkeypatch, stage):
    now = at("SHADOW")
    if stage == "CANARY":
        with monkeypatch.context() as quick:
            verdicts(quick, SHADOW=PASS)
            plain_turn("fraud", now)
        now += DAY
    champion, challenger = state().champion, state().challenger
    journal.write(Group(trips=[Trip(state().rollout, challenger.sha256, datetime(2025, 5, 1, tzinfo=UTC), "it broke")]))
    plain_turn("fraud", now)
    assert (state().stage, state().champion, state().challenger) == (Stage.HEALTHY, champion, None)
    assert newest().notes["reason"] == "the gateway's breaker tripped at 2025-05-01 00:00:00 UTC: it broke"
    assert registry.read_route(PROBLEM).challenger is None


def test_a_trip_of_another_rollout_or_another_model_ends_nothing(at, journal):
    now = at("SHADOW")
    other = [
        Trip(state().rollout - 1, state().challenger.sha256, now, "long ago"),
        Trip(state().rollout, state().champion.sha256, now, "another"),
    ]
    journal.write(Group(trips=other))
    plain_turn("fraud", now)
    assert state().stage is Stage.SHADOW


def test_dropped_shadow_scores_are_no_errors_and_too_many_of_them_hold_the_shadow(at, journal):
    now = at("SHADOW")
    moments = [now - DAY / 2 + timedelta(seconds=n) for n in range(100)]

    def said(number):
        return None if number % 4 == 0 else 0.0

    journal.write(Group(answers=list(_answers(state(), moments, rival_score=said, rival_decision=said))))
    plain_turn("fraud", now)
    assert (state().stage, newest().facts["arrow"]) == (Stage.SHADOW, "WAIT")
    assert "25 of 100 answered rows have no score of the model beside" in newest().notes["reason"]


def test_answers_over_the_frozen_limit_roll_a_canary_back(at, journal, monkeypatch):
    now = at("SHADOW")
    journal.write(Group(answers=list(_answers(state(), [now - DAY / 2 + timedelta(seconds=n) for n in range(150)]))))
    with monkeypatch.context() as quick:
        verdicts(quick, SHADOW=PASS)
        plain_turn("fraud", now)
    moments = [now + timedelta(seconds=n) for n in range(1, 201)]
    # One entity in twenty is the challenger's, and only there an answer takes long.
    mixed = {"role": lambda n: "champion" if n % 20 else "challenger", "probability": 0.05, "rival_decision": 0.0}

    def taking(milliseconds, name):
        latency = {"latency_ms": lambda n: 2.0 if n % 20 else milliseconds}
        return mixed | latency | {"key": lambda n: f"{name}{n}", "entity": lambda n: f"{name}{n}"}

    journal.write(Group(answers=list(_answers(state(), moments, **taking(99.0, "a")))))
    plain_turn("fraud", now + DAY)
    assert state().stage is Stage.CANARY, "under the budget nobody is slow, whatever the champion was"
    journal.write(Group(answers=list(_answers(state(), [m + DAY for m in moments], **taking(101.0, "b")))))
    plain_turn("fraud", now + 2 * DAY)
    assert state().stage is Stage.HEALTHY
    assert newest().notes["reason"].startswith("the challenger is slow: 10 of 10 entities with a slow answer")


def test_rows_that_nobody_was_assigned_are_no_evidence_about_arms(at, journal, monkeypatch):
    now = at("SHADOW")
    with monkeypatch.context() as quick:
        verdicts(quick, SHADOW=PASS)
        plain_turn("fraud", now)
    moments = [now + timedelta(seconds=n) for n in range(1, 201)]
    # A replica could not give the challenger to anybody, and its champion raised on some and was slow on others.
    erred = {"champion_error": lambda n: None if n % 20 else "ValueError", "latency_ms": 500.0}
    journal.write(Group(answers=list(_answers(state(), moments, **erred))))
    plain_turn("fraud", now + DAY)
    assert (state().stage, newest().facts["arrow"]) == (Stage.CANARY, "WAIT")
    assert "no entity was assigned to an arm yet" in newest().notes["reason"]


# One command back.


def test_one_command_restores_the_previous_champion_at_once(at, monkeypatch):
    now = at("SHADOW")
    before = state().champion
    with monkeypatch.context() as quick:
        verdicts(quick, SHADOW=PASS, CANARY=PASS, AB=PASS, PROBATION=PASS)
        for days in range(4):
            plain_turn("fraud", now + days * DAY)
    assert state().champion != before
    after = revert_now("fraud", note="it smells", actor="ana", now=now + 4 * DAY)
    assert (after.champion, after.previous, after.stage) == (before, None, Stage.HEALTHY)
    assert registry.read_route(PROBLEM).champion.sha256 == before.sha256
    with pytest.raises(PerennialError, match="no previous champion"):
        revert_now("fraud", note="again", actor="ana", now=now + 4 * DAY)


def test_one_command_ends_a_rollout_under_way(at):
    now = at("SHADOW")
    after = revert_now("fraud", note="stop", actor="ana", now=now)
    assert (after.stage, after.challenger, after.request) == (Stage.HEALTHY, None, None)
