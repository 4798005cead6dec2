"""Which old rows stand in which file? Parquet files named by month and content, each whole or not there at all.

PERENNIAL_HOME/archive/PROBLEM/KIND-YYYY-MM-SHA256.parquet is finished. With a further suffix it is not yet: `.new`
waits until its rows are gone from the log, `.for-SHA256` until the file that it replaces is gone. Both are whole, so
that whoever comes after a crash goes on from there.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pandas as pd

from schemas.errors import PerennialError
from schemas.settings import Settings
from tasks.alone import held

__all__ = ["alone", "begin", "begun", "files", "finish", "folder_of", "kind_of", "mend", "put", "read", "replace"]


def folder_of(problem: str) -> Path:
    return Settings().root / "archive" / problem


@contextmanager
def alone(problem: str) -> Iterator[None]:
    """Nobody else archives or erases meanwhile; a process that is killed lets go."""
    folder = folder_of(problem)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    says = f"rows of {problem!r} are being archived or erased by another process; run again when it has ended."
    with held(folder / ".lock", refusal=says):
        yield


def files(problem: str, kind: str) -> list[Path]:
    """The finished files, in order of month."""
    return sorted(folder_of(problem).glob(f"{kind}-*.parquet"))


def kind_of(file: Path) -> str:
    return file.name.partition("-")[0]


def begin(problem: str, kind: str, month: str, rows: pd.DataFrame) -> Path:
    """A file that holds the rows, durable and read back; it is finished once they are gone from the log."""
    partial, digest = _written(folder_of(problem), rows)
    return _moved(partial, partial.with_name(f"{kind}-{month}-{digest}.parquet.new"))


def begun(problem: str) -> list[Path]:
    """Files whose rows may still stand in the log."""
    return sorted(folder_of(problem).glob("*.parquet.new"))


def finish(file: Path) -> Path:
    return _moved(file, file.with_suffix(""))


def replace(file: Path, rows: pd.DataFrame) -> Path:
    """`rows` in place of a finished file, under a name of their own. Never both, and never neither once mended."""
    partial, digest = _written(file.parent, rows)
    month = file.stem.rpartition("-")[0]
    waiting = partial.with_name(f"{month}-{digest}.parquet.for-{_digest_in(file)}")
    return _replaced(_moved(partial, waiting))


def mend(problem: str) -> None:
    """Take up what a crash left of our writing: half a file goes, a whole replacement takes its place."""
    folder = folder_of(problem)
    for partial in folder.glob(".partial*"):
        partial.unlink()
    for waiting in sorted(folder.glob("*.parquet.for-*")):
        _replaced(waiting)


def read(file: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Its rows; refused when they are no longer what its name says."""
    if _digest(file) != _digest_in(file):
        raise PerennialError(
            f"archive file {file} no longer hashes to its name: it was changed or damaged. Restore it from a backup; "
            "until then nothing of its problem is archived or erased."
        )
    with file.open("rb") as source:
        return pd.read_parquet(source, columns=list(columns) if columns else None)


def put(rows: pd.DataFrame, target: Path) -> None:
    """`rows` as the whole of `target`, in one step."""
    partial = target.with_name(f"{target.name}.partial")
    rows.to_parquet(partial, index=False)
    _sync(partial)
    _moved(partial, target)


def _written(folder: Path, rows: pd.DataFrame) -> tuple[Path, str]:
    partial = folder / ".partial"
    rows.to_parquet(partial, index=False)
    _sync(partial)
    back = pd.read_parquet(partial)
    if not back.equals(rows):
        raise PerennialError(
            f"an archive file in {folder} holds {len(back)} rows as read back, and not the {len(rows)} that were written; "
            "nothing was deleted. Check the disk, and run again."
        )
    return partial, _digest(partial)


def _replaced(waiting: Path) -> Path:
    finished = waiting.with_suffix("")
    month, old = finished.stem.rpartition("-")[0], waiting.suffix.removeprefix(".for-")
    finished.with_name(f"{month}-{old}.parquet").unlink(missing_ok=True)
    _sync(finished.parent)
    return _moved(waiting, finished)


def _moved(file: Path, target: Path) -> Path:
    file.replace(target)
    _sync(target.parent)
    return target


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digest_in(file: Path) -> str:
    return file.name.split(".")[0].rpartition("-")[2]


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        digest = sha256()
        while chunk := content.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
