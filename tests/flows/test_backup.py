"""Does a backup bring back what it was taken of: while turns run, in another folder, and never if it was altered?"""

import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from deployments.__main__ import main
from flows import restoring
from flows.backup import backup
from flows.replay import plain_turn
from flows.restoring import restore
from schemas.errors import PerennialError
from schemas.problem import load_problem
from schemas.problems._fraud_simulator import START, payments
from schemas.settings import Settings
from tasks import bundles, database, dumps, ledger, registry, windows
from tests.tasks import postgres

FRAUD = load_problem("fraud")
Elsewhere = Callable[[], Path]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    """Move this test to a home that is not there yet, and put the one it leaves out of reach."""

    def move() -> Path:
        database.close_databases()
        left = Settings().root
        left.rename(left.with_name("lost"))
        home = tmp_path / "another home"
        monkeypatch.setenv("PERENNIAL_HOME", str(home))
        return home

    return move


def _all_that_the_ledger_names() -> set[str]:
    """Each model of each row is registered and is the file it was; each snapshot is there. Returns the models."""
    named = {
        model.sha256: model
        for row in ledger.rows("fraud")
        for role in ("champion", "challenger", "previous")
        if (model := getattr(row.state, role)) is not None
    }
    for model in named.values():
        registry.check(FRAUD, model)
        if model.snapshot:
            assert (Settings().root / "snapshots" / "fraud" / f"{model.snapshot}.parquet").exists()
    return set(named)


def test_after_a_turn_all_comes_back_into_another_folder(at, elsewhere, tmp_path):
    now = at("SHADOW")
    (Settings().root / "data" / "linked").symlink_to(tmp_path)
    heads = [row.hash for row in ledger.rows("fraud")]
    logged = _count(Settings().log, "predictions")
    files = _state(Settings().root)
    file = backup(tmp_path / "kept")
    assert file.stat().st_mode & 0o077 == 0, "it holds people's rows"
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    home = elsewhere()
    restored = restore(file)
    assert restored.rows == {"fraud": len(heads)}
    assert [row.hash for row in ledger.rows("fraud")] == heads
    assert _count(Settings().log, "predictions") == logged
    assert len(_all_that_the_ledger_names()) == 2
    assert _state(home) == {name: text for name, text in files.items() if name != "data/linked"}
    assert any("data/linked, a link to" in what for what in restored.missing)
    assert not any(path.name.startswith(".") for path in home.iterdir())
    plain_turn("fraud", now)  # and it goes on
    assert ledger.verify("fraud") > len(heads)


def _state(home: Path) -> dict[str, bytes]:
    """Every file that is no database, and is not made anew."""
    found = [
        path for path in home.rglob("*") if path.is_file() and path.relative_to(home).parts[0] not in ("cache", "logs")
    ]
    return {
        str(path.relative_to(home)): path.read_bytes()
        for path in found
        if ".db" not in path.name and not path.name.startswith(".") and not path.name.endswith(".lock")
    }


def _count(url: str, table: str) -> int:
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            return int(connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one())
    finally:
        engine.dispose()


def test_a_turn_in_the_middle_of_it_leaves_no_ledger_that_names_what_is_not_there(at, elsewhere, tmp_path, monkeypatch):
    """A retrain registers a challenger right after the first database was copied: whichever comes first, it is that one."""
    now = at("RETRAIN")
    before = ledger.verify("fraud")
    copied: list[str] = []
    dump = dumps.dump

    def then_a_turn(url: str, target: Path) -> None:
        dump(url, target)
        if not copied:
            plain_turn("fraud", now)
        copied.append(url)

    monkeypatch.setattr(dumps, "dump", then_a_turn)
    file = backup(tmp_path / "kept.tar.gz")
    assert len(copied) == 3
    assert ledger.verify("fraud") > before
    elsewhere()
    assert restore(file).rows == {"fraud": before}
    _all_that_the_ledger_names()
    plain_turn("fraud", now)  # the same turn finds what it has registered, and takes its step
    assert ledger.state_of("fraud").challenger is not None
    assert len(_all_that_the_ledger_names()) == 2


