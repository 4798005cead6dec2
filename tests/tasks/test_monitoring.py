"""Does the report that people read say what the ledger says, whatever the columns, the scores and the labels look like?"""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as theirs

from schemas.verdict import Outcome
from tasks import monitoring, profiles
from tasks.monitoring.workspace import snapshot_file
from tests.tasks.reported import COLUMNS, content, frame, framing, made, matured, measured, window

PASS, FAIL, WAIT = Outcome


# What it says of the verdict.


@pytest.mark.parametrize("outcome", Outcome)
def test_its_tests_say_what_the_ledger_says(home, outcome):
    report = made(window(outcome))
    tests = content(report)["tests"]
    assert report.outcome is outcome
    assert tests[0]["status"] == {PASS: "SUCCESS", FAIL: "FAIL", WAIT: "WARNING"}[outcome]
    assert tests[0]["description"].endswith(window(outcome).verdict.reason)
    expected = {PASS: PASS, FAIL: PASS, WAIT: WAIT}[outcome]
    assert report.outcomes == {"near": expected, "kind": expected, "far": outcome}
    assert report.failed == (["far"] if outcome is FAIL else [])


OUTSIDE = {"score": 0.6, "missing near": 0.3, "slice kind=a": 0.9}


@pytest.mark.parametrize("outcome", Outcome)
def test_a_name_that_is_no_column_is_one_of_its_tests_as_well(home, outcome):
    report = made(window(outcome, **OUTSIDE))
    assert {name: report.outcomes[name] for name in OUTSIDE} == dict.fromkeys(
        OUTSIDE, FAIL if outcome is FAIL else WAIT
    )
    named = {test["name"]: test["test_config"] for test in content(report)["tests"]}
    assert {name: float(named[name]["value"]) for name in OUTSIDE} == OUTSIDE


numbers = st.one_of(st.just(math.nan), st.just(math.inf), st.floats(0, 1))
names = st.dictionaries(st.sampled_from(["a", "b", "score", "missing a"]), st.tuples(numbers, numbers), min_size=1)


@given(names, st.sampled_from(list(Outcome)))
def test_no_name_fails_unless_the_verdict_does_and_no_unknown_one_passes(said, outcome):
    of = window(outcome)
    of.distances.clear()
    of.limits.clear()
    of.distances.update({name: distance for name, (distance, _) in said.items()})
    of.limits.update({name: limit for name, (_, limit) in said.items()})
    found = {one.name: one.outcome for one in of.judged()}
    assert set(found) == set(said)
    for name, (distance, limit) in said.items():
        known = math.isfinite(distance) and math.isfinite(limit)
        assert (found[name] is FAIL) == (outcome is FAIL and known and distance > limit)
        assert (found[name] is PASS) == (outcome is not WAIT and known and distance <= limit)


def test_a_name_with_a_distance_and_no_limit_waits(home):
    of = window(FAIL)
    of.distances["score"] = 0.9
    assert made(of).outcomes["score"] is WAIT


@pytest.mark.parametrize("n", [500, 1500])  # its default method turns from p-values to distances above 1,000 rows
def test_a_larger_distance_is_further_apart_whatever_the_number_of_rows(home, n):
    report = made(window(FAIL, near=0.01, far=0.99, kind=0.19, score=0.21), frame(n, seed=2), frame(n))
    assert report.outcomes == {"near": PASS, "kind": PASS, "score": FAIL, "far": FAIL}


def test_the_numbers_are_those_that_were_given_and_a_second_report_has_its_own(home):
    for week, value in enumerate((0.123, 0.456)):
        of = window(FAIL, week=week, near=value)
        values = [m["value"] for m in content(made(of))["metrics"] if m["metric_name"] == "ProfileDistance(name=near)"]
        assert values == [value]


def test_a_distance_that_nobody_knows_is_neither_a_number_nor_a_pass(home):
    report = made(window(PASS, near=math.nan))
    assert report.outcomes["near"] is WAIT
    (value,) = [m["value"] for m in content(report)["metrics"] if m["metric_name"] == "ProfileDistance(name=near)"]
    assert value is None


