"""Are rows counted by the partition they belong to, and copies found, on DuckDB and on PostgreSQL?"""

import os
from datetime import UTC, datetime, timedelta

import ibis
import numpy as np
import pandas as pd
import pytest

from tasks import arrivals, contracts, engine_contracts, profiles
from tasks.engine_profiles import profile_table
from tasks.gates import Seen
from tasks.stats import binned

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
COLUMNS = ("customer", "x", "kind")


@pytest.fixture(params=["duckdb", "postgresql"])
def table_of(request, tmp_path):
    """Puts a frame into an engine."""
    opened = []

    def put(frame):
        if request.param == "duckdb":
            connection = ibis.duckdb.connect(threads=1)
            connection.raw_sql("SET TimeZone = 'UTC'")
            frame.to_parquet(tmp_path / "rows.parquet", index=False)
            return connection.read_parquet(tmp_path / "rows.parquet")
        pytest.importorskip("psycopg", reason="Ibis speaks to PostgreSQL through psycopg 3")
        import sqlalchemy

        url = request.getfixturevalue("postgres_url")
        name = f"rows_{os.getpid()}_{request.node.name.split('[')[0][-30:]}"
        engine = sqlalchemy.create_engine(url)
        frame.to_sql(name, engine, index=False, if_exists="replace")
        engine.dispose()
        opened.append(ibis.connect(url.replace("postgresql+psycopg2", "postgres")))
        return opened[-1].table(name)

    yield put
    for connection in opened:
        connection.disconnect()


def test_rows_are_counted_by_the_day_they_happened_in_utc(table_of, toy_rows):
    rows = toy_rows(50)
    found = arrivals.rows_by_partition(table_of(rows), "at", partition=DAY)
    assert found == {START: 24, START + DAY: 24, START + 2 * DAY: 2}
    hours = arrivals.rows_by_partition(table_of(rows), "at", partition=timedelta(hours=8))
    assert (hours[START + timedelta(hours=8)], sum(hours.values())) == (8, 50)


def test_missing_shares_are_those_of_the_frame(table_of, toy_rows):
    rows = toy_rows(40)
    rows.loc[:9, "x"], rows.loc[:3, "kind"] = np.nan, None
    n, found = arrivals.missing_by_column(table_of(rows), ("x", "kind", "id"))
    assert (n, found) == (40, {"x": 0.25, "kind": 0.1, "id": 0.0})


def test_new_values_are_counted_and_how_many_are_to_be_expected(table_of, toy_rows):
    rows = toy_rows(40).assign(kind=["a"] * 38 + ["b", None])
    table = table_of(rows)
    reference, now = table.filter(table.id < 20), table.filter(table.id >= 20)
    assert arrivals.new_values(now, reference, ["kind"]) == {"kind": Seen(rows=19, unseen=1, names=1, expected=0.0)}
    assert arrivals.new_values(now, now.limit(0), ["kind"]) == {}


def test_a_copied_day_is_found_where_the_engine_has_a_hash(toy_rows, tmp_path):
    rows = toy_rows(24 * 5)
    again = rows.iloc[24:48].assign(id=lambda f: f["id"] + 1_000, at=lambda f: f["at"] + 3 * DAY)
    table = _written(pd.concat([rows.drop(index=range(96, 120)), again]), tmp_path)
    found = arrivals.copied_partitions(table, "at", COLUMNS, partition=DAY, since=START + 3 * DAY)
    assert found == [(START + DAY, START + 4 * DAY)]
    none = arrivals.copied_partitions(_written(rows, tmp_path), "at", COLUMNS, partition=DAY, since=START)
    assert none == []


def test_a_table_whose_days_were_always_alike_has_no_copies(toy_rows, tmp_path):
    rows = toy_rows(24 * 5)
    rows["x"], rows["customer"], rows["kind"] = np.resize(np.arange(24.0), 120), 1, "a"
    found = arrivals.copied_partitions(_written(rows, tmp_path), "at", COLUMNS, partition=DAY, since=START + 4 * DAY)
    assert found == []


def _written(rows, folder):
    connection = ibis.duckdb.connect(threads=1)
    path = folder / f"{len(list(folder.iterdir()))}.parquet"
    rows.to_parquet(path, index=False)
    return connection.read_parquet(path)


def test_contract_and_profile_are_the_same_on_each_engine(table_of, toy, toy_rows):
    rows = toy_rows(60)
    rows.loc[3, "x"], rows.loc[5, "kind"], rows.loc[7, "x"] = 987_654.0, "c", np.inf
    rows.loc[[20, 30], "id"] = 19
    framed, table = contracts.check(toy, rows), table_of(rows)
    checked = engine_contracts.check_table(toy, table)
    assert (checked.rows, checked.bad_rows, checked.counts) == (60, framed.bad_rows, framed.counts)
    assert sorted(checked.bad.to_pandas()["id"]) == sorted(framed.bad["id"])
    profile = profiles.freeze_profile(rows.head(30), ["x", "kind", "customer"])
    for name, counts in profile_table(table, profile).items():
        wanted = binned(rows[name].to_numpy(), profile[name].bins, ordered=profile[name].ordered)
        np.testing.assert_array_equal(counts, wanted)
