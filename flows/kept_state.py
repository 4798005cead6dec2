"""What under PERENNIAL_HOME is state, to be kept, and what is made anew?"""

import os
from pathlib import Path, PurePath

from schemas.settings import Settings

__all__ = ["COPIED", "DATABASES", "HOME", "MADE_ANEW", "databases", "files", "is_spill"]

HOME, DATABASES = "home", "databases"  # the folders of a backup
MADE_ANEW = ("cache", "logs")  # copies of registered models, and what servers said
COPIED = ("sqlite:", "postgresql")


def databases() -> dict[str, str]:
    """Where each database is. The ledger comes first: it is what refers to all others."""
    settings = Settings()
    every = {
        "ledger": settings.ledger,
        "log": settings.log,
        "mlflow": settings.mlflow_database,
        "prefect": settings.prefect_database,
    }
    return {name: url for name, url in every.items() if url.startswith(COPIED)}


def files(root: Path) -> list[Path]:
    """All that is state, and no half-written file: ours begin with a dot until they are whole."""
    found = []
    for folder, folders, names in os.walk(root):
        inside = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if _is_state(inside / name)]
        linked = [name for name in folders if (Path(folder) / name).is_symlink()]
        found += [Path(folder) / name for name in (*names, *linked) if _is_state(inside / name)]
    return sorted(found)


def _is_state(path: PurePath) -> bool:
    made_anew = path.parts[0] in MADE_ANEW or (
        path.parts[0] == "gateway" and len(path.parts) > 2 and not is_spill(path)
    )
    half = path.name.startswith(".") or path.name.endswith((".partial", ".lock", "-wal", "-shm", "-journal"))
    return not (made_anew or half)


def is_spill(path: PurePath) -> bool:
    """Answers that a gateway keeps until the prediction log is back."""
    return path.parts[0] == "gateway" and path.parts[2:3] == ("spill",)
