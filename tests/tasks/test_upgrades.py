"""Is a database of any earlier version brought to this one when it is opened, with every row kept: ours and MLflow's?"""

import json
import sqlite3
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from schemas.settings import Settings
from tasks import database, tracking

MIGRATIONS = Path(str(files("tasks.migrations")))


def _config(which: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("version_locations", str(MIGRATIONS / which))
    config.set_main_option("path_separator", "newline")
    return config


EVERY = [
    (which, step.revision)
    for which in ("ledger", "experiments", "log")
    for step in reversed(list(ScriptDirectory.from_config(_config(which)).walk_revisions()))
]


@pytest.mark.parametrize("which, revision", EVERY, ids=[revision for _, revision in EVERY])
def test_every_row_of_every_table_is_there_afterwards(home, which, revision):
    url = f"sqlite:///{home / 'old.db'}"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config = _config(which)
        config.attributes |= {"connection": connection, "version_table": f"perennial_{which}_version"}
        command.upgrade(config, revision)
        before = {table.name: _put(connection, table) for table in _tables(connection)}
    engine.dispose()
    assert before
    with database.open_database(url, which).connect() as connection:
        for name, row in before.items():
            # A revision may bring a row of its own: the one that was put there is among them.
            found = connection.execute(sa.text(f'SELECT * FROM "{name}"')).mappings().all()
            kept = [{column: one[column] for column in row if column in one} for one in found]
            assert {column: value for column, value in row.items() if column in found[0]} in kept
        now = connection.execute(sa.text(f"SELECT version_num FROM perennial_{which}_version")).scalar()
    assert now == ScriptDirectory.from_config(_config(which)).get_current_head()


def _tables(connection: sa.Connection) -> list[sa.Table]:
    known = sa.MetaData()
    known.reflect(connection)
    return [table for table in known.sorted_tables if not table.name.endswith("_version")]


def _put(connection: sa.Connection, table: sa.Table) -> dict[str, Any]:
    """One row with something in every column."""
    row = {column.name: _value(column) for column in table.columns}
    marks = ", ".join(f":{name}" for name in row)
    names = ", ".join(f'"{name}"' for name in row)
    connection.execute(sa.text(f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})'), row)
    return row


def _value(column: sa.Column) -> Any:
    if isinstance(column.type, sa.Float):
        return 0.25
    if isinstance(column.type, sa.Integer | sa.Boolean):
        return 1
    return json.dumps({"said": "x"}) if column.name in ("facts", "notes") else "2024-01-01T00:00:00+00:00"


@pytest.fixture(params=["sqlite", "postgresql"])
def old_mlflow(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sa.Engine]:
    """MLflow's tables as some migrations ago, with one run of one experiment in them."""
    if request.param == "postgresql":
        one = request.getfixturevalue("postgres_url").replace("+psycopg2", "").removesuffix("/postgres")
        monkeypatch.setenv("PERENNIAL_DATABASE", f"{one}/upgraded")
    url = Settings().mlflow_database
    database.ensure(url)
    engine = sa.create_engine(url)
    from mlflow.store.db import utils
    from mlflow.store.tracking.dbmodels.initial_models import Base

    Base.metadata.create_all(engine)
    config = utils._get_alembic_config(url.replace("%", "%%"))
    *_, old = _revisions()[:12]
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, old)
        connection.execute(
            sa.text(
                "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage) "
                "VALUES (7, 'from before', 'file:///somewhere', 'active')"
            )
        )
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == old
    yield engine
    engine.dispose()


def _revisions() -> list[str]:
    import mlflow

    script = ScriptDirectory(str(Path(mlflow.__file__).parent / "store" / "db_migrations"))
    return [step.revision for step in script.walk_revisions()]


def test_mlflows_own_tables_are_brought_to_its_version_before_it_opens_them(old_mlflow):
    tracking.made_ready.cache_clear()
    found = tracking.api().get_experiment_by_name("from before")
    assert found.artifact_location == "file:///somewhere"
    with old_mlflow.connect() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == _revisions()[0]
    if old_mlflow.dialect.name == "sqlite":
        with sqlite3.connect(f"{old_mlflow.url.database}.before-upgrade") as kept:
            assert kept.execute("SELECT version_num FROM alembic_version").fetchall() == [(_revisions()[11],)]
        kept.close()


def test_tables_of_a_later_mlflow_are_left_to_it(home):
    engine = sa.create_engine(f"sqlite:///{home / 'later.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num TEXT)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('of_next_year')")
    import mlflow

    assert not database.behind(str(engine.url), Path(mlflow.__file__).parent / "store" / "db_migrations")
    engine.dispose()
