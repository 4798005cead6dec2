"""Where do answers go while the prediction log is away? To a local file, each line under a checksum, until it is back."""

import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from schemas.errors import PerennialError
from tasks.journal import Group, Trip

__all__ = ["Spill", "SpillError"]


class SpillError(PerennialError):
    """The local file cannot be written either."""


class Spill:
    """A folder of files, one JSON group a line. A line that was cut by a crash was never acknowledged, and is left out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / f"{os.getpid()}.jsonl"

    def add(self, group: Group) -> None:
        """Durable when it returns."""
        said = json.dumps(asdict(group), separators=(",", ":"), default=_iso).encode()
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._file.open("ab") as out:
                out.write(b"%08x " % zlib.crc32(said) + said + b"\n")
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            raise SpillError(f"the spill file cannot be written ({type(error).__name__})") from None

    def waiting(self) -> bool:
        return self.folder.exists() and any(self.folder.glob("*.jsonl"))

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.jsonl")) if self.folder.exists() else []

    @staticmethod
    def read(file: Path) -> Iterator[Group]:
        """The groups of one file; what its checksum does not confirm is a line that was cut."""
        for line in file.read_bytes().split(b"\n"):
            checksum, _, said = line.partition(b" ")
            if said and checksum == b"%08x" % zlib.crc32(said):
                yield _group(json.loads(said))

    @staticmethod
    def done(file: Path) -> None:
        file.unlink(missing_ok=True)


def _iso(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in a spilled row")


def _group(said: dict[str, Any]) -> Group:
    parts = {name: [tuple(row) for row in rows] for name, rows in said.items() if name != "trips"}
    trips = [Trip(**(trip | {"at": datetime.fromisoformat(trip["at"])})) for trip in said["trips"]]
    return Group(**parts, trips=trips)
