"""Can anything be kept where PERENNIAL_HOME says? One sentence where it cannot, whoever meets it first."""

import errno
import os
import shutil
from pathlib import Path
from tempfile import mkdtemp

from schemas.errors import PerennialError
from schemas.settings import Settings

__all__ = ["makeable", "why_not"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # of the disk, of a quota, of a limit set for the process
_LITTLE = 1 << 18  # bytes: less room than this is none for a row of the log with its pages


def makeable() -> None:
    """Refuse a home that is not there and cannot be made. One that may only be read is let pass: to look is no crime."""
    if not Settings().root.is_dir() and (why := why_not()):
        raise PerennialError(why)


def why_not() -> str:
    """Why nothing can be kept there; empty where something can. It is tried: root may do what permissions deny, and no
    permission helps on a disk that is full or mounted to be read."""
    root = Settings().root
    try:
        _try(_nearest(root))
    except OSError as error:
        if error.errno in _FULL:
            return (
                f"the disk that holds {root} is full ({error.strerror}). Free some of it (make archive moves old rows of the "
                "log away; logs/, cache/ and .partial- files may be deleted while nothing runs) or enlarge it. What was not "
                "written whole counts for nothing: the next run goes on from the ledger's newest row."
            )
        named = (
            "PERENNIAL_HOME names it" if "PERENNIAL_HOME" in map(str.upper, os.environ) else "PERENNIAL_HOME is not set"
        )
        return (
            f"nothing can be kept in {root} ({error.strerror}); {named}. Set PERENNIAL_HOME to a folder that you may write to, "
            "or make this one so."
        )
    return ""


def _try(folder: Path) -> None:
    """A folder is made where not even a small file finds room: both are tried."""
    tried = Path(mkdtemp(dir=folder, prefix=".tried-"))
    try:
        with (tried / "file").open("wb") as file:
            file.write(bytes(_LITTLE))
            file.flush()
            os.fsync(file.fileno())
    finally:
        shutil.rmtree(tried, ignore_errors=True)


def _nearest(path: Path) -> Path:
    """The path, or what there is of it: it would be made in there."""
    return next(one for one in (path, *path.parents) if os.path.lexists(one))
