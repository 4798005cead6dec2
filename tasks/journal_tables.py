"""Which tables does a gateway write, and with which statements? The prediction log, as the journal sees it."""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from schemas.rows import ANSWER

__all__ = [
    "ANSWERS",
    "COUNTS",
    "GATEWAYS",
    "IDS",
    "MIRRORED",
    "TRIPS",
    "driver_sql",
    "ensure",
    "features_table",
    "mirroring",
]

# What the model beside says later about a row that was answered, and which row that is.
MIRRORED = ("score", "decision", "error", "scores", "request", "position")
_KINDS: dict[str, Any] = {
    "real": sa.Float,
    "whole": sa.BigInteger,
    "truth": sa.Boolean,
    "time": sa.DateTime(timezone=True),
}


def _table(name: str, columns: Iterable[str]) -> sa.TableClause:
    return sa.table(name, *(sa.column(column) for column in columns))


ANSWERS = _table("predictions", ANSWER)
IDS = _table("client_ids", ("problem", "client_id", "request", "payload"))
TRIPS = _table("trips", ("problem", "rollout", "model", "at", "reason"))
COUNTS = _table("counts", ("problem", "at", "kind", "what", "n"))
GATEWAYS = sa.Table(
    "gateways",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("problem", sa.String(100)),
    sa.Column("started", sa.BigInteger),
)


def mirroring(side: str) -> Any:
    """Only where nothing was said yet: a row keeps what it was decided by."""
    values: dict[str, Any] = {
        f"{side}_{name}": sa.bindparam(f"new_{name}") for name in ("score", "decision", "error", "scores")
    }
    rows = ANSWERS.c.request == sa.bindparam("new_request"), ANSWERS.c.position == sa.bindparam("new_position")
    unsaid = ANSWERS.c[f"{side}_decision"].is_(None), ANSWERS.c[f"{side}_error"].is_(None)
    return sa.update(ANSWERS).where(*rows, *unsaid, sa.text("predictions.request > 0")).values(values)


def driver_sql(statement: tuple[Any, tuple[str, ...]], engine: sa.Engine) -> tuple[str, tuple[str, ...]]:
    """The statement as the driver reads it, with its parameters in the order of the names given."""
    made, names = statement
    compiled = made.compile(dialect=engine.dialect, compile_kwargs={"render_postcompile": True})
    assert compiled.positiontup is not None
    assert tuple(compiled.positiontup[: len(names)]) == names, "parameters stand in another order than they are given"
    return str(compiled), names


def features_table(problem: str, features: Sequence[tuple[str, str]]) -> sa.Table:
    kept: list[sa.Column[Any]] = [sa.Column(name, _KINDS.get(kind, sa.Text), nullable=True) for name, kind in features]
    return sa.Table(
        f"features_{problem}",
        sa.MetaData(),
        sa.Column("request", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        *kept,
    )


def ensure(engine: sa.Engine, table: sa.Table) -> None:
    """The table with a column for each feature: a contract that grew adds its own, and none is taken away."""
    table.create(engine, checkfirst=True)
    there = {column["name"] for column in sa.inspect(engine).get_columns(table.name)}
    with engine.begin() as connection:
        for column in table.columns:
            if column.name not in there:
                quoted = engine.dialect.identifier_preparer.quote(column.name)
                kind = column.type.compile(engine.dialect)
                connection.exec_driver_sql(f'ALTER TABLE "{table.name}" ADD COLUMN {quoted} {kind}')
