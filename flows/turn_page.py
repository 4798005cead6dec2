"""How is one turn told on one screen? What was decided and why, what holds now, the figures against their limits, and last the
evidence."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flows.artifacts import cell
from flows.life import as_image
from flows.quality_screen import table
from schemas.problem import Problem, load_problem
from schemas.risks import open_risks
from schemas.rows import Entry, Model, State
from schemas.settings import Settings
from schemas.stage import Stage
from tasks.drawing.margins import draw_margins
from tasks.margins import margins_of

__all__ = ["described", "markdown", "moved_from", "now_holds"]


def described(entry: Entry) -> str:
    """What stands over the page: which turn it is."""
    state = entry.state
    assert state.at is not None
    why = f", because of: {state.why}" if state.why else ""
    return f"Turn {state.sequence} of {state.problem} at {state.at:%Y-%m-%d %H:%M} UTC, rollout {state.rollout}{why}"


def moved_from(entry: Entry) -> str:
    """From where to where, with the share of a canary."""
    state = entry.state
    arrow = f"{entry.before} → {state.stage}" if entry.before is not state.stage else str(state.stage)
    return f"{arrow} {state.share:.0%}" if state.stage is Stage.CANARY else arrow


def markdown(entry: Entry, *, picture: str = "", form: str = "") -> str:
    """The turn, the most important first; `picture` is the life of its problem so far, as SVG, and `form` where a person
    answers for what waits."""
    state, notes, problem = entry.state, entry.notes, load_problem(entry.state.problem)
    parts = [
        f"## {state.problem}: {moved_from(entry)}, {entry.verdict.outcome}",
        f"**{_sentence(entry.verdict.reason)}**",
        " ".join(now_holds(state, form=form)),
        *_alarms(notes),
        " · ".join(_links(state, notes)),
        _margins(entry),
        as_image(picture, f"{state.problem}: its life so far") if picture else "",
        _lines(_roles(state)),
        _lines(_about(entry, problem)),
        _lines(_evidence(entry)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def now_holds(state: State, *, form: str = "") -> Iterator[str]:
    """What is true from now on, and what is waited for; `form` is where a person answers."""
    champion, challenger = str(state.champion), str(state.challenger)
    holds = {
        Stage.COLD: "Nothing serves yet.",
        Stage.HEALTHY: f"{champion} answers every request.",
        Stage.RETRAIN: f"{champion} answers every request; the next turn trains a challenger.",
        Stage.SHADOW: f"{champion} answers every request; {challenger} scores the same ones, unseen.",
        Stage.CANARY: f"{challenger} answers {state.share:.0%} of the requests, {champion} the others.",
        Stage.AB: f"{challenger} and {champion} answer half of the requests each.",
        Stage.PROBATION: f"{champion} answers every request; {state.previous} scores them too, ready to come back.",
    }
    said = holds[state.stage]
    yield said[0].upper() + said[1:]
    if state.awaits:
        here = f"[answer here]({form}), or " if form else ""
        yield (
            f"**It waits for a person's approval since {state.awaits:%Y-%m-%d %H:%M}**: {here}"
            f"`make approve PROBLEM={state.problem}`."
        )
    if state.paused and state.at and state.paused.holds(state.at):
        pause = state.paused
        until = f"until {pause.until:%Y-%m-%d %H:%M}" if pause.until else "until somebody resumes"
        yield f"**Nothing goes forward** {until}: paused by {pause.who}: {_sentence(pause.note)}"
    if state.request:
        asked = state.request
        yield f"Queued: {asked.actor} asks for a {asked.kind}: {_sentence(asked.note)}"


def _alarms(notes: dict[str, Any]) -> Iterator[str]:
    """What somebody should look at, whatever the verdict."""
    if notes.get("unanswered"):
        yield f"**{notes['unanswered']:,} requests got no answer:** the model raised."
    if notes.get("quarantined"):
        yield f"**{notes['quarantined']:,} requests broke the contract** and are in quarantine."
    yield from (f"**Foreign edit:** {sentence}." for sentence in notes.get("foreign", []))
    if notes.get("report_fault"):
        yield f"**No report:** {_sentence(notes['report_fault'])}"


def _margins(entry: Entry) -> str:
    found = margins_of(entry.verdict.evidence, entry.notes.get("moved") or ())
    return as_image(draw_margins(found), "the figures of this verdict against their limits") if found else ""


def _roles(state: State) -> Iterator[str]:
    """Who holds which role, each one's page in MLflow, and what it learned from."""
    yield from ("| role | model | trained on rows up to | made because of | held-out loss |", "|---|---|---|---|---:|")
    for role in ("champion", "challenger", "previous"):
        model: Model | None = getattr(state, role)
        if model is None:
            continue
        until = f"{model.trained_until:%Y-%m-%d}" if model.trained_until else "–"
        loss = model.held_out.get("loss")
        page = f"{Settings().ui_url}/#/models/{state.problem}/versions/{model.version}"
        yield f"| {role} | [{model}]({page}) | {until} | {model.why or '–'} | {'–' if loss is None else f'{loss:.4g}'} |"


