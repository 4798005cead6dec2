"""How long does a person wait for the pages of the Prefect UI that a team opens? Each anew in a real browser, until it says its thing."""

import re
import statistics
import time
from typing import Any

from tests.deployments.browser import Browser, browser

__all__ = ["opened"]

_TIMES = 5


def opened(url: str, *, name: str, deployment: str, run: str, times: int = _TIMES) -> dict[str, dict[str, float]]:
    """Median and worst seconds of each page, with the problem `name`, its deployment and one of its runs."""
    pages: dict[str, tuple[str, str | re.Pattern[str]]] = {
        "dashboard": ("/dashboard", re.compile(r"^\d+%$")),
        "runs": (
            "/runs",
            re.compile(rf"{name[0]}\d\d.*(HEALTHY|SHADOW|CANARY|RETRAIN|PROBATION|AB).*: (PASS|WAIT|FAIL)"),
        ),
        "flow run": (f"/runs/flow-run/{run}", "Completed"),
        "deployments": ("/deployments", name),
        "deployment": (f"/deployments/deployment/{deployment}", re.compile(rf"{name} .*: (PASS|WAIT|FAIL)")),
        "artifacts": ("/artifacts", "problems"),
        "table of problems": ("/artifacts/key/problems", re.compile(r"20\d\d.* UTC, \d+ of them")),
        "events": ("/events", re.compile("Task run|Flow run", re.IGNORECASE)),
        "automations": ("/automations", re.compile("retrain", re.IGNORECASE)),
    }
    with browser(url) as ui:
        ui.open("/dashboard")  # the program itself is fetched once, and kept by the browser
        ui.settle()
        return {page: _timed(ui, path, says, times) for page, (path, says) in pages.items()}


def _timed(ui: Browser, path: str, says: Any, times: int) -> dict[str, float]:
    taken = []
    for _ in range(times):
        ui.page.goto("about:blank")
        began = time.perf_counter()
        ui.page.goto(f"{ui.url}{path}", wait_until="commit")
        ui.wait_for(says)
        taken.append(time.perf_counter() - began)
    return {"median": round(statistics.median(taken), 2), "worst": round(max(taken), 2)}
