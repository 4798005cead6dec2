"""Where do a command's figures go? One JSON file a command, for scripts and for later comparison; written whole."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.settings import Settings

__all__ = ["keep", "whole"]


def keep(command: str, figures: Mapping[str, Any]) -> Path:
    """Write `figures` to figures/COMMAND.json under our folder, whole or not at all."""
    return whole(Settings().root / "figures" / f"{command}.json", json.dumps(figures, indent=2) + "\n")


def whole(path: Path, text: str) -> Path:
    """Write `text`, whole or not at all, into a folder that is made where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text)
    partial.replace(path)
    return path
