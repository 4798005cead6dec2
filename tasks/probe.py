"""Does a logged model serve in a fresh process? Its golden rows scored there, with the time and memory that takes."""

import atexit
import json
import math
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd

from schemas.framing import Framing
from tasks.gates import Probe
from tasks.scoring import Scores, score

__all__ = ["probe", "warm"]

_AT_MOST = 120.0  # seconds; a process that takes longer does not serve
_CALLS = 40  # single rows timed, after as many as there are golden rows to warm up


def warm() -> None:
    """Let the libraries be loaded while this process still trains; the first model asked about finds them there."""
    with _ONE_AT_A_TIME:
        _running()


def probe(file: Path, trusted: Sequence[str], golden: pd.DataFrame, in_training: Scores, framing: Framing) -> Probe:
    """Load `file` (a .skops model) in a process of its own, score the `golden` rows, compare with `in_training`."""
    with tempfile.TemporaryDirectory() as folder, _ONE_AT_A_TIME:
        rows = Path(folder) / "golden.parquet"
        golden.to_parquet(rows)
        order = {"file": str(file), "trusted": list(trusted), "rows": str(rows), "framing": framing.model_dump_json()}
        said = _running().ask(order)
    if "error" in said:
        return Probe(0, 0, math.nan, math.nan, math.nan, _megabytes(file), said["error"])
    return _compared(said, file, in_training)


class _Zygote:
    """A process that has loaded its libraries and nothing else. For every model it forks one that serves it and ends: each
    is as fresh as one that was started anew, and only the first waits for scikit-learn, some seconds."""

    def __init__(self) -> None:
        # One thread, as a server that answers many requests at once would give it. It ends with its pipe, and so with us.
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        command, pipe = [sys.executable, "-m", "tasks.probe"], subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment, start_new_session=True
        )

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """What the fresh process says, or {"error": why it does not}."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(order).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return {"error": "it ended without a word"}
        if not select.select([self.process.stdout], [], [], _AT_MOST)[0]:
            self.end()
            return {"error": f"no answer within {_AT_MOST:g} s"}
        answer: dict[str, Any] = json.loads(self.process.stdout.readline() or b'{"error": "it ended without a word"}')
        return answer

    def end(self) -> None:
        """With whatever it has forked."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]


_ONE_AT_A_TIME = Lock()
_kept: list[_Zygote] = []


def _running() -> _Zygote:
    while _kept and _kept[0].process.poll() is not None:
        _kept.pop().end()
    if not _kept:
        _kept.append(_Zygote())
        atexit.register(_kept[0].end)
    return _kept[0]


def _compared(said: dict[str, Any], file: Path, in_training: Scores) -> Probe:
    found, wanted = np.array(said["score"], dtype=float), in_training.score
    rows = len(wanted)
    same = np.isclose(found, wanted, rtol=1e-9, atol=1e-12, equal_nan=True).reshape(rows, -1).all(axis=1)
    same &= np.array(said["decision"], dtype=float) == in_training.decision
    return Probe(
        rows=rows,
        differing=int((~same).sum()),
        load_seconds=said["load_seconds"],
        latency_ms=said["latency_ms"],
        memory_mb=said["memory_mb"],
        size_mb=_megabytes(file),
    )


def _megabytes(file: Path) -> float:
    return file.stat().st_size / 1e6 if file.exists() else math.nan


def _serve(order: dict[str, Any]) -> dict[str, Any]:
    """What the fresh process does."""
    import skops.io

    framing = Framing.model_validate_json(order["framing"])
    golden = pd.read_parquet(order["rows"])
    before = _memory_mb()
    began = time.perf_counter()
    model = skops.io.load(order["file"], trusted=order["trusted"])
    load_seconds = time.perf_counter() - began
    said = score(model, golden, framing)
    # What else the machine does only adds: the quickest of three rounds is the model's own.
    latency = min(_latency(model, golden, framing) for _ in range(3))
    return {
        "score": said.score.tolist(),
        "decision": said.decision.tolist(),
        "load_seconds": load_seconds,
        "latency_ms": latency,
        "memory_mb": _memory_mb() - before,
    }


def _memory_mb() -> float:
    """What the process holds now; where the system does not say, the most it ever held."""
    now = Path("/proc/self/statm")
    if now.exists():
        return int(now.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def _latency(model: Any, golden: pd.DataFrame, framing: Framing) -> float:
    """Milliseconds that one row takes, at the framing's quantile."""
    taken = []
    for call in range(len(golden) and _CALLS):
        row = golden.iloc[[call % len(golden)]]
        began = time.perf_counter()
        score(model, row, framing)
        taken.append(1_000 * (time.perf_counter() - began))
    return float(np.quantile(taken, framing.latency_quantile)) if taken else math.nan


def _main() -> None:
    """The zygote: an order a line, an answer a line. What a model prints is no answer."""
    import skops.io  # noqa: F401  (the seconds that only the first model waits for)

    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                answer = _serve(json.loads(line))
            except Exception as error:  # its text may quote rows
                answer = {"error": type(error).__name__}
            os.write(answers, json.dumps(answer).encode() + b"\n")
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status != 0:
            os.write(answers, json.dumps({"error": f"it ended with status {status}"}).encode() + b"\n")


if __name__ == "__main__":
    _main()
