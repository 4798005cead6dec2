"""Is every row either valid or in quarantine with its reason, and never a value in the text?"""

import copy
import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import contracts

# Each leaves a row's type alone and breaks one rule.
FAULTS = {
    "id": (-987_654, "greater_than_or_equal_to(0)"),
    "x": (987_654.0, "in_range(-100, 100)"),
    "kind": ("secret", "isin(['a', 'b'])"),
    "label": (987_654.0, "isin([0.0, 1.0])"),
}


def _planted(rows: pd.DataFrame, faults) -> pd.DataFrame:
    rows = rows.copy()
    for position, column in faults:
        rows.loc[position, column] = -987_654 - position if column == "id" else FAULTS[column][0]
    return rows


@settings(max_examples=25)
@given(st.sets(st.tuples(st.integers(0, 29), st.sampled_from(sorted(FAULTS)))))
def test_every_row_is_valid_or_bad_and_bad_rows_are_those_that_break_a_rule(toy, toy_rows, faults):
    rows = _planted(toy_rows(30), faults)
    checked = contracts.check(toy, rows)
    assert checked.rows == len(checked.valid) + len(checked.bad) == 30
    positions = sorted({position for position, _ in faults})
    pd.testing.assert_frame_equal(checked.bad, rows.iloc[positions].reset_index(drop=True), check_dtype=False)
    assert sum(checked.counts.values()) == len(faults)
    toy.contract.validate(checked.valid, lazy=True)
    for position, reason in zip(positions, checked.reasons, strict=True):
        mine = {column for at, column in faults if at == position}
        assert {part.split(":")[0] for part in reason.split("; ")} == mine


@pytest.mark.parametrize("column", sorted(FAULTS))
def test_a_reason_names_column_and_rule_and_never_the_value(toy, toy_rows, column):
    checked = contracts.check(toy, _planted(toy_rows(10), [(3, column)]))
    assert checked.reasons.tolist() == [f"{column}: {FAULTS[column][1]}"]
    assert checked.counts == {f"{column}: {FAULTS[column][1]}": 1}
    assert "987" not in str(checked.counts) + str(checked.reasons[0])
    assert checked.bad_share == pytest.approx(0.1)


def test_a_missing_value_where_none_may_be_is_a_bad_row(toy, toy_rows):
    rows = toy_rows(10)
    rows.loc[2, "x"] = None
    checked = contracts.check(toy, rows)
    assert checked.reasons.tolist() == ["x: not_nullable"]
    assert checked.bad["id"].tolist() == [2]


def test_of_rows_with_one_key_the_first_stays(toy, toy_rows):
    rows = toy_rows(10)
    rows.loc[[4, 7], "id"] = 1
    checked = contracts.check(toy, rows)
    assert checked.valid["id"].tolist() == [0, 1, 2, 3, 5, 6, 8, 9]
    assert checked.reasons.tolist() == ["id: duplicated"] * 2


def test_labels_of_the_index_do_not_matter(toy, toy_rows):
    rows = _planted(toy_rows(10), [(3, "x")])
    rows.index = [0] * 10  # pandera's own quarantine would drop every row here
    checked = contracts.check(toy, rows)
    assert (len(checked.valid), checked.bad["id"].tolist()) == (9, [3])


def test_an_empty_batch_is_neither_good_nor_bad(toy, toy_rows):
    checked = contracts.check(toy, toy_rows(5).head(0))
    assert (checked.rows, checked.bad_share, checked.counts) == (0, 0.0, {})


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda rows: rows.drop(columns="x"), "x: column_in_dataframe"),
        (lambda rows: rows.drop(columns="id"), "id: column_in_dataframe"),
        (lambda rows: rows.assign(x=rows["x"].astype(str)), r"x: dtype\('float64'\)"),
        (lambda rows: rows.assign(x=rows["x"].round().astype(int)), r"x: dtype\('float64'\)"),
        (lambda rows: rows.assign(at=rows["at"].dt.tz_localize(None)), "at: dtype"),
    ],
    ids=["no column", "no key", "text", "whole numbers", "no zone"],
)
def test_a_fault_of_the_whole_table_refuses_it_in_a_short_sentence(toy, toy_rows, change, says):
    with pytest.raises(contracts.BrokenContractError, match=says) as error:
        contracts.check(toy, change(toy_rows(5_000)))
    assert len(str(error.value)) < 500
    assert "schemas/problems/toy.py" in str(error.value)


