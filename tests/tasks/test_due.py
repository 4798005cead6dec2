"""Which events does a ledger row call for? A table of rows, and the laws that hold for each."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.window import unless_it_raises
from schemas.events import EVENTS, RUNS
from schemas.plans import Reason
from schemas.rows import Approval, Entry, Pause, Request, State
from schemas.stage import NEXT, REVERT, Stage
from schemas.verdict import Outcome, Verdict
from tasks import gates
from tasks.due import events_of
from tasks.transitions import answered, asked, paused, rules_changed

PASS, FAIL, WAIT = Outcome
COLD, HEALTHY, RETRAIN, SHADOW, CANARY, AB, PROBATION = Stage
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def row(before: Stage, arrow: str, gate: str = "gate", *, reason="because", why=None, **notes) -> Entry:
    outcome = PASS if arrow == REVERT else Outcome(arrow)
    state = State("fraud", sequence=5, at=NOW, stage=NEXT[before][arrow], why=why, hash="f" * 64)
    return Entry(state, "turn", before, arrow, Verdict(gate, outcome, reason), notes)


def incident(kind: str, action: str, **more: str) -> dict[str, object]:
    return {"kind": kind, "action": action, "reason": "because", "evidence": {"gap": 0.2}, **more}


def names(entry: Entry) -> list[str]:
    return [event.known.name for event in events_of(entry)]


ROWS = [
    # What serves, and what wants to.
    (row(COLD, PASS, "first champion"), ["first-champion"]),
    (row(COLD, FAIL, "first champion"), ["nothing-serves"]),
    (row(COLD, FAIL, "contract"), ["fault"]),
    (row(HEALTHY, PASS, "healthy"), []),
    (row(HEALTHY, WAIT, "healthy"), []),
    (row(HEALTHY, PASS, "cooldown"), []),
    (row(RETRAIN, WAIT, "enough rows"), []),
    (row(RETRAIN, PASS, "offline"), ["challenger"]),
    (row(RETRAIN, FAIL, "offline"), ["rejected"]),
    (row(RETRAIN, FAIL, "contract"), ["fault"]),
    (row(RETRAIN, FAIL, "data"), ["fault"]),
    (row(SHADOW, WAIT, "shadow"), []),
    (row(SHADOW, PASS, "shadow"), []),
    (row(SHADOW, FAIL, "shadow"), ["rejected"]),
    (row(CANARY, PASS, "canary"), []),
    (row(CANARY, FAIL, "canary"), ["rollback"]),
    (row(CANARY, FAIL, "breaker"), ["rollback"]),
    (row(CANARY, FAIL, "rules"), ["rollback"]),
    (row(AB, PASS, "business effect"), ["promotion"]),
    (row(AB, FAIL, "business effect"), ["rollback"]),
    (row(PROBATION, PASS, "probation"), ["confirmed"]),
    (row(PROBATION, FAIL, "probation"), ["rollback"]),
    (row(PROBATION, FAIL, "request"), ["rollback"]),
    (row(HEALTHY, REVERT, "request"), ["rollback"]),
    # A step that waits for a person, or for sound data.
    (row(SHADOW, WAIT, "approval"), ["approval-waiting"]),
    (row(SHADOW, FAIL, "approval"), ["rejected"]),
    (row(AB, FAIL, "approval"), ["rollback"]),
    (row(SHADOW, FAIL, "approval", lapsed="CANARY"), ["rejected", "approval-lapsed"]),
    (row(AB, FAIL, "approval", lapsed="PROBATION"), ["rollback", "approval-lapsed"]),
    (row(CANARY, WAIT, "contract"), ["fault"]),
    (row(HEALTHY, WAIT, "contract"), ["fault"]),
    (row(HEALTHY, WAIT, "data"), ["fault"]),
    (row(SHADOW, WAIT, "labels"), ["label-pipeline"]),
    (row(HEALTHY, WAIT, "skew"), ["skew"]),
    # Why a challenger is wanted. One that was asked for has its run already, whatever the cause: it starts none.
    (row(HEALTHY, FAIL, "drift", why=Reason.DRIFT), ["drift"]),
    (row(HEALTHY, FAIL, "decay", why=Reason.DECAY), ["decay"]),
    (row(HEALTHY, FAIL, "staleness", why=Reason.STALENESS), ["staleness"]),
    (row(HEALTHY, FAIL, "recalibration", why=Reason.RECALIBRATION), ["recalibration"]),
    (row(HEALTHY, FAIL, "schedule", why=Reason.SCHEDULE), ["retrain"]),
    (row(HEALTHY, FAIL, "first model", why=Reason.FIRST_MODEL), ["retrain"]),
    (row(HEALTHY, FAIL, "new labels", why=Reason.LABELS), ["retrain"]),
    (row(HEALTHY, FAIL, "request", why=Reason.DRIFT), ["retrain"]),
    (row(HEALTHY, FAIL, "request", why=Reason.PERSON), ["retrain"]),
    # What triage found. A challenger that is wanted for it is told by its reason alone.
    (row(HEALTHY, FAIL, "drift", why=Reason.DRIFT, incident=incident("concept drift", "retrain")), ["drift"]),
    (row(HEALTHY, WAIT, "contract", incident=incident("data fault", "hold")), ["fault"]),
    (row(HEALTHY, WAIT, "skew", incident=incident("data fault", "hold")), ["skew"]),
    (row(HEALTHY, WAIT, "triage", incident=incident("data fault", "hold")), ["fault"]),
    (row(HEALTHY, WAIT, "triage", incident=incident("change of meaning", "hold")), ["meaning-change"]),
    (row(HEALTHY, WAIT, "triage", incident=incident("label-pipeline fault", "hold")), ["label-pipeline"]),
    (row(HEALTHY, WAIT, "triage", incident=incident("model bug", "hold")), ["model-bug"]),
    (row(HEALTHY, REVERT, "triage", incident=incident("model bug", "roll back")), ["rollback", "model-bug"]),
    (row(HEALTHY, PASS, "triage", incident=incident("covariate shift", "note")), ["covariate-shift"]),
    (row(HEALTHY, PASS, "triage", incident=incident("label shift", "note")), ["label-shift"]),
    (row(HEALTHY, PASS, "triage", incident=incident("concept drift", "note")), ["concept-drift"]),
    (row(HEALTHY, PASS, "triage", incident=incident("seasonal", "note")), ["seasonal"]),
    (row(HEALTHY, PASS, "triage", incident=incident("staleness", "note")), []),
    (row(HEALTHY, WAIT, "triage", incident=incident("concept drift", "ask a person")), ["person-wanted"]),
    (row(HEALTHY, WAIT, "triage", incident=incident("concept drift", "ask a person", spent="budget")), ["budget"]),
    (
        row(HEALTHY, WAIT, "triage", incident=incident("covariate shift", "ask a person", spent="oscillation")),
        ["oscillation"],
    ),
    (
        row(HEALTHY, WAIT, "triage", incident=incident("concept drift", "ask a person", spent="answer")),
        ["person-wanted"],
    ),
    # What was noted beside.
    (row(SHADOW, WAIT, "shadow", unanswered=3), ["unanswered"]),
    (row(HEALTHY, PASS, "healthy", foreign=["alias champion was set to version 2"]), ["foreign-edit"]),
    (row(AB, PASS, "business effect", unanswered=3, foreign=["x"]), ["promotion", "unanswered", "foreign-edit"]),
    (row(HEALTHY, WAIT, "triage", reason="triage could not judge: KeyError"), ["unjudged"]),
    (row(SHADOW, WAIT, "shadow", resumed="the pause by ana came to its end"), ["resume"]),
]


SHADOWED = State("fraud", sequence=4, at=NOW, stage=SHADOW)
PAUSE = Pause("ana", "a move", NOW)
WAITS = Verdict("pause", WAIT, "because")
WORDS = [
    (paused(SHADOWED, PAUSE, WAITS, now=NOW), ["pause"]),
    (paused(replace(SHADOWED, paused=PAUSE), None, WAITS, now=NOW), ["resume"]),
    (asked(SHADOWED, Request("retrain", Reason.PERSON, "x", "ana"), now=NOW), []),
    (answered(replace(SHADOWED, awaits=NOW), Approval("CANARY", "ana", "x"), now=NOW), []),
    (rules_changed(replace(SHADOWED, paused=PAUSE), "b" * 64, now=NOW), []),
]


@pytest.mark.parametrize("entry, due", WORDS, ids=[entry.kind for entry, _ in WORDS])
def test_a_word_is_no_turn_and_only_one_that_stops_or_starts_the_loop_is_told(entry, due):
    assert names(entry) == due


@pytest.mark.parametrize("entry, due", ROWS, ids=[f"{e.before}-{e.arrow}-{'+'.join(d) or 'none'}" for e, d in ROWS])
def test_a_row_calls_for_the_verdict_and_for_what_happened(entry, due):
    assert names(entry) == ["verdict", *due]


def test_every_event_that_a_turn_can_tell_is_told_of_some_row():
    told = {name for entry, _ in [*ROWS, *WORDS] for name in names(entry)}
    elsewhere = {"trip", *(known.name for known in RUNS)}  # the gateway's, and Prefect's own
    assert told == set(EVENTS) - elsewhere


@pytest.mark.parametrize("before", Stage)
def test_every_arrow_that_changes_the_stage_or_the_champion_has_a_name_or_is_a_step_forward(before):
    steps = {(SHADOW, PASS), (CANARY, PASS)}
    for arrow, after in NEXT[before].items():
        entry = row(before, arrow, why=Reason.SCHEDULE)
        assert len(names(entry)) > 1 or after is before or (before, arrow) in steps


def test_what_cannot_be_judged_is_told():
    def raises() -> Verdict:
        raise KeyError("a column")

    waits, fails = unless_it_raises("drift", raises), gates.closed("paired loss", raises)
    assert waits is not None
    assert names(replace(row(HEALTHY, WAIT), verdict=waits)) == ["verdict", "unjudged"]
    assert names(replace(row(SHADOW, FAIL), verdict=fails)) == ["verdict", "rejected", "unjudged"]


def test_the_payload_says_what_people_need_to_act():
    verdict = Verdict("drift", FAIL, "moved: amount by 0.31", {"distance amount": 0.31, "score": math.nan})
    notes = {"report": "/reports/one page.html", "report_run": "http://mlflow/runs/1", "link": "http://mlflow/runs/2"}
    notes["incident"] = incident("covariate shift", "retrain")
    entry = replace(row(HEALTHY, FAIL, why=Reason.DRIFT, **notes), verdict=verdict)
    (_, drift) = events_of(entry)
    said = drift.told(runbook="https://git.example/RUNBOOK.md")
    assert said["event"] == "perennial.drift"
    assert said["resource"]["prefect.resource.id"] == "perennial.problem.fraud"
    assert said["payload"] == {
        "problem": "fraud",
        "stage": "RETRAIN",
        "before": "HEALTHY",
        "verdict": "FAIL",
        "gate": "drift",
        "reason": "moved: amount by 0.31",
        "evidence": {"gap": 0.2, "distance amount": 0.31, "score": "nan"},
        "incident": "covariate shift",
        "action": "retrain",
        "worth": "",
        "report": "file:///reports/one%20page.html",
        "form": "",
        "mlflow": "http://mlflow/runs/1",
        "sequence": 5,
        "severity": "warning",
        "what": EVENTS["drift"].when,
        "do": EVENTS["drift"].do,
        "runbook": "https://git.example/RUNBOOK.md#drift",
    }


def test_what_was_noted_beside_the_verdict_has_a_reason_of_its_own():
    entry = row(
        HEALTHY, PASS, reason="no column moved", unanswered=1_200, foreign=["alias champion was set to 2", "tag"]
    )
    said = {event.known.name: event.payload["reason"] for event in events_of(entry)}
    assert said == {
        "verdict": "no column moved",
        "unanswered": "1,200 requests got no answer",
        "foreign-edit": "alias champion was set to 2; tag",
    }


@given(st.sampled_from(ROWS), st.text(min_size=2_000, max_size=3_000), st.integers(21, 200))
def test_a_payload_is_bounded_whatever_the_row_holds(case, text, columns):
    entry = case[0]
    verdict = replace(entry.verdict, reason=text, evidence={f"{n} {text[:40]}": text for n in range(columns)})
    for event in events_of(replace(entry, verdict=verdict)):
        assert len(json.dumps(event.told(runbook="RUNBOOK.md")["payload"])) < 100_000


def test_the_same_row_is_the_same_event_and_another_row_problem_or_ledger_is_another():
    entry = row(AB, PASS)
    same = {event.id for event in events_of(entry) + events_of(row(AB, PASS))}
    assert len(same) == len(events_of(entry)) == 2
    for other in (
        replace(entry, state=replace(entry.state, sequence=6)),
        replace(entry, state=replace(entry.state, problem="bikes")),
        replace(entry, state=replace(entry.state, hash="e" * 64)),  # a ledger begun anew on the same server
    ):
        assert not same & {event.id for event in events_of(other)}


def test_a_report_that_is_a_link_already_stays_one():
    assert Path("/a").as_uri() == "file:///a"
    (verdict,) = events_of(row(HEALTHY, PASS, report="https://reports.example/1"))
    assert verdict.payload["report"] == "https://reports.example/1"
