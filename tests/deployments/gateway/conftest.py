"""One home and one gateway for the tests that only ask; a copy of the home for those that change it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployments.gateway.running import Running, copied, gateway, made_home
from tests.shared import mlflow_tables, once


@pytest.fixture(scope="session")
def made() -> Path:
    """A home with a champion and a challenger in shadow. Copy it before anything changes it."""

    def make(folder: Path) -> None:
        (folder / "home").mkdir()
        shutil.copy(mlflow_tables(), folder / "home" / "mlflow.db")
        made_home(folder / "home")

    return once("gateway", make) / "home"


@pytest.fixture
def own_home(made: Path, tmp_path: Path) -> Path:
    return copied(made, tmp_path / "home")


@pytest.fixture(scope="session")
def served(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway that no test ends."""
    folder = tmp_path_factory.mktemp("served")
    with gateway(copied(made, folder / "home"), folder) as running:
        yield running