@pytest.mark.parametrize("off", ["False", "false", "0"])
def test_nothing_is_checked_with_validation_switched_off(toy, toy_rows, monkeypatch, off):
    monkeypatch.setenv("PANDERA_VALIDATION_ENABLED", off)
    with pytest.raises(contracts.BrokenContractError, match="unset it"):
        contracts.check(toy, toy_rows(5))


def test_a_depth_that_skips_the_rows_is_refused_too(toy, toy_rows):
    from pandera.config import ValidationDepth, config_context

    with (
        config_context(validation_depth=ValidationDepth.SCHEMA_ONLY),
        pytest.raises(contracts.BrokenContractError, match="PANDERA_VALIDATION_DEPTH"),
    ):
        contracts.check(toy, _planted(toy_rows(5), [(3, "x")]))


def test_quarantine_keeps_bad_rows_with_their_reasons_and_the_same_window_writes_one_file(home, toy, toy_rows):
    rows = _planted(toy_rows(24), [(3, "x"), (5, "kind")])
    checked = contracts.check(toy, rows)
    paths = {contracts.quarantine(toy, checked, start=rows["at"].min(), end=rows["at"].max()) for _ in range(2)}
    assert len(paths) == 1
    kept = pd.read_parquet(paths.pop())
    assert kept["id"].tolist() == [3, 5]
    assert kept["reason"].tolist() == checked.reasons.tolist()
    assert (home / "quarantine" / "toy").stat().st_mode & 0o077 == 0  # bad rows are data too


def test_a_text_among_which_one_is_a_number_loses_that_row_alone(toy, toy_rows):
    rows = toy_rows(6)
    rows["kind"] = rows["kind"].astype(object)
    rows.loc[2, "kind"] = 987_654
    checked = contracts.check(toy, rows)
    assert checked.bad["id"].tolist() == [2]
    assert "987" not in checked.reasons[0]
    assert checked.valid["kind"].dtype == toy_rows(1)["kind"].dtype


def test_one_missing_whole_number_is_one_bad_row_and_the_others_stay_whole(toy, toy_rows):
    rows = toy_rows(6)
    rows["customer"] = rows["customer"].astype("float64")
    rows.loc[2, "customer"] = np.nan
    checked = contracts.check(toy, rows)
    assert (checked.counts, checked.positions.tolist()) == ({"customer: not_nullable": 1}, [2])
    assert checked.valid["customer"].dtype == "int64"


def test_infinity_is_no_number_that_a_bound_lets_pass(toy, toy_rows):
    rows = toy_rows(6)
    rows.loc[1, "review"], rows.loc[3, "review"] = np.inf, -np.inf
    checked = contracts.check(toy, rows)
    assert (checked.counts, checked.bad["id"].tolist()) == ({"review: finite": 2}, [1, 3])


@pytest.mark.parametrize(
    "soften",
    [
        lambda contract: contract.columns["x"].checks[0].__setattr__("n_failure_cases", 1),
        lambda contract: contract.__setattr__("drop_invalid_rows", True),
        lambda contract: contract.columns["x"].__setattr__("drop_invalid_rows", True),
        lambda contract: contract.__setattr__("coerce", True),
        lambda contract: contract.columns["x"].__setattr__("default", 0.0),
    ],
    ids=["few failure cases", "drops rows", "a column drops rows", "coerces", "a default"],
)
def test_nothing_in_a_contract_makes_pandera_pass_over_a_bad_row(toy, toy_rows, soften):
    contract = copy.deepcopy(toy.contract)
    soften(contract)
    rows = _planted(toy_rows(10), [(3, "x"), (5, "x"), (8, "x")])
    rows.loc[9, "x"] = None
    checked = contracts.check(dataclasses.replace(toy, contract=contract), rows)
    assert checked.bad["id"].tolist() == [3, 5, 8, 9]
    assert checked.rows == 10


def test_nothing_bad_leaves_no_file(home, toy, toy_rows):
    rows = toy_rows(5)
    assert contracts.quarantine(toy, contracts.check(toy, rows), start=rows["at"].min(), end=rows["at"].max()) is None
    assert not (home / "quarantine").exists()
