"""Does a person's word hold: approve, reject, pause, resume; under which name, and what still goes back meanwhile?"""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar

import pytest

from flows import operations
from flows.__main__ import main
from flows.operations import ask, pause_loop, resume
from flows.replay import plain_turn
from flows.turn import begin, conclude
from schemas.errors import PerennialError
from schemas.plans import Reason
from schemas.problems import fraud
from schemas.settings import Settings
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict
from tasks import ledger, operators
from tasks.due import events_of
from tasks.ledger import LostRaceError
from tasks.transitions import Decision
from tests.flows.test_turns import DAY, PROBLEM, newest, state, verdicts

PASS, FAIL, WAIT = Outcome.PASS, Outcome.FAIL, Outcome.WAIT


# A person's approval.


@pytest.fixture
def wants_approval(monkeypatch):
    plan = PROBLEM.rollout.model_copy(update={"approval": ("CANARY",), "approval_at_most": 3 * DAY})
    monkeypatch.setattr(fraud, "PROBLEM", replace(PROBLEM, rollout=plan))


def test_a_stage_that_wants_approval_waits_until_somebody_else_gave_it(at, wants_approval, monkeypatch, capsys):
    now = at("SHADOW")
    verdicts(monkeypatch, SHADOW=PASS)
    with pytest.raises(PerennialError, match="nothing of 'fraud' waits for approval"):
        operations.approve("fraud", note="too early", actor="ana", now=now)
    plain_turn("fraud", now)
    assert (state().stage, newest().facts["arrow"], state().awaits) == (Stage.SHADOW, "WAIT", now)
    assert newest().notes["reason"].startswith("CANARY waits for a person's approval (make approve PROBLEM=fraud)")
    plain_turn("fraud", now + DAY)
    assert state().awaits == now, "it waits since the first time it was asked for"
    with pytest.raises(PerennialError, match="started this retrain"):
        operations.approve("fraud", note="mine", actor="first model", now=now + DAY)
    operations.approve("fraud", note="looks right", actor="ana", now=now + DAY)
    assert [row.facts["kind"] for row in ledger.rows("fraud")][-1] == "approval"
    plain_turn("fraud", now + DAY)
    assert (state().stage, state().approval, state().awaits) == (Stage.CANARY, None, None)
    assert newest().notes["reason"] == "the test says so; ana (a claimed name) approved: looks right"
    assert ledger.verify("fraud") == state().sequence


def test_who_started_a_retrain_by_hand_cannot_approve_it(at, wants_approval, monkeypatch):
    now = at("SHADOW")
    plain_turn("fraud", now)
    order = ask("fraud", kind="retrain", note="mine", actor="ben", now=now).request
    asked = replace(state(), order=order, awaits=now)
    monkeypatch.setattr(ledger, "state_of", lambda name: asked)
    with pytest.raises(PerennialError, match="ben started this retrain"):
        operations.approve("fraud", note="mine", actor="ben", now=now)


def test_rollback_stays_armed_while_a_stage_waits_for_approval(at, wants_approval, monkeypatch):
    now = at("SHADOW")
    with monkeypatch.context() as quick:
        verdicts(quick, SHADOW=PASS)
        plain_turn("fraud", now)
    operations.approve("fraud", note="looks right", actor="ana", now=now)
    with monkeypatch.context() as quick:
        verdicts(quick, SHADOW=FAIL)
        plain_turn("fraud", now + DAY)
    assert (state().stage, state().approval, state().awaits) == (Stage.HEALTHY, None, None)


def test_a_challenger_that_nobody_approves_goes_at_the_deadline(at, wants_approval, monkeypatch):
    now = at("SHADOW")
    verdicts(monkeypatch, SHADOW=PASS)
    plain_turn("fraud", now)
    plain_turn("fraud", now + 2 * DAY)
    assert state().stage is Stage.SHADOW
    plain_turn("fraud", now + 3 * DAY)
    assert (state().stage, state().challenger) == (Stage.HEALTHY, None)
    assert newest().notes["reason"].startswith("nobody approved CANARY within 3 days")
    told = [event.known.name for event in events_of(newest().entry)]
    assert told == ["verdict", "rejected", "approval-lapsed"]


