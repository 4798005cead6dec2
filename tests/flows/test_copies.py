"""Are rows that were written twice trained and judged on once, and does the ledger say so?"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from flows.training import Given, rows_for
from flows.turn import Turn
from schemas.rows import Model, State
from schemas.stage import Stage
from tasks import ledger, windows
from tests.flows.made import DAY, HIGH, START, added, readings
from tests.flows.test_turns import PROBLEM, plain_turn

NOW = START + 40 * DAY


def twice(rows: pd.DataFrame, n: int, *, key: str) -> pd.DataFrame:
    """The first `n` rows again, under keys of their own."""
    again = rows.head(n).copy()
    again[key] = np.arange(n) + rows[key].max() + 1
    return pd.concat([rows, again], ignore_index=True)


def found(copies: str, tmp_path) -> Given:
    plan = HIGH.retraining.model_copy(update={"copies": copies})
    problem = replace(HIGH, retraining=plan, recipe=HIGH.recipe.model_copy(update={"window": None}))
    windows.materialise(problem, twice(readings(days=40), 300, key="id"))
    state = State("high", stage=Stage.RETRAIN, champion=Model("0" * 64, "1", "naive baseline"), since=NOW)
    with added(problem, tmp_path):
        given = rows_for(Turn("high", state, NOW))
    assert isinstance(given, Given)
    return given


@pytest.mark.parametrize("plan, expected", [("drop", 300), ("keep", 0)])
def test_copies_go_before_the_split_unless_the_plan_keeps_them(home, tmp_path, plan, expected):
    given = found(plan, tmp_path)
    assert given.copies == expected
    unkeyed = given.labelled.drop(columns="id")
    assert unkeyed.duplicated().sum() == 300 - expected
    assert given.labelled["id"].is_unique
    if plan == "drop":
        assert given.labelled["id"].max() < len(readings(days=40))  # the first of each stays


def test_the_notes_of_the_retrain_say_how_many_went(at):
    now = at("RETRAIN")
    rows = pd.read_parquet(windows.locate(PROBLEM))
    recent = rows[rows["paid_at"] < pd.Timestamp(now - 30 * DAY)].tail(40)
    again = recent.assign(payment_id=np.arange(40) + rows["payment_id"].max() + 1)
    windows.materialise(PROBLEM, pd.concat([rows, again], ignore_index=True))
    plain_turn("fraud", now)
    (last,) = [row for row in ledger.rows("fraud") if row.facts["before"] == "RETRAIN"]
    assert last.notes["copies"] == 40
