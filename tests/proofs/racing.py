"""Is a turn of a problem taken once, whoever takes it: two schedulers, two workers, people, a shell, and one that is killed?

`python -m tests.proofs racing` (make prove NAME=racing) starts a PostgreSQL, two Prefect servers over it, each with its scheduler,
and two workers of one process pool, each asking its own server. Three problems are due every other minute; turns and retrains are
started by hand on top, and from a shell. A worker is killed with its runs amid a turn, and a server restarted amid another. Then:
no two turns of a problem overlap; every ledger is, hash by hash, what the same turns make one after the other in one process; each
slot of the schedule has one run and none lacks it.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments import servers
from flows.lifecycle import take_step
from flows.operations import ask
from flows.replay import plain_turn
from flows.turn import begin, conclude
from schemas.source import Source
from tasks import database, ledger, windows
from tests import loopback
from tests.checkout import Checkout, checkout, until_tomorrow
from tests.flows import made
from tests.shared import mlflow_tables
from tests.tasks import postgres

__all__ = ["prove"]

PROBLEMS = ("alpha", "beta", "gamma")
POOL = "racing"
MINUTES = 6
SCHEDULE = "*/2 * * * *"
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
_SLOT = timedelta(minutes=2)


@dataclass
class Race:
    """What runs, and what was done to it."""

    clone: Checkout
    folder: Path
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    apis: dict[str, str] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def say(self, what: str) -> None:
        self.done.append(f"{time.monotonic() - self.began:.0f} s: {what}")
        print(f"  {self.done[-1]}", flush=True)

    def start(self, name: str, *command: str, **said: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = self.clone.start(*command, log=log, **said)

    def server(self, name: str) -> None:
        """One with a scheduler of its own; again, at the address that it had."""
        port = self.apis[name].split(":")[2].split("/")[0] if name in self.apis else str(servers.free_port())
        self.apis[name] = f"http://127.0.0.1:{port}/api"
        self.start(name, "-m", "deployments", "prefect", "--port", port)
        until(lambda: self.ask("GET", "health", of=name) is True, seconds=240, what=f"{name} is up")

    def worker(self, name: str, *, of: str) -> None:
        said = {"PREFECT_API_URL": self.apis[of], "PREFECT_WORKER_QUERY_SECONDS": "1"}
        self.start(
            name, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process", "--name", name, **said
        )

    def ask(self, how: str, path: str, *, of: str = "", **wanted: Any) -> Any:
        """What a server answers; None while it is away or busy."""
        api = self.apis[of or next(iter(self.apis))]
        try:
            answer = (
                loopback.get(f"{api}/{path}", timeout=60)
                if how == "GET"
                else loopback.post(f"{api}/{path}", json=wanted, timeout=60)
            )
        except httpx.TransportError:
            return None
        return answer.json() if answer.is_success else None

    def all(self, what: str, **wanted: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while page := until(
            partial(self.ask, "POST", f"{what}/filter", limit=200, offset=len(found), **wanted), empty=True
        ):
            found += page
        return found

    def turned(self, deployment: str) -> bool:
        runs = self.all("flow_runs", deployments={"id": {"any_": [deployment]}})
        return any(run["state_type"] == "COMPLETED" for run in runs)

    def deployments(self) -> dict[str, str]:
        flows = {one["id"]: one["name"] for one in self.all("flows")}
        return {f"{flows[one['flow_id']]}/{one['name']}": one["id"] for one in self.all("deployments")}


def until(look: Callable[[], Any], *, seconds: float = 600, what: str = "", empty: bool = False) -> Any:
    """What `look` returns, once it is something; with `empty`, once it is anything but None."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found or (empty and found is not None):
            return found
        assert time.monotonic() < deadline, f"did not happen in {seconds:.0f} s: {what}"
        time.sleep(0.5)


def kill_with_all_below(process: "subprocess.Popen[bytes]") -> list[int]:
    """As a machine that loses its power: the worker and every run that it started; which processes that were."""
    below: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            rest = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        below.setdefault(int(rest[1]), []).append(int(stat.parent.name))
    doomed = [process.pid]
    for pid in doomed:
        doomed += below.get(pid, [])
    for pid in doomed:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait(20)
    return doomed


