"""How many requests a second does a server answer, how fast, and for how much CPU? A closed loop over kept connections.

Each connection sends a request, waits for the whole answer, and sends the next one. As a process of its own
(`python -m tests.benchmarks.load --port 5001 --bodies bodies.jsonl`) it prints JSON, and can be pinned to a core.
"""

import argparse
import asyncio
import gc
import json
import os
import sys
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

__all__ = ["Load", "cpu_seconds", "drive", "memory_mb", "pin"]

_PATIENCE = 10.0  # seconds for the answers that are still under way when time is up
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """What happened in the measured seconds; what came during the warm-up is not in it."""

    requests: int  # answered with 200
    errors: int  # other answers, broken connections, and requests that were never answered
    seconds: float
    latencies: np.ndarray  # shape (requests,), seconds
    own_cpu: float  # seconds that this client took
    answered: int  # with 200, from the first request to the last, the warm-up among them

    def summary(self) -> dict[str, float]:
        """The load in the units people speak of. Undefined without an answer: nan."""
        found = self.latencies if self.requests else np.array([np.nan])
        return {
            "requests": self.requests,
            "answered": self.answered,
            "errors": self.errors,
            "seconds": self.seconds,
            "requests_per_second": self.requests / self.seconds,
            "p50_ms": 1e3 * float(np.quantile(found, 0.5)),
            "p99_ms": 1e3 * float(np.quantile(found, 0.99)),
            "client_cpu_us_per_request": 1e6 * self.own_cpu / (self.requests or float("nan")),
            "client_busy": self.own_cpu / self.seconds,
        }


def drive(
    host: str,
    port: int,
    bodies: Sequence[bytes],
    *,
    path: str = "/invocations",
    headers: Mapping[str, str] | None = None,
    concurrency: int,
    seconds: float,
    warmup: float = 0.0,
    at_most: int | None = None,
) -> Load:
    """POST `bodies` in turn over `concurrency` connections, for `seconds` after `warmup` or until `at_most` answers."""
    run = _Run(host, port, _messages(host, port, bodies, path, headers or {}), at_most or sys.maxsize)
    return uvloop.run(run.drive(concurrency, seconds, warmup))


def _messages(host: str, port: int, bodies: Sequence[bytes], path: str, headers: Mapping[str, str]) -> list[bytes]:
    said = {"Host": f"{host}:{port}", "Content-Type": "application/json", **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    return [f"POST {path} HTTP/1.1\r\n{head}Content-Length: {len(b)}\r\n\r\n".encode() + b for b in bodies]


class _Run:
    """What all connections of one load share."""

    def __init__(self, host: str, port: int, messages: list[bytes], at_most: int) -> None:
        self.host, self.port, self.at_most = host, port, at_most
        self.messages: Iterator[bytes] = cycle(messages)
        self.latencies, self.errors, self.answered = array("d"), 0, 0
        self.counting = self.stopped = False
        self.open: set[_Connection] = set()
        self.connecting: set[asyncio.Task[None]] = set()  # kept: asyncio itself holds tasks weakly
        self.ended, self.drained = asyncio.Event(), asyncio.Event()

    async def drive(self, concurrency: int, seconds: float, warmup: float) -> Load:
        await asyncio.gather(*(self.connect() for _ in range(concurrency)))
        await asyncio.sleep(warmup)
        began, own = time.perf_counter(), time.process_time()
        self.counting = True
        await _within(seconds, self.ended)
        self.counting, self.stopped = False, True
        took, own = time.perf_counter() - began, time.process_time() - own
        if any(connection.waiting for connection in self.open):
            await _within(_PATIENCE, self.drained)
        self.errors += sum(connection.waiting for connection in self.open)
        for connection in list(self.open):
            connection.transport.abort()
        return Load(len(self.latencies), self.errors, took, np.array(self.latencies), own, self.answered)

    async def connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: _Connection(self), self.host, self.port)
        except OSError:
            self.errors += self.counting
            self.connect_again()

    def connect_again(self) -> None:
        if not self.stopped:
            # A server that refuses is asked a few times a second, and not in a loop that takes the whole core.
            loop = asyncio.get_running_loop()
            loop.call_later(0.05, lambda: self.connecting.add(loop.create_task(self.connect())))


