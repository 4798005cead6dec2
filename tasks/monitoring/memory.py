"""What does a problem's monitoring remember from one turn to the next? JSON by name, whole or not at all."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.settings import Settings

__all__ = ["recall", "remember", "written"]


def recall(problem: str, name: str) -> dict[str, Any] | None:
    """Something this problem's monitoring remembered under `name`."""
    path = _memory(problem, name)
    return json.loads(path.read_text()) if path.exists() else None


def remember(problem: str, name: str, content: Mapping[str, Any]) -> None:
    """Keep JSON under `name`, whole or not at all."""
    written(_memory(problem, name), json.dumps(content))


def written(path: Path, text: str) -> Path:
    """`path`, which holds `text` now: whoever reads it meanwhile finds what was there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
    return path


def _memory(problem: str, name: str) -> Path:
    return Settings().root / "profiles" / problem / f"{name}.json"
