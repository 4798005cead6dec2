"""Is a log line JSON that says what it is about, and never a row's values?"""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import pytest
import yaml

from schemas.errors import PerennialError
from schemas.settings import Settings
from tasks import logs

ROOT = Path(__file__).parents[2]


@pytest.fixture
def log() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger of its own, and what it wrote."""
    written, logger = io.StringIO(), logging.getLogger("perennial.test_logs")
    handler = logging.StreamHandler(written)
    handler.setFormatter(logs.JsonLines())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield logger, written
    logger.removeHandler(handler)


def lines(written: io.StringIO | str) -> list[dict[str, str]]:
    text = written if isinstance(written, str) else written.getvalue()
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_says_time_level_logger_message_and_what_it_is_about(log):
    logger, written = log
    with logs.about(problem="fraud", stage="SHADOW"):
        logger.warning("%s waits: %s", "fraud", 'a "reason"\nof two lines')
    (line,) = lines(written)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "WARNING",
        "logger": "perennial.test_logs",
        "message": 'fraud waits: a "reason"\nof two lines',
        "problem": "fraud",
        "stage": "SHADOW",
    }


def test_what_is_within_adds_to_what_is_around_it_and_ends_with_it(log):
    logger, written = log
    with logs.about(problem="fraud"):
        with logs.about(stage="SHADOW", request=None):
            logger.info("within")
        logger.info("around")
    logger.info("after")
    known = [{name for name in line if name in ("problem", "stage", "request")} for line in lines(written)]
    assert known == [{"problem", "stage"}, {"problem"}, set()]


def test_a_line_of_its_own_goes_before_what_is_around_it(log):
    logger, written = log
    with logs.about(request="a"):
        logger.info("one", extra={"request": "b", "flow_run_name": "nightly"})
    (line,) = lines(written)
    assert (line["request"], line["run"]) == ("b", "nightly")


@pytest.mark.parametrize("error, says", [(ValueError, False), (PerennialError, True)])
def test_an_error_is_told_with_where_it_was_raised_and_a_librarys_text_never(log, error, says):
    """A library's message may quote the rows that it was given."""
    logger, written = log
    scope = {"__name__": "somebodys.library", "error": error}
    exec("def convert():\n    raise error('row 4711 is Smith')", scope)
    try:
        scope["convert"]()
    except error:
        logger.exception("the window could not be read")
    (line,) = lines(written)
    assert ("Smith" in written.getvalue()) is says
    assert line["error"].startswith(error.__name__)
    assert line["raised"][-1].endswith(":2 convert")


def test_a_thread_without_context_says_what_is_always_so_in_its_process(log):
    logger, written = log
    logger.handlers[0].formatter.always = {"problem": "fraud"}
    thread = Thread(target=logger.info, args=("beside",))
    thread.start()
    thread.join()
    assert lines(written)[0]["problem"] == "fraud"


def run(script: str, **env: str) -> str:
    """What a fresh process that may import Prefect writes to standard error."""
    keep = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, "-c", script], env=keep | env, check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout == ""
    return done.stderr


SCRIPT = """
import logging
import prefect.main
logging.getLogger("perennial").info("ours")
logging.getLogger("prefect.runner").info("Prefect's")
logging.getLogger("alembic").info("nobody asked")
"""


def test_prefect_in_whichever_process_logs_json_where_the_setting_says_so(home, monkeypatch):
    monkeypatch.setenv("PERENNIAL_LOGS", "json")
    said = lines(run(SCRIPT, **Settings().logging))
    assert [(line["logger"], line["message"]) for line in said] == [
        ("perennial", "ours"),
        ("prefect.runner", "Prefect's"),
    ]


def test_without_the_setting_prefect_logs_as_it_does(home):
    assert Settings().logging == {}


def test_our_logging_has_every_logger_and_handler_of_prefects_but_its_own_console():
    """A version of Prefect that adds one is seen here."""
    prefect = find_spec("prefect")  # found, and not imported
    theirs = yaml.safe_load((Path(prefect.origin).parent / "logging" / "logging.yml").read_text())
    ours = yaml.safe_load((ROOT / "flows" / "logging.yml").read_text())
    assert set(theirs["loggers"]) | {"perennial"} == set(ours["loggers"])
    assert set(theirs["handlers"]) - {"debug"} == set(ours["handlers"])
    for name, said in theirs["loggers"].items():
        mine = ours["loggers"][name]
        swapped = ["console" if handler == "debug" else handler for handler in said.get("handlers", [])]
        assert (mine["level"], mine.get("handlers", [])) == (said["level"], swapped), name


REFUSED = """
from tasks import logs
logs.begin("text")  # before Prefect is imported, as a command does
import logging
import prefect.main
from schemas.errors import PerennialError
logging.getLogger("prefect.flow_runs").handlers.clear()  # there is no run whose log it could be
for error in (PerennialError("a refusal of ours"), ValueError("a defect")):
    try:
        raise error
    except Exception:
        logging.getLogger("prefect.flow_runs").exception("it ended", extra={"flow_run_name": "fraud", "flow_name": "lifecycle"})
"""


def test_what_prefect_says_of_a_refusal_of_ours_is_a_sentence_and_of_a_defect_where_it_is(home):
    said = run(REFUSED)
    assert said.count("it ended") == 2
    assert said.count("Traceback") == 1
    assert "ValueError: a defect" in said
