"""How do we keep two turns of one problem apart, and the runs of two clones? A limit on the Prefect server, and a look at whose run it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from prefect import tags
from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.runtime import flow_run
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, get_current_settings, temporary_settings
from prefect.states import State

from flows.machine import in_one_sentence
from schemas.errors import PerennialError
from schemas.settings import HEARTBEAT, Settings
from tasks import ledger
from tasks.database import UnreadableDatabaseError

__all__ = [
    "LEDGER",
    "limit_name",
    "make_limit",
    "may_pass",
    "of_this_clone",
    "one_turn_at_a_time",
    "watched",
    "watched_tag",
]

LEDGER = "ledger:"  # begins the tag by which a deployment, and each of its runs, says which ledger it is of

_WAIT = 600.0  # seconds a turn waits for the one before it; a retrain takes minutes
_LEASE = 60.0  # seconds after which a killed turn's slot is free again; the server takes no less


def limit_name(problem: str) -> str:
    return f"{Settings().mark}:{problem}"


def of_this_clone() -> None:
    """Refuse a run that was deployed over another ledger than this process has: a worker takes whatever its pool is given,
    and would turn a problem of the same name in the wrong place."""
    wanted = {tag for tag in flow_run.tags if tag.startswith(LEDGER)}
    if wanted and (mine := f"{LEDGER}{ledger.identity()}") not in wanted:
        raise PerennialError(
            f"this run was deployed over {', '.join(sorted(wanted))}, and this process has {mine}: nothing was done. Start workers with "
            "the PERENNIAL_HOME, PERENNIAL_DATABASE and PERENNIAL_LEDGER_URL that it was deployed with, or deploy again with "
            "theirs; two clones have a work pool each."
        )


def watched_tag() -> str:
    """What a run carries that belongs to another run, or to a shell: the server ends it when its process is gone. People hear
    of it by that run, or see it in that shell."""
    return f"{Settings().mark}:watched"


@contextmanager
def watched() -> Iterator[None]:
    """Runs begun within say that they live, and are ended when they no longer do, as those of a deployment are."""
    with tags(watched_tag()), temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: HEARTBEAT}):
        yield


@contextmanager
def one_turn_at_a_time(problem: str, *, live: bool = True) -> Iterator[None]:
    """Hold the problem's only slot, a live turn in the clone that it was deployed from. The ledger's unique key is the real
    guard; this one saves the work of losing."""
    if live:
        of_this_clone()
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
