"""On a real PostgreSQL: are windows those of DuckDB over the same rows, and is every refusal one sentence without a secret?"""

import dataclasses
import os
import subprocess
import sys
from hashlib import sha256
from urllib.parse import quote

import ibis
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas.columns import about
from tasks import engines, windows
from tasks.engines import EngineError, shown_url
from tests.tasks import featured
from tests.tasks.featured import DAY, HOUR, START

LATER = START + 99 * DAY
SECRET = "hunter2/@:%"
FEW = settings(
    max_examples=12,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(params=["duckdb", "postgresql"])
def put(request, home):
    """Puts rows where a problem reads them; the problem comes back."""
    if request.param == "postgresql":
        return request.getfixturevalue("put_in_postgres")

    def on_file(problem, rows):
        windows.materialise(problem, rows)
        return problem

    return on_file


@pytest.fixture
def both(home, toy, toy_rows, put_in_postgres):
    rows = toy_rows(60)
    rows["at"] += pd.to_timedelta(np.arange(60), unit="us")
    windows.materialise(toy, rows)
    return toy, put_in_postgres(toy, rows)


def _hash(frame: pd.DataFrame) -> str:
    return sha256(pd.util.hash_pandas_object(frame, index=True).to_numpy().tobytes()).hexdigest()


@FEW
@given(first=st.integers(-5, 65), hours=st.integers(1, 70), micros=st.integers(0, 59), at=st.integers(-5, 130))
def test_a_window_is_the_same_on_both_engines_row_by_row_and_type_by_type(both, first, hours, micros, at):
    start = START + first * HOUR + pd.Timedelta(microseconds=micros).to_pytimedelta()
    here, there = (windows.read_window(one, start, start + hours * HOUR, as_of=START + at * HOUR) for one in both)
    pd.testing.assert_frame_equal(here, there, check_exact=True)
    assert _hash(here) == _hash(there)
    assert here["at"].dtype == pd.DatetimeTZDtype(unit="us", tz="UTC")


def test_bounds_labels_counts_and_samples_are_the_same_on_both_engines(both):
    here, there = both
    assert windows.bounds(here) == windows.bounds(there)
    pd.testing.assert_frame_equal(*(windows.read_labels(one, START, START + 40 * HOUR) for one in both))
    assert windows.count(here, START, START + 5 * HOUR) == windows.count(there, START, START + 5 * HOUR) == 5
    for one in both:
        one.contract.validate(windows.read_requests(one, START, LATER), lazy=True)


def test_columns_are_derived_and_delayed_in_either_engine(put):
    def derive(table: ibis.Table) -> ibis.Table:
        return table.mutate(checked=table.amount * 2)

    plain = featured.problem(())
    delayed = plain.contract.update_column("checked", metadata=about(known="with delay", delay=7 * HOUR))
    problem = dataclasses.replace(plain, contract=delayed, source=dataclasses.replace(plain.source, derive=derive))
    rows = featured.rows(50, seed=2).drop(columns="checked").sort_values(["at", "id"], ignore_index=True)
    found = windows.read_window(put(problem, rows), START, LATER, as_of=START + 60 * HOUR)
    known = (rows["at"] + 7 * HOUR < START + 60 * HOUR) & rows["amount"].notna()
    np.testing.assert_array_equal(found["checked"].notna(), known)
    np.testing.assert_array_equal(found["checked"][known], 2 * rows["amount"][known])


@FEW
@given(n=st.integers(0, 40), seed=st.integers(0, 999), order=st.integers(0, 999), distinct=st.integers(1, 5))
def test_the_same_rows_are_the_same_window_whatever_order_they_were_inserted_in(put, n, seed, order, distinct):
    # Many rows share their time, and some their key as well: not even a broken table is read in two ways.
    rows = featured.rows(n, seed=seed, hours=3)
    rows["id"] = rows["id"] % distinct
    problem = featured.problem(())
    one = windows.read_window(put(problem, rows), START, LATER, as_of=START + 30 * HOUR)
    again = put(problem, rows.sample(frac=1, random_state=order))
    two, three = (windows.read_window(again, START, LATER, as_of=START + 30 * HOUR) for _ in range(2))
    assert _hash(one) == _hash(two) == _hash(three)


def test_pandas_is_not_given_more_rows_than_the_plan_allows(put):
    plan = featured.problem(()).data.model_copy(update={"frame_rows": 1_000})
    problem = put(featured.problem(featured.FEATURES[:2], data=plan), featured.rows(1_200, seed=1))
    with pytest.raises(windows.TooManyRowsError, match=r"has 1,200 rows, and pandas may hold 1,000"):
        windows.read_window(problem, START, LATER, as_of=LATER)
    assert 0 < len(windows.read_window(problem, START, START + 20 * HOUR, as_of=LATER)) <= 1_000
    sample, share = windows.read_sample(problem, START, LATER, as_of=LATER)
    assert 0 < share < 1
    assert 500 < len(sample) <= 1_000
    end = windows.affordable(problem, START, LATER)
    assert windows.count(problem, START, end) <= 1_000


def test_rows_that_arrive_in_a_database_are_seen_by_the_next_read(home, put_in_postgres, postgres_url):
    rows = featured.rows(30, seed=1)
    problem = put_in_postgres(featured.problem(()), rows)
    assert windows.count(problem, START, LATER) == 30
    engine = sa.create_engine(postgres_url)
    rows.assign(id=rows["id"] + 1_000).to_sql(problem.source.location, engine, index=False, if_exists="append")
    engine.dispose()
    assert windows.count(problem, START, LATER) == 60


def test_a_lost_connection_is_opened_anew(home, put_in_postgres, postgres_url):
    problem = put_in_postgres(featured.problem(()), featured.rows(10, seed=1))
    assert windows.count(problem, START, LATER) == 10
    engine = sa.create_engine(postgres_url)
    with engine.connect() as connection:
        connection.execute(
            sa.text("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()")
        )
    engine.dispose()
    assert windows.count(problem, START, LATER) == 10


def test_a_table_in_a_schema_is_found_by_its_full_name(home, put_in_postgres, postgres_url):
    problem = put_in_postgres(featured.problem(()), featured.rows(10, seed=1))
    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(sa.text("create schema if not exists shop"))
        connection.execute(sa.text(f'alter table "{problem.source.location}" set schema shop'))
    engine.dispose()
    moved = dataclasses.replace(problem.source, location=f"shop.{problem.source.location}")
    assert windows.count(dataclasses.replace(problem, source=moved), START, LATER) == 10


def test_a_database_file_of_duckdb_is_read_and_never_written(home, tmp_path):
    path = tmp_path / "shop.duckdb"
    rows = featured.rows(20, seed=1)
    rows.to_parquet(tmp_path / "rows.parquet")
    import duckdb

    with duckdb.connect(str(path)) as connection:
        connection.execute(f"create table orders as select * from '{tmp_path / 'rows.parquet'}'")
    plain = featured.problem()
    problem = dataclasses.replace(
        plain, source=dataclasses.replace(plain.source, url=f"duckdb://{path}", location="orders")
    )
    before = path.read_bytes()
    windows.materialise(plain, rows)
    pd.testing.assert_frame_equal(
        windows.read_window(problem, START, LATER, as_of=LATER), windows.read_window(plain, START, LATER, as_of=LATER)
    )
    assert path.read_bytes() == before


def _at(url: str, location: str = "nothing"):
    plain = featured.problem(())
    return dataclasses.replace(plain, source=dataclasses.replace(plain.source, url=url, location=location))


def _refusal(problem) -> str:
    with pytest.raises(EngineError) as error:
        windows.bounds(problem)
    said = str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__
    for secret in (SECRET, quote(SECRET, safe="")):
        assert secret not in said
    assert "\n" not in said
    return said


def test_what_cannot_be_reached_is_one_sentence_without_the_password(home, postgres_url, put_in_postgres):
    there = postgres_url.replace("+psycopg2", "").replace("postgres@", f"postgres:{quote(SECRET, safe='')}@")
    host = there.rpartition("@")[2]
    said = _refusal(_at(there))
    assert "has no table 'nothing'. Correct `location`." in said
    assert f"'featured', postgresql://postgres@{host}, " in said
    said = _refusal(_at(there.replace("postgres:", "nobody:")))
    assert 'role "nobody" does not exist' in said
    said = _refusal(_at(f"postgresql://reader:{quote(SECRET, safe='')}@127.0.0.1:1/shop"))
    assert "postgresql://reader@127.0.0.1:1/shop, cannot be read" in said
    assert "schemas/problems/featured.py" in said
    said = _refusal(_at(f"nosuchengine://reader:{quote(SECRET, safe='')}@host/shop"))
    assert "nosuchengine://reader@host/shop, cannot be read" in said


def test_a_missing_column_of_a_database_is_the_same_error_as_of_a_file(home, put_in_postgres):
    problem = put_in_postgres(featured.problem(()), featured.rows(5, seed=1).drop(columns="amount"))
    with pytest.raises(windows.MissingColumnError, match="lacks the columns amount "):
        windows.bounds(problem)


def test_times_without_a_zone_are_refused_in_a_database_too(home, put_in_postgres):
    rows = featured.rows(5, seed=1)
    problem = put_in_postgres(featured.problem(()), rows.assign(at=rows["at"].dt.tz_localize(None)))
    with pytest.raises(windows.NaiveTimestampError, match="column 'at' of 'featured'"):
        windows.bounds(problem)


def test_a_password_is_taken_from_the_environment(home, put_in_postgres, monkeypatch):
    problem = put_in_postgres(featured.problem(()), featured.rows(10, seed=1))
    url = str(problem.source.url).replace("postgres@", "postgres:${SHOP_PASSWORD}@")
    asked = dataclasses.replace(problem, source=dataclasses.replace(problem.source, url=url))
    with pytest.raises(EngineError, match=r"reads SHOP_PASSWORD from the environment, and it is not set there"):
        windows.bounds(asked)
    monkeypatch.setenv("SHOP_PASSWORD", SECRET)
    assert windows.count(asked, START, LATER) == 10


WITHOUT = """
import sys
sys.modules["psycopg"] = None
from tests.tasks import test_engines as t
from tasks import windows
try:
    windows.bounds(t._at("postgresql://reader:secret@127.0.0.1:1/shop"))
except Exception as error:
    print(type(error).__name__, error)
"""


def test_without_a_driver_the_error_says_what_to_install(home):
    done = subprocess.run([sys.executable, "-c", WITHOUT], env=os.environ, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("EngineError")
    assert "`make setup` installs it for PostgreSQL" in done.stdout
    assert "secret" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "url, shown",
    [
        ("postgresql://a:b@h:5/d", "postgresql://a@h:5/d"),
        ("postgresql://h/d", "postgresql://h/d"),
        ("postgresql://a:p@q@h/d?sslpassword=s", "postgresql://a@h/d"),
        ("duckdb:///x/y.db", "duckdb:///x/y.db"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url, shown):
    assert shown_url(url) == shown


def test_a_connection_is_kept_for_the_next_read(home, put_in_postgres):
    problem = put_in_postgres(featured.problem(()), featured.rows(5, seed=1))
    windows.bounds(problem)
    kept = engines._CONNECTIONS[str(problem.source.url)]
    windows.bounds(problem)
    assert engines._CONNECTIONS[str(problem.source.url)] is kept