async def _within(seconds: float, event: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return


class _Connection(asyncio.Protocol):
    """One request at a time. Its two methods between an answer and the next request are what the client costs."""

    __slots__ = ("_began", "_partial", "_run", "transport", "waiting")

    def __init__(self, run: _Run) -> None:
        self._run, self._partial, self._began, self.waiting = run, b"", 0.0, False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._run.open.add(self)
        self._send()

    def data_received(self, data: bytes) -> None:
        if self._partial:
            data = self._partial + data
        try:
            length = answer_length(data)
        except ValueError:
            self.transport.abort()  # counted as an error where the connection is lost
            return
        if length > len(data):
            self._partial = data
            return
        self._partial = b""
        self._answered(data.startswith(b"HTTP/1.1 200"))

    def _answered(self, good: bool) -> None:
        run, self.waiting = self._run, False
        run.answered += good
        if run.counting:
            if good:
                run.latencies.append(time.perf_counter() - self._began)
                if len(run.latencies) >= run.at_most:
                    run.ended.set()
                    run.counting = False
            else:
                run.errors += 1
        if run.stopped:
            self.transport.close()
        else:
            self._send()

    def _send(self) -> None:
        self.waiting = True
        self._began = time.perf_counter()
        self.transport.write(next(self._run.messages))

    def connection_lost(self, exc: Exception | None) -> None:
        run = self._run
        run.open.discard(self)
        if run.stopped:
            run.errors += self.waiting
            if not any(connection.waiting for connection in run.open):
                run.drained.set()
        else:
            run.errors += self.waiting and run.counting
            run.connect_again()


_UNKNOWN = sys.maxsize


def answer_length(data: bytes) -> int:
    """Bytes of the answer that `data` begins with, head and body; more than there are while its end is not known.

    >>> answer_length(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
    40
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return _UNKNOWN
    head = data[: end + 2].lower()
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        return end + 4 + int(head[at + 17 : head.index(b"\r\n", at + 17)])
    if b"\r\ntransfer-encoding: chunked" in head:
        return _chunks_end(data, end + 4)
    raise ValueError(f"an answer with neither Content-Length nor chunks: {data[:200]!r}")


def _chunks_end(data: bytes, at: int) -> int:
    """Where the last chunk ends. Trailers are not read: no server of ours sends any."""
    while (line := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:line].split(b";")[0], 16)
        at = line + 2 + size + 2
        if size == 0:
            return at
    return _UNKNOWN


def _tree(pid: int) -> list[int]:
    """The process and all its descendants, as Linux lists them."""
    parents = {int(p.name): found for p in Path("/proc").glob("[0-9]*") if (found := _stat(int(p.name)))}
    family = [pid]
    for member in family:
        family += [child for child, stat in parents.items() if int(stat[1]) == member]
    return family


def cpu_seconds(pid: int) -> float:
    """CPU time of the process and its descendants up to now, of the system and of the user."""
    return sum(int(ticks) for member in _tree(pid) if (stat := _stat(member)) for ticks in stat[11:13]) / _TICKS


def memory_mb(pid: int) -> dict[str, float]:
    """Resident memory of the process and its descendants, now and at most, and of the largest of them alone."""
    now, peak = zip(*(_resident(member) for member in _tree(pid)), strict=True)
    return {"now": sum(now), "peak": sum(peak), "largest_peak": max(peak)}


def _resident(pid: int) -> tuple[float, float]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    kb = {name: float(value.split()[0]) for name, _, value in (s.partition(":") for s in lines) if "kB" in value}
    return kb.get("VmRSS", 0.0) / 1024, kb.get("VmHWM", 0.0) / 1024


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the state on; None where the process has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def pin(core: int | None) -> None:
    """Keep this process, and those it will start, to one core; where the system can."""
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def main() -> int:
    args = _parser().parse_args()
    pin(args.core)
    gc.disable()  # a closed loop makes no cycles worth a pause
    load = drive(
        args.host,
        args.port,
        args.bodies.read_bytes().splitlines(),
        path=args.path,
        headers=dict(header.split(":", 1) for header in args.header),
        concurrency=args.concurrency,
        seconds=args.seconds,
        warmup=args.warmup,
        at_most=args.at_most,
    )
    print(json.dumps(load.summary()))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.load", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/invocations")
    parser.add_argument("--bodies", type=Path, required=True, help="one body a line; sent in turn")
    parser.add_argument("--header", action="append", default=[], metavar="NAME:VALUE")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warmup", type=float, default=1.0)
    parser.add_argument("--at-most", type=int, help="end after so many answers")
    parser.add_argument("--core", type=int, help="the core this client keeps to")
    return parser


if __name__ == "__main__":
    sys.exit(main())