def _links(state: State, notes: dict[str, Any]) -> Iterator[str]:
    """Pages that a browser opens come first; a file lies on the machine that ran the turn."""
    if "link" in notes:
        yield f"[MLflow run]({notes['link']})"
    if page := notes.get("report_page") or notes.get("report_run"):
        yield f"[Evidently report]({page})"
    if url := Settings().gateways.get(state.problem):
        yield f"[the gateway's status page]({url.rstrip('/')}/)"
    if "diagnosis" in notes:
        yield f"[diagnosis]({Path(notes['diagnosis']).as_uri()})"
    if "report" in notes:
        yield f"[the report on this machine]({Path(notes['report']).as_uri()})"


def _about(entry: Entry, problem: Problem) -> Iterator[str]:
    notes = entry.notes
    yield f"{notes.get('answered', 0):,} requests answered and logged, {notes.get('labelled', 0):,} labels came in."
    if notes.get("noted"):
        yield f"Noted, and imputed where a model needs a value: {notes['noted']}."
    if notes.get("goal"):
        yield _sentence(notes["goal"])
    yield from (f"**Open risk:** {risk}: {why}." for risk, why in open_risks(problem).items())
    yield f"*{problem.statement}*"


def _evidence(entry: Entry) -> Iterator[str]:
    notes = entry.notes
    if notes.get("held_out"):
        yield from (_judged_on(notes["held_out"]), "")
    if notes.get("binding"):
        yield from (f"What keeps it back: {notes['binding']}", "")
    yield from _moved(notes["moved"]) if notes.get("moved") else ()
    yield from table(notes["quality"]) if notes.get("quality") else ()
    if notes.get("gates"):
        yield from ("", "| gate | verdict | why |", "|---|---|---|")
        yield from (f"| {gate} | {outcome} | {cell(reason)} |" for gate, outcome, reason in notes["gates"])
    measured = {**entry.verdict.evidence, **entry.verdict.beside}
    if measured:
        yield from ("", "| evidence | value |", "|---|---:|")
        yield from (f"| {name} | {_shown(value)} |" for name, value in measured.items())


def _judged_on(held_out: dict[str, Any]) -> str:
    """Which rows judged, why they are others than before, and how like live requests they are."""
    span = f"{held_out['from'][:10]} to {held_out['until'][:10]}"
    folds = f" in {held_out['folds']} folds" if held_out["folds"] > 1 else ""
    like = f" {_sentence(held_out['likeness'])}" if "likeness" in held_out else ""
    return f"Judged on {held_out['rows']:,} held-out rows{folds}, {span}; {held_out['reason']}.{like}"


def _moved(rows: list[list[Any]]) -> Iterator[str]:
    """What lies beyond its limit, furthest first, and how far as people measure it."""
    yield "| moved | distance | limit | PSI | Kolmogorov-Smirnov | Wasserstein | Jensen-Shannon |"
    yield "|---|" + "---:|" * 6
    for name, *said in rows:
        yield f"| {cell(name)} | " + " | ".join("" if v is None else f"{v:.3f}" for v in said) + " |"


def _lines(said: Iterator[str]) -> str:
    """One block: a line of prose ends where it ends, and a table begins after an empty line."""
    lines = list(said)
    return "\n".join(
        f"{line}  " if line and not line.startswith("|") and after and not after.startswith("|") else line
        for line, after in zip(lines, [*lines[1:], ""], strict=False)
    )


def _sentence(said: str) -> str:
    """With a capital and one full stop: reasons are written to stand within a line."""
    said = " ".join(said.split())
    return said and f"{said[0].upper()}{said[1:].rstrip('.')}."


def _shown(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