def test_an_approval_does_not_carry_over_to_the_next_stage(at, monkeypatch):
    now = at("SHADOW")
    plan = PROBLEM.rollout.model_copy(update={"approval": ("CANARY", "PROBATION")})
    monkeypatch.setattr(fraud, "PROBLEM", replace(PROBLEM, rollout=plan))
    verdicts(monkeypatch, SHADOW=PASS, CANARY=PASS, AB=PASS)
    plain_turn("fraud", now)
    operations.approve("fraud", note="yes", actor="ana", now=now)
    for days in range(4):
        plain_turn("fraud", now + days * DAY)
    assert (state().stage, newest().facts["arrow"]) == (Stage.AB, "WAIT")


def test_approving_from_a_shell_says_what_it_needs(at, wants_approval, monkeypatch, capsys):
    now = at("SHADOW")
    assert main(["approve", "fraud"]) == 1
    assert "nothing of 'fraud' waits for approval" in capsys.readouterr().err
    verdicts(monkeypatch, SHADOW=PASS)
    plain_turn("fraud", now)
    assert main(["approve", "fraud", "--actor", "ana", "--reason", "fine"]) == 0
    assert state().approval.note == "fine"


def test_ledgers_from_before_there_were_approvals_are_read(at):
    at("SHADOW")
    with sqlite3.connect(Settings().root / "ledger.db") as connection:
        connection.execute("update ledger set facts = json_remove(facts, '$.awaits', '$.approval', '$.paused')")
    assert (state().awaits, state().approval) == (None, None)


ORDER = ("SHADOW", "CANARY", "AB", "PROBATION")


def reached(at, monkeypatch, stage):
    """A home in that stage, and when its next turn is."""
    now = at("SHADOW")
    with monkeypatch.context() as quick:
        verdicts(quick, **dict.fromkeys(ORDER, PASS))
        for days in range(ORDER.index(stage)):
            plain_turn("fraud", now + days * DAY)
    assert state().stage == stage
    return now + ORDER.index(stage) * DAY


# Rejecting.


def test_a_rejected_challenger_goes_and_whoever_started_it_may_reject_it(at, wants_approval, monkeypatch):
    now = at("SHADOW")
    verdicts(monkeypatch, SHADOW=PASS)
    plain_turn("fraud", now)
    champion = state().champion
    operations.approve("fraud", note="not in December", actor="first model", answer="reject", now=now)
    plain_turn("fraud", now + DAY)
    assert (state().stage, state().challenger, state().champion) == (Stage.HEALTHY, None, champion)
    assert newest().notes["reason"] == "first model (a claimed name) rejected CANARY: not in December"


def test_who_started_it_is_known_by_any_spelling_of_the_name(at, wants_approval, monkeypatch):
    now = at("SHADOW")
    verdicts(monkeypatch, SHADOW=PASS)
    plain_turn("fraud", now)
    with pytest.raises(PerennialError, match="started this retrain"):
        operations.approve("fraud", note="mine", actor=" First MODEL ", now=now)


# A pause: nothing goes forward, and what goes back still does.


def test_a_pause_holds_every_step_forward(at, monkeypatch):
    now = at("SHADOW")
    operations.pause("fraud", note="the year's end", actor="ana", now=now)
    with monkeypatch.context() as quick:
        verdicts(quick, SHADOW=PASS)
        plain_turn("fraud", now)
        assert (state().stage, newest().facts["gate"], newest().facts["arrow"]) == (Stage.SHADOW, "pause", "WAIT")
        said = newest().notes["reason"]
        assert said == "paused by ana (a claimed name): the year's end; otherwise PASS: the test says so"
        resume("fraud", note="January", actor="ben", now=now + DAY)
        plain_turn("fraud", now + DAY)
    assert state().stage is Stage.CANARY
    assert ledger.verify("fraud") == state().sequence


@pytest.mark.parametrize("stage", ORDER)
def test_a_pause_lets_through_what_goes_back(at, monkeypatch, stage):
    now = reached(at, monkeypatch, stage)
    operations.pause("fraud", note="the year's end", actor="ana", now=now)
    verdicts(monkeypatch, **{stage: FAIL})
    plain_turn("fraud", now)
    assert (state().stage, newest().facts["arrow"]) == (Stage.HEALTHY, "FAIL")


