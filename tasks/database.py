"""How are our databases opened? One engine a URL, durable SQLite, tables migrated by Alembic on first touch."""

from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from schemas.errors import PerennialError
from schemas.settings import Settings
from tasks import home

__all__ = ["close_databases", "open_database", "unreachable"]

Which = Literal["ledger", "log", "experiments"]
_SETTING: dict[Which, str] = {"ledger": "LEDGER", "log": "LOG", "experiments": "LEDGER"}
_OPEN: dict[tuple[str, Which], sa.Engine] = {}
_ONE_AT_A_TIME = Lock()


def open_database(url: str, which: Which) -> sa.Engine:
    """The engine of `url` with the newest tables. One engine a process: connections are pooled and thread-safe."""
    with _ONE_AT_A_TIME:
        if (url, which) not in _OPEN:
            _OPEN[url, which] = _opened(url, which)
        return _OPEN[url, which]


def unreachable(url: str) -> str:
    """Why the database at `url` cannot be opened; empty where it can. Nothing is made: an SQLite file that is yet to be
    made is none that is broken."""
    try:
        made = sa.make_url(url)
    except sa.exc.ArgumentError:
        return "its address is none that SQLAlchemy reads"
    if made.get_backend_name() == "sqlite" and not (made.database and Path(made.database).exists()):
        return ""
    try:
        engine = sa.create_engine(made)
        with engine.connect() as connection:
            sa.inspect(connection).get_table_names()
        engine.dispose()
    except (sa.exc.SQLAlchemyError, ImportError, OSError) as error:
        kind = type(getattr(error, "orig", None) or error).__name__
        return f"{made.render_as_string(hide_password=True)} cannot be opened ({kind})"
    return ""


def close_databases() -> None:
    """Close every pooled connection; the next use opens its database anew."""
    with _ONE_AT_A_TIME:
        while _OPEN:
            _OPEN.popitem()[1].dispose()


def _opened(url: str, which: Which) -> sa.Engine:
    made = sa.make_url(url)
    if made.get_backend_name() == "sqlite" and made.database:
        Path(made.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, pool_pre_ping=True)  # a fit of minutes outlives an idle connection
    if made.get_backend_name() == "sqlite":
        sa.event.listen(engine, "connect", _durable)
    try:
        _migrate(engine, which)
    except sa.exc.DatabaseError as error:
        if type(error) not in (sa.exc.OperationalError, sa.exc.DatabaseError):  # unreachable, or no database at all
            raise
        raise PerennialError(_refused(made, which, error)) from None
    return engine


def _refused(made: sa.URL, which: Which, error: sa.exc.DatabaseError) -> str:
    where = made.render_as_string(hide_password=True)
    said = f"the {which} database at {where} cannot be opened ({type(error.orig).__name__}"
    settings = Settings()
    if {"LEDGER": settings.ledger_url, "LOG": settings.log_url}[_SETTING[which]] is not None:
        return f"{said}). Start it, or unset PERENNIAL_{_SETTING[which]}_URL for SQLite."
    # Only what SQLite says: it names no row, and a server may quote whoever asked.
    return (
        home.why_not() or f"{said}: {error.orig}). Restore it from a backup, or set PERENNIAL_HOME to another folder."
    )


def _durable(connection: Any, _: Any) -> None:
    """WAL lets readers read while a turn writes; FULL makes an acknowledged row survive a power cut."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout=30000")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA secure_delete=ON")  # what retention deletes and erasure renames is overwritten
    cursor.close()


def _migrate(engine: sa.Engine, which: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(files("tasks.migrations")))
    config.set_main_option("version_locations", str(files("tasks.migrations") / which))
    config.set_main_option("path_separator", "newline")
    table = f"perennial_{which}_version"
    with engine.begin() as connection:
        # Of two processes that meet at a new database, one makes the tables and the other waits for them.
        one_at_a_time = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(20261121)"}
        connection.exec_driver_sql(one_at_a_time[engine.dialect.name])
        head = ScriptDirectory.from_config(config).get_current_head()
        if MigrationContext.configure(connection, opts={"version_table": table}).get_current_revision() == head:
            return
        config.attributes |= {"connection": connection, "version_table": table}
        command.upgrade(config, "head")
