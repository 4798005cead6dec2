"""Does the report that people read say what our own limits say, whatever the columns look like?"""

import json
import math

import numpy as np
import pandas as pd
import pytest

from tasks import monitoring, profiles

COLUMNS = ["near", "far", "kind", "empty"]
LIMITS = {"near": 0.2, "far": 0.2, "kind": 0.2, "empty": 0.2}


def _frame(n: int = 300, *, shift: float = 0.0, kinds=("a", "b"), seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "near": rng.normal(size=n),
            "far": rng.normal(size=n) + shift,
            "kind": pd.Series(rng.choice(list(kinds), size=n), dtype=str),
            "empty": np.full(n, np.nan),
        }
    )


def _report(name: str, current: pd.DataFrame, limits=LIMITS, **distances):
    reference = _frame()
    measured = profiles.distances(profiles.freeze_profile(reference, COLUMNS), current) | distances
    return measured, monitoring.make_report("toy", name, current, reference, distances=measured, limits=limits, seed=1)


@pytest.mark.parametrize("shift, kinds", [(0.0, "ab"), (2.0, "ab"), (0.0, "az"), (2.0, "zz")])
def test_its_tests_fail_exactly_where_the_distance_exceeds_the_limit(home, shift, kinds):
    measured, report = _report("w", _frame(shift=shift, kinds=kinds, seed=2))
    assert set(report.failed) == {c for c in COLUMNS if measured[c] > LIMITS[c]}
    assert "near" not in report.failed
    assert ("far" in report.failed) == (shift > 0)
    assert ("kind" in report.failed) == ("z" in kinds)


def test_ours_are_the_distances_it_shows_and_a_second_report_shows_its_own(home):
    for value in (0.123, 0.456):
        _, report = _report(f"w{value}", _frame(seed=2), near=value)
        assert str(value) in report.json.read_text()
        assert ("near" in report.failed) == (value > LIMITS["near"])


def test_it_writes_both_files_where_the_problem_keeps_its_reports(home):
    _, report = _report("window", _frame(seed=2))
    assert report.html == home / "reports" / "toy" / "window.html"
    assert "<html" in report.html.read_text(errors="replace")[:2_000].lower()
    assert json.loads(report.json.read_text())


def test_a_column_without_a_value_and_one_of_small_numbers_survive(home):
    current = _frame(seed=2).assign(far=np.nan, near=np.zeros(300, dtype="uint8"))
    _, report = _report("strange", current)
    assert "near" in report.failed
    assert report.html.exists()


def test_a_distance_that_is_undefined_is_no_failed_test(home):
    _, report = _report("undefined", _frame(seed=2), near=math.nan)
    assert "near" not in report.failed


def test_a_large_window_is_drawn_from_a_sample_and_judged_on_all_of_it(home):
    measured, report = _report("large", _frame(8_000, shift=2.0, seed=2))
    assert "far" in report.failed
    assert repr(measured["far"]) in report.json.read_text()


def test_what_was_remembered_is_recalled_whole(home):
    assert monitoring.recall("toy", "model") is None
    for content in ({"past": [{"x": 0.1}]}, {"past": []}):
        monitoring.remember("toy", "model", content)
        assert monitoring.recall("toy", "model") == content
    assert [path.name for path in (home / "profiles" / "toy").iterdir()] == ["model.json"]
