"""Do the files that a team deploys with keep their rules, and does what they start answer its own health checks?

There is no container engine here: each service is started from its own lines in compose.yaml, its command, its environment
and its health check, with the names of the other services and the mounted folders put in place of the container's.
"""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
import yaml

from deployments import servers
from deployments.gateway.app import _OPEN
from flows.replay import plain_turn
from schemas.problem import load_problem
from schemas.problems._fraud_simulator import payments
from schemas.settings import Settings
from tasks import database, windows
from tests import loopback
from tests.deployments.test_one_database import NOW
from tests.tasks import postgres

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deployments"
COMPOSE = (FOLDER / "compose.yaml").read_text()
DOCKERFILE = (FOLDER / "Dockerfile").read_text()
KUBERNETES = {one["kind"]: one for one in yaml.safe_load_all((FOLDER / "gateway.k8s.yaml").read_text())}
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE)["services"]
OURS = sorted(set(SERVICES) - {"postgres"})
SECRET = "s3cr3t"


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> dict[str, Any]:
    return SERVICES[request.param]


def test_all_that_a_team_runs_is_there():
    assert set(SERVICES) == {"postgres", "prefect", "mlflow", "worker", "gateway"}


def test_each_service_has_a_health_check_comes_back_and_says_how_long_it_may_take_to_end(service):
    check = service["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= set(check)
    assert service["restart"] == "unless-stopped"


def test_each_image_is_pinned(service):
    name, _, tag = service["image"].rpartition(":")
    assert name
    assert tag
    assert tag != "latest"
    assert re.search(r"\d+\.\d+", tag)


def test_what_is_published_is_published_on_loopback(service):
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_what_is_kept_is_kept_in_named_volumes(service):
    named = yaml.safe_load(COMPOSE)["volumes"]
    assert {volume.split(":")[0] for volume in service["volumes"]} <= set(named)


def test_no_service_may_gain_rights(service):
    assert service["security_opt"] == ["no-new-privileges:true"]


SOUNDS_SECRET = re.compile(r"PASSWORD|TOKEN|SECRET|KEY|AUTH_STRING")


def test_what_sounds_like_a_secret_is_a_required_variable_or_a_mounted_file(service):
    for name, value in service["environment"].items():
        if SOUNDS_SECRET.search(name):
            assert re.match(r"\$\{\w+:\?|/run/secrets/", value), name
    assert not any(SOUNDS_SECRET.search(word) for word in service.get("command", []))


def test_no_address_holds_a_password_and_the_image_holds_no_secret():
    for text in (COMPOSE, (FOLDER / "gateway.k8s.yaml").read_text(), DOCKERFILE):
        assert not re.search(r"://[^/@\s]+:[^/@\s]+@", text)
    assert not [line for line in re.findall(r"^(?:ENV|ARG) .*", DOCKERFILE, re.M) if SOUNDS_SECRET.search(line)]


def test_without_its_secrets_compose_starts_nothing():
    assert yaml.safe_load(COMPOSE)["secrets"] == {"postgres_password": {"environment": "POSTGRES_PASSWORD"}}
    assert SERVICES["gateway"]["environment"]["PERENNIAL_GATEWAY_TOKEN"].startswith("${PERENNIAL_GATEWAY_TOKEN:?")
    assert SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD_FILE"] == "/run/secrets/postgres_password"


@pytest.mark.parametrize("name", OURS)
def test_ours_are_told_of_one_database_and_that_nobody_is_to_be_told(name):
    env, server = SERVICES[name]["environment"], SERVICES["postgres"]["environment"]
    settings = Settings(database=env["PERENNIAL_DATABASE"])
    assert f"{server['POSTGRES_USER']}@postgres:5432/{server['POSTGRES_DB']}" in settings.ledger
    assert env["PERENNIAL_TELEMETRY"] == "${PERENNIAL_TELEMETRY:-false}"
    assert env["PERENNIAL_DATABASE_PASSWORD_FILE"] == server["POSTGRES_PASSWORD_FILE"]
    assert not {"DO_NOT_TRACK", "PREFECT_SERVER_ANALYTICS_ENABLED"} & set(env), "the one switch decides"


def test_mlflow_answers_under_the_name_that_the_others_ask_it_by():
    allowed = SERVICES["mlflow"]["environment"]["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    for name in ("worker", "gateway"):
        asked = urlsplit(SERVICES[name]["environment"]["MLFLOW_TRACKING_URI"]).netloc
        assert any(fnmatch(asked, one) for one in allowed)


def test_the_image_is_what_is_locked_and_does_not_run_as_root():
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.M)
    assert len(set(stages)) == 1
    assert re.fullmatch(r"python:3\.1[123]\.\d+-slim-\w+", stages[0])
    assert DOCKERFILE.count("--require-hashes -r") == 2
    assert "--no-deps --no-build-isolation --editable ." in DOCKERFILE
    user, *_ = re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.M)
    assert int(user) > 0
    assert f"useradd --uid {user}" in DOCKERFILE
    after = DOCKERFILE.split(f"USER {user}")[1]
    assert "RUN" not in after
    assert "USER" not in after


