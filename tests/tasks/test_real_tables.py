"""The public tables, where PERENNIAL_DATA names a folder that has them."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.problem import load_problem
from tasks import contracts, windows

TABLES = {"electricity": "electricity/electricity.csv", "bikes": "bike_sharing/hour.csv"}


@pytest.fixture(params=sorted(TABLES))
def problem(request, tmp_path, monkeypatch):
    folder = os.environ.get("PERENNIAL_DATA")
    if not folder or not (Path(folder) / TABLES[request.param]).exists():
        pytest.skip("PERENNIAL_DATA names no folder with electricity/electricity.csv and bike_sharing/hour.csv")
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    problem = load_problem(request.param)
    windows.link(problem, Path(folder) / TABLES[request.param])
    return problem


def test_the_whole_table_keeps_its_contract(problem):
    first, last = windows.bounds(problem)
    rows = windows.read_window(problem, first, last + timedelta(hours=1), as_of=last + timedelta(days=9))
    checked = contracts.check(problem, rows)
    assert checked.counts == {}
    assert len(rows) > 10_000


def test_a_label_is_hidden_until_a_day_after_its_row(problem):
    first, _ = windows.bounds(problem)
    now = first + timedelta(days=30)
    rows = windows.read_window(problem, first, now, as_of=now)
    framing = problem.framing
    known = rows[framing.event_time] + framing.maturity < now
    assert (rows[framing.target].notna() == known).all()


def test_the_heuristic_uses_only_what_was_known(problem):
    """Read as it stood then, or with all labels known: what the heuristic sees of a row must not differ."""
    first, last = windows.bounds(problem)
    start, end = first + timedelta(days=30), first + timedelta(days=31)
    then = windows.read_requests(problem, start, end)
    later = windows.read_window(problem, start, end, as_of=last + timedelta(days=9))
    feature = {"electricity": "price_up_yesterday", "bikes": "usual"}[problem.name]
    assert then[feature].equals(later[feature])
    assert then[problem.framing.target].isna().all()
