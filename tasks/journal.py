"""How is an answer made durable before it is acknowledged? What a gateway writes: answers, mirrored scores, trips, counts."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from schemas.errors import PerennialError
from schemas.problem import Problem
from schemas.rows import ANSWER
from schemas.settings import Settings
from tasks.database import open_database
from tasks.journal_tables import (
    ANSWERS,
    COUNTS,
    GATEWAYS,
    IDS,
    MIRRORED,
    TRIPS,
    driver_sql,
    ensure,
    features_table,
    mirroring,
)

__all__ = [
    "Group",
    "Journal",
    "JournalError",
    "Numbers",
    "RepeatedIdError",
    "Trip",
    "refused_since",
    "replayed",
    "trips",
]

_REPLICAS = 4096


class JournalError(PerennialError):
    """The prediction log cannot be written now."""


class RepeatedIdError(PerennialError):
    """A client's id was written by another process meanwhile: look it up."""


@dataclass(frozen=True)
class Group:
    """What one commit makes durable, together or not at all."""

    answers: list[tuple[Any, ...]] = field(default_factory=list)  # as ANSWER
    features: list[tuple[Any, ...]] = field(default_factory=list)  # request, position, then the journal's features
    ids: list[tuple[str, int, str]] = field(default_factory=list)  # client id, request, payload
    champion: list[tuple[Any, ...]] = field(default_factory=list)  # as MIRRORED, said by the champion
    rival: list[tuple[Any, ...]] = field(default_factory=list)  # as MIRRORED, said by the rival
    counts: list[tuple[str, str, int]] = field(default_factory=list)  # kind, what, n
    trips: list["Trip"] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any((self.answers, self.champion, self.rival, self.counts, self.trips))


@dataclass(frozen=True)
class Trip:
    """A gateway's breaker took this challenger off the answers; the next turn rolls it back."""

    rollout: int
    model: str
    at: datetime
    reason: str


