"""What is kept no longer? Features go, answers and labels move to the archive, each row when its plan says so.

A rollout under way never loses its evidence: of it, nothing goes, however old. And no row is lost: a file that holds
it is durable and read back before the row is deleted, and its name says until then that it is not finished.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from schemas.errors import PerennialError
from schemas.problem import Problem
from schemas.settings import Settings
from tasks import archives
from tasks.database import open_database

__all__ = ["Archived", "archive", "settle"]

_FILE = 25_000  # rows of one file: some 40 MB while it is written
_BATCH = 250  # rows of one transaction: some ten milliseconds that a gateway waits


@dataclass(frozen=True)
class Archived:
    """Rows of features that were deleted, answers and labels that moved to files, and what else went with them."""

    features: int
    answers: int
    labels: int
    files: tuple[Path, ...]
    beside: int = 0  # client ids of archived requests, counts and trips


def archive(problem: Problem, *, now: datetime, open_rollout: int) -> Archived:
    """Hold the log to the plan's `keep_features` and `keep_answers`. Rows of rollouts from `open_rollout` on stay.

    A label goes when it is old and its key has no answer left in the log. Killed anywhere, each row is in the log or in
    exactly one file of the archive, and the next run goes on from there.
    """
    plan = problem.serving
    with _working(problem) as log:
        log.settle()
        log.drop_features(_moment(now - plan.keep_features), open_rollout)
        before = _moment(now - plan.keep_answers)
        log.move("predictions", log.old_answers(before, open_rollout))
        log.move("labels", log.old_labels(before))
        log.drop_beside(before, open_rollout)
        return log.done()


def settle(problem: Problem) -> Archived:
    """Finish what an interrupted run began, and begin nothing."""
    with _working(problem) as log:
        log.settle()
        return log.done()


@dataclass
class _Log:
    """The log of one problem while it is tidied, and what was done so far."""

    problem: str
    engine: sa.Engine
    features: int = 0
    rows: dict[str, int] = field(default_factory=lambda: {"predictions": 0, "labels": 0})
    files: list[Path] = field(default_factory=list)
    beside: int = 0

    def done(self) -> Archived:
        return Archived(self.features, self.rows["predictions"], self.rows["labels"], tuple(self.files), self.beside)

    @cached_property
    def tables(self) -> dict[str, sa.Table]:
        """As they are: a column that a later migration adds is archived too."""
        known = sa.MetaData()
        return {name: sa.Table(name, known, autoload_with=self.engine) for name in ("predictions", "labels")}

    @cached_property
    def asked(self) -> sa.TableClause | None:
        """What was asked; none where no gateway has answered yet."""
        name = f"features_{self.problem}"
        there = sa.inspect(self.engine).has_table(name)
        return sa.table(name, sa.column("request"), sa.column("position")) if there else None

    def old_answers(self, before: int, open_rollout: int) -> list[sa.ColumnElement[bool]]:
        rows = self.tables["predictions"].c
        return [rows.problem == self.problem, rows.event_time < before, rows.rollout < open_rollout]

    def old_labels(self, before: int) -> list[sa.ColumnElement[bool]]:
        labels, rows = self.tables["labels"].c, self.tables["predictions"].c
        kept = sa.exists().where(rows.problem == labels.problem, rows.key == labels.key)
        return [labels.problem == self.problem, labels.known_at < before, ~kept]

    def settle(self) -> None:
        archives.mend(self.problem)
        for file in archives.begun(self.problem):
            self._finish(file)

    def move(self, kind: str, old: Sequence[sa.ColumnElement[bool]]) -> None:
        """What is old, month by month, a file at a time: written, then deleted."""
        while (found := self._oldest(kind, old)) is not None:
            month, rows = found
            self._finish(archives.begin(self.problem, kind, month, rows))

    def drop_features(self, before: int, open_rollout: int) -> None:
        """What was asked in rows whose own time is past. They are walked from the features: answers stay for longer."""
        for old in self._old_features(before, open_rollout):
            assert self.asked is not None
            keys = sa.tuple_(self.asked.c.request, self.asked.c.position)
            self.features += self._delete(sa.delete(self.asked).where(keys.in_(old)))

    def drop_beside(self, before: int, open_rollout: int) -> None:
        """Counts and trips. Counts know no rollout: those since the first old row that stayed for one stay as well."""
        rows = self.tables["predictions"].c
        first = sa.select(sa.func.min(rows.event_time)).where(rows.problem == self.problem, rows.event_time < before)
        with self.engine.connect() as connection:
            since = connection.execute(first.where(rows.rollout >= open_rollout)).scalar()
        counts_before = before if since is None else min(before, since)
        for table, old in (
            (_COUNTS, _COUNTS.c.at < counts_before),
            (_TRIPS, sa.and_(_TRIPS.c.at < before, _TRIPS.c.rollout < open_rollout)),
        ):
            some = sa.select(table.c.id).where(table.c.problem == self.problem, old).limit(_BATCH)
            while gone := self._delete(sa.delete(table).where(table.c.id.in_(some))):
                self.beside += gone

    def _oldest(self, kind: str, old: Sequence[sa.ColumnElement[bool]]) -> tuple[str, pd.DataFrame] | None:
        table = self.tables[kind]
        at = table.c.event_time if kind == "predictions" else table.c.known_at
        with self.engine.connect() as connection:
            first = connection.execute(sa.select(sa.func.min(at)).where(*old)).scalar()
            if first is None:
                return None
            month = datetime.fromtimestamp(first // 1_000_000, UTC)
            wanted = sa.select(table).where(*old, at < _moment(_next_month(month))).order_by(at, table.c.id)
            return f"{month:%Y-%m}", _frame(table, connection.execute(wanted.limit(_FILE)).all())

    def _finish(self, file: Path) -> None:
        """Delete the rows that the file holds, and then call it finished. Done again, it deletes what is left."""
        kind = archives.kind_of(file)
        ids = archives.read(file, ["id"])["id"].tolist()
        for part in _parts(ids):
            if kind == "predictions":
                self._delete_with_answers(part)
            else:
                self._delete(sa.delete(self.tables[kind]).where(self.tables[kind].c.id.in_(part)))
        self.files.append(archives.finish(file))
        self.rows[kind] += len(ids)

    def _delete_with_answers(self, part: list[int]) -> None:
        """Answers, with what was asked and the client ids of their requests: half an answer is never repeated as the whole."""
        rows = self.tables["predictions"]
        these = sa.select(rows.c.request, rows.c.position).where(rows.c.id.in_(part), rows.c.request > 0)
        with _briefly(self.engine) as connection:
            if self.asked is not None:
                keys = sa.tuple_(self.asked.c.request, self.asked.c.position)
                self.features += connection.execute(sa.delete(self.asked).where(keys.in_(these))).rowcount
            requests = these.with_only_columns(rows.c.request)
            ids = sa.delete(_IDS).where(_IDS.c.problem == self.problem, _IDS.c.request.in_(requests))
            self.beside += connection.execute(ids).rowcount
            connection.execute(sa.delete(rows).where(rows.c.id.in_(part)))

    def _old_features(self, before: int, open_rollout: int) -> Iterator[list[tuple[int, int]]]:
        if self.asked is None:
            return
        rows, last, asked = self.tables["predictions"].c, (-1, -1), self.asked.c
        while True:
            page = sa.select(asked.request, asked.position).where(
                sa.tuple_(asked.request, asked.position) > sa.tuple_(*map(sa.literal, last))
            )
            page = page.order_by(asked.request, asked.position).limit(_BATCH)
            one = page.subquery()
            # SQLite takes the index of requests only where it reads, word for word, that there is one.
            row = sa.and_(
                rows.request == one.c.request, rows.position == one.c.position, sa.text("predictions.request > 0")
            )
            wanted = sa.select(one.c.request, one.c.position, rows.event_time, rows.rollout)
            wanted = wanted.select_from(one.outerjoin(self.tables["predictions"], row))
            with self.engine.connect() as connection:
                found = connection.execute(wanted.order_by(one.c.request, one.c.position)).all()
            if not found:
                return
            last = (found[-1][0], found[-1][1])
            if old := [
                (r, p) for r, p, at, rollout in found if at is not None and at < before and rollout < open_rollout
            ]:
                yield old

    def _delete(self, statement: sa.Delete) -> int:
        with _briefly(self.engine) as connection:
            return int(connection.execute(statement).rowcount)


@contextmanager
def _working(problem: Problem) -> Iterator[_Log]:
    """The log, ours alone to tidy; what goes wrong outside of us is told in one sentence that quotes no row."""
    again = "No row is lost; run again when it is back."
    try:
        with archives.alone(problem.name):
            yield _Log(problem.name, open_database(Settings().log, "log"))
    except sa.exc.SQLAlchemyError as error:
        inner = type(getattr(error, "orig", None) or error).__name__
        raise PerennialError(
            f"the prediction log of {problem.name!r} failed while archiving ({inner}). {again}"
        ) from None
    except OSError as error:
        folder = archives.folder_of(problem.name)
        raise PerennialError(
            f"{folder} failed while archiving ({error.strerror or type(error).__name__}). {again}"
        ) from None


@contextmanager
def _briefly(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One short transaction, and then as long a pause: half of the time belongs to whoever answers requests."""
    began = time.perf_counter()
    with engine.begin() as connection:
        yield connection
    time.sleep(time.perf_counter() - began)


def _frame(table: sa.Table, rows: Sequence[sa.Row[Any]]) -> pd.DataFrame:
    """The rows in typed columns, so that each file of a kind has the same."""
    columns = zip(table.columns, zip(*rows, strict=True), strict=True)
    return pd.DataFrame({column.name: pd.array(list(values), dtype=_kind(column.type)) for column, values in columns})


def _kind(stored: sa.types.TypeEngine[Any]) -> Any:
    if isinstance(stored, sa.Integer):
        return "Int64"
    if isinstance(stored, sa.Boolean):
        return "boolean"
    return "Float64" if isinstance(stored, sa.Float) else "str"


def _next_month(month: datetime) -> datetime:
    return datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)


def _parts(ids: list[int]) -> list[list[int]]:
    return [ids[i : i + _BATCH] for i in range(0, len(ids), _BATCH)]


def _moment(value: datetime) -> int:
    return round(value.timestamp() * 1_000_000)


_IDS = sa.table("client_ids", *(sa.column(name) for name in ("problem", "request")))
_COUNTS = sa.table("counts", *(sa.column(name) for name in ("id", "problem", "at")))
_TRIPS = sa.table("trips", *(sa.column(name) for name in ("id", "problem", "rollout", "at")))
