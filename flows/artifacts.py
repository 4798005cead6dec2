"""How is something shown in the Prefect UI? Under which key, in which cell, and never to the harm of what it shows."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import told
from schemas.settings import Settings

__all__ = ["cell", "key_of", "of_clone", "unharmed"]

log = logging.getLogger("perennial")


def key_of(what: str, problem: str) -> str:
    """Keys are lower case and dashes, and begin with the clone's name where it has one: a key is one for a whole server.

    >>> key_of("turn", "card_Fraud")
    'turn-card-fraud'
    """
    return of_clone(f"{what}-{problem.replace('_', '-').lower()}")


def of_clone(key: str) -> str:
    return "-".join(part for part in (Settings().clone, key) if part)


def cell(text: str) -> str:
    """One line of a Markdown table, and no bar that would end the cell.

    >>> cell("a | b")
    'a / b'
    """
    return " ".join(text.split()).replace("|", "/")


@contextmanager
def unharmed(what: str) -> Iterator[None]:
    """Nothing that is only for the eye may fail what it shows: it is logged."""
    try:
        yield
    except Exception as error:
        log.warning("%s: %s", what, told(error))
