"""Where do answers go while the prediction log is away? To a local file, each line under a checksum, until it is back."""

import fcntl
import json
import os
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from schemas.errors import PerennialError
from schemas.rows import ANSWER
from tasks.journal import Group, Trip

__all__ = ["Spill", "SpillError"]


class SpillError(PerennialError):
    """The local file cannot be written either."""


class Spill:
    """A folder of files, one JSON group a line. A line that was cut by a crash was never acknowledged, and is left out.

    Each process writes to a file of its own and holds a lock on it; a file that nobody holds was left by one that ended.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._out: BinaryIO | None = None

    def add(self, group: Group) -> None:
        """Durable when it returns."""
        said = json.dumps(asdict(group), separators=(",", ":"), default=_iso).encode()
        try:
            out = self._own()
            out.write(b"%08x " % zlib.crc32(said) + said + b"\n")
            out.flush()
            os.fsync(out.fileno())
        except OSError as error:
            # What was half written is followed by no line of its own: the next group begins another file.
            self._let_go()
            raise SpillError(f"the spill file cannot be written ({type(error).__name__})") from None

    def waiting(self) -> bool:
        return bool(self.files())

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.jsonl")) if self.folder.exists() else []

    def take_back(self) -> Iterator[Group]:
        """The groups of our own file and of those that nobody holds; each file goes once the next group after it is asked
        for, which is when all of it was taken in."""
        self._let_go()
        for file in self.files():
            with suppress(FileNotFoundError), file.open("rb") as held:
                try:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:  # another process writes to it
                    continue
                yield from _groups(held.read())
                file.unlink(missing_ok=True)

    def _own(self) -> BinaryIO:
        if self._out is None:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._out = (self.folder / f"{os.getpid()}-{time.time_ns()}.jsonl").open("xb")
            fcntl.flock(self._out, fcntl.LOCK_EX)
        return self._out

    def _let_go(self) -> None:
        out, self._out = self._out, None
        if out is not None:
            with suppress(OSError):
                out.close()


def _groups(said: bytes) -> Iterator[Group]:
    """What its checksum does not confirm is a line that was cut."""
    for line in said.split(b"\n"):
        checksum, _, group = line.partition(b" ")
        if group and checksum == b"%08x" % zlib.crc32(group):
            yield _group(json.loads(group))


def _as_now(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """An answer that was spilled before decisions were drawn, by the version before this one: none was."""
    return row if len(row) == len(ANSWER) else (*row, 1.0, False)


def _iso(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in a spilled row")


def _group(said: dict[str, Any]) -> Group:
    parts = {name: [tuple(row) for row in rows] for name, rows in said.items() if name != "trips"}
    parts["answers"] = [_as_now(row) for row in parts["answers"]]
    trips = [Trip(**(trip | {"at": datetime.fromisoformat(trip["at"])})) for trip in said["trips"]]
    return Group(**parts, trips=trips)
