"""Which copies of models may go? Those that no route has named for a while."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from schemas.route import Route

__all__ = ["name", "sweep"]

# Replicas share the folder. One may be a route behind for some polls, and start anew from these copies meanwhile.
UNNAMED_SECONDS = 3_600.0


def name(folder: Path, *routes: Route | None) -> None:
    """Note that these routes name their models' copies now."""
    named = {sha256 for route in routes if route for sha256 in _named(route)}
    for file, of in _copies(folder):
        if of in named:
            with suppress(OSError):
                os.utime(file)


def sweep(folder: Path, route: Route) -> None:
    """Remove the copies that `route` does not name, nor has any other for a while. What cannot be removed stays."""
    named, before = _named(route), time.time() - UNNAMED_SECONDS
    for file, of in _copies(folder):
        with suppress(OSError):
            if of not in named and file.stat().st_mtime < before:
                file.unlink()


def _named(route: Route) -> set[str]:
    return {one.sha256 for one in (route.champion, route.challenger, route.previous) if one}


def _copies(folder: Path) -> Iterator[tuple[Path, str]]:
    """Each file, and the model that it is a copy of, or was to become one before a crash."""
    with suppress(OSError):
        for file in list(folder.iterdir()):
            yield file, file.name.removeprefix(".").partition(".")[0]
