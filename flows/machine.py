"""Was it the machine that refused, its disk or a database? Then one sentence says which, and what is to be done."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import PerennialError
from tasks import database, home

__all__ = ["MachineError", "in_one_sentence", "why_refused"]


class MachineError(PerennialError):
    """The disk, or a database, refused what a turn needs."""


@contextmanager
def in_one_sentence() -> Iterator[None]:
    """What the machine refused is one sentence in a flow's state too, and not a page of somebody's library."""
    try:
        yield
    except PerennialError:
        raise
    except Exception as error:
        if why := why_refused(error):
            raise MachineError(why) from error
        raise


def why_refused(error: Exception) -> str:
    """Why the disk or a database refused, where one did and still does."""
    if why := database.why_away(error):
        return f"{why}. Nothing is half written: once it is back, the next turn goes on from the ledger's newest row."
    return home.why_not() if _of_the_disk(error) else ""


def _of_the_disk(error: BaseException | None) -> bool:
    """Did the disk refuse, be it to us, to SQLite or to whoever raised because of that?"""
    while error is not None:
        if isinstance(error, (OSError, sqlite3.Error)):
            return True
        error = error.__cause__ or error.__context__
    return False
