"""How is a real gateway run beside a test? A process of its own on loopback, clients that note each answer, and its log.

To import what a gateway needs takes 7 s of CPU. So one process imports it (`python -m tests.deployments.gateway.running`),
and forks a gateway for each line it reads; from then on that is `python -m deployments.gateway` in all but its start.
"""

import asyncio
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from schemas.plans import Promotion, Reason, ServingPlan
from schemas.rows import State
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict
from tests import loopback
from tests.benchmarks.serve_made import FEATURES, OWN, PROBLEMS, at_home, champion, in_shadow, known

__all__ = ["GOOD", "NAME", "Running", "Senders", "copied", "gateway", "logged", "made_home", "moved_on"]

NAME = "served_linear"
GOOD = json.dumps({"dataframe_split": {"columns": list(FEATURES), "data": [[0.5] * len(FEATURES)]}}).encode()
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Running:
    """A gateway that answers, and how to end it."""

    port: int
    pid: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """`body` as JSON, or as it is where it is bytes."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return loopback.post(self.url + path, content=content, headers=JSON | named, timeout=30)

    def get(self, path: str) -> httpx.Response:
        return loopback.get(self.url + path, timeout=30)

    def alive(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Send the signal to the process and all that it started, and wait until it is gone."""
        if self.alive():
            os.killpg(self.pid, how)
        until(lambda: not self.alive(), f"the gateway does not end: {self.tail()}", seconds=20)

    def tail(self) -> str:
        return self.log.read_text()[-3_000:]


def made_home(home: Path) -> Path:
    """A home with a champion, and a challenger in its shadow."""
    with at_home(home):
        in_shadow(PROBLEMS[NAME], champion(PROBLEMS[NAME]))
    _close()
    return home


def copied(home: Path, to: Path) -> Path:
    """The same home elsewhere. Its artifacts are named by absolute path in MLflow's database, and stay where they are."""
    return Path(shutil.copytree(home, to))


@contextmanager
def gateway(home: Path, folder: Path, **env: str) -> Iterator[Running]:
    """Start a gateway that keeps everything under `home`, wait until it is ready, and end it."""
    one = _started(home, folder, env)
    try:
        until(lambda: _ready(one), "the gateway is not ready", seconds=90)
        yield one
    except BaseException:
        print(one.tail())
        raise
    finally:
        one.end(signal.SIGKILL)


def _started(home: Path, folder: Path, env: dict[str, str]) -> Running:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / f"gateway-{port}.log"
    nursery, order = _nursery(), {"port": port, "log": str(log), "env": {"PERENNIAL_HOME": str(home)} | env}
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write(json.dumps(order).encode() + b"\n")
    nursery.stdin.flush()
    while not (said := nursery.stdout.readline()).startswith(b"started "):
        assert said, "the process that forks gateways has ended"
    return Running(port, int(said.split()[1]), log)


