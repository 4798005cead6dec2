"""Is a request of many rows the same however often it is killed: every row once, in the log and in the output?

`python -m tests.proofs scoring` (make prove NAME=scoring) scores a month of payments in SHADOW without a disturbance, and then the
same request in other homes in which it is killed with SIGKILL thirty times, at moments that are drawn; a turn comes after.
"""

import os
import signal
import sys
import tempfile
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from tests.shared import copied_home, forking

KILLS, HOMES = 30, 3
_DAY = timedelta(days=1)
_SPAN, _PART = 24 * _DAY, 1_000
_OURS = ("/flows/scor", "/tasks/batches.py", "/tasks/parts.py", "/tasks/predictions.py", "/tasks/request_file.py")


def _start(home: str, since: datetime, until: datetime, part_rows: int, kill_at: int, said: Any) -> None:
    """The request in a process of its own, which ends as by kill -9 at the call `kill_at` of a function of ours; 0: never."""
    os.environ["PERENNIAL_HOME"] = home
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  (until the process ends)
    from flows.score_request import Asked
    from flows.scoring import scored

    calls, ours = 0, dict[Any, bool]()

    def told(frame: Any, _event: str, _arg: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return returned

    def returned(frame: Any, event: str, arg: Any) -> Any:
        return told(frame, event, arg) if event == "return" else returned

    def entered(frame: Any, event: str, arg: Any) -> Any:
        """A call, and the return from it, is counted where the function is ours; nothing else costs more than this look."""
        code = frame.f_code
        if (own := ours.get(code)) is None:
            own = ours[code] = any(part in code.co_filename for part in _OURS)
        if not own:
            return None
        frame.f_trace_lines = False
        return told(frame, event, arg)

    if said is not None:
        threading.settrace(entered)
        sys.settrace(entered)
    scored("fraud", Asked("killed", since=since, until=until, part_rows=part_rows))
    if said is not None:
        sys.settrace(None)
        said.value = calls


def _process(home: Path, since: datetime, until: datetime, part_rows: int, kill_at: int = 0, said: Any = None) -> Any:
    """Begun, from a process that has imported everything and opened nothing: what it takes is the request's own work."""
    began = forking().Process(target=_start, args=(str(home), since, until, part_rows, kill_at, said))
    began.start()
    return began


def killed_until_it_ends(
    home: Path, since: datetime, until: datetime, *, part_rows: int, rng: np.random.Generator, at_most: int
) -> int:
    """How often the request was killed, at calls that are drawn, before it ended."""
    calls = 400
    for kills in range(at_most + 1):
        said = forking().Value("q", 0)
        kill_at = int(rng.integers(1, calls)) if kills < at_most else 0
        began = _process(home, since, until, part_rows, kill_at, said)
        began.join()
        if began.exitcode == 0:
            return kills
        assert began.exitcode == -signal.SIGKILL, f"it ended with {began.exitcode}"
    raise AssertionError("it did not end")


def _killed(home: Path, since: datetime, until: datetime, rng: np.random.Generator, *, lasts: float, times: int) -> int:
    """The same at moments that are drawn of its whole time."""
    kills = 0
    while True:
        began = _process(home, since, until, _PART)
        began.join(rng.uniform(0.05, 0.5) * lasts if kills < times else None)
        if began.exitcode is None:
            os.kill(began.pid, signal.SIGKILL)
            began.join()
            kills += 1
        elif began.exitcode == 0:
            return kills
        else:
            raise AssertionError(f"it ended with {began.exitcode}")


def _found(home: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The log's rows without the numbers that the database gives them, and the output's."""
    engine = sa.create_engine(f"sqlite:///{home / 'predictions.db'}")
    with engine.connect() as connection:
        log = pd.read_sql(sa.text("SELECT * FROM predictions ORDER BY key"), connection).drop(columns="id")
    engine.dispose()
    return log, pd.read_parquet(home / "scored" / "fraud" / "killed")


def prove() -> dict[str, Any]:
    """Homes that are killed, each held against the one that is not."""
    from flows.replay import plain_turn
    from tasks import ledger
    from tasks.database import close_databases
    from tests.flows.conftest import BEGIN, STAGES, _make_stages

    rng, rows = np.random.default_rng(20261122), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PERENNIAL_REPORTS", "alarms")
            _make_stages(folder)
            now = BEGIN + STAGES.index("SHADOW") * _DAY
            patch.setenv("PERENNIAL_HOME", str(folder / "SHADOW"))
            since = ledger.state_of("fraud").scored
            close_databases()
            assert since is not None
            copied_home(folder / "SHADOW", folder / "whole")
            lasts = []
            for attempt in ("warm", "whole"):  # the first pays for the server that forks
                if attempt == "warm":
                    copied_home(folder / "SHADOW", folder / attempt)
                began = time.monotonic()
                process = _process(folder / attempt, since, since + _SPAN, _PART)
                process.join()
                assert process.exitcode == 0
                lasts.append(time.monotonic() - began)
            log, out = _found(folder / "whole")
            for number in range(HOMES):
                home = folder / f"killed-{number}"
                copied_home(folder / "SHADOW", home)
                kills = _killed(home, since, since + _SPAN, rng, lasts=lasts[-1], times=KILLS // HOMES)
                found, told = _found(home)
                patch.setenv("PERENNIAL_HOME", str(home))
                plain_turn("fraud", now)
                close_databases()
                after, _ = _found(home)
                row = {
                    "kills": kills,
                    "rows": len(told),
                    "twice_in_log": int(found["key"].duplicated().sum()),
                    "twice_in_output": int(told["key"].duplicated().sum()),
                    "lost": len(set(out["key"]) - set(told["key"])) + len(set(log["key"]) - set(found["key"])),
                    "same_log": found.equals(log),
                    "same_output": told.equals(out),
                    "answered_again_by_the_turn": len(after) - len(found),
                }
                print(f"  home {number}: {row}", flush=True)
                rows.append(row)
    right = all(row["same_log"] and row["same_output"] and not row["answered_again_by_the_turn"] for row in rows)
    clean = not any(row["twice_in_log"] + row["twice_in_output"] + row["lost"] for row in rows)
    kills = sum(row["kills"] for row in rows)
    return {
        "homes": rows,
        "kills": kills,
        "rows": len(out),
        "seconds_undisturbed": round(lasts[-1], 1),
        "holds": right and clean and kills == KILLS,
    }
