"""How do we keep two runs of one thing apart on a machine? A lock that the system takes back when its holder dies."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import PerennialError
from schemas.settings import Settings

__all__ = ["only_one", "only_start"]


@contextmanager
def only_one(problem: str) -> Iterator[None]:
    """Hold the problem's lock, or say at once who has it. On several machines the store's numbered steps are the guard."""
    with _held(Settings().root / "experiments" / f"{problem}.lock", f"a night of {problem!r} is running already"):
        yield


@contextmanager
def only_start(problem: str, request: str) -> Iterator[None]:
    """The same of a request to score. On several machines the log is the guard: it takes each row once."""
    path = Settings().root / "requests" / problem / f"{request}.lock"
    with _held(path, f"request {request!r} of {problem!r} is being scored already"):
        yield


@contextmanager
def _held(path: Path, runs: str) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PerennialError(
                f"{runs}, and holds {path}. Let it end, or stop it and start again: it goes on where it was."
            ) from None
        yield
