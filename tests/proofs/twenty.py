"""Does one machine keep twenty problems, 96 turns each as fast as they come? None missed, memory flat, disk bounded, pages quick.

`python -m tests.proofs twenty` (make prove NAME=twenty) starts a Prefect server and an MLflow server as `make up` does, over one
PostgreSQL as a team has it (PERENNIAL_DATABASE), and deploys twenty problems. The first turn of some is started by the process that
serves (a process a turn); the others by long-lived processes, which make, take and run flow runs of the same deployments with the
imports done once: a process a turn alone would take hours of imports. Then pages are opened in a browser, and what is kept is held
to its bounds. Moments are six hours apart, so that 96 turns hold a first model, its rollout, windows, drift and retrains.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from deployments import servers
from tasks.database import close_databases
from tests.deployments.browser import chromium
from tests.deployments.test_server import Server, eventually
from tests.proofs.twenty_counted import astray, cpu, descendants, flatness, growth, rss, sizes
from tests.proofs.twenty_databases import database_sizes, postmaster
from tests.proofs.twenty_problems import TURNS, moment, named, settle, visible
from tests.tasks import postgres

__all__ = ["prove"]

PROBLEMS = 20
STARTED = 6  # problems whose first turn the process that serves starts
PROCESSES = 4  # that turn at once
MINUTES = 60.0  # that turns may take: a machine that is busy with other things is no judge
_FLAT = 1.15  # the last quarter's memory over the second's
_PATIENCE = 2.0  # seconds for a page, the middle of its openings: the first fetches its part of the program
_OVER = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
_KINDS = {
    "prefect server": "prefect server",
    "mlflow server": "mlflow",
    "process that serves": "deployments.serve",
    "turn in a process of its own": "prefect.engine",
    "long-lived process of turns": "twenty_turns",
}


@dataclass
class Samples:
    """What was seen while turns ran: memory by kind of process, bytes by part, and how many turns had been taken."""

    home: Path
    lines: Path
    memory: list[dict[str, int]] = field(default_factory=list)
    disk: list[tuple[int, dict[str, int]]] = field(default_factory=list)
    computed: dict[str, dict[int, list[float]]] = field(default_factory=dict)  # seconds of each process, first and last

    def take(self) -> None:
        now = dict.fromkeys(_KINDS, 0)
        for process, command in descendants(os.getpid()).items():
            kind = next((kind for kind, word in _KINDS.items() if word in command), None)
            if kind:
                now[kind] += rss(process)
                self._computed(kind, process)
        for process in descendants(postmaster()):
            self._computed("postgresql", process)
        self.memory.append(now)
        done = self.lines.read_bytes().count(b"\n") if self.lines.exists() else 0
        self.disk.append((done, sizes(self.home) | database_sizes()))

    def _computed(self, kind: str, process: int) -> None:
        seconds = cpu(process)
        if seconds:
            # A process that began since the last look computed all of it in between.
            known = self.computed.setdefault(kind, {}).setdefault(process, [0.0 if self.memory else seconds, seconds])
            known[1] = seconds

    def computed_a_turn(self) -> dict[str, float]:
        """Seconds of computing that a turn costs, by kind of process: what other work the machine has does not count."""
        turns = self.disk[-1][0]
        seconds = {kind: sum(b - a for a, b in each.values()) / turns for kind, each in self.computed.items()}
        return {kind: round(taken, 2) for kind, taken in seconds.items()} | {"all": round(sum(seconds.values()), 2)}

    @contextmanager
    def every(self, seconds: float) -> Iterator[None]:
        told = threading.Event()

        def look() -> None:
            while not told.wait(seconds):
                self.take()

        self.take()
        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            told.set()
            thread.join()
            self.take()


def prove(
    *,
    problems: int = PROBLEMS,
    turns: int = TURNS,
    started: int = STARTED,
    processes: int = PROCESSES,
    minutes: float = MINUTES,
) -> dict[str, Any]:
    """All of it; where the turns have not ended after `minutes`, those that were begun end, and it does not hold."""
    import schemas.problems

    names, seen = [named(number) for number in range(problems)], list(schemas.problems.__path__)
    with TemporaryDirectory(prefix="perennial-twenty-", ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch)
        with pytest.MonkeyPatch.context() as patch:
            for name in [n for n in os.environ if n.startswith("PREFECT_") or n == "MLFLOW_TRACKING_URI"]:
                patch.delenv(name)
            patch.setenv("PERENNIAL_HOME", str(folder / "home"))
            try:
                settle(folder / "home", folder / "path", names)
                for name, value in visible(folder / "path").items():
                    patch.setenv(name, value)
                with postgres.running() as url:
                    patch.setenv(
                        "PERENNIAL_DATABASE", url.replace("+psycopg2", "").removesuffix("postgres") + "perennial"
                    )
                    return _proved(folder, names, turns, started, processes, minutes, patch)
            finally:
                close_databases()
                schemas.problems.__path__[:] = seen


def _proved(
    folder: Path, names: list[str], turns: int, started: int, processes: int, minutes: float, patch: pytest.MonkeyPatch
) -> dict[str, Any]:
    from tests.proofs.twenty_kept import held_to_its_bounds

    home, found = folder / "home", dict[str, Any]()
    with servers.prefect_server() as api:
        patch.setenv("PREFECT_API_URL", api)
        with servers.mlflow_server() as tracking:
            patch.setenv("MLFLOW_TRACKING_URI", tracking)
            env = servers.environment(api_url=api) | {"PERENNIAL_UI_URL": tracking}
            samples = Samples(home, folder / "lines")
            with samples.every(2):
                found["by_a_process_a_turn"] = _said("by a process a turn", _started(folder, api, env, names[:started]))
            own = samples.memory
            samples = Samples(home, folder / "lines")
            began = time.monotonic()
            with samples.every(5):
                _turned(folder, env, names, turns, processes, until=time.time() + 60 * minutes)
            lines = [json.loads(line) for line in (folder / "lines").read_text().splitlines()]
            found["long_lived"] = _speed(lines, time.monotonic() - began)
            found["long_lived"] |= {"computed_seconds_a_turn": samples.computed_a_turn()}
            _said("long-lived", found["long_lived"])
            found["turns"] = _said("turns", _accounted(api, names, turns))
            found["memory"] = _said("memory", _memory(own, samples.memory, lines))
            found["disk"] = _said("disk", _disk(samples.disk))
        server = Server(api, None, home / "logs" / "prefect.log")  # type: ignore[arg-type]
        deployment = server.deployments()[f"lifecycle/{names[0]}"]["id"]
        run = server.runs_of(f"lifecycle/{names[0]}", type={"any_": ["COMPLETED"]})[0]["id"]
        if chromium():
            from tests.proofs.twenty_pages import opened

            pages = opened(api.removesuffix("/api"), name=names[0], deployment=deployment, run=run)
            found["pages"] = _said("pages", pages | {"holds": max(p["median"] for p in pages.values()) < _PATIENCE})
    patch.delenv("PREFECT_API_URL")
    patch.delenv("MLFLOW_TRACKING_URI")
    found["kept"] = _said("kept", held_to_its_bounds(home, names, now=moment(turns)))
    whole = "pages" in found and all(one["holds"] for one in found.values() if "holds" in one)
    return found | {"problems": len(names), "turns_each": turns, "processes": processes, "holds": whole}


def _said(what: str, found: dict[str, Any]) -> dict[str, Any]:
    print(f"{what}: {json.dumps(found)}", flush=True)
    return found


def _started(folder: Path, api: str, env: dict[str, str], names: list[str]) -> dict[str, Any]:
    """The first turn of these problems, each in a process that the process that serves starts, asked for at once."""
    log, states = folder / "home" / "logs" / "serve.log", list[str]()
    with log.open("wb") as output:
        command = [sys.executable, "-m", "deployments.serve"]
        process = subprocess.Popen(command, env=env, stdout=output, stderr=output, start_new_session=True)
    server = Server(api, process, log)
    try:
        eventually(lambda: b"serving" in log.read_bytes() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        ids, began = server.deployments(), time.monotonic()
        runs = []
        for name in names:
            said = {"problem": name, "now": moment(0).isoformat()}
            made = server.post(f"deployments/{ids[f'lifecycle/{name}']['id']}/create_flow_run", parameters=said)
            runs.append(made.raise_for_status().json()["id"])
        if runs:
            states = eventually(lambda: _over(server, runs), seconds=1800)
        seconds = time.monotonic() - began
    finally:
        servers.end(process)
    wrong = [state for state in states if state != "COMPLETED"]
    return {"turns": len(names), "seconds": round(seconds, 1), "not_completed": wrong, "holds": not wrong}


def _over(server: Server, runs: list[str]) -> list[str]:
    found = server.found("flow_runs", flow_runs={"id": {"any_": runs}})
    states = [str(run["state_type"]) for run in found]
    time.sleep(1)
    return states if len(states) == len(runs) and all(state in _OVER for state in states) else []


def _turned(folder: Path, env: dict[str, str], names: list[str], turns: int, processes: int, *, until: float) -> None:
    """All other turns: every process has its own problems, and takes one turn of each after the other."""
    command = [sys.executable, "-m", "tests.proofs.twenty_turns"]
    with (folder / "home" / "logs" / "turns.log").open("wb") as output:
        running = [
            subprocess.Popen(
                [*command, str(folder / "lines"), str(turns), str(until), *some],
                env=env,
                stdout=output,
                stderr=output,
            )
            for some in (names[n::processes] for n in range(processes))
            if some
        ]
        try:
            for one in running:
                assert one.wait() == 0, (folder / "home" / "logs" / "turns.log").read_text()[-4000:]
        finally:
            for one in running:
                one.kill()


def _speed(lines: Sequence[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """Seconds a turn, and whether later turns, over a longer ledger, take longer than earlier ones."""
    taken = [line["seconds"] for line in sorted(lines, key=lambda line: line["turn"])]
    quarter = len(taken) // 4
    return {
        "turns": len(lines),
        "seconds": round(seconds, 1),
        "turns_a_minute": round(60 * len(lines) / seconds, 1),
        "median_seconds": round(median(taken), 2),
        "median_seconds_of_the_second_quarter": round(median(taken[quarter : 2 * quarter]), 2),
        "median_seconds_of_the_last_quarter": round(median(taken[-quarter:]), 2),
        "worst_seconds": round(max(taken), 1),
        "waited_for_a_slot": sum(line["waited"] for line in lines),
        "wrong": [line for line in lines if line["wrong"]],
    }


def _accounted(api: str, names: list[str], turns: int) -> dict[str, Any]:
    """The ledger's turns against the moments, and the flow runs against both."""
    from collections import Counter

    from tasks import ledger

    wanted, total, stages = [moment(turn) for turn in range(turns)], Counter[str](), Counter[str]()
    rows = 0
    for name in names:
        written = list(ledger.rows(name))
        taken = [row for row in written if row.facts["kind"] == "turn"]
        assert ledger.verify(name) == len(written)
        rows += len(taken)
        total.update(astray(wanted, [row.entry.state.turned for row in taken]))
        stages.update(f"{row.facts['before']} {row.facts['arrow']}" for row in taken)
    runs = _runs(Server(api, None, Path()))  # type: ignore[arg-type]
    each = Counter((run["parameters"]["problem"], run["parameters"]["now"]) for run in runs)
    states = Counter(run["state_type"] for run in runs)
    once = len(each) == len(runs) == len(names) * turns
    return {
        "in_the_ledger": rows,
        **total,
        "flow_runs": dict(states),
        "retrained": sum(count for said, count in stages.items() if said.startswith("RETRAIN")),
        "by_stage_and_verdict": dict(sorted(stages.items())),
        "holds": not any(total.values()) and once and set(states) == {"COMPLETED"},
    }


