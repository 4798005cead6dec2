"""How is a database copied whole while others write to it, and put back? SQLite by its own backup, PostgreSQL by pg_dump."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from schemas.errors import PerennialError

__all__ = ["adopt", "busy", "discard", "dump", "dump_file", "is_empty", "is_sqlite", "kind_of", "relocate", "stage"]

_HEADER = b"SQLite format 3\0"
_WAITING = "_new"  # a database that is restored beside the one whose place it takes


def kind_of(url: str) -> str:
    """The name of its engine: sqlite or postgresql."""
    return sa.make_url(url).get_backend_name()


def is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_HEADER)) == _HEADER


def is_empty(url: str) -> bool:
    """Is there nothing to lose? A database that is not there, or that has no table."""
    made = sa.make_url(url)
    if made.get_backend_name() == "sqlite":
        return not Path(str(made.database)).exists()
    if not _exists(made):
        return True
    engine = sa.create_engine(made)
    try:
        return not sa.inspect(engine).get_table_names()
    finally:
        engine.dispose()


def busy(url: str) -> bool:
    """Is somebody connected to it? Of an SQLite file nobody knows."""
    made = sa.make_url(url)
    if made.get_backend_name() == "sqlite":
        return False
    return bool(_asked(made, "SELECT count(*) FROM pg_stat_activity WHERE datname = :name"))


def dump(url: str, target: Path) -> None:
    """Write what the database holds at one moment to `target`. Who reads and writes meanwhile is not held up."""
    made = sa.make_url(url)
    if made.get_backend_name() == "sqlite":
        dump_file(Path(str(made.database)), target)
    else:
        # The archive around it is packed as a whole.
        _run("pg_dump", made, "--format=custom", "--compress=0", "--no-owner", "--no-privileges", f"--file={target}")


def dump_file(source: Path, target: Path) -> None:
    """A copy of an SQLite file as it is at one moment, in one file: what stands in its log beside it is in the copy."""
    with closing(sqlite3.connect(source, timeout=30)) as read, closing(sqlite3.connect(target)) as written:
        read.backup(written)
        written.execute("PRAGMA journal_mode=DELETE")


def stage(url: str, dumped: Path) -> str:
    """The URL of a database that holds what was dumped, beside the one at `url`, which is not touched yet."""
    made = sa.make_url(url)
    if made.get_backend_name() == "sqlite":
        return f"sqlite:///{dumped}"
    beside = made.set(database=f"{made.database}{_WAITING}")
    _administer(made, f'DROP DATABASE IF EXISTS "{beside.database}"', f'CREATE DATABASE "{beside.database}"')
    options = ("--exit-on-error", "--no-owner", "--no-privileges", f"--dbname={beside.database}")
    staged = beside.render_as_string(hide_password=False)
    try:
        _run("pg_restore", beside, *options, str(dumped))
    except PerennialError:
        discard(staged)
        raise
    return staged


def adopt(staged: str, url: str) -> None:
    """Let the staged database take the place of the one at `url`. Refused while somebody is connected to that one."""
    waits, made = sa.make_url(staged), sa.make_url(url)
    if made.get_backend_name() != "sqlite":
        rename = f'ALTER DATABASE "{waits.database}" RENAME TO "{made.database}"'
        _administer(made, f'DROP DATABASE IF EXISTS "{made.database}"', rename)
        return
    target = Path(str(made.database))
    target.parent.mkdir(parents=True, exist_ok=True)
    for beside in ("-wal", "-shm", "-journal"):  # of the file that was there: they would be played into this one
        target.with_name(target.name + beside).unlink(missing_ok=True)
    shutil.move(str(waits.database), target)


def discard(staged: str) -> None:
    """Give a staged database up; a staged file goes with its folder."""
    waits = sa.make_url(staged)
    if waits.get_backend_name() != "sqlite":
        _administer(waits, f'DROP DATABASE IF EXISTS "{waits.database}"')


def relocate(url: str, old: str, new: str) -> None:
    """Let every text that names a path under the folder `old` name the same under `new`."""
    engine = sa.create_engine(url)
    known = sa.MetaData()
    try:
        with engine.begin() as connection:
            known.reflect(connection)
            for table in known.sorted_tables:
                for column in table.columns:
                    if isinstance(column.type, sa.String):
                        moved = sa.func.replace(column, f"{old}/", f"{new}/")
                        named = column.contains(f"{old}/", autoescape=True)
                        connection.execute(sa.update(table).where(named).values({column.name: moved}))
    finally:
        engine.dispose()


def _exists(made: sa.URL) -> bool:
    return bool(_asked(made, "SELECT count(*) FROM pg_database WHERE datname = :name"))


def _asked(made: sa.URL, question: str) -> int:
    """What its server says of the database, asked from beside it."""
    engine = sa.create_engine(made.set(database="postgres"))
    try:
        with engine.connect() as connection:
            return int(connection.execute(sa.text(question), {"name": made.database}).scalar_one())
    except sa.exc.OperationalError as error:
        raise PerennialError(f"{_shown(made)} does not answer ({type(error.orig).__name__}). Start it first.") from None
    finally:
        engine.dispose()


def _administer(made: sa.URL, *statements: str) -> None:
    """What is done to a database from beside it."""
    engine = sa.create_engine(made.set(database="postgres"), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
    except sa.exc.DBAPIError as error:
        taken = getattr(error.orig, "pgcode", None) == "55006"
        step = "Somebody is connected to it: end what runs first." if taken else "May this user make databases?"
        said = f"{_shown(made)} cannot be replaced ({type(error.orig).__name__}). {step}"
        raise PerennialError(said) from None
    finally:
        engine.dispose()


def _run(program: str, made: sa.URL, *options: str) -> None:
    """One of PostgreSQL's own programs. The password is in its environment, which only its user can read."""
    named = {
        "PGHOST": made.host,
        "PGPORT": made.port,
        "PGUSER": made.username,
        "PGPASSWORD": made.password,
        "PGDATABASE": made.database,
        "PGSSLMODE": made.query.get("sslmode"),
    }
    env = os.environ | {name: str(value) for name, value in named.items() if value}
    done = subprocess.run(
        [_program(program), *options, "--no-password"], env=env, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[0]
        raise PerennialError(f"{program} of {_shown(made)} failed: {said}. Is {program} as new as the server?")


def _program(name: str) -> str:
    """The newest that is installed: an older one refuses a newer server."""
    installed = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    newest = max(installed, key=lambda path: int(path.parts[-3]), default=None)
    found = str(newest) if newest else shutil.which(name)
    if found is None:
        raise PerennialError(f"{name} is not installed here; it comes with PostgreSQL's client (postgresql-client).")
    return found


def _shown(made: sa.URL) -> str:
    return made.set(drivername="postgresql").render_as_string(hide_password=True)
