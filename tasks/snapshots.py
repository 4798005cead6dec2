"""On which rows, exactly, was a model trained? A Parquet file named by the hash of its content."""

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from schemas.errors import PerennialError
from schemas.settings import Settings

__all__ = ["Snapshot", "columns", "freeze", "joined", "keys", "load", "place"]


@dataclass(frozen=True)
class Snapshot:
    """A small reference to frozen rows."""

    path: Path
    sha256: str
    rows: int


def freeze(problem: str, frame: pd.DataFrame) -> Snapshot:
    """Write `frame` once under the name of its content; equal frames share a file."""
    folder = Settings().root / "snapshots" / problem
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".partial-{os.getpid()}.parquet"
    try:
        frame.to_parquet(partial, index=False)
        digest = _digest(partial)
        target = folder / f"{digest}.parquet"
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)  # on a full disk it would be what fills it
    return Snapshot(target, digest, len(frame))


def place(problem: str, sha256: str) -> Path:
    """Where the rows of this content lie, if they are here."""
    return Settings().root / "snapshots" / problem / f"{sha256}.parquet"


def keys(problem: str, sha256: str, column: str) -> pd.Series | None:
    """The row keys of a frozen snapshot, as the prediction log writes them; None where its file is gone."""
    path = place(problem, sha256)
    if not path.exists():
        return None
    _whole(path, sha256)
    return pd.read_parquet(path, columns=[column])[column].astype(str)


def joined(problem: str, sha256: str, frame: pd.DataFrame, *, key: str) -> pd.DataFrame:
    """The rows of a frozen snapshot and those of `frame`, each key once, in its newest form; refused where its file is gone."""
    path = place(problem, sha256)
    if not path.exists():
        raise PerennialError(
            f"snapshot {sha256[:12]} of {problem!r} is gone, and with it what the champion was trained on. Restore "
            f"{path}, or train a challenger anew."
        )
    before = load(Snapshot(path, sha256, 0))
    return pd.concat([before[~before[key].isin(frame[key])], frame], ignore_index=True)


def columns(problem: str, sha256: str, names: list[str]) -> pd.DataFrame | None:
    """Those of the columns `names` that a frozen snapshot has; None where its file is gone."""
    path = place(problem, sha256)
    if not sha256 or not path.exists():
        return None
    _whole(path, sha256)
    there = set(pq.read_schema(path).names)
    return pd.read_parquet(path, columns=[name for name in names if name in there])


def load(snapshot: Snapshot) -> pd.DataFrame:
    """The frozen rows; refused when the file is no longer what its name says."""
    _whole(snapshot.path, snapshot.sha256)
    return pd.read_parquet(snapshot.path)


def _whole(path: Path, sha256: str) -> None:
    if _digest(path) != sha256:
        raise PerennialError(
            f"snapshot {path} no longer hashes to its name: it was changed after it was frozen. "
            "Restore it from a backup, or retrain."
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        digest = sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
