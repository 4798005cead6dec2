"""How does one process at a time do what must not be done twice at once? A lock that the system takes back when its holder dies."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import PerennialError

__all__ = ["alone", "held"]


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait for the lock of the file `path`, and hold it: what is read within is still so when it is written within."""
    with held(path.with_name(f".{path.name}.lock")):
        yield


@contextmanager
def held(lock: Path, *, refusal: str = "") -> Iterator[None]:
    """Hold this lock; while another process does, wait, or refuse at once with that sentence."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if refusal else 0))
        except BlockingIOError:
            raise PerennialError(refusal) from None
        yield
