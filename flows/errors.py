"""Which mistakes does the newest model make, and what did people say of them? The error sheet of a problem, renewed and read."""

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from pathlib import Path

from schemas.diagnosis import Diagnosis
from schemas.errors import PerennialError
from schemas.problem import load_problem
from tasks import error_sheet, mistakes
from tasks.mistakes import Kind, Usual

__all__ = ["add_tag", "data", "lines", "renew"]

_SHOWN = 12
_BY = {"people": "People's tags", "us": "What we see by ourselves", "slice": "Slices"}


def renew(
    diagnosis: Diagnosis, *, judged: int, right: Collection[str] = (), usual: Mapping[str, Usual] | None = None
) -> Path:
    """Bring the diagnosis' wrong rows into the sheet: tags and notes stay, rows that are `right` now are marked. `judged`
    counts the judged rows of the experiment, and `usual` is what is usual of the features that may be shown."""
    make = partial(
        mistakes.merged,
        wrong=diagnosis.wrong,
        judged=judged,
        experiment=diagnosis.experiment,
        right=right,
        usual=usual,
    )
    return error_sheet.change(diagnosis.problem, make)


def add_tag(problem: str, key: str, tag: str) -> Path:
    """One tag more; a key that is not in the sheet raises PerennialError."""
    name, tag = load_problem(problem).name, tag.replace(";", ",").strip()
    if not tag:
        raise PerennialError("a tag is a word or two, and this one is empty: say --tag KEY TAG")
    try:
        return error_sheet.change(name, partial(mistakes.with_tag, key=key, tag=tag))
    except KeyError:
        where = error_sheet.sheet_of(name)
        raise PerennialError(f"no row with key {key!r} is in {where}; keys are in its first column") from None


def lines(problem: str) -> Iterator[str]:
    """The tally for a terminal, and where people write."""
    name = load_problem(problem).name
    path, sheet = error_sheet.sheet_of(name), error_sheet.read(name)
    if not sheet:
        yield f"no wrong row of {name} is known yet: the sheet comes with its first diagnosis, at {path}"
        return
    states = [line.state for line in sheet]
    tagged = sum(bool(line.tags) for line in sheet)
    yield f"{name}: {states.count('wrong')} rows are wrong now, {states.count('right')} are right again, {tagged} are tagged"
    kinds = mistakes.tally(sheet)
    for by, title in _BY.items():
        found = [kind for kind in kinds if kind.by == by]
        if found:
            yield ""
            yield f"{title:<44} {'wrong':>6} {'right':>6} {'room':>10}"
            yield from (_said(kind) for kind in found[:_SHOWN])
    yield ""
    yield "room: by how much the mean loss of the judged rows would fall if the listed rows of a kind cost nothing"
    yield f"tag rows in {path}, in the column tag; several go apart by ;"


def _said(kind: Kind) -> str:
    name = " ".join("".join(c if c.isprintable() else " " for c in kind.name).split())
    return f"  {name[:42]:<42} {kind.wrong:>6} {kind.right:>6} {kind.room:>10.5f}"


def data(problem: str) -> dict[str, object]:
    """The same for scripts."""
    kinds = mistakes.tally(error_sheet.read(problem))
    return {
        "sheet": str(error_sheet.sheet_of(problem)),
        "kinds": [{"name": k.name, "by": k.by, "wrong": k.wrong, "right": k.right, "room": k.room} for k in kinds],
    }
