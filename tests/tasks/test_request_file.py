"""Are a file's requests read as the contract types them, a part at a time, and is no row's fault another's?"""

import pandas as pd
import pytest

from schemas.errors import PerennialError
from schemas.moments import NaiveTimestampError
from tasks import contracts
from tasks.request_file import FAULT, Firsts, requests_in


def read(toy, path, rows=1000) -> pd.DataFrame:
    return pd.concat(requests_in(toy, path, rows=rows), ignore_index=True)


@pytest.fixture
def asked(toy, toy_rows):
    return toy_rows(50)[list(toy.asked)]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
@pytest.mark.parametrize("rows", [1, 7, 50, 1000])
def test_parts_are_the_file_in_its_order_and_keep_its_values_to_the_bit(toy, asked, tmp_path, name, rows):
    path = tmp_path / name
    (asked.to_parquet if name.endswith("parquet") else asked.to_csv)(path, index=False)
    parts = list(requests_in(toy, path, rows=rows))
    assert [len(part) for part in parts] == [rows] * (50 // rows) + ([50 % rows] if 50 % rows else [])
    whole = pd.concat(parts, ignore_index=True)
    pd.testing.assert_frame_equal(whole[list(toy.asked)], asked, check_exact=True)
    checked = contracts.check(toy, whole.drop(columns=FAULT))
    assert checked.bad_rows == 0
    assert checked.valid["label_at"].isna().all()


def test_what_no_request_holds_is_not_read_from_the_file_either(toy, toy_rows, tmp_path):
    toy_rows(9).to_parquet(tmp_path / "with_labels.parquet", index=False)
    found = read(toy, tmp_path / "with_labels.parquet")
    assert found[["label", "label_at", "review", "reviewed_at"]].isna().all(axis=None)


def test_a_text_column_of_digits_keeps_its_zeros_and_a_quoted_comma(toy, asked, tmp_path):
    asked.assign(kind=["00123", "a,b"] * 25).to_csv(tmp_path / "a.csv", index=False)
    assert read(toy, tmp_path / "a.csv")["kind"].tolist() == ["00123", "a,b"] * 25


@pytest.mark.parametrize(
    "column, text, fault",
    [
        ("id", "3.5", "id: dtype('int64')"),
        ("id", "99999999999999999999", "id: dtype('int64')"),
        ("id", "300.0", None),
        ("customer", " 12 ", None),
        ("x", "1e2", None),
        ("x", "1,5", "x: dtype('float64')"),
        ("at", "2024-01-01T00:00:00Z", None),
        ("at", "2024-01-01 00:00:00.123456+01:30", None),
        ("at", "2024-01-01 00:00:00", "at: dtype('time with a zone (ISO 8601)')"),
        ("at", "yesterday", "at: dtype('time with a zone (ISO 8601)')"),
        ("at", "2024-13-01T00:00:00Z", "at: dtype('time with a zone (ISO 8601)')"),
    ],
)
def test_a_cell_that_is_none_of_its_columns_type_is_its_rows_own_fault(toy, asked, tmp_path, column, text, fault):
    rows = asked.astype(object)
    rows.loc[20, "id"] = 1000
    rows.loc[20, column] = text
    rows.to_csv(tmp_path / "a.csv", index=False)
    faults = read(toy, tmp_path / "a.csv", rows=8)[FAULT]
    assert faults.drop(20).isna().all()
    assert (None if pd.isna(faults[20]) else faults[20]) == fault


def test_of_rows_with_one_key_the_first_may_be_answered_wherever_the_others_are(toy, asked, tmp_path):
    asked.assign(id=[n % 20 for n in range(50)]).to_csv(tmp_path / "a.csv", index=False)
    faults = read(toy, tmp_path / "a.csv", rows=8)[FAULT]
    assert faults.isna().tolist() == [True] * 20 + [False] * 30
    assert set(faults.dropna()) == {"id: duplicated"}


def test_a_row_that_is_faulty_already_says_why_first(toy, asked):
    marked = Firsts(toy, {1}).marked(asked.assign(id=1, **{FAULT: None}).iloc[:3])
    again = Firsts(toy, {1}).marked(asked.assign(id=1).iloc[:3].assign(**{FAULT: [None, "x: dtype('float64')", None]}))
    assert [None if pd.isna(one) else one for one in marked[FAULT]] == [None, "id: duplicated", "id: duplicated"]
    assert [None if pd.isna(one) else one for one in again[FAULT]] == [None, "x: dtype('float64')", "id: duplicated"]


def test_a_file_that_is_no_requests_is_one_clear_error(toy, asked, tmp_path):
    asked.drop(columns=["x", "customer"]).to_csv(tmp_path / "lacks.csv", index=False)
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and no more")
    asked.assign(at=asked["at"].dt.tz_localize(None)).to_parquet(tmp_path / "naive.parquet", index=False)
    for name, says in (
        (
            "lacks.csv",
            r"lacks the columns customer, x, without which no request of 'toy' can be answered; it has id, at, kind",
        ),
        ("torn.parquet", r"torn\.parquet cannot be read as Parquet"),
        ("none.csv", r"there is no file .*none\.csv"),
    ):
        with pytest.raises(PerennialError, match=says):
            read(toy, tmp_path / name)
    with pytest.raises(NaiveTimestampError, match=r"column 'at' of .*naive\.parquet"):
        read(toy, tmp_path / "naive.parquet")
