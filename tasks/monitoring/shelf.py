"""Which reports are kept, and as what? All as figures, alarms and the newest as pages; so that a disk does not fill."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from schemas.plans import MonitoringPlan
from schemas.verdict import Outcome
from tasks.monitoring.memory import written
from tasks.monitoring.report import folder_of
from tasks.monitoring.workspace import snapshot_file

__all__ = ["Removed", "place", "tidy"]

_INDEX = "index.json"
_KEPT_WIDGETS = 4  # the head of a page: verdict, counts, words, table


@dataclass(frozen=True)
class Removed:
    """What was taken off the shelf of one window: its page, or all of it; and the run that holds a copy."""

    name: str
    run: str
    whole: bool


def place(problem: str, name: str, *, outcome: Outcome, end: datetime, run: str) -> None:
    """Write down that the window `name` has a report: what it concluded, when it closed, and which run holds a copy."""
    index = _index(problem)
    index[name] = {"outcome": str(outcome), "end": end.isoformat(), "run": run}
    written(folder_of(problem) / _INDEX, json.dumps(index, indent=1))


def tidy(problem: str, plan: MonitoringPlan, *, now: datetime) -> list[Removed]:
    """Remove what the plan no longer keeps, and say what: pages of windows that are neither among the newest nor alarms, and
    everything of windows that closed longer ago than reports are kept."""
    index = _index(problem)
    newest = sorted(index, key=lambda name: (index[name]["end"], name), reverse=True)
    alarms = [name for name in newest if index[name]["outcome"] != Outcome.PASS]
    pages = {*newest[: plan.report_pages], *alarms[: plan.alarm_pages]}
    removed = []
    for name in newest:
        old = _ended(index[name]) < now - plan.keep_reports
        if old or (name not in pages and "page" not in index[name]):
            removed.append(Removed(name, index[name]["run"], whole=old))
            _take_off(problem, name, whole=old)
            index[name]["page"] = "removed"
        if old:
            del index[name]
    if removed:
        written(folder_of(problem) / _INDEX, json.dumps(index, indent=1))
    return removed


def _take_off(problem: str, name: str, *, whole: bool) -> None:
    folder, snapshot = folder_of(problem), snapshot_file(problem, name)
    (folder / f"{name}.html").unlink(missing_ok=True)
    if whole:
        (folder / f"{name}.json").unlink(missing_ok=True)
        snapshot.unlink(missing_ok=True)
    elif snapshot.exists():
        _without_plots(snapshot)


def _without_plots(snapshot: Path) -> None:
    """The figures stay, so that a line over time has no hole, and the head of the page; plots are most of its size."""
    content = json.loads(snapshot.read_text(encoding="utf-8"))
    content["widgets"] = content["widgets"][:_KEPT_WIDGETS]
    # In place: Evidently's UI watches the folder, and takes any other name in it for a snapshot.
    snapshot.write_text(json.dumps(content), encoding="utf-8")


def _index(problem: str) -> dict[str, dict[str, Any]]:
    path = folder_of(problem) / _INDEX
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {**dict(_unlisted(folder_of(problem), set(known))), **known}


def _unlisted(folder: Path, known: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Reports that a crash, or an earlier version, left without a line: what they say of themselves."""
    for path in folder.glob("*.json"):
        if path.name != _INDEX and path.stem not in known:
            about = json.loads(path.read_text(encoding="utf-8")).get("about", {})
            end = about.get("end") or _end_of(path.stem)
            if end:
                yield path.stem, {"outcome": about.get("verdict", str(Outcome.PASS)), "end": end, "run": ""}


def _end_of(name: str) -> str:
    try:
        return datetime.strptime(name.partition("-")[2] + "+0000", "%Y%m%dT%H%M%z").isoformat()
    except ValueError:
        return ""


def _ended(line: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(line["end"])
