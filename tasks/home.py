"""Can anything be kept where PERENNIAL_HOME says? One sentence where it cannot, whoever meets it first."""

import os
from pathlib import Path
from tempfile import mkdtemp

from schemas.errors import PerennialError
from schemas.settings import Settings

__all__ = ["makeable", "why_not"]


def makeable() -> None:
    """Refuse a home that is not there and cannot be made. One that may only be read is let pass: to look is no crime."""
    if not Settings().root.is_dir() and (why := why_not()):
        raise PerennialError(why)


def why_not() -> str:
    """Why nothing can be kept there; empty where something can. It is tried: root may do what permissions deny, and no
    permission helps on a disk that is full or mounted to be read."""
    root = Settings().root
    try:
        Path(mkdtemp(dir=_nearest(root), prefix=".tried-")).rmdir()
    except OSError as error:
        named = (
            "PERENNIAL_HOME names it" if "PERENNIAL_HOME" in map(str.upper, os.environ) else "PERENNIAL_HOME is not set"
        )
        return (
            f"nothing can be kept in {root} ({error.strerror}); {named}. Set PERENNIAL_HOME to a folder that you may write to, "
            "or make this one so."
        )
    return ""


def _nearest(path: Path) -> Path:
    """The path, or what there is of it: it would be made in there."""
    return next(one for one in (path, *path.parents) if os.path.lexists(one))
