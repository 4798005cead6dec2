"""What did people say of the backlog? A JSON file a problem, to be edited by hand or by the commands and forms."""

import json
from collections.abc import Callable
from pathlib import Path

from schemas.errors import PerennialError
from schemas.refused import refused
from schemas.settings import Settings
from schemas.wishes import Wishes
from tasks.alone import alone
from tasks.figures import whole

__all__ = ["change", "file_of", "read", "write"]

_THEN = "Correct it, or remove it to begin without any."


def file_of(problem: str) -> str:
    """Where the file is, whether or not it is there yet."""
    return str(_path(problem))


def read(problem: str) -> Wishes:
    """The wishes of the file; none where there is no file. One that says no wishes is one clear error: a veto that is
    overlooked would cost a night."""
    path = _path(problem)
    try:
        said = json.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        return Wishes()
    except UnicodeDecodeError as error:
        why = f"it is no UTF-8: byte {error.start} is {error.object[error.start]:#04x}"
        raise PerennialError(
            f"{path} says no wishes: {why}. Save it as UTF-8, or remove it to begin without any."
        ) from None
    except json.JSONDecodeError as error:
        line = error.doc.splitlines()[error.lineno - 1].strip()[:80] if error.doc.strip() else ""
        raise PerennialError(
            f"{path} says no wishes: line {error.lineno}, column {error.colno}, {line!r}: {error.msg}. {_THEN}"
        ) from None
    with refused(str(path), _THEN, model=Wishes):
        return Wishes.model_validate(said)


def change(problem: str, make: Callable[[Wishes], Wishes]) -> str:
    """Write what `make` makes of the wishes, whole or not at all, one process at a time, and say where the file is."""
    path = _path(problem)
    path.parent.mkdir(parents=True, exist_ok=True)
    with alone(path):
        return write(problem, make(read(problem)))


def write(problem: str, wishes: Wishes) -> str:
    """Write the file, whole or not at all, whatever it said before, and say where it is."""
    text = json.dumps(wishes.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    return str(whole(_path(problem), text))


def _path(problem: str) -> Path:
    return Settings().root / "backlog" / f"{problem}.json"
