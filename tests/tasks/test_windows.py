"""On a real Parquet file: is a window half-open, the same twice, and blind to what was not yet known?"""

import dataclasses
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.columns import about
from schemas.errors import PerennialError
from schemas.plans import DataPlan
from tasks import opening, windows

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LATE = ["label", "label_at", "review", "reviewed_at"]


@pytest.fixture
def table(home, toy, toy_rows):
    rows = toy_rows(48)
    windows.materialise(toy, rows)
    return rows


def _read(toy, start, end, *, as_of=START + 99 * DAY):
    return windows.read_window(toy, start, end, as_of=as_of)


def test_a_window_holds_its_start_and_not_its_end(toy, table):
    found = _read(toy, START + 3 * HOUR, START + 7 * HOUR)
    assert found["id"].tolist() == [3, 4, 5, 6]


def test_windows_that_meet_hold_every_row_once(toy, table):
    parts = [_read(toy, START + n * 6 * HOUR, START + (n + 1) * 6 * HOUR) for n in range(8)]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), _read(toy, START, START + 48 * HOUR))
    assert sum(map(len, parts)) == len(table)


def test_rows_come_in_order_whatever_order_the_file_has(toy, table):
    before = _read(toy, START, START + 48 * HOUR)
    windows.materialise(toy, table.sample(frac=1, random_state=1))
    again = _read(toy, START, START + 48 * HOUR)
    pd.testing.assert_frame_equal(before, again)
    assert again["at"].is_monotonic_increasing
    assert isinstance(again.index, pd.RangeIndex)


def test_the_same_call_reads_the_same_rows(toy, table):
    pd.testing.assert_frame_equal(_read(toy, START, START + DAY), _read(toy, START, START + DAY))


def test_a_window_keeps_its_contract(toy, table):
    for as_of in (START, START + 20 * HOUR, START + 99 * DAY):
        toy.contract.validate(_read(toy, START, START + 48 * HOUR, as_of=as_of), lazy=True)


def test_an_empty_window_has_the_columns_all_the_same(toy, table):
    found = _read(toy, START + 900 * DAY, START + 901 * DAY)
    assert list(found.columns) == list(toy.contract.columns)
    assert len(found) == 0


def test_a_moment_in_another_zone_is_the_same_moment(toy, table):
    sydney = timezone(timedelta(hours=11))
    there = _read(
        toy,
        (START + 3 * HOUR).astimezone(sydney),
        (START + 7 * HOUR).astimezone(sydney),
        as_of=(START + 35 * HOUR).astimezone(sydney),
    )
    pd.testing.assert_frame_equal(there, _read(toy, START + 3 * HOUR, START + 7 * HOUR, as_of=START + 35 * HOUR))
    assert there["label"].notna().tolist() == [True, True, False, False]  # labelled 30 hours after


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    delays=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=20, max_size=20),
    at=st.integers(0, 130),
)
def test_nothing_is_visible_before_it_was_known(home, toy, toy_rows, delays, at):
    label_hours, review_hours = (np.array(part) for part in zip(*delays, strict=True))
    rows = toy_rows(20, label_hours=label_hours, review_hours=review_hours)
    windows.materialise(toy, rows)
    as_of = START + at * HOUR
    found = _read(toy, START, START + DAY, as_of=as_of)
    for column, time in (("label", "label_at"), ("review", "reviewed_at")):
        known = (rows[time] < as_of).to_numpy()
        np.testing.assert_array_equal(found[column].notna(), known)
        np.testing.assert_array_equal(found[time].notna(), known)  # when it is to come would tell what it is
        np.testing.assert_array_equal(found[column].to_numpy()[known], rows[column].to_numpy()[known])
    at_once = ["id", "at", "customer", "x", "kind"]
    pd.testing.assert_frame_equal(found[at_once], rows[at_once], check_dtype=False)


def test_requests_hold_nothing_that_is_filled_in_later(toy, table):
    found = windows.read_requests(toy, START, START + 48 * HOUR)
    assert found[LATE].isna().all(axis=None)
    assert found["x"].notna().all()


