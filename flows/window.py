"""Which monitoring window closed, and which rows did it hold?"""

import logging
from collections.abc import Callable
from datetime import datetime

import pandas as pd

from flows.turn import Turn
from schemas.errors import told
from schemas.problem import Problem
from schemas.rows import Model
from schemas.verdict import Outcome, Verdict
from tasks import contracts, windows

__all__ = ["champion_of", "closed_window", "reference_rows", "reference_span", "unless_it_raises", "valid_rows"]

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


def reference_rows(turn: Turn) -> pd.DataFrame:
    """What the champion was trained on; for a rule, the weeks before it began to serve."""
    return valid_rows(turn.problem, *reference_span(turn))


def reference_span(turn: Turn) -> tuple[datetime, datetime]:
    """From when to when the reference reaches, half-open."""
    champion = champion_of(turn)
    if champion.trained_from and champion.trained_until:
        return champion.trained_from, champion.trained_until
    since = turn.state.since or turn.now
    return since - turn.problem.monitoring.reference, since


def champion_of(turn: Turn) -> Model:
    assert turn.state.champion is not None, "HEALTHY means that a champion serves"
    return turn.state.champion


def unless_it_raises(name: str, judge: Callable[[], Verdict | None]) -> Verdict | None:
    try:
        return judge()
    except Exception as error:
        log.exception("%s could not be judged", name)
        return Verdict(name, Outcome.WAIT, f"{name} could not be judged: {told(error)}")
