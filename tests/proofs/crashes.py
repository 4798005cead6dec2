"""What does a loop do when the machinery under it fails: the disk is full, the database away, the server or the worker killed?

`python -m tests.proofs crashes` (make prove NAME=crashes). One problem's life from nothing to a new champion, as tests.proofs.faults
turns it, on a small disk of its own that is full at each border there is, once: what fails says so, and when there is room again the
next turn goes on to the same ledger, row for row. Then real servers: a worker and its run killed in a task, a Prefect server killed
and started again in the middle of a turn, and a PostgreSQL that is stopped for a minute in one.
"""

import os
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from deployments import servers
from flows.border import exit_code
from flows.machine import MachineError, in_one_sentence
from flows.replay import plain_turn
from schemas.problem import load_problem
from schemas.rows import Entry, State
from tasks import database, ledger, windows
from tests import disk, loopback
from tests.deployments.test_server import QUICK, Server, eventually, payments_until_tomorrow
from tests.flows import made
from tests.proofs.faults import BORDERS, NAME, Place, between, live, load, story
from tests.tasks import postgres

__all__ = ["prove"]

_ROOM = 60  # megabytes: a life takes some 20
AWAY = 60  # seconds


def filled_at_each_border(place: Place, there: Path, notes: Path) -> dict[str, Any]:
    """One life on a disk that is full from each new border on until the turn there fails; how it failed, by border."""
    seen, said, failures = notes / "seen", notes / "said", 0
    while not _ended(lambda: _filling_at_what_is_new(seen, there), place, said):
        (there / "filler").unlink(missing_ok=True)
        failures += 1
    borders = Counter(line.split("|")[1] for line in seen.read_text().split())
    sentences = [line for line in said.read_text().splitlines() if line.startswith("perennial: the disk that holds")]
    return {"borders": dict(borders), "failures": failures, "in_one_sentence": len(sentences)}


def _filling_at_what_is_new(seen: Path, there: Path) -> None:
    known = set(seen.read_text().split()) if seen.exists() else set()
    met: Counter[str] = Counter()

    def look(name: str, side: str) -> None:
        what = f"{ledger.state_of(NAME).sequence}|{name}|{side}"
        met[what] += 1
        here = f"{what}|{met[what]}"
        if here not in known and not (there / "filler").exists():
            with seen.open("a") as file:
                file.write(f"{here}\n")
            disk.full(there)

    for border in BORDERS:
        module, _, name = border.rpartition(".")
        between(import_module(module), name, look)
    live()


def _ended(work: Callable[[], None], place: Place, said: Path) -> bool:
    """Whether `work` came to its end in a process of its own, whose words go to `said`, which is on no full disk."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    code = 1
    try:
        with said.open("a") as out:
            os.dup2(out.fileno(), sys.stdout.fileno())
            os.dup2(out.fileno(), sys.stderr.fileno())
        with place.here():
            code = exit_code(work, stopped=str)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def on_a_full_disk(folder: Path) -> dict[str, Any]:
    whole = Place(folder / "whole")
    made.settle(whole.home, made.PROBLEM, made.readings(days=70))
    assert _ended(live, whole, folder / "said")
    with whole.here():
        expected = story()
    with disk.small(folder / "disk", megabytes=_ROOM) as there:
        place = Place(there / "home")
        made.settle(place.home, made.PROBLEM, made.readings(days=70))
        notes = folder / "notes"
        notes.mkdir()
        found = filled_at_each_border(place, there, notes)
        with place.here():
            found["same"] = story() == expected
        found["partial_files"] = sorted(str(p.relative_to(there)) for p in there.rglob(".partial*"))
    said = found["failures"] == found["in_one_sentence"] > 0
    return found | {"holds": found["same"] and said and not found["partial_files"]}


class Machine:
    """A Prefect server, what serves the deployments, and a home whose table ends tomorrow; each can be killed and started."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self.home, self.port = home, servers.free_port()
        self.api = f"http://127.0.0.1:{self.port}/api"
        stack.callback(self.kill)
        self.server: subprocess.Popen[bytes] | None = None
        self.serving: subprocess.Popen[bytes] | None = None

    def start_server(self) -> None:
        command, env = servers.prefect_start("127.0.0.1", self.port)
        self.server = self._started("server", command, env)
        eventually(self._answers, seconds=600)

    def start_serving(self) -> None:
        log = self.home / "serve.log"
        before = log.stat().st_size if log.exists() else 0
        env = servers.environment(api_url=self.api)
        self.serving = self._started("serve", [sys.executable, "-m", "deployments.serve"], env)
        eventually(lambda: b"serving" in log.read_bytes()[before:], seconds=900)
        self.asked = Server(self.api, self.serving, log)

    def kill(self) -> None:
        for process in (self.serving, self.server):
            if process is not None:
                for pid in (process.pid, *_children(process.pid)):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                process.wait(30)

    def begun(self) -> str:
        run = self.asked.start("lifecycle/fraud", problem="fraud").raise_for_status().json()["id"]
        return str(run)

    def is_in(self, run: str, task: str) -> None:
        """Wait until that task of the run is under way."""

        def there() -> bool:
            tasks = [one for one in self.asked.found("task_runs") if one["flow_run_id"] == run]
            return any(one["name"].startswith(task) and one["state_type"] == "RUNNING" for one in tasks)

        eventually(there)

    def over(self, run: str) -> tuple[str, str]:
        """How the run ended, once it has."""

        def ended() -> Any:
            found = self.asked.get(f"flow_runs/{run}")
            return found["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") and found

        found = eventually(ended, seconds=900)
        return str(found["state_name"]), str(found["state"]["message"] or "")

    def _started(self, name: str, command: list[str], env: dict[str, str]) -> "subprocess.Popen[bytes]":
        with (self.home / f"{name}.log").open("ab") as out:
            return subprocess.Popen(command, env=env, stdout=out, stderr=out)

    def _answers(self) -> bool:
        with suppress(httpx.HTTPError):
            return loopback.get(f"{self.api}/health", timeout=5).status_code == httpx.codes.OK
        return False


