"""The command lines: one clear sentence and an exit code."""

import json
from datetime import timedelta

import pandas as pd
import pytest

from deployments.__main__ import main as deployments
from flows.__main__ import main as flows
from schemas.problem import load_problem
from tasks import windows


def test_verify_says_when_there_is_no_ledger_yet(home, capsys):
    assert flows(["verify"]) == 0
    assert "no ledger yet" in capsys.readouterr().out
    assert json.loads((home / "figures" / "verify.json").read_text()) == {"rows": {}}


@pytest.mark.parametrize(
    "command", [["history", "nope"], ["retrain", "nope"], ["turn", "nope"], ["data", "nope"], ["timeline", "nope"]]
)
def test_an_unknown_problem_is_one_sentence_that_says_what_to_do(home, capsys, command):
    assert flows(command) == 1
    said = capsys.readouterr().err
    assert said.startswith("perennial: no problem named 'nope'; known problems: bikes, electricity, fraud, spam.")
    assert "create schemas/problems/nope.py" in said
    assert "Traceback" not in said


def test_a_missing_table_says_where_to_get_it(home, capsys):
    assert deployments(["loop", "electricity", "--plain"]) == 1
    assert "make data PROBLEM=electricity" in capsys.readouterr().err


def test_a_missing_file_is_named_as_it_was_given(home, capsys):
    assert deployments(["loop", "electricity", "--plain", "--data", "/no/such.csv"]) == 1
    assert "/no/such.csv" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["retrain", "revert"])
def test_nothing_can_be_asked_of_a_problem_that_has_not_begun(home, capsys, kind):
    assert flows([kind, "fraud"]) == 1
    assert "has not begun" in capsys.readouterr().err


def test_a_table_without_a_public_source_is_not_fetched(home, capsys):
    assert flows(["data", "bikes"]) == 1
    assert "no public table to fetch" in capsys.readouterr().err


def test_deploying_without_a_server_says_how_to_name_one(home, capsys, monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert deployments(["deploy"]) == 1
    assert "PREFECT_API_URL" in capsys.readouterr().err


def test_a_linked_table_is_read_where_it_lies(home, tmp_path):
    problem = load_problem("electricity")
    times = pd.date_range("2024-01-01", periods=96, freq="30min", tz="UTC")
    table = pd.DataFrame(
        dict.fromkeys(("period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer"), 0.5), index=times
    )
    table.assign(price_up=[0, 1] * 48).rename_axis("time").reset_index().to_csv(tmp_path / "mine.csv", index=False)
    windows.link(problem, tmp_path / "mine.csv")
    start, end = windows.bounds(problem)
    assert end - start == timedelta(minutes=30) * 95
    rows = windows.read_window(problem, start, end + timedelta(minutes=1), as_of=end + timedelta(days=2))
    assert rows["price_up_yesterday"].isna().sum() == 48
    assert (rows["price_up_yesterday"][48:].to_numpy() == rows["price_up"][:48].to_numpy()).all()
