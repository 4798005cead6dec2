"""Is what serves always what the ledger allows? A few of the random histories of tests/proofs/histories.py."""

import shutil

import pytest

from tests.proofs.histories import World, history
from tests.shared import mlflow_tables


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("histories")
        shutil.copy(mlflow_tables(), home / "mlflow.db")
        patch.setenv("PERENNIAL_HOME", str(home))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield World.made()


def test_whatever_is_promoted_raced_and_killed_one_gated_champion_serves(world):
    happened = [history(world, seed) for seed in range(12)]
    for what in ("promoted", "restored", "kills", "looks"):
        assert sum(one[what] for one in happened) > 0, f"no history {what} anything: they prove nothing"
