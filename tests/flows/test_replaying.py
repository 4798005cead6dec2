"""Does a replay that is started from a form leave the live loop alone, and go on where it was cut off?"""

from dataclasses import replace
from datetime import timedelta

import pytest

from flows.replaying import replay_history
from schemas.errors import PerennialError
from schemas.problems import fraud
from schemas.settings import Settings
from tasks import ledger


@pytest.fixture
def live(at, prefect_server, monkeypatch):
    at("HEALTHY")
    short = replace(fraud.PROBLEM.source, history=timedelta(days=90))
    monkeypatch.setattr(fraud, "PROBLEM", replace(fraud.PROBLEM, source=short))
    return Settings().root


def test_a_replay_writes_into_a_home_of_its_own(live):
    before = [row.hash for row in ledger.rows("fraud")]
    said = replay_history("fraud", days=12, name="autumn")
    assert said.endswith("served last")
    assert [row.hash for row in ledger.rows("fraud")] == before, "the live ledger was written to"
    assert Settings().root == live
    home = live / "replays" / "fraud" / "autumn"
    assert {"ledger.db", "mlflow.db", "data"} <= {path.name for path in home.iterdir()}
    size = (home / "ledger.db").stat().st_size
    assert replay_history("fraud", days=12, name="autumn") == said, "it was over: nothing was left to turn"
    assert (home / "ledger.db").stat().st_size == size


@pytest.mark.parametrize("name", ["", "../live", "Autumn", "a" * 41])
def test_a_name_that_is_no_folder_is_refused(live, name):
    with pytest.raises(PerennialError, match="is no name of a replay"):
        replay_history("fraud", name=name)
