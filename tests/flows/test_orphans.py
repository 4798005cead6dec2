"""A problem whose file is removed or renamed while its rollout runs: nothing goes on by itself, and all of it can be ended."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import schemas.problems
from flows.__main__ import main
from flows.asking import approve
from flows.orphans import orphans, retire
from flows.overview import known
from flows.replay import plain_turn
from schemas.errors import PerennialError
from schemas.problem import UnknownProblemError, known_problems, load_problem
from schemas.settings import Settings
from schemas.stage import Stage
from tasks import ledger, registry

RENAMED = """\
from dataclasses import replace

from schemas.problems import fraud

PROBLEM = replace(fraud.PROBLEM, name="payments")
"""


@pytest.fixture
def problems(tmp_path, monkeypatch) -> Iterator[Path]:
    """The folder that the team's problems are in: what is not in it, is gone."""
    folder = tmp_path / "problems"
    folder.mkdir()
    load_problem("fraud")  # imported, as in a worker that runs for weeks
    monkeypatch.setattr(schemas.problems, "__path__", [str(folder)])
    yield folder
    sys.modules.pop("schemas.problems.payments", None)


def test_no_turn_and_no_answer_goes_on_without_the_file(at, problems):
    now = at("SHADOW")
    before = ledger.state_of("fraud")
    for act in (lambda: plain_turn("fraud", now), lambda: approve("fraud", note="yes", actor="ana")):
        with pytest.raises(UnknownProblemError, match="no problem named 'fraud'"):
            act()
    assert ledger.state_of("fraud") == before


def test_what_is_left_is_told_with_what_can_be_done(at, problems, capsys):
    now = at("SHADOW")
    assert [one.state.problem for one in orphans()] == ["fraud"]
    assert [one.problem for one in known({}, now=now)] == ["fraud"], "it stands on the page of problems still"
    assert main(["doctor", "fraud"]) == 1
    said = capsys.readouterr().out
    assert "it is SHADOW" in said
    assert "no turn judges it any longer" in said
    assert "make retire PROBLEM=fraud" in said


def test_its_rollout_is_ended_and_the_champion_stays(at, problems):
    at("SHADOW")
    before = ledger.state_of("fraud")
    after = retire("fraud", note="we stopped taking cards", actor="ana")
    assert (after.stage, after.challenger, after.champion) == (Stage.HEALTHY, None, before.champion)
    assert ledger.verify("fraud") == before.sequence + 1
    (row,) = ledger.rows("fraud", since=before.sequence)
    assert row.notes["reason"] == "ana asks to revert: we stopped taking cards"
    named = registry.api().get_registered_model("fraud").aliases
    assert {role: str(version) for role, version in named.items()} == {"champion": before.champion.version}
    with pytest.raises(PerennialError, match="nothing of 'fraud' is under way: it is HEALTHY"):
        retire("fraud", note="again", actor="ana")
    assert "nothing of it is under way" in str(orphans()[0])


def test_a_file_that_comes_back_goes_on_where_it_was_left(at, problems):
    now = at("SHADOW")
    rows = ledger.state_of("fraud").sequence
    (problems / "fraud.py").write_text(RENAMED.replace('"payments"', '"fraud"'))
    assert known_problems() == ["fraud"]
    assert orphans() == []
    plain_turn("fraud", now)
    assert ledger.state_of("fraud").stage is Stage.SHADOW
    assert ledger.verify("fraud") == rows + 1


def test_a_rollout_whose_file_is_there_or_that_never_was_is_not_retired(at):
    at("SHADOW")
    with pytest.raises(PerennialError, match="make rollback PROBLEM=fraud"):
        retire("fraud", note="x")
    with pytest.raises(UnknownProblemError):
        retire("nothing_of_ours", note="x")


def test_a_renamed_problem_begins_anew_and_is_told_from_what(at, problems, capsys):
    at("SHADOW")
    champion = ledger.state_of("fraud").champion
    (problems / "payments.py").write_text(RENAMED)
    (left,) = orphans()
    assert left.like == ("payments",)
    assert "make adopt PROBLEM=payments MODEL=models:/fraud@champion" in str(left)
    assert main(["doctor", "payments"]) == 0
    assert str(left) in capsys.readouterr().out
    assert main(["adopt", "payments", "models:/fraud@champion"]) == 0
    assert ledger.state_of("payments").champion.sha256 == champion.sha256
    assert ledger.state_of("fraud").stage is Stage.SHADOW, "what the old name began is ended by a person"
    assert orphans()[0].like == ()


def test_looking_for_orphans_makes_no_ledger(home):
    assert orphans() == []
    assert not (Settings().root / "ledger.db").exists()
