"""Is every figure kept once, every revision of it as well, and each with the moment since when it is known?"""

import dataclasses
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import numpy as np
import pytest

from schemas.figure import Figure
from schemas.rows import Model, State
from schemas.stage import Stage
from tasks import predictions, quality_log
from tasks.scoring import Answers, Outputs

START, DAY = datetime(2024, 1, 1, tzinfo=UTC), timedelta(days=1)
WEEK = 7 * DAY
CHAMPION = Model("a" * 64, "1", "boosting")


@pytest.fixture
def mine(toy):
    """PostgreSQL's log is one for all tests of a session."""
    return dataclasses.replace(toy, name=f"toy_{uuid4().hex}")


def recall(value=0.5, **more) -> Figure:
    known = {"start": START, "end": START + WEEK, "model": CHAMPION.sha256, "rows": 100, "low": 0.4, "high": 0.6}
    return Figure("realised", "recall", **(known | {"value": value} | more))


def kept(problem, **more) -> list[tuple[float, float]]:
    return [(one.value, (one.known_at - START) / DAY) for one in quality_log.figures(problem, **more)]


def test_a_figure_comes_back_as_it_was_kept(log_home, mine):
    said = recall(rows=7, low=None, high=None, note="3 of 10 matured rows have no label")
    assert quality_log.keep_figures(mine, [said], now=START + 9 * DAY) == 1
    (found,) = quality_log.figures(mine)
    assert found == dataclasses.replace(said, known_at=START + 9 * DAY)


def test_a_turn_that_is_run_twice_keeps_nothing_twice(log_home, mine):
    for _ in range(2):
        quality_log.keep_figures(
            mine, [recall(), dataclasses.replace(recall(0.3), metric="precision")], now=START + 9 * DAY
        )
    assert len(kept(mine)) == 2


def test_what_is_still_so_at_the_next_look_is_no_revision(log_home, mine):
    for day in (9, 16, 23):
        quality_log.keep_figures(mine, [recall(0.1 + 0.2)], now=START + day * DAY)
        quality_log.keep_figures(mine, [recall(0.3)], now=START + (day + 1) * DAY)  # equal to 12 digits
    assert kept(mine) == [(pytest.approx(0.3), 9)]


def test_a_revision_stands_beside_what_was_said_before(log_home, mine):
    for day, value in ((9, 0.5), (16, 0.48), (23, 0.48), (30, 0.5)):
        quality_log.keep_figures(mine, [recall(value)], now=START + day * DAY)
    assert kept(mine) == [(0.5, 9), (0.48, 16), (0.5, 30)]


def test_a_moment_that_is_measured_again_changes_nothing_that_came_later(log_home, mine):
    for day, value in ((9, 0.5), (16, 0.48), (9, 0.5)):
        quality_log.keep_figures(mine, [recall(value)], now=START + day * DAY)
    assert kept(mine) == [(0.5, 9), (0.48, 16)]


def test_models_kinds_problems_and_cohorts_do_not_mix(log_home, mine):
    other = dataclasses.replace(mine, name=f"other_{uuid4().hex}")
    later = recall(start=START + WEEK, end=START + 2 * WEEK)
    partly = dataclasses.replace(recall(), kind="partly matured")
    quality_log.keep_figures(mine, [recall(), recall(model="b" * 64), later, partly], now=START + 30 * DAY)
    assert quality_log.figures(other) == []
    assert len(quality_log.figures(mine)) == 4
    assert quality_log.figures(mine, kinds=["partly matured"]) == [
        dataclasses.replace(partly, known_at=START + 30 * DAY)
    ]
    assert len(quality_log.figures(mine, since=START + WEEK)) == 1
    assert len(quality_log.figures(mine, until=START + WEEK, metrics=["recall"])) == 3
    assert quality_log.keep_figures(mine, [], now=START) == 0


def test_the_last_look_is_of_realised_figures(log_home, mine):
    assert quality_log.last_look(mine) is None
    quality_log.keep_figures(mine, [recall()], now=START + 9 * DAY)
    quality_log.keep_figures(mine, [dataclasses.replace(recall(), kind="expected")], now=START + 16 * DAY)
    assert quality_log.last_look(mine) == quality_log.Look(START + 9 * DAY, START, START + WEEK)


def test_late_labels_name_the_cohorts_they_revise(log_home, mine, toy_rows):
    rows, n = toy_rows(21 * 24), 21 * 24
    said = Outputs(np.full(n, 0.1), np.zeros(n), np.full(n, None, dtype=object))
    answers = Answers(said, None, np.zeros(n, dtype=bool), 0.0, said.score, said.decision)
    predictions.log(mine, State("toy", 1, stage=Stage.HEALTHY, champion=CHAMPION), rows, answers)
    names = {"id": "key", "label_at": "known_at"}
    predictions.log_labels(mine, rows.rename(columns=names).head(5))
    predictions.log_labels(mine, rows.rename(columns=names).iloc[-5:].assign(known_at=START + 40 * DAY))
    asked = {"after": START, "before": START + 28 * DAY, "span": WEEK}

    def touched(known_since, now, **more):
        return quality_log.touched(mine, known_since=START + known_since * DAY, now=START + now * DAY, **(asked | more))

    assert touched(0, 30) == [START]
    assert touched(30, 40) == []  # known at day 40, and not before
    assert touched(30, 41) == [START + 2 * WEEK]
    assert touched(0, 41) == [START, START + 2 * WEEK]
    assert touched(0, 41, before=START + 2 * WEEK) == [START]