def test_an_outlier_hides_a_shift_from_evidently_and_not_from_our_verdict(home):
    reference, shifted = frame(2_000), frame(2_000, shift=1.0, seed=2)
    spoiled = shifted.assign(far=np.r_[1e6, shifted["far"].to_numpy()[1:]])
    frozen = profiles.freeze_profile(reference, ["far"])
    ours = [profiles.distances(frozen, rows)["far"] for rows in (shifted, spoiled)]
    assert abs(ours[0] - ours[1]) < 0.001
    assert min(ours) > 0.3
    assert _psi(spoiled, reference) < 0.01 < 0.5 < _psi(shifted, reference)
    assert made(window(FAIL, far=ours[1]), spoiled, reference).outcomes["far"] is FAIL


def _psi(current, reference):
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    sets = [Dataset.from_pandas(f[["far"]], DataDefinition(numerical_columns=["far"])) for f in (current, reference)]
    return Report([ValueDrift(column="far", method="psi")]).run(*sets).dict()["metrics"][0]["value"]


# What it draws.


def drawn(name: str) -> int:
    """How many columns have plots of their own in the snapshot of the window `name`."""
    stored = json.loads(snapshot_file("toy", name).read_text())
    return sum(widget["type"] == "tabs" for widget in stored["widgets"])


ODD = {
    "uint8": lambda n: np.arange(n).astype("uint8"),
    "Int64": lambda n: pd.array([None, *range(n - 1)], dtype="Int64"),
    "boolean": lambda n: pd.array([None, *([True, False] * n)[: n - 1]], dtype="boolean"),
    "bool": lambda n: np.arange(n) % 2 == 0,
    "pyarrow": lambda n: pd.array([None, *range(n - 1)], dtype="int64[pyarrow]"),
    "pyarrow text": lambda n: pd.array([None, *("ab" * n)[: n - 1]], dtype="string[pyarrow]"),
    "category": lambda n: pd.Categorical(list("abc" * n)[:n]),
    "infinite": lambda n: np.r_[np.inf, -np.inf, np.nan, np.ones(n - 3)],
    "constant": np.ones,
    "mixed": lambda n: pd.Series([1, "a", None, 2.5] * n)[:n].to_numpy(),
}


def test_a_column_of_any_type_is_drawn(home):
    of = window(FAIL, **dict.fromkeys(ODD, 0.3))
    odd = [rows.assign(**{kind: make(len(rows)) for kind, make in ODD.items()}) for rows in (frame(seed=2), frame())]
    report = made(of, *odd, columns=[*COLUMNS, *ODD])
    assert (report.undrawn, drawn(of.name)) == ({}, 3 + len(ODD))
    assert set(report.failed) == {"far", *ODD}


MOMENTS = pd.date_range("2024-01-01", periods=300, tz="UTC")
BROKEN = {
    "without a value in the window": (np.nan, 1.0),
    "without a value in the reference": (1.0, pd.array([None] * 300, dtype="Int64")),
    "not in the window": (None, 1.0),
    "not in the reference": (1.0, None),
    "of another type than in the reference: str, before float64": ("x", 1.0),
    "of another type than in the reference: float64, before str": (1.0, "x"),
    "a moment in time, which no distance is drawn of": (MOMENTS, MOMENTS),
}


def test_a_column_that_cannot_be_drawn_is_named_with_its_reason_and_judged_all_the_same(home):
    of = window(FAIL, **dict.fromkeys(BROKEN, 0.3))
    sides = [{why: given[side] for why, given in BROKEN.items() if given[side] is not None} for side in (0, 1)]
    report = made(of, frame(seed=2).assign(**sides[0]), frame().assign(**sides[1]), columns=[*COLUMNS, *BROKEN])
    assert report.undrawn == {why: why for why in BROKEN}
    assert drawn(of.name) == 3
    assert set(report.failed) == {"far", *BROKEN}
    page = report.html.read_text()
    assert all(f"{why} ({why})" in page for why in BROKEN)


def test_a_column_that_nobody_asked_for_is_not_drawn(home):
    of = window(PASS)
    made(of, frame(seed=2).assign(extra=1), frame())
    assert drawn(of.name) == 3


