"""Does every figure rest on matured rows alone? Here labels of a young row come early only where the model was right."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from deployments.ways import WAYS, compare, judged_rows
from flows import quality
from flows.arms import matured_rows
from flows.turn import Turn
from schemas.framing import BrierLoss
from schemas.rows import Model, State
from schemas.stage import Stage
from schemas.verdict import Outcome
from tasks import labels, predictions, windows
from tasks.scoring import Answers, Outputs
from tests.flows.made import DAY, HIGH, START, added, readings

MATURITY = 5 * DAY
NOW = START + 40 * DAY
CHAMPION = Model("a" * 64, "1", "boosting", trained_until=START - DAY, held_out={"loss": 0.2})
PROBLEM = replace(
    HIGH,
    name="early",
    source=replace(HIGH.source, location="early/rows.parquet"),
    framing=HIGH.framing.model_copy(update={"maturity": MATURITY, "loss": BrierLoss()}),
)


@pytest.fixture
def rows(home):
    """Forty days of zeros and ones in equal parts; zeros are known in an hour, ones after four days."""
    made = readings(days=40)
    made["high"] = (np.arange(len(made)) % 2).astype(float)
    delay = np.where(made["high"] == 1, 96, 1)
    made["band_at"] = (made["at"] + pd.to_timedelta(delay, unit="h")).astype(made["at"].dtype)
    return made


def served(rows: pd.DataFrame, problem=PROBLEM) -> None:
    """The champion says .1 to all: right on zeros, which come early, and wrong on ones."""
    n = len(rows)
    said = Outputs(np.full(n, 0.1), np.zeros(n), np.full(n, None, dtype=object))
    answers = Answers(said, None, np.zeros(n, dtype=bool), 0.0, said.score, said.decision)
    predictions.log(problem, State("early", 7, stage=Stage.SHADOW, rollout=1, champion=CHAMPION), rows, answers)
    known = rows[rows["band_at"] < pd.Timestamp(NOW)]
    predictions.log_labels(problem, known[["id", "high", "band_at"]].set_axis(["key", "label", "known_at"], axis=1))


@pytest.fixture
def turn(rows, tmp_path):
    served(rows)
    state = State(
        "early", 7, stage=Stage.HEALTHY, champion=CHAMPION, since=START, turned=NOW - 8 * DAY, tried=START, rollout=1
    )
    with added(PROBLEM, tmp_path):
        yield Turn("early", state, NOW)


def test_labels_of_all_ages_would_flatter(turn):
    every = predictions.cohort(PROBLEM, since=NOW - MATURITY, now=NOW, matured=False).dropna(subset=["label"])
    assert every["label"].mean() < 0.2


def test_the_slow_clock_of_a_rollout_reads_matured_rows(turn):
    found = matured_rows(turn, Stage.SHADOW)
    assert found["event_time"].max() < pd.Timestamp(NOW - MATURITY)
    assert found["label"].mean() == pytest.approx(0.5, abs=0.01)
    assert found["label"].notna().all()


def test_decay_is_judged_on_matured_rows(turn):
    verdict = quality.quality(turn).verdict
    assert verdict.outcome is Outcome.FAIL
    assert verdict.evidence["live"] == pytest.approx((0.1**2 + 0.9**2) / 2, abs=0.005)


def test_decay_is_not_judged_where_matured_rows_lack_their_labels(rows, tmp_path):
    """A third of the ones never gets a label: what is left looks better than it is."""
    gone = rows["band_at"].where((rows["high"] == 0) | (rows["id"] % 3 > 0))
    served(rows.assign(band_at=gone))
    state = State("early", 7, stage=Stage.HEALTHY, champion=CHAMPION, since=START, turned=NOW - 8 * DAY)
    with added(PROBLEM, tmp_path):
        verdict = quality.quality(Turn("early", state, NOW)).verdict
    assert verdict.outcome is Outcome.WAIT
    assert "matured rows have no label" in verdict.reason


def test_the_mean_lag_is_of_matured_rows(turn):
    found = labels.coverage(PROBLEM, now=NOW)["champion"]
    assert found["lag_days"] == pytest.approx((4 + 1 / 24) / 2, abs=0.01)
    early = labels.coverage(PROBLEM, now=START + 2 * DAY)["champion"]
    assert early["labelled"] > 0
    assert np.isnan(early["lag_days"])


def test_a_replay_is_compared_on_rows_that_had_matured_when_the_table_was_taken(rows):
    """A table of today lacks the slow labels of its last days."""
    known = rows["band_at"] < pd.Timestamp(NOW)
    windows.materialise(PROBLEM, rows.assign(band_at=rows["band_at"].where(known), high=rows["high"].where(known)))
    taken = windows.taken(PROBLEM)
    assert NOW - timedelta(hours=2) < taken < NOW
    found = judged_rows(PROBLEM, START, NOW)
    assert found["at"].max() <= pd.Timestamp(taken - MATURITY)
    assert found["high"].mean() == pytest.approx(0.5, abs=0.01)


def test_a_table_with_all_its_labels_is_compared_whole(rows):
    later = rows.assign(band_at=rows["at"] + pd.Timedelta(MATURITY))
    windows.materialise(PROBLEM, later)
    assert len(judged_rows(PROBLEM, START, NOW)) == len(rows)


def test_a_season_without_rows_breaks_no_comparison(rows):
    """Eleven weeks in which nothing is asked: nothing of them is trained on, and there is nothing to score in them."""
    pause = np.where(rows["at"] < pd.Timestamp(START + 20 * DAY), 0, 77)
    for name in ("at", "band_at"):
        rows[name] = (rows[name] + pd.to_timedelta(pause, unit="D")).astype(rows[name].dtype)
    windows.materialise(PROBLEM, rows)
    served(rows)
    found = compare(PROBLEM, START + 10 * DAY, START + 117 * DAY)
    assert found["rows"] == 29 * 120  # of forty days, without the ten before and the last, which is not matured
    assert all(np.isfinite(found[way]) for way in WAYS)


def test_a_replay_in_which_nothing_matured_is_counted_and_compared_with_nothing(rows):
    rows["band_at"] = (rows["at"] + pd.Timedelta(days=30)).astype(rows["at"].dtype)
    rows["high"] = np.nan
    windows.materialise(PROBLEM, rows)
    served(rows)
    assert compare(PROBLEM, START + 10 * DAY, START + 40 * DAY)["rows"] == 0
