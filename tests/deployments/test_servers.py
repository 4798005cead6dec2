"""With what are the servers and our own processes started: without telemetry, unless one switch says otherwise?"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deployments import servers
from schemas.settings import Settings

ROOT = Path(__file__).parents[2]
SILENT = {"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}


@pytest.fixture(autouse=True)
def _nothing_said(home, monkeypatch):
    for name in (*SILENT, "PERENNIAL_TELEMETRY", "PREFECT_API_DATABASE_CONNECTION_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("said, silent", [(None, True), ("false", True), ("true", False)])
def test_one_switch_turns_it_on_for_all_that_is_started(monkeypatch, said, silent):
    if said is not None:
        monkeypatch.setenv("PERENNIAL_TELEMETRY", said)
    for env in (
        servers.environment(),
        servers.prefect_start("127.0.0.1", 1)[1],
        servers.mlflow_start("127.0.0.1", 1)[1],
    ):
        assert {name: env.get(name) for name in SILENT} == (SILENT if silent else dict.fromkeys(SILENT))


def test_what_a_user_has_set_stays(monkeypatch):
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    assert servers.environment()["DO_NOT_TRACK"] == "1"


@pytest.mark.parametrize("said, days", [(None, 90), ("604800", 7)])
def test_prefect_reads_that_it_forgets_old_runs_and_what_they_left(monkeypatch, said, days):
    """It forgets none by itself: a turn's rows would stay for ever."""
    if said is not None:
        monkeypatch.setenv("PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD", said)
    script = (
        "from prefect.settings import get_current_settings; found = get_current_settings().server.services.db_vacuum; "
        "print(found.retention_period.days, *sorted(found.enabled_vacuum_types))"
    )
    _, env = servers.prefect_start("127.0.0.1", 1)
    done = subprocess.run([sys.executable, "-c", script], env=env, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [str(days), "events", "flow_runs", "orphans"]


@pytest.mark.parametrize("said, silent", [(None, True), ("false", True), ("true", False)])
def test_make_says_the_same(said, silent, tmp_path):
    """Of the Makefile its own lines up to the first target, and one target that shows what a command would be given."""
    lines = (ROOT / "Makefile").read_text().split(".DEFAULT_GOAL")[0]
    (tmp_path / "Makefile").write_text(lines + "\nshown:\n\t@env\n")
    assert shutil.which("make")
    env = {"PATH": os.environ["PATH"]} | ({"PERENNIAL_TELEMETRY": said} if said else {})
    shown = subprocess.run(
        ["make", "-C", tmp_path, "shown"], env=env, check=True, capture_output=True, text=True
    ).stdout
    found = dict(line.split("=", 1) for line in shown.splitlines() if line.split("=")[0] in SILENT)
    assert found == (SILENT if silent else {})


def test_mlflow_and_evidently_are_silent_in_a_process_that_nobody_started(home):
    """A command run by hand, past Makefile and servers."""
    script = "import os; from tasks.tracking import vendor; vendor(); print(os.environ['MLFLOW_DISABLE_TELEMETRY'])"
    env = {name: value for name, value in os.environ.items() if name not in SILENT}
    done = subprocess.run([sys.executable, "-c", script], env=env, check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "true"


def test_without_the_one_setting_prefect_is_told_of_no_database():
    assert "PREFECT_API_DATABASE_CONNECTION_URL" not in servers.prefect_start("127.0.0.1", 1)[1]
    assert servers.mlflow_start("127.0.0.1", 1)[1]["MLFLOW_BACKEND_STORE_URI"] == Settings().mlflow_database


def test_a_server_of_mlflows_that_the_user_names_is_taken(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example")
    with servers.mlflow_server() as url:
        assert url == "http://mlflow.example"


def test_prefects_driver_is_told_of_tls_in_its_own_word(monkeypatch):
    monkeypatch.setenv("PERENNIAL_DATABASE", "postgresql://me@127.0.0.1:1/perennial?sslmode=require")
    url = servers.prefect_start("127.0.0.1", 2)[1]["PREFECT_API_DATABASE_CONNECTION_URL"]
    assert url == "postgresql+asyncpg://me@127.0.0.1:1/perennial_prefect?ssl=require"
    monkeypatch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", "postgresql+asyncpg://somewhere/else")
    assert servers.prefect_start("127.0.0.1", 2)[1]["PREFECT_API_DATABASE_CONNECTION_URL"].endswith("somewhere/else")
