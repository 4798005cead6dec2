"""Is the table of events one that automations and people can rely on?"""

import re
import subprocess
import sys
from typing import get_args, get_type_hints

import pytest

from flows.operations import retrain
from schemas.events import EVENTS, RUNS, Event, Severity
from schemas.plans import Reason


@pytest.mark.parametrize("known", EVENTS.values(), ids=list(EVENTS))
def test_each_says_in_sentences_when_it_is_told_and_what_a_person_does(known):
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", known.name), "it is an anchor and an event's name"
    for sentence in (known.when, known.do):
        assert re.fullmatch(r"[A-Z].*[.?]", sentence), sentence
        assert len(sentence) < 150
    assert known.event == (known.heard or f"perennial.{known.name}")


def test_severities_rise_from_what_nobody_is_told_to_what_cannot_wait():
    assert [severity.rank for severity in (Severity.RECORD, Severity.INFO, Severity.WARNING, Severity.CRITICAL)] == [
        0,
        1,
        2,
        3,
    ]
    assert [known.name for known in EVENTS.values() if known.severity is Severity.RECORD] == ["verdict"]


def test_what_starts_a_retrain_names_a_cause_that_the_deployment_takes():
    causes = get_args(get_type_hints(retrain.fn)["cause"])
    starting = {known.name: known.cause for known in EVENTS.values() if known.starts == "retrain"}
    assert {"drift", "decay", "staleness"} <= set(starting)
    assert set(starting.values()) <= set(causes) & set(Reason)
    assert not [known for known in EVENTS.values() if known.cause and known.starts != "retrain"]


def test_events_of_runs_are_those_that_prefect_emits_itself():
    assert {known.heard for known in RUNS} == {
        f"prefect.flow-run.{state}" for state in ("Failed", "Crashed", "Cancelling", "Late")
    }
    assert not [known for known in EVENTS.values() if known.heard and known not in RUNS]


def test_what_is_told_is_bounded_and_carries_labels_that_automations_choose_by():
    said = {"reason": "r" * 5_000, "evidence": {f"n{i}": "v" * 1_000 for i in range(100)}}
    told = Event(EVENTS["fault"], "fraud", "1/abc", said).told(runbook="RUNBOOK.md")
    assert told["resource"] == {
        "prefect.resource.id": "perennial.problem.fraud",
        "prefect.resource.name": "fraud",
        "perennial.event": "fault",
        "perennial.severity": "critical",
    }
    assert len(told["payload"]["reason"]) == 1_000
    assert len(told["payload"]["evidence"]) == 20
    assert max(map(len, told["payload"]["evidence"].values())) == 200
    assert told["payload"]["runbook"] == "RUNBOOK.md#fault"


def test_a_process_without_prefect_can_tell_of_an_event():
    check = "import sys, tasks.posting, tasks.due; sys.exit('prefect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
