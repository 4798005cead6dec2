"""Does the engine say of every row what the frame's check says, by the same words, without holding the rows?"""

import dataclasses
import math
from datetime import UTC, datetime, timedelta

import ibis
import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.columns import about
from schemas.plans import DataPlan
from tasks import contracts, engine_contracts, windows
from tasks.engine_rules import UntranslatableError, rules_of

START = datetime(2024, 1, 1, tzinfo=UTC)
TIME = pd.DatetimeTZDtype(unit="us", tz="UTC")
NUMBERS = (-1.5, -1, 0, 0.1, 0.30000000000000004, 0.5, 1, 2, 3.0, 7, math.inf, -math.inf, 1e300)
TEXTS = ("a", "b", "ab", "xa", "é", "", "A1", "12", "a b", "ß1")
TIMES = tuple(START + timedelta(hours=h) for h in range(-2, 6))

SIDES = (pa.Check.ge, pa.Check.gt, pa.Check.le, pa.Check.lt, pa.Check.eq, pa.Check.ne)


def _bounded(bounds):
    one = st.builds(lambda side, bound: side(bound), st.sampled_from(SIDES), st.sampled_from(bounds))
    two = st.builds(
        lambda pair, low, high: pa.Check.in_range(*sorted(pair), include_min=low, include_max=high),
        st.lists(st.sampled_from(bounds), min_size=2, max_size=2, unique=True),
        st.booleans(),
        st.booleans(),
    )
    return one | two


def _among(values):
    members = st.lists(st.sampled_from(values), min_size=1, max_size=4, unique=True)
    return st.builds(lambda check, some: check(some), st.sampled_from([pa.Check.isin, pa.Check.notin]), members)


PATTERNS = ("a", "a|b", "^a|b", "[a-z]+", r"\d+", "a$", ".", "^$", "é", r"A\d")
TEXT_CHECKS = (
    _among(TEXTS)
    | st.builds(pa.Check.str_matches, st.sampled_from(PATTERNS))
    | st.builds(pa.Check.str_contains, st.sampled_from(PATTERNS))
    | st.builds(pa.Check.str_startswith, st.sampled_from(TEXTS))
    | st.builds(pa.Check.str_endswith, st.sampled_from(TEXTS))
    | st.builds(pa.Check.str_length, st.just(1), st.integers(1, 3))
)
WHOLE = (-3, 0, 1, 2, 100)
KINDS = {
    "x": ("float64", pyarrow.float64(), st.sampled_from([*NUMBERS, math.nan]), _bounded(NUMBERS) | _among(NUMBERS[:8])),
    "f": ("float32", pyarrow.float32(), st.sampled_from([*NUMBERS, math.nan]), _bounded(NUMBERS[:-1])),
    "n": ("int64", pyarrow.int64(), st.sampled_from(WHOLE), _bounded((*WHOLE, 0.5)) | _among(WHOLE)),
    "s": (str, pyarrow.string(), st.sampled_from(TEXTS), TEXT_CHECKS),
    "b": (bool, pyarrow.bool_(), st.booleans(), st.nothing()),
    "t": (TIME, pyarrow.timestamp("us", "UTC"), st.sampled_from(TIMES), _bounded(TIMES)),
}


@st.composite
def tables(draw):
    """A contract of two to four more columns than key and time, and rows that break it here and there."""
    n = draw(st.integers(0, 12))
    columns = {"id": pa.Column("int64", pa.Check.ge(0)), "at": pa.Column(TIME)}
    ids = draw(st.lists(st.sampled_from([-1, *range(12)]) | st.none(), min_size=n, max_size=n))
    arrays = {
        "id": pyarrow.array(ids, pyarrow.int64()),
        "at": pyarrow.array([START + timedelta(minutes=m) for m in range(n)], pyarrow.timestamp("us", "UTC")),
    }
    for name in draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=2, max_size=4, unique=True)):
        dtype, arrow, values, checks = KINDS[name]
        asked = draw(st.lists(checks, max_size=2)) if name != "b" else []
        columns[name] = pa.Column(dtype, asked, nullable=draw(st.booleans()))
        arrays[name] = pyarrow.array(
            draw(st.lists(values | st.none(), min_size=n, max_size=n)), arrow, from_pandas=False
        )
    return pa.DataFrameSchema(columns), pyarrow.table(arrays)


@pytest.fixture(scope="module")
def engine():
    connection = ibis.duckdb.connect(threads=1)
    connection.raw_sql("SET TimeZone = 'UTC'")
    return connection


def _problem(toy, contract, **plan):
    """The toy problem under another contract: what is checked needs the key and the event time alone."""
    held = dataclasses.replace(toy, data=DataPlan(**plan))
    object.__setattr__(held, "contract", contract)
    return held


def _in(engine, tmp_path, arrow):
    pq.write_table(arrow, tmp_path / "rows.parquet")
    return engine.read_parquet(tmp_path / "rows.parquet")


def _frame(table):
    return table.order_by(["at", "id"]).to_pandas()


