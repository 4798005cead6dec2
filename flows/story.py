"""What do people see of a turn? One line for the timeline, one artifact for the Prefect UI, and the events it calls for."""

from pathlib import Path
from typing import Any

from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.runtime import flow_run

from flows.events import announce
from flows.quality_screen import table
from schemas.problem import load_problem
from schemas.risks import open_risks
from schemas.rows import Entry
from schemas.stage import Stage

__all__ = ["headline", "markdown", "run_name", "tell"]


def headline(entry: Entry) -> str:
    """One line: when, from where to where, why."""
    state = entry.state
    assert state.at is not None
    arrow = f"{entry.before} → {state.stage}" if entry.before is not state.stage else str(state.stage)
    share = f" {state.share:.0%}" if state.stage is Stage.CANARY else ""
    return f"{state.at:%Y-%m-%d}  {arrow + share:<22} {entry.verdict.outcome:<4}  {entry.verdict.reason}"


def markdown(entry: Entry) -> str:
    """The turn on one screen: stage, verdict, reason, who holds which role, the evidence, links."""
    state, notes, problem = entry.state, entry.notes, load_problem(entry.state.problem)
    assert state.at is not None
    lines = [
        f"## {state.problem}: {entry.before} → {state.stage}, {entry.verdict.outcome}",
        f"{entry.verdict.reason}.",
        "",
        f"*{problem.statement}* Turn {state.sequence} at {state.at:%Y-%m-%d %H:%M} UTC, rollout {state.rollout}"
        + (f", because of: {state.why}" if state.why else ""),
        "",
        "| role | model |",
        "|---|---|",
        *(f"| {role} | {getattr(state, role) or '–'} |" for role in ("champion", "challenger", "previous")),
        "",
        f"{notes.get('answered', 0):,} requests answered and logged, {notes.get('labelled', 0):,} labels came in.",
    ]
    if notes.get("unanswered"):
        lines += [f"**{notes['unanswered']:,} requests got no answer:** the model raised."]
    if notes.get("quarantined"):
        lines += [f"{notes['quarantined']:,} requests broke the contract and are in quarantine."]
    lines += [f"Noted, and imputed where a model needs a value: {notes['noted']}."] if notes.get("noted") else []
    lines += [f"**Foreign edit:** {sentence}." for sentence in notes.get("foreign", [])]
    lines += [f"{notes['goal'][0].upper()}{notes['goal'][1:]}."] if notes.get("goal") else []
    lines += [f"**Open risk:** {risk}: {why}." for risk, why in open_risks(problem).items()]
    lines += ["", " · ".join(_links(notes))]
    lines += ["", _judged_on(notes["held_out"])] if notes.get("held_out") else []
    lines += ["", f"What keeps it back: {notes['binding']}"] if notes.get("binding") else []
    lines += _moved(notes["moved"]) if notes.get("moved") else []
    lines += table(notes["quality"]) if notes.get("quality") else []
    if notes.get("gates"):
        lines += ["", "| gate | verdict | why |", "|---|---|---|"]
        lines += [f"| {gate} | {outcome} | {_cell(reason)} |" for gate, outcome, reason in notes["gates"]]
    measured = {**entry.verdict.evidence, **entry.verdict.beside}
    if measured:
        lines += ["", "| evidence | value |", "|---|---:|"]
        lines += [f"| {name} | {_shown(value)} |" for name, value in measured.items()]
    return "\n".join(lines) + "\n"


def _judged_on(held_out: dict[str, Any]) -> str:
    """Which rows judged, why they are others than before, and how like live requests they are."""
    span = f"{held_out['from'][:10]} to {held_out['until'][:10]}"
    folds = f" in {held_out['folds']} folds" if held_out["folds"] > 1 else ""
    like = f" {held_out['likeness'][0].upper()}{held_out['likeness'][1:]}." if "likeness" in held_out else ""
    return f"Judged on {held_out['rows']:,} held-out rows{folds}, {span}; {held_out['reason']}.{like}"


def _moved(rows: list[list[Any]]) -> list[str]:
    """What lies beyond its limit, furthest first, and how far as people measure it."""
    head = [
        "",
        "| moved | distance | limit | PSI | Kolmogorov-Smirnov | Wasserstein | Jensen-Shannon |",
        "|---|" + "---:|" * 6,
    ]
    return head + [
        f"| {_cell(name)} | " + " | ".join("" if v is None else f"{v:.3f}" for v in said) + " |" for name, *said in rows
    ]


def _links(notes: dict[str, Any]) -> list[str]:
    links = [f"[MLflow run]({notes['link']})"] if "link" in notes else []
    links += [f"[diagnosis]({Path(notes['diagnosis']).as_uri()})"] if "diagnosis" in notes else []
    if "report" in notes:
        links += [
            f"[Evidently report]({Path(notes['report']).as_uri()})",
            f"[its copy in MLflow]({notes['report_run']})",
        ]
    if "report_fault" in notes:
        links += [notes["report_fault"]]
    return links


def run_name() -> str:
    """What a turn is called in the UI: the problem, and the moment it stands for."""
    given = flow_run.parameters
    now = given.get("now")
    return f"{given['problem']} {str(now)[:16]}" if now else str(given["problem"])


def tell(entry: Entry, *, live: bool) -> None:
    """Emit what happened, so that automations can act on it, and leave the artifact."""
    announce(entry, live=live)
    name = entry.state.problem
    create_markdown_artifact(
        key=f"turn-{name.replace('_', '-').lower()}", markdown=markdown(entry), description=headline(entry)
    )
    _link_report(entry)


def _link_report(entry: Entry) -> None:
    """The newest window's report, one click from the Prefect UI; only a turn that closed a window made one."""
    name, page = entry.state.problem, entry.notes.get("report_page") or entry.notes.get("report_run")
    if page:
        create_link_artifact(
            key=f"report-{name.replace('_', '-').lower()}",
            link=page,
            link_text=f"{name}: {Path(entry.notes['report']).stem}",
            description=f"{entry.verdict.outcome}: {entry.verdict.reason}. On this machine: {entry.notes['report']}",
        )


def _cell(text: str) -> str:
    """One line, and no bar that would end the cell."""
    return " ".join(text.split()).replace("|", "/")


def _shown(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
