"""One home and one gateway for the tests that only ask; a copy of the home for those that change it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployments.gateway.running import Running, copied, gateway, made_home


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a champion and a challenger in shadow. Copy it before anything changes it."""
    return made_home(tmp_path_factory.mktemp("gateway") / "home")


@pytest.fixture
def own_home(made: Path, tmp_path: Path) -> Path:
    return copied(made, tmp_path / "home")


@pytest.fixture(scope="session")
def served(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway that no test ends."""
    folder = tmp_path_factory.mktemp("served")
    with gateway(copied(made, folder / "home"), folder) as running:
        yield running
