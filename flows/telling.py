"""Who hears of what a person did to a ledger, in a shell that has no Prefect? Whoever hears of a turn."""

from datetime import UTC, datetime

from schemas.rows import State
from schemas.settings import Settings
from tasks import ledger
from tasks.due import events_of
from tasks.posting import post

__all__ = ["tell"]


def tell(state: State) -> None:
    """Tell of the row that led to `state`. Last, and once: a server that is away must delay nothing, and a lost event loses
    nothing that the ledger does not say."""
    row = next(ledger.rows(state.problem, since=state.sequence - 1), None)
    for event in events_of(row.entry) if row else ():
        if not post(event, occurred=datetime.now(UTC), runbook=Settings().runbook):
            return
