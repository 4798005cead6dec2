"""What do people read about the monitoring window that closed? One report a window, drawn here and cited by the verdict."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from flows.turn import Turn, seed_of
from flows.window import champion_of, reference_span, valid_rows
from schemas.errors import told
from schemas.problem import Problem
from schemas.settings import Settings
from schemas.verdict import Outcome, Verdict
from tasks import monitoring, predictions, runs, scoring, windows

__all__ = ["reported", "tidied"]

log = logging.getLogger("perennial")

# Rows of each window that pandas is given: plots and a summary need no more, and a table may have billions.
_READ = 20_000


def reported(
    turn: Turn,
    start: datetime,
    end: datetime,
    *,
    verdict: Verdict,
    distances: Mapping[str, float],
    limits: Mapping[str, float],
) -> dict[str, Any]:
    """Make and log the report of the window [start, end), and the notes that name it: `report`, `report_run`, `report_page`.

    `distances` and `limits` by name are those that `verdict` rests on, computed once from all rows, the limits with their
    floor; a name need not be a column. The report reads its own samples, and draws. The verdict stands whether or not it
    can be drawn: then `report_fault` says why there is none.
    """
    if Settings().reports == "alarms" and verdict.outcome is Outcome.PASS:
        return {}
    try:
        return _reported(
            turn, monitoring.Window(turn.name, start, end, verdict, distances, limits, str(champion_of(turn)))
        )
    except Exception as error:
        log.exception("%s: the report of the window to %s could not be made", turn.name, end)
        return {"report_fault": f"the report of this window could not be made: {told(error)}"}


def tidied(problem: Problem, *, now: datetime) -> list[monitoring.Removed]:
    """Remove reports that the plan no longer keeps, here and in MLflow; what was removed."""
    removed = monitoring.tidy(problem.name, problem.monitoring, now=now)
    for one in removed:
        try:
            runs.forget_report(one.run, folder=one.name, file="" if one.whole else f"{one.name}.html")
        except Exception as error:  # a copy that stays is no reason for a turn to stop
            log.warning("%s: the copy of report %s stays in MLflow: %s", problem.name, one.name, told(error))
    return removed


def _reported(turn: Turn, window: monitoring.Window) -> dict[str, Any]:
    problem, champion = turn.problem, champion_of(turn)
    spans = [(window.start, window.end), reference_span(turn, champion_of(turn))]
    current, reference = (valid_rows(problem, *span, at_most=_READ) for span in spans)
    report = monitoring.make_report(
        window,
        current,
        reference,
        rows=(windows.count(problem, *spans[0]), windows.count(problem, *spans[1])),
        columns=problem.recipe.features,
        framing=problem.framing,
        matured=_matured(turn),
        personal=problem.personal,
        description=problem.statement,
        seed=seed_of(turn),
    )
    run = runs.log_report(problem, champion, [report.html, report.json], folder=window.name)
    monitoring.place(problem.name, window.name, outcome=window.verdict.outcome, end=window.end, run=run)
    tidied(problem, now=window.end)
    link = runs.run_link(problem, run)
    kept = report.html if report.html.exists() else report.json  # a replay may report a window that is long past
    page = f"{link}/artifacts/reports/{window.name}/{kept.name}"
    return {"report": str(kept), "report_run": link, "report_page": page}


def _matured(turn: Turn) -> monitoring.Matured:
    """What the champion answered, and whose labels had time to come: the rows that decay is judged on."""
    problem = turn.problem
    until = turn.now - problem.framing.maturity
    since = until - problem.monitoring.decay_window
    rows: pd.DataFrame = predictions.cohort(problem, since=since, now=turn.now)
    rows = rows[(rows["champion"] == champion_of(turn).sha256) & (rows["role"] == "champion")]
    said = scoring.logged(rows["champion_score"], rows["champion_decision"], problem.framing)
    return monitoring.Matured(said.score, said.decision, rows["label"].to_numpy(dtype=float), since, until)
