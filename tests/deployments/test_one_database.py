"""Does one setting move everything into one PostgreSQL, with a password that nobody prints?"""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from deployments import servers
from flows.doctor import gather
from flows.replay import plain_turn
from schemas.errors import PerennialError
from schemas.problem import load_problem
from schemas.problems._fraud_simulator import START, payments
from schemas.settings import Settings
from schemas.stage import Stage
from tasks import database, ledger, registry, windows
from tests import loopback
from tests.tasks import postgres

PASSWORD = "s3cr3t/@:%?#"  # every sign that means something in a URL
NOW = START + timedelta(days=85)

pytestmark = pytest.mark.skipif(not postgres.available, reason="PostgreSQL is not installed here")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL that asks for a password, and a home whose one setting names it and a file that holds it."""
    home = tmp_path_factory.mktemp("one-database")
    secret = home / "password"
    secret.write_text(PASSWORD + "\n")
    with postgres.running(password=PASSWORD) as url, pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith("PREFECT_") or n == "MLFLOW_TRACKING_URI"]:
            patch.delenv(name)
        patch.setenv("PERENNIAL_HOME", str(home / "home"))
        one = url.replace("+psycopg2", "").removesuffix("/postgres") + "/perennial"
        patch.setenv("PERENNIAL_DATABASE", one)
        patch.setenv("PERENNIAL_DATABASE_PASSWORD_FILE", str(secret))
        yield one
        database.close_databases()


@pytest.fixture(scope="module")
def turned(server: str) -> str:
    """Two turns were taken there: something serves, and it has answered."""
    windows.materialise(load_problem("fraud"), payments(seed=7, days=100, per_day=100))
    for days in range(2):
        plain_turn("fraud", NOW + timedelta(days=days))
    return server


def _tables(url: str) -> set[str]:
    engine = sa.create_engine(url)
    try:
        return set(sa.inspect(engine).get_table_names())
    finally:
        engine.dispose()


def test_a_turn_keeps_ledger_log_and_models_there_and_no_sqlite_file_is_made(turned):
    settings = Settings()
    state = ledger.state_of("fraud")
    assert state.stage is not Stage.COLD
    assert ledger.verify("fraud") >= 2
    assert state.champion is not None
    registry.check(load_problem("fraud"), state.champion)
    assert {"ledger", "predictions", "labels"} <= _tables(settings.ledger) == _tables(settings.log)
    assert {"registered_models", "experiments", "alembic_version"} <= _tables(settings.mlflow)
    assert not list(settings.root.rglob("*.db"))
    assert list(settings.artifacts.rglob("*.skops")), (
        "models lie under home, and not where MLflow happens to be started"
    )


def test_mlflow_and_ours_could_not_share_a_database(turned):
    settings = Settings()
    database.open_database(settings.ledger, "experiments")
    shared = _tables(settings.ledger) & _tables(settings.mlflow)
    assert shared == {"experiments"}


def test_a_server_of_prefects_runs_a_flow_over_it(turned):
    with servers.prefect_server() as api:
        env = servers.environment(api_url=api)
        script = "from prefect import flow\n@flow\ndef looked():\n    return 1\nlooked()"
        subprocess.run([sys.executable, "-c", script], env=env, check=True, timeout=120, capture_output=True)
        runs = loopback.post(f"{api}/flow_runs/filter", json={}, timeout=60).raise_for_status().json()
    assert [run["state_type"] for run in runs] == ["COMPLETED"]
    engine = sa.create_engine(Settings().prefect_database)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM flow_run")).scalar() == 1
    engine.dispose()
    assert not (Settings().root / "prefect" / "prefect.db").exists()


def test_a_server_of_mlflows_shows_what_the_turn_registered(turned):
    with servers.mlflow_server() as url:
        asked = loopback.get(f"{url}/api/2.0/mlflow/registered-models/get", params={"name": "fraud"}, timeout=60)
        command_lines = "".join(file.read_bytes().decode(errors="replace") for file in _command_lines())
    assert asked.raise_for_status().json()["registered_model"]["aliases"] == [{"alias": "champion", "version": "1"}]
    assert "mlflow" in command_lines
    assert PASSWORD not in command_lines


def _command_lines() -> list[Path]:
    return [file for file in Path("/proc").glob("[0-9]*/cmdline") if os.access(file, os.R_OK)]


def test_no_log_of_theirs_holds_the_password(turned):
    logs = list((Settings().root / "logs").glob("*.log"))
    assert len(logs) == 2
    quoted = "s3cr3t"
    assert not [log for log in logs if quoted in log.read_text()]


def test_the_settings_print_no_password(server):
    assert "s3cr3t" not in repr(Settings())
    assert "s3cr3t" not in repr(Settings(database=server.replace("postgres@", "postgres:s3cr3t@")))


def test_the_doctor_finds_nothing_where_they_are_or_can_be_made(server, monkeypatch):
    monkeypatch.setenv("PERENNIAL_DATABASE", server.replace("/perennial", "/yet_to_be_made"))
    found = gather(load_problem("fraud"), now=datetime.now(UTC)).databases
    assert [one.says for one in found] == [""] * 4
    assert {one.setting for one in found} == {"PERENNIAL_DATABASE"}
    with pytest.raises(sa.exc.OperationalError, match="does not exist"):
        _tables(Settings().ledger)  # looking made nothing


def test_the_doctor_names_a_server_that_is_away_without_its_password(server, monkeypatch):
    monkeypatch.setenv("PERENNIAL_DATABASE", "postgresql://me@127.0.0.1:1/perennial")
    found = gather(load_problem("fraud"), now=datetime.now(UTC)).databases
    assert all("127.0.0.1:1" in one.says for one in found)
    assert not any("s3cr3t" in one.says for one in found)


def test_who_may_not_make_a_database_is_told_what_to_ask_for(server, monkeypatch):
    engine = sa.create_engine(Settings().ledger.rsplit("/", 1)[0] + "/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE ROLE guest LOGIN PASSWORD 'open'")
    engine.dispose()
    guest = server.replace("postgres@", "guest:open@").replace("/perennial", "/of_a_guest")
    monkeypatch.setenv("PERENNIAL_DATABASE", guest)
    with pytest.raises(PerennialError, match="CREATE DATABASE of_a_guest OWNER guest") as refused:
        ledger.state_of("fraud")
    assert "open@" not in str(refused.value)
    (first, *_) = gather(load_problem("fraud"), now=datetime.now(UTC)).databases
    assert "cannot be opened" in first.says


def test_two_that_find_no_tables_of_mlflows_make_them_once(server, monkeypatch):
    monkeypatch.setenv("PERENNIAL_DATABASE", server.replace("/perennial", "/met_at_once"))
    script = "from tasks import tracking; assert tracking.api().search_registered_models() == []"
    both = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [one.communicate(timeout=300)[1] for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert "registered_models" in _tables(Settings().mlflow)


def test_a_url_of_its_own_goes_before_the_one_setting(server, monkeypatch, tmp_path):
    monkeypatch.setenv("PERENNIAL_LEDGER_URL", f"sqlite:///{tmp_path / 'ledger.db'}")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example")
    settings = Settings()
    assert settings.ledger.startswith("sqlite")
    assert settings.log.startswith("postgresql")
    assert settings.mlflow == "http://mlflow.example"
    assert settings.mlflow_database.endswith("/perennial_mlflow"), "what a server of ours keeps is asked of no server"