class Numbers:
    """Ordered request numbers, unique among replicas: microseconds, then the replica. Never twice, also when the clock
    stands still or is set back while we run."""

    def __init__(self, replica: int) -> None:
        self.replica = replica % _REPLICAS
        self._last = 0

    def next(self) -> int:
        self._last = max(self._last + 1, time.time_ns() // 1_000)
        return self._last * _REPLICAS + self.replica


class Journal:
    """The prediction log as one gateway writes it. Used from one thread; every method commits before it returns."""

    def __init__(self, problem: Problem, features: Sequence[tuple[str, str]]) -> None:
        """`features` are the columns kept with each answer, with the kind of their values: real, whole, truth, time or text."""
        self.problem = problem.name
        self._features = tuple(features)
        self._engine: sa.Engine | None = None
        self._connection: sa.Connection | None = None

    def register(self, started: datetime) -> int:
        """This gateway's number, by which its requests differ from those of every other replica."""
        row = {"problem": self.problem, "started": _moment(started)}
        with self._committing() as connection:
            return int(connection.execute(sa.insert(GATEWAYS), row).inserted_primary_key[0])  # type: ignore[index]

    def write(self, group: Group) -> None:
        """Make all of it durable. RepeatedIdError: another replica has answered one of the ids; nothing was written."""
        with self._committing() as connection:
            self._many(connection, self._put_ids, [(self.problem, *row) for row in group.ids])
            self._many(connection, self._put_answers, group.answers)
            self._many(connection, self._put_features, group.features)
            self._many(connection, self._mirror["champion"], group.champion)
            self._many(connection, self._mirror["rival"], group.rival)
            now = _moment(datetime.now(UTC))
            self._many(connection, self._put_counts, [(self.problem, now, *row) for row in group.counts])
            rows = [(self.problem, t.rollout, t.model, _moment(t.at), t.reason) for t in group.trips]
            self._many(connection, self._put_trips, rows)

    def known(self, client_ids: Iterable[str]) -> dict[str, tuple[int, str]]:
        """The request and the payload of each client id that was answered before."""
        wanted = list(client_ids)
        if not wanted:
            return {}
        query = sa.select(IDS.c.client_id, IDS.c.request, IDS.c.payload).where(
            IDS.c.problem == self.problem, IDS.c.client_id.in_(wanted)
        )
        with self._committing() as connection:
            return {str(row[0]): (int(row[1]), str(row[2])) for row in connection.execute(query)}

    def answered(self, request: int) -> list[dict[str, Any]]:
        """The rows of one request as they were answered, by position."""
        query = sa.select(*ANSWERS.c).where(ANSWERS.c.request == request).order_by(ANSWERS.c.position)
        with self._committing() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _committing(self) -> "_Committing":
        return _Committing(self)

    def _open(self) -> sa.Connection:
        if self._connection is None:
            engine = open_database(Settings().log, "log")
            if self._engine is None:
                self._prepare(engine)
            self._engine = engine
            self._connection = engine.connect()
        return self._connection

    def _prepare(self, engine: sa.Engine) -> None:
        table = features_table(self.problem, self._features)
        ensure(engine, table)
        dialect = sqlite if engine.dialect.name == "sqlite" else postgresql
        conflict = ["problem", "key", "request", "position"]

        def put(table: sa.TableClause | sa.Table, names: Sequence[str], keep: Sequence[str] = ()) -> Any:
            statement = dialect.insert(table).values({name: sa.bindparam(name) for name in names})
            return (statement.on_conflict_do_nothing(index_elements=list(keep)) if keep else statement), tuple(names)

        self._put_answers = put(ANSWERS, ANSWER, conflict)
        names = ("request", "position", *(name for name, _ in self._features))
        self._put_features = put(table, names, ("request", "position"))
        self._put_ids = put(IDS, ("problem", "client_id", "request", "payload"))
        self._put_counts = put(COUNTS, ("problem", "at", "kind", "what", "n"))
        self._put_trips = put(TRIPS, ("problem", "rollout", "model", "at", "reason"), ("problem", "rollout", "model"))
        self._mirror = {
            side: (mirroring(side), tuple(f"new_{name}" for name in MIRRORED)) for side in ("champion", "rival")
        }
        if dialect is sqlite:  # driver SQL with tuples costs a third of what named parameters do
            for name in ("_put_answers", "_put_features", "_put_ids", "_put_counts", "_put_trips"):
                setattr(self, name, driver_sql(getattr(self, name), engine))
            self._mirror = {side: driver_sql(said, engine) for side, said in self._mirror.items()}

    def _many(
        self, connection: sa.Connection, statement: tuple[Any, tuple[str, ...]], rows: list[tuple[Any, ...]]
    ) -> None:
        if not rows:
            return
        sql, names = statement
        if isinstance(sql, str):
            connection.exec_driver_sql(sql, rows)
        else:
            connection.execute(sql, [dict(zip(names, row, strict=True)) for row in rows])


class _Committing:
    """A transaction on the journal's own connection. When the database is away the connection is given up, and the next
    transaction opens another."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def __enter__(self) -> sa.Connection:
        try:
            return self.journal._open()
        except (sa.exc.SQLAlchemyError, PerennialError, OSError) as error:
            self._give_up()
            raise JournalError(_away(error)) from None

    def __exit__(self, kind: Any, error: BaseException | None, _trace: Any) -> None:
        connection = self.journal._connection
        if error is None and connection is not None:
            try:
                connection.commit()
                return
            except sa.exc.SQLAlchemyError as failed:
                error = failed
        if isinstance(error, sa.exc.IntegrityError):
            self._roll_back()
            raise RepeatedIdError("another gateway answered this id meanwhile.") from None
        if error is not None and _is_of_the_data(error):
            self._roll_back()
            raise error
        self._give_up()
        if isinstance(error, sa.exc.SQLAlchemyError):
            raise JournalError(_away(error)) from None

    def _roll_back(self) -> None:
        try:
            assert self.journal._connection is not None
            self.journal._connection.rollback()
        except sa.exc.SQLAlchemyError:
            self._give_up()

    def _give_up(self) -> None:
        connection, self.journal._connection = self.journal._connection, None
        if connection is not None:
            try:
                connection.invalidate()
                connection.close()
            except Exception:  # it is broken already, and that is what we say
                return


def trips(problem: Problem, rollout: int) -> list[Trip]:
    """The challengers of this rollout that a gateway's breaker took off the answers."""
    columns = (TRIPS.c.rollout, TRIPS.c.model, TRIPS.c.at, TRIPS.c.reason)
    query = sa.select(*columns).where(TRIPS.c.problem == problem.name, TRIPS.c.rollout == rollout)
    with open_database(Settings().log, "log").connect() as connection:
        return [
            Trip(int(number), str(model), datetime.fromtimestamp(at / 1e6, UTC), str(reason))
            for number, model, at, reason in connection.execute(query)
        ]


def replayed(problem: Problem, names: Sequence[str], n: int) -> pd.DataFrame:
    """The newest `n` rows that were asked, as far as all of `names` were sent with them."""
    table = sa.table(f"features_{problem.name}", *(sa.column(name) for name in ("request", *names)))
    query = sa.select(*(table.c[name] for name in names)).order_by(table.c.request.desc()).limit(n)
    with open_database(Settings().log, "log").connect() as connection:
        rows = pd.DataFrame(connection.execute(query).all(), columns=list(names))
    return rows.dropna().reset_index(drop=True)


def refused_since(problem: Problem, since: datetime, until: datetime) -> dict[str, int]:
    """Rows that gateways refused at the door, by reason."""
    query = (
        sa.select(COUNTS.c.what, sa.func.sum(COUNTS.c.n))
        .where(
            COUNTS.c.problem == problem.name,
            COUNTS.c.kind == "refused",
            COUNTS.c.at >= _moment(since),
            COUNTS.c.at < _moment(until),
        )
        .group_by(COUNTS.c.what)
    )
    with open_database(Settings().log, "log").connect() as connection:
        return {str(what): int(n) for what, n in connection.execute(query)}


def _moment(value: datetime) -> int:
    return round(value.timestamp() * 1_000_000)


def _is_of_the_data(error: BaseException) -> bool:
    """Did the database, or its driver, refuse a value? Then it is there, and one row is at fault."""
    if isinstance(error, sa.exc.DBAPIError):
        return isinstance(error, sa.exc.DataError)
    return isinstance(error, sa.exc.StatementError)


def _away(error: Exception) -> str:
    inner = getattr(error, "orig", None) or error
    return f"the prediction log cannot be written ({type(inner).__name__})"
