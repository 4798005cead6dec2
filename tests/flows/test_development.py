"""Do experiments see sound, matured rows that no retrain holds out, and is a challenger of the loop diagnosed from such rows too?"""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from flows.development import development_rows, moment_of
from flows.levels import known_levels
from flows.replay import plain_turn
from flows.story import markdown
from schemas.diagnosis import Diagnosis
from schemas.errors import PerennialError
from schemas.problem import load_problem
from tasks import ledger, snapshots, windows
from tests.flows import made

DAY = timedelta(days=1)
PROBLEM = load_problem("fraud")


def test_rows_are_matured_valid_and_older_than_what_a_retrain_holds_out(at):
    now = at("HEALTHY")
    rows = snapshots.load(development_rows(PROBLEM, now))
    framing, plan = PROBLEM.framing, PROBLEM.retraining
    assert 1_000 < len(rows) <= PROBLEM.improvement.rows
    assert rows[framing.target].notna().all()
    held_from = now - framing.maturity - plan.test
    assert rows[framing.event_time].max() < held_from - framing.maturity  # the embargo is the maturity here
    assert (rows[framing.label_time] < held_from).all()
    again = development_rows(PROBLEM, now)
    assert again.sha256 == development_rows(PROBLEM, now).sha256


def test_nothing_is_learned_from_a_faulty_table(at):
    now = at("HEALTHY")
    table = pd.read_parquet(windows.locate(PROBLEM))
    windows.materialise(PROBLEM, table.assign(hour=table["hour"].where(table.index % 3 > 0, 25)))
    with pytest.raises(PerennialError, match=r"no experiments on 'fraud': data fault: .* hour"):
        development_rows(PROBLEM, now)


def test_too_few_rows_are_said_with_what_to_do(at):
    now = at("HEALTHY")
    few = replace(PROBLEM, improvement=PROBLEM.improvement.model_copy(update={"rows": 210}))
    with pytest.raises(PerennialError, match=r"experiments need 200\. Wait for more labels"):
        development_rows(few, now)


def test_a_table_that_ends_in_the_past_is_taken_at_its_end(at):
    now, last = at("HEALTHY"), windows.bounds(PROBLEM)[1]
    assert moment_of(PROBLEM, now) == now
    assert timedelta(0) < moment_of(PROBLEM, None) - last - PROBLEM.framing.maturity < timedelta(seconds=1)


def test_a_retrain_is_diagnosed_with_what_the_gate_measured_beside_and_people_find_its_page(at, monkeypatch):
    monkeypatch.setenv("PERENNIAL_REPORTS", "all")
    now = at("RETRAIN")
    plain_turn("fraud", now)
    row = list(ledger.rows("fraud"))[-1]
    page = Path(row.notes["diagnosis"])
    assert page.read_text().startswith("<!doctype html>")
    found = Diagnosis.from_json(json.loads(page.with_suffix(".json").read_text()))
    assert found.loss["test"] == pytest.approx(row.notes["metrics"]["test"]["loss"])
    held = snapshots.load(_held_out(row))
    assert not {one.key for one in found.wrong} & set(held["payment_id"].astype(str))
    said = markdown(row.entry)
    assert f"[diagnosis]({page.as_uri()})" in said
    assert row.notes["binding"] in said


def test_two_days_of_validation_rows_are_too_few_to_diagnose_by_and_nothing_complains(
    home, tmp_path, monkeypatch, caplog
):
    monkeypatch.setenv("PERENNIAL_REPORTS", "all")
    made.settle(home, made.HIGH, made.readings(days=46))
    with made.added(made.HIGH, tmp_path):
        for day in range(38, 46):
            plain_turn("high", made.START + day * made.DAY)
            row = list(ledger.rows("high"))[-1]
            if row.facts["stage"] == "SHADOW":
                break
    assert row.facts["before"] == "RETRAIN"
    assert "diagnosis" not in row.notes
    assert "could not be diagnosed" not in caplog.text


def _held_out(row) -> snapshots.Snapshot:
    sha256 = row.notes["held_out"]["sha256"]
    return snapshots.Snapshot(snapshots.place("fraud", sha256), sha256, 0)


def test_a_rule_that_serves_has_no_level_of_its_own(at):
    assert known_levels(PROBLEM, now=at("RETRAIN")) == {}