def test_no_model_is_trained_while_a_pause_lasts_and_what_was_asked_for_waits(at, monkeypatch):
    now = at("HEALTHY")
    operations.pause("fraud", note="holidays", actor="ana", now=now)
    ask("fraud", kind="retrain", note="new prices", actor="ben", now=now)
    plain_turn("fraud", now)
    assert (state().stage, newest().facts["gate"], state().request.note) == (Stage.HEALTHY, "pause", "new prices")
    resume("fraud", note="back", actor="ana", now=now + DAY)
    plain_turn("fraud", now + DAY)
    assert (state().stage, state().order.note) == (Stage.RETRAIN, "new prices")
    operations.pause("fraud", note="again", actor="ana", now=now + DAY)
    monkeypatch.setitem(operations.lifecycle.fn.__globals__["STEP"], Stage.RETRAIN, _never)
    plain_turn("fraud", now + 2 * DAY)
    assert (state().stage, newest().facts["gate"]) == (Stage.RETRAIN, "pause")


def _never(_turn):
    raise AssertionError("a model was trained in a pause")


def test_a_pause_of_some_days_ends_by_itself(at, monkeypatch):
    now = at("SHADOW")
    verdicts(monkeypatch, SHADOW=PASS)
    operations.pause("fraud", note="a move", actor="ana", span=2 * DAY, now=now)
    plain_turn("fraud", now + DAY)
    assert state().stage is Stage.SHADOW
    plain_turn("fraud", now + 2 * DAY)
    assert state().stage is Stage.CANARY
    assert [event.known.name for event in events_of(newest().entry)][-1] == "resume"
    with pytest.raises(PerennialError, match="is not paused"):
        resume("fraud", note="late", actor="ana", now=now + 3 * DAY)


def test_a_pause_that_comes_while_a_turn_works_is_answered_by_no_promotion(at, monkeypatch):
    now = reached(at, monkeypatch, "AB")
    turn = begin("fraud", now)
    operations.pause("fraud", note="wait", actor="ana", now=now)
    with pytest.raises(LostRaceError):
        conclude(turn, Decision(Verdict("ab", PASS, "better")))
    assert (state().stage, state().paused.note) == (Stage.AB, "wait")
    waiting = begin("fraud", now)
    resume("fraud", note="go", actor="ana", now=now)
    conclude(waiting, Decision(Verdict("ab", WAIT, "not yet")))
    assert state().paused is None, "a turn that moves nothing is written after the word that came meanwhile"


def test_a_pause_that_ends_while_somebody_speaks_is_gone_and_of_two_the_newer_stands(at, monkeypatch):
    now = reached(at, monkeypatch, "AB")
    operations.pause("fraud", note="a move", actor="ana", span=DAY / 24, now=now)
    turn = begin("fraud", now + DAY)
    operations.ask("fraud", kind="retrain", note="new cards", actor="ben", now=now + DAY)
    conclude(turn, Decision(Verdict("ab", WAIT, "not yet")))
    assert (state().paused, state().request.actor) == (None, "ben")
    assert "resumed" in newest().notes

    operations.pause("fraud", note="a move", actor="ana", span=DAY / 24, now=now + DAY)
    turn = begin("fraud", now + 2 * DAY)
    operations.pause("fraud", note="once more", actor="ana", now=now + 2 * DAY)
    entry = conclude(turn, Decision(Verdict("ab", WAIT, "not yet")))
    assert state().paused.note == "once more"
    assert entry.state == state()
    assert "resumed" not in {**entry.notes, **newest().notes}


def test_the_form_of_a_pause_pauses_and_resumes(at):
    at("HEALTHY")
    assert pause_loop.fn("fraud", "pause", "ana", "a move", 2.0) == "HEALTHY"
    assert (state().paused.actor, state().paused.until - state().paused.since) == ("ana", 2 * DAY)
    assert pause_loop.fn("fraud", "resume", "ana", "moved") == "HEALTHY"
    assert state().paused is None