def test_labels_are_read_in_the_window_they_became_known_in(toy, table):
    found = windows.read_labels(toy, START + 30 * HOUR, START + 33 * HOUR)
    assert list(found.columns) == ["key", "label", "known_at"]
    assert found["key"].tolist() == [0, 1, 2]
    assert found["label"].tolist() == table["label"].head(3).tolist()


def test_whole_number_labels_may_be_unknown(home, toy, toy_rows):
    windows.materialise(toy, toy_rows(48).astype({"label": "int64"}))
    found = _read(toy, START, START + 48 * HOUR, as_of=START + 40 * HOUR)
    assert str(found["label"].dtype) == "float64"
    assert found["label"].notna().sum() == 10


def test_bounds_are_the_first_and_last_event(toy, table):
    assert windows.bounds(toy) == (START, START + 47 * HOUR)


def test_a_file_that_was_replaced_is_read_anew(toy, table, toy_rows):
    assert len(_read(toy, START, START + 90 * DAY)) == 48
    windows.materialise(toy, toy_rows(60))
    assert len(_read(toy, START, START + 90 * DAY)) == 60


def test_many_files_are_one_table(home, toy, toy_rows):
    rows = toy_rows(48)
    many = dataclasses.replace(toy, source=dataclasses.replace(toy.source, location="toy/part-*.parquet"))
    folder = home / "data" / "toy"
    folder.mkdir(parents=True)
    for n, part in enumerate((rows.head(20), rows.tail(28))):
        part.to_parquet(folder / f"part-{n}.parquet", index=False)
    assert _read(many, START, START + 48 * HOUR)["id"].tolist() == list(range(48))


def test_a_table_is_linked_and_not_copied(home, toy, toy_rows, tmp_path):
    mine = tmp_path / "mine.parquet"
    toy_rows(10).to_parquet(mine, index=False)
    for _ in range(2):
        windows.link(toy, mine)
    assert windows.locate(toy).resolve() == mine
    assert len(_read(toy, START, START + DAY)) == 10


def test_a_missing_file_is_one_clear_error(home, toy, tmp_path):
    assert not windows.available(toy)
    for read in (lambda: _read(toy, START, START + DAY), lambda: windows.link(toy, tmp_path / "none.parquet")):
        with pytest.raises(windows.MissingDataError) as error:
            read()
        assert "'toy'" in str(error.value)
        assert ".parquet" in str(error.value)
        assert "make loop PROBLEM=toy DATA=path" in str(error.value)
        assert isinstance(error.value, PerennialError)


def test_an_empty_table_has_no_bounds(home, toy, toy_rows):
    windows.materialise(toy, toy_rows(5).head(0))
    with pytest.raises(PerennialError, match=r"'toy' at .* has no rows"):
        windows.bounds(toy)


@pytest.mark.parametrize("column", ["x", "label", "label_at", "review"])
def test_a_missing_column_is_one_clear_error(home, toy, toy_rows, column):
    windows.materialise(toy, toy_rows(5).drop(columns=column))
    with pytest.raises(windows.MissingColumnError) as error:
        _read(toy, START, START + DAY)
    assert f"'toy' lacks the columns {column} " in str(error.value)
    assert "schemas/problems/toy.py" in str(error.value)


@pytest.mark.parametrize("column", ["at", "label_at", "reviewed_at"])
def test_a_column_of_times_without_a_zone_is_refused(home, toy, toy_rows, column):
    rows = toy_rows(5)
    windows.materialise(toy, rows.assign(**{column: rows[column].dt.tz_localize(None)}))
    with pytest.raises(windows.NaiveTimestampError, match=f"column '{column}' of 'toy'"):
        _read(toy, START, START + DAY)


@pytest.mark.parametrize("what", ["start", "end", "as_of"])
def test_a_moment_without_a_zone_is_refused_by_name(toy, table, what):
    given = {"start": START, "end": START + DAY, "as_of": START + DAY}
    given[what] = given[what].replace(tzinfo=None)
    with pytest.raises(windows.NaiveTimestampError, match=f"^{what} is 2024"):
        windows.read_window(toy, given["start"], given["end"], as_of=given["as_of"])
    if what != "as_of":
        with pytest.raises(windows.NaiveTimestampError, match=f"^{what} is 2024"):
            windows.read_labels(toy, given["start"], given["end"])


