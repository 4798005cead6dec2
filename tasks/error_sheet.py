"""Where do people write what is wrong with a model? A CSV by problem that any spreadsheet opens, and that no run overwrites."""

import csv
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast, get_args

from schemas.errors import PerennialError
from schemas.settings import Settings
from tasks.alone import alone
from tasks.mistakes import Line, State

__all__ = ["change", "read", "sheet_of"]

# People's own first. `state` is never empty and comes last: a line that was cut off is seen to be.
_OURS = ("label", "said", "loss", "suspect", "room", "automatic", "slices", "values", "experiment", "state")
_PEOPLES = ("key", "tag", "note")
_NUMBERS = ("loss", "suspect", "room")
# What a spreadsheet takes for a formula, or for a character that hides one. The apostrophe says that it is text.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


def sheet_of(problem: str) -> Path:
    return Settings().root / "errors" / f"{problem}.csv"


def read(problem: str) -> list[Line]:
    """The lines as people left them; none where there is no file. A file that was written half raises PerennialError."""
    path = sheet_of(problem)
    return _parsed(_text(path), path) if path.exists() else []


def change(problem: str, make: Callable[[list[Line]], Sequence[Line]]) -> Path:
    """Write what `make` makes of the lines, whole or not at all, one process at a time; what was there before stays beside
    it as PROBLEM.before.csv."""
    path = sheet_of(problem)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with alone(path):
        before = read(problem)
        after = list(make(before))
        if after == before:
            return path
        if path.exists():
            _replace(path.with_name(f"{path.stem}.before.csv"), path.read_bytes())
        _replace(path, _written(after).encode("utf-8-sig"))
    return path


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:  # as spreadsheets of the West write CSV
        return content.decode("cp1252", errors="replace")


def _written(lines: Sequence[Line]) -> str:
    extra = list(dict.fromkeys(name for line in lines for name in line.extra))
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([_safe(name) for name in (*_PEOPLES, *extra, *_OURS)])
    writer.writerows([_safe(cell) for cell in _cells(line, extra)] for line in lines)
    return out.getvalue()


def _cells(line: Line, extra: Sequence[str]) -> list[str]:
    own = {name: line.extra.get(name, "") for name in extra}
    numbers = ["" if value is None else repr(float(value)) for value in (line.loss, line.suspect, line.room)]
    ends = [line.label, line.said, *numbers, _joined(line.automatic), _joined(line.slices), line.values]
    return [line.key, _joined(line.tags), line.note, *own.values(), *ends, line.experiment, line.state]


def _parsed(text: str, path: Path) -> list[Line]:
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    try:
        table = [[_meant(cell) for cell in cells] for cells in reader if cells]
    except csv.Error as error:
        raise _broken(path, reader.line_num, str(error)) from error
    heads = table[0] if table else []
    lacking = [name for name in (*_PEOPLES, "state") if name not in heads]
    if lacking:
        raise _broken(path, 1, f"it has no column {', '.join(lacking)}")
    for place, cells in enumerate(table[1:], start=2):
        if len(cells) != len(heads):
            raise _broken(path, place, f"it has {len(cells)} cells, and the first line has {len(heads)}")
    return [_line(dict(zip(heads, cells, strict=True)), path, k) for k, cells in enumerate(table[1:], start=2)]


def _line(cells: dict[str, str], path: Path, place: int) -> Line:
    state = cells["state"] or "unlisted"
    if state not in get_args(State):
        raise _broken(path, place, f"its state is {state!r}, and may be {', '.join(get_args(State))}")
    try:
        loss, suspect, room = (float(cells[name]) if cells.get(name) else None for name in _NUMBERS)
    except ValueError as error:
        raise _broken(path, place, str(error)) from error
    return Line(
        key=cells["key"],
        tags=_split(cells["tag"]),
        note=cells["note"],
        label=cells.get("label", ""),
        said=cells.get("said", ""),
        loss=loss,
        suspect=suspect,
        room=room or 0.0,
        automatic=_split(cells.get("automatic", "")),
        slices=_split(cells.get("slices", "")),
        values=cells.get("values", ""),
        experiment=cells.get("experiment", ""),
        state=cast(State, state),
        extra={name: cell for name, cell in cells.items() if name not in (*_PEOPLES, *_OURS)},
    )


def _broken(path: Path, place: int, why: str) -> PerennialError:
    return PerennialError(
        f"the error sheet {path} cannot be read at line {place}: {why}. Mend it, or bring {path.stem}.before.csv back; "
        "it is not written to meanwhile, so that no tag is lost."
    )


def _joined(names: Sequence[str]) -> str:
    return "; ".join(" ".join(name.replace(";", ",").split()) for name in names)


def _split(cell: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in (" ".join(part.split()) for part in cell.split(";")) if name))


def _safe(cell: str) -> str:
    """A cell that no spreadsheet computes.

    >>> _safe("=HYPERLINK(1)"), _safe("amount"), _meant(_safe("'quoted"))
    ("'=HYPERLINK(1)", 'amount', "'quoted")
    """
    return f"'{cell}" if cell.startswith(_FORMULAS) else cell


def _meant(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULAS) else cell
