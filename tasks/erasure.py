"""What is kept of one entity, and how does it go? Rows stay as evidence that verdicts cite; whom they are about does not.

What was asked, client ids and quarantined rows are deleted. In answers and labels, in the log and in its archive, the
entity and the keys of its rows give way to random tokens: distinct keys stay distinct, one entity stays one, a label
still joins its answer. The secret that tokens derive from lives in a file until the erasure is complete, so that one
that was killed goes on with the same tokens, and no longer: nobody can trace a token back.

Not altered: snapshots (a model is named by the hash of its rows), profiles (of what a model was trained on, the categories
and the ends of the range of each feature, here and in MLflow), and what is no log of ours: the problem's source table
(erase there first, or a later label brings its key back), MLflow's copies, backups.
"""

import hmac
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from schemas.errors import PerennialError
from schemas.problem import Problem
from schemas.settings import Settings
from tasks import archives
from tasks.database import open_database

__all__ = ["Erased", "erase"]

_KEYS = 200  # keys of one transaction
Said = Callable[[str], str]


@dataclass(frozen=True)
class Erased:
    """Rows that no longer say whom they are about, rows that are gone, and files that were left as they are."""

    answers: int = 0
    labels: int = 0
    features: int = 0
    client_ids: int = 0
    quarantined: int = 0
    archived: int = 0  # answers and labels in archive files
    snapshots: tuple[str, ...] = ()  # files that hold the entity, or cannot be searched: a person decides

    @property
    def rows(self) -> int:
        return self.answers + self.labels + self.features + self.client_ids + self.quarantined + self.archived


def erase(problem: Problem, entity: str) -> Erased:
    """Erase `entity`, as the log writes it: the text of its value. A second run finds nothing but the snapshots.

    A client id of a request that asked about several entities goes for all of them.
    """
    if not entity:
        raise PerennialError("an erasure names one entity, and none was given. Say which: --entity X.")
    _nothing_elsewhere(problem.name)
    with _working(problem.name) as engine, _tokens(problem.name, entity) as token:
        log = _Log(problem.name, engine, entity, token)
        archived = log.relabel_files()  # labels first: their keys are known from the answers alone
        found = log.rename_rows()
        archived += log.rename_files()
        quarantined = _quarantine(problem, entity)
        _overwrite(engine)
    return Erased(**found, quarantined=quarantined, archived=archived, snapshots=_snapshots(problem, entity))


@dataclass
class _Log:
    """The log and the archive of one problem while an entity is erased from them."""

    problem: str
    engine: sa.Engine
    entity: str
    token: Said

    @cached_property
    def keys(self) -> list[str]:
        """Of the entity's rows, wherever they are."""
        wanted = sa.select(_ROWS.c.key).where(_ROWS.c.problem == self.problem, _ROWS.c.entity == self.entity)
        with self.engine.connect() as connection:
            found = set(connection.execute(wanted.distinct()).scalars())
        for rows in self._archived():
            found |= set(rows.loc[rows["entity"] == self.entity, "key"])
        return sorted(found)

    @cached_property
    def shared(self) -> set[str]:
        """Keys that another entity's rows have too: their labels stay with those."""
        found: set[str] = set()
        with self.engine.connect() as connection:
            for keys in _parts(self.keys):
                others = sa.select(_ROWS.c.key).where(
                    _ROWS.c.problem == self.problem, _ROWS.c.key.in_(keys), _ROWS.c.entity != self.entity
                )
                found |= set(connection.execute(others).scalars())
        for rows in self._archived():
            found |= set(rows.loc[(rows["entity"] != self.entity) & rows["key"].isin(self.keys), "key"])
        return found

    def relabel_files(self) -> int:
        own = set(self.keys) - self.shared
        return sum(
            self._rewritten(file, "key", own, {"key": self.token}) for file in archives.files(self.problem, "labels")
        )

    def rename_files(self) -> int:
        names = {"key": self.token, "entity": self.token}
        files = archives.files(self.problem, "predictions")
        return sum(self._rewritten(file, "entity", {self.entity}, names) for file in files)

    def rename_rows(self) -> dict[str, int]:
        """A few keys a transaction, each with its labels: what is found again after a crash is found whole."""
        asked, found = self._asked(), dict.fromkeys(("answers", "labels", "features", "client_ids"), 0)
        for keys in _parts(self.keys):
            own = [key for key in keys if key not in self.shared]
            mine = [_ROWS.c.problem == self.problem, _ROWS.c.key.in_(keys), _ROWS.c.entity == self.entity]
            these = sa.select(_ROWS.c.request, _ROWS.c.position).where(*mine, _ROWS.c.request > 0)
            with self.engine.begin() as connection:
                if asked is not None:
                    gone = sa.delete(asked).where(sa.tuple_(asked.c.request, asked.c.position).in_(these))
                    found["features"] += connection.execute(gone).rowcount
                requests = _IDS.c.request.in_(these.with_only_columns(_ROWS.c.request))
                gone = sa.delete(_IDS).where(_IDS.c.problem == self.problem, requests)
                found["client_ids"] += connection.execute(gone).rowcount
                if own:
                    labelled = [_LABELS.c.problem == self.problem, _LABELS.c.key.in_(own)]
                    found["labels"] += self._renamed(connection, _LABELS, own, labelled, ("known_at",))
                found["answers"] += self._renamed(connection, _ROWS, keys, mine, ("request", "position"))
        return found

    def _renamed(
        self, connection: sa.Connection, table: sa.TableClause, keys: list[str], where: list[Any], same: tuple[str, ...]
    ) -> int:
        """Rows under their tokens. One that came again after a crash, with its twin under the token already, goes."""
        token = sa.case({key: self.token(key) for key in keys}, value=table.c.key)
        twin = table.alias("twin")
        there = sa.exists().where(
            twin.c.problem == self.problem, twin.c.key == token, *(twin.c[name] == table.c[name] for name in same)
        )
        connection.execute(sa.delete(table).where(*where, there))
        names: dict[str, Any] = {"key": token} | ({"entity": self.token(self.entity)} if "entity" in table.c else {})
        return int(connection.execute(sa.update(table).where(*where).values(names)).rowcount)

    def _rewritten(self, file: Path, column: str, wanted: set[str], names: dict[str, Said]) -> int:
        """Rows of an archive file whose `column` is wanted, under their tokens; a file without any stays as it is."""
        if not wanted or not archives.read(file, [column])[column].isin(wanted).any():
            return 0
        rows = archives.read(file)
        mine = rows[column].isin(wanted)
        for name, said in names.items():
            rows[name] = rows[name].where(~mine, rows[name].map(said))
        archives.replace(file, rows)
        return int(mine.sum())

    def _archived(self) -> Iterator[pd.DataFrame]:
        for file in archives.files(self.problem, "predictions"):
            yield archives.read(file, ["key", "entity"])

    def _asked(self) -> sa.TableClause | None:
        name = f"features_{self.problem}"
        there = sa.inspect(self.engine).has_table(name)
        return sa.table(name, sa.column("request"), sa.column("position")) if there else None


