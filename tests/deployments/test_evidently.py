"""Does Evidently's own UI show a problem's windows, to this machine alone and without calling home?"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from deployments.__main__ import main
from deployments.servers import free_port
from schemas.verdict import Outcome
from tasks.monitoring.workspace import project_of
from tests import loopback
from tests.tasks.reported import made, window


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that was started as people do, over a quiet window and an alarm."""
    home, port = tmp_path_factory.mktemp("ui"), free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(home))
        for week, outcome in enumerate((Outcome.PASS, Outcome.FAIL)):
            made(window(outcome, week=week, score=0.4), description="Which toys will move?")
    environment = {**os.environ, "PERENNIAL_HOME": str(home)}
    command = [sys.executable, "-m", "deployments", "evidently", "--port", str(port)]
    address = f"http://127.0.0.1:{port}"
    with (
        (home / "ui.log").open("w") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server,
    ):
        try:
            while server.poll() is None and not _answers(address):
                time.sleep(0.5)
            assert server.poll() is None, (home / "ui.log").read_text()
            yield address
        finally:
            server.terminate()


def _answers(address: str) -> bool:
    try:
        return loopback.get(f"{address}/api/projects", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def got(address: str, path: str) -> Any:
    answer = loopback.get(f"{address}{path}", timeout=30)
    assert answer.status_code == 200, answer.text[:300]
    return answer.json()


def test_a_problem_is_a_project_and_each_window_a_report_with_its_verdict(ui):
    (project,) = got(ui, "/api/projects")
    assert (project["name"], project["description"]) == ("toy", "Which toys will move?")
    found = {
        r["name"]: (r["tags"], r["metadata"]["verdict"]) for r in got(ui, f"/api/projects/{project['id']}/reports")
    }
    assert found == {
        "toy, 2024-03-04 to 2024-03-11: drift PASS": (["toy", "PASS"], "PASS"),
        "toy, 2024-03-11 to 2024-03-18: drift FAIL": (["toy", "FAIL"], "FAIL"),
    }


def test_a_report_opens_with_its_words_its_plots_and_its_tests(ui):
    project = project_of("toy")
    for report in got(ui, f"/api/projects/{project}/reports"):
        shown = loopback.get(f"{ui}/api/projects/{project}/{report['id']}/data", timeout=30).text
        assert report["metadata"]["reason"] in shown.lower()
        assert "What was judged" in shown
        assert "test_suite" in shown


def test_the_dashboard_has_every_name_as_one_line_through_the_windows(ui):
    project = project_of("toy")
    panels = got(ui, f"/api/v2/dashboards/{project}")["panels"]
    assert [panel["title"] for panel in panels][:2] == ["Verdict of each window", "Distance in units of its limit"]
    wanted = [
        {"tags": [], "metadata": {}, "metric_labels": {}, "metric": panel["values"][0]["metric"]}
        for panel in panels[:2]
    ]
    lines = loopback.post(
        f"{ui}/api/v2/snapshots/{project}/data_series_batch", json={"series_filter": wanted}, timeout=30
    )
    found = {line["params"].get("name", "verdict"): line["values"] for line in lines.json()["series"]}
    assert found == {
        "verdict": [0.0, 1.0],
        "far": [0.5, 2.5],
        "score": [2.0, 2.0],
        "near": [0.5, 0.5],
        "kind": [0.5, 0.5],
    }


def test_it_listens_on_this_machine_alone_unless_told(ui):
    with pytest.raises(httpx.TransportError):
        loopback.get(ui.replace("127.0.0.1", "127.0.0.2"), timeout=5)


def test_without_a_report_it_says_when_there_will_be_one(home, capsys):
    assert main(["evidently"]) == 1
    assert "the first is made by the turn that closes a monitoring window" in capsys.readouterr().err
    assert os.environ["DO_NOT_TRACK"] == "true", "its service calls home unless told not to"