def _runs(server: Server) -> list[dict[str, Any]]:
    """Every flow run of a turn, a page at a time; those that the schedule has yet to start are none."""
    found: list[dict[str, Any]] = []
    wanted = {"flows": {"name": {"any_": ["lifecycle"]}}, "sort": "ID_DESC", "limit": 200}
    while page := server.found("flow_runs", **wanted, offset=len(found)):
        found += page
    return [run for run in found if "now" in run["parameters"]]


def _memory(
    own: Sequence[dict[str, int]], samples: Sequence[dict[str, int]], lines: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Megabytes by kind of process, and the last quarter's over the second's."""
    found: dict[str, Any] = {}
    for kind in _KINDS:
        series = [one[kind] for one in samples if one[kind]]
        if len(series) >= 8:
            found[kind] = {
                "mb_at_the_end": round(series[-2] / 2**20),
                "mb_at_most": round(max(series) / 2**20),
                "last_quarter_over_second": round(flatness(series), 3),
                "mb_by_eighths": [round(series[n * len(series) // 8] / 2**20) for n in range(8)],
            }
    at_most = {kind: max(one[kind] for one in own) for kind in _KINDS}
    whole = [line["rss"] for line in lines]
    ratios = [one["last_quarter_over_second"] for one in found.values()]
    return {
        **found,
        "mb_at_most_by_a_process_a_turn": {kind: round(size / 2**20) for kind, size in at_most.items() if size},
        "mb_of_one_process_of_turns_at_most": round(max(whole) / 2**20),
        "holds": bool(ratios) and max(ratios) < _FLAT,
    }


def _disk(samples: Sequence[tuple[int, dict[str, int]]]) -> dict[str, Any]:
    taken, last = samples[-1]
    return {
        "mb": {part: round(size / 2**20, 1) for part, size in last.items()},
        "kb_a_turn": {part: round(size / 2**10, 2) for part, size in growth(samples).items()},
        "turns": taken,
        "mb_a_day_of_96_turns_of_20_problems": round(96 * 20 * sum(growth(samples).values()) / 2**20, 1),
    }


def main() -> int:
    """A part of it: python -m tests.proofs.twenty --problems 3 --turns 8 --started 1 --processes 2 --minutes 10"""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, usual in {"problems": PROBLEMS, "turns": TURNS, "started": STARTED, "processes": PROCESSES}.items():
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    found = prove(**vars(parser.parse_args()))
    print(json.dumps(found, indent=2))
    return 0 if found["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
