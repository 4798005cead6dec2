"""Is what serves always what the ledger allows? A few of the random histories of tests/proofs/histories.py."""

import pytest

from tests.proofs.histories import World, history


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(tmp_path_factory.mktemp("histories")))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield World.made()


def test_whatever_is_promoted_raced_and_killed_one_gated_champion_serves(world):
    happened = [history(world, seed) for seed in range(12)]
    for what in ("promoted", "restored", "kills", "looks"):
        assert sum(one[what] for one in happened) > 0, f"no history {what} anything: they prove nothing"