@contextmanager
def racing(folder: Path) -> Iterator[Race]:
    """The PostgreSQL, the clone with its tables, two servers, what is deployed, and two workers."""
    with ExitStack() as stack:
        url = stack.enter_context(postgres.running())
        one = url.replace("+psycopg2", "").removesuffix("/postgres") + "/perennial"
        clone = checkout(folder, PROBLEMS, schedule=SCHEDULE, PERENNIAL_DATABASE=one, PERENNIAL_WORK_POOL=POOL)
        race = Race(clone, folder)
        try:
            settle(clone.home)
            for name in ("north server", "south server"):
                race.server(name)
            for name in ("north", "south"):
                deployed = clone.run("-m", "deployments", "deploy", PREFECT_API_URL=race.apis["north server"])
                assert deployed.returncode == 0, deployed.stderr
                race.worker(name, of=f"{name} server")
            race.say("two servers, two workers, three problems that are due every other minute")
            yield race
        finally:
            for process in reversed(race.processes.values()):
                if process.poll() is None:
                    kill_with_all_below(process)


def settle(home: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(home))
        for name in PROBLEMS:
            windows.materialise(named(name), until_tomorrow())


def named(name: str) -> Any:
    return replace(made.PROBLEM, name=name, source=Source(location=f"{name}/rows.parquet"), schedule=SCHEDULE)


def disturb(race: Race, *, minutes: int) -> dict[str, Any]:
    """Let them race for so long, with more turns and retrains by hand, a kill and a restart; what was killed, and when."""
    ids, killed = race.deployments(), dict[str, Any]()
    for minute in range(minutes):
        ends = time.monotonic() + 60
        # Once the slot is there: two runs of it at one moment.
        name = PROBLEMS[minute % 3]
        race.ask("POST", f"deployments/{ids[f'lifecycle/{name}']}/create_flow_run", of="south server")
        if minute in (1, 4):
            name = PROBLEMS[minute % 3]
            until(partial(race.turned, ids[f"lifecycle/{name}"]), what=f"{name} has begun")  # before, it is refused
            asked = {"problem": name, "reason": f"minute {minute}", "actor": "ana"}
            race.ask("POST", f"deployments/{ids['retrain/retrain']}/create_flow_run", parameters=asked)
            race.say(f"a retrain of {asked['problem']} by hand")
        if minute in (0, 3):
            race.start(f"shell {minute}", "-m", "flows", "turn", "alpha", PREFECT_API_URL=race.apis["south server"])
            race.say("a turn of alpha from a shell")
        if minute == 1:
            killed = killed_amid_a_turn(race) | {"spoilt": [], "taken": []}
        if minute == 3:
            under_way = restart_amid_a_turn(race)
            killed["spoilt"] = [run["id"] for run in under_way]
            killed["taken"] = [run["id"] for run in under_way if run["start_time"] is None]
        if minute == 4:
            race.worker("north", of="north server")
        time.sleep(max(0.0, ends - time.monotonic()))
    return killed


def running(race: Race) -> list[dict[str, Any]]:
    """Tasks of turns under way."""
    wanted = {"state": {"type": {"any_": ["RUNNING"]}}}
    return race.ask("POST", "task_runs/filter", task_runs=wanted, of="south server") or []


def killed_amid_a_turn(race: Race) -> dict[str, Any]:
    """The north worker, while a task of a turn that it runs is under way."""
    log = race.folder / "north.log"

    def amid() -> bool:
        here = log.read_text()  # what a run prints, the worker that started it prints too
        return any(f"/runs/flow-run/{task['flow_run_id']}" in here for task in running(race))

    until(amid, seconds=300, what="a turn in the north worker")
    at = datetime.now().astimezone()
    pids = kill_with_all_below(race.processes.pop("north"))
    over = [run for run in race.all("flow_runs") if not run["end_time"] or moment(run["end_time"]) > at]
    runs = [run["id"] for run in over if _pid(run) in pids]
    unbegun = [run["id"] for run in over if run["id"] in runs and run["start_time"] is None]
    race.say(f"killed the north worker amid {len(runs)} runs, {len(unbegun)} of which had not begun")
    return {"at": at, "runs": runs, "unbegun": unbegun, "processes": len(pids)}


def _pid(run: dict[str, Any]) -> int:
    """Of the process that it runs in, which the server is told as HOST:PID; 0 before there is one."""
    return int(str(run["infrastructure_pid"] or "0").rpartition(":")[2])


