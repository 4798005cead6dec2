"""What was tried, and what came of it? Nights, their steps, and each experiment's result once, beside the ledger's table."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from schemas.errors import PerennialError
from schemas.experiment import Job, Result
from schemas.settings import Settings
from tasks.database import open_database

__all__ = [
    "OtherNightError",
    "Row",
    "begin",
    "close",
    "drop",
    "ended",
    "jobs",
    "keep",
    "newest",
    "result_of",
    "steps",
    "steps_of_all",
    "take",
    "unfinished",
]

_NIGHTS_READ = 50  # a night that far back began on other rows
_NIGHTS = sa.table("nights", *(sa.column(name) for name in ("problem", "night", "began", "ended", "body")))
_STEPS = sa.table("steps", *(sa.column(name) for name in ("problem", "night", "number", "body")))
_EXPERIMENTS = sa.table("experiments", *(sa.column(name) for name in ("id", "problem", "at", "job", "result")))


class OtherNightError(PerennialError):
    def __init__(self, problem: str, night: str, number: int) -> None:
        super().__init__(
            f"step {number} of night {night} of {problem!r} was taken by another process meanwhile; this one changed nothing. "
            "One night runs for a problem at a time: let it end, or go on here after it was stopped."
        )


@dataclass(frozen=True)
class Row:
    """A night as it is stored: what it set out with, and, once it has ended, what came of it."""

    problem: str
    night: str
    began: datetime
    ended: datetime | None
    body: dict[str, Any]


def begin(problem: str, night: str, body: dict[str, Any], *, at: datetime) -> Row:
    """Open a night. One that is open already is gone on with: `unfinished` finds it."""
    values = {"problem": problem, "night": night, "began": at.isoformat(), "ended": None, "body": json.dumps(body)}
    with _engine().begin() as connection:
        connection.execute(sa.insert(_NIGHTS).values(values))
    return Row(problem, night, at, None, body)


def unfinished(problem: str) -> Row | None:
    """The newest night that was begun and has not ended."""
    return _night(sa.and_(_NIGHTS.c.problem == problem, _NIGHTS.c.ended.is_(None)))


def newest(problem: str) -> Row | None:
    """The newest night, whether or not it has ended."""
    return _night(_NIGHTS.c.problem == problem)


def _night(which: sa.ColumnElement[bool]) -> Row | None:
    query = sa.select(_NIGHTS).where(which).order_by(_NIGHTS.c.began.desc()).limit(1)
    with _engine().connect() as connection:
        found = connection.execute(query).mappings().first()
    if found is None:
        return None
    ended = datetime.fromisoformat(found["ended"]) if found["ended"] else None
    return Row(
        found["problem"], found["night"], datetime.fromisoformat(found["began"]), ended, json.loads(found["body"])
    )


def close(row: Row, body: dict[str, Any], *, at: datetime) -> None:
    """End the night, with what came of it in place of what it set out with."""
    which = sa.and_(_NIGHTS.c.problem == row.problem, _NIGHTS.c.night == row.night)
    with _engine().begin() as connection:
        connection.execute(sa.update(_NIGHTS).where(which).values(ended=at.isoformat(), body=json.dumps(body)))


def drop(row: Row) -> None:
    """Forget a night that has not ended, with its steps; the experiments themselves and their results stay."""
    both = [
        sa.delete(table).where(table.c.problem == row.problem, table.c.night == row.night)
        for table in (_STEPS, _NIGHTS)
    ]
    with _engine().begin() as connection:
        for one in both:
            connection.execute(one)


def ended(problem: str, *, before: datetime) -> Iterator[tuple[dict[str, Any], str]]:
    """What came of each night that ended and began before that moment, and its name; the newest first."""
    query = sa.select(_NIGHTS.c.body, _NIGHTS.c.night).where(
        _NIGHTS.c.problem == problem, _NIGHTS.c.ended.is_not(None), _NIGHTS.c.began < before.isoformat()
    )
    with _engine().connect() as connection:
        found = connection.execute(query.order_by(_NIGHTS.c.began.desc()).limit(_NIGHTS_READ)).all()
    for body, night in found:
        yield json.loads(body), night


def take(problem: str, night: str, number: int, body: dict[str, Any]) -> None:
    """Write a step; its unique number is the compare-and-set, as in the ledger."""
    values = {"problem": problem, "night": night, "number": number, "body": json.dumps(body)}
    try:
        with _engine().begin() as connection:
            connection.execute(sa.insert(_STEPS).values(values))
    except sa.exc.IntegrityError:
        raise OtherNightError(problem, night, number) from None


def steps(problem: str, night: str) -> list[dict[str, Any]]:
    """The night's steps, in order."""
    query = sa.select(_STEPS.c.body).where(_STEPS.c.problem == problem, _STEPS.c.night == night)
    with _engine().connect() as connection:
        return [json.loads(body) for body in connection.execute(query.order_by(_STEPS.c.number)).scalars()]


def steps_of_all(*, at_most: int = 5_000) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Problem, night and step of every problem, oldest night first; the newest `at_most` of them."""
    both = sa.and_(_NIGHTS.c.problem == _STEPS.c.problem, _NIGHTS.c.night == _STEPS.c.night)
    query = sa.select(_STEPS.c.problem, _STEPS.c.night, _STEPS.c.body).select_from(_STEPS.join(_NIGHTS, both))
    query = query.order_by(_NIGHTS.c.began.desc(), _STEPS.c.number.desc()).limit(at_most)
    with _engine().connect() as connection:
        found = connection.execute(query).all()
    for problem, night, body in reversed(found):
        yield problem, night, json.loads(body)


def result_of(job: Job) -> Result | None:
    """What came of the experiment; None where it has not been run to its end."""
    query = sa.select(_EXPERIMENTS.c.result).where(_EXPERIMENTS.c.id == job.id)
    with _engine().connect() as connection:
        found = connection.execute(query).scalar()
    return Result.from_json(json.loads(found)) if found else None


def keep(job: Job, result: Result, *, at: datetime) -> bool:
    """Store the result of an experiment; False where it has one already, which stays."""
    values = {
        "id": job.id,
        "problem": job.problem,
        "at": at.isoformat(),
        "job": json.dumps(job.to_json()),
        "result": json.dumps(result.to_json()),
    }
    try:
        with _engine().begin() as connection:
            connection.execute(sa.insert(_EXPERIMENTS).values(values))
    except sa.exc.IntegrityError:
        return False
    return True


def jobs(problem: str, *, before: datetime | None = None) -> list[Job]:
    """Every experiment of the problem that has a result, or had one before that moment, in the order in which they ended."""
    query = sa.select(_EXPERIMENTS.c.job).where(_EXPERIMENTS.c.problem == problem).order_by(_EXPERIMENTS.c.at)
    if before is not None:
        query = query.where(_EXPERIMENTS.c.at < before.astimezone(UTC).isoformat())
    with _engine().connect() as connection:
        return [Job.from_json(json.loads(job)) for job in connection.execute(query).scalars()]


def _engine() -> sa.Engine:
    return open_database(Settings().ledger, "experiments")
