"""Does a closed window leave one report that says what the ledger says, and that a retrain for drift names?"""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import skops.io

from flows import reports
from flows.operations import adopt
from flows.replay import plain_turn
from flows.turn import Turn, begin
from schemas.plans import MonitoringPlan, Reason
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.settings import Settings
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict
from tasks import database, ledger, monitoring, tracking, training, windows
from tasks.tracking import vendor
from tests.flows import made

DAY = made.DAY
BEGIN = made.START + 90 * DAY
DAILY = MonitoringPlan(
    window=DAY, reference=14 * DAY, history=70 * DAY, report_pages=2, alarm_pages=1, drift_without_labels="retrain"
)
TOY = replace(
    made.HIGH, name="swings", source=replace(made.HIGH.source, location="swings/rows.parquet"), monitoring=DAILY
)
STATUS = {"SUCCESS": "PASS", "FAIL": "FAIL", "WARNING": "WAIT"}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Problem]:
    """A model of the team serves since day 90; the readings jump on day 92. Two daily windows have closed, and the turns
    that closed them are in the ledger."""
    folder = tmp_path_factory.mktemp("reports")
    table = made.readings(days=110, per_day=60)
    jumped = table["at"] >= BEGIN + 2 * DAY
    made.settle(folder / "home", TOY, table.assign(x=table["x"] + 3.0 * jumped))
    with made.added(TOY, folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(folder / "home"))
        patch.setenv("PERENNIAL_REPORTS", "all")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        rows = windows.read_window(TOY, BEGIN - 60 * DAY, BEGIN - 20 * DAY, as_of=BEGIN)
        recipe = Recipe(features=("x", "z", "kind"), parameters={"max_iter": 5})
        skops.io.dump(training.fit(recipe, TOY.framing, rows, seed=1, threshold=0.5), folder / "ours.skops")
        adopt("swings", str(folder / "ours.skops"), actor="ana", now=BEGIN)
        for day in (1, 2):
            plain_turn("swings", BEGIN + day * DAY)
        yield TOY
        database.close_databases()


@pytest.fixture
def turn(toy: Problem) -> Turn:
    return begin("swings", BEGIN + 3 * DAY)


def statuses(report: str) -> dict[str, str]:
    """By test, what the report's JSON says."""
    tests = json.loads(Path(report).with_suffix(".json").read_text())["tests"]
    return {test["name"]: STATUS[test["status"]] for test in tests}


def copies(run: str, name: str) -> set[str]:
    found = vendor().MlflowClient().list_artifacts(run, f"reports/{name}")
    return {Path(file.path).suffix for file in found}


def test_a_quiet_window_passes_in_the_ledger_and_in_its_report(toy):
    row = next(row for row in ledger.rows("swings") if row.facts["kind"] == "turn")
    said = statuses(row.notes["report"])
    assert row.state.stage is Stage.HEALTHY
    assert said.pop("drift: PASS") == "PASS"
    assert {"x", "z", "kind"} <= set(said)


def test_a_retrain_for_drift_names_the_report_whose_tests_say_why(toy, monkeypatch, tmp_path):
    home = tmp_path / "home"  # of its own: the next tests find the ledger as it was
    shutil.copytree(Settings().root, home, ignore=shutil.ignore_patterns("artifacts"))
    monkeypatch.setenv("PERENNIAL_HOME", str(home))
    plain_turn("swings", BEGIN + 3 * DAY)
    row = list(ledger.rows("swings"))[-1]
    assert (row.state.stage, row.state.why) == (Stage.RETRAIN, Reason.DRIFT)
    assert Path(row.notes["report"]) == home / "reports" / "swings" / "20240402T0000-20240403T0000.html"
    said = statuses(row.notes["report"])
    assert (said["drift: FAIL"], said["x"], said["z"]) == ("FAIL", "FAIL", "PASS")
    incident, _, rest = row.notes["reason"].partition(": ")
    drift, _, _ = rest.partition("; no matured label")
    assert incident == "covariate shift"
    assert drift in Path(row.notes["report"]).read_text()


