"""Are rows that were logged before a migration still there after it, and do they say what was true of them?"""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

TABLE = "perennial_log_version"
ROW = {
    "problem": "toy", "key": "k", "event_time": 1, "entity": "e", "rollout": 0, "epoch": 1, "stage": "HEALTHY",
    "role": "champion", "probability": 0.0, "champion": "a" * 64, "answer_decision": 1.0, "request": 0, "position": 0,
}  # fmt: skip


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    if request.param == "postgresql":
        whole = sa.create_engine(request.getfixturevalue("postgres_url"), isolation_level="AUTOCOMMIT")
        name = f"log_{uuid4().hex}"
        with whole.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        url = whole.url.set(database=name).render_as_string(hide_password=False)
        whole.dispose()
    engine = sa.create_engine(url)
    yield engine
    engine.dispose()


def _to(engine: sa.Engine, revision: str, step=command.upgrade) -> None:
    config = Config()
    config.set_main_option("script_location", str(files("tasks.migrations")))
    config.set_main_option("version_locations", str(files("tasks.migrations") / "log"))
    config.set_main_option("path_separator", "newline")
    with engine.begin() as connection:
        config.attributes |= {"connection": connection, "version_table": TABLE}
        step(config, revision)


def _put(engine: sa.Engine, **more) -> None:
    row = ROW | more
    names = ", ".join(row)
    with engine.begin() as connection:
        connection.execute(sa.text(f"INSERT INTO predictions ({names}) VALUES (:{', :'.join(row)})"), row)


def test_a_decision_from_before_draws_was_the_models_and_sure(database):
    _to(database, "log_0004")
    _put(database)
    _to(database, "log_0005")
    _put(database, key="new", propensity=0.05, explored=True)
    with database.connect() as connection:
        rows = connection.execute(sa.text("SELECT key, propensity, explored FROM predictions ORDER BY id")).all()
    assert [(key, propensity, bool(explored)) for key, propensity, explored in rows] == [
        ("k", 1.0, False),
        ("new", 0.05, True),
    ]


def test_the_way_back_leaves_the_rows_and_the_partial_index(database):
    _to(database, "log_0005")
    _put(database)
    _to(database, "log_0004", command.downgrade)
    found = sa.inspect(database)
    assert not {"propensity", "explored"} & {column["name"] for column in found.get_columns("predictions")}
    index = next(one for one in found.get_indexes("predictions") if one["name"] == "predictions_by_request")
    assert index["dialect_options"][f"{database.dialect.name}_where"] is not None
    with database.connect() as connection:
        assert connection.execute(sa.text("SELECT key FROM predictions")).scalars().all() == ["k"]
    _to(database, "log_0005")