def _nothing_elsewhere(problem: str) -> None:
    """Answers in a spill file come into the log later, and the entity with them."""
    folder = Settings().root / "gateway" / problem / "spill"
    if folder.exists() and any(folder.glob("*.jsonl")):
        raise PerennialError(
            f"answers of {problem!r} wait in {folder} and are not covered yet; nothing was erased. "
            "Run again when the log is back and the gateway has brought them in."
        )


@contextmanager
def _working(problem: str) -> Iterator[sa.Engine]:
    """The log, with nothing half archived; what goes wrong outside of us is told in one sentence that quotes no row."""
    again = "Part of the entity may still be there; run again with the same entity."
    try:
        with archives.alone(problem):
            archives.mend(problem)
            if archives.begun(problem):
                raise PerennialError(
                    f"an archiving of {problem!r} was interrupted; finish it: make archive PROBLEM={problem}"
                )
            yield open_database(Settings().log, "log")
    except sa.exc.SQLAlchemyError as error:
        inner = type(getattr(error, "orig", None) or error).__name__
        raise PerennialError(f"the prediction log of {problem!r} failed while erasing ({inner}). {again}") from None
    except OSError as error:
        said = error.strerror or type(error).__name__
        raise PerennialError(f"a file of {problem!r} failed while erasing ({said}). {again}") from None


@contextmanager
def _tokens(problem: str, entity: str) -> Iterator[Said]:
    """What stands for a value from now on: the same for the same value, until all of it is done."""
    folder = archives.folder_of(problem)
    for file in folder.glob(".erasing-*"):
        secret = file.read_bytes()
        if file.name == _mark(secret, entity):
            break
    else:
        secret = secrets.token_bytes(32)
        file = folder / _mark(secret, entity)
        _kept(file, secret)
    yield lambda value: f"erased-{hmac.new(secret, str(value).encode(), sha256).hexdigest()[:32]}"
    file.unlink()


def _mark(secret: bytes, entity: str) -> str:
    return f".erasing-{hmac.new(secret, b'of ' + entity.encode(), sha256).hexdigest()}"


def _kept(file: Path, secret: bytes) -> None:
    """Whole or not at all: with half a secret nobody could go on."""
    partial = file.with_name(".partial-secret")
    with partial.open("wb") as out:
        out.write(secret)
        out.flush()
        os.fsync(out.fileno())
    partial.replace(file)


def _quarantine(problem: Problem, entity: str) -> int:
    """Rows of quarantine files that were the entity's; a file of nothing else goes."""
    gone = 0
    for file in sorted((Settings().root / "quarantine" / problem.name).glob("*.parquet")):
        rows = pd.read_parquet(file)
        mine = _is(rows[problem.framing.entity or problem.framing.key], entity)
        if mine.all():
            file.unlink()
        elif mine.any():
            archives.put(rows[~mine], file)
        gone += int(mine.sum())
    return gone


def _snapshots(problem: Problem, entity: str) -> tuple[str, ...]:
    column = problem.framing.entity or problem.framing.key
    files = sorted((Settings().root / "snapshots" / problem.name).glob("*.parquet"))
    return tuple(str(file) for file in files if _holds(file, column, entity))


def _holds(file: Path, column: str, entity: str) -> bool:
    try:
        return bool(_is(pd.read_parquet(file, columns=[column])[column], entity).any())
    except (KeyError, ValueError, OSError):  # it cannot be searched: a person has to look
        return True


def _is(values: pd.Series, entity: str) -> pd.Series:
    """Where the entity is. A column of whole numbers with gaps was read as floats, and says 7.0 of entity 7."""
    names = [entity, f"{entity}.0"] if pd.api.types.is_float_dtype(values) else [entity]
    return values.astype(str).isin(names)


def _overwrite(engine: sa.Engine) -> None:
    """SQLite's log of pages still holds what they said before; what it cannot clear now, it does at its next checkpoint."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def _parts(keys: list[str]) -> list[list[str]]:
    return [keys[i : i + _KEYS] for i in range(0, len(keys), _KEYS)]


_ROWS = sa.table("predictions", *(sa.column(name) for name in ("problem", "key", "entity", "request", "position")))
_LABELS = sa.table("labels", *(sa.column(name) for name in ("problem", "key", "known_at")))
_IDS = sa.table("client_ids", *(sa.column(name) for name in ("problem", "request")))