@pytest.mark.parametrize("outcome", Outcome)
def test_its_tests_say_what_the_verdict_says_of_names_that_are_no_columns_too(turn, outcome):
    distances = {"x": 0.5, "z": 0.05, "kind": 0.05, "score": 0.4, "missing z": 0.01, "slice kind=a": 0.3}
    notes = reports.reported(
        turn,
        BEGIN + 2 * DAY,
        BEGIN + 3 * DAY,
        verdict=Verdict("drift", outcome, "the test says so"),
        distances=distances,
        limits=dict.fromkeys(distances, 0.2),
    )
    said = statuses(notes["report"])
    assert said.pop(f"drift: {outcome}") == outcome
    outside = {"x", "score", "slice kind=a"}
    assert {name for name, status in said.items() if status == "FAIL"} == (
        outside if outcome is Outcome.FAIL else set()
    )
    assert ({name for name, status in said.items() if status == "PASS"} == set()) == (outcome is Outcome.WAIT)


def test_it_measures_the_rows_whose_labels_had_time_to_come(turn):
    content = json.loads(Path(_report(turn, day=3)["report"]).with_suffix(".json").read_text())
    figures = {metric["metric_name"].partition("(")[0]: metric["value"] for metric in content["metrics"]}
    rows = reports._matured(turn)
    assert len(rows.label) == 2 * 60  # answered since day 90, and older than a day
    assert figures["Accuracy"] == pytest.approx(np.mean(rows.label == rows.decision))


def _report(turn: Turn, *, day: int, outcome: Outcome = Outcome.PASS) -> dict[str, str]:
    start = BEGIN + (day - 10) * DAY
    verdict = Verdict("drift", outcome, "the test says so")
    return reports.reported(turn, start, start + DAY, verdict=verdict, distances={"x": 0.1}, limits={"x": 0.2})


def test_pages_of_quiet_windows_go_here_and_in_mlflow_when_newer_ones_come_and_alarms_stay(turn):
    outcomes = [Outcome.FAIL, Outcome.PASS, Outcome.PASS, Outcome.PASS]
    notes = [_report(turn, day=day + 20, outcome=outcome) for day, outcome in enumerate(outcomes)]
    run = tracking.api().get_model_version("swings", turn.state.champion.version).run_id
    kept = [(Path(n["report"]).exists(), Path(n["report"]).with_suffix(".json").exists()) for n in notes]
    assert kept == [(True, True), (False, True), (True, True), (True, True)]
    assert [copies(run, Path(n["report"]).stem) for n in notes[:3]] == [
        {".html", ".json"},
        {".json"},
        {".html", ".json"},
    ]
    name = Path(notes[0]["report"]).stem
    assert notes[0]["report_page"] == f"{notes[0]['report_run']}/artifacts/reports/{name}/{name}.html"


def test_what_is_older_than_the_plan_keeps_goes_whole(turn):
    notes = _report(turn, day=0, outcome=Outcome.FAIL)
    gone = reports.tidied(TOY, now=BEGIN + DAILY.keep_reports + timedelta(days=1))
    assert Path(notes["report"]).stem in {one.name for one in gone if one.whole}
    assert not Path(notes["report"]).exists()
    assert not Path(notes["report"]).with_suffix(".json").exists()
    assert reports.tidied(TOY, now=BEGIN + DAILY.keep_reports + timedelta(days=1)) == []


def test_a_report_that_cannot_be_made_is_said_and_the_verdict_stands(turn, monkeypatch):
    def dies(*_args, **_said):
        raise OSError("no space left on device")

    monkeypatch.setattr(monitoring, "make_report", dies)
    notes = _report(turn, day=1)
    assert set(notes) == {"report_fault"}
    assert "could not be made: OSError" in notes["report_fault"]


def test_of_a_large_window_a_bounded_part_is_read_and_the_page_says_how_many_there_are(turn, monkeypatch):
    monkeypatch.setattr(reports, "_READ", 40)  # of 60 rows a day
    page = Path(_report(turn, day=24)["report"]).read_text()
    read = re.search(r"Read for this page: (\d+) valid rows of the window and (\d+) of the reference", page)
    assert read is not None
    assert all(0 < int(rows) <= 40 for rows in read.groups())
    assert '"value": "60", "label": "rows in the window"' in page
    assert '"value": "840", "label": "rows in the reference"' in page


def test_a_simulation_of_thousands_may_have_reports_of_alarms_alone(turn, monkeypatch):
    monkeypatch.setenv("PERENNIAL_REPORTS", "alarms")
    assert _report(turn, day=60) == {}
    assert Path(_report(turn, day=60, outcome=Outcome.WAIT)["report"]).exists()
