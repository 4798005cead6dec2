"""Do settings say what the environment says at the moment they are asked for, and are they parsed once until it changes?"""

import os

import pytest
from pydantic import ValidationError

from schemas.errors import PerennialError
from schemas.settings import Settings


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch):
    for name in [n for n in os.environ if n.startswith("PERENNIAL_")] + ["MLFLOW_TRACKING_URI"]:
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


ONE = "postgresql://me@db.example:5433/perennial"


@pytest.mark.parametrize(
    "asked, url",
    [
        ("ledger", "postgresql+psycopg2://me@db.example:5433/perennial"),
        ("log", "postgresql+psycopg2://me@db.example:5433/perennial"),
        ("mlflow", "postgresql+psycopg2://me@db.example:5433/perennial_mlflow"),
        ("prefect_database", "postgresql+psycopg2://me@db.example:5433/perennial_prefect"),
    ],
)
def test_one_setting_moves_everything_and_without_it_all_is_sqlite(monkeypatch, asked, url):
    assert getattr(Settings(), asked).startswith("sqlite:///")
    monkeypatch.setenv("PERENNIAL_DATABASE", ONE)
    assert getattr(Settings(), asked) == url
    monkeypatch.setenv("PERENNIAL_DATABASE", "")
    assert getattr(Settings(), asked).startswith("sqlite:///")


def test_its_password_may_lie_in_a_file_and_may_hold_any_sign(monkeypatch, tmp_path):
    (tmp_path / "password").write_text("a/b@c:d\n")
    monkeypatch.setenv("PERENNIAL_DATABASE", f"{ONE}?sslmode=require")
    monkeypatch.setenv("PERENNIAL_DATABASE_PASSWORD_FILE", str(tmp_path / "password"))
    assert Settings().ledger == "postgresql+psycopg2://me:a%2Fb%40c%3Ad@db.example:5433/perennial?sslmode=require"
    monkeypatch.setenv("PERENNIAL_DATABASE_PASSWORD_FILE", str(tmp_path / "none"))
    with pytest.raises(PerennialError, match=r"PERENNIAL_DATABASE_PASSWORD_FILE names .*none"):
        _ = Settings().ledger


@pytest.mark.parametrize(
    "wrong, says",
    [
        ("sqlite:///hidden.db", "is not postgresql://"),
        ("mysql://me:hidden@db/perennial", "is not postgresql://"),
        ("postgresql://db/perennial?password=hidden", "is not postgresql://"),
        ("postgresql://me:hidden@db/", "is not postgresql://"),
        ("postgresql://me:hidden@db/Perennial", "lower-case"),
        ("postgresql://me:hidden@db/" + "p" * 51, "50 long"),
        ("postgresql://me@db/perennial?password=hidden", r"\?password=, which is not read"),
    ],
)
def test_a_database_that_is_none_is_refused_without_being_shown(monkeypatch, wrong, says):
    monkeypatch.setenv("PERENNIAL_DATABASE", wrong)
    with pytest.raises(PerennialError, match=says) as refused:
        Settings()
    assert "PERENNIAL_DATABASE" in str(refused.value)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("said, silent", [(None, True), ("false", True), ("true", False)])
def test_telemetry_is_off_until_the_one_switch_says_otherwise(monkeypatch, said, silent):
    if said is not None:
        monkeypatch.setenv("PERENNIAL_TELEMETRY", said)
    assert set(Settings().silence) == (
        {"DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY", "PREFECT_SERVER_ANALYTICS_ENABLED"} if silent else set()
    )
