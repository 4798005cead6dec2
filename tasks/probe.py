"""Does a logged model serve in a fresh process? Its golden rows scored there, with the time and memory that takes."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from schemas.framing import Framing
from tasks.gates import Probe
from tasks.scoring import Scores, score

__all__ = ["FreshProcess"]

_AT_MOST = 120.0  # seconds; a process that takes longer does not serve
_CALLS = 40  # single rows timed, after as many as there are golden rows to warm up


class FreshProcess:
    """A process that shares nothing with this one but its code; it loads its libraries while this one still trains."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tasks.probe"]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        # One thread, as a server that answers many requests at once would give it.
        self._process = subprocess.Popen(command, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, **pipes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def probe(
        self, file: Path, trusted: Sequence[str], golden: pd.DataFrame, in_training: Scores, framing: Framing
    ) -> Probe:
        """Load `file` (a .skops model) there, score the `golden` rows and compare with `in_training`. It answers once."""
        with tempfile.TemporaryDirectory() as folder:
            rows = Path(folder) / "golden.parquet"
            golden.to_parquet(rows)
            order = {"file": str(file), "trusted": list(trusted), "rows": str(rows)}
            order |= {"framing": framing.model_dump_json()}
            try:
                out, err = self._process.communicate(json.dumps(order), timeout=_AT_MOST)
            except subprocess.TimeoutExpired:
                return _failed(f"no answer within {_AT_MOST:.0f} s", file)
        if self._process.returncode != 0:
            # The last line begins with the exception's type; the rest of it may quote rows.
            return _failed((err.strip().splitlines() or ["it ended without a word"])[-1].split(":")[0][:100], file)
        return _compared(json.loads(out.strip().splitlines()[-1]), file, in_training)


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


def _failed(error: str, file: Path) -> Probe:
    return Probe(0, 0, float("nan"), float("nan"), float("nan"), _megabytes(file), error)


def _megabytes(file: Path) -> float:
    return file.stat().st_size / 1e6 if file.exists() else float("nan")


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
    return float(np.quantile(taken, framing.latency_quantile)) if taken else float("nan")


if __name__ == "__main__":
    import skops.io  # noqa: F401  (loaded while the other process trains)

    if asked := sys.stdin.read():
        print(json.dumps(_serve(json.loads(asked))))
