"""Does work in a home of its own reach nothing of a team's, whatever setting says where that is?"""

import os

import pytest

from schemas.errors import PerennialError
from schemas.settings import Settings
from tasks import elsewhere

OURS = {
    "PERENNIAL_HOME": "/team/home",
    "PERENNIAL_DATABASE": "postgresql://team@db.example/perennial",
    "PERENNIAL_DATABASE_PASSWORD_FILE": "/team/secret",
    "PERENNIAL_LEDGER_URL": "sqlite:////team/ledger.db",
    "PERENNIAL_LOG_URL": "sqlite:////team/log.db",
    "PERENNIAL_OPERATORS_FILE": "/team/operators.json",
    "MLFLOW_TRACKING_URI": "http://team.example:5000",
}


@pytest.mark.parametrize("name", OURS)
def test_every_setting_that_says_where_something_is_kept_is_out_of_reach(name, tmp_path, monkeypatch):
    for other in OURS:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, OURS[name])
    with elsewhere.home_at(tmp_path):
        settings = Settings()
        places = (settings.ledger, settings.log, settings.mlflow, settings.operators, settings.data, settings.artifacts)
        assert all(str(tmp_path) in str(place) for place in places)
    assert {other: os.environ[other] for other in OURS if other in os.environ} == {name: OURS[name]}


def test_a_setting_that_it_does_not_know_stops_all_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(elsewhere, "_PLACES", ("PERENNIAL_HOME",))
    monkeypatch.setenv("PERENNIAL_LEDGER_URL", OURS["PERENNIAL_LEDGER_URL"])
    with pytest.raises(PerennialError, match="leads out of"), elsewhere.home_at(tmp_path):
        raise AssertionError("it went on")
    assert os.environ["PERENNIAL_LEDGER_URL"] == OURS["PERENNIAL_LEDGER_URL"]


def test_settings_are_as_they_were_even_after_an_error(monkeypatch):
    monkeypatch.setenv("PERENNIAL_LEDGER_URL", "sqlite:///mine.db")
    monkeypatch.delenv("PERENNIAL_LOG_URL", raising=False)
    changed = {"PERENNIAL_LEDGER_URL": None, "PERENNIAL_LOG_URL": "sqlite:///other.db"}
    with pytest.raises(RuntimeError), elsewhere.settings_as(changed):
        assert "PERENNIAL_LEDGER_URL" not in os.environ
        assert os.environ["PERENNIAL_LOG_URL"] == "sqlite:///other.db"
        raise RuntimeError
    assert os.environ["PERENNIAL_LEDGER_URL"] == "sqlite:///mine.db"
    assert "PERENNIAL_LOG_URL" not in os.environ
