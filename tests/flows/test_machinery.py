"""What does a turn do when the disk is full, or the database goes away, in the middle of it? It says so, and the next goes on."""

import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module

import pytest

from flows.border import exit_code
from flows.machine import MachineError, in_one_sentence
from flows.replay import plain_turn
from schemas.stage import Stage
from tasks import database, ledger
from tests import disk
from tests.flows import made
from tests.proofs.faults import story
from tests.tasks import postgres

NAME, BEGIN = made.PROBLEM.name, made.START + 38 * made.DAY
DAYS = (
    0,
    1,
    7,
    8,
)  # a baseline serves, a challenger is wanted, it is trained once there are rows, it scores in the shadow


@pytest.fixture(scope="module", autouse=True)
def problem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with made.added(made.PROBLEM, tmp_path_factory.mktemp("problems")):
        yield


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What is left of the turns when nothing happens."""
    home = tmp_path_factory.mktemp("undisturbed")
    made.settle(home, made.PROBLEM, made.readings(days=50))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(home))
        live()
        assert ledger.state_of(NAME).stage is Stage.SHADOW
        told = story()
        database.close_databases()
    return told


def live() -> None:
    """Take the turns that are yet to be taken, each at its moment."""
    for day in DAYS:
        state = ledger.state_of(NAME)
        if state.turned is None or state.turned < BEGIN + day * made.DAY:
            with in_one_sentence():
                plain_turn(NAME, BEGIN + day * made.DAY)


def at(monkeypatch: pytest.MonkeyPatch, border: str, stage: Stage, do: Callable[[], object]) -> None:
    """Do it once, before the first call of that function in a turn of that stage."""
    module, _, name = border.rpartition(".")
    real, done = getattr(import_module(module), name), []

    def watched(*args, **named):
        if not done and ledger.state_of(NAME).stage is stage:
            done.append(name)
            do()
        return real(*args, **named)

    monkeypatch.setattr(import_module(module), name, watched)


WRITES = [
    ("tasks.snapshots.freeze", Stage.RETRAIN),
    ("tasks.ledger.append", Stage.RETRAIN),
    ("tasks.predictions.log", Stage.SHADOW),
]


@pytest.mark.skipif(not disk.available(), reason="only root may mount a small disk")
def test_a_disk_that_is_full_is_said_and_with_room_again_the_same_ledger_follows(undisturbed, tmp_path, monkeypatch):
    with disk.small(tmp_path / "disk", megabytes=40) as small:
        made.settle(small / "home", made.PROBLEM, made.readings(days=50))
        monkeypatch.setenv("PERENNIAL_HOME", str(small / "home"))
        for border, stage in WRITES:
            with monkeypatch.context() as once:
                at(once, border, stage, lambda: disk.full(small))
                with pytest.raises(MachineError, match=r"the disk that holds .* is full.*Free some of it"):
                    live()
            (small / "filler").unlink()
            assert ledger.state_of(NAME).stage is stage
            assert not [*small.rglob(".partial*")], "half a file fills the disk for good"
        live()
        assert story() == undisturbed
        database.close_databases()


@pytest.mark.skipif(not postgres.available, reason="PostgreSQL is not installed here")
def test_a_database_that_goes_away_in_a_turn_is_named_and_back_again_the_same_ledger_follows(
    undisturbed, tmp_path, monkeypatch
):
    made.settle(tmp_path / "home", made.PROBLEM, made.readings(days=50))
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    with postgres.running() as url:
        for name in ("LEDGER", "LOG"):
            monkeypatch.setenv(f"PERENNIAL_{name}_URL", url)
        for border, stage in WRITES:
            with monkeypatch.context() as once:
                gone = postgres.away(url)
                at(once, border, stage, gone.__enter__)
                with pytest.raises(MachineError, match=r"a database is away, ledger and prediction log: .*127.0.0.1"):
                    live()
            gone.__exit__(None, None, None)
            assert ledger.state_of(NAME).stage is stage
        live()
        assert story() == undisturbed
        database.close_databases()


@pytest.mark.skipif(not postgres.available, reason="PostgreSQL is not installed here")
def test_a_postgresql_says_the_time_and_a_turn_believes_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    with postgres.running() as url:
        monkeypatch.setenv("PERENNIAL_LEDGER_URL", url)
        from flows.clock import present

        assert abs(ledger.clock() - present()).total_seconds() < 60
        database.close_databases()


@pytest.mark.skipif(not disk.available(), reason="only root may mount a small disk")
@pytest.mark.parametrize("which", ["PERENNIAL_HOME", "TMPDIR"])
def test_a_command_says_which_disk_is_full_and_what_may_go(tmp_path, monkeypatch, capsys, which):
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    with disk.small(tmp_path / "disk", megabytes=1) as small:
        if which == "TMPDIR":  # as it was found when there was room
            monkeypatch.setattr(tempfile, "tempdir", str(small))
        else:
            monkeypatch.setenv(which, str(small))
        disk.full(small)

        def ends() -> None:
            raise RuntimeError("MLflow's own") from OSError(28, "No space left on device")

        assert exit_code(ends, stopped=str) == 1
        assert f"perennial: the disk that holds {small} is full" in capsys.readouterr().err
        (small / "filler").unlink()
        with pytest.raises(RuntimeError):  # there is room again: it was something else
            exit_code(ends, stopped=str)
