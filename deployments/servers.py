"""How are the Prefect and the MLflow server started, found again, and ended? Loopback, our folder, no telemetry."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

from schemas.errors import PerennialError
from schemas.settings import HEARTBEAT, Settings

__all__ = [
    "environment",
    "free_port",
    "mlflow_server",
    "mlflow_start",
    "of_a_run",
    "prefect_server",
    "prefect_start",
    "run",
    "use",
]

Start = tuple[list[str], dict[str, str]]  # a command, and the environment that it runs in
_LOOPBACK = "127.0.0.1"
_PATIENCE = 300.0  # seconds for a first answer: a PostgreSQL's first tables on a busy machine take more than one minute
# The ledger says for ever what was decided: a run's own page is for those who look into it.
_KEEP_RUNS = timedelta(days=90)
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG: a server whose starter was killed ends by itself


def environment(*, api_url: str | None = None) -> dict[str, str]:
    """What our processes are started with. What the user has set stays."""
    root = Settings().root
    defaults = {
        **of_a_run(),
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "PREFECT_HOME": str(root / "prefect"),
        # Leases in memory would leave a slot taken for ever when the server restarts.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        # Prefect forgets events by itself after a week, and flow runs only when told to: a turn leaves 50 KB of rows.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(_KEEP_RUNS.total_seconds()),
        "PERENNIAL_HOME": str(root),
    }
    if api_url:
        defaults["PREFECT_API_URL"] = api_url
    return {**defaults, **os.environ}


def of_a_run() -> dict[str, str]:
    """What a run needs of its environment, whoever starts it: a worker of a pool is started by hand, without ours."""
    settings = Settings()
    return {
        **settings.silence,
        **settings.logging,
        **({"PERENNIAL_CLONE": settings.clone} if settings.clone else {}),
        "PREFECT_LOGGING_EXTRA_LOGGERS": "perennial",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT),
        "OMP_NUM_THREADS": "1",
    }


def use(api_url: str) -> None:
    """Let this process speak to the Prefect server at `api_url`. Call it before prefect is imported."""
    os.environ.update(environment(api_url=api_url))


@contextmanager
def prefect_server(port: int | None = None) -> Iterator[str]:
    """The API address of a running server: the user's own (PREFECT_API_URL), or one that is started and ended here."""
    own = os.environ.get("PREFECT_API_URL")
    if own:
        yield own
        return
    port = port or free_port()
    command, env = prefect_start(_LOOPBACK, port)
    api = f"http://{_LOOPBACK}:{port}/api"
    with _running("prefect", command, env, f"{api}/health"):
        yield api


@contextmanager
def mlflow_server(port: int | None = None) -> Iterator[str]:
    """The address of an MLflow server over our own database and artifacts: the user's own (MLFLOW_TRACKING_URI), or one that
    is started and ended here."""
    own = Settings().mlflow
    if own.startswith(("http://", "https://")):
        yield own
        return
    port = port or free_port()
    url = f"http://{_LOOPBACK}:{port}"
    command, env = mlflow_start(_LOOPBACK, port)
    with _running("mlflow", command, env, f"{url}/health"):
        yield url


def prefect_start(host: str, port: int) -> Start:
    """How Prefect's server is started over our database, which is made where it is not there yet. It migrates it itself."""
    settings = Settings()
    env = environment(api_url=f"http://{_LOOPBACK}:{port}/api")
    if settings.database is not None:
        from tasks import database

        database.ensure(settings.prefect_database)
        # asyncpg names what libpq calls sslmode.
        url = settings.prefect_database.replace("+psycopg2", "+asyncpg", 1).replace("?sslmode=", "?ssl=")
        env.setdefault("PREFECT_API_DATABASE_CONNECTION_URL", url)
    return [sys.executable, "-m", "prefect", "server", "start", "--host", host, "--port", str(port)], env


def mlflow_start(host: str, port: int) -> Start:
    """How MLflow's server is started over our database, which is made, or brought to this MLflow's version, first."""
    from tasks import tracking

    settings = Settings()
    tracking.made_ready(settings.mlflow_database)
    settings.artifacts.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port), "--workers", "1"]
    command += ["--artifacts-destination", settings.artifacts.as_uri()]
    # The address may hold a password, which a command line would show to whoever lists processes. Job execution alone would
    # start a dozen more processes and take 1.5 GB.
    own = {"MLFLOW_BACKEND_STORE_URI": settings.mlflow_database, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    return command, environment() | own


def run(start: Start) -> NoReturn:
    """Become that server, as a container wants it: its signals and its end are ours."""
    command, env = start
    os.execve(command[0], command, env)  # noqa: S606  (our own fixed commands)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def _running(name: str, command: list[str], env: dict[str, str], health: str) -> Iterator[None]:
    logs = Settings().root / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{name}.log"
    with log.open("ab") as output:
        # A session of its own: Ctrl-C reaches us alone, and we end our servers in order.
        process = subprocess.Popen(
            command, env=env, stdout=output, stderr=output, start_new_session=True, preexec_fn=_die_with_us
        )
    try:
        _await(name, process, health, log)
        yield
    finally:
        end(process)


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process group that we started: politely, then not."""
    for how, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
        if process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)


def _await(name: str, process: "subprocess.Popen[bytes]", health: str, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise PerennialError(
                f"the {name} server ended at once (exit {process.returncode}); its log is {log}. Is the port taken?"
            )
        with contextlib.suppress(OSError), urllib.request.urlopen(health, timeout=2) as answer:  # noqa: S310  (our own loopback address)
            if answer.status == 200:
                return
        time.sleep(0.2)
    raise PerennialError(f"the {name} server gave no answer at {health} in {_PATIENCE:.0f} s; its log is {log}.")


def _die_with_us() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGTERM)
