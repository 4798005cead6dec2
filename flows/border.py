"""What does a person at a shell see of an error, and of Ctrl-C? One sentence each and an exit code, whichever command it was."""

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from schemas.errors import PerennialError
from schemas.refused import findings
from tasks import database, home

__all__ = ["GOES_ON", "MachineError", "exit_code", "in_one_sentence"]

GOES_ON = "stopped; run it again and it goes on where it was"


def exit_code(run: Callable[[], int | None], *, stopped: Callable[[], str]) -> int:
    """What the command returned, None being 0; 1 where it was refused, and 130 where a person stopped it, with one sentence
    each. `stopped` says, then, what is left."""
    try:
        return run() or 0
    except PerennialError as error:
        return _said(f"perennial: {error}")
    except ValidationError as error:
        # Nobody said what it was read for: what is stored by a version with other rules, for the most part.
        return _said(
            f"perennial: what is to be a {error.title} is none: {findings(error)}. Correct it where it is written; what an "
            "older version stored is read by that version."
        )
    except KeyboardInterrupt:
        return _said(f"\n{stopped()}", code=130)
    except BrokenPipeError:  # whoever read has read enough, as `make history | head` does
        _nothing_read_on()
        return 0
    except Exception as error:
        if why := _of_the_machine(error):
            return _said(f"perennial: {why}")
        raise


@contextmanager
def in_one_sentence() -> Iterator[None]:
    """What the machine refused is one sentence in a flow's state too, and not a page of somebody's library."""
    try:
        yield
    except PerennialError:
        raise
    except Exception as error:
        if why := _of_the_machine(error):
            raise MachineError(why) from error
        raise


class MachineError(PerennialError):
    """The disk, or a database, refused what a turn needs."""


def _of_the_machine(error: Exception) -> str:
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


def _nothing_read_on() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _said(sentence: str, *, code: int = 1) -> int:
    print(sentence, file=sys.stderr)
    return code
