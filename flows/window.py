"""Which monitoring window closed, and which rows did it hold?"""

import logging
from collections.abc import Callable
from datetime import datetime

import pandas as pd

from flows.turn import Turn
from schemas.errors import PerennialError, told
from schemas.problem import Problem
from schemas.rows import Model
from schemas.verdict import Outcome, Verdict
from tasks import contracts, registry, scoring, windows

__all__ = [
    "cannot_serve",
    "champion_of",
    "closed_window",
    "reference_span",
    "unless_it_raises",
    "valid_rows",
]

log = logging.getLogger("perennial")


def closed_window(turn: Turn) -> tuple[datetime, datetime] | None:
    """The monitoring window that closed since the last turn: windows tile the time since HEALTHY began."""
    span, since, last = turn.problem.monitoring.window, turn.state.since, turn.state.turned
    if since is None or last is None:
        return None
    closed = (turn.now - since) // span
    if closed < 1 or since + closed * span <= last:
        return None
    return since + (closed - 1) * span, since + closed * span


def valid_rows(problem: Problem, start: datetime, end: datetime, *, at_most: int | None = None) -> pd.DataFrame:
    """The window's rows as they were requested, without those in quarantine; of more than `at_most` a sample."""
    return contracts.check(problem, windows.read_sample(problem, start, end, as_of=start, at_most=at_most)[0]).valid


def reference_span(turn: Turn, model: Model, *, before: datetime | None = None) -> tuple[datetime, datetime]:
    """From when to when the rows reach, half-open, that `model` was trained on; of a rule the weeks before it began to serve,
    or before the moment that is given where that is earlier."""
    if model.trained_from and model.trained_until:
        return model.trained_from, model.trained_until
    until = model.trained_until or turn.state.since or turn.now
    until = min(until, before) if before else until
    return until - turn.problem.monitoring.reference, until


def champion_of(turn: Turn) -> Model:
    assert turn.state.champion is not None, "HEALTHY means that a champion serves"
    return turn.state.champion


def cannot_serve(turn: Turn, model: Model) -> str:
    """Why `model` cannot answer what is asked now; empty when it can."""
    problem = turn.problem
    try:
        if not windows.available(problem):  # then its file and its content are all that can be looked at
            registry.load(problem, model)
            return ""
        recent = valid_rows(problem, turn.now - problem.monitoring.window, turn.now).tail(200)
        errors = scoring.outputs(registry.load(problem, model), recent, problem.framing).errors
    except PerennialError as error:
        return str(error)
    failed = [error for error in errors if error is not None]
    return f"{model} raises {failed[0]} on {len(failed)} of the {len(recent)} newest requests" if failed else ""


def unless_it_raises(name: str, judge: Callable[[], Verdict | None]) -> Verdict | None:
    try:
        return judge()
    except Exception as error:
        log.exception("%s could not be judged", name)
        return Verdict(name, Outcome.WAIT, f"{name} could not be judged: {told(error)}")
