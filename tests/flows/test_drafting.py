"""Is a draft found right, sound as it stands, and said with its evidence? On small copies of well-known shapes."""

import importlib.util
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.__main__ import main
from flows.drafting import Drafted, ExistingProblemError, draft_problem
from schemas.plans import RolloutPlan
from schemas.problem import Problem
from schemas.risks import open_risks
from schemas.settings import Settings
from tasks import contracts, windows
from tasks.guesses.facts import Hints
from tests.flows.shapes import SHAPES

EVER = (datetime(1900, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


@pytest.fixture
def drafted(tmp_path, monkeypatch):
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))

    def draft(shape: str, rows: int = 1_500, **hints: str) -> tuple[Problem, Drafted]:
        folder = tmp_path / "problems"
        folder.mkdir(exist_ok=True)
        data = SHAPES[shape](tmp_path, rows) if shape in SHAPES else tmp_path / shape
        done = draft_problem(f"a_{Path(shape).stem}", str(data), hints=Hints(**hints), folder=folder, overwrite=True)
        return _imported(done.path), done

    return draft


def _imported(path: Path) -> Problem:
    spec = importlib.util.spec_from_file_location(f"drafted_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PROBLEM


def _leaks(done: Drafted) -> set[str]:
    return {note.column for note in done.proposal.leaks}


@pytest.mark.parametrize(
    "shape, target, task, event, leaks",
    [
        ("hotel", "is_canceled", "binary", "event_at", {"reservation_status"}),
        ("no_show", "No-show", "binary", "ScheduledDay", set()),
        ("bank", "y", "binary", None, {"duration"}),
        ("telco", "Churn", "binary", None, set()),
        ("adult", "column11", "binary", None, set()),
        ("taxi", "trip_duration", "regression", "pickup_datetime", set()),
        ("rossmann", "Sales", "regression", "Date", {"Customers"}),
        ("pm25", "pm2.5", "regression", "event_at", set()),
        ("houses", "price", "regression", "date", set()),
        ("seoul", "Rented Bike Count", "regression", "event_at", set()),
        ("wine", "quality", "regression", None, set()),
    ],
)
def test_a_draft_finds_target_time_and_leaks_and_its_contract_holds(drafted, shape, target, task, event, leaks):
    problem, done = drafted(shape, rows=3_000)
    framing = problem.framing
    assert (framing.target, framing.task) == (target, task)
    assert framing.timeless == (event is None)
    assert event is None or framing.event_time == event
    assert _leaks(done) == leaks
    assert not set(problem.recipe.features) & leaks
    rows = windows.read_window(problem, *EVER, as_of=EVER[1])
    checked = contracts.check(problem, rows)
    assert len(rows) == done.proposal.table.rows
    assert checked.bad.empty, checked.counts
    assert rows[framing.target].notna().mean() > 0.9
    assert f"make doctor PROBLEM={problem.name}" in done.summary


def test_parts_of_a_date_less_the_days_it_was_booked_ahead_are_the_event(drafted, tmp_path):
    frame = pd.read_csv(SHAPES["hotel"](tmp_path, 1_500), keep_default_na=False)
    arrival = pd.to_datetime(
        frame["arrival_date_year"].astype(str)
        + frame["arrival_date_month"]
        + frame["arrival_date_day_of_month"].astype(str),
        format="%Y%B%d",
    )
    canceled = frame["is_canceled"] == 1
    frame["lead_time"] = frame["lead_time"] % 60
    frame.loc[canceled, "reservation_status_date"] = (arrival - pd.to_timedelta(frame["lead_time"] // 2, "D"))[
        canceled
    ].dt.strftime("%Y-%m-%d")
    frame.to_csv(tmp_path / "booked.csv", index=False)
    problem, done = drafted("booked.csv")
    rows = windows.read_window(problem, *EVER, as_of=EVER[1])
    arrival = rows["event_at"] + pd.to_timedelta(rows["lead_time"], "D")
    assert (arrival.dt.day == rows["arrival_date_day_of_month"]).all()
    assert done.proposal.delay.negative == 0  # no label before anybody asked
    assert (rows["known_at"] > rows["event_at"]).all()


def test_where_waiting_from_the_booking_takes_too_long_the_arrival_is_the_event_and_says_what_that_costs(drafted):
    problem, done = drafted("hotel")
    assert done.proposal.delay.negative > 0.05
    assert "of the labels were known before it" in done.path.read_text()
    rows = windows.read_window(problem, *EVER, as_of=EVER[1])
    assert (rows["known_at"] >= rows["event_at"]).all()


def test_a_label_under_a_date_is_known_when_that_day_is_over(drafted):
    problem, done = drafted("no_show")
    rows = windows.read_window(problem, *EVER, as_of=EVER[1])
    assert (
        rows["known_at"] > rows["event_at"] if "event_at" in rows else rows["known_at"] > rows["ScheduledDay"]
    ).all()
    assert done.proposal.delay.negative == 0
    assert problem.framing.entity == "PatientId"
    assert problem.personal >= {"PatientId"}


def test_two_columns_that_add_up_to_the_target_are_leaks(drafted, tmp_path):
    SHAPES["seoul"](tmp_path, 1_200)
    frame = pd.read_csv(tmp_path / "seoul.csv", encoding="latin-1").rename(columns={"Rented Bike Count": "cnt"})
    frame["casual"] = frame["cnt"] * (frame["Hour"] + 1) // 40
    frame["registered"] = frame["cnt"] - frame["casual"]
    frame.to_csv(tmp_path / "sums.csv", index=False)
    problem, done = drafted("sums.csv")
    assert _leaks(done) == {"casual", "registered"}
    assert problem.late >= {"casual", "registered"}


def test_what_nobody_wrote_is_no_value_and_numbers_in_words_are_numbers(drafted):
    problem, _ = drafted("lending")
    rows = windows.read_window(problem, *EVER, as_of=EVER[1])
    assert rows["int_rate"].between(5, 25).all()
    assert rows["emp_length"].isna().any()  # written n/a
    assert rows["issue_d"].dt.day.eq(1).all()
    assert {"total_pymnt", "recoveries"} <= problem.late


def test_a_blank_among_charges_is_missing(drafted):
    problem, _ = drafted("telco")
    rows = windows.read_window(problem, *EVER, as_of=EVER[1])
    assert rows["TotalCharges"].isna().sum() == (rows["tenure"] == 0).sum()


def test_hints_decide_and_need_not_be_spelled_alike(drafted):
    problem, _ = drafted("flights", rows=2_000, target="DEP_DELAY", entity="tailnum")
    assert problem.framing.target == "dep_delay"
    assert problem.framing.entity == "tailnum"
    assert "arr_delay" in problem.late


def test_delays_are_measured_and_the_maturity_follows_from_them(drafted):
    problem, done = drafted("taxi")
    delay = done.proposal.delay
    assert timedelta(0) < delay.median < delay.q95 < delay.longest < problem.framing.maturity + timedelta(hours=3)
    assert "dropoff_datetime" not in problem.recipe.features


def test_a_draft_is_as_the_formatter_and_the_linter_want_it(drafted):
    _, done = drafted("hotel")
    for command in (("format", "--check"), ("check",)):
        ruff = Path(sys.executable).with_name("ruff")
        run = subprocess.run([ruff, *command, "--config", "pyproject.toml", done.path], capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr


def test_every_guess_has_its_evidence_and_no_personal_value_is_written(drafted, tmp_path):
    _, done = drafted("no_show")
    text = done.path.read_text()
    assert len(re.findall(r"guess:", text)) >= 4
    assert "yours to say" in text
    patients = pd.read_csv(tmp_path / "no_show.csv")["PatientId"].astype("int64").astype(str)
    assert not any(patient in text for patient in patients.unique())


def test_a_file_that_is_there_is_only_overwritten_by_force(drafted, tmp_path):
    _, done = drafted("wine")
    with pytest.raises(ExistingProblemError, match="FORCE=1"):
        draft_problem("a_wine", str(tmp_path / "wine.csv"), folder=done.path.parent)


def test_the_same_table_gives_the_same_draft(drafted):
    assert drafted("bank")[1].path.read_text() == drafted("bank")[1].path.read_text()


def test_parquet_and_a_glob_of_files_are_read_alike(drafted, tmp_path):
    SHAPES["pm25"](tmp_path, 1_500)
    frame = pd.read_csv(tmp_path / "pm25.csv")
    for part in (0, 1):
        frame.iloc[part * 750 : (part + 1) * 750].to_parquet(tmp_path / f"part{part}.parquet")
    done = draft_problem("parts", str(tmp_path / "part*.parquet"), folder=tmp_path)
    problem = _imported(done.path)
    assert done.proposal.table.rows == 1_500
    assert problem.framing.target == "pm2.5"
    assert len(windows.read_window(problem, *EVER, as_of=EVER[1])) == 1_500
    assert (Settings().data / "parts" / "files").is_symlink()


def test_what_cannot_become_a_problem_is_refused_in_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    (tmp_path / "empty.csv").write_text("a,b\n")
    assert main(["problem", "nothing", str(tmp_path / "empty.csv")]) == 1
    assert "no rows" in capsys.readouterr().err
    assert main(["problem", "nothing", str(tmp_path / "missing.csv")]) == 1
    assert "there is no file" in capsys.readouterr().err
    assert main(["problem", "Not A Name", str(tmp_path / "missing.csv")]) == 1
    assert "names no problem" in capsys.readouterr().err


def test_columns_that_are_empty_where_the_target_is_come_with_the_label(drafted, tmp_path):
    SHAPES["metro"](tmp_path, 1_500)
    frame = pd.read_csv(tmp_path / "metro.csv", keep_default_na=False)
    frame["lorries"] = np.random.default_rng(3).integers(0, 99, len(frame))  # tells nothing of the volume
    frame.loc[::12, ["traffic_volume", "lorries"]] = np.nan
    frame.to_csv(tmp_path / "gaps.csv", index=False)
    problem, done = drafted("gaps.csv")
    assert _leaks(done) == {"lorries"}
    assert "lorries" in problem.late


@pytest.mark.parametrize("shape", ["telco", "wine", "metro"])
def test_every_risk_of_a_draft_has_a_detector_that_works(drafted, shape):
    problem, _ = drafted(shape)
    assert problem.framing.risks
    assert not open_risks(problem)


def test_a_measurement_that_stands_first_is_what_the_others_explain(drafted, tmp_path):
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({f"station_{i}": rng.gamma(3, 2, 400).round(3) for i in range(4)})
    frame.insert(0, "yielded", (frame.sum(axis=1) + rng.normal(0, 1, 400)).round(2))
    frame["holiday"] = rng.integers(0, 2, 400)
    frame["game"] = rng.integers(0, 2, 400)
    frame.insert(5, "day", pd.date_range("2020-01-01", periods=400).strftime("%Y-%m-%d"))
    frame["seen"] = pd.date_range("2020-01-01", periods=400).strftime("%Y-%m-%d")
    frame.to_csv(tmp_path / "stations.csv", index=False)
    problem, done = drafted("stations.csv")
    assert problem.framing.target == "yielded", done.summary


@pytest.mark.parametrize("shape, loss", [("houses", "absolute_error"), ("telco", None)])
def test_what_is_judged_on_absolute_errors_is_fitted_on_them(drafted, shape, loss):
    problem, _ = drafted(shape)
    assert problem.recipe.parameters.get("loss") == loss
    assert (problem.framing.loss.kind == "absolute") == (loss is not None)


def test_a_target_that_is_not_always_known_may_stay_so_without_a_time(drafted, tmp_path):
    frame = pd.read_csv(SHAPES["wine"](tmp_path, 1_200), sep=";")
    frame.loc[::10, "quality"] = np.nan
    frame.to_csv(tmp_path / "tasted.csv", index=False)
    problem, _ = drafted("tasted.csv")
    assert problem.framing.timeless
    assert problem.rollout.unlabelled == pytest.approx(0.2)
    assert drafted("wine")[0].rollout.unlabelled == RolloutPlan().unlabelled


def test_odd_names_words_and_dates_are_read(drafted, tmp_path):
    rng = np.random.default_rng(9)
    day = pd.Timestamp("1998-06-12") + pd.to_timedelta(np.sort(rng.integers(0, 700, 900)), "D")
    frame = pd.DataFrame(
        {
            "index": rng.permutation(900) // 2 + 10**17,
            "class": rng.choice(["a, b", 'c"d', "Ö"], 900),
            "lambda": rng.normal(size=900),
            'count "x", y': rng.poisson(4, 900),
            "Release Date": day.strftime("%b %d %Y"),
            "label": rng.choice(["ja", "nein"], 900, p=[0.6, 0.4]),
        }
    )
    frame.to_csv(tmp_path / "odd.csv", index=False, sep=";", encoding="latin-1")
    problem, done = drafted("odd.csv")
    assert problem.framing.event_time == "Release Date"
    assert done.proposal.target.positive == "ja"
    assert set(problem.recipe.features) >= {"class", "lambda", 'count "x", y'}
    assert "index" not in problem.recipe.features
    assert contracts.check(problem, windows.read_window(problem, *EVER, as_of=EVER[1])).bad.empty


@pytest.mark.parametrize("shape, rows, parts", [("flights", 3_000, set()), ("pm25", 30_000, {"month", "day"})])
def test_a_part_of_the_date_is_a_feature_where_training_rows_see_it_return(drafted, shape, rows, parts):
    """A year of flights holds each month once: by its number a tree learns which month it was, and nothing of the next."""
    problem, done = drafted(shape, rows=rows)
    assert {"year", "month", "day"} & set(problem.recipe.features) == parts
    assert "hour" in problem.recipe.features
    assert "a year does not return" in done.summary or shape == "flights"
