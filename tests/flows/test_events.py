"""Are events told of live turns alone, and does telling never fail a turn?"""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from flows import events
from flows.events import announce
from schemas.rows import Entry, State
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict
from tasks import ledger
from tasks.due import events_of

ENTRY = Entry(
    State("fraud", sequence=3, at=datetime(2026, 3, 1, tzinfo=UTC), stage=Stage.PROBATION, hash="a"),
    "turn",
    Stage.AB,
    "PASS",
    Verdict("business effect", Outcome.PASS, "no harm", {"effect": 0.01}),
)


@pytest.fixture
def emitted(monkeypatch):
    told: list[dict[str, object]] = []
    monkeypatch.setattr(events, "emit_event", lambda **said: told.append(said))
    return told


def test_a_live_turn_tells_its_verdict_and_what_happened(emitted, monkeypatch):
    monkeypatch.setenv("PERENNIAL_RUNBOOK_URL", "https://git.example/RUNBOOK.md")
    announce(ENTRY, live=True)
    assert [said["event"] for said in emitted] == ["perennial.verdict", "perennial.promotion"]
    assert [said["id"] for said in emitted] == [event.id for event in events_of(ENTRY)]
    assert emitted[1]["payload"]["runbook"] == "https://git.example/RUNBOOK.md#promotion"


def test_a_replay_tells_nobody(emitted):
    announce(ENTRY, live=False)
    assert not emitted


def test_by_default_the_runbook_is_the_file_of_this_checkout(emitted, monkeypatch):
    monkeypatch.delenv("PERENNIAL_RUNBOOK_URL", raising=False)
    announce(ENTRY, live=True)
    assert str(emitted[0]["payload"]["runbook"]).startswith("file:///")
    assert str(emitted[0]["payload"]["runbook"]).endswith("/RUNBOOK.md#verdict")


def test_an_event_that_cannot_be_told_fails_no_turn(monkeypatch, caplog):
    def away(**_said: object) -> None:
        raise ConnectionError("the server is away: customer Ada")

    monkeypatch.setattr(events, "emit_event", away)
    announce(ENTRY, live=True)
    assert "row 3 of fraud could not be told" in caplog.text
    assert "Ada" not in caplog.text
    broken = replace(ENTRY, notes={"incident": "no incident at all"})
    announce(broken, live=True)


def test_a_row_read_back_from_the_ledger_calls_for_the_same_events(at):
    at("SHADOW")  # the turn before it has made a challenger
    *_, row = ledger.rows("fraud")
    assert row.entry.state == ledger.state_of("fraud")
    assert [event.known.name for event in events_of(row.entry)][:2] == ["verdict", "challenger"]
    said = events_of(row.entry)[1].payload
    assert (said["reason"], said["sequence"]) == (row.notes["reason"], row.facts["sequence"])
    assert said["mlflow"] == row.notes["link"]
