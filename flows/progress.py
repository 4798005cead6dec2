"""How far is long work, for whoever watches the Prefect UI? A bar that moves, and never a reason for the work to fail."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.runtime import flow_run, task_run

from flows.artifacts import key_of
from schemas.errors import told
from tasks.transitions import Decision

__all__ = ["Bar", "bar", "ended", "reached"]

log = logging.getLogger("perennial")

# Seconds: quicker steps are not read, and Prefect's SQLite answers writes without a pause by "locked".
_PAUSE = 1.0


class Bar:
    """One bar in the UI. Without an API, or with one that is away, moving it does nothing: it is said once, and not tried again."""

    def __init__(self, key: str, said: str) -> None:
        self.key = key
        self._id: UUID | None = None
        self._away = False
        self._moved = -_PAUSE
        self._put(0.0, said)

    def move(self, share: float, said: str) -> None:
        """To `share` of the whole, in [0, 1], and say what is being done; the end is always told, what lies between at most
        once a second."""
        if not self._away and (share >= 1 or time.monotonic() - self._moved >= _PAUSE):
            self._put(share, said)

    def _put(self, share: float, said: str) -> None:
        # By the client and not by prefect.artifacts, which wants a run: a replay's turns are runs, and it itself is none.
        self._moved = time.monotonic()
        percent = round(100 * min(1.0, max(0.0, share)), 1)
        try:
            with get_client(sync_client=True) as client:
                if self._id is None:
                    self._id = client.create_artifact(_begun(self.key, percent, said)).id
                else:
                    client.update_artifact(self._id, ArtifactUpdate(data=percent, description=said))
        except Exception as error:
            self._away = True
            log.warning("%s: the progress is not shown: %s", self.key, told(error))


def _begun(key: str, percent: float, said: str) -> ArtifactCreate:
    runs = {"flow_run_id": flow_run.id, "task_run_id": task_run.id}
    ids = {name: UUID(str(one)) for name, one in runs.items() if one}
    return ArtifactCreate(key=key, type="progress", data=percent, description=said, **ids)  # type: ignore[arg-type]


_OPEN: ContextVar[Bar | None] = ContextVar("bar", default=None)


@contextmanager
def bar(what: str, problem: str, said: str) -> Iterator[None]:
    """While this is open, `reached` moves the bar WHAT-PROBLEM of the run under way; plain Python has no run, and no bar."""
    if flow_run.id is None:
        yield
        return
    token = _OPEN.set(Bar(key_of(what, problem), said))
    try:
        yield
    finally:
        _OPEN.reset(token)


def reached(share: float, said: str) -> None:
    """The work is so far; nothing where nobody opened a bar."""
    if (open_one := _OPEN.get()) is not None:
        open_one.move(share, said)


def ended(decision: Decision) -> Decision:
    """The work is done, with this verdict."""
    reached(1.0, f"{decision.verdict.outcome}: {decision.verdict.reason}")
    return decision