def test_a_turn_between_looking_at_the_ledger_and_copying_it_only_adds_a_row(at, elsewhere, tmp_path, monkeypatch):
    now = at("HEALTHY")
    seen: list[int] = []
    verify = ledger.verify

    def then_a_turn(problem: str) -> int:
        seen.append(verify(problem))
        if len(seen) == 1:
            plain_turn("fraud", now)
        return seen[-1]

    monkeypatch.setattr(ledger, "verify", then_a_turn)
    file = backup(tmp_path / "kept.tar.gz")
    elsewhere()
    restored = restore(file).rows["fraud"]
    assert restored > seen[0]


@pytest.fixture
def small(home: Path) -> Path:
    """A home with a ledger of one row and a few files, made in a moment."""
    root = Settings().root
    database.open_database(Settings().ledger, "ledger")
    (root / "snapshots" / "toy").mkdir(parents=True)
    (root / "snapshots" / "toy" / "rows.parquet").write_bytes(b"rows" * 1000)
    spill = root / "gateway" / "toy" / "spill"
    spill.mkdir(parents=True)
    (spill / "1-2.jsonl").write_text("an answer that was given, and is not in the log yet\n")
    (root / "gateway" / "toy" / "model.skops").write_bytes(b"a copy of what is registered")
    (root / "logs").mkdir()
    (root / "logs" / "prefect.log").write_text("chatter")
    with closing(sqlite3.connect(root / "own.db")) as own, own:
        own.execute("CREATE TABLE kept (x)")
        own.execute("INSERT INTO kept VALUES (7)")
    (root / "prefect").mkdir()
    with closing(sqlite3.connect(root / "prefect" / "prefect.db")) as runs, runs:
        runs.execute("PRAGMA journal_mode=WAL")
        runs.execute("CREATE TABLE flow_run (id)")
    return root


def _members(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def test_it_holds_state_and_not_what_is_made_anew(small, tmp_path):
    members = _members(backup(tmp_path / "kept.tar.gz"))
    manifest = json.loads(members[bundles.MANIFEST])
    held = {
        "databases/ledger",
        "databases/prefect",
        "home/gateway/toy/spill/1-2.jsonl",
        "home/own.db",
        "home/snapshots/toy/rows.parquet",
    }
    assert set(members) - {bundles.MANIFEST} == set(manifest["files"]) == held
    assert next(iter(members)).endswith("1-2.jsonl"), (
        "answers go from the spill to the log: copied after, one could be in none"
    )
    assert list(members)[1] == "databases/ledger"
    assert manifest["absent"] == []


def _altered(file: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    members = _members(file)
    change(members)
    target = file.with_name("altered.tar.gz")
    with tarfile.open(target, "w:gz") as tar:
        for name, said in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(said)
            tar.addfile(info, io.BytesIO(said))
    return target


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda m: m.update({"home/snapshots/toy/rows.parquet": b"rowz" * 1000}), "another content"),
        (lambda m: m.pop("home/snapshots/toy/rows.parquet"), "lacks 'home/snapshots"),
        (lambda m: m.update({"home/more": b"x"}), "adds 'home/more'"),
        (lambda m: m.pop(bundles.MANIFEST), "no manifest"),
        (lambda m: m.update({bundles.MANIFEST: b"[]"}), "no manifest"),
        (
            lambda m: m.update({bundles.MANIFEST: m[bundles.MANIFEST].replace(b'"format": 1', b'"format": 2')}),
            "format 2",
        ),
        (lambda m: m.update({"../escaped": b"x"}), "lies outside"),
        (lambda m: m.update({"/tmp/perennial-escaped": b"x"}), "adds 'tmp/"),
        (
            lambda m: m.update(
                {
                    bundles.MANIFEST: m[bundles.MANIFEST].replace(
                        b'"member": "databases/ledger"', b'"member": "../../own.db"'
                    )
                }
            ),
            "that it does not hold",
        ),
    ],
    ids=[
        "changed",
        "taken out",
        "added",
        "no manifest",
        "odd manifest",
        "format",
        "above",
        "absolute",
        "member elsewhere",
    ],
)
def test_one_that_was_altered_is_refused_and_nothing_is_touched(small, tmp_path, change, says):
    file = _altered(backup(tmp_path / "kept.tar.gz"), change)
    before = _state(small)
    with pytest.raises(PerennialError, match=says):
        restore(file, force=True)
    assert _state(small) == before
    assert not (small / restoring._STAGING).exists()
    assert not (tmp_path / "escaped").exists()
    assert not Path("/tmp/perennial-escaped").exists()


