"""Does the flow that production schedules take the steps, and does Prefect show them to people?"""

import base64
import inspect
import io
import json
import logging
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import ArtifactSort, FlowRunSort
from prefect.settings import get_current_settings

from flows import improvement_story, operations, overview, replay_story, story
from flows import lifecycle as module
from flows.clock import ClockError
from flows.guard import watched_tag
from flows.improvement import Budget, improve
from flows.life import life_file
from flows.lifecycle import STEP, lifecycle
from schemas.plans import Promotion, Reason
from schemas.problem import known_problems, load_problem
from schemas.settings import HEARTBEAT
from schemas.stage import Stage
from tasks import database, ledger, logs, splits, tracking
from tests.flows import made
from tests.flows import test_night as nights
from tests.pictured import night

DAY = timedelta(days=1)
pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture(scope="module")
def first_turns(prefect_server: None, stages: dict[str, tuple[Path, datetime]]) -> Iterator[list[str]]:
    """The stages that the first three runs of the flow lead to, beginning with nothing."""
    home, now = stages["COLD"]
    own = home.with_name("lifecycle")
    shutil.copytree(home, own)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(own))
        yield [lifecycle("fraud", now=now + turn * DAY) for turn in range(3)]


def runs(flow: str = "lifecycle") -> list[FlowRun]:
    """Newest first."""
    with get_client(sync_client=True) as client:
        named = FlowFilter(name=FlowFilterName(any_=[flow]))
        return client.read_flow_runs(flow_filter=named, sort=FlowRunSort.START_TIME_DESC)


def tasks_of(run: FlowRun) -> list[str]:
    with get_client(sync_client=True) as client:
        found = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])))
    return [task.name.rsplit("-", 1)[0] for task in sorted(found, key=lambda task: task.start_time)]


def artifacts(key: str = "turn-fraud") -> list[Any]:
    """Newest first."""
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
    with get_client(sync_client=True) as client:
        return client.read_artifacts(artifact_filter=wanted, sort=ArtifactSort.CREATED_DESC)


def test_the_loop_fits_a_screen_and_has_a_step_for_every_stage():
    assert len(inspect.getsource(module).splitlines()) < 60
    assert list(STEP) == list(Stage)


def test_from_nothing_a_rule_serves_then_a_challenger_is_wanted_then_it_scores_in_the_shadow(first_turns):
    assert first_turns == ["HEALTHY", "RETRAIN", "SHADOW"]
    state = ledger.state_of("fraud")
    assert (state.champion.name, state.challenger.name) == ("heuristic", "boosting")
    assert ledger.verify("fraud") == state.sequence


def test_prefect_names_the_run_after_problem_stage_and_verdict_and_the_step_after_the_stage(first_turns):
    newest = runs()[:3]
    assert [run.name.partition(", ")[2] for run in reversed(newest)] == [
        "COLD → HEALTHY: PASS",
        "HEALTHY → RETRAIN: FAIL",
        "RETRAIN → SHADOW: PASS",
    ]
    assert all(run.name.startswith("fraud 20") for run in newest)
    assert [tasks_of(run) for run in reversed(newest)] == [
        ["open turn", stage, "close turn"] for stage in ("cold", "healthy", "retrain")
    ]


def test_the_artifact_says_stage_verdict_and_reason(first_turns):
    newest = artifacts()[0]
    reason = list(ledger.rows("fraud"))[-1].notes["reason"]
    assert "is better than the champion" in reason
    assert newest.data.startswith(f"## fraud: RETRAIN → SHADOW, PASS\n\n**{reason[0].upper()}{reason[1:]}.**\n\n")
    assert "| champion | [version 1 (heuristic)](" in newest.data
    assert "[MLflow run](" in newest.data
    assert newest.description.startswith("Turn 4 of fraud at ")
    assert newest.description.endswith("rollout 1, because of: first model")


def test_training_moves_a_bar_of_its_run_to_the_end_and_says_the_verdict(first_turns):
    (bar,) = artifacts("training-fraud")
    assert bar.data == 100
    assert bar.description.startswith("PASS: the challenger is better than the champion")
    assert bar.flow_run_id == runs()[0].id


