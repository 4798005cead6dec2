"""The command lines: one clear sentence and an exit code."""

import json
import signal
import sqlite3
from datetime import timedelta

import pandas as pd
import pytest

import schemas.problems
from deployments.__main__ import main as deployments
from flows.__main__ import main as flows
from flows.border import GOES_ON, exit_code
from schemas.errors import PerennialError
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


def refusal(capsys, command, run=flows) -> str:
    """What a command says that is refused: one sentence, and no traceback."""
    try:
        code = run(command)
    except SystemExit as usage:
        code = usage.code
    assert code in (1, 2)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert ".." not in said.replace("...", "")
    if code == 1:
        assert said.startswith("perennial: ")
        assert said.count("\n") == 1
    return said


@pytest.mark.parametrize(
    "command, says",
    [
        (["improve", "spam", "--experiments", "0"], "--experiments is 0, and should be greater than or equal to 1"),
        (["improve", "spam", "--experiments", "-3"], "--experiments is -3"),
        (["improve", "spam", "--experiments", "many"], "argument --experiments: invalid int value: 'many'"),
        (["improve", "spam", "--hours", "nan"], "argument --hours: 'nan' is no number"),
        (["improve", "spam", "--hours", "-1"], "--hours is -1.0, and should be greater than 0"),
        (["improve", "spam", "--hours", "999"], "--hours is 999.0, and should be less than or equal to 240"),
        (["improve", "spam", "--money", "0"], "--money is 0.0, and should be greater than 0"),
        (["improve", "spam", "--money", "5"], "money=5 can never be spent where money_per_hour is 0: say what an hour"),
        (["improve", "spam", "--money", "inf"], "argument --money: 'inf' is no number"),
        (["backlog", "spam", "--first", "read body", "--veto", "read body"], "asked for first, and vetoed: read body"),
        (["backlog", "spam", "--add", '{"name":"x"}'], "change is missing"),
        (["backlog", "spam", "--add", "{broken"], "it is '{broken', and invalid JSON: "),
        (["backlog", "spam", "--add", '{"name":"x","change":{"colour":1}}'], "'x' changes colour; a recipe has family"),
        (["backlog", "spam", "--add", '{"name":"x","change":{"family":"linear"},"kin":1}'], "kin is no field of it"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence_and_writes_nothing(home, capsys, command, says):
    assert says in refusal(capsys, command)
    assert not (home / "backlog").exists()


@pytest.mark.parametrize(
    "name, value, rule",
    [
        ("PERENNIAL_WORKERS", "0", "should be greater than or equal to 1"),
        ("PERENNIAL_WORKERS", "two", "should be a valid integer"),
        ("PERENNIAL_REPORTS", "none", "should be 'all' or 'alarms'"),
    ],
)
@pytest.mark.parametrize("command", [["backlog", "spam"], ["history", "fraud"], ["verify"]])
def test_a_setting_that_cannot_be_meant_is_one_sentence(home, capsys, monkeypatch, name, value, rule, command):
    monkeypatch.setenv(name, value)
    assert f"{name} is {value!r}, and {rule}" in refusal(capsys, command)


def test_a_port_that_is_no_number_is_wrong_usage(home, capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_PORT", "two")
    assert "argument --mlflow-port: invalid int value: 'two'" in refusal(capsys, ["up"], deployments)


@pytest.mark.parametrize(
    "text, says",
    [
        (
            "from schemas.plans import ImprovementPlan\n\nImprovementPlan(runs=0, tiers=())\n",
            "Correct it in line 3, then make doctor",
        ),
        ("from schemas.plans import ImprovementPlan\n\nImprovementPlan(runs=0, tiers=())\n", "runs is 0, and should"),
        ("from schemas.plans import ImprovementPlan\nImprovementPlan(colour=1)\n", "colour is no field of it"),
        ("from schemas.problem import Problem\nPROBLEM = Problem(colour=1)\n", "unexpected keyword argument 'colour'"),
        ("PROBLEM = Problm()\n", "schemas/problems/broken.py makes no problem: NameError: name 'Problm'"),
        ("PROBLEM = (\n", "schemas/problems/broken.py makes no problem: SyntaxError: '(' was never closed"),
    ],
)
@pytest.mark.parametrize("run, command", [(flows, ["history"]), (deployments, ["loop"])])
def test_a_problem_file_that_is_being_written_says_what_is_wrong_in_which_line(
    home, tmp_path, capsys, monkeypatch, text, says, run, command
):
    (tmp_path / "broken.py").write_text(text)
    monkeypatch.setattr(schemas.problems, "__path__", [*schemas.problems.__path__, str(tmp_path)])
    assert says in refusal(capsys, [*command, "broken"], run)


@pytest.mark.parametrize(
    "error, code, says",
    [
        (PerennialError("no such thing"), 1, "perennial: no such thing\n"),
        (KeyboardInterrupt(), 130, "\nstopped here\n"),
        (BrokenPipeError(), 0, ""),
    ],
)
def test_what_ends_a_command_is_one_line_and_a_code(monkeypatch, capsys, error, code, says):
    monkeypatch.setattr("flows.border._nothing_read_on", lambda: None)  # pytest reads on

    def ends() -> None:
        raise error

    assert exit_code(ends, stopped=lambda: "stopped here") == code
    assert capsys.readouterr().err == says


@pytest.mark.parametrize(
    "command, says",
    [
        (["improve", "spam"], GOES_ON),
        (["diagnose", "spam"], GOES_ON),
        (["turn", "spam"], GOES_ON),
        (["doctor", "spam"], ""),
    ],
)
def test_ctrl_c_says_whether_it_goes_on_where_it_was(home, capsys, monkeypatch, command, says):
    """A person's Ctrl-C comes whenever it comes: here, while the problem is looked up."""
    monkeypatch.setattr("schemas.problem._problems", lambda: signal.raise_signal(signal.SIGINT))
    assert flows(command) == 130
    assert capsys.readouterr().err == f"\n{says or 'stopped'}\n"


@pytest.fixture
def nowhere(tmp_path, monkeypatch) -> str:
    """A home that nobody can make, root neither: it would lie under a file."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.delenv("PERENNIAL_LEDGER_URL", raising=False)
    return str(tmp_path / "file" / "home")


@pytest.mark.parametrize(
    "run, command",
    [
        (flows, ["backlog", "spam"]),
        (flows, ["improve", "spam"]),
        (flows, ["diagnose", "spam"]),
        (flows, ["errors", "spam"]),
        (flows, ["reproduce", "0000"]),
        (flows, ["history", "spam"]),
        (flows, ["turn", "spam"]),
        (flows, ["verify"]),
        (deployments, ["loop", "spam"]),
    ],
)
def test_a_home_that_cannot_be_made_is_one_sentence_for_every_command(nowhere, capsys, run, command):
    said = refusal(capsys, command, run)
    assert f"nothing can be kept in {nowhere} (Not a directory); PERENNIAL_HOME names it. Set PERENNIAL_HOME" in said
    assert "LEDGER_URL" not in said


@pytest.mark.parametrize(
    "error",
    [
        OSError(30, "Read-only file system"),
        sqlite3.OperationalError("attempt to write a readonly database"),
        PermissionError(13, "Permission denied"),
    ],
)
def test_a_disk_that_refuses_later_is_the_same_sentence_and_any_other_error_stays_what_it_is(
    nowhere, capsys, monkeypatch, home, error
):
    def ends() -> None:
        raise RuntimeError("MLflow's own") from error

    with pytest.raises(RuntimeError):  # the home is in order: it was something else
        exit_code(ends, stopped=lambda: "")
    monkeypatch.setenv("PERENNIAL_HOME", nowhere)
    assert exit_code(ends, stopped=lambda: "") == 1
    assert f"nothing can be kept in {nowhere}" in capsys.readouterr().err

    def fails() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        exit_code(fails, stopped=lambda: "")


def test_a_ledger_that_is_no_database_says_what_to_restore_and_unsets_nothing_that_is_not_set(home, capsys):
    (home / "ledger.db").write_text("not a database, and longer than a header of one would be" * 20)
    said = refusal(capsys, ["history", "spam"])
    assert "ledger.db cannot be opened (DatabaseError: file is not a database). Restore it from a backup" in said
    assert "unset" not in said


def test_figures_that_cannot_be_written_are_said_and_fail_no_command(home, capsys):
    (home / "figures").touch()
    assert flows(["errors", "spam"]) == 0
    assert f"not kept as data: {home / 'figures'}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "said, says",
    [
        ("2026-01-31", "'2026-01-31' names no zone, and could mean any of 24 moments: write 2026-01-31T00:00Z for UTC"),
        ("2026-01-31T07:30", "write 2026-01-31T07:30Z for UTC"),
        ("yesterday", "'yesterday' is no moment: write one as 2026-01-31T00:00Z"),
    ],
)
@pytest.mark.parametrize("command", ["improve", "diagnose", "labels", "feedback"])
def test_a_moment_without_a_zone_says_how_it_is_typed(home, capsys, command, said, says):
    assert says in refusal(capsys, [command, "spam", "--now", said])
