"""Does one look at a table find the copies, contradictions, flips, second opinions and late labels that were planted?"""

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest

from flows.__main__ import main
from flows.labels_report import look
from flows.labels_screen import data_of, screen
from schemas.columns import about
from schemas.plans import DataPlan
from tasks import labels, windows
from tests.flows.made import DAY, HIGH, START, added, readings

PLANTED = replace(
    HIGH,
    name="planted",
    source=replace(HIGH.source, location="planted/rows.parquet"),
    contract=HIGH.contract.add_columns(
        {"second": pa.Column("float64", nullable=True, metadata=about(known="with the label"))}
    ),
    framing=HIGH.framing.model_copy(update={"annotators": ("second",)}),
)
NOW = START + 40 * DAY


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Sixty days: a tenth of the labels flipped, a second opinion that errs as often, ones labelled late, 50 rows twice."""
    rng, made = np.random.default_rng(5), readings(days=60)
    truth = (np.where(made["kind"] == "a", made["x"], -made["x"]) > 0.3).astype(float)
    flipped = {name: np.where(rng.random(len(made)) < 0.1, 1 - truth, truth) for name in ("high", "second")}
    days = rng.exponential(np.where(flipped["high"] == 1, 1.0, 0.2))
    late = made["at"] + pd.to_timedelta(days * 86_400, unit="s")
    made = made.assign(**flipped, band_at=late.astype(made["at"].dtype))
    twice = made.iloc[500:550].assign(id=np.arange(10**6, 10**6 + 50))
    return pd.concat([made, twice], ignore_index=True)


@pytest.fixture
def report(home, rows):
    windows.materialise(PLANTED, rows)
    return look(PLANTED, NOW)


def test_each_planted_fault_is_found_with_its_figure(report, rows):
    seen = rows[rows["at"] < pd.Timestamp(NOW)]
    assert (report.rows, report.read) == (len(seen), 1.0)
    assert report.labelled == (seen["band_at"] < pd.Timestamp(NOW)).sum()
    assert (report.copies.copies, report.near.copies) == (50, 50)
    assert report.noise.rate == pytest.approx(0.1, abs=0.025)
    (agreement,) = report.agreements
    assert agreement.between == "high and second"
    assert agreement.low < 0.64 < agreement.high  # 0.82 agreed, of which chance gives half
    assert agreement.ceiling == pytest.approx(0.9, abs=0.01)
    assert report.maturity.outcome == "FAIL"  # of the ones e^-1 come after a day
    assert "of high = 1" in report.maturity.reason
    assert report.early.outcome == "FAIL"
    assert report.revised == 0


def test_what_to_do_first_names_maturity_then_copies_then_labels(report):
    said = " | ".join(report.first)
    order = [
        "raise the framing's maturity",
        "50 rows equal another",
        "of labels look wrong",
        "judge matured rows alone",
    ]
    assert [said.index(part) for part in order] == sorted(said.index(part) for part in order)


def test_it_is_one_screen_and_the_same_as_data(report):
    lines = list(screen(PLANTED, report))
    assert len(lines) <= 30
    assert max(map(len, lines[:12])) < 160
    told = json.loads(json.dumps(data_of(report), allow_nan=False))
    assert told["copies"]["copies"] == 50
    assert told["maturity"]["outcome"] == "FAIL"
    assert told["delays"][0]["curve"]["known"][-1] <= 1.0
    assert len(told["noise"]["suspects"]) == 20


def test_no_value_of_a_personal_column_is_told(home, rows):
    """Every z is its own, and it is personal: neither the screen nor the file has one."""
    contract = PLANTED.contract.update_column("z", metadata=about(personal=True))
    personal = replace(PLANTED, contract=contract, name="planted")
    windows.materialise(personal, rows)
    report = look(personal, NOW)
    told = "\n".join(screen(personal, report)) + json.dumps(data_of(report))
    assert not [z for z in rows["z"] if f"{z:.10f}" in told]


def test_a_slice_that_is_personal_is_not_named(home, rows):
    contract = PLANTED.contract.update_column("kind", metadata=about(personal=True))
    personal = replace(PLANTED, contract=contract)
    windows.materialise(personal, rows)
    assert not [m.group for m in look(personal, NOW).delays if m.of == "slice"]


def test_rows_too_many_for_pandas_are_counted_in_the_engine(home, rows):
    small = replace(PLANTED, data=DataPlan(frame_rows=2_000))
    windows.materialise(small, rows)
    whole = look(PLANTED, NOW)
    part = look(small, NOW)
    assert part.read < 0.5
    assert (part.rows, part.labelled, part.mature_labelled) == (whole.rows, whole.labelled, whole.mature_labelled)
    assert part.copies == whole.copies
    assert repr(part.conflicts) == repr(whole.conflicts)
    assert [(m.group, m.rows) for m in part.delays] == [(m.group, m.rows) for m in whole.delays]


def test_a_table_without_faults_needs_nothing(home):
    made = readings(days=60, straight=True)
    truth = (made["x"] > 0.3).astype(float)
    windows.materialise(HIGH, made.assign(high=truth))
    report = look(HIGH)
    assert report.now > made["band_at"].max()
    assert report.first == ("nothing: these labels can be trusted as far as they can be looked at",)


def test_labels_that_never_come_are_asked_after(home, rows):
    gone = rows.assign(band_at=rows["band_at"].where(rows["id"] % 5 > 0))
    windows.materialise(PLANTED, gone)
    assert any("matured rows have no label" in said for said in look(PLANTED, NOW).first)


def test_a_label_before_its_event_is_the_first_thing_to_mend(home, rows):
    windows.materialise(PLANTED, rows.assign(band_at=rows["band_at"].where(rows.index != 7, rows["at"] - DAY)))
    report = look(PLANTED, NOW)
    assert report.impossible == 1
    assert report.first[0].startswith("1 labels came before their event")


def test_few_labels_leave_the_rest_of_the_report_standing(home, rows):
    windows.materialise(PLANTED, rows.head(200))
    report = look(PLANTED)
    assert report.noise is None
    assert "500 are needed" in report.no_noise
    assert any("label noise" in line for line in screen(PLANTED, report))


def test_labels_changed_later_are_counted(home, rows):
    windows.materialise(PLANTED, rows)
    early = [("7", 0.0, NOW - 3 * DAY), ("8", 1.0, NOW - 3 * DAY)]
    labels.take_in(PLANTED, early, now=NOW)
    labels.take_in(PLANTED, [("7", 1.0, NOW - 2 * DAY), ("8", 1.0, NOW - DAY)], now=NOW)
    assert labels.revised(PLANTED, now=NOW) == {"7": (0.0, 1.0)}
    assert labels.revised(PLANTED, now=NOW - timedelta(days=2, hours=1)) == {}
    assert look(PLANTED, NOW).revised == 1


def test_the_command_shows_it_and_keeps_the_figures(home, rows, tmp_path, capsys):
    with added(PLANTED, tmp_path):
        windows.materialise(PLANTED, rows)
        assert main(["labels", "planted", "--now", NOW.isoformat()]) == 0
    said = capsys.readouterr().out
    assert "what to do first:" in said
    assert json.loads((home / "figures" / "labels-planted.json").read_text())["rows"] > 0
