"""The plan's retention as a flow and as a command, and an erasure with its record."""

import asyncio
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from deployments.deploy import declared
from flows.__main__ import main as flows
from flows.retention import _open_rollout, erase, retention
from schemas.errors import PerennialError
from schemas.plans import ServingPlan
from schemas.problem import known_problems, load_problem
from schemas.rows import State
from schemas.stage import Stage
from tasks import archives, ledger
from tests.tasks.kept import NOW, Row, archived, logged, table

FRAUD = load_problem("fraud")
OLD = FRAUD.serving.keep_answers.days + 10


@pytest.fixture
def healthy(home, monkeypatch):
    """A ledger in which two rollouts of fraud are over."""
    state = State("fraud", stage=Stage.HEALTHY, rollout=2)
    monkeypatch.setattr(ledger, "state_of", lambda _name: state)


@pytest.mark.parametrize(
    "stage, first",
    [(Stage.COLD, 4), (Stage.RETRAIN, 4), (Stage.SHADOW, 4), (Stage.PROBATION, 4), (Stage.HEALTHY, 5)],
)
def test_only_when_healthy_the_newest_rollout_is_over(monkeypatch, stage, first):
    monkeypatch.setattr(ledger, "state_of", lambda name: State(name, stage=stage, rollout=4))
    assert _open_rollout("fraud") == first


def test_a_rollout_under_way_keeps_its_rows_in_the_flow(healthy, monkeypatch, prefect_server):
    logged(FRAUD, [Row(OLD, rollout=1), Row(OLD, rollout=2)])
    under_way = replace(ledger.state_of("fraud"), stage=Stage.CANARY)
    monkeypatch.setattr(ledger, "state_of", lambda _name: under_way)
    assert retention("fraud", NOW) == "1 rows of features deleted; 1 answers and 1 labels archived in 2 files"
    assert table(FRAUD, "predictions")["rollout"].tolist() == [2]
    assert len(archived(FRAUD, "predictions")) == 1


def test_the_flow_says_what_went_and_where_it_is(healthy, monkeypatch, prefect_server):
    logged(FRAUD, [Row(OLD), Row(100), Row(5)])
    told = {}
    monkeypatch.setattr("flows.retention.create_markdown_artifact", lambda **said: told.update(said))
    assert retention("fraud", NOW) == "2 rows of features deleted; 1 answers and 1 labels archived in 2 files"
    assert told["key"] == "retention-fraud"
    assert "| answers, archived | 1 |" in told["markdown"]
    for kind in ("predictions", "labels"):
        (file,) = archives.files("fraud", kind)
        assert f"- `{file}`" in told["markdown"]
    assert retention("fraud", NOW).startswith("0 rows of features deleted; 0 answers")


def test_an_erasure_is_recorded_without_the_entity(healthy, home):
    logged(FRAUD, [Row(5, entity="Ann-7f3a"), Row(4)])
    done = erase("fraud", "Ann-7f3a", reason="she asked, ticket 12", actor="kim", now=datetime(2026, 3, 15, tzinfo=UTC))
    text = (home / "erasures.jsonl").read_text()
    assert "Ann" not in text
    assert done.receipt not in text
    line = json.loads(text)
    assert (line["actor"], line["reason"], line["at"]) == ("kim", "she asked, ticket 12", "2026-03-15T00:00:00+00:00")
    assert (line["answers"], line["labels"], line["features"], line["client_ids"]) == (1, 1, 1, 1)
    assert line["entity"] == sha256(f"{done.receipt}\nAnn-7f3a".encode()).hexdigest()
    token = table(FRAUD, "predictions")["entity"][0]
    assert line["entity"] != sha256(f"{token}\nAnn-7f3a".encode()).hexdigest(), "the log would give it away"


def test_each_erasure_is_a_line_also_when_there_was_nothing(healthy, home):
    for _ in range(2):
        erase("fraud", "nobody", reason="she asked")
    assert [json.loads(line)["answers"] for line in (home / "erasures.jsonl").read_text().splitlines()] == [0, 0]


def test_an_erasure_says_why(healthy):
    with pytest.raises(PerennialError, match="--reason"):
        erase("fraud", "Ann-7f3a", reason=" ")


def test_an_erasure_finishes_an_archiving_that_was_killed(healthy, monkeypatch):
    logged(FRAUD, [Row(OLD, entity="Ann-7f3a")])
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(archives, "finish", lambda _file: (_ for _ in ()).throw(KeyboardInterrupt))
        retention.fn("fraud", NOW)
    assert archives.begun("fraud")
    assert erase("fraud", "Ann-7f3a", reason="she asked").erased.archived == 1


def test_the_command_erases_and_reads_the_entity_from_standard_input(healthy, capsys, monkeypatch):
    logged(FRAUD, [Row(5, entity="Ann-7f3a")])
    monkeypatch.setattr("sys.stdin", io.StringIO("Ann-7f3a\n"))
    assert flows(["erase", "fraud", "--entity", "-", "--reason", "she asked"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("1 answers, 1 labels and 0 archived rows no longer say whom they are about")
    assert "Ann" not in said


def test_the_command_archives(healthy, capsys, prefect_server):
    logged(FRAUD, [Row((NOW - datetime.now(UTC)).days + OLD)])
    assert flows(["archive", "fraud"]) == 0
    assert "1 answers and 1 labels archived in 2 files" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["archive", "nope"], ["erase", "nope", "--entity", "x", "--reason", "y"]])
def test_an_unknown_problem_is_one_sentence(home, capsys, command):
    assert flows(command) == 1
    assert capsys.readouterr().err.startswith("perennial: no problem named 'nope'")


def test_every_problem_has_a_weekly_retention(home):
    found = {f"{one.flow_name}/{one.name}": one for one in asyncio.run(declared())}
    for name in known_problems():
        one = found[f"retention/{name}"]
        assert one.parameters == {"problem": name}
        assert [schedule.slug for schedule in one.schedules] == ["retention"]
        assert one.schedules[0].active


def test_what_a_plan_keeps_is_more_than_what_verdicts_look_back_on():
    for name in known_problems():
        problem = load_problem(name)
        looked_back = problem.monitoring.decay_window + problem.framing.maturity + timedelta(days=7)
        assert problem.serving.keep_answers > looked_back
    assert ServingPlan().keep_features < ServingPlan().keep_answers
