"""What do people read about the monitoring window that closed? One report a window, drawn here and cited by the verdict."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flows.turn import Turn, seed_of
from flows.window import champion_of, reference_rows, valid_rows
from schemas.verdict import Verdict
from tasks import monitoring, registry

__all__ = ["reported"]


def reported(
    turn: Turn,
    start: datetime,
    end: datetime,
    *,
    verdict: Verdict,
    distances: Mapping[str, float],
    limits: Mapping[str, float],
) -> dict[str, Any]:
    """Make and log the report of the window [start, end), and the notes that name it: `report`, `report_run`.

    `distances` and `limits` by name are those that `verdict` rests on, computed once from all rows; the report reads its own
    samples, and draws.
    """
    problem = turn.problem
    name = f"{start:%Y%m%dT%H%M}-{end:%Y%m%dT%H%M}"
    current, reference = valid_rows(problem, start, end), reference_rows(turn)
    report = monitoring.make_report(
        problem.name, name, current, reference, distances=distances, limits=limits, seed=seed_of(turn)
    )
    run = registry.log_report(problem, champion_of(turn), [report.html, report.json], folder=name)
    return {"report": str(report.html), "report_run": registry.run_link(problem, run)}
