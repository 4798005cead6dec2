"""How does work that is not a team's own touch nothing of theirs? The settings that say where things are kept, changed for a while."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import PerennialError
from schemas.settings import Settings
from tasks.database import close_databases

__all__ = ["home_at", "settings_as"]

# All that can lead out of PERENNIAL_HOME.
_PLACES = (
    "PERENNIAL_HOME",
    "PERENNIAL_DATABASE",
    "PERENNIAL_DATABASE_PASSWORD_FILE",
    "PERENNIAL_LEDGER_URL",
    "PERENNIAL_LOG_URL",
    "PERENNIAL_OPERATORS_FILE",
    "MLFLOW_TRACKING_URI",
)


@contextmanager
def settings_as(values: Mapping[str, str | None]) -> Iterator[None]:
    """Environment variables with these values meanwhile, None for unset; no database stays open from one to the other."""
    before = {name: os.environ.get(name) for name in values}
    close_databases()
    try:
        _set(values)
        yield
    finally:
        close_databases()
        _set(before)


@contextmanager
def home_at(folder: Path) -> Iterator[None]:
    """All that is kept is kept under `folder` meanwhile: ledger, log, registry and files."""
    with settings_as({**dict.fromkeys(_PLACES), "PERENNIAL_HOME": str(folder)}):
        settings, inside = Settings(), str(folder.expanduser().absolute())
        places = (settings.ledger, settings.log, settings.mlflow, settings.prefect_database, str(settings.operators))
        # A setting that this room has not heard of would write into what serves: rather nothing is done.
        if any(inside not in place for place in places):
            raise PerennialError(
                f"a setting leads out of {folder}, in which all of this is to be kept. Nothing was done."
            )
        yield


def _set(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
