"""From a table to a problem: profile, guess, write, and remember where the table is."""

import ast
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from flows.guessing import propose
from schemas.errors import PerennialError
from schemas.settings import Settings
from tasks import draft
from tasks.guesses.facts import Hints
from tasks.guesses.proposal import Proposal

__all__ = ["Drafted", "ExistingProblemError", "draft_problem"]


class ExistingProblemError(PerennialError, FileExistsError):
    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is there already, and somebody may have edited it. Take another NAME=, or overwrite it: FORCE=1"
        )


@dataclass(frozen=True)
class Drafted:
    path: Path
    proposal: Proposal
    summary: str


def draft_problem(
    name: str,
    data: str,
    *,
    table: str | None = None,
    hints: Hints | None = None,
    folder: Path | None = None,
    overwrite: bool = False,
) -> Drafted:
    """Write schemas/problems/NAME.py from the table at `data`, and link the table to where the problem reads it."""
    if not (name.isidentifier() and name.islower() and name.isascii() and len(name) <= 60) or name.startswith("_"):
        raise PerennialError(
            f"NAME={name} names no problem: take lower-case letters, digits and underscores, at most 60."
        )
    path = (folder or Path(__file__).parents[1] / "schemas" / "problems") / f"{name}.py"
    if path.exists() and not overwrite:
        raise ExistingProblemError(path)
    location, url = _location(name, data, table)
    found = propose(name, data, location=location, url=url, table=table, hints=hints or Hints())
    text = _formatted(draft.written(found))
    ast.parse(text)
    path.write_text(text, encoding="utf-8")
    _link(name, data)
    return Drafted(path, found, draft.summary(found, path))


def _location(name: str, data: str, table: str | None) -> tuple[str, str | None]:
    """Where the problem will find the table: in the data folder, or in the database, whose password stays out of the file."""
    if "://" in data:
        parts = urlsplit(data)
        user, _, host = parts.netloc.rpartition("@")
        secret = f":${{{name.upper()}_PASSWORD}}" if ":" in user else ""
        login = f"{user.split(':')[0]}{secret}@" if user else ""
        return str(table), urlunsplit(parts._replace(netloc=login + host))
    path = Path(data).absolute()
    if path.is_file():
        return f"{name}/{path.name}", None
    # A folder that is itself a pattern cannot be linked.
    return (str(path) if any(sign in str(path.parent) for sign in "*?[") else f"{name}/files/{path.name}"), None


def _link(name: str, data: str) -> None:
    """The file, or the folder of a glob, linked into the data folder: no copy, and new files of a glob are found."""
    path, folder = Path(data).absolute(), Settings().data / name
    if "://" in data or any(sign in str(path.parent) for sign in "*?["):
        return
    link = folder / (path.name if path.is_file() else "files")
    folder.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to((path if path.is_file() else path.parent).resolve())


def _formatted(text: str) -> str:
    """As the project's formatter writes it, where it is installed."""
    ruff = Path(sys.executable).with_name("ruff")
    command = str(ruff) if ruff.exists() else shutil.which("ruff")
    if command is None:
        return text
    done = subprocess.run(  # noqa: S603  (the project's own formatter)
        [command, "format", "--line-length", "120", "-"], input=text, capture_output=True, text=True, check=False
    )
    return done.stdout if done.returncode == 0 else text
