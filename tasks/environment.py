"""Is this machine what the lock says it is, and can it be written to?"""

import http.client
import os
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from schemas.settings import Settings
from tasks.advice.facts import Environment

__all__ = ["answers", "look"]

_LOCK = Path(__file__).parents[1] / "requirements.lock"
_OFF = {
    "PANDERA_VALIDATION_ENABLED": {"false", "0", "no", "off"},
    "PANDERA_VALIDATION_DEPTH": {"schema_only"},
}


def look(*, lock: Path = _LOCK) -> Environment:
    """Python, the versions that differ from the lock, what switches contracts off, and the folder everything is kept in."""
    home = Settings().root
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    return Environment(
        python=sys.version_info[:2],
        differing=tuple(_differing(lock)),
        unlocked=not lock.exists(),
        switches=tuple(f"{name}={os.environ[name]}" for name in _OFF if os.environ.get(name, "").lower() in _OFF[name]),
        home=str(home),
        writable=there.is_dir() and os.access(there, os.W_OK | os.X_OK),
        free_gb=shutil.disk_usage(there).free / 2**30,
    )


def answers(url: str, *, path: str = "/health") -> str:
    """Why nothing answers at an http address; empty where something does."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=3)
        connection.request("GET", parts.path.rstrip("/") + path)
        status = connection.getresponse().status
        connection.close()
    except (OSError, http.client.HTTPException) as error:
        return f"nothing answers at {parts.scheme}://{parts.hostname} ({type(error).__name__})"
    return f"{parts.scheme}://{parts.hostname} answers {status}" if status >= 500 else ""


def _differing(lock: Path) -> Iterator[tuple[str, str, str]]:
    """Installed packages whose version is none that the lock names: a lock for several Pythons may name more than one."""
    if not lock.exists():
        return
    locked: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", lock.read_text(), re.MULTILINE):
        locked.setdefault(name, []).append(version)
    for name, versions in locked.items():
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # for another platform, or an extra that nobody asked for
        if installed not in versions:
            yield name, installed, " or ".join(versions)
