"""Do late, copied and half-empty rows hold the loop, and call for no retrain?"""

import re
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from flows import faults
from flows.replay import plain_turn
from flows.trust import requests_trusted, training_trusted
from flows.turn import Turn
from schemas.columns import about
from schemas.rows import State
from schemas.stage import Stage
from schemas.verdict import Outcome
from tasks import windows
from tests.flows import made
from tests.flows.test_faults import change
from tests.flows.test_turns import DAY, newest, state

START = made.START
NOW = START + 49 * DAY


@pytest.fixture
def problem(home):
    """Seven weeks of readings whose `x` may be missing."""
    contract = made.PROBLEM.contract.update_column("x", nullable=True)
    contract = contract.update_column("kind", checks=[], metadata=about(personal=True))
    return replace(made.PROBLEM, contract=contract)


def _judge(problem, edit=lambda frame: frame):
    frame = edit(made.readings(days=49, per_day=60))
    windows.materialise(problem, frame)
    week = (NOW - 7 * DAY, NOW)
    return requests_trusted(problem, since=week[0], now=NOW, closed=week), training_trusted(problem, until=NOW)


def _lost(share, *, since):
    def edit(frame):
        gone = (frame["at"] >= since) & (np.random.default_rng(1).random(len(frame)) < share)
        return frame.assign(x=frame["x"].where(~gone))

    return edit


def test_weeks_as_they_always_were_are_trusted(problem):
    for verdict in _judge(problem):
        assert verdict.outcome is Outcome.PASS


@pytest.mark.parametrize(
    "edit, expected",
    [
        (_lost(0.03, since=NOW - 7 * DAY), Outcome.PASS),
        (_lost(0.3, since=NOW - 7 * DAY), Outcome.PASS),
        (_lost(0.6, since=NOW - 7 * DAY), Outcome.FAIL),
        (_lost(0.8, since=START), Outcome.PASS),  # it always was
    ],
    ids=["a few per cent", "a third", "most", "always"],
)
def test_half_of_a_column_gone_is_a_fault_of_the_window(problem, edit, expected):
    for verdict in _judge(problem, edit):
        assert verdict.outcome is expected
        assert expected is Outcome.PASS or "x in 6" in verdict.reason


def test_a_day_that_came_twice_under_new_keys_is_a_fault(problem):
    def copied(frame):
        day = frame[(frame["at"] >= NOW - 3 * DAY) & (frame["at"] < NOW - 2 * DAY)]
        again = day.assign(id=day["id"] + 1_000_000, at=day["at"] + DAY)
        rest = frame[(frame["at"] < NOW - 2 * DAY) | (frame["at"] >= NOW - DAY)]
        return pd.concat([rest, again], ignore_index=True)

    for verdict in _judge(problem, copied):
        assert verdict.outcome is Outcome.FAIL
        assert "2024-02-17 holds what 2024-02-16 held" in verdict.reason


def test_a_table_that_repeats_itself_by_nature_holds_no_copies(problem):
    def alike(frame):
        day = frame[frame["at"] < START + DAY]
        columns = {name: np.resize(day[name].to_numpy(), len(frame)) for name in ("x", "z", "kind")}
        return frame.assign(**columns).astype({"kind": str})

    for verdict in _judge(problem, alike):
        assert verdict.outcome is Outcome.PASS


def test_texts_read_with_the_wrong_letters_are_a_fault_and_are_not_shown(problem):
    def garbled(frame):
        return frame.assign(kind=frame["kind"].where(frame["at"] < NOW - 7 * DAY, "Ã¼" + frame["kind"]))

    for verdict in _judge(problem, garbled):
        assert verdict.outcome is Outcome.FAIL
        assert "kind: 2 in 100.0% of the rows" in verdict.reason
        assert "Ã" not in verdict.reason


@pytest.mark.parametrize("share, expected", [(0.03, Outcome.PASS), (0.2, Outcome.FAIL)])
def test_rows_that_no_window_holds_are_counted(problem, share, expected):
    def undated(frame):
        return frame.assign(at=frame["at"].mask(np.random.default_rng(1).random(len(frame)) < share))

    verdict = _judge(problem, undated)[0]
    assert verdict.outcome is expected
    assert verdict.evidence["dated.undated"] > 0
    assert expected is Outcome.PASS or "at: not_nullable" in verdict.reason


def test_what_is_missing_and_no_fault_is_noted(problem, tmp_path):
    windows.materialise(problem, _lost(0.2, since=START)(made.readings(days=49, per_day=60)))
    stood = State(problem.name, 7, stage=Stage.HEALTHY, since=NOW - 14 * DAY, turned=NOW - 7 * DAY)
    notes: dict[str, str] = {}
    with made.added(problem, tmp_path):
        assert faults._untrusted(Turn(problem.name, stood, NOW), notes) is None
    assert re.fullmatch(r"missing x in [12]\d\.\d% of the rows", notes["noted"])


def test_the_loop_holds_when_a_day_did_not_come_and_goes_on_afterwards(at):
    now = at("HEALTHY")
    gone = now + 2 * DAY
    change(lambda frame: frame[(frame["paid_at"] < gone) | (frame["paid_at"] >= gone + 2 * DAY)])
    plain_turn("fraud", now + timedelta(days=6))
    assert (state().stage, newest().facts["outcome"]) == (Stage.HEALTHY, "WAIT")
    assert "data fault, holding: unusual volume: 0 rows" in newest().notes["reason"]
    plain_turn("fraud", now + timedelta(days=7))
    assert state().stage is Stage.RETRAIN, "the first model is wanted, and the newest day came"


def test_no_challenger_is_trained_on_a_day_that_came_twice(at):
    now = at("RETRAIN")
    until = windows.aware(now, "now") - made_maturity()
    copied = until.replace(hour=0, minute=0, second=0, microsecond=0) - 2 * DAY

    def edit(frame):
        before = frame[(frame["paid_at"] >= copied - DAY) & (frame["paid_at"] < copied)]
        again = before.assign(payment_id=before["payment_id"] + 10_000_000, paid_at=before["paid_at"] + DAY)
        again["fraud_known_at"] = again["fraud_known_at"] + DAY
        rest = frame[(frame["paid_at"] < copied) | (frame["paid_at"] >= copied + DAY)]
        return pd.concat([rest, again], ignore_index=True)

    change(edit)
    plain_turn("fraud", now)
    assert (state().stage, newest().facts["arrow"]) == (Stage.HEALTHY, "FAIL")
    assert "data fault: the same rows came twice" in newest().notes["reason"]


def made_maturity():
    from tests.flows.test_turns import PROBLEM

    return PROBLEM.framing.maturity