def test_a_turn_before_the_newest_row_is_refused_and_writes_nothing(first_turns, stages, monkeypatch):
    # Only a database that is away is worth another try.
    monkeypatch.setattr(module, "open_turn", module.open_turn.with_options(retries=0))
    before = ledger.state_of("fraud")
    with pytest.raises(ClockError, match="Turns only go forward"):
        lifecycle("fraud", now=stages["COLD"][1])
    assert ledger.state_of("fraud") == before


def test_a_turn_draws_the_life_so_far_in_its_artifact_and_as_a_page(first_turns):
    drawn = artifacts()[0].data.partition("its life so far](data:image/svg+xml;base64,")[2].partition(")")[0]
    assert "3 turns" in base64.b64decode(drawn).decode()
    assert "retrain: first model" in life_file("fraud").read_text()


def test_a_ledger_that_cannot_be_read_still_has_a_name(first_turns, monkeypatch):
    def away(_name: str) -> None:
        raise OSError("no such database")

    monkeypatch.setattr(story.ledger, "state_of", away)
    monkeypatch.setattr(story, "flow_run", SimpleNamespace(parameters={"problem": "fraud"}))
    assert story.run_name() == "fraud"


def test_a_run_that_cannot_be_renamed_or_shown_is_said_in_the_log_and_changes_nothing(first_turns, monkeypatch, caplog):
    def refused(*_args: Any, **_given: Any) -> None:
        raise ConnectionError("the server is away")

    monkeypatch.setattr(story, "get_client", refused)
    monkeypatch.setattr(story, "create_markdown_artifact", refused)
    story.tell(list(ledger.rows("fraud"))[-1].entry, live=False)
    assert "could not be shown: ConnectionError" in caplog.text


def test_the_table_of_problems_has_a_row_for_each_and_is_written_anew(first_turns):
    @flow(name="overview")
    def told() -> None:
        overview.tell()

    told()
    (table,) = artifacts("problems")
    rows = json.loads(table.data)
    assert {row["problem"] for row in rows} == set(known_problems())
    assert (rows[0]["problem"], rows[0]["stage"]) == ("fraud", "SHADOW")
    assert rows[0]["verdict"] == "PASS"


def test_a_replay_shows_how_far_it_is_and_what_came_of_it(first_turns):
    problem, rows = load_problem("fraud"), list(ledger.rows("fraud"))
    end = rows[-1].state.at
    assert list(replay_story.watched(problem, rows, start=end - 30 * DAY, end=end)) == rows
    replay_story.tell(problem, lines=["served  0.004"], happened={"a heuristic serves": True, "it | rains": False})
    (bar,), (told,) = artifacts("replay-progress-fraud"), artifacts("replay-fraud")
    assert (bar.data, bar.description) == (
        100,
        f"Done: 3 turns of fraud, to {end:%Y-%m-%d} of {end:%Y-%m-%d}; it is SHADOW.",
    )
    assert told.description == "fraud: a replay of 3 turns, 0 promotions, 0 rolled back"
    assert "| a heuristic serves | yes |\n| it / rains | **no** |" in told.data
    assert "```text\nserved  0.004\n```" in told.data
    assert "| retrain: first model |" in told.data


def test_the_flow_and_plain_python_write_the_same_ledger(first_turns, stages, monkeypatch):
    by_flow = [row.hash for row in ledger.rows("fraud")]
    monkeypatch.setenv("PERENNIAL_HOME", str(stages["SHADOW"][0]))
    assert [row.hash for row in ledger.rows("fraud")] == by_flow


