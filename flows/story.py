"""What do people see of a turn? Its name among the runs, one artifact for the Prefect UI, and the events it calls for."""

import logging
from pathlib import Path

from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from flows import overview
from flows.artifacts import key_of, unharmed
from flows.events import announce
from flows.forms import form_of
from flows.life import life_file, of_a_year, page
from flows.turn_page import described, markdown, moved_from
from schemas.problem import load_problem
from schemas.rows import Entry, State
from tasks import ledger
from tasks.drawing.life import draw_life
from tasks.figures import whole

__all__ = ["markdown", "name_after", "name_before", "run_name", "tell"]

log = logging.getLogger("perennial")


def run_name() -> str:
    """What a turn is called while it runs: the problem, the moment it stands for where it is no live one, and the stage."""
    given = flow_run.parameters
    name, now = str(given["problem"]), given.get("now")
    try:
        state = ledger.state_of(name)
    except Exception:  # the turn itself says what is wrong with the ledger, and has to begin for that
        state = None
    return name_before(name, state, moment=str(now)[:16] if now else "")


def name_before(problem: str, state: State | None, *, moment: str = "") -> str:
    """
    >>> name_before("fraud", State("fraud")), name_before("fraud", None, moment="2025-07-09 00:00")
    ('fraud, COLD', 'fraud 2025-07-09 00:00')
    """
    named = " ".join(part for part in (problem, moment) if part)
    return f"{named}, {state.stage}" if state else named


def name_after(entry: Entry, *, live: bool) -> str:
    """What it is called for good: where it stood or went, and its verdict."""
    state = entry.state
    assert state.at is not None
    named = state.problem if live else f"{state.problem} {state.at:%Y-%m-%d %H:%M}"
    waits = ", waits for approval" if state.awaits else ""
    return f"{named}, {moved_from(entry)}: {entry.arrow}{waits}"


def tell(entry: Entry, *, live: bool) -> None:
    """Emit what happened, so that automations can act on it, and show it. The turn is over and its row is written: whatever
    cannot be shown is said in the log, and undoes nothing."""
    announce(entry, live=live)
    name = entry.state.problem
    with unharmed(f"the turn of {name} could not be shown"):
        form = form_of("approve/approve", problem=name) if entry.state.awaits else ""
        create_markdown_artifact(
            key=key_of("turn", name),
            markdown=markdown(entry, picture=_picture(entry), form=form),
            description=described(entry),
        )
        _link_report(entry)
    with unharmed(f"the run of {name} keeps the name that it began with"):
        _rename(name_after(entry, live=live))
    if live:
        with unharmed("the table of problems could not be written"):
            overview.tell()


def _picture(entry: Entry) -> str:
    """The life so far as SVG, which is also written as a page; empty where it cannot be drawn."""
    problem = load_problem(entry.state.problem)
    assert entry.state.at is not None
    with unharmed(f"the life of {problem.name} could not be drawn"):
        life = of_a_year(problem, entry.state.at)
        if life is not None:
            whole(life_file(problem.name), page(life, problem))
            return draw_life(life)
    return ""


def _rename(name: str) -> None:
    if flow_run.id is None:  # called as plain Python
        return
    with get_client(sync_client=True) as client:
        client.update_flow_run(flow_run.id, name=name)


def _link_report(entry: Entry) -> None:
    """The newest window's report, one click from the Prefect UI; only a turn that closed a window made one."""
    name, report = entry.state.problem, entry.notes.get("report_page") or entry.notes.get("report_run")
    if report:
        create_link_artifact(
            key=key_of("report", name),
            link=report,
            link_text=f"{name}: {Path(entry.notes['report']).stem}",
            description=f"{entry.verdict.outcome}: {entry.verdict.reason}. On this machine: {entry.notes['report']}",
        )
