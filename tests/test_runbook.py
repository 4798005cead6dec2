"""The runbook and the table of events say the same, and what it tells people to type is there."""

import re
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from schemas.events import EVENTS
from schemas.settings import Settings

ROOT = Path(__file__).parents[1]
RUNBOOK = (ROOT / "RUNBOOK.md").read_text()
EVERY = dict(re.findall(r"^### (.+?)\n(.*?)(?=^##|\Z)", RUNBOOK, flags=re.M | re.S))
# Of the machinery: no event of the loop's own says these.
FAILURES = {name: entry for name, entry in EVERY.items() if name[0].isupper()}
ENTRIES = {name: entry for name, entry in EVERY.items() if name not in FAILURES}


def test_every_event_has_its_entry_in_the_order_of_the_table_and_every_entry_its_event():
    assert list(ENTRIES) == list(EVENTS)


@pytest.mark.parametrize("known", EVENTS.values(), ids=list(EVENTS))
def test_an_entry_begins_with_what_the_table_says_and_ends_with_what_the_loop_does(known):
    entry = " ".join(ENTRIES[known.name].split())
    assert entry.startswith(f"**{known.severity}** · {known.when} - ")
    assert f"- Do: {known.do}" in entry
    assert "- By itself: " in entry
    assert len(entry) < 1_000, "somebody reads it at three in the morning"


def test_each_way_in_which_the_machinery_fails_has_its_entry():
    assert list(FAILURES) == [
        "Worker killed",
        "Server restarted",
        "Database away",
        "Disk full",
        "Clock jump",
        "Stuck run",
        "Late schedule",
    ]
    assert RUNBOOK.index("## When the machinery fails") < RUNBOOK.index("### Worker killed")


@pytest.mark.parametrize("name", FAILURES)
def test_an_entry_of_a_failure_says_who_tells_what_to_see_what_to_do_and_what_happens_by_itself(name):
    entry = " ".join(FAILURES[name].split())
    assert list(re.findall(r"- (Told by|See|Do|By itself): ", entry)) == [
        "Told by",
        "See",
        "Do",
        "By itself",
    ]
    assert not (set(re.findall(r"`(run-[a-z]+)`", entry)) - set(EVENTS)), "an event that is none"
    assert re.search(r"run-[a-z]+", entry.split("- See: ")[0]), "by which event people hear of it"
    assert len(entry) < 1_800, "somebody reads it at three in the morning"


def test_every_automation_links_its_entry_and_is_named_there():
    from deployments.automations import acting, ending

    anchors = {name.lower().replace(" ", "-"): " ".join(entry.split()) for name, entry in EVERY.items()}
    declared = acting(defaultdict(uuid4))
    assert len(declared) > len(ending())
    for automation in declared:
        page, _, anchor = automation.description.rpartition(" ")[2].partition("#")
        assert page == Settings().runbook
        assert anchor in anchors, automation.name
    for automation in ending():
        assert f"`{automation.name}`" in anchors[automation.description.rpartition("#")[2]]


def test_every_link_into_this_page_leads_to_an_entry():
    anchors = {name.lower().replace(" ", "-") for name in EVERY}
    assert set(re.findall(r"\]\(#([a-z-]+)\)", RUNBOOK)) <= anchors


def test_what_is_said_of_times_is_what_is_declared():
    from deployments import automations
    from flows import clock, guard

    said = " ".join(RUNBOOK.split())
    assert f"no heartbeat for {automations._SILENCE / timedelta(seconds=1):.0f} s" in said
    assert f"pending for {automations._START / timedelta(minutes=1):.0f} minutes" in said
    assert f"running for {automations._LONGEST / timedelta(hours=1):.0f} hours" in said
    assert f"wait up to {guard._WAIT / 60:.0f} minutes" in said
    assert (timedelta(weeks=2), timedelta(minutes=5)) == (clock._GAP, clock._APART), "two weeks, five minutes"


def test_every_make_command_it_names_is_a_target():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    named = set(re.findall(r"\bmake ([a-z-]+)", RUNBOOK))
    assert named <= targets
    assert {"approve", "rollback", "doctor", "skew", "history"} <= named


def test_every_command_and_setting_it_names_is_there():
    settings = (ROOT / "schemas" / "settings.py").read_text()
    for name in re.findall(r"PERENNIAL_([A-Z_]+)", RUNBOOK):
        assert f"    {name.lower()}:" in settings, name
    for module in re.findall(r"python -m ([a-z.]+)", RUNBOOK):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists(), module
    for path in re.findall(r"`(schemas/[a-z_/.]+)`", RUNBOOK):
        assert (ROOT / path).exists(), path


def test_what_is_said_of_quiet_times_is_what_is_deployed():
    from deployments.notifications import QUIET
    from schemas.events import Severity

    hours = {severity: quiet.total_seconds() / 3600 for severity, quiet in QUIET.items()}
    assert f"once in {hours[Severity.WARNING]:g} hours for a warning and in {hours[Severity.CRITICAL]:g} for" in RUNBOOK