def _parts(ids, reasons):
    return sorted((str(i), tuple(sorted(reason.split("; ")))) for i, reason in zip(ids, reasons, strict=True))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=tables())
def test_the_engine_says_of_every_row_what_the_frame_says(toy, engine, tmp_path, made):
    contract, arrow = made
    problem, table = _problem(toy, contract), _in(engine, tmp_path, arrow)
    framed = contracts.check(problem, _frame(table))
    assert rules_of(problem, contract, table)[1] == [], "or pandas would be compared with itself"
    checked = engine_contracts.check_table(problem, table)
    assert (checked.rows, checked.bad_rows, checked.counts) == (framed.rows, framed.bad_rows, framed.counts)
    assert checked.missing == pytest.approx(framed.missing)
    bad, valid = checked.bad.to_pandas(), checked.valid.to_pandas()
    whole = lambda ids: [None if pd.isna(i) else int(i) for i in ids]  # noqa: E731
    assert _parts(whole(bad["id"]), bad["reason"]) == _parts(whole(framed.bad["id"]), framed.reasons)
    assert sorted(valid["at"]) == sorted(framed.valid["at"])
    assert len(valid) + len(bad) == checked.rows == arrow.num_rows


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda rows: rows.drop(columns="x"), "x: column_in_dataframe"),
        (lambda rows: rows.assign(x=rows["x"].astype(str)), r"x: dtype('float64')"),
        (lambda rows: rows.assign(x=rows["x"].round().astype(int)), r"x: dtype('float64')"),
        (lambda rows: rows.assign(kind=1), "kind: dtype('string[pyarrow]')"),
        (lambda rows: rows.assign(id=rows["id"].astype("int32")), "id: dtype('int64')"),
        (lambda rows: rows.assign(at=rows["at"].dt.tz_localize(None)), "at: dtype('datetime64[us, UTC]')"),
    ],
    ids=["no column", "text", "whole numbers", "numbers", "short numbers", "no zone"],
)
def test_a_table_broken_as_a_whole_is_refused_in_the_same_words(toy, toy_rows, engine, tmp_path, change, says):
    table = _toy_table(engine, tmp_path, change(toy_rows(30)))
    said = []
    for ask in (lambda: contracts.check(toy, table.to_pandas()), lambda: engine_contracts.check_table(toy, table)):
        with pytest.raises(contracts.BrokenContractError) as error:
            ask()
        said.append(str(error.value))
    assert said[0] == said[1]
    assert says in said[0]


def test_a_column_of_nulls_alone_has_no_type_to_be_wrong(toy, toy_rows, engine, tmp_path):
    rows = toy_rows(10).assign(review=pd.Series([None] * 10, dtype=str), kind=pd.Series([None] * 10, dtype="float64"))
    table = _toy_table(engine, tmp_path, rows)
    framed, checked = contracts.check(toy, table.to_pandas()), engine_contracts.check_table(toy, table)
    assert framed.counts == checked.counts == {"kind: not_nullable": 10}
    assert framed.missing["review"] == checked.missing["review"] == 1


def _toy_table(engine, tmp_path, rows):
    rows.to_parquet(tmp_path / "toy.parquet", index=False)
    return engine.read_parquet(tmp_path / "toy.parquet")


@pytest.mark.parametrize("values", [[0.0, math.nan], [0.0, 1.0, math.nan, math.nan]])
def test_a_file_whose_minimum_and_maximum_leave_nan_out_is_looked_at(toy, engine, tmp_path, values):
    contract = pa.DataFrameSchema({"id": pa.Column("int64"), "at": pa.Column(TIME), "x": pa.Column("float64")})
    n = len(values)
    at = pyarrow.array([START] * n, pyarrow.timestamp("us", "UTC"))
    arrow = pyarrow.table({"id": range(n), "at": at, "x": pyarrow.array(values, from_pandas=False)})
    checked = engine_contracts.check_table(_problem(toy, contract), _in(engine, tmp_path, arrow))
    assert checked.counts == {"x: not_nullable": sum(map(math.isnan, values))}


def test_of_rows_with_one_key_the_earliest_valid_one_stays(toy, toy_rows, engine, tmp_path):
    rows = toy_rows(10)
    rows.loc[[4, 7], "id"] = 1
    rows.loc[1, "x"] = 987_654.0
    table = _toy_table(engine, tmp_path, rows)
    for checked in (engine_contracts.check_table(toy, table), contracts.check(toy, rows)):
        assert checked.counts == {"x: in_range(-100, 100)": 1, "id: duplicated": 1}
        valid = checked.valid if isinstance(checked.valid, pd.DataFrame) else checked.valid.to_pandas()
        assert rows["at"][4] in set(valid["at"]), "a bad row takes no place from a valid one"
        assert rows["at"][7] not in set(valid["at"])


