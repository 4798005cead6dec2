"""Is a whole table counted as it is, in its engine?"""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from tasks import counts, survey, windows
from tasks.maturity import measured
from tests.tasks.conftest import START

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def shape(toy, rows: pd.DataFrame, *, now=START + 99 * DAY):
    windows.materialise(toy, rows)
    return survey.shape_of(windows.whole_table(toy), toy, now=now)


def labels(toy, rows: pd.DataFrame, *, days: float):
    windows.materialise(toy, rows)
    end = START + days * DAY
    masked = windows.window_table(toy, START, end, as_of=end)
    found = survey.labels_of(masked, toy, until=end - toy.framing.maturity)
    delays = measured(counts.delays_in(masked, toy.framing, now=end), toy.framing)
    return survey.slowest_of(delays, found, maturity=toy.framing.maturity)


def test_rows_days_keys_and_entities_are_counted(home, toy, toy_rows):
    rows = toy_rows(96)
    found = shape(toy, rows)
    assert (found.rows, found.days, found.longest_gap) == (96, 4, DAY)
    assert (found.first, found.last, found.span) == (START, START + 95 * HOUR, 95 * HOUR)
    assert found.entities == rows["customer"].nunique()
    assert (found.future, found.no_time, found.no_key, found.repeated_keys) == (0, 0, 0, 0)


def test_what_is_wrong_with_a_table_is_counted(home, toy, toy_rows):
    rows = toy_rows(240)
    rows = pd.concat([rows.iloc[:48], rows.iloc[192:], rows.iloc[:5]])  # six days missing, five rows twice
    rows["at"] = rows["at"].where(np.arange(len(rows)) >= 3)
    found = shape(toy, rows, now=START + 9 * DAY + 11.5 * HOUR)
    assert found.no_time == 3
    assert found.repeated_keys == 5
    assert found.longest_gap == 7 * DAY
    assert found.future == 12


def test_an_empty_table_has_no_first_row(home, toy, toy_rows):
    found = shape(toy, toy_rows(1).head(0))
    assert (found.rows, found.first, found.last, found.days, found.future) == (0, None, None, 0, 0)


@pytest.mark.parametrize("filled, expected", [(True, ("x",)), (False, ())])
def test_a_feature_that_comes_with_the_label_is_named(home, toy, toy_rows, filled, expected):
    rows = toy_rows(120)
    unlabelled = np.arange(120) >= 80
    rows["label"] = rows["label"].where(~unlabelled)
    if filled:
        rows["x"] = rows["x"].where(~unlabelled)
    assert shape(toy, rows).filled_with_label == expected


def test_labels_are_those_known_by_then_of_rows_that_are_mature(home, toy, toy_rows):
    found = labels(toy, toy_rows(240, label_hours=30), days=9)
    assert found.matured == 7 * 24
    assert found.labelled == 7 * 24
    assert sum(found.classes.values()) == found.labelled
    assert set(found.classes) == {"0", "1"}
    assert found.median == found.most
    assert abs(found.median - 30 * HOUR) < HOUR / 2  # counted in half per cents of the maturity
    assert (found.slowest, found.late, found.early) == ("", 0.0, 0)


def test_a_label_that_is_not_known_yet_is_none(home, toy, toy_rows):
    # Rows of the last day before the maturity are labelled after 60 hours, twelve later than the maturity.
    found = labels(toy, toy_rows(240, label_hours=60), days=9)
    assert found.labelled == found.matured - 12
    assert found.late == 1.0


def test_delays_are_those_of_the_class_that_takes_longest(home, toy, toy_rows):
    rows = toy_rows(240)
    rows["label"] = (np.arange(240) % 5 == 0).astype(float)
    slow = rows["label"] == 1
    rows["label_at"] = rows["at"] + pd.to_timedelta(np.where(slow, 40, 2), unit="h")
    found = labels(toy, rows, days=9)
    assert found.slowest == "label = 1"
    assert abs(found.median - 40 * HOUR) < HOUR / 2


def test_a_label_from_before_its_event_is_counted(home, toy, toy_rows):
    rows = toy_rows(240)
    rows.loc[:6, "label_at"] = rows["at"] - HOUR
    assert labels(toy, rows, days=9).early == 7


def test_a_table_without_labels_has_none(home, toy, toy_rows):
    rows = toy_rows(240)
    rows["label"] = np.nan
    found = labels(toy, rows, days=9)
    assert (found.labelled, found.classes, found.median, found.late) == (0, {}, None, 0.0)
