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
from pathlib import Path

from schemas.errors import PerennialError
from schemas.settings import Settings

__all__ = ["environment", "free_port", "mlflow_server", "prefect_server", "use"]

_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG: a server whose starter was killed ends by itself


def environment(*, api_url: str | None = None) -> dict[str, str]:
    """What our processes are started with. What the user has set stays."""
    root = Settings().root
    defaults = {
        "DO_NOT_TRACK": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_HOME": str(root / "prefect"),
        # Leases in memory would leave a slot taken for ever when the server restarts.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "perennial",
        "PREFECT_RUNNER_HEARTBEAT_FREQUENCY": "30",
        "OMP_NUM_THREADS": "1",
        "PERENNIAL_HOME": str(root),
    }
    if api_url:
        defaults["PREFECT_API_URL"] = api_url
    return {**defaults, **os.environ}


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
    api = f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with _running("prefect", command, environment(api_url=api), f"{api}/health"):
        yield api


@contextmanager
def mlflow_server(port: int | None = None) -> Iterator[str]:
    """The address of an MLflow server over our own database and artifacts."""
    settings = Settings()
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    settings.artifacts.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", settings.mlflow, "--artifacts-destination", settings.artifacts.as_uri()]
    # Job execution alone would start a dozen more processes and take 1.5 GB.
    env = environment() | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with _running("mlflow", command, env, f"{url}/health"):
        yield url


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def _running(name: str, command: list[str], env: dict[str, str], health: str, *, seconds: float = 90) -> Iterator[None]:
    logs = Settings().root / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{name}.log"
    with log.open("ab") as output:
        # A session of its own: Ctrl-C reaches us alone, and we end our servers in order.
        process = subprocess.Popen(
            command, env=env, stdout=output, stderr=output, start_new_session=True, preexec_fn=_die_with_us
        )
    try:
        _await(name, process, health, log, seconds)
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


def _await(name: str, process: "subprocess.Popen[bytes]", health: str, log: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise PerennialError(
                f"the {name} server ended at once (exit {process.returncode}); its log is {log}. Is the port taken?"
            )
        with contextlib.suppress(OSError), urllib.request.urlopen(health, timeout=2) as answer:  # noqa: S310  (our own loopback address)
            if answer.status == 200:
                return
        time.sleep(0.2)
    raise PerennialError(f"the {name} server gave no answer at {health} in {seconds:.0f} s; its log is {log}.")


def _die_with_us() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGTERM)
