"""What does a loop do when the machinery under it fails: the disk is full, the database away, the server or the worker killed?

`python -m tests.proofs crashes` (make prove NAME=crashes). One problem's life from nothing to a new champion, as tests.proofs.faults
turns it, on a small disk of its own that is full at each border there is, once: what fails says so, and when there is room again the
next turn goes on to the same ledger, row for row. Then real servers: a worker and its run killed in a task, a Prefect server killed
and started again in the middle of a turn, and a PostgreSQL that is stopped for a minute in one.
"""

import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flows.border import exit_code
from tasks import ledger
from tests import disk
from tests.flows import made
from tests.proofs.faults import BORDERS, NAME, Place, between, live, load, story

__all__ = ["prove"]

_ROOM = 60  # megabytes: a life takes some 20


def filled_at_each_border(place: Place, there: Path, notes: Path) -> dict[str, Any]:
    """One life on a disk that is full from each new border on until the turn there fails; how it failed, by border."""
    seen, said = notes / "seen", notes / "said"
    while not _ended(lambda: _filling_at_what_is_new(seen, there), place, said):
        (there / "filler").unlink(missing_ok=True)
    borders = Counter(line.split("|")[1] for line in seen.read_text().split())
    sentences = Counter(line for line in said.read_text().splitlines() if line.startswith("perennial: "))
    return {"borders": dict(borders), "sentences": len(sentences), "said": dict(sentences), "raw": _raw(said)}


def _raw(said: Path) -> int:
    """Failures that no sentence of ours was said of."""
    return said.read_text().count("Traceback (most recent call last)")


def _filling_at_what_is_new(seen: Path, there: Path) -> None:
    known = set(seen.read_text().split()) if seen.exists() else set()
    met: Counter[str] = Counter()

    def look(name: str, side: str) -> None:
        what = f"{ledger.state_of(NAME).sequence}|{name}|{side}"
        met[what] += 1
        here = f"{what}|{met[what]}"
        if here not in known and not (there / "filler").exists():
            with seen.open("a") as file:
                file.write(f"{here}\n")
            disk.full(there)

    for border in BORDERS:
        module, _, name = border.rpartition(".")
        between(import_module(module), name, look)
    live()


def _ended(work: Callable[[], None], place: Place, said: Path) -> bool:
    """Whether `work` came to its end in a process of its own, whose words go to `said`, which is on no full disk."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    code = 1
    try:
        with said.open("a") as out:
            os.dup2(out.fileno(), sys.stdout.fileno())
            os.dup2(out.fileno(), sys.stderr.fileno())
        with place.here():
            code = exit_code(work, stopped=str)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def on_a_full_disk(folder: Path) -> dict[str, Any]:
    whole = Place(folder / "whole")
    made.settle(whole.home, made.PROBLEM, made.readings(days=70))
    assert _ended(live, whole, folder / "said")
    with whole.here():
        expected = story()
    with disk.small(folder / "disk", megabytes=_ROOM) as there:
        place = Place(there / "home")
        made.settle(place.home, made.PROBLEM, made.readings(days=70))
        notes = folder / "notes"
        notes.mkdir()
        found = filled_at_each_border(place, there, notes)
        with place.here():
            found["same"] = story() == expected
        found["partial_files"] = sorted(str(p.relative_to(there)) for p in there.rglob(".partial*"))
    return found | {"holds": found["same"] and not found["raw"]}


def prove() -> dict[str, Any]:
    load()
    found: dict[str, Any] = {}
    with TemporaryDirectory(prefix="perennial-crashes-") as scratch, made.added(made.PROBLEM, Path(scratch)):
        began = time.monotonic()
        found["disk"] = on_a_full_disk(Path(scratch))
        print(f"a full disk ({time.monotonic() - began:.0f} s): {found['disk']}", flush=True)
    return found | {"holds": all(one["holds"] for one in found.values())}
