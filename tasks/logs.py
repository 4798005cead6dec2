"""What is a log line about? Its problem, stage, run and request; and where wanted, one JSON object a line says so."""

import json
import logging
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal

from schemas.errors import PerennialError, told

__all__ = ["JsonLines", "about", "begin"]

_NOTHING: Mapping[str, str] = MappingProxyType({})
_ABOUT: ContextVar[Mapping[str, str]] = ContextVar("about", default=_NOTHING)
_KNOWN = {
    **{name: name for name in ("problem", "stage", "request")},
    **{"flow_name": "flow", "flow_run_name": "run", "flow_run_id": "run_id", "task_run_name": "task"},
}
_FRAMES = 12  # of an error: where it was raised, and who asked


@contextmanager
def about(**said: str | None) -> Iterator[None]:
    """What is logged meanwhile is about this problem, stage or request."""
    before = _ABOUT.set({**_ABOUT.get(), **{name: value for name, value in said.items() if value is not None}})
    try:
        yield
    finally:
        _ABOUT.reset(before)


class JsonLines(logging.Formatter):
    """A record as one JSON object: time, level, logger, message; problem, stage, request, flow, run, run_id and task where
    there is one. An exception is told as our ledger tells it: a library's own text may quote the rows that it was given."""

    always: Mapping[str, str] = _NOTHING  # of the whole process: a gateway's threads begin with no context

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        # Prefect's own lines say their run themselves: the last of them come when it has ended.
        own = {said: str(vars(record)[name]) for name, said in _KNOWN.items() if name in vars(record)}
        line |= {**self.always, **_run(), **_ABOUT.get(), **own}
        if record.exc_info and isinstance(record.exc_info[1], Exception):
            line |= {"error": told(record.exc_info[1]), "raised": _where(record.exc_info[1])}
        return json.dumps(line, ensure_ascii=False, default=str)


def _run() -> dict[str, str]:
    """Prefect's run around this line. Who never imported Prefect, as a gateway, runs in none and does not import it now."""
    prefect = sys.modules.get("prefect.context")
    flow = getattr(prefect, "FlowRunContext", None)
    run = flow.get() if flow else None
    if run is None or run.flow_run is None:
        return {}
    problem = (run.parameters or {}).get("problem")
    found = {"flow": run.flow.name, "run": run.flow_run.name, "run_id": str(run.flow_run.id)}
    found |= {"problem": problem} if isinstance(problem, str) else {}
    task = prefect.TaskRunContext.get() if prefect else None
    return found | ({"task": task.task_run.name} if task else {})


def _where(error: Exception) -> list[str]:
    """Its frames, the innermost last: files, lines and names, and no value."""
    return [f"{one.filename}:{one.lineno} {one.name}" for one in traceback.extract_tb(error.__traceback__)[-_FRAMES:]]


def begin(how: Literal["text", "json"], **always: str) -> None:
    """From now on this process logs JSON to standard error, each line with what is `always` so; of text only what Prefect says
    of a refusal of ours changes: its sentence, and no frames after it."""
    if how == "text":
        for name in ("prefect.flow_runs", "prefect.task_runs"):
            logging.getLogger(name).addFilter(_without_frames)
        return
    lines = JsonLines()
    lines.always = always
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(lines)
    # Prefect leaves a root alone that has a handler; one that it, or an earlier command, put there would say all twice.
    logging.getLogger().handlers[:] = [handler]
    logging.getLogger("perennial").setLevel(logging.INFO)


def _without_frames(record: logging.LogRecord) -> bool:
    if record.exc_info and isinstance(record.exc_info[1], PerennialError):
        record.exc_info = None
    return True