def test_a_link_in_it_is_refused(small, tmp_path):
    file = tmp_path / "link.tar.gz"
    with tarfile.open(file, "w:gz") as tar:
        info = tarfile.TarInfo("home")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(info)
    with pytest.raises(PerennialError, match="no plain file"):
        restore(file, force=True)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5])
def test_one_that_was_cut_short_is_refused(small, tmp_path, share):
    file = backup(tmp_path / "kept.tar.gz")
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(PerennialError, match="cannot be read as a backup"):
        restore(file, force=True)


def test_a_ledger_that_was_written_anew_does_not_take_the_place_of_the_true_one(at, tmp_path):
    """Whoever can write the file can write its hashes: the chain of the ledger and the row it was taken with still tell."""
    at("HEALTHY")
    file = backup(tmp_path / "kept.tar.gz")
    heads = [row.hash for row in ledger.rows("fraud")]

    def forge(members: dict[str, bytes]) -> None:
        (tmp_path / "forged").write_bytes(members["databases/ledger"])
        with closing(sqlite3.connect(tmp_path / "forged")) as forged, forged:
            forged.execute("UPDATE ledger SET facts = replace(facts, 'HEALTHY', 'SHADOW')")
        members["databases/ledger"] = (tmp_path / "forged").read_bytes()
        manifest = json.loads(members[bundles.MANIFEST])
        manifest["files"]["databases/ledger"]["sha256"] = bundles.hashlib.sha256(
            members["databases/ledger"]
        ).hexdigest()
        members[bundles.MANIFEST] = json.dumps(manifest).encode()

    with pytest.raises(ledger.BrokenLedgerError):
        restore(_altered(file, forge), force=True)
    assert [row.hash for row in ledger.rows("fraud")] == heads


def test_a_home_that_holds_something_is_replaced_only_when_asked(small, tmp_path, capsys):
    file = backup(tmp_path / "kept.tar.gz")
    (small / "snapshots" / "toy" / "later.parquet").write_bytes(b"later")
    (tmp_path / "tables").mkdir()
    (small / "data").mkdir()
    (small / "data" / "linked").symlink_to(tmp_path / "tables")
    (small / "gateway" / "toy" / "spill").rename(tmp_path / "moved")
    (small / "gateway" / "toy" / "spill").symlink_to(tmp_path / "moved")
    assert main(["restore", str(file)]) == 1
    assert "FORCE=1" in capsys.readouterr().err
    assert (small / "snapshots" / "toy" / "later.parquet").exists()
    assert main(["restore", str(file), "--force"]) == 0
    assert not (small / "snapshots" / "toy" / "later.parquet").exists()
    assert (small / "gateway" / "toy" / "spill" / "1-2.jsonl").exists()
    assert _count(Settings().prefect_database, "flow_run") == 0
    assert not (small / "gateway" / "toy" / "spill").is_symlink(), "nothing is written through a link"
    assert (small / "data" / "linked").readlink() == tmp_path / "tables"
    with closing(sqlite3.connect(small / "own.db")) as own:
        assert own.execute("SELECT x FROM kept").fetchall() == [(7,)]


def test_it_is_written_neither_over_another_nor_into_what_it_keeps(small, tmp_path):
    file = backup(tmp_path / "kept.tar.gz")
    with pytest.raises(PerennialError, match="is there already"):
        backup(file)
    with pytest.raises(PerennialError, match="lies in PERENNIAL_HOME"):
        backup(small / "backups")


