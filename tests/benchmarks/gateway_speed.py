"""What does a request cost our gateway, and what `mlflow models serve`? Same machine, model, rows and client, in turns.

Client and servers are processes of their own, on one core each; the servers take turns, and medians over the rounds are
shown. The gateway's log is durable, as it is by default, with and without a challenger in shadow.
"""

import argparse
import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from deployments import servers
from deployments.demo import quiet
from schemas.errors import PerennialError
from schemas.problem import Problem
from schemas.settings import Settings
from tasks.figures import keep
from tests.benchmarks import serve_made
from tests.benchmarks.load import cpu_seconds, memory_mb, pin

__all__ = ["main"]

CONCURRENCIES = (1, 32, 256)


@dataclass(frozen=True)
class Contender:
    """A server that is measured: how it is started over which home, and where it says that it is ready."""

    name: str
    home: Path
    command: tuple[str, ...]
    ready: str


def main() -> int:
    args = _parser().parse_args()
    if not Path("/proc/self/stat").exists():
        print("CPU and memory are read from /proc, and there is none; nothing was measured", file=sys.stderr)
        return 1
    # Told to end, we end our servers first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    quiet()
    try:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder, serve_made.known():
            figures = measure(Path(folder), args)
    except PerennialError as error:
        print(f"perennial: {error}", file=sys.stderr)
        return 1
    marks = {"million": args.million, args.family: args.family != "boosting"}
    command = "-".join(["bench-gateway", *(mark for mark, holds in marks.items() if holds)])
    print(f"\nthe same figures: {keep(command, figures)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gateway_speed", description=__doc__)
    parser.add_argument("--family", choices=("boosting", "linear"), default="boosting")
    parser.add_argument("--repeats", type=int, default=3, help="rounds; in each, every server has its turns")
    parser.add_argument("--seconds", type=float, default=6.0, help="measured, after the warm-up")
    parser.add_argument("--warmup", type=float, default=2.0)
    parser.add_argument("--only", action="append", choices=("mlflow", "ours", "shadow"), help="measure no other server")
    parser.add_argument("--million", action="store_true", help="instead, a million requests at one server; its memory")
    parser.add_argument("--requests", type=int, default=1_000_000, help="of --million")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made; logs are written to its disk")
    return parser


def measure(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    problem = serve_made.PROBLEMS[f"served_{args.family}"]
    bodies = folder / "bodies.jsonl"
    bodies.write_bytes(b"\n".join(serve_made.payloads(256)))
    contenders = contenders_over(serve_made.homes(folder, problem), problem)
    about = {"family": args.family, "machine": machine(folder)}
    if args.million:
        return about | {"million": million(contenders[args.only[0] if args.only else "ours"], bodies, args)}
    chosen = [contenders[name] for name in args.only or contenders]
    figures = about | {"repeats": args.repeats, "seconds": args.seconds} | compared(chosen, bodies, args)
    figures["machine"]["load_after"] = os.getloadavg()[0]
    show(figures)
    return figures


def compared(chosen: list[Contender], bodies: Path, args: argparse.Namespace) -> dict[str, Any]:
    """All servers up, and one of them at a time under load, in turns: what slows the machine slows them alike."""
    loads: dict[str, Any] = {c.name: {f"c{n}": [] for n in CONCURRENCIES} for c in chosen}
    lasting = {"seconds": args.seconds, "warmup": args.warmup}
    with ExitStack() as stack:
        at = {c.name: stack.enter_context(serving(c)) for c in chosen}
        said = [predictions(port, bodies) for _, port in at.values()]
        idle = {name: memory_mb(pid)["now"] for name, (pid, _) in at.items()}
        for number, n, (name, (pid, port)) in product(range(args.repeats), CONCURRENCIES, at.items()):
            print(f"round {number + 1} of {args.repeats}: {name}, {n} clients", file=sys.stderr, flush=True)
            loads[name][f"c{n}"].append(measured(pid, port, bodies, concurrency=n, **lasting))
        memory = {name: {"idle": idle[name], **memory_mb(pid)} for name, (pid, _) in at.items()}
        unscored = {"shadow_dropped": dropped(at["shadow"][1])} if "shadow" in at else {}
    return {
        **ratios(loads),
        **unscored,
        "same_predictions": agree(said),
        "memory_mb": memory,
        "servers": middles(loads),
        "rounds": loads,
    }


def contenders_over(homes: dict[str, Path], problem: Problem) -> dict[str, Contender]:
    """MLflow's server and ours over the same model, and ours once more with a challenger in shadow."""
    gateway = (sys.executable, "-m", "tests.benchmarks.serve_made", problem.name)
    model = f"models:/{problem.name}/1"
    mlflow = (sys.executable, "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local")
    return {
        "mlflow": Contender("mlflow", homes["ours"], mlflow, "/ping"),
        "ours": Contender("ours", homes["ours"], gateway, "/v2/health/ready"),
        "shadow": Contender("shadow", homes["shadow"], gateway, "/v2/health/ready"),
    }


@contextmanager
def serving(contender: Contender) -> Iterator[tuple[int, int]]:
    """The contender on a free port, on a core of its own: its process and its port. Its group is ended here."""
    port, log = servers.free_port(), contender.home / f"{contender.name}.log"
    with serve_made.at_home(contender.home):
        env = servers.environment() | {"MLFLOW_TRACKING_URI": Settings().mlflow}
    # `mlflow models serve` starts whichever uvicorn it finds first; that is to be the one beside this Python.
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", "")])
    command = [*contender.command, "--host", "127.0.0.1", "--port", str(port)]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env=env, stdout=output, stderr=output, start_new_session=True, preexec_fn=_in_its_place
        )
    try:
        _await(contender, process, f"http://127.0.0.1:{port}{contender.ready}", log)
        yield process.pid, port
    finally:
        servers.end(process)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # whoever of the group outlived its leader


