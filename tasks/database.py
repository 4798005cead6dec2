"""How are our databases opened? One engine a URL, durable SQLite, tables migrated by Alembic on first touch."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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

__all__ = [
    "UnreadableDatabaseError",
    "behind",
    "close_databases",
    "ensure",
    "one_at_a_time",
    "open_database",
    "unreachable",
    "why_away",
]


class UnreadableDatabaseError(PerennialError):
    """A database of ours cannot be opened, or is none; its type is all that a public page says of it."""


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
        _touch(made)
    except (sa.exc.SQLAlchemyError, ImportError, OSError) as error:
        if _may_be_made(made):
            return ""
        kind = type(getattr(error, "orig", None) or error).__name__
        return f"{made.render_as_string(hide_password=True)} cannot be opened ({kind})"
    return ""


def why_away(error: BaseException | None) -> str:
    """Which of our databases went away, where that is what `error`, or what it was raised from, comes of; else empty."""
    while error is not None:
        if isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError)):
            away = [f"{' and '.join(kept)}: {why}" for url, kept in _served().items() if (why := unreachable(url))]
            return f"a database is away, {'; '.join(away)}" if away else ""
        error = error.__cause__ or error.__context__
    return ""


def _served() -> dict[str, list[str]]:
    """What is kept in which database that has a server of its own; a file goes with its disk."""
    settings, found = Settings(), dict[str, list[str]]()
    for url, what in ((settings.ledger, "ledger"), (settings.log, "prediction log"), (settings.mlflow, "MLflow store")):
        if "://" in url and not url.startswith(("http://", "https://", "sqlite")):
            found.setdefault(url, []).append(what)
    return found


def ensure(url: str) -> None:
    """Make the database of PERENNIAL_DATABASE at `url` where its server has none of that name. Of two that come at once, one
    makes it. What somebody else's setting names is theirs to make."""
    made = sa.make_url(url)
    if Settings().database is None or made.get_backend_name() != "postgresql":
        return
    try:
        _touch(made)
    except sa.exc.OperationalError:
        if not _is_lacking(made):
            return  # away, or closed to us: whoever opens it says so
        _create(made)


@contextmanager
def one_at_a_time(url: str) -> Iterator[bool]:
    """Hold the PostgreSQL at `url` against others who would make a vendor's tables there, and say whether it has none yet. An
    SQLite file's first connection is alone by itself."""
    made = sa.make_url(url)
    if made.get_backend_name() != "postgresql":
        yield False
        return
    engine = sa.create_engine(made)
    with ExitStack() as held:
        held.callback(engine.dispose)
        try:
            connection = held.enter_context(engine.connect())
            connection.exec_driver_sql("SELECT pg_advisory_lock(20261122)")  # it goes with the connection
            empty = not sa.inspect(connection).get_table_names()
        except sa.exc.OperationalError:
            empty = False  # whoever opens it says so
        yield empty


def behind(url: str, migrations: Path) -> bool:
    """Do the tables of a vendor, whose own Alembic scripts lie in `migrations`, wait to be brought to its version? Not where
    there are none yet, which it makes itself, or where they are of a version that it does not know."""
    made = sa.make_url(url)
    if made.get_backend_name() == "sqlite" and not (made.database and Path(made.database).exists()):
        return False
    engine = sa.create_engine(made)
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
    except sa.exc.OperationalError:
        return False  # whoever opens it says so
    finally:
        engine.dispose()
    script = ScriptDirectory(str(migrations))
    return current is not None and current != script.get_current_head() and current in _revisions(script)


def _revisions(script: ScriptDirectory) -> set[str]:
    return {one.revision for one in script.walk_revisions()}


def _touch(made: sa.URL) -> None:
    patience = {"connect_timeout": 5} if made.get_backend_name() == "postgresql" else {}
    engine = sa.create_engine(made, connect_args=patience)
    try:
        with engine.connect() as connection:
            sa.inspect(connection).get_table_names()
    finally:
        engine.dispose()


def _asked(made: sa.URL, question: str, **values: str) -> Any:
    """One answer of the server's own database, beside ours."""
    engine = sa.create_engine(
        made.set(database="postgres"), isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 5}
    )
    try:
        with engine.connect() as connection:
            answer = connection.execute(sa.text(question), values)
            return answer.scalar() if answer.returns_rows else None
    finally:
        engine.dispose()


def _is_lacking(made: sa.URL) -> bool:
    """Does its server answer, and know no database of that name?"""
    try:
        return not _asked(made, "SELECT count(*) FROM pg_database WHERE datname = :name", name=str(made.database))
    except (sa.exc.SQLAlchemyError, ImportError):
        return False


def _may_be_made(made: sa.URL) -> bool:
    ours = Settings().database is not None and made.get_backend_name() == "postgresql"
    asks = "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
    return ours and _is_lacking(made) and bool(_asked(made, asks))


def _create(made: sa.URL) -> None:
    try:
        _asked(made, f'CREATE DATABASE "{made.database}"')
    except sa.exc.DBAPIError as error:
        state = getattr(error.orig, "pgcode", None)
        if state in ("42P04", "23505"):  # somebody else has just made it
            return
        raise PerennialError(
            f"PERENNIAL_DATABASE needs a database {made.database!r}, and {made.username!r} may not make it "
            f"({type(error.orig).__name__}). Let who may say: CREATE DATABASE {made.database} OWNER {made.username}"
        ) from None


def close_databases() -> None:
    """Close every pooled connection; the next use opens its database anew."""
    with _ONE_AT_A_TIME:
        while _OPEN:
            _OPEN.popitem()[1].dispose()


def _opened(url: str, which: Which) -> sa.Engine:
    made = sa.make_url(url)
    if made.get_backend_name() == "sqlite" and made.database:
        Path(made.database).parent.mkdir(parents=True, exist_ok=True)
    ensure(url)
    engine = sa.create_engine(url, pool_pre_ping=True)  # a fit of minutes outlives an idle connection
    if made.get_backend_name() == "sqlite":
        sa.event.listen(engine, "connect", _durable)
    try:
        _migrate(engine, which)
    except sa.exc.DatabaseError as error:
        if type(error) not in (sa.exc.OperationalError, sa.exc.DatabaseError):  # unreachable, or no database at all
            raise
        raise UnreadableDatabaseError(_refused(made, which, error)) from None
    return engine


def _refused(made: sa.URL, which: Which, error: sa.exc.DatabaseError) -> str:
    where = made.render_as_string(hide_password=True)
    said = f"the {which} database at {where} cannot be opened ({type(error.orig).__name__}"
    settings = Settings()
    own = settings.log_url if which == "log" else settings.ledger_url
    if own is not None or settings.database:
        named = "PERENNIAL_DATABASE" if own is None else f"PERENNIAL_{_SETTING[which]}_URL"
        return f"{said}). Start it, or unset {named} for SQLite."
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
