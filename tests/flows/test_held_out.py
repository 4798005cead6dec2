"""Do the ledger's notes say which rows judged, why they changed, and whether live requests are like them?"""

import dataclasses
from collections.abc import Iterator

import pandas as pd
import pytest

from flows.held_out import described, likeness
from flows.turn import Turn
from schemas.rows import State
from tasks import database
from tests.flows import made

NOW = made.START + 20 * made.DAY


@pytest.fixture
def turn(tmp_path, monkeypatch) -> Iterator[Turn]:
    with made.added(made.PROBLEM, tmp_path):
        monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
        yield Turn(made.PROBLEM.name, State(made.PROBLEM.name), NOW)
        database.close_databases()


def settled(tmp_path, *, shifted: float = 0.0) -> pd.DataFrame:
    """The table with `shifted` added to x in the last week; returns rows held out before it."""
    rows = made.readings(days=20)
    late = rows["at"] >= NOW - made.PROBLEM.monitoring.window
    rows.loc[late, "x"] += shifted
    made.settle(tmp_path / "home", made.PROBLEM, rows)
    return rows[~late].tail(600)


@pytest.mark.parametrize("shifted, says", [(0.0, "are like"), (3.0, "are not like")])
def test_the_feature_that_is_farthest_is_named(turn, tmp_path, shifted, says):
    test = settled(tmp_path, shifted=shifted)
    found = likeness(turn, test)
    assert says in found["likeness"]
    assert shifted == 0.0 or found["farthest"] == "x"
    assert (found["distance"] > made.PROBLEM.monitoring.effect_floor) == bool(shifted)


def test_what_cannot_be_compared_says_so_and_refuses_nobody(turn, tmp_path):
    test = settled(tmp_path)
    assert "no live requests" in likeness(dataclasses.replace(turn, now=NOW + 300 * made.DAY), test)["likeness"]
    (tmp_path / "home" / "data" / "bands" / "rows.parquet").unlink()
    assert "could not be compared" in likeness(turn, test)["likeness"]


def test_the_notes_name_rows_span_folds_and_reason(turn, tmp_path):
    test = settled(tmp_path)
    said = described(turn, test, sha256="ab", folds=5)
    assert (said["rows"], said["folds"], said["reason"]) == (600, 5, "the first held-out rows")
    assert said["from"] == test["at"].min().isoformat()
