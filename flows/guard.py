"""How do we keep two turns of one problem apart? A global concurrency limit on the Prefect server."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.settings import get_current_settings
from prefect.states import State

from flows.machine import in_one_sentence
from schemas.errors import PerennialError
from tasks.database import UnreadableDatabaseError

__all__ = ["limit_name", "make_limit", "may_pass", "one_turn_at_a_time"]

_WAIT = 600.0  # seconds a turn waits for the one before it; a retrain takes minutes
_LEASE = 60.0  # seconds after which a killed turn's slot is free again; the server takes no less


def limit_name(problem: str) -> str:
    return f"perennial:{problem}"


@contextmanager
def one_turn_at_a_time(problem: str) -> Iterator[None]:
    """Hold the problem's only slot. The ledger's unique key is the real guard; this one saves the work of losing."""
    make_limit(problem, str(get_current_settings().api.url))
    slot = concurrency(limit_name(problem), strict=True, timeout_seconds=_WAIT, lease_duration=_LEASE)
    with slot, in_one_sentence():
        yield


@cache
def make_limit(problem: str, _server: str) -> None:
    """The limit must exist: without it a turn that is not strict would run unlocked."""
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(limit_name(problem), 1)


def may_pass(_task: object, _run: object, state: State[object]) -> bool:
    """Is it worth trying again? Not where we refused ourselves: the same input is refused again. A database that cannot be
    opened may be away for a moment, and every run is a new process that opens it first."""
    try:
        state.result()
    except UnreadableDatabaseError:
        return True
    except PerennialError:
        return False
    except Exception:
        return True
    return False