def test_the_images_client_reads_the_servers_dumps():
    (client,) = re.findall(r"postgresql-client-(\d+)", DOCKERFILE)
    server = SERVICES["postgres"]["image"].split(":")[1].split(".")[0]
    assert int(client) >= int(server)


def test_all_that_the_image_is_made_of_is_sent_to_it_and_nothing_that_is_private():
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert all((ROOT / name).exists() for name in kept)
    copied = {name for line in re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.M) for name in shlex.split(line)}
    assert copied - {"."} <= set(kept)
    needs = re.findall(
        r'packages = \["flows", "tasks", "schemas", "deployments"\]', (ROOT / "pyproject.toml").read_text()
    )
    assert needs
    assert {"flows", "tasks", "schemas", "deployments", "README.md", "LICENSE", "RUNBOOK.md"} <= set(kept)
    assert not {".git", ".perennial", ".env", "tests"} & set(kept)


# Kubernetes


def _pod() -> dict[str, Any]:
    return KUBERNETES["Deployment"]["spec"]["template"]["spec"]


def test_probes_ask_what_the_gateway_answers_without_a_token():
    (container,) = _pod()["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] in _OPEN
        assert container[probe]["httpGet"]["port"] in ports
    assert container["readinessProbe"]["httpGet"]["path"].endswith("/ready")
    assert container["livenessProbe"]["httpGet"]["path"].endswith("/live"), (
        "a registry that is away is no reason to die"
    )
    assert str(ports["http"]) == container["command"][container["command"].index("--port") + 1]
    assert KUBERNETES["Service"]["spec"]["ports"][0]["targetPort"] in ports


def test_one_may_go_and_the_others_answer():
    spec = KUBERNETES["Deployment"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["replicas"] > KUBERNETES["PodDisruptionBudget"]["spec"]["minAvailable"] >= 1
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    for selects in (spec["selector"]["matchLabels"], KUBERNETES["Service"]["spec"]["selector"]):
        assert selects == labels
    assert KUBERNETES["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels


def test_it_has_time_to_answer_what_it_took_in():
    (container,) = _pod()["containers"]
    waits = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    graceful = int(re.search(r"timeout_graceful_shutdown=(\d+)", (FOLDER / "gateway" / "__main__.py").read_text())[1])
    assert _pod()["terminationGracePeriodSeconds"] >= waits + 2 * graceful
    assert int(SERVICES["gateway"]["stop_grace_period"].removesuffix("s")) >= 2 * graceful


def test_it_runs_with_no_more_rights_than_it_needs_and_its_secrets_are_references():
    pod, (container,) = _pod(), _pod()["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert f"USER {pod['securityContext']['runAsUser']}:" in DOCKERFILE
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"requests", "limits"} == set(container["resources"])
    named = {one["name"]: one for one in container["env"]}
    for secret in ("PGPASSWORD", "PERENNIAL_GATEWAY_TOKEN"):
        assert set(named[secret]) == {"name", "valueFrom"}
    assert not container["image"].endswith(":latest")
    mounted = {one["mountPath"] for one in container["volumeMounts"]}
    assert mounted >= {"/state", "/tmp"}, "what it writes to, beside a root that is read alone"
    spill = next(one for one in pod["volumes"] if one["name"] == "state")
    assert spill["persistentVolumeClaim"]["claimName"] == KUBERNETES["PersistentVolumeClaim"]["metadata"]["name"]


# All of it, running


@dataclass(frozen=True)
class Team:
    """The services of compose.yaml as processes of this machine."""

    services: dict[str, dict[str, Any]]
    processes: dict[str, "subprocess.Popen[bytes]"]
    folder: Path

    def run(self, name: str, command: list[str]) -> "subprocess.CompletedProcess[str]":
        """As `docker compose exec NAME COMMAND` would."""
        return subprocess.run(
            _here(command), env=_env(self.services[name]), cwd=ROOT, capture_output=True, text=True, check=False
        )

    def healthy(self, name: str) -> None:
        kind, *command = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        deadline = time.monotonic() + 240
        while (done := self.run(name, command)).returncode != 0:
            log = (self.folder / f"{name}.log").read_text()[-3000:]
            assert self.processes[name].poll() is None, f"{name} ended: {log}"
            assert time.monotonic() < deadline, f"{name}: {done.stderr[-500:]}\n{log}"
            time.sleep(0.5)


def _here(command: list[str]) -> list[str]:
    return [sys.executable if word == "python" else word for word in command]


def _env(service: dict[str, Any]) -> dict[str, str]:
    """What the image and the service's lines say, and nothing of ours."""
    own = {name: str(value) for name, value in service["environment"].items()}
    return {
        "PATH": os.environ["PATH"],
        "HOME": own["PERENNIAL_HOME"],
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    } | own


def _interpolated(text: str, env: dict[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name, how, other = match.groups()
        assert name in env or how == ":-", f"{name} is required: {other}"
        return env.get(name, other)

    return re.sub(r"\$\{(\w+)(:-|:\?)([^}]*)\}", value, text)


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    if not postgres.available:
        pytest.skip("PostgreSQL is not installed here")
    folder = tmp_path_factory.mktemp("team")
    (folder / "secret").write_text(SECRET)
    (folder / "state").mkdir()
    with postgres.running(password=SECRET) as url, pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith(("PREFECT_", "MLFLOW_"))]:
            patch.delenv(name)
        made = sa.make_url(url).set(password=SECRET)
        engine = sa.create_engine(made, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:  # as the image's own start does
            connection.exec_driver_sql(f"CREATE ROLE perennial SUPERUSER LOGIN PASSWORD '{SECRET}'")
        engine.dispose()
        services = _moved(folder, made.port)
        patch.setenv("PERENNIAL_HOME", str(folder / "state"))
        running = Team(services, {}, folder)
        try:
            for name in ("prefect", "mlflow"):
                _start(running, name)
            for name in ("prefect", "mlflow"):
                running.healthy(name)
            _first_turn(patch, services["worker"]["environment"])
            for name in ("worker", "gateway"):
                _start(running, name)
            yield running
        finally:
            for process in reversed(running.processes.values()):
                servers.end(process)
            database.close_databases()


def _moved(folder: Path, postgres_port: int | None) -> dict[str, dict[str, Any]]:
    """compose.yaml with this machine's ports and folders in place of the containers'."""
    text = COMPOSE.replace("@postgres:5432", f"@127.0.0.1:{postgres_port}")
    text = (
        text.replace("://prefect:", "://127.0.0.1:")
        .replace("://mlflow:", "://127.0.0.1:")
        .replace("0.0.0.0", "127.0.0.1")
    )
    text = text.replace("/run/secrets/postgres_password", str(folder / "secret"))
    text = text.replace("/tmp/prefect-ui", str(folder / "ui"))
    for port in ("4200", "5000", "8000", "8080"):
        text = re.sub(rf"\b{port}\b", str(servers.free_port()), text)
    given = {"PROBLEM": "fraud", "PERENNIAL_GATEWAY_TOKEN": "a-token"}
    services = yaml.safe_load(_interpolated(text, given))["services"]
    for one in services.values():
        one["environment"]["PERENNIAL_HOME"] = str(folder / "state")
    return services


def _start(team: Team, name: str) -> None:
    service = team.services[name]
    with (team.folder / f"{name}.log").open("wb") as log:
        team.processes[name] = subprocess.Popen(
            _here(service["command"]), env=_env(service), cwd=ROOT, stdout=log, stderr=log, start_new_session=True
        )


def _first_turn(patch: pytest.MonkeyPatch, env: dict[str, str]) -> None:
    for name in ("PERENNIAL_DATABASE", "PERENNIAL_DATABASE_PASSWORD_FILE", "MLFLOW_TRACKING_URI"):
        patch.setenv(name, env[name])
    windows.materialise(load_problem("fraud"), payments(seed=7, days=100, per_day=100))
    plain_turn("fraud", NOW)


@pytest.mark.parametrize("name", OURS)
def test_each_service_starts_by_its_command_and_answers_its_health_check(team, name):
    team.healthy(name)


@pytest.mark.parametrize("name", ["prefect", "mlflow"])
def test_its_pages_are_there_and_not_written_into_what_is_installed(team, name):
    command = team.services[name]["command"]
    page = loopback.get(f"http://127.0.0.1:{command[command.index('--port') + 1]}/", timeout=60, follow_redirects=True)
    assert page.raise_for_status().headers["content-type"].startswith("text/html")
    if name == "prefect":
        assert list((team.folder / "ui").rglob("index.html"))


def test_a_health_check_of_what_has_ended_fails(team):
    closed = servers.free_port()
    _, *command = team.services["gateway"]["healthcheck"]["test"]
    moved = [re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{closed}", word) for word in command]
    assert team.run("gateway", moved).returncode != 0


def test_the_gateway_is_ready_and_asks_for_its_token(team):
    team.healthy("gateway")
    command = team.services["gateway"]["command"]
    url = f"http://127.0.0.1:{command[command.index('--port') + 1]}"
    deadline = time.monotonic() + 60
    while loopback.get(f"{url}/v2/health/ready", timeout=5).status_code != 200:
        assert time.monotonic() < deadline, (team.folder / "gateway.log").read_text()[-3000:]
        time.sleep(0.5)
    assert loopback.post(f"{url}/invocations", json={}, timeout=5).status_code == 401


def test_everything_is_in_the_one_database(team):
    team.healthy("worker")
    assert not list((team.folder / "state").rglob("*.db"))
    assert "serving" in (team.folder / "worker.log").read_text()


def test_a_backup_is_taken_beside_them_while_they_run(team):
    done = team.run("worker", ["python", "-m", "deployments", "backup", str(team.folder / "backups")])
    assert done.returncode == 0, done.stderr
    (file,) = (team.folder / "backups").iterdir()
    assert file.name in done.stdout


def test_no_log_and_no_command_line_holds_the_password(team):
    for name, process in team.processes.items():
        assert SECRET not in (team.folder / f"{name}.log").read_text()
        assert SECRET.encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes()


def test_the_worker_ends_cleanly_when_told_to(team):
    team.healthy("worker")
    team.processes["worker"].terminate()
    assert team.processes["worker"].wait(60) == 0, (team.folder / "worker.log").read_text()[-3000:]
