"""How do we keep two runs of one thing apart on a machine?"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from schemas.settings import Settings
from tasks.alone import held

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


def _held(path: Path, runs: str) -> AbstractContextManager[None]:
    return held(
        path, refusal=f"{runs}, and holds {path}. Let it end, or stop it and start again: it goes on where it was."
    )
