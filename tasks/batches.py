"""Which requests of many rows are there, under which route is each answered, and which rows of the log are answered already?

A row is answered once. Rows of a turn and of these requests share one place a key in the log (request 0), so that the
database itself lets the first in and nobody after it, whoever meets there; a key that a gateway has answered is left alone.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from schemas.problem import Problem
from schemas.rows import SCORED
from schemas.settings import Settings
from tasks.database import open_database

__all__ = ["STANDING", "Batch", "close", "decisions", "find", "log_part", "pin", "standing"]

_KEYS = 1_000  # of one query
_BATCHES = sa.table(
    "batches",
    *(sa.column(name) for name in ("id", "problem", "request", "inputs", "route", "began", "ended", "result")),
)
# What an answer is told by.
STANDING = (*SCORED, "version", "request", "batch")
_ROWS = sa.table("predictions", *(sa.column(name) for name in (*STANDING, "position")))


@dataclass(frozen=True)
class Batch:
    """A request of many rows as it was written down before its first part."""

    id: int
    problem: str
    request: str
    inputs: dict[str, Any]
    route: dict[str, Any]
    began: datetime
    result: dict[str, Any] | None = None  # None: parts are still to come


def find(problem: Problem, request: str) -> Batch | None:
    """The request of this name, if it was begun."""
    query = sa.select(_BATCHES).where(_BATCHES.c.problem == problem.name, _BATCHES.c.request == request)
    with _engine().connect() as connection:
        row = connection.execute(query).mappings().first()
    return _batch(dict(row)) if row else None


def pin(problem: Problem, request: str, *, inputs: Mapping[str, Any], route: Mapping[str, Any], at: datetime) -> Batch:
    """Write down what was asked and the route it is answered under. Of two that come at once the first stands for both."""
    row = {"problem": problem.name, "request": request, "began": round(at.timestamp() * 1_000_000)}
    row |= {"inputs": _json(inputs), "route": _json(route)}
    engine = _engine()
    dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
    with engine.begin() as connection:
        connection.execute(dialect.insert(_BATCHES).values(row).on_conflict_do_nothing())
    found = find(problem, request)
    assert found is not None, "a row that was committed is there"
    return found


def close(batch: Batch, result: Mapping[str, Any], *, at: datetime) -> None:
    """Every part is there: what came of it."""
    done = {"ended": round(at.timestamp() * 1_000_000), "result": _json(result)}
    with _engine().begin() as connection:
        connection.execute(sa.update(_BATCHES).where(_BATCHES.c.id == batch.id).values(done))


def log_part(batch: Batch, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Log the rows (columns SCORED and version) whose key has no answer yet, in one transaction; and the answers of all keys
    as they stand then, as `standing` gives them. Done again it logs nothing more."""
    keys = [row["key"] for row in rows]
    before = set(_answers(batch.problem, keys, ("key",))["key"])
    new = [{**row, "request": 0, "position": 0, "batch": batch.id} for row in rows if row["key"] not in before]
    engine = _engine()
    dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
    if new:
        with engine.begin() as connection:
            connection.execute(dialect.insert(_ROWS).on_conflict_do_nothing(), new)
    return standing(batch, keys)


def standing(batch: Batch, keys: Sequence[str]) -> pd.DataFrame:
    """The answer of each key that has one, in the order of `keys`: columns STANDING, and `asked`, which names the request of
    many rows that it came of; null where a turn or a gateway gave it."""
    rows = _answers(batch.problem, keys, STANDING)
    query = sa.select(_BATCHES.c.id, _BATCHES.c.request).where(_BATCHES.c.problem == batch.problem)
    with _engine().connect() as connection:
        names: dict[int, str] = dict(connection.execute(query).tuples().all())
    order = pd.Index(keys).get_indexer(rows["key"].to_numpy()).argsort(kind="stable")
    return rows.iloc[order].assign(asked=rows["batch"].map(names)).reset_index(drop=True)


def decisions(problem: Problem, keys: pd.Series) -> pd.Series:
    """Of those keys that requests of many rows answered: the decision that went out, by key; nan where there was none."""
    any_ = sa.select(_BATCHES.c.id).where(_BATCHES.c.problem == problem.name).limit(1)
    with _engine().connect() as connection:
        if connection.execute(any_).first() is None:
            return pd.Series(dtype=float)
    rows = _answers(problem.name, keys.tolist(), ("key", "answer_decision", "batch"))
    rows = rows[rows["batch"].notna()]
    return rows.set_index("key")["answer_decision"].astype(float)


def _answers(problem: str, keys: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
    """The first answer of each key, in no order."""
    wanted = [_ROWS.c[name] for name in dict.fromkeys((*names, "key", "request", "position"))]
    found: list[sa.Row[Any]] = []
    with _engine().connect() as connection:
        for some in _parts(keys):
            query = sa.select(*wanted).where(_ROWS.c.problem == problem, _ROWS.c.key.in_(some))
            found += connection.execute(query).all()
    rows = pd.DataFrame([tuple(row) for row in found], columns=[column.name for column in wanted], dtype=object)
    return rows.sort_values(["request", "position"], kind="stable").drop_duplicates("key", ignore_index=True)


def _parts(keys: Sequence[str]) -> Iterator[list[str]]:
    return (list(keys[start : start + _KEYS]) for start in range(0, len(keys), _KEYS))


def _batch(row: dict[str, Any]) -> Batch:
    return Batch(
        int(row["id"]),
        row["problem"],
        row["request"],
        json.loads(row["inputs"]),
        json.loads(row["route"]),
        datetime.fromtimestamp(row["began"] / 1e6, UTC),
        json.loads(row["result"]) if row["result"] else None,
    )


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True)


def _engine() -> sa.Engine:
    return open_database(Settings().log, "log")
