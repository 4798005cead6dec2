"""How is a part of a large request kept as a file? Whole or not at all, with what is to be known of it in its footer."""

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["digest", "notes_of", "put", "put_frame", "put_text", "read", "read_frame"]

_NOTES = b"perennial"


def put(path: Path, table: pa.Table, notes: Mapping[str, Any]) -> None:
    """Write `table`; what is there under this name afterwards is whole, and stays there when the power fails."""
    said = {**(table.schema.metadata or {}), _NOTES: json.dumps(notes, sort_keys=True).encode()}
    partial = _partial(path)
    pq.write_table(table.replace_schema_metadata(said), partial)
    _named(partial, path)


def put_frame(path: Path, frame: pd.DataFrame, notes: Mapping[str, Any]) -> None:
    """The same of a frame, whose dtypes come back as they are."""
    put(path, pa.Table.from_pandas(frame, preserve_index=False), notes)


def put_text(path: Path, text: str) -> None:
    partial = _partial(path)
    partial.write_text(text)
    _named(partial, path)


def read(path: Path) -> pa.Table:
    return pq.read_table(path)


def read_frame(path: Path) -> pd.DataFrame:
    return pq.read_table(path).to_pandas()


def notes_of(path: Path) -> dict[str, Any]:
    """What was noted of the part; its rows are not read."""
    said: dict[str, Any] = json.loads(pq.read_schema(path).metadata[_NOTES])
    return said


def digest(path: Path) -> str:
    """sha256 of the file's bytes."""
    with path.open("rb") as file:
        found = sha256()
        while chunk := file.read(1 << 20):
            found.update(chunk)
    return found.hexdigest()


def _partial(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    # A leading dot: whoever reads the folder as one table passes over it.
    return path.with_name(f".{path.name}.{os.getpid()}")


def _named(partial: Path, path: Path) -> None:
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