def _children(pid: int) -> list[int]:
    """All that a process has started, and what those have."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if stat.read_text().rpartition(")")[2].split()[1] == str(pid):
                child = int(stat.parent.name)
                found += [child, *_children(child)]
    return found


def with_servers(folder: Path) -> dict[str, Any]:
    """A turn's process killed, all that serves killed, the server killed and started again, each in the middle of a training."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in {"PERENNIAL_HOME": str(folder / "served"), **QUICK}.items():
            patch.setenv(name, value)
        patch.setenv("PREFECT_HOME", str(folder / "served" / "prefect"))
        windows.materialise(load_problem("fraud"), payments_until_tomorrow())
        for _ in range(2):  # a rule serves, and a challenger is wanted
            plain_turn("fraud", datetime.now(UTC))
        stack.callback(database.close_databases)
        machine = Machine(folder / "served", stack)
        machine.start_server()
        machine.start_serving()
        found = {how: _disturbed(machine, act) for how, act in DISTURBANCES.items()}
        after = machine.over(machine.begun())[0]
        rows, stage = ledger.verify("fraud"), str(ledger.state_of("fraud").stage)
    marked = all(one["ended"] in ("Crashed", "Completed", "Failed") for one in found.values())
    return {**found, "next_turn": after, "rows": rows, "stage": stage, "holds": marked and after == "Completed"}


def _disturbed(machine: Machine, act: Callable[[Machine], None]) -> dict[str, Any]:
    """One turn that something happens to in its training; how it ended and when."""
    before = ledger.state_of("fraud").sequence
    run, asked = machine.begun(), time.monotonic()
    machine.is_in(run, "retrain")
    waited, began = time.monotonic() - asked, time.monotonic()
    act(machine)
    state, message = machine.over(run)
    seconds = round(time.monotonic() - began, 1)
    if machine.serving is not None and machine.serving.poll() is not None:
        machine.start_serving()
    rows = ledger.state_of("fraud").sequence - before
    found = {"ended": state, "says": message[:200], "seconds": seconds, "rows": rows, "waited": round(waited, 1)}
    print(f"  {act.__name__}: {found}", flush=True)
    return found


def _kill_the_run(machine: Machine) -> None:
    assert machine.serving is not None
    for pid in _children(machine.serving.pid):
        os.kill(pid, signal.SIGKILL)


def _kill_all_that_serves(machine: Machine) -> None:
    assert machine.serving is not None
    for pid in (machine.serving.pid, *_children(machine.serving.pid)):
        os.kill(pid, signal.SIGKILL)
    machine.serving.wait(30)


def _restart_the_server(machine: Machine) -> None:
    assert machine.server is not None
    for pid in (machine.server.pid, *_children(machine.server.pid)):
        os.kill(pid, signal.SIGKILL)
    machine.server.wait(30)
    time.sleep(AWAY / 4)
    machine.start_server()


DISTURBANCES = {
    "run_killed": _kill_the_run,
    "worker_killed": _kill_all_that_serves,
    "server_restarted": _restart_the_server,
}


def with_a_database_away(folder: Path) -> dict[str, Any]:
    """A life whose PostgreSQL is away for a minute, once in each stage: turns that meet it fail in one sentence, and are taken anew."""
    whole = Place(folder / "whole-postgresql")
    made.settle(whole.home, made.PROBLEM, made.readings(days=70))
    with whole.here():
        live()
        expected = story()
    with postgres.running() as url:
        place = Place(folder / "away", {"PERENNIAL_LEDGER_URL": url, "PERENNIAL_LOG_URL": url})
        made.settle(place.home, made.PROBLEM, made.readings(days=70))
        with place.here():
            refused = _living_through(url)
            same = story() == expected
    return {
        "away": len(refused),
        "seconds_each": AWAY,
        "stages": refused,
        "same": same,
        "holds": same and len(refused) > 4,
    }


def _living_through(url: str) -> list[str]:
    """Turn the crank to the life's end; in each stage the database goes as a turn writes its row, and comes back a minute later."""
    stages: list[str] = []
    real = ledger.append
    with pytest.MonkeyPatch.context() as patch, ExitStack() as gone:

        def append(prior: State, entry: Entry) -> State:
            if entry.kind == "turn" and str(prior.stage) not in stages:
                stages.append(str(prior.stage))
                gone.enter_context(postgres.away(url))
            return real(prior, entry)

        patch.setattr(ledger, "append", append)
        while _refused():
            until = time.monotonic() + AWAY
            while time.monotonic() < until:
                assert _refused(), "a turn was taken without its ledger"
                time.sleep(5)
            gone.close()
    return stages


def _refused() -> bool:
    """Whether the life was held up, in one sentence that names the database; else it came to its end."""
    try:
        with in_one_sentence():
            live()
    except MachineError as error:
        if "a database is away, ledger" in str(error):
            return True
        raise
    return False


def prove() -> dict[str, Any]:
    load()
    found: dict[str, Any] = {}
    with TemporaryDirectory(prefix="perennial-crashes-") as scratch, made.added(made.PROBLEM, Path(scratch)):
        for name, of in PARTS.items():
            began = time.monotonic()
            found[name] = of(Path(scratch))
            print(f"{name} ({time.monotonic() - began:.0f} s): {found[name]}", flush=True)
    return found | {"holds": all(one["holds"] for one in found.values())}


PARTS = {"full_disk": on_a_full_disk, "database_away": with_a_database_away, "servers": with_servers}
