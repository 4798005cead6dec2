"""A small prediction log to keep less of, a look at all that is kept, and a process that is killed where we say."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from schemas.plans import ServingPlan
from schemas.problem import Problem
from schemas.rows import ANSWER
from schemas.settings import Settings
from tasks import archives
from tasks.database import open_database
from tasks.journal import Group, Journal, Trip
from tasks.labels import take_in

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PLAN = ServingPlan(keep_features=10 * DAY, keep_answers=30 * DAY)
_names = itertools.count()


@dataclass(frozen=True)
class Row:
    """One answered row: how old, of which rollout, about whom; asked of a gateway, or scored by a turn."""

    days: int
    rollout: int = 0
    entity: str = "someone"
    labelled: bool = True
    gateway: bool = True
    same_request: bool = False  # as the row before it


class Killed(BaseException):
    """The process ends here, as by kill -9: nothing catches it."""


def fresh(toy: Problem, plan: ServingPlan = PLAN) -> Problem:
    """Examples share a log, and each has a problem of its own in it."""
    return replace(toy, name=f"toy{next(_names)}", serving=plan)


def logged(problem: Problem, rows: list[Row]) -> None:
    """The rows as a gateway (or a turn) writes them: keys k0, k1, ..., each with a client id, labelled a day later."""
    group, request, position, base = Group(), 0, 0, next(_names) * 10**6
    for n, row in enumerate(rows):
        if row.gateway and row.same_request and request:
            position += 1
        else:
            request, position = (base + n + 1, 0) if row.gateway else (0, 0)
        at = round((NOW - row.days * DAY).timestamp() * 1e6) + n
        given: dict[str, Any] = dict.fromkeys(ANSWER) | {
            "problem": problem.name, "key": f"k{n}", "event_time": at, "entity": row.entity, "rollout": row.rollout,
            "epoch": 1, "stage": "SHADOW", "role": "champion", "probability": 1.0, "champion": "a" * 64,
            "champion_score": n / 7, "answer_score": n / 7, "answer_decision": 1.0, "request": request,
            "position": position, "rival_error": "ValueError" if n % 3 == 0 else None,
        }  # fmt: skip
        group.answers.append(tuple(given[name] for name in ANSWER))
        if request:
            group.features.append((request, position, float(n), row.entity))
            if position == 0:
                group.ids.append((f"client {base + n}", request, "payload"))
    journal = Journal(problem, [("x", "real"), ("customer", "text")])
    journal.write(group)
    journal.close()
    known = [(f"k{n}", n % 2, NOW - row.days * DAY + DAY / 2) for n, row in enumerate(rows) if row.labelled]
    take_in(problem, known, now=NOW)


def beside(problem: Problem, days: int, rollout: int) -> None:
    """A count and a trip of that age."""
    at = NOW - days * DAY
    journal = Journal(problem, [])
    journal.write(Group(trips=[Trip(rollout, "b" * 64, at, "slow")], counts=[("dropped", "rival", 1)]))
    journal.close()
    with engine().begin() as connection:
        newest = sa.text("UPDATE counts SET at = :at WHERE id = (SELECT max(id) FROM counts)")
        connection.execute(newest, {"at": round(at.timestamp() * 1e6)})


def engine() -> sa.Engine:
    return open_database(Settings().log, "log")


def table(problem: Problem, name: str) -> pd.DataFrame:
    """The problem's rows of one table, in order."""
    features = name == "features"
    asked = f"SELECT * FROM features_{problem.name} ORDER BY request, position"
    with engine().connect() as connection:
        if features:
            return pd.read_sql(sa.text(asked), connection)
        query = sa.text(f"SELECT * FROM {name} WHERE problem = :problem ORDER BY id")
        return pd.read_sql(query, connection, params={"problem": problem.name})


def archived(problem: Problem, kind: str) -> pd.DataFrame:
    """The rows of the finished files, as they stand there."""
    found = [archives.read(file) for file in archives.files(problem.name, kind)]
    return pd.concat(found, ignore_index=True) if found else table(problem, kind).head(0)


def everything(problem: Problem, kind: str) -> dict[int, tuple[Any, ...]]:
    """Every row by its number, from the log and the archive; one in two files, or in the log and a finished file, fails.
    In a file that is only begun it may still be in the log as well."""
    here = table(problem, kind)
    begun = [archives.read(file) for file in archives.begun(problem.name) if archives.kind_of(file) == kind]
    begun = [rows[~rows["id"].isin(here["id"])] for rows in begun]
    rows = pd.concat([part.astype(object) for part in (here, archived(problem, kind), *begun)])
    assert not rows["id"].duplicated().any(), "a row stands in two places"
    values = rows.astype(object).where(rows.notna(), None)
    return {int(row[0]): tuple(row) for row in values.itertuples(index=False)}


def entity_of(row: tuple[Any, ...]) -> str:
    return row[4]


@contextmanager
def killed_at(step: int) -> Iterator[list[str]]:
    """The `step`-th call of database or disk is not made: the process ends before it. Yields the calls that were made."""
    calls: list[str] = []

    def count(what: str) -> None:
        calls.append(what)
        if len(calls) > step:
            raise Killed

    def counted(holder: Any, name: str) -> Any:
        real = getattr(holder, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            count(name)
            return real(*args, **kwargs)

        return call

    def halved(frame: pd.DataFrame, path: Path, **kwargs: Any) -> None:
        """Writing takes two steps: killed at the second, half a file is there."""
        count("to_parquet")
        real(frame, path, **kwargs)
        try:
            count("to_parquet")
        except Killed:
            whole = Path(path).read_bytes()
            Path(path).write_bytes(whole[: len(whole) // 2])
            raise

    def before(*_: Any) -> None:
        count("execute")

    def commit(*_: Any) -> None:
        count("commit")

    real, log = pd.DataFrame.to_parquet, engine()
    sa.event.listen(log, "before_cursor_execute", before)
    sa.event.listen(log, "commit", commit)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pd.DataFrame, "to_parquet", halved)
        for holder, name in ((Path, "replace"), (Path, "unlink")):
            patch.setattr(holder, name, counted(holder, name))
        patch.setattr(os, "fsync", lambda _: count("fsync"))  # a process is killed here, and no power is cut
        try:
            yield calls
        except Killed:
            calls.append("killed")
        finally:
            sa.event.remove(log, "before_cursor_execute", before)
            sa.event.remove(log, "commit", commit)