def restart_amid_a_turn(race: Race) -> list[dict[str, Any]]:
    """The runs that were under way, or were being started, when it was killed."""
    until(lambda: running(race), seconds=300, what="a turn")
    wanted = {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}}
    under_way = race.ask("POST", "flow_runs/filter", flow_runs=wanted) or []
    kill_with_all_below(race.processes.pop("south server"))
    race.server("south server")
    race.say("killed the south server amid a turn, and started it again")
    return list(under_way)


def calm(race: Race, killed: dict[str, Any]) -> None:
    """No more is started, and what was is waited for. A killed run that had not begun is found out after 15 minutes: here it is
    not waited for."""
    for name, known in race.deployments().items():
        if name.startswith("lifecycle/"):
            race.ask("POST", f"deployments/{known}/pause_deployment")
    race.say("no more is due")

    def stuck(run: str) -> bool:
        return (race.ask("GET", f"flow_runs/{run}") or {}).get("start_time") is None

    time.sleep(60)
    taken = [run for run in killed["taken"] if stuck(run)]  # by a worker whose server was killed before the run began

    def still() -> bool:
        wanted = {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING", "SCHEDULED"]}}}
        runs = race.ask("POST", "flow_runs/filter", flow_runs=wanted)
        return runs is not None and not [
            run for run in runs if run["id"] not in killed["unbegun"] + taken and late(run)
        ]

    until(still, seconds=900, what="all runs are over")
    race.say("all runs are over")


def late(run: dict[str, Any]) -> bool:
    return moment(run["expected_start_time"]) < datetime.now().astimezone()


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def turns(race: Race, killed: dict[str, Any]) -> dict[str, list[tuple[datetime, datetime, str]]]:
    """When each turn held its problem, by problem: from the begin of its first task to the end of its last, or to the kill."""
    of = {run["id"]: run for run in race.all("flow_runs")}
    spans: dict[str, list[datetime]] = {}
    for task in race.all("task_runs"):
        began, ended = task["start_time"], task["end_time"]
        if began and not task["name"].startswith(
            "lifecycle"
        ):  # as which a retrain's run counts the turn that it waits for
            span = spans.setdefault(task["flow_run_id"], [])
            over = killed["at"] if task["flow_run_id"] in killed["runs"] else None
            span += [
                moment(began),
                moment(ended) if ended and not over else over or datetime.max.replace(tzinfo=moment(began).tzinfo),
            ]
    found: dict[str, list[tuple[datetime, datetime, str]]] = {name: [] for name in PROBLEMS}
    for run, span in spans.items():
        found[of[run]["parameters"]["problem"]].append((min(span), max(span), run))
    return {name: sorted(all_of) for name, all_of in found.items()}


def one_after_the_other(home: Path, rows: list[ledger.Row], name: str) -> list[str]:
    """The hashes of the rows that the same turns and requests write in this process, in a home of its own."""
    home.mkdir(parents=True)
    shutil.copy(mlflow_tables(), home / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(home))
        windows.materialise(named(name), until_tomorrow())
        waiting: list[ledger.Row] = []
        for row in rows:
            if row.facts["kind"] == "request":
                waiting.append(row)
            elif row.facts["kind"] == "rules":
                begin(name, moment(row.facts["at"]))  # its turn writes it, and may end before its own row
            elif row.facts["kind"] == "turn":
                now = moment(row.facts["at"])
                before = [one for one in waiting if moment(one.facts["at"]) <= now]
                meanwhile = waiting[len(before) :]  # asked while the turn worked: it is written after them
                for one in before:
                    _ask(name, one)
                if meanwhile:
                    turn = begin(name, now)
                    decision = take_step(turn)
                    for one in meanwhile:
                        _ask(name, one)
                    conclude(turn, decision)
                else:
                    plain_turn(name, now)
                waiting = []
        for one in waiting:
            _ask(name, one)
        hashes = [row.hash for row in ledger.rows(name)]
        database.close_databases()
    return hashes


def _ask(name: str, row: ledger.Row) -> None:
    request = row.state.request
    assert request is not None
    ask(
        name,
        kind=request.kind,
        note=request.note,
        actor=request.actor,
        reason=request.reason,
        window_days=request.window_days,
        recipe=request.recipe,
        now=moment(row.facts["at"]),
    )


def judged(race: Race, killed: dict[str, Any], folder: Path) -> dict[str, Any]:
    spans = turns(race, killed)
    overlaps = [
        f"{name}: {one[2]} and {two[2]}"
        for name, all_of in spans.items()
        for one, two in zip(all_of, all_of[1:], strict=False)
        if two[0] < one[1]
    ]
    runs, stuck = race.all("flow_runs"), killed["unbegun"] + killed["taken"]
    ids = {known: name.partition("/")[2] for name, known in race.deployments().items() if name.startswith("lifecycle/")}
    due = [
        run
        for run in runs
        if run["auto_scheduled"] and run["deployment_id"] in ids and (run["state_type"] in ENDED or run["id"] in stuck)
    ]
    slots = Counter((ids[run["deployment_id"]], run["expected_start_time"]) for run in due)
    lost = {name: _lacking([moment(at) for of, at in slots if of == name]) for name in PROBLEMS}
    ledgers = {}
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("PERENNIAL_HOME", str(race.clone.home))
        patch.setenv("PERENNIAL_DATABASE", race.clone.said["PERENNIAL_DATABASE"])
        rows = {name: list(ledger.rows(name)) for name in PROBLEMS}
        verified = {name: ledger.verify(name) for name in PROBLEMS}
        database.close_databases()
        patch.delenv("PERENNIAL_DATABASE")
        for name in PROBLEMS:
            stack.enter_context(made.added(named(name), _made(folder / "files")))
        for name in PROBLEMS:
            again = one_after_the_other(folder / f"again-{name}", rows[name], name)
            written = [row.hash for row in rows[name]]
            same = sum(one == two for one, two in zip(written, again, strict=False))
            ledgers[name] = {"rows": len(written), "again": len(again), "same": same}
    states = Counter(run["state_name"] for run in runs if run["state_type"] in ENDED)
    later = [
        [
            (began - killed["at"]).total_seconds()
            for began, _, run in spans[name]
            if began > killed["at"] and run not in killed["runs"]
        ]
        for name in {run["parameters"]["problem"] for run in runs if run["id"] in killed["runs"]}
    ]
    gone_on = [min(one) for one in later if one]
    failed = {run["id"]: run["state"]["message"] for run in runs if run["state_type"] == "FAILED"}
    crashed = [run["id"] for run in runs if run["state_type"] == "CRASHED"]
    # A run that needs its server while that is away ends, and says so itself; its slot's turn is the next one's.
    crashed_with_server = sorted(set(crashed) - set(killed["runs"]))
    figures = {
        "turns": {name: len(all_of) for name, all_of in spans.items()},
        "overlaps": overlaps,
        "slots": len(slots),
        "slots_twice": sum(count > 1 for count in slots.values()),
        "slots_lost": lost,
        "runs_by_state": dict(states),
        "failed": failed,
        "crashed": crashed,
        "killed": {name: killed[name] for name in ("runs", "unbegun", "taken", "processes")},
        "crashed_when_the_server_was": crashed_with_server,
        "seconds_until_the_next_turn_after_the_kill": [round(one) for one in gone_on],
        "verified": verified,
        "ledgers": ledgers,
        "done": race.done,
    }
    holds = (
        not overlaps
        and all(later)  # somebody else went on with each problem whose turn was killed
        and figures["slots_twice"] == 0
        and not any(lost.values())
        and set(killed["runs"]) - set(killed["unbegun"]) <= set(crashed)
        and all(one in killed["spoilt"] for one in crashed_with_server)
        and not failed
        and all(one["rows"] == one["again"] == one["same"] for one in ledgers.values())
    )
    return figures | {"holds": holds}


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def _lacking(found: list[datetime]) -> list[str]:
    """Slots between the first and the last slot that have no run."""
    if not found:
        return ["all"]
    first, last = min(found), max(found)
    every = {first + _SLOT * step for step in range(int((last - first) / _SLOT) + 1)}
    return sorted(one.isoformat() for one in every - set(found))


def prove(*, minutes: int = MINUTES) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="perennial-racing-") as name:
        folder = Path(name)
        with racing(folder) as race:
            killed = disturb(race, minutes=minutes)
            calm(race, killed)
            found = judged(race, killed, folder)
    print(found, flush=True)
    return found