def test_a_window_without_any_column_that_can_be_drawn_is_reported_with_its_verdict(home):
    report = made(window(FAIL), frame(seed=2).iloc[:0], frame())
    assert report.outcome is FAIL
    assert set(report.undrawn) == set(COLUMNS)


def test_what_evidently_cannot_draw_costs_the_plots_and_not_the_verdict(home, monkeypatch):
    from tasks.monitoring import judged

    def dies(**_said):
        raise ZeroDivisionError("the value of Lovelace")

    monkeypatch.setattr(judged, "ValueDrift", dies)
    report = made(window(FAIL))
    assert report.outcomes["far"] is FAIL
    assert report.undrawn == dict.fromkeys(COLUMNS, "Evidently raised ZeroDivisionError")
    assert "Lovelace" not in report.html.read_text() + report.json.read_text()


def test_a_large_window_is_drawn_from_a_sample_that_is_the_same_twice(home):
    of, large = window(PASS), frame(8_000, seed=2)
    first, again, other = (_plotted(of, large, seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def _plotted(of, current, seed):
    """What the plots of a report over `current` are made of."""
    report = made(of, current, seed=seed)
    assert measured(report)["RowCount"] == 5_000
    assert "Read for this page: 8,000 valid rows" in report.html.read_text()
    widgets = json.loads(snapshot_file("toy", of.name).read_text())["widgets"]
    return [widget["tabs"][0]["widget"]["params"]["data"] for widget in widgets if widget["tabs"]]


def test_a_column_of_many_values_shows_the_most_frequent(home):
    many = pd.Series([f"m{i}" for i in range(250)] + ["often"] * 50, dtype=str)
    report = made(window(PASS), frame(seed=2).assign(kind=many), frame().assign(kind=many))
    page = report.html.read_text()
    assert "often" in page
    assert "(other)" in page
    assert "m249" not in page


# What it must not show, and where it lies.


def test_a_value_that_holds_a_tag_is_shown_and_never_run(home):
    tag = "</script><script>alert(1)</script>"
    rows = frame(seed=2).assign(kind=tag)
    of = window(FAIL, reason=f"moved: slice kind={tag}", **{f"slice kind={tag}": 0.9})
    report = made(of, rows, frame())
    assert "alert(1)" in report.html.read_text()
    assert "script>alert" not in report.html.read_text()


def test_what_is_personal_is_judged_and_not_shown(home):
    rows = [f.assign(kind="Ada Lovelace", near=1815.25) for f in (frame(seed=2), frame())]
    of = window(FAIL, kind=0.7)
    report = made(of, *rows, personal=["kind", "near"])
    assert report.outcomes["kind"] is FAIL
    assert set(report.undrawn) == {"kind", "near"}
    for file in (report.html, report.json, snapshot_file("toy", of.name)):
        assert "Lovelace" not in file.read_text()
        assert "1815.25" not in file.read_text()


def test_it_is_three_files_whole_although_evidently_writes_none_to_a_path(home):
    of = window(FAIL)
    report = made(of)
    assert report.html == home / "reports" / "toy" / "20240304T0000-20240311T0000.html"
    assert "<title>toy, 2024-03-04 to 2024-03-11: drift FAIL</title>" in report.html.read_text()
    about = content(report)["about"]
    assert (about["verdict"], about["window"]) == ("FAIL", "2024-03-04 to 2024-03-11")
    assert not list(report.html.parent.glob(".*"))
    stored = json.loads(snapshot_file("toy", of.name).read_text())
    assert (stored["name"], stored["tags"]) == (of.title, ["toy", "FAIL"])
    assert '"bound_test": {' not in snapshot_file("toy", of.name).read_text(), "a class of ours nobody else could load"
    assert max(report.json.stat().st_size, snapshot_file("toy", of.name).stat().st_size) < 400_000


def test_a_window_that_is_reported_again_takes_the_place_of_itself(home):
    first, again = made(window(PASS)), made(window(FAIL))
    assert first.html == again.html
    assert content(first)["about"]["verdict"] == "FAIL"
    assert len(list((home / "evidently").glob("*/snapshots/*.json"))) == 1


# How good the champion was.


def test_of_two_classes_the_models_own_decisions_are_measured_and_rows_without_a_label_left_out(home):
    rows = matured("binary")
    report = made(window(PASS), framing=framing("binary"), matured=rows)
    known = ~np.isnan(rows.label)
    y, said, scored = rows.label[known], rows.decision[known], rows.score[known]
    got = measured(report)
    assert got["Recall"] == pytest.approx(theirs.recall_score(y, said))
    assert got["Precision"] == pytest.approx(theirs.precision_score(y, said))
    assert got["RocAuc"] == pytest.approx(theirs.roc_auc_score(y, scored))
    assert theirs.recall_score(y, said) != theirs.recall_score(y, scored > 0.5)
    assert "400, of which 40 have none" in report.html.read_text()


def test_of_three_classes_too(home):
    rows = matured("multiclass")
    got = measured(made(window(PASS), framing=framing("multiclass"), matured=rows))
    known = ~np.isnan(rows.label)
    assert got["Accuracy"] == pytest.approx(theirs.accuracy_score(rows.label[known], rows.decision[known]))
    expected = theirs.recall_score(rows.label[known], rows.decision[known], average=None)
    assert [got["RecallByLabel"][name] for name in ("low", "mid", "high")] == pytest.approx(list(expected))
    auc = theirs.roc_auc_score(rows.label[known], rows.score[known], multi_class="ovr")
    assert got["RocAuc"] == pytest.approx(auc, abs=1e-6)


def test_of_a_number_its_errors_are(home):
    rows = matured("regression")
    got = measured(made(window(PASS), framing=framing("regression"), matured=rows))
    known = ~np.isnan(rows.label)
    mae = theirs.mean_absolute_error(rows.label[known], rows.decision[known])
    assert got["MAE"]["mean"] == pytest.approx(mae)
    assert got["RMSE"] == pytest.approx(theirs.root_mean_squared_error(rows.label[known], rows.decision[known]))


POOR = {
    "no row": ("binary", 0, 0, "0, of which 0 have none"),
    "few labels": ("regression", 50, 40, "10 have a label and an answer; 30 are needed"),
    "few labels of three classes": ("multiclass", 50, 40, "10 have a label"),
}


@pytest.mark.parametrize("why", POOR)
def test_matured_rows_that_say_nothing_are_no_crash_and_no_figure(home, why):
    task, n, unlabelled, says = POOR[why]
    report = made(window(PASS), framing=framing(task), matured=matured(task, n, unlabelled=unlabelled))
    assert says in report.html.read_text()
    assert not {"Accuracy", "MAE", "RocAuc"} & set(measured(report))


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_labels_of_one_class_have_decisions_and_no_curve(home, task):
    rows = matured(task)
    rows.label[:] = np.where(np.isnan(rows.label), np.nan, 0.0)
    report = made(window(PASS), framing=framing(task), matured=rows)
    assert measured(report)["Accuracy"] == pytest.approx(np.mean(rows.decision[~np.isnan(rows.label)] == 0))
    assert "RocAuc" not in measured(report)
    assert "no ROC curve is defined" in report.html.read_text()


def test_an_answer_that_failed_is_no_decision(home):
    rows = matured("binary")
    rows.decision[50:60] = np.nan
    rows.score[50:60] = np.nan
    got = measured(made(window(PASS), framing=framing("binary"), matured=rows))
    there = ~np.isnan(rows.label) & ~np.isnan(rows.decision)
    assert got["Accuracy"] == pytest.approx(np.mean(rows.label[there] == rows.decision[there]))


# What is remembered.


def test_what_was_remembered_is_recalled_whole(home):
    assert monitoring.recall("toy", "model") is None
    for said in ({"past": [{"x": 0.1}]}, {"past": []}):
        monitoring.remember("toy", "model", said)
        assert monitoring.recall("toy", "model") == said
    assert [path.name for path in (home / "profiles" / "toy").iterdir()] == ["model.json"]
