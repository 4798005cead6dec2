"""Do settings say what the environment says at the moment they are asked for, and are they parsed once until it changes?"""

import pytest
from pydantic import ValidationError

from schemas.errors import PerennialError
from schemas.settings import Settings


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch):
    for name in ("PERENNIAL_HOME", "PERENNIAL_SEED", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", ["PERENNIAL_SEED", "perennial_seed"])
def test_what_changes_in_the_environment_is_seen_at_once_and_gone_again(monkeypatch, name):
    before = Settings().seed
    monkeypatch.setenv(name, str(before + 1))
    assert Settings().seed == before + 1
    monkeypatch.delenv(name)
    assert Settings().seed == before


def test_a_vendors_own_name_is_read_too(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example")
    assert Settings().mlflow == "http://mlflow.example"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert Settings().mlflow.startswith("sqlite")


def test_one_environment_is_parsed_once_and_nobody_may_change_what_all_share(monkeypatch):
    settings = Settings()
    monkeypatch.setenv("OF_SOMEBODY_ELSE", "1")
    assert Settings() is settings
    with pytest.raises(ValidationError, match="frozen"):
        settings.seed = 8


def test_what_is_wrong_is_refused_each_time_it_is_asked_for(monkeypatch):
    monkeypatch.setenv("PERENNIAL_SEED", "seven")
    for _ in range(2):
        with pytest.raises(PerennialError, match="PERENNIAL_SEED is 'seven', and should be a valid integer"):
            Settings()


def test_nobody_is_shown_a_secret_that_stands_in_the_wrong_place(monkeypatch):
    monkeypatch.setenv("PERENNIAL_THREADS", "postgresql://ada:hunter2@db/perennial")
    with pytest.raises(PerennialError, match="PERENNIAL_THREADS is a value that is not shown") as error:
        Settings()
    assert "hunter2" not in str(error.value)


def test_every_field_is_read_under_a_name_that_is_looked_at(monkeypatch):
    """A field with an alias of its own would otherwise be parsed once and never again."""
    for name, field in Settings.model_fields.items():
        alias = str(field.validation_alias or f"PERENNIAL_{name}".upper())
        assert alias.startswith(("PERENNIAL_", "MLFLOW_TRACKING_URI"))