def cores() -> tuple[int | None, int | None]:
    """The client's core and the server's: two different ones, where there are two."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return (allowed[0], allowed[1]) if len(allowed) > 1 else (None, None)


def _in_its_place() -> None:
    pin(cores()[1])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: nobody is left running when we are killed


def _await(contender: Contender, process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
    raise PerennialError(f"{contender.name} did not come up (exit {process.returncode}); its log ends:\n{tail}")


def driven(port: int, bodies: Path, **options: float | None) -> dict[str, float]:
    """What one load said, from a client process of its own."""
    said = {"port": port, "bodies": bodies, "core": cores()[0], **options}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in said.items() if value is not None]
    command = [sys.executable, "-m", "tests.benchmarks.load", *flags]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def measured(pid: int, port: int, bodies: Path, **options: float | None) -> dict[str, float]:
    """What a load cost the server: its CPU until it is idle again, so that work put off is charged as well."""
    before = cpu_seconds(pid)
    load = driven(port, bodies, **options)
    ended = time.monotonic()
    per_request = (settled(pid) - before) / load["answered"] if load["answered"] else float("nan")
    load |= {"cpu_us_per_request": 1e6 * per_request, "requests_per_cpu_second": 1 / per_request}
    return load | {"idle_after_seconds": time.monotonic() - ended}


def settled(pid: int, *, patience: float = 120.0) -> float:
    """CPU seconds of a server, once it takes less than a tenth of a core."""
    deadline, now, before = time.monotonic() + patience, cpu_seconds(pid), -1.0
    while now - before > 0.05 and time.monotonic() < deadline:
        time.sleep(0.5)
        before, now = now, cpu_seconds(pid)
    return now


def million(contender: Contender, bodies: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Memory after a tenth, a half and all of a million requests, over kept connections of 32 clients."""
    parts = []
    with serving(contender) as (pid, port):
        start = memory_mb(pid)
        for share in (0.1, 0.4, 0.5):
            at_most = round(share * args.requests)
            load = measured(pid, port, bodies, concurrency=32, seconds=7_200, warmup=0, at_most=at_most)
            parts.append({**load, **memory_mb(pid)})
            done = sum(part["requests"] for part in parts)
            print(f"{done:>9,.0f} requests  {parts[-1]['now']:6.0f} MB  {load['requests_per_second']:8,.0f} a second")
    after = dict(zip(("10 %", "50 %", "100 %"), (part["now"] for part in parts), strict=True))
    return {"server": contender.name, "rss_mb": {"0 %": start["now"], **after}, "parts": parts}


