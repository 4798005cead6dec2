"""Is a machine that is not what the lock says seen, and a store that is away?"""

import http.server
import sqlite3
import sys
import threading
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from tasks import environment
from tasks.database import unreachable


def lock(folder: Path, text: str) -> Path:
    path = folder / "requirements.lock"
    path.write_text(text)
    return path


def test_the_environment_the_tests_run_in_is_the_locked_one(home):
    found = environment.look()
    assert found.python == sys.version_info[:2]
    assert not found.unlocked
    assert (found.switches, found.writable) == ((), True)
    assert found.free_gb > 0


def test_a_version_that_the_lock_does_not_name_is_named(home, tmp_path):
    pandas, numpy = metadata.version("pandas"), metadata.version("numpy")
    text = f"pandas==0.1 \\\n    --hash=sha256:ab\nnumpy=={numpy} ; python_version < '3.12'\nnumpy==0.1 ; python_version >= '3.12'\nnot-there==1.0\n"
    found = environment.look(lock=lock(tmp_path, text))
    assert found.differing == (("pandas", pandas, "0.1"),)


def test_a_missing_lock_is_said_and_nothing_differs_from_it(home, tmp_path):
    found = environment.look(lock=tmp_path / "none.lock")
    assert found.unlocked
    assert found.differing == ()


@pytest.mark.parametrize(
    "name, value, off",
    [
        ("PANDERA_VALIDATION_ENABLED", "False", True),
        ("PANDERA_VALIDATION_ENABLED", "0", True),
        ("PANDERA_VALIDATION_ENABLED", "True", False),
        ("PANDERA_VALIDATION_DEPTH", "SCHEMA_ONLY", True),
        ("PANDERA_VALIDATION_DEPTH", "SCHEMA_AND_DATA", False),
    ],
)
def test_what_switches_contracts_off_is_named(home, monkeypatch, name, value, off):
    monkeypatch.setenv(name, value)
    assert environment.look().switches == ((f"{name}={value}",) if off else ())


def test_a_folder_that_is_a_file_cannot_be_written_to(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "file"))
    assert not environment.look().writable


def test_a_folder_that_is_yet_to_be_made_is_not_made(tmp_path, monkeypatch):
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "a" / "b"))
    assert environment.look().writable
    assert not (tmp_path / "a").exists()


@pytest.fixture
def server() -> Iterator[tuple[str, list[int]]]:
    """A server on a free port, that answers with the status it is told."""
    status = [200]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status[0])
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}", status
        made.shutdown()
        thread.join()


@pytest.mark.parametrize("status, there", [(200, True), (401, True), (503, False)])
def test_a_tracking_server_is_there_when_it_answers(server, status, there):
    url, answers = server
    answers[0] = status
    assert (environment.answers(url) == "") is there


def test_a_tracking_server_that_is_away_is_named_without_its_password():
    said = environment.answers("http://me:secret@127.0.0.1:1")
    assert "127.0.0.1" in said
    assert "secret" not in said


def test_a_database_that_is_yet_to_be_made_is_not_made(tmp_path):
    assert unreachable(f"sqlite:///{tmp_path / 'ledger.db'}") == ""
    assert not (tmp_path / "ledger.db").exists()


def test_a_database_is_reachable_where_it_opens(tmp_path):
    path = tmp_path / "ledger.db"
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE t (x)")
    made.close()
    assert unreachable(f"sqlite:///{path}") == ""


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "ledger.db"
    path.write_text("this is no database at all, and long enough to be read as a page" * 50)
    assert "DatabaseError" in unreachable(f"sqlite:///{path}")


@pytest.mark.parametrize("url", ["postgresql://me:secret@127.0.0.1:1/x", "no address", "oracle+none://me:secret@x/y"])
def test_a_database_that_is_away_is_named_without_its_password(url):
    said = unreachable(url)
    assert said
    assert "secret" not in said


def test_a_postgresql_that_runs_is_reachable(postgres_url):
    assert unreachable(postgres_url) == ""
