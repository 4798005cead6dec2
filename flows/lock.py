"""How do we keep two nights of one problem apart on a machine? A lock that the system takes back when its holder dies."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import PerennialError
from schemas.settings import Settings

__all__ = ["only_one"]


@contextmanager
def only_one(problem: str) -> Iterator[None]:
    """Hold the problem's lock, or say at once who has it. On several machines the store's numbered steps are the guard."""
    path = Settings().root / "experiments" / f"{problem}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PerennialError(
                f"a night of {problem!r} is running already, and holds {path}. Let it end, or stop it and start again: it "
                "goes on where it was."
            ) from None
        yield
