"""Is everything before the first turn looked at, each by itself, and told on one screen with the right thing first?"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.__main__ import main
from flows.doctor import doctor
from schemas.framing import Risk
from schemas.problem import Problem, load_problem
from schemas.problems._fraud_simulator import payments
from tasks import windows
from tests.flows import made

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
PROBLEM = made.HIGH


@pytest.fixture(scope="module")
def readings() -> pd.DataFrame:
    return made.readings(days=90, per_day=60, straight=True)


@pytest.fixture
def told(home: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """What the doctor says of a problem and its table."""

    def tell(table: pd.DataFrame | None, problem: Problem = PROBLEM) -> list[str]:
        with made.added(problem, tmp_path):
            if table is not None:
                windows.materialise(problem, table)
            lines, figures = doctor(problem.name, now=NOW)
        assert len(lines) <= 40
        assert max(map(len, lines)) <= 118
        assert not any("Traceback" in line for line in lines)
        assert (lines[-1].startswith("ready")) is figures["ready"] is (figures["must"] == 0)
        return lines

    return tell


def first(lines: list[str]) -> str:
    """The first finding, as one sentence."""
    start = next(i for i, line in enumerate(lines) if line.startswith("  1 "))
    rest = [line.strip() for line in lines[start + 1 :] if line.startswith("    ")]
    return " ".join([lines[start][4:], *rest])


def test_a_sound_table_is_ready(told, readings):
    lines = told(readings)
    assert "must fix:" not in lines
    assert lines[0].startswith("high: binary (high), 5,400 rows, 2024-01-01 to 2024-03-30 (90 days, 60 rows a day)")
    assert lines[-1] == "ready for the first turn: make loop PROBLEM=high"


SAID = "There is no heuristic", "Nobody says by how much"


def test_what_is_worth_saying_of_a_sound_table_is_said(told, readings):
    text = " ".join(line.strip() for line in told(readings))
    assert all(what in text for what in SAID)
    assert "How far each gets (roc_auc" in text
    assert "naive baseline" in text
    assert "A rollout takes" in text


BROKEN: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame | None], str]] = {
    "no file": (lambda t: None, "The table cannot be checked: problem 'high' reads"),
    "no rows": (lambda t: t.head(0), "The table is empty"),
    "a column is missing": (lambda t: t.drop(columns=["x"]), "The table cannot be checked: the table of 'high' lacks the columns x"),
    "a column is text": (lambda t: t.assign(x=t["x"].astype(str) + " EUR"), "The contract cannot be checked: the table of 'high' breaks its contract as a whole"),
    "a unit is another": (lambda t: t.assign(x=t["x"] * 1_000), "The contract refuses more than the 5% a turn bears"),
    "a category is unknown": (lambda t: t.assign(kind="c"), "The contract refuses more than the 5% a turn bears"),
    "half a column is missing": (lambda t: t.assign(x=t["x"].where(np.arange(len(t)) % 2 == 0)), "The contract refuses more than the 5% a turn bears"),
    "rows come twice": (lambda t: pd.concat([t, t]), "The key id does not identify a row"),
    "times have no zone": (lambda t: t.assign(at=t["at"].dt.tz_localize(None)), "The table cannot be checked: column 'at' of 'high'"),
    "times are missing": (lambda t: t.assign(at=t["at"].where(np.arange(len(t)) % 2 == 0)), "Rows without an event time"),
    "times are to come": (lambda t: t.assign(at=t["at"] + 9_999 * DAY, band_at=t["band_at"] + 9_999 * DAY), "Events lie in the future"),
    "no label is known": (lambda t: t.assign(high=np.nan), "No label is known"),
    "one class only": (lambda t: t.assign(high=0.0), "The target's values are not the framing's"),
    "too few rows": (lambda t: t.head(300), "Too few labels: 240 matured labels"),
    "nothing has matured": (lambda t: t.head(40), "The table is shorter than its labels take"),
    "labels come before": (lambda t: t.assign(band_at=t["at"] - DAY), "Labels are known before their event"),
    "a feature is the target": (lambda t: t.assign(z=t["high"] * 7), "z says the target"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_table_is_told_on_one_screen_with_the_right_thing_first(told, readings, name):
    plant, expected = BROKEN[name]
    lines = told(plant(readings))
    assert "must fix:" in lines
    assert first(lines).startswith(expected)
    assert lines[-1].endswith("to fix first")


def test_a_table_without_a_time_is_told_what_will_be_done_instead(told, readings):
    taken = readings["at"].max()
    timeless = replace(PROBLEM, framing=PROBLEM.framing.model_copy(update={"timeless": True}))
    lines = told(readings.assign(at=taken, band_at=taken).astype({"at": made.TIME, "band_at": made.TIME}), timeless)
    text = " ".join(line.strip() for line in lines)
    assert "without a time of their own" in lines[0]
    assert "No rollout can be replayed: the table has no time of its own: no row comes after another" in text
    assert "make loop ends at an accepted offline gate, on rows held out by hash" in text
    assert "how far each gets" in text.lower()
    assert lines[-1].startswith("ready for the first turn")


def test_an_open_risk_is_shown(told, readings):
    risky = PROBLEM.framing.model_copy(update={"risks": (Risk(name="the seasons", detector="schedule"),)})
    text = " ".join(line.strip() for line in told(readings, replace(PROBLEM, framing=risky)))
    assert "1 open risk, which nothing watches: the seasons (retraining.every is None" in text


def test_contracts_that_are_switched_off_are_the_first_thing_to_mend(told, readings, monkeypatch):
    monkeypatch.setenv("PANDERA_VALIDATION_ENABLED", "False")
    lines = told(readings)
    assert first(lines).startswith("Contracts are switched off: PANDERA_VALIDATION_ENABLED=False → unset")


def test_a_store_that_is_away_is_named_and_the_rest_is_looked_at_all_the_same(told, readings, monkeypatch):
    monkeypatch.setenv("PERENNIAL_LEDGER_URL", "postgresql://me:secret@127.0.0.1:1/ledger")
    lines = told(readings)
    assert first(lines).startswith("The ledger cannot be reached: postgresql://me:***@127.0.0.1:1/ledger")
    assert not any("secret" in line for line in lines)
    assert any("How far each gets" in line for line in lines)


def test_the_figures_are_kept_and_hold_no_row(told, readings, home):
    told(readings)
    figures = json.loads((home / "figures" / "doctor-high.json").read_text())
    assert figures["ready"] is True
    assert figures["shape"]["rows"] == 5_400
    assert [finding["severity"] for finding in figures["findings"]][-1] == "note"
    assert {suspect["feature"] for suspect in figures["features"]} == {"x", "z", "kind"}


def test_the_same_table_is_told_the_same_twice(told, readings):
    assert told(readings) == told(readings)


def test_a_file_that_makes_no_problem_is_one_sentence(home, tmp_path, capsys):
    with made.added(PROBLEM, tmp_path):
        (tmp_path / "high.py").write_text(
            "from tests.flows.made import HIGH\nfrom dataclasses import replace\n"
            "from schemas.framing import Risk\n"
            "PROBLEM = replace(HIGH, framing=HIGH.framing.model_copy(update={'risks': (Risk(name='x', detector='luck'),)}))\n"
        )
        assert main(["doctor", "high"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(
        "perennial: schemas/problems/high.py makes no problem: problem 'high' has risks whose detector nobody has: 'luck'."
    )
    assert said.rstrip().endswith("make doctor PROBLEM=high.")


@pytest.mark.parametrize(
    "text", ["raise RuntimeError('of somebody else')", "PROBLEM = 3", "import nothing_there", "PROBLEM = ("]
)
def test_whatever_such_a_file_raises(home, tmp_path, capsys, text):
    with made.added(PROBLEM, tmp_path):
        (tmp_path / "high.py").write_text(text)
        assert main(["doctor", "high"]) == 1
    said = capsys.readouterr().err
    assert "schemas/problems/high.py" in said
    assert "Traceback" not in said


def test_an_unknown_problem_is_answered_with_the_known_ones(home, capsys):
    assert main(["doctor", "nope"]) == 1
    assert "no problem named 'nope'" in capsys.readouterr().err


def test_the_demo_problem_is_ready_for_its_first_turn(home, capsys):
    windows.materialise(load_problem("fraud"), payments(seed=7, days=300, per_day=300))
    assert main(["doctor", "fraud"]) == 0
    said = capsys.readouterr().out
    assert "labels of fraud = 1 take 4." in said
    assert said.rstrip().endswith("ready for the first turn: make loop PROBLEM=fraud")
