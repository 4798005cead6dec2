"""What is left of twenty problems' lives when time has passed? Prefect's own runs and events, and what the plans keep, each in its bound."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from deployments import servers
from schemas.settings import Settings
from tests.proofs.twenty_counted import sizes
from tests.proofs.twenty_databases import age, counted, database_sizes, largest, opened

__all__ = ["held_to_its_bounds"]

_TABLES = ("flow_run", "flow_run_state", "task_run", "task_run_state", "log", "artifact", "events", "event_resources")
_LATER = timedelta(days=800)  # longer than any plan's default keeps anything
_PATIENCE = 300.0


def held_to_its_bounds(home: Path, names: list[str], *, now: datetime) -> dict[str, Any]:
    """The older half of runs and events is made as old as nothing may become; then the server is started anew, and what it is
    left with counted; and every problem's `retention` runs, long after all turns."""
    url, present = Settings().prefect_database, datetime.now(UTC)
    whole, tables = counted(url, _TABLES), largest(url)
    aged = {
        "flow_run": age(url, "flow_run", "end_time", to=present - timedelta(days=91)),
        "events": age(url, "events", "occurred", to=present - timedelta(days=8)),
        "event_resources": age(url, "event_resources", "occurred", to=present - timedelta(days=8)),
    }
    before = sizes(home) | database_sizes()
    with servers.prefect_server() as api:
        took = _until_gone(url)
        left = _until_still(url)
        said = _kept_as_planned(api, names, now + _LATER)
    after = sizes(home) | database_sizes()
    return {
        "rows_before": whole,
        "mb_of_prefects_tables": tables,
        "aged": aged,
        "rows_after": left,
        "seconds_until_gone": took,
        "retention_says": said,
        "mb_before": {part: round(size / 2**20, 1) for part, size in before.items()},
        "mb_after": {part: round(size / 2**20, 1) for part, size in after.items()},
        # What is old has gone, and nothing else; the server makes runs of the schedules meanwhile.
        "holds": took is not None and left["flow_run"] >= whole["flow_run"] - aged["flow_run"],
    }


def _until_gone(url: str) -> float | None:
    """Seconds until no run is older than we keep it, nor any event than Prefect does; None where they stay."""
    began = time.monotonic()
    runs = sa.text("SELECT count(*) FROM flow_run WHERE end_time < :moment")
    events = sa.text("SELECT count(*) FROM events WHERE occurred < :moment")
    while time.monotonic() - began < _PATIENCE:
        present = datetime.now(UTC)
        with opened(url) as connection:
            old = connection.execute(runs, {"moment": present - timedelta(days=90)}).scalar_one()
            old += connection.execute(events, {"moment": present - timedelta(days=7)}).scalar_one()
        if not old:
            return round(time.monotonic() - began, 1)
        time.sleep(1)
    return None


def _until_still(url: str) -> dict[str, int]:
    """The rows once they no longer become fewer."""
    last = counted(url, _TABLES)
    for _ in range(30):
        time.sleep(5)
        found = counted(url, _TABLES)
        if sum(found.values()) >= sum(last.values()):
            break
        last = found
    return found


def _kept_as_planned(api: str, names: list[str], now: datetime) -> dict[str, str]:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.retention import retention

    with temporary_settings({PREFECT_API_URL: api}):
        return {name: retention(name, now=now) for name in names}