def test_a_retrain_asked_for_with_a_form_trains_in_the_same_run(at, monkeypatch):
    now = at("HEALTHY")
    # The clock of this home's past, in place of today's.
    beats = []

    def then(problem):
        beats.append(get_current_settings().flows.heartbeat_frequency)
        return lifecycle(problem, now=now)

    monkeypatch.setattr(operations, "lifecycle", then)
    monkeypatch.setattr(operations, "ask", partial(operations.ask, now=now))
    windows, real = [], splits.folds
    monkeypatch.setattr(splits, "folds", lambda *a, window, **k: windows.append(window) or real(*a, window=window, **k))
    stage = operations.retrain(
        "fraud", reason="new cards", training_window={"days": 40}, cause="forced replacement", actor="ana"
    )
    asked, wanted, judged = list(ledger.rows("fraud"))[-3:]
    assert asked.notes["reason"] == "ana asks for a retrain: new cards"
    assert (wanted.state.stage, wanted.state.why, wanted.state.promotion) == (
        Stage.RETRAIN,
        Reason.FORCED,
        Promotion.NON_INFERIORITY,
    )
    assert (judged.facts["before"], judged.facts["stage"]) == ("RETRAIN", stage)
    assert windows == [40 * DAY]
    assert runs("retrain")[0].name == "retrain fraud"
    killed = "killed with it, they would run for ever"
    assert ([run.tags for run in runs("lifecycle")][:2], beats) == ([[watched_tag()]] * 2, [HEARTBEAT] * 2), killed


def test_the_registry_says_what_the_ledger_says(first_turns):
    state = ledger.state_of("fraud")
    aliases = tracking.api().get_registered_model("fraud").aliases
    assert {role: str(n) for role, n in aliases.items()} == {
        "champion": state.champion.version,
        "challenger": state.challenger.version,
    }


def test_a_turn_that_closes_a_window_links_the_windows_report(at, monkeypatch):
    monkeypatch.setenv("PERENNIAL_REPORTS", "all")
    lifecycle("fraud", now=at("HEALTHY") + 6 * DAY)
    notes = list(ledger.rows("fraud"))[-1].notes
    newest = artifacts("report-fraud")[0]
    assert f"({notes['report_page']})" in newest.data
    assert notes["report"] in newest.description


def test_a_night_of_experiments_leaves_its_progress_its_steps_and_its_report():
    @flow(name="a night")
    def told() -> None:
        bar = improvement_story.begin_progress("fraud")
        improvement_story.show_progress(bar, night())
        improvement_story.tell(night())
        improvement_story.link_page("fraud", "night", "file:///a/night.html")

    told()
    (bar,), (report,) = artifacts("experiments-fraud"), artifacts("night-fraud")
    assert bar.data == 100
    assert "5 experiments on fraud: 2 gain, 1 noise, 1 worse, 1 failed. The last: hour by weekday" in bar.description
    assert "**hour by weekday** won" in report.data
    assert len(json.loads(artifacts("steps-fraud")[0].data)) == 5
    assert "file:///a/night.html" in artifacts("night-page-fraud")[0].data


def test_a_night_as_a_flow_shows_each_experiment_as_it_runs_and_its_report(tmp_path, monkeypatch):
    nights.settled(tmp_path / "home")
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with made.added(nights.PROBLEM, tmp_path):
        handed = improve(nights.NAME, budget=Budget(experiments=1), hand_over=False, now=nights.NOW)
    assert handed == "not handed over, as it was asked"
    newest = runs("improve")[0]
    assert newest.name == f"improve {nights.NAME}"
    # The recipe that all begins with, and the one idea.
    assert len(tasks_of(newest)) == 2
    assert all("decide" in name for name in tasks_of(newest))
    (bar,), (steps,) = artifacts(f"experiments-{nights.NAME}"), artifacts(f"steps-{nights.NAME}")
    assert bar.data == 100
    assert len(json.loads(steps.data)) == 1
    assert artifacts(f"night-page-{nights.NAME}")
    database.close_databases()


def test_a_turn_logs_of_which_problem_stage_and_run_each_line_is(first_turns, at):
    written, log = io.StringIO(), logging.getLogger("perennial")
    handler = logging.StreamHandler(written)
    handler.setFormatter(logs.JsonLines())
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        lifecycle("fraud", now=at("COLD"))
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    (decided,) = [line for line in lines if "COLD → HEALTHY" in line["message"]]
    assert {name: decided[name] for name in ("level", "problem", "stage", "flow")} == {
        "level": "INFO",
        "problem": "fraud",
        "stage": "COLD",
        "flow": "lifecycle",
    }
    newest = runs()[0]
    assert decided["run_id"] == str(newest.id)
    assert decided["task"].startswith("close turn")
    assert {line["problem"] for line in lines} == {"fraud"}