@cache
def _nursery() -> "subprocess.Popen[bytes]":
    """The process that forks gateways; it ends, and they with it, when its input does: with us."""
    clean = {name: value for name, value in os.environ.items() if name not in OWN}
    command = [sys.executable, "-m", "tests.deployments.gateway.running"]
    return subprocess.Popen(
        command, env=clean | {"OMP_NUM_THREADS": "1"}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def _ready(one: Running) -> bool:
    assert one.alive(), one.tail()
    try:
        return one.get("/v2/health/ready").status_code == 200
    except httpx.HTTPError:
        return False


def until(holds: Callable[[], bool], otherwise: str, *, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, otherwise
        time.sleep(0.05)


@dataclass
class Senders:
    """Clients that each send a request, wait for its answer, note it, and send the next; a broken connection is made anew."""

    port: int
    connections: int = 8
    name: str = ""  # of the client's ids; empty: the gateway numbers
    acknowledged: list[str] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    epochs: set[int] = field(default_factory=set)
    _ending: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Senders":
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        assert self._thread is not None
        self._thread.join(60)
        assert not self._thread.is_alive(), "a client still waits for an answer after a minute"

    async def _all(self) -> None:
        await asyncio.gather(*(self._one(number) for number in range(self.connections)))

    async def _one(self, number: int) -> None:
        sent = 0
        while not self._ending.is_set():
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                with closing(writer):
                    while not self._ending.is_set():
                        sent += 1
                        await self._ask(reader, writer, f"{self.name}-{number}-{sent}" if self.name else "")
            except (OSError, asyncio.IncompleteReadError):
                self.failed["broken"] += not self._ending.is_set()
                await asyncio.sleep(0.02)

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, own: str) -> None:
        began = time.monotonic()
        named = f"x-request-id: {own}\r\n" if own else ""
        head = f"POST /invocations HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\n{named}content-length: {len(GOOD)}\r\n\r\n"
        writer.write(head.encode() + GOOD)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        await reader.readexactly(int(headers["content-length"]))
        self.slowest = max(self.slowest, time.monotonic() - began)
        status = lines[0].split()[1]
        if status == "200":
            self.acknowledged.append(headers["x-perennial-request-id"])
            self.epochs.add(int(headers["x-perennial-epoch"]))
        else:
            self.failed[status] += 1


def logged(url: str, ids: list[str], *, by_client: bool = False) -> tuple[int, int]:
    """Of acknowledged ids: how many are not in the log, and how many are there more than once."""
    engine = sa.create_engine(url)
    rows = "SELECT request, count(*) FROM predictions WHERE request > 0 GROUP BY request"
    with engine.connect() as connection:
        counts = {int(request): int(n) for request, n in connection.execute(sa.text(rows))}
        wanted: dict[str, list[int]] = {one: [] for one in ids}
        if by_client:
            for name, request in connection.execute(sa.text("SELECT client_id, request FROM client_ids")):
                wanted.get(name, []).append(int(request))
        else:
            wanted = {one: [int(one, 16)] for one in ids}
    engine.dispose()
    found = [sum(counts.get(request, 0) for request in requests) for requests in wanted.values()]
    return sum(n == 0 for n in found), sum(n > 1 for n in found) + len(ids) - len(wanted)


def moved_on(home: Path, *, now: datetime, fails: bool = False) -> State:
    """One more step of a rollout that goes well, or `fails`; the next one challenges with whom it replaced. The route is
    projected."""
    from tasks import ledger, registry
    from tasks.transitions import Decision, advance

    problem = PROBLEMS[NAME]
    with at_home(home):
        state = ledger.state_of(problem.name)
        good, bad = (Verdict("test", outcome, "the test wants it") for outcome in (Outcome.PASS, Outcome.FAIL))
        step = Decision(bad if fails else good)
        if state.stage is Stage.HEALTHY:
            step = Decision(bad, why=Reason.SCHEDULE, promotion=Promotion.SUPERIORITY)
        elif state.stage is Stage.RETRAIN:
            step = Decision(good, model=state.previous, snapshot="d" * 64)
        state = ledger.append(state, advance(state, step, now=now + timedelta(days=1), first_share=0.25))
        registry.project(problem, state)
    _close()
    return state


def _close() -> None:
    from tasks.database import close_databases

    close_databases()


def _fork_gateways() -> None:
    import mlflow.sklearn
    import sklearn.ensemble
    import skops.io
    import uvicorn.lifespan.on
    import uvicorn.protocols.http.httptools_impl

    from deployments.gateway import __main__ as entry
    from deployments.gateway import app, batch, breaker, follower, worker

    imported = (mlflow, sklearn, skops, uvicorn, app, batch, breaker, follower, worker)
    assert all(imported)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    with known():
        for line in sys.stdin:
            pid = os.fork()
            if pid == 0:
                _be_gateway(entry.main, json.loads(line))
            print(f"started {pid}", flush=True)


def _be_gateway(main: Callable[[list[str]], int], order: dict[str, Any]) -> None:
    """The rest of a forked process's life."""
    os.setsid()
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    out = os.open(order["log"], os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    for stream, to in ((0, os.open(os.devnull, os.O_RDONLY)), (1, out), (2, out)):
        os.dup2(to, stream)
    os.environ.update(order["env"])
    away: Any = os.environ.get("GATEWAY_LOG_AWAY", "refuse")
    share = float(os.environ.get("GATEWAY_EXPLORE", "0"))
    plan = ServingPlan(log_away=away, poll=timedelta(seconds=0.3), explore=share, explore_to=0 if share else None)
    PROBLEMS[NAME] = replace(PROBLEMS[NAME], serving=plan)
    try:
        os._exit(main([NAME, "--port", str(order["port"])]))
    except BaseException:
        traceback.print_exc()
        os._exit(70)


if __name__ == "__main__":
    _fork_gateways()
