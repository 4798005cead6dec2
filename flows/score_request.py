"""Which rows does a request of many rows ask for, and how are they frozen until each has its answer?"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from schemas.errors import PerennialError
from schemas.problem import Problem
from schemas.settings import Settings
from tasks import parts, windows
from tasks.request_file import Firsts, requests_in

__all__ = ["Asked", "Output", "RequestId", "Rows", "checked", "inputs_of", "refuse_unless_empty", "staged"]

PART_ROWS = 50_000  # some 30 MB of a file, and two seconds of a log that has one writer

RequestId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]


class Rows(BaseModel):
    """Which rows to score: those of a file, or of a window of the problem's table."""

    path: str | None = Field(
        default=None,
        title="File",
        description="CSV or Parquet with the columns of a request, where the flow runs. Empty for a window.",
    )
    since: datetime | None = Field(
        default=None, title="Since", description="Rows of the table from this moment on, with a zone. Empty for a file."
    )
    until: datetime | None = Field(
        default=None, title="Until", description="Rows before this moment, with a zone; not in the future."
    )


class Output(BaseModel):
    """Where the answers go."""

    folder: str | None = Field(
        default=None,
        title="Folder",
        description="An empty one, for Parquet parts and _manifest.json. Empty: scored/PROBLEM/REQUEST under PERENNIAL_HOME.",
    )
    part_rows: int = Field(
        default=PART_ROWS,
        ge=10,
        le=1_000_000,
        title="Rows of a part",
        description="So many are in memory at a time, and tried again together.",
    )


@dataclass(frozen=True)
class Asked:
    """Which rows to score, under which name, and where the output goes."""

    request: str
    since: datetime | None = None
    until: datetime | None = None
    path: Path | None = None
    output: Path | None = None
    part_rows: int = PART_ROWS

    def folder(self, problem: str) -> Path:
        return (self.output or Settings().root / "scored" / problem / self.request).expanduser().absolute()


def checked(asked: Asked) -> Asked:
    """One kind of rows, and moments that mean one thing."""
    try:
        TypeAdapter(RequestId).validate_python(asked.request)
    except ValidationError:
        raise PerennialError(
            f"{asked.request!r} is no request id: give 1 to 80 letters, digits, dots, dashes or underscores."
        ) from None
    if asked.path is not None and (asked.since or asked.until):
        raise PerennialError("a request has rows of a file or of a window: give a file, or since and until.")
    if asked.path is not None:
        return asked
    if asked.since is None or asked.until is None:
        raise PerennialError("a request says which rows: give a file, or since and until, both with a zone.")
    since, until = windows.aware(asked.since, "since"), windows.aware(asked.until, "until")
    if not since < until <= datetime.now(UTC):
        raise PerennialError(
            f"the window {since.isoformat()} to {until.isoformat()} holds no past: since is before until, and until is not "
            "in the future, whose requests nobody has made yet."
        )
    return replace(asked, since=since, until=until)


def inputs_of(problem: Problem, asked: Asked) -> dict[str, Any]:
    """What was asked, by content: a file by its bytes, wherever it lies."""
    if asked.path is None:
        assert asked.since is not None
        assert asked.until is not None
        rows = {"since": asked.since.isoformat(), "until": asked.until.isoformat()}
    elif asked.path.is_file():
        rows = {"file": parts.digest(asked.path)}
    else:
        raise PerennialError(f"there is no file {asked.path}. Give the path of a CSV or Parquet file of requests.")
    return {"file": None, "since": None, "until": None, **rows, "output": str(asked.folder(problem.name))}


def refuse_unless_empty(folder: Path) -> None:
    there = [path.name for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []
    if there or (folder.exists() and not folder.is_dir()):
        raise PerennialError(
            f"the output folder {folder} is not empty ({', '.join(sorted(there)[:3]) or 'it is a file'}): one folder holds the "
            "output of one request. Name another."
        )


def staged(problem: Problem, asked: Asked, folder: Path, inputs: dict[str, Any]) -> list[Path]:
    """The request's rows as files, a part each. They are frozen before the first is scored: a table that grows, or a file that
    is replaced, changes no part that is done again. They go when the request is finished."""
    plan = folder / "plan.json"
    if not plan.exists() or json.loads(plan.read_text())["inputs"] != inputs:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        # Staged before and lost since: parts may be cut otherwise now. What was answered stands in the log, and is told again.
        for part in asked.folder(problem.name).glob("part-*.parquet"):
            part.unlink()
        names = []
        for number, frame in enumerate(_frames(problem, asked)):
            names.append(f"rows-{number:05d}.parquet")
            parts.put_frame(folder / names[-1], frame, {"rows": len(frame)})
        if not names:
            what = asked.path or f"the window {asked.since} to {asked.until} of {problem.name!r}"
            raise PerennialError(f"{what} holds no row. Name one that does.")
        parts.put_text(plan, json.dumps({"inputs": inputs, "parts": names}))
    return [folder / name for name in json.loads(plan.read_text())["parts"]]


def _frames(problem: Problem, asked: Asked) -> Iterator[pd.DataFrame]:
    """The rows as each stood when it was requested, a part at a time."""
    rows = min(asked.part_rows, problem.data.frame_rows)
    if asked.path is not None:
        yield from requests_in(problem, asked.path, rows=rows)
        return
    assert asked.since is not None
    assert asked.until is not None
    firsts = Firsts(problem, windows.repeated(problem, asked.since, asked.until))
    for start, end in windows.slices(problem, asked.since, asked.until, at_most=rows):
        yield firsts.marked(windows.read_requests(problem, start, end))