def test_rows_alike_in_every_column_stay_once(toy, toy_rows, engine, tmp_path):
    rows = toy_rows(10)
    table = _toy_table(engine, tmp_path, pd.concat([rows, rows.head(3)], ignore_index=True))
    checked = engine_contracts.check_table(toy, table)
    assert (checked.rows, checked.bad_rows, checked.counts) == (13, 3, {"id: duplicated": 3})
    assert sorted(checked.valid.to_pandas()["id"]) == list(range(10))


def test_what_the_engine_cannot_ask_pandas_is_asked_while_it_may_hold_the_rows(toy, toy_rows, engine, tmp_path):
    own = pa.Check(lambda x: x < 3, name="my own rule")
    contract = toy.contract.update_column("x", checks=[own])
    table = _toy_table(engine, tmp_path, toy_rows(1_500))
    problem = _problem(toy, contract)
    frame = contracts.check(problem, table.order_by(["at", "id"]).to_pandas())
    checked = engine_contracts.check_table(problem, table)
    assert checked.counts == frame.counts
    assert "x: my own rule" in checked.counts
    assert len(checked.valid.to_pandas()) == len(frame.valid)
    with pytest.raises(UntranslatableError, match=r"x: my own rule.*frame_rows") as error:
        engine_contracts.check_table(_problem(toy, contract, frame_rows=1_000), table)
    assert len(str(error.value)) < 500


def test_quarantine_is_written_by_the_engine_and_nobody_else_reads_it(home, toy, toy_rows, engine, tmp_path):
    rows = toy_rows(24)
    rows.loc[[3, 5], "kind"] = "secret"
    checked = engine_contracts.check_table(toy, _toy_table(engine, tmp_path, rows))
    window = {"start": rows["at"].min(), "end": rows["at"].max()}
    paths = {engine_contracts.quarantine_table(toy, checked, **window) for _ in range(2)}
    path = paths.pop()
    assert not paths
    kept = pd.read_parquet(path)
    assert sorted(kept["id"]) == [3, 5]
    assert set(kept["reason"]) == {"kind: isin(['a', 'b'])"}
    assert (home / "quarantine" / "toy").stat().st_mode & 0o077 == 0
    assert next((home / "quarantine" / "toy").iterdir()).stat().st_mode & 0o077 == 0


def test_nothing_bad_leaves_no_file(home, toy, toy_rows, engine, tmp_path):
    checked = engine_contracts.check_table(toy, _toy_table(engine, tmp_path, toy_rows(5)))
    assert engine_contracts.quarantine_table(toy, checked, start=START, end=START) is None
    assert not (home / "quarantine").exists()


def test_a_sample_masks_what_is_personal_and_the_file_keeps_it(home, toy, toy_rows, engine, tmp_path):
    contract = toy.contract.update_column("customer", metadata=about(personal=True))
    problem, rows = _problem(toy, contract), toy_rows(6)
    rows.loc[2, "x"] = 987_654.0
    table = _toy_table(engine, tmp_path, rows)
    for checked in (engine_contracts.check_table(problem, table), contracts.check(problem, rows)):
        shown = contracts.sample_of(checked, 3)
        assert shown["customer"].tolist() == ["•••"]
        assert shown["reason"].tolist() == ["x: in_range(-100, 100)"]
    kept = pd.read_parquet(contracts.quarantine(problem, checked, start=START, end=START))
    assert kept["customer"].tolist() == [rows["customer"][2]]


def test_a_window_of_the_problem_is_held_to_its_contract_in_the_engine(home, toy, toy_rows):
    rows = toy_rows(48)
    rows.loc[7, "kind"] = "c"
    windows.materialise(toy, rows)
    end = START + timedelta(days=3)
    checked = engine_contracts.check_table(toy, windows.window_table(toy, START, end, as_of=end))
    assert (checked.rows, checked.counts) == (48, {"kind: isin(['a', 'b'])": 1})
    assert checked.missing == contracts.check(toy, windows.read_window(toy, START, end, as_of=end)).missing


@pytest.mark.parametrize("off", ["False", "0"])
def test_nothing_is_checked_with_validation_switched_off(toy, toy_rows, engine, tmp_path, monkeypatch, off):
    table = _toy_table(engine, tmp_path, toy_rows(5))
    monkeypatch.setenv("PANDERA_VALIDATION_ENABLED", off)
    with pytest.raises(contracts.BrokenContractError, match="unset it"):
        engine_contracts.check_table(toy, table)


def test_columns_beyond_the_contract_are_named_and_no_fault(toy, toy_rows, engine, tmp_path):
    rows = toy_rows(5).assign(more=1)
    checked = engine_contracts.check_table(toy, _toy_table(engine, tmp_path, rows))
    assert (checked.extra, checked.bad_rows) == (("more",), 0)
    assert contracts.check(toy, rows).extra == ("more",)


def test_an_empty_table_is_neither_good_nor_bad(toy, toy_rows, engine, tmp_path):
    checked = engine_contracts.check_table(toy, _toy_table(engine, tmp_path, toy_rows(5)).limit(0))
    assert (checked.rows, checked.bad_share, checked.counts, checked.missing) == (0, 0.0, {}, {})
    assert np.isfinite(checked.bad_share)
