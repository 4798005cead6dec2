"""Does the page of a turn begin with what matters, and is a run called by problem, stage and verdict?"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.__main__ import main as flows
from flows.story import name_after, name_before
from flows.turn_page import markdown
from schemas.plans import Reason
from schemas.rows import Entry, Model, Pause, Request, State
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict
from tasks import ledger

AT = datetime(2026, 11, 22, 6, tzinfo=UTC)
CHAMPION, CHALLENGER = Model("a" * 64, "1", "heuristic"), Model("b" * 64, "2", "boosting", held_out={"loss": 0.0045})
STATE = State("fraud", 7, at=AT, stage=Stage.CANARY, share=0.05, rollout=1, champion=CHAMPION, challenger=CHALLENGER)
FIGURES = {"live.gain": 0.3, "live.low": 0.2, "live.high": 0.4, "live.floor": 0.0}
ENTRY = Entry(STATE, "turn", Stage.SHADOW, "PASS", Verdict("live", Outcome.PASS, "the challenger is better", FIGURES))


@pytest.mark.parametrize(
    ("entry", "live", "name"),
    [
        (ENTRY, True, "fraud, SHADOW → CANARY 5%: PASS"),
        (ENTRY, False, "fraud 2026-11-22 06:00, SHADOW → CANARY 5%: PASS"),
        (replace(ENTRY, before=Stage.CANARY, arrow="WAIT"), True, "fraud, CANARY 5%: WAIT"),
        (
            replace(ENTRY, before=Stage.CANARY, arrow="WAIT", state=replace(STATE, awaits=AT)),
            True,
            "fraud, CANARY 5%: WAIT, waits for approval",
        ),
    ],
)
def test_a_run_is_called_by_problem_stage_and_verdict(entry, live, name):
    assert name_after(entry, live=live) == name


def test_a_run_that_begins_is_called_by_problem_and_stage():
    assert name_before("fraud", STATE) == "fraud, CANARY"
    assert name_before("fraud", STATE, moment="2026-11-22 06:00") == "fraud 2026-11-22 06:00, CANARY"


def test_the_page_begins_with_the_decision_its_reason_and_what_holds_and_ends_with_the_evidence(home):
    page = markdown(
        replace(ENTRY, notes={"link": "http://mlflow/run", "gates": [["live", "PASS", "fine"]]}), picture="<svg/>"
    )
    wanted = [
        "## fraud: SHADOW → CANARY 5%, PASS",
        "**The challenger is better.**",
        "Version 2 (boosting) answers 5% of the requests, version 1 (heuristic) the others.",
        "[MLflow run](http://mlflow/run)",
        "![the figures of this verdict against their limits](data:image/svg+xml;base64,",
        "![fraud: its life so far](data:image/svg+xml;base64,",
        "| challenger | [version 2 (boosting)](http://127.0.0.1:5000/#/models/fraud/versions/2) |",
        "| gate | verdict | why |",
        "| evidence | value |",
    ]
    places = [page.index(part) for part in wanted]
    assert places == sorted(places)


def test_a_turn_that_rests_on_no_figure_has_no_empty_table(home):
    page = markdown(replace(ENTRY, verdict=Verdict("request", Outcome.PASS, "ana asks for a retrain")))
    assert "evidence" not in page
    assert page.endswith("*Which card payments are fraud, so that an analyst reviews them before they are settled?*\n")


def test_what_somebody_has_to_do_stands_above_the_pictures(home):
    request = Request("retrain", Reason.PERSON, "new cards", "ana")
    waiting = replace(ENTRY, state=replace(STATE, awaits=AT, request=request), notes={"quarantined": 12})
    said, _, _ = markdown(waiting).partition("![")
    assert "waits for a person's approval since 2026-11-22 06:00" in said
    assert "make approve PROBLEM=fraud" in said
    assert "ana asks for a retrain: New cards." in said
    assert "12 requests broke the contract" in said


def test_a_pause_and_the_form_of_an_approval_stand_where_people_look(home):
    pause = Pause("ana", "the year's end", AT, AT + timedelta(days=2))
    state = replace(STATE, awaits=AT, paused=pause)
    said, _, _ = markdown(replace(ENTRY, state=state), form="http://server/run").partition("![")
    assert "[answer here](http://server/run), or `make approve PROBLEM=fraud`" in said
    assert "**Nothing goes forward** until 2026-11-24 06:00: paused by ana (a claimed name): The year's end." in said
    over = replace(state, paused=replace(pause, until=AT))
    assert "Nothing goes forward" not in markdown(replace(ENTRY, state=over))


def test_a_problem_served_by_a_gateway_links_its_status_page(home, monkeypatch):
    assert "status page" not in markdown(ENTRY)
    monkeypatch.setenv("PERENNIAL_GATEWAYS", '{"fraud": "http://gateway:8000"}')
    assert "[the gateway's status page](http://gateway:8000/)" in markdown(ENTRY)


def test_every_table_begins_after_an_empty_line(home):
    notes = {
        "moved": [["amount", 0.2, 0.1, None, 0.2, 0.1, 0.1]],
        "gates": [["live", "PASS", "a | b"]],
        "quality": {"as_of": "2026-11-22T06:00", "about": {}, "rows": [["loss", "1", "–", "–"]], "said": ["so"]},
    }
    lines = markdown(replace(ENTRY, notes=notes)).splitlines()
    heads = [n for n, line in enumerate(lines) if line.startswith("|---")]
    assert len(heads) == 5
    assert all(lines[n - 2] == "" for n in heads)
    assert "| live | PASS | a / b |" in lines


def test_a_timeline_of_what_has_not_begun_is_refused_with_what_to_do(home, capsys):
    assert flows(["timeline", "fraud"]) == 1
    assert "has not begun" in (said := capsys.readouterr().err)
    assert "python -m flows turn fraud" in said


def test_a_timeline_is_written_as_a_page_or_as_a_picture_and_as_nothing_else(home, tmp_path, capsys):
    first = replace(STATE, sequence=1, stage=Stage.HEALTHY, challenger=None, share=0.0)
    served = Verdict("first champion", Outcome.PASS, "the heuristic serves")
    ledger.append(State("fraud"), Entry(first, "turn", Stage.COLD, "PASS", served))
    assert flows(["timeline", "fraud"]) == 0
    page = Path(capsys.readouterr().out.strip())
    assert page == home / "timelines" / "fraud.html"
    assert "<h1>fraud</h1>" in page.read_text()
    assert flows(["timeline", "fraud", "--out", str(tmp_path / "life.svg")]) == 0
    assert (tmp_path / "life.svg").read_text().startswith("<svg xmlns=")
    assert flows(["timeline", "fraud", "--out", str(tmp_path / "life.png")]) == 1
    assert "--out fraud.svg" in capsys.readouterr().err
