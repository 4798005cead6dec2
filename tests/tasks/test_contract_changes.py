"""Is a changed contract shown as what changed, and can yesterday's be held against rows again?"""

import json
from datetime import UTC, datetime

import pandas as pd
import pandera.pandas as pa
import pytest

from schemas.columns import about
from schemas.problem import known_problems, load_problem
from tasks import contract_history
from tasks.contract_changes import changes, plain, rebuilt

TIME = pd.DatetimeTZDtype(unit="us", tz="UTC")
BEFORE = {
    "id": pa.Column("int64", pa.Check.ge(0)),
    "at": pa.Column(TIME, pa.Check.ge(datetime(2024, 1, 1, tzinfo=UTC))),
    "x": pa.Column("float64", pa.Check.in_range(0, 10), nullable=True),
    "kind": pa.Column(str, pa.Check.isin(["b", "a"])),
}


def _said(**after):
    columns = {name: column for name, column in {**BEFORE, **after}.items() if column is not None}
    return [str(change) for change in changes(plain(pa.DataFrameSchema(BEFORE)), plain(pa.DataFrameSchema(columns)))]


@pytest.mark.parametrize(
    "after, says",
    [
        ({}, []),
        ({"kind": pa.Column(str, pa.Check.isin(["a", "b"]))}, []),
        ({"kind": None}, ["- kind: str, never null, isin(['a', 'b'])"]),
        ({"new": pa.Column("int64")}, ["+ new: int64, never null"]),
        ({"id": pa.Column("int32", pa.Check.ge(0))}, ["  id, type: int64 → int32"]),
        ({"x": pa.Column("float64", pa.Check.in_range(0, 10))}, ["  x, nullable: True → False"]),
        (
            {"x": pa.Column("float64", pa.Check.in_range(0, 20), nullable=True)},
            ["  x, rules: in_range(0, 10) → in_range(0, 20)"],
        ),
        (
            {"kind": pa.Column(str, pa.Check.isin(["a", "b", "c"]))},
            ["  kind, rules: isin(['a', 'b']) → isin(['a', 'b', 'c'])"],
        ),
        ({"kind": pa.Column(str)}, ["  kind, rules: isin(['a', 'b']) → none"]),
        (
            {
                "x": pa.Column(
                    "float64", pa.Check.in_range(0, 10), nullable=True, metadata=about(known="with the label")
                )
            },
            ["  x, known: at event → with the label"],
        ),
        (
            {"id": pa.Column("int64", pa.Check.ge(0), metadata=about(personal=True))},
            ["  id, personal: False → True"],
        ),
    ],
)
def test_a_change_is_one_line_that_says_what_it_was_and_what_it_is(after, says):
    assert _said(**after) == says


@pytest.mark.parametrize("name", known_problems())
def test_a_contract_comes_back_from_its_file_as_it_was(home, name):
    problem = load_problem(name)
    contract_history.keep(problem)
    kept = contract_history.recall(problem, problem.rules())
    assert kept == json.loads(json.dumps(plain(problem.contract)))
    again, lost = rebuilt(kept)
    assert lost == []
    assert changes(plain(again), plain(problem.contract)) == [
        change for change in changes(plain(again), plain(problem.contract)) if change.what in ("known", "personal")
    ]


def test_a_rule_of_a_teams_own_is_named_and_not_guessed():
    contract = pa.DataFrameSchema({"x": pa.Column("float64", pa.Check(lambda x: x > 3, name="my own rule"))})
    again, lost = rebuilt(plain(contract))
    assert lost == ["x: my own rule"]
    assert again.columns["x"].checks == []


def test_a_hash_that_was_never_kept_has_no_contract(home):
    problem = load_problem("fraud")
    assert contract_history.recall(problem, "") is None
    assert contract_history.recall(problem, "0" * 64) is None