def predictions(port: int, bodies: Path) -> Any:
    """What the server predicts for the first row, as it says it."""
    body, headers = bodies.read_bytes().splitlines()[0], {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/invocations", body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())["predictions"]


def dropped(port: int) -> float:
    """Requests that no challenger scored, since it could not keep up: they would make the shadow look cheap."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("perennial_shadow_dropped_total{"))


def machine(folder: Path) -> dict[str, Any]:
    """What the figures hold for: cores, what else ran, and what a synced write to this disk costs."""
    taken = []
    with (folder / "synced").open("wb", buffering=0) as file:
        for _ in range(200):
            file.write(b"x" * 512)
            began = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    return {"cores": os.cpu_count(), "load_before": os.getloadavg()[0], "fsync_ms": 1e3 * median(taken)}


def middles(loads: dict[str, Any]) -> dict[str, Any]:
    """Medians over the rounds."""
    return {
        name: {at: {key: median(load[key] for load in found) for key in found[0]} for at, found in of.items()}
        for name, of in loads.items()
    }


def ratios(loads: dict[str, Any]) -> dict[str, float]:
    """Ours over MLflow's, a round at a time, and the median of that; of requests a core larger is better, of latency smaller."""
    kinds = {"requests_per_core_{}_durable": "requests_per_cpu_second", "p50_{}": "p50_ms"}
    said = {}
    for (name, mark), (kind, key) in product({"ours": "", "shadow": "_shadow"}.items(), kinds.items()):
        for at, peer in loads.get("mlflow", {}).items() if name in loads else ():
            rounds = [ours[key] / theirs[key] for ours, theirs in zip(loads[name][at], peer, strict=True)]
            said[f"ratio_{kind.format(at)}{mark}"] = median(rounds)
    return said


def agree(said: list[Any]) -> bool:
    """Whether all servers predict the same for the same row, to what JSON and another summation leave of it."""
    first, *others = (np.ravel(np.asarray(one, dtype=float)) for one in said)
    return all(one.shape == first.shape and np.allclose(one, first, atol=1e-6) for one in others)


def show(figures: dict[str, Any]) -> None:
    print("one row of 20 floats, {family}; medians of {repeats} rounds of {seconds:g} s".format(**figures))
    print(
        "server  clients  requests/s  p50 ms   p99 ms  CPU us/request  requests/CPU s (rounds)         errors  client busy"
    )
    for (name, of), n in product(figures["servers"].items(), CONCURRENCIES):
        f, rounds = of[f"c{n}"], [load["requests_per_cpu_second"] for load in figures["rounds"][name][f"c{n}"]]
        print(
            f"{name:<7} {n:>7}  {f['requests_per_second']:>10,.0f}  {f['p50_ms']:>6.2f}  {f['p99_ms']:>7.2f}"
            f"  {f['cpu_us_per_request']:>14,.1f}  {f['requests_per_cpu_second']:>10,.0f}"
            f" {f'({min(rounds):,.0f} to {max(rounds):,.0f})':<19}  {f['errors']:>6.0f}  {f['client_busy']:>11.0%}"
        )
    for name, mb in figures["memory_mb"].items():
        said = ", ".join(f"{key.replace('_', ' ')} {value:.0f}" for key, value in mb.items())
        print(f"{name:<7} memory in MB: {said}")
    for name, value in figures.items():
        if name.startswith("ratio_"):
            print(f"{name:<46} {value:9.3f}")
    if "shadow_dropped" in figures:
        asked = sum(load["answered"] for of in figures["rounds"]["shadow"].values() for load in of)
        print(f"requests that the shadow dropped: {figures['shadow_dropped']:,.0f} of {asked:,.0f}")
    print("load average before {load_before:.1f}, after {load_after:.1f}; 2 are ours".format(**figures["machine"]))
    print(f"the same predictions from all: {'yes' if figures['same_predictions'] else 'NO'}")


if __name__ == "__main__":
    sys.exit(main())
