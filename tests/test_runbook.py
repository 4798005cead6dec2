"""The runbook and the table of events say the same, and what it tells people to type is there."""

import re
from pathlib import Path

import pytest

from schemas.events import EVENTS

ROOT = Path(__file__).parents[1]
RUNBOOK = (ROOT / "RUNBOOK.md").read_text()
ENTRIES = dict(re.findall(r"^### (.+?)\n(.*?)(?=^##|\Z)", RUNBOOK, flags=re.M | re.S))


def test_every_event_has_its_entry_in_the_order_of_the_table_and_every_entry_its_event():
    assert list(ENTRIES) == list(EVENTS)


@pytest.mark.parametrize("known", EVENTS.values(), ids=list(EVENTS))
def test_an_entry_begins_with_what_the_table_says_and_ends_with_what_the_loop_does(known):
    entry = " ".join(ENTRIES[known.name].split())
    assert entry.startswith(f"**{known.severity}** · {known.when} - ")
    assert f"- Do: {known.do}" in entry
    assert "- By itself: " in entry
    assert len(entry) < 1_000, "somebody reads it at three in the morning"


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