def test_what_somebody_else_keeps_is_said(small, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@mlflow.example")
    manifest = json.loads(_members(backup(tmp_path / "kept.tar.gz"))[bundles.MANIFEST])
    assert "MLflow's runs and models: they are kept at mlflow.example" in manifest["absent"]


def test_nothing_is_no_backup(home, tmp_path):
    with pytest.raises(PerennialError, match="nothing to back up"):
        backup(tmp_path / "kept.tar.gz")


@pytest.mark.parametrize("how", ["error", "killed"])
def test_a_crash_in_the_middle_leaves_no_half_archive(small, tmp_path, how):
    """The process that writes it ends right after the first database: by an error, or by a signal that nobody catches."""
    target = tmp_path / "kept" / "backup.tar.gz"
    end = "raise OSError(28, 'disk full')" if how == "error" else f"os.kill(os.getpid(), {int(signal.SIGKILL)})"
    script = (
        "import os, pathlib\nfrom flows import backup\nfrom tasks import dumps\n"
        "first = dumps.dump\n"
        f"def dump(url, target):\n    first(url, target)\n    {end}\n"
        f"dumps.dump = dump\nbackup.backup(pathlib.Path({str(target)!r}))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, env=os.environ)
    assert done.returncode == (1 if how == "error" else -signal.SIGKILL), done.stderr.decode()
    assert not target.exists()
    left = [path for path in target.parent.iterdir() if not path.name.startswith(".")]
    assert left == []
    if how == "error":
        assert list(target.parent.iterdir()) == []
    assert backup(target) == target


# PostgreSQL


@pytest.fixture
def on_postgres(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if not postgres.available:
        pytest.skip("PostgreSQL is not installed here")
    with postgres.running(password="o p/e@n") as url:
        one = url.replace("+psycopg2://postgres@", "://postgres:o%20p%2Fe%40n@").removesuffix("/postgres")
        monkeypatch.setenv("PERENNIAL_DATABASE", f"{one}/perennial")
        yield one
        database.close_databases()


def test_the_same_of_postgresql_into_another_database_and_folder(on_postgres, elsewhere, tmp_path, monkeypatch, capsys):
    windows.materialise(FRAUD, payments(seed=7, days=100, per_day=100))
    for days in range(2):
        plain_turn("fraud", START + timedelta(days=85 + days))
    heads = [row.hash for row in ledger.rows("fraud")]
    logged = _count(Settings().log, "predictions")
    file = backup(tmp_path / "kept.tar.gz")
    assert {"databases/ledger", "databases/mlflow"} == {
        name for name in _members(file) if name.startswith("databases/")
    }
    elsewhere()
    monkeypatch.setenv("PERENNIAL_DATABASE", f"{on_postgres}/another")
    assert restore(file).rows == {"fraud": len(heads)}
    assert [row.hash for row in ledger.rows("fraud")] == heads
    assert _count(Settings().log, "predictions") == logged
    assert _all_that_the_ledger_names()

    # Again, over what is there: not without being told, and not beneath those who are connected.
    with pytest.raises(PerennialError, match="FORCE=1"):
        restore(file)
    with (
        database.open_database(Settings().ledger, "ledger").connect(),
        pytest.raises(PerennialError, match="connected"),
    ):
        restore(file, force=True)
    database.close_databases()
    _let_nobody_stay(on_postgres)
    with closing(sa.create_engine(Settings().ledger).raw_connection()) as later:
        later.cursor().execute("CREATE TABLE later (x int)")
        later.commit()
    database.close_databases()
    _let_nobody_stay(on_postgres)
    restore(file, force=True)
    with pytest.raises(sa.exc.ProgrammingError, match="later"):
        _count(Settings().ledger, "later")
    assert [row.hash for row in ledger.rows("fraud")] == heads


def _let_nobody_stay(server: str) -> None:
    """MLflow keeps its connections for as long as this process runs."""
    engine = sa.create_engine(f"{server}/postgres")
    with engine.connect() as connection:
        connection.execute(
            sa.text("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname LIKE 'another%'")
        )
    engine.dispose()


def test_a_backup_of_one_engine_is_refused_by_the_other(on_postgres, tmp_path, monkeypatch):
    database.open_database(Settings().ledger, "ledger")
    file = backup(tmp_path / "kept.tar.gz")
    database.close_databases()
    monkeypatch.delenv("PERENNIAL_DATABASE")
    with pytest.raises(PerennialError, match="is of postgresql, and the settings name sqlite; set PERENNIAL_DATABASE"):
        restore(file)
    assert not any(Settings().root.glob("*"))
