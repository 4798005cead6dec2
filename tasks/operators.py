"""Who is behind an operator's token? A file of names, each with the hash of its token; the tokens themselves are kept nowhere."""

import hmac
import json
import os
import re
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Any

from schemas.errors import PerennialError
from schemas.settings import Settings

__all__ = ["appoint", "dismiss", "named", "operators"]

_NAME = re.compile(r"[\w.@ -]{1,80}")


def operators() -> dict[str, str]:
    """sha256 of each operator's token, by name; empty where nobody was appointed."""
    file = _file()
    try:
        said: Any = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise PerennialError(
            f"{file} cannot be read ({type(error).__name__}), so nobody's token can be checked. It holds one JSON object of names "
            "and sha256 sums: restore it, or remove it and appoint operators anew (python -m flows operator NAME)."
        ) from None
    if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):
        raise PerennialError(f"{file} is no JSON object of names and sha256 sums: restore it, or remove it.")
    return said


def appoint(name: str) -> str:
    """A new token for `name`, said here once; one that they had before ends."""
    if not _NAME.fullmatch(name) or name != name.strip():
        raise PerennialError(
            f"{name!r} is no name of an operator: 1 to 80 letters, digits and any of . @ - _ and spaces between."
        )
    token = f"perennial-{secrets.token_urlsafe(32)}"
    _keep(operators() | {name: _hashed(token)})
    return token


def dismiss(name: str) -> None:
    """From now on the token of `name` proves nothing."""
    known = operators()
    if name not in known:
        raise PerennialError(f"{name!r} is no operator; known: {', '.join(sorted(known)) or 'nobody'}.")
    _keep({one: value for one, value in known.items() if one != name})


def named(token: str) -> str | None:
    """Whose token it is. All are compared, each in constant time, so that how long it takes tells nothing."""
    wanted, found = _hashed(token), None
    for name, value in operators().items():
        if hmac.compare_digest(value.encode(), wanted.encode()):
            found = name
    return found


def _keep(said: dict[str, str]) -> None:
    """Written whole or not at all, and read by its owner alone."""
    file = _file()
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as output:
        json.dump(said, output, indent=1, sort_keys=True)
    fresh.replace(file)


def _hashed(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _file() -> Path:
    return Settings().operators
