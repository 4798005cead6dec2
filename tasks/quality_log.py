"""What was measured of each cohort, and since when is it known? Append-only: a figure that changes gets a row more."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from schemas.figure import Figure, FigureKind
from schemas.problem import Problem
from schemas.settings import Settings
from tasks.database import open_database

__all__ = ["Look", "figures", "keep_figures", "last_look", "touched"]

_COLUMNS = (
    "kind",
    "metric",
    "started",
    "ended",
    "model",
    "known_at",
    "rows",
    "value",
    "low",
    "high",
    "note",
)
_QUALITY = sa.table("quality", *(sa.column(name) for name in ("id", "problem", *_COLUMNS)))
_LABELS = sa.table("labels", *(sa.column(name) for name in ("problem", "key", "known_at")))
_ASKED = sa.table("predictions", *(sa.column(name) for name in ("problem", "key", "event_time")))
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Look:
    """When realised figures were last kept, the start of the oldest cohort that has one and the end of the newest."""

    at: datetime
    first: datetime
    ended: datetime


def keep_figures(problem: Problem, found: Sequence[Figure], *, now: datetime) -> int:
    """Keep those of the figures that say something new, as known at `now`. Returns how many those are. Done twice, it is
    done once; a replay of a moment that was kept before changes nothing."""
    if not found:
        return 0
    before = _newest(problem, found, now)
    new = [_row(problem, figure, now) for figure in found if before.get(_of(figure)) != _said(figure)]
    if not new:
        return 0
    engine = _engine()
    dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
    with engine.begin() as connection:
        connection.execute(dialect.insert(_QUALITY).on_conflict_do_nothing(), new)
    return len(new)


def figures(
    problem: Problem,
    *,
    kinds: Iterable[FigureKind] = (),
    metrics: Iterable[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Figure]:
    """Every figure kept of cohorts that end in (since, until], with all its revisions: by cohort, then as they became known."""
    query = sa.select(*(_QUALITY.c[name] for name in _COLUMNS)).where(_QUALITY.c.problem == problem.name)
    if kinds := tuple(kinds):
        query = query.where(_QUALITY.c.kind.in_(kinds))
    if metrics := tuple(metrics):
        query = query.where(_QUALITY.c.metric.in_(metrics))
    if since is not None:
        query = query.where(_QUALITY.c.ended > _moment(since))
    if until is not None:
        query = query.where(_QUALITY.c.ended <= _moment(until))
    query = query.order_by(_QUALITY.c.started, _QUALITY.c.ended, _QUALITY.c.known_at, _QUALITY.c.id)
    with _engine().connect() as connection:
        return [_figure(dict(row)) for row in connection.execute(query).mappings()]


def last_look(problem: Problem) -> Look | None:
    """When realised figures were last kept, and of which cohorts there are any; None before the first."""
    columns = (sa.func.max(_QUALITY.c.known_at), sa.func.min(_QUALITY.c.started), sa.func.max(_QUALITY.c.ended))
    query = sa.select(*columns).where(_QUALITY.c.problem == problem.name, _QUALITY.c.kind == "realised")
    with _engine().connect() as connection:
        found = connection.execute(query).one()
    return None if found[0] is None else Look(*(_time(value) for value in found))


def touched(
    problem: Problem, *, known_since: datetime, now: datetime, after: datetime, before: datetime, span: timedelta
) -> list[datetime]:
    """A moment of each cohort of length `span`, counted from `after` and before `before`, of whose rows a label became
    known in [known_since, now): what was realised there is revised."""
    first, step = _moment(after), span // _MICROSECOND
    number = (_ASKED.c.event_time - first) // step
    query = (
        sa.select(number.label("number"))
        .select_from(
            _LABELS.join(_ASKED, (_ASKED.c.problem == _LABELS.c.problem) & (_ASKED.c.key == _LABELS.c.key)),
        )
        .where(
            _LABELS.c.problem == problem.name,
            _LABELS.c.known_at >= _moment(known_since),
            _LABELS.c.known_at < _moment(now),
            _ASKED.c.event_time >= first,
            _ASKED.c.event_time < _moment(before),
        )
        .distinct()
    )
    with _engine().connect() as connection:
        return sorted(after + int(found) * span for (found,) in connection.execute(query))


def _newest(problem: Problem, found: Sequence[Figure], now: datetime) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """What was said last before `now`, by what it was said of."""
    query = (
        sa.select(*(_QUALITY.c[name] for name in _COLUMNS))
        .where(
            _QUALITY.c.problem == problem.name,
            _QUALITY.c.started >= min(_moment(one.start) for one in found),
            _QUALITY.c.ended <= max(_moment(one.end) for one in found),
            _QUALITY.c.known_at < _moment(now),
        )
        .order_by(_QUALITY.c.known_at)
    )
    with _engine().connect() as connection:
        kept = [_figure(dict(row)) for row in connection.execute(query).mappings()]
    return {_of(one): _said(one) for one in kept}


def _of(figure: Figure) -> tuple[Any, ...]:
    return figure.kind, figure.metric, figure.start, figure.end, figure.model


def _said(figure: Figure) -> tuple[Any, ...]:
    """To 12 digits, as the ledger has it: another order of a sum is no revision."""
    numbers = (figure.value, figure.low, figure.high)
    return figure.rows, figure.note, *(None if x is None else float(f"{x:.12g}") for x in numbers)


def _row(problem: Problem, figure: Figure, now: datetime) -> dict[str, Any]:
    return {
        "problem": problem.name,
        "kind": figure.kind,
        "metric": figure.metric,
        "started": _moment(figure.start),
        "ended": _moment(figure.end),
        "model": figure.model,
        "known_at": _moment(now),
        "rows": figure.rows,
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "note": figure.note,
    }


def _figure(row: dict[str, Any]) -> Figure:
    start, end, known_at = (_time(row.pop(name)) for name in ("started", "ended", "known_at"))
    return Figure(**row, start=start, end=end, known_at=known_at)


def _engine() -> sa.Engine:
    return open_database(Settings().log, "log")


def _moment(value: datetime) -> int:
    return (value - _EPOCH) // _MICROSECOND


def _time(value: int) -> datetime:
    return _EPOCH + int(value) * _MICROSECOND