class Told(BaseHTTPRequestHandler):
    """Stands for the Prefect server, and keeps the events that it is told of."""

    events: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        self.events.extend(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Nothing on standard error."""


@pytest.fixture
def told(monkeypatch) -> Iterator[list[dict[str, Any]]]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Told) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{server.server_port}/api")
        Told.events.clear()
        yield Told.events
        server.shutdown()


def test_a_pause_and_its_end_are_told_from_a_shell_and_a_replays_are_not(at, told):
    now = at("HEALTHY")
    operations.pause("fraud", note="of a replay", actor="ana", now=now)
    assert not told
    assert main(["pause", "fraud", "--actor", "ana", "--reason", "a move"]) == 0
    assert main(["resume", "fraud", "--actor", "ana", "--reason", "moved"]) == 0
    assert [said["event"] for said in told] == ["perennial.pause", "perennial.resume"]
    assert told[0]["payload"]["reason"] == "ana (a claimed name) pauses: a move"
    assert told[0]["payload"]["sequence"] == state().sequence - 1


def test_a_word_holds_where_nobody_can_be_told(at, monkeypatch):
    at("HEALTHY")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    assert main(["pause", "fraud", "--actor", "ana", "--reason", "a move"]) == 0
    assert state().paused.note == "a move"


# Whose word it is.


def test_a_token_proves_a_name_and_the_ledger_says_so(at, wants_approval, monkeypatch):
    now = at("SHADOW")
    verdicts(monkeypatch, SHADOW=PASS)
    plain_turn("fraud", now)
    monkeypatch.setenv("PERENNIAL_OPERATOR_TOKEN", operators.appoint("ana"))
    with pytest.raises(PerennialError, match="this token is ana's, and 'ben' is somebody else"):
        operations.approve("fraud", note="fine", actor="ben", now=now)
    operations.approve("fraud", note="fine", now=now)
    assert (state().approval.actor, state().approval.claimed) == ("ana", False)
    plain_turn("fraud", now + DAY)
    assert newest().notes["reason"] == "the test says so; ana approved: fine"


def test_a_token_that_is_nobodys_is_refused_and_never_shown(home, monkeypatch, capsys):
    assert main(["operator", "ana"]) == 0
    first = capsys.readouterr().out.splitlines()[-1]
    token = operators.appoint("ana")
    assert (operators.named(first), operators.named(token)) == (None, "ana"), "a new token ends the old one"
    kept = Settings().operators
    assert token not in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0
    assert main(["operator", "ana", "--dismiss"]) == 0
    assert operators.named(token) is None
    monkeypatch.setenv("PERENNIAL_OPERATOR_TOKEN", token)
    capsys.readouterr()
    assert main(["pause", "fraud", "--reason", "x"]) == 1
    said = capsys.readouterr().err
    assert "PERENNIAL_OPERATOR_TOKEN is no operator's" in said
    assert token not in said


@pytest.mark.parametrize("kept", ["not json", json.dumps(["ana"]), json.dumps({"ana": 3})])
def test_a_spoiled_file_of_operators_proves_nobody(home, kept):
    Settings().operators.write_text(kept)
    with pytest.raises(PerennialError, match=r"operators.json"):
        operators.named("anything")


@pytest.mark.parametrize("name", ["", " ana", "a\nb", "x" * 81])
def test_what_is_no_name_is_no_operator(home, name):
    with pytest.raises(PerennialError, match="no name of an operator"):
        operators.appoint(name)


@pytest.mark.parametrize("days", ["0", "-1", "366", "soon"])
def test_a_pause_from_a_shell_refuses_days_that_are_none(home, days, capsys):
    assert main(["pause", "fraud", "--reason", "x", "--days", days]) == 2
    assert f"{days!r} is no number of days" in capsys.readouterr().err


def test_requests_of_the_loop_need_no_token(at, monkeypatch):
    now = at("HEALTHY")
    monkeypatch.setenv("PERENNIAL_OPERATOR_TOKEN", "nobody's")
    assert (
        ask("fraud", kind="retrain", note="moved", actor="drift", reason=Reason.DRIFT, now=now).request.actor == "drift"
    )
    with pytest.raises(PerennialError, match="no operator's"):
        ask("fraud", kind="retrain", note="mine", now=now)
