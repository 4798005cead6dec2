"""A disk so small that it can be full, for the tests that need one."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["available", "full", "small"]

_MEGABYTE = 1 << 20


@contextmanager
def small(folder: Path, *, megabytes: int) -> Iterator[Path]:
    """A filesystem of that size, mounted at `folder`. Only root may."""
    folder.mkdir(parents=True, exist_ok=True)
    size = f"size={megabytes}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def full(disk: Path) -> Path:
    """Fill the disk to its last byte; the file that does it."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as out:
        for size in (_MEGABYTE, 1 << 12, 1):
            with suppress(OSError):
                while out.write(bytes(size)):
                    pass
    return filler


def available() -> bool:
    """Whether this process may mount one: root in a sandbox may not always."""
    if os.getuid() != 0:
        return False
    try:
        with TemporaryDirectory() as folder, small(Path(folder), megabytes=1):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False
