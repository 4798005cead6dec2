"""Who hears of a turn? Prefect's events, so that automations can act on what the ledger says."""

import logging
from dataclasses import replace

from prefect.events import emit_event

from flows.forms import form_of
from schemas.errors import told
from schemas.events import Event
from schemas.rows import Entry
from schemas.settings import Settings
from tasks.due import events_of

__all__ = ["announce", "with_form"]

log = logging.getLogger("perennial")


def with_form(event: Event) -> Event:
    """Where a person is asked, the event says where they answer."""
    if not event.known.form:
        return event
    form = form_of(f"{event.known.form}/{event.known.form}", problem=event.problem)
    return replace(event, payload={**event.payload, "form": form})


def announce(entry: Entry, *, live: bool) -> None:
    """Emit what this ledger row calls for, of a live turn only: what a replay finds has long been dealt with.

    The ledger is the truth and every turn acts by itself, so a lost event only delays. Emitting puts it into a queue and
    returns; with the server away the process ends some 7 s later, and nothing fails.
    """
    if not live:
        return
    try:
        runbook = Settings().runbook
        for event in events_of(entry):
            emit_event(**with_form(event).told(runbook=runbook))
    except Exception as error:
        log.warning("row %s of %s could not be told: %s", entry.state.sequence, entry.state.problem, told(error))
