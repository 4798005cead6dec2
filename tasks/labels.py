"""What turned out to be true, and when was it known? Labels as they arrive: repeated, late, revised, of rows nobody asked about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from schemas.errors import PerennialError
from schemas.problem import Problem
from schemas.settings import Settings
from tasks.database import open_database
from tasks.scoring import class_indices

__all__ = ["Arrived", "LabelError", "coverage", "first_known", "revised", "take_in"]

_LABELS = sa.table("labels", *(sa.column(name) for name in ("problem", "key", "label", "known_at")))
_ASKED = sa.table("predictions", *(sa.column(name) for name in ("problem", "key", "event_time", "role", "request")))


class LabelError(PerennialError, ValueError):
    """A label that cannot be one."""


@dataclass(frozen=True)
class Arrived:
    """What became of labels: new ones, those said before, those that revise another, and those of keys not (yet) asked about.
    Revisions and orphans are new as well, and are kept."""

    new: int
    repeated: int
    revised: int
    orphans: int


def take_in(problem: Problem, labels: Sequence[tuple[str, Any, datetime | None]], *, now: datetime) -> Arrived:
    """Take in (key, label, when it became known; None: now), durable when it returns; all of them or, on a LabelError, none.

    A label that is said again, without a time or with the same, changes nothing; another one with a later time revises.
    """
    values = _values(problem, labels, now)
    engine = open_database(Settings().log, "log")
    keys = sorted({key for key, _, _ in labels})
    with engine.begin() as connection:
        before = _newest(connection, problem.name, keys)
        asked = set()
        for part in _parts(keys):
            wanted = sa.select(_ASKED.c.key).where(_ASKED.c.problem == problem.name, _ASKED.c.key.in_(part))
            asked |= {str(key) for (key,) in connection.execute(wanted)}
        rows: list[dict[str, Any]] = []
        repeated = revised = 0
        moment = _moment(now)
        for (key, _, known_at), value in zip(labels, values, strict=True):
            when = moment if known_at is None else _moment(known_at)
            said = before.setdefault(key, {})
            newest = said[max(said)] if said else None
            if (known_at is None and newest == value) or (when in said):
                if when in said and said[when] != value:
                    raise LabelError(
                        f"the key of label {len(rows) + repeated} has another label of the same moment; "
                        "a revision carries a later `known_at`."
                    )
                repeated += 1
                continue
            revised += newest is not None and newest != value
            said[when] = value
            rows.append({"problem": problem.name, "key": key, "label": value, "known_at": when})
        if rows:
            connection.execute(_insert(engine), rows)
    orphans = sum(row["key"] not in asked for row in rows)
    return Arrived(len(rows), repeated, revised, orphans)


def coverage(problem: Problem, *, now: datetime) -> dict[str, dict[str, float]]:
    """By role: rows answered, those with a label known at `now`, and the mean days it took in matured rows (nan without
    one): of younger rows only the quick labels are there. And keys labelled, never asked."""
    first = (
        sa.select(_LABELS.c.key, sa.func.min(_LABELS.c.known_at).label("known_at"))
        .where(_LABELS.c.problem == problem.name, _LABELS.c.known_at <= _moment(now))
        .group_by(_LABELS.c.key)
        .subquery()
    )
    matured = _ASKED.c.event_time < _moment(now - problem.framing.maturity)
    query = (
        sa.select(
            _ASKED.c.role,
            sa.func.count(),
            sa.func.count(first.c.known_at),
            sa.func.avg(sa.case((matured, first.c.known_at - _ASKED.c.event_time))),
        )
        .select_from(_ASKED.outerjoin(first, first.c.key == _ASKED.c.key))
        .where(_ASKED.c.problem == problem.name)
        .group_by(_ASKED.c.role)
    )
    asked = sa.select(_ASKED.c.key).where(_ASKED.c.problem == problem.name)
    orphans = sa.select(sa.func.count()).select_from(first).where(first.c.key.not_in(asked))
    with open_database(Settings().log, "log").connect() as connection:
        found = {
            str(role): {"rows": int(n), "labelled": int(k), "lag_days": float("nan" if lag is None else lag) / 86_400e6}
            for role, n, k, lag in connection.execute(query)
        }
        return found | {"orphans": {"rows": float(connection.execute(orphans).scalar() or 0)}}


def revised(problem: Problem, *, now: datetime) -> dict[str, tuple[float, float]]:
    """The first and the newest label, by key, where they differ: what somebody said, and what was said later."""
    known = (_LABELS.c.problem == problem.name) & (_LABELS.c.known_at < _moment(now))
    several = sa.select(_LABELS.c.key).where(known).group_by(_LABELS.c.key).having(sa.func.count() > 1)
    query = sa.select(_LABELS.c.key, _LABELS.c.label).where(known, _LABELS.c.key.in_(several))
    said: dict[str, list[float]] = {}
    with open_database(Settings().log, "log").connect() as connection:
        for key, label in connection.execute(query.order_by(_LABELS.c.known_at)):
            said.setdefault(str(key), []).append(float(label))
    return {key: (values[0], values[-1]) for key, values in said.items() if values[0] != values[-1]}


def first_known(problem: Problem, *, since: datetime, now: datetime) -> pd.DataFrame:
    """What was said first of each key, and when, of labels that became known in [since, now): label and known_at, by key.
    A later correction says nothing of how fast labels come."""
    query = (
        sa.select(_LABELS.c.key, _LABELS.c.label, _LABELS.c.known_at)
        .where(
            _LABELS.c.problem == problem.name,
            _LABELS.c.known_at >= _moment(since),
            _LABELS.c.known_at < _moment(now),
        )
        .order_by(_LABELS.c.known_at)
    )
    with open_database(Settings().log, "log").connect() as connection:
        found = pd.DataFrame(connection.execute(query).all(), columns=["key", "label", "known_at"])
    first = found.drop_duplicates("key").set_index("key")
    return first.assign(known_at=pd.to_datetime(first["known_at"].astype("int64"), unit="us", utc=True))


def _values(problem: Problem, labels: Sequence[tuple[str, Any, datetime | None]], now: datetime) -> list[float]:
    framing = problem.framing
    for number, (_, label, known_at) in enumerate(labels):
        if isinstance(label, list | dict) or label is None:
            raise LabelError(f"label {number} is no number and no class; give one.")
        if framing.task != "multiclass" and (
            isinstance(label, str) or (framing.task == "binary" and label not in (0, 1))
        ):
            raise LabelError(f"label {number} is not {'0 or 1' if framing.task == 'binary' else 'a number'}.")
        if known_at is not None and known_at.tzinfo is None:
            raise LabelError(f"`known_at` of label {number} has no zone; it could mean any of 24 moments.")
        if known_at is not None and known_at > now:
            raise LabelError(f"`known_at` of label {number} lies in the future; a label is known when it is sent.")
    if framing.task != "multiclass":
        values = [float(label) for _, label, _ in labels]
    else:
        values = class_indices(np.array([label for _, label, _ in labels], dtype=object), framing).tolist()
    for number, value in enumerate(values):
        if value != value or value in (float("inf"), float("-inf")):
            raise LabelError(f"label {number} is none of the problem's classes, or not finite.")
    return values


def _newest(connection: sa.Connection, problem: str, keys: Sequence[str]) -> dict[str, dict[int, float]]:
    """What was said of each key so far: label by the moment it became known."""
    said: dict[str, dict[int, float]] = {}
    for part in _parts(keys):
        query = sa.select(_LABELS.c.key, _LABELS.c.known_at, _LABELS.c.label).where(
            _LABELS.c.problem == problem, _LABELS.c.key.in_(part)
        )
        for key, known_at, label in connection.execute(query):
            said.setdefault(str(key), {})[int(known_at)] = float(label)
    return said


def _parts(keys: Sequence[str]) -> list[Sequence[str]]:
    return [keys[i : i + 500] for i in range(0, len(keys), 500)]


def _insert(engine: sa.Engine) -> Any:
    # A row that is there already stays; a breach of any other rule is an error on both engines.
    dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
    return dialect.insert(_LABELS).on_conflict_do_nothing()


def _moment(value: datetime) -> int:
    return round(value.timestamp() * 1_000_000)
