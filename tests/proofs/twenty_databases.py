"""What do the databases of a life hold? Their size, and rows by table, whichever kind of database it is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from schemas.settings import Settings

__all__ = ["age", "counted", "database_sizes", "largest", "opened", "postmaster"]


@contextmanager
def opened(url: str) -> Iterator[sa.Connection]:
    """A connection of one transaction, which is not kept: another process may be using the database alone."""
    engine = sa.create_engine(url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def postmaster() -> int:
    """The process of the PostgreSQL on this machine, under which those of its connections run."""
    with opened(Settings().prefect_database) as connection:
        mine = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        return int(Path(f"/proc/{mine}/stat").read_text().rpartition(")")[2].split()[1])


def database_sizes() -> dict[str, int]:
    """Bytes of each database of the settings' PostgreSQL, by name."""
    with opened(Settings().prefect_database) as connection:
        said = "SELECT datname, pg_database_size(datname) FROM pg_database WHERE datname LIKE 'perennial%'"
        return {str(name): int(size) for name, size in connection.execute(sa.text(said))}


def largest(url: str, *, at_most: int = 8) -> dict[str, float]:
    """Megabytes of the largest tables, with their indexes."""
    said = "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' ORDER BY 2 DESC LIMIT :most"
    with opened(url) as connection:
        found = connection.execute(sa.text(said), {"most": at_most})
        return {str(name): round(size / 2**20, 2) for name, size in found}


def counted(url: str, tables: Sequence[str]) -> dict[str, int]:
    with opened(url) as connection:
        return {name: int(connection.execute(sa.text(f"SELECT count(*) FROM {name}")).scalar_one()) for name in tables}


def age(url: str, table: str, column: str, *, to: datetime, key: str = "id") -> int:
    """Set the older half of what has a moment in `column` to the moment `to`; how many rows that were."""
    with opened(url) as connection:
        rows = sa.Table(table, sa.MetaData(), autoload_with=connection)
        old = sa.select(rows.c[key]).where(rows.c[column].is_not(None)).order_by(rows.c[column])
        n = connection.execute(sa.select(sa.func.count(rows.c[column]))).scalar_one()
        half = old.limit(n // 2).subquery()
        return connection.execute(sa.update(rows).where(rows.c[key].in_(sa.select(half))).values({column: to})).rowcount
