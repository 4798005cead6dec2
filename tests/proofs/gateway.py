"""Does the gateway keep its promises? Killed, cut off from its databases, swapped under load, and asked nonsense.

Every part returns its figures with `holds`; `python -m tests.proofs gateway` runs all of them.
"""

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.benchmarks.serve_made import START
from tests.deployments.gateway.malformed import SECRET, requests
from tests.deployments.gateway.running import (
    GOOD,
    Running,
    Senders,
    copied,
    gateway,
    logged,
    made_home,
    moved_on,
    until,
)
from tests.deployments.gateway.test_abuse import sent, status

__all__ = ["prove"]

POSTGRES = Path("/usr/lib/postgresql/15/bin")
STOPS, SWAPS, KILLS = 5, 20, 50


def prove() -> dict[str, Any]:
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL's own user comes through here
        made = made_home(folder / "made")
        parts: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
            "kills": killed,
            "stops_refuse": lambda home, at: cut_off(home, at, policy="refuse"),
            "stops_spill": lambda home, at: cut_off(home, at, policy="serve and spill"),
            "swaps": swapped,
            "registry_away": without_registry,
            "malformed": abused,
            "schemathesis": described,
        }
        found: dict[str, Any] = {}
        for part, proof in parts.items():
            at = folder / part
            at.mkdir()
            began = time.monotonic()
            found[part] = proof(copied(made, at / "home"), at)
            found[part]["seconds"] = round(time.monotonic() - began, 1)
            print(f"{part}: {found[part]}", flush=True)
        return found | {"holds": all(one["holds"] for one in found.values())}


def killed(home: Path, folder: Path, *, times: int = KILLS) -> dict[str, Any]:
    """kill -9 under load: every acknowledged id is in the log once. Every other time clients bring ids of their own."""
    url, rng, failed = f"sqlite:///{home / 'predictions.db'}", random.Random(50), Counter[str]()
    acknowledged: dict[bool, list[str]] = {False: [], True: []}
    for kill in range(times):
        own = bool(kill % 2)
        with gateway(home, folder) as running, Senders(running.port, name=f"kill{kill}" if own else "") as load:
            until(lambda load=load: bool(load.acknowledged), "nothing is answered", seconds=20)
            time.sleep(rng.uniform(0.2, 1.0))
            running.end(signal.SIGKILL)
        acknowledged[own] += load.acknowledged
        failed += load.failed
    missing, twice = (
        sum(pair) for pair in zip(*(logged(url, ids, by_client=own) for own, ids in acknowledged.items()), strict=True)
    )
    said = {"kills": times, "acknowledged": sum(map(len, acknowledged.values())), "missing": missing, "twice": twice}
    return said | {"refused": failed.total() - failed["broken"], "holds": missing == twice == 0}


def cut_off(home: Path, folder: Path, *, policy: str, times: int = STOPS) -> dict[str, Any]:
    """The log's PostgreSQL stopped at once and started again under load, several times."""
    if not POSTGRES.exists():
        return {"said": f"{POSTGRES} is not installed", "holds": False}
    acknowledged, away = 0, []
    with postgres(folder) as (url, ctl):
        env = {"PERENNIAL_LOG_URL": url, "GATEWAY_LOG_AWAY": policy}
        with gateway(home, folder, **env) as running, Senders(running.port, name="cut") as load:
            for _ in range(times):
                acknowledged = len(load.acknowledged)
                until(lambda n=acknowledged: len(load.acknowledged) > n + 50, "it does not answer again", seconds=60)
                ctl("stop", "-m", "immediate")
                acknowledged = len(load.acknowledged)
                time.sleep(1.5)
                away.append(len(load.acknowledged) - acknowledged)
                ctl("start")
            acknowledged = len(load.acknowledged)
            until(lambda n=acknowledged: len(load.acknowledged) > n + 50, "it does not answer again", seconds=60)
            until(lambda: not _spilled(home), "what was spilled is not brought back", seconds=60)
            ready = running.get("/v2/health/ready").status_code
        missing, twice = logged(url, load.acknowledged, by_client=True)
    said = {
        "stops": times,
        "acknowledged": len(load.acknowledged),
        "answered_while_away": away,
        "missing": missing,
        "twice": twice,
    }
    said |= {"failed": dict(load.failed), "slowest_seconds": round(load.slowest, 2)}
    # While it is away some requests wait for the first failure; with the policy to refuse, at most those may be answered.
    kept = all(n > 50 for n in away) and not load.failed if policy != "refuse" else set(load.failed) <= {"503"}
    return said | {"holds": missing == twice == 0 and ready == 200 and bool(kept)}


def _spilled(home: Path) -> bool:
    return any((home / "gateway").rglob("*.jsonl"))


