"""What did people say of the backlog? A JSON file a problem, to be edited by hand or by the commands and forms."""

import json

from pydantic import ValidationError

from schemas.errors import PerennialError
from schemas.settings import Settings
from schemas.wishes import Wishes
from tasks.figures import whole

__all__ = ["file_of", "read", "write"]


def file_of(problem: str) -> str:
    """Where the file is, whether or not it is there yet."""
    return str(Settings().root / "backlog" / f"{problem}.json")


def read(problem: str) -> Wishes:
    """The wishes of the file; none where there is no file. One that says no wishes is one clear error: a veto that is
    overlooked would cost a night."""
    path = Settings().root / "backlog" / f"{problem}.json"
    if not path.exists():
        return Wishes()
    try:
        return Wishes.model_validate(json.loads(path.read_text()))
    except json.JSONDecodeError as error:
        said = f"line {error.lineno}: {error.msg}"
    except ValidationError as error:
        first = error.errors()[0]
        said = f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}"
    raise PerennialError(f"{path} says no wishes ({said}). Correct it, or remove it to begin without any.")


def write(problem: str, wishes: Wishes) -> str:
    """Write the file, whole or not at all, and say where it is."""
    text = json.dumps(wishes.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    return str(whole(Settings().root / "backlog" / f"{problem}.json", text))
