"""What is left of twenty problems' lives when time has passed? Prefect's own runs and events, and what the plans keep, each in its bound."""

import os
import sqlite3
import time
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from deployments import servers
from tests.proofs.twenty_counted import sizes

__all__ = ["held_to_its_bounds"]

_TABLES = ("flow_run", "flow_run_state", "task_run", "task_run_state", "log", "artifact", "events", "event_resources")
_LATER = timedelta(days=800)  # longer than any plan's default keeps anything
_PATIENCE = 300.0


def held_to_its_bounds(home: Path, names: list[str], *, now: datetime) -> dict[str, Any]:
    """Half of the runs and events are made as old as they may not become; then the server is started, and what it is left with
    counted; and every problem's `retention` runs, long after all turns."""
    database = home / "prefect" / "prefect.db"
    whole = _counted(database)
    aged = _aged(database)
    before = sizes(home)
    with servers.prefect_server() as api:
        os.environ["PREFECT_API_URL"] = api
        try:
            took = _until_gone(database, whole["flow_run"] - aged["flow_run"])
            said = _kept_as_planned(names, now + _LATER)
            left = _until_still(database)
        finally:
            del os.environ["PREFECT_API_URL"]
    after = sizes(home)
    return {
        "rows_before": whole,
        "aged": aged,
        "rows_after": left,
        "seconds_until_gone": took,
        "retention_says": said,
        "mb_before": {part: round(size / 2**20, 1) for part, size in before.items()},
        "mb_after": {part: round(size / 2**20, 1) for part, size in after.items()},
        "holds": took is not None and left["events"] < whole["events"],
    }


def _aged(database: Path) -> dict[str, int]:
    """The older half of what is over, made as old as nothing stays: runs by 91 days, events by 8."""
    moved = "strftime('%Y-%m-%d %H:%M:%f000', {0}, '-{1} days')"
    with closing(sqlite3.connect(database)) as open_, open_:
        runs = open_.execute(
            f"UPDATE flow_run SET end_time = {moved.format('end_time', 91)} WHERE id IN (SELECT id FROM flow_run WHERE end_time "
            "IS NOT NULL AND state_type = 'COMPLETED' ORDER BY end_time LIMIT (SELECT count(*) / 2 FROM flow_run))"
        ).rowcount
        half = open_.execute(
            "SELECT occurred FROM events ORDER BY occurred LIMIT 1 OFFSET (SELECT count(*) / 2 FROM events)"
        )
        (until,) = half.fetchone()
        events = open_.execute(
            f"UPDATE events SET occurred = {moved.format('occurred', 8)} WHERE occurred < ?", (until,)
        ).rowcount
        open_.execute(
            f"UPDATE event_resources SET occurred = {moved.format('occurred', 8)} WHERE occurred < ?", (until,)
        )
    return {"flow_run": runs, "events": events}


def _counted(database: Path) -> dict[str, int]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as open_:
        return {name: open_.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in _TABLES}


def _until_gone(database: Path, wanted: int) -> float | None:
    """Seconds until no more runs than those are left; None where they stay. The server makes scheduled runs meanwhile."""
    began = time.monotonic()
    while time.monotonic() - began < _PATIENCE:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as open_:
            (old,) = open_.execute(
                "SELECT count(*) FROM flow_run WHERE end_time < datetime('now', '-90 days')"
            ).fetchone()
        if not old:
            return round(time.monotonic() - began, 1)
        time.sleep(1)
    return None


def _until_still(database: Path) -> dict[str, int]:
    """The rows once they no longer become fewer."""
    last = _counted(database)
    for _ in range(30):
        time.sleep(5)
        found = _counted(database)
        if sum(found.values()) >= sum(last.values()):
            break
        last = found
    return found


def _kept_as_planned(names: list[str], now: datetime) -> dict[str, str]:
    from flows.retention import retention

    return {name: retention(name, now=now) for name in names}