@contextmanager
def postgres(folder: Path) -> Iterator[tuple[str, Callable[..., None]]]:
    """A PostgreSQL of our own, and `pg_ctl` on it. As root it runs as the user postgres: it refuses to run as root."""
    data, own = folder / "pg", pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    data.mkdir()
    if own:
        os.chown(data, own.pw_uid, own.pw_gid)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(*command: str) -> None:
        who = {"user": own.pw_uid, "group": own.pw_gid, "extra_groups": []} if own else {}
        with (folder / "pg.log").open("ab") as out:
            subprocess.run(
                [str(POSTGRES / command[0]), *command[1:]],
                cwd="/",
                stdout=out,
                stderr=out,
                check=True,
                timeout=60,
                **who,
            )

    def ctl(what: str, *more: str) -> None:
        options = (
            ["-o", f"-p {port} -k '' -c listen_addresses=127.0.0.1", "-l", str(data / "log")] if what == "start" else []
        )
        run("pg_ctl", "-D", str(data), "-w", what, *options, *more)

    run("initdb", "-D", str(data), "-U", "perennial", "-A", "trust", "--no-sync")
    ctl("start")
    try:
        yield f"postgresql+psycopg2://perennial@127.0.0.1:{port}/postgres", ctl
    finally:
        subprocess.run([str(POSTGRES / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"], cwd="/", check=False, capture_output=True, **({"user": own.pw_uid} if own else {}))  # fmt: skip


def swapped(home: Path, folder: Path, *, times: int = SWAPS) -> dict[str, Any]:
    """Routes change while 16 connections send: none of their requests fails, and every epoch is served."""
    epochs = []
    with gateway(home, folder) as running, Senders(running.port, connections=16) as load:
        until(lambda: len(load.acknowledged) > 50, "nothing is answered", seconds=20)
        while len(epochs) < times:
            epoch = moved_on(home, now=START + timedelta(days=40 + len(epochs))).epoch
            if epoch in load.epochs:  # a step of the ledger that no route shows
                continue
            began = time.monotonic()
            until(lambda epoch=epoch: epoch in load.epochs, f"epoch {epoch} is not served", seconds=20)
            epochs.append(round(time.monotonic() - began, 2))
    missing, twice = logged(f"sqlite:///{home / 'predictions.db'}", load.acknowledged)
    said = {
        "swaps": len(epochs),
        "slowest_swap_seconds": max(epochs),
        "requests": len(load.acknowledged),
        "failed": dict(load.failed),
    }
    return said | {"missing": missing, "twice": twice, "holds": not load.failed and missing == twice == 0}


def without_registry(home: Path, folder: Path, *, seconds: float = 10) -> dict[str, Any]:
    """Started without a registry, it serves the last known route from disk; nothing fails, and it is ready."""
    with gateway(home, folder) as running:
        first = running.post("/invocations", GOOD).json()
    (home / "mlflow.db").rename(home / "elsewhere.db")
    with gateway(home, folder) as running:
        same, ready = running.post("/invocations", GOOD).json() == first, set[int]()
        with Senders(running.port) as load:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                ready.add(running.get("/v2/health/ready").status_code)
                time.sleep(0.2)
    said = {
        "requests": len(load.acknowledged),
        "failed": dict(load.failed),
        "ready": sorted(ready),
        "same_answer": same,
    }
    return said | {"holds": same and not load.failed and ready == {200} and bool(load.acknowledged)}


def abused(home: Path, folder: Path) -> dict[str, Any]:
    """Everything malformed that we know of: 4xx, in time, no echo; and a good request is answered afterwards."""
    wrong, slowest, all_of_them = [], 0.0, requests()
    with gateway(home, folder) as running:
        for bad in all_of_them:
            began = time.monotonic()
            try:
                answer = sent(running, bad.raw)
                fine = 400 <= status(answer) < 500 and SECRET.encode() not in answer
            except (OSError, AssertionError):
                fine = False
            slowest = max(slowest, time.monotonic() - began)
            if not fine:
                wrong.append(bad.what)
        after = running.post("/invocations", GOOD).status_code
    said = {
        "requests": len(all_of_them),
        "wrong": wrong,
        "slowest_seconds": round(slowest, 2),
        "good_afterwards": after,
    }
    return said | {"holds": not wrong and after == 200}


def described(home: Path, folder: Path) -> dict[str, Any]:
    """schemathesis on the gateway's own description, where it is installed (its dependencies are no place for ours)."""
    command = os.environ.get("SCHEMATHESIS") or shutil.which("schemathesis")
    if command is None:
        return {"said": "schemathesis is not installed; put it on the PATH or into SCHEMATHESIS", "holds": True}
    with gateway(home, folder) as running:
        ran = _schemathesis(command, running, folder)
        after = running.post("/invocations", GOOD).status_code
    said = {"exit": ran.returncode, "log": ran.stdout.decode(errors="replace")[-4_000:], "good_afterwards": after}
    return said | {"holds": ran.returncode == 0 and after == 200}


def _schemathesis(command: str, running: Running, folder: Path) -> "subprocess.CompletedProcess[bytes]":
    arguments = ["run", f"{running.url}/openapi.json", "--max-examples", "50", "--seed", "1", "--no-color"]
    # A contract says more than a schema can: equal lengths, ranges of whole rows, keys of the problem's own.
    arguments += ["--exclude-checks", "positive_data_acceptance"]
    return subprocess.run(
        [command, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900
    )