# --- How much pandas may hold ---


def _budget(problem, rows: int):
    return dataclasses.replace(problem, data=DataPlan(frame_rows=rows))


def test_a_window_over_the_budget_is_refused_and_a_shorter_one_is_offered(home, toy, toy_rows):
    windows.materialise(toy, toy_rows(3_000))
    small = _budget(toy, 1_000)
    end = START + timedelta(hours=3_000)
    with pytest.raises(windows.TooManyRowsError, match="has 3,000 rows, and pandas may hold 1,000"):
        windows.read_window(small, START, end, as_of=end)
    until = windows.affordable(small, START, end)
    assert START < until < end
    assert 500 <= len(windows.read_window(small, START, until, as_of=end)) <= 1_000


def test_a_sample_keeps_to_the_budget_and_is_the_same_rows_each_time(home, toy, toy_rows):
    windows.materialise(toy, toy_rows(3_000))
    end = START + timedelta(hours=3_000)
    whole, share = windows.read_sample(toy, START, end, as_of=end)
    assert share == 1.0
    assert len(whole) == 3_000
    small = _budget(toy, 1_000)
    first, share = windows.read_sample(small, START, end, as_of=end)
    assert share < 1 / 3
    assert 700 < len(first) <= 1_000
    pd.testing.assert_frame_equal(first, windows.read_sample(small, START, end, as_of=end)[0])
    fewer, share = windows.read_sample(small, START, end, as_of=end, at_most=300)
    assert share < 1 / 10
    assert 150 < len(fewer) <= 300
    assert set(fewer["id"]) <= set(first["id"])
    half = START + timedelta(
        hours=2_900
    )  # another window of the same keys: who is in stays in, as far as the share allows
    again = windows.read_sample(small, START, half, as_of=end)[0]
    assert set(first["id"][first["at"] < half]) <= set(again["id"])


def test_rows_are_counted_anew_once_the_table_has_changed(toy, table):
    window = (START, START + 48 * HOUR)
    assert windows.count(toy, *window) == windows.count(toy, *window) == 48
    assert opening.counts_of(toy) == {window: 48}
    windows.materialise(toy, table.head(30))
    assert windows.count(toy, *window) == 30
    assert windows.count(toy, START, START + 7 * HOUR) == 7


def test_of_a_pattern_that_more_files_may_fit_no_count_is_remembered(toy, table):
    folder = windows.locate(toy).parent
    every = dataclasses.replace(toy, source=dataclasses.replace(toy.source, location=f"{folder}/more*.parquet"))
    table.head(20).to_parquet(folder / "more1.parquet")
    assert windows.count(every, START, START + 48 * HOUR) == 20
    table.tail(5).to_parquet(folder / "more2.parquet")
    assert opening.counts_of(every) == {}
    assert windows.count(every, START, START + 48 * HOUR) == 25


def test_rows_that_share_time_and_key_come_in_one_order(home, toy, toy_rows):
    rows = toy_rows(40).assign(id=7, at=START)
    end = START + timedelta(hours=1)
    read = []
    for seed in (1, 2, 3):
        windows.materialise(toy, rows.sample(frac=1, random_state=seed))
        opening._OPENED.clear()
        read.append(windows.read_window(toy, START, end, as_of=end + timedelta(days=90)))
    pd.testing.assert_frame_equal(read[0], read[1])
    pd.testing.assert_frame_equal(read[0], read[2])


def test_a_column_known_with_delay_is_null_until_then(home, toy, toy_rows):
    column = pa.Column("float64", nullable=True, metadata=about(known="with delay", delay=timedelta(hours=5)))
    late = dataclasses.replace(
        toy,
        contract=toy.contract.add_columns({"z": column}),
        recipe=toy.recipe.model_copy(update={"features": ("kind",)}),
    )
    windows.materialise(late, toy_rows(24).assign(z=1.0))
    moment = START + timedelta(hours=12)
    seen = windows.read_window(late, START, START + timedelta(hours=24), as_of=moment)
    known = seen["at"] + pd.Timedelta(hours=5) < moment
    assert (seen["z"].notna() == known).all()
    assert 0 < known.sum() < 24
