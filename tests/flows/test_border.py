"""What does a script see of every command? One JSON document, one code, and help that says what is in it."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest

from deployments.__main__ import _parser as deployments_parser
from deployments.__main__ import main as deployments
from flows.__main__ import _parser as flows_parser
from flows.__main__ import main as flows
from flows.border import Args, Done, Parser, adding, command_line, exit_code
from flows.commands import looking, trying
from schemas.errors import PerennialError
from tasks import database
from tests.flows import made

PARSERS = {"flows": (flows_parser, flows), "deployments": (deployments_parser, deployments)}


def commands() -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    for program, (parser, _) in PARSERS.items():
        of = next(one for one in parser()._actions if isinstance(one, argparse._SubParsersAction))
        yield from ((program, name, command) for name, command in of.choices.items())


EVERY = {f"{program} {name}": (PARSERS[program][1], name, command) for program, name, command in commands()}
ABOUT_A_PROBLEM = [called for called, (_, _, command) in EVERY.items() if command.get_default("named")]
# What else a command cannot do without.
GIVEN = {
    "pause": ["--reason", "x"],
    "resume": ["--reason", "x"],
    "retire": ["--reason", "x"],
    "erase": ["--entity", "1", "--reason", "x"],
    "adopt": ["model.skops"],
}


def shown(capsys: pytest.CaptureFixture[str], run: Callable[[list[str]], int], given: list[str]) -> tuple[int, dict]:
    """The code, and the one document that standard output holds."""
    capsys.readouterr()
    code = run([*given, "--json"])
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert out.endswith("\n")
    document = json.loads(out, parse_constant=pytest.fail)  # NaN is no JSON
    assert isinstance(document, dict)
    return code, document


@pytest.mark.parametrize("called", EVERY)
def test_help_ends_with_0_and_names_every_argument_the_codes_and_the_document(capsys, called):
    run, name, command = EVERY[called]
    with pytest.raises(SystemExit) as ended:
        run([name, "--help"])
    assert ended.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    for argument in command._actions:
        assert any(one in said for one in argument.option_strings or [argument.metavar or argument.dest])
        assert argument.help, f"{argument.dest} of {called} is not explained"
    assert "Exit codes: 0 done; 1 refused or failed" in said
    says = ", ".join(command.get_default("says"))
    assert (f"print one JSON object alone: {says}" if says else "print an error as one JSON object") in said


@pytest.mark.parametrize("called", ABOUT_A_PROBLEM)
def test_an_unknown_problem_is_one_sentence_for_people_and_the_same_in_json(home, capsys, called):
    run, name, _ = EVERY[called]
    given = [name, "nope", *GIVEN.get(name, [])]
    if called == "deployments loop":
        given.append("--plain")
    assert run(given) == 1
    said = capsys.readouterr()
    assert said.err.startswith("perennial: no problem named 'nope'")
    assert said.err.count("\n") == 1
    code, document = shown(capsys, run, given)
    assert (code, document) == (1, {"error": said.err.removeprefix("perennial: ").rstrip("\n")})


@pytest.mark.parametrize("called", EVERY)
def test_what_is_no_argument_is_wrong_usage_and_json_says_so_too(capsys, called):
    run, name, command = EVERY[called]
    given = [name, *("x" for one in command._actions if not one.option_strings and one.nargs is None)]
    given += GIVEN.get(name, []) if name != "adopt" else []
    code, document = shown(capsys, run, [*given, "--no-such-thing"])
    assert (code, document) == (2, {"error": "unrecognized arguments: --no-such-thing"})


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home in which a small problem has taken its first turn."""
    from flows.replay import plain_turn

    folder = tmp_path_factory.mktemp("border")
    with pytest.MonkeyPatch.context() as patch, made.added(made.HIGH, folder):
        patch.setenv("PERENNIAL_HOME", str(folder / "home"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        made.settle(folder / "home", made.HIGH, made.readings(days=90, per_day=60, straight=True))
        plain_turn("high", made.START + timedelta(days=60))
        yield folder / "home"
    database.close_databases()


# In order: what is asked is seen by those that look.
CHEAP = [
    *(["flows", "operator", "ana"], ["flows", "operator", "ana", "--dismiss"]),
    *(["flows", "doctor", "high"], ["flows", "history", "high"], ["flows", "timeline", "high"], ["flows", "verify"]),
    *(["flows", "quality", "high"], ["flows", "worth", "high"], ["flows", "contract", "high"]),
    *(["flows", "skew", "high"], ["flows", "feedback", "high"], ["flows", "errors", "high"]),
    *(["flows", "labels", "high"], ["flows", "backlog", "high", "--first", "read body"]),
    *(["flows", "pause", "high", "--reason", "a fair", "--days", "1"], ["flows", "resume", "high", "--reason", "over"]),
    ["flows", "retrain", "high", "--reason", "by hand", "--cause", "forced replacement", "--days", "20"],
    *(["flows", "erase", "high", "--entity", "nobody", "--reason", "asked"], ["deployments", "backup", "BACKUP"]),
]


@pytest.mark.parametrize("given", CHEAP, ids=lambda given: " ".join(given[:2]))
def test_what_is_done_is_one_document_with_the_fields_that_help_names(begun, tmp_path, capsys, given):
    program, name, *arguments = given
    run, _, command = EVERY[f"{program} {name}"]
    arguments = [str(tmp_path / "all.tar.gz") if one == "BACKUP" else one for one in arguments]
    code, document = shown(capsys, run, [name, *arguments])
    assert code in (0, 1) if name == "doctor" else code == 0
    assert set(document) >= set(command.get_default("says"))
    assert "error" not in document


def test_a_document_is_what_is_kept_among_the_figures(begun, capsys):
    for given in (["labels", "high"], ["errors", "high"]):
        _, document = shown(capsys, flows, given)
        assert document == json.loads((begun / "figures" / f"{given[0]}-high.json").read_text())


def test_what_is_asked_for_stands_in_the_document_of_the_request(begun, capsys):
    _, document = shown(capsys, flows, ["retrain", "high", "--reason", "once more", "--actor", "ana"])
    request = {name: document["request"][name] for name in ("kind", "reason", "note", "actor", "window_days")}
    said = {"kind": "retrain", "reason": "person", "note": "once more", "actor": "ana", "window_days": None}
    assert request == said
    assert document["champion"]["name"]
    _, history = shown(capsys, flows, ["history", "high"])
    assert history["rows"][-1]["sequence"] == document["sequence"]


def test_a_secret_is_in_the_document_alone(home, capsys):
    assert flows(["operator", "ana", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["token"].startswith("perennial-")
    assert "perennial-" not in said.err


@pytest.mark.parametrize(
    "says, kind",
    [
        (trying._NIGHT, "schemas.night.Night"),
        (trying._DIAGNOSIS, "schemas.diagnosis.Diagnosis"),
        (trying._REPRODUCED, "flows.reproduction.Reproduction"),
        (looking._LABELS, "flows.labels_report.LabelReport"),
    ],
)
def test_the_documents_that_take_minutes_have_the_fields_of_what_they_show(says, kind):
    module, name = kind.rsplit(".", 1)
    known = {one.name for one in fields(getattr(__import__(module, fromlist=[name]), name))}
    assert set(says) - {"equal", "page"} - ({"next"} - known) == known


def chatting(run: Callable[[Args], Done], given: list[str]) -> int:
    def parser() -> argparse.ArgumentParser:
        made = Parser(prog="chatting")
        adding(made)("chat", run, "say something", says=("x",), problem=None)
        return made

    return command_line(parser, ["chat", *given])


def _chat(_args: Args) -> Done:
    print("a word of ours")
    os.write(1, b"a library in C\n")
    subprocess.run([sys.executable, "-c", "print('a process of ours')"], check=True)
    return Done({"x": float("nan"), "y": Path("a"), "z": timedelta(hours=1)}, 1)


def test_whoever_prints_meanwhile_prints_beside_the_document(home, capfd):
    assert chatting(_chat, ["--json"]) == 1
    said = capfd.readouterr()
    assert json.loads(said.out) == {"x": "nan", "y": "a", "z": 3600.0}
    for words in ("a word of ours", "a library in C", "a process of ours"):
        assert words in said.err


def test_without_json_words_are_what_standard_output_holds(home, capfd):
    assert chatting(_chat, []) == 1
    said = capfd.readouterr()
    assert said.err == ""
    assert sorted(said.out.splitlines()) == ["a library in C", "a process of ours", "a word of ours"]


@pytest.mark.parametrize(
    "error, code, says",
    [
        (PerennialError("no such thing"), 1, "no such thing"),
        (KeyboardInterrupt(), 130, "stopped here"),
        (BrokenPipeError(), 0, None),
    ],
)
def test_what_ends_a_command_is_json_too_with_the_same_code(monkeypatch, capsys, error, code, says):
    monkeypatch.setattr("flows.border._nothing_read_on", lambda: None)  # pytest reads on

    def ends() -> None:
        raise error

    assert exit_code(ends, stopped=lambda: "stopped here", as_json=lambda: True) == code
    out = capsys.readouterr().out
    assert (json.loads(out) if out else None) == (says and {"error": says})


def test_a_defect_of_ours_is_json_for_the_script_and_a_traceback_for_us(capsys):
    def fails() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        exit_code(fails, stopped=lambda: "", as_json=lambda: True)
    assert json.loads(capsys.readouterr().out)["error"].startswith("KeyError")
