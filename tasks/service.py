"""How were requests served: how quickly, how many of them, and how many not at all? Counted in the log's own engine."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from schemas.problem import Problem
from schemas.settings import Settings
from tasks.database import open_database

__all__ = ["Service", "service"]

_ROWS = sa.table(
    "predictions", *(sa.column(name) for name in ("problem", "event_time", "answer_decision", "latency_ms"))
)
_MINUTE = 60_000_000
_QUANTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True)
class Service:
    """One span of time. Latencies in ms; None where nobody measured, as when turns score batches."""

    rows: int
    unanswered: int
    seconds: float
    busiest: int  # rows of the busiest minute
    timed: int
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None

    @property
    def error_share(self) -> float:
        return self.unanswered / self.rows if self.rows else 0.0

    @property
    def a_second(self) -> float:
        return self.rows / self.seconds


def service(problem: Problem, *, since: datetime, until: datetime) -> Service:
    """How the rows with `since <= event time < until` were answered; every asking counts, also of one key again."""
    inside = (
        (_ROWS.c.problem == problem.name)
        & (_ROWS.c.event_time >= _moment(since))
        & (_ROWS.c.event_time < _moment(until))
    )
    counts = sa.select(
        sa.func.count(), sa.func.count(_ROWS.c.answer_decision), sa.func.count(_ROWS.c.latency_ms)
    ).where(inside)
    a_minute = sa.select(sa.func.count().label("rows")).where(inside).group_by(_ROWS.c.event_time // _MINUTE).subquery()
    with open_database(Settings().log, "log").connect() as connection:
        rows, answered, timed = (int(n) for n in connection.execute(counts).one())
        busiest = int(connection.execute(sa.select(sa.func.max(a_minute.c.rows))).scalar() or 0)
        quantiles = [_quantile(connection, inside, timed, level) for level in _QUANTILES] if timed else [None] * 3
    return Service(rows, rows - answered, (until - since).total_seconds(), busiest, timed, *quantiles)


def _quantile(connection: sa.Connection, inside: Any, timed: int, level: float) -> float:
    """The latency that `level` of the timed rows do not exceed, found where the rows are."""
    latency = _ROWS.c.latency_ms
    ordered = sa.select(latency).where(inside, latency.is_not(None)).order_by(latency)
    position = max(-(-timed * round(level * 100) // 100) - 1, 0)
    return float(connection.execute(ordered.offset(position).limit(1)).scalar_one())


def _moment(value: datetime) -> int:
    return round(value.timestamp() * 1_000_000)
