"""On a real log: is a feature that clients compute another way found and named, and nothing else?"""

import dataclasses
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from flows.__main__ import main
from flows.faults import skewed
from flows.monitoring import watch
from flows.skew import skew
from flows.turn import Turn
from schemas.plans import ServingPlan
from schemas.rows import State
from schemas.verdict import Outcome
from tasks import windows
from tasks.feature_equality import compared
from tasks.journal import ANSWER, Group, Journal
from tests.flows import made
from tests.tasks import featured
from tests.tasks.featured import DAY, FEATURES, START

END = START + 9 * DAY


@pytest.fixture
def problem(home):
    made = featured.problem(FEATURES[:11])
    windows.materialise(made, featured.rows(300, seed=3))
    return made


def _serve(problem, rows: pd.DataFrame) -> None:
    """Log `rows` as a gateway does that was asked with them."""
    kinds = [(name, rows[name].dtype.kind) for name in problem.asked if name in rows]
    answers, features = [], []
    plain = rows.astype(object).where(rows.notna(), None)
    for number, row in enumerate(plain.to_dict("records"), start=1):
        given = dict.fromkeys(ANSWER) | {
            "problem": problem.name, "key": str(row["id"]), "event_time": round(row["at"].timestamp() * 1e6),
            "entity": str(row["shop"]), "rollout": 0, "epoch": 1, "stage": "HEALTHY", "role": "champion", "probability": 1.0,
            "champion": "a" * 64, "answer_score": 0.1, "answer_decision": 0.0, "request": number, "position": 0,
        }  # fmt: skip
        answers.append(tuple(given[name] for name in ANSWER))
        values = [v.to_pydatetime() if isinstance(v, pd.Timestamp) else v for v in (row[name] for name, _ in kinds)]
        features.append((number, 0, *values))
    journal = Journal(problem, kinds)
    journal.write(Group(answers=answers, features=features))
    journal.close()


def _asked(problem) -> pd.DataFrame:
    return windows.read_requests(problem, START, END)[list(problem.asked)]


def test_features_that_are_those_of_the_table_pass(problem):
    _serve(problem, _asked(problem))
    verdict = skew(problem, START, END)
    assert verdict.outcome is Outcome.PASS
    assert "300 logged rows against the table" in verdict.reason
    assert verdict.evidence["differs amount"] == 0.0


def test_a_change_of_unit_in_one_feature_is_found_and_named(problem):
    rows = _asked(problem)
    _serve(problem, rows.assign(amount_sum_1d=rows["amount_sum_1d"] * 100))
    verdict = skew(problem, START, END)
    assert verdict.outcome is Outcome.FAIL
    assert "amount_sum_1d on " in verdict.reason
    assert "(sent is 100 times computed)" in verdict.reason
    wrong = {name for name, value in verdict.evidence.items() if name.startswith("differs") and value > 0}
    assert wrong == {"differs amount_sum_1d"}


def test_a_client_that_counts_the_row_itself_is_found(problem):
    rows = _asked(problem)
    _serve(problem, rows.assign(orders_1d=rows["orders_1d"] + 1))
    verdict = skew(problem, START, END)
    assert verdict.outcome is Outcome.FAIL
    assert "orders_1d on 100.0%" in verdict.reason


def test_texts_and_missing_values_are_compared_as_well(problem):
    rows = _asked(problem)
    _serve(problem, rows.assign(channel=rows["channel"].str.upper(), amount=rows["amount"].fillna(0.0)))
    verdict = skew(problem, START, END)
    assert "channel on " in verdict.reason
    assert "amount on " in verdict.reason


def test_too_few_rows_or_none_are_no_verdict(problem):
    assert skew(problem, START, END) is None
    _serve(problem, _asked(problem).head(99))
    verdict = skew(problem, START, END)
    assert verdict.outcome is Outcome.WAIT
    assert "99 of 99 logged rows" in verdict.reason


def test_rows_that_the_table_lacks_are_said_to_be_missing(problem):
    rows = _asked(problem)
    _serve(problem, rows.assign(id=rows["id"] + 1_000_000))
    verdict = skew(problem, START, END)
    assert verdict.outcome is Outcome.WAIT
    assert "0 of 300 logged rows are in the table" in verdict.reason


def test_a_difference_within_rounding_is_none():
    table = pd.DataFrame({"id": range(4), "x": [1.0, 0.1, np.nan, 1e9]})
    sent = table.assign(served_key=table["id"].astype(str), x=[1.0 + 1e-9, 0.1, None, 1e9 + 1])
    found = compared(sent, table, ["x"], key="id")
    assert (found.rows, found.asked, found.differences[0].share) == (4, 4, 0.0)
    twice = compared(pd.concat([sent, sent]), pd.concat([table, table]), ["x"], key="id")
    assert twice.rows == 8


def test_the_command_says_what_it_found_and_fails_where_features_differ(problem, tmp_path, capsys):
    soon = dataclasses.replace(problem, name="orders")
    with made.added(soon, tmp_path):
        assert main(["skew", "orders"]) == 0
        assert "no request of orders of the last 7 days" in capsys.readouterr().out
        rows = _asked(soon)
        _serve(soon, rows.assign(amount=rows["amount"] * 100))
        assert main(["skew", "orders", "--days", "40000"]) == 1
        assert "FAIL: asked with other features than it is trained on: amount on " in capsys.readouterr().out


def test_a_skewed_window_holds_and_no_other_is_looked_at(problem, tmp_path):
    served = dataclasses.replace(problem, name="orders", serving=ServingPlan(answered_by="gateway"))
    scored = dataclasses.replace(problem, name="scored")
    rows = _asked(problem)
    for one in (served, scored):
        _serve(one, rows.assign(amount=rows["amount"] * 100))
    span = served.monitoring.window
    state = State("orders", since=START, turned=START + span - timedelta(hours=1))
    notes = {}
    with made.added(served, tmp_path), made.added(scored, tmp_path):
        turn = Turn(name="orders", state=state, now=START + span)
        verdict = skewed(turn, notes)
        assert verdict.outcome is Outcome.FAIL
        assert "amount on " in notes["skew"]
        decision = watch(turn)
        assert decision.verdict.outcome is Outcome.WAIT
        assert decision.verdict.reason.startswith("holding: asked with other features")
        assert skewed(dataclasses.replace(turn, now=START + span - timedelta(minutes=1)), {}) is None
        assert skewed(dataclasses.replace(turn, name="scored"), {}) is None
