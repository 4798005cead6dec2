"""Does a table without a time end at the offline gate, said plainly, and can that gate refuse it?"""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from deployments.offline import judge_once
from flows.replay import plain_turn
from schemas.problem import Problem
from schemas.stage import Stage
from tasks import database, ledger
from tests.flows import made

MOMENT = made.START + 100 * made.DAY
TIMELESS = dataclasses.replace(
    made.HIGH,
    name="timeless",
    source=dataclasses.replace(made.HIGH.source, location="timeless/rows.parquet"),
    framing=made.HIGH.framing.model_copy(update={"timeless": True}),
    recipe=made.HIGH.recipe.model_copy(update={"window": None}),
)


def table(*, shuffled: bool) -> pd.DataFrame:
    rows = made.readings(days=30).assign(at=MOMENT, band_at=MOMENT)
    if shuffled:
        rows["high"] = rows["high"].sample(frac=1, random_state=1).to_numpy()
    return rows.astype({"at": made.TIME, "band_at": made.TIME})


@pytest.fixture(params=[False, True], ids=["learnable", "labels shuffled"])
def judged(request, tmp_path, monkeypatch, capsys) -> Iterator[tuple[Problem, bool, int, str]]:
    made.settle(tmp_path / "home", TIMELESS, table(shuffled=request.param))
    with made.added(TIMELESS, tmp_path):
        monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        code = judge_once(TIMELESS, plain_turn).code
        yield TIMELESS, request.param, code, capsys.readouterr().out
        database.close_databases()


def test_it_ends_at_the_gate_and_says_so(judged):
    problem, shuffled, code, said = judged
    assert "a rollout cannot be replayed" in said
    assert code == (1 if shuffled else 0)
    assert ("offline gate: refused" if shuffled else "offline gate: accepted") in said
    state = ledger.state_of(problem.name)
    assert state.stage is (Stage.HEALTHY if shuffled else Stage.SHADOW)
    assert ("live requests" in said) == (not shuffled)
    (row,) = [row for row in ledger.rows(problem.name) if "held_out" in row.notes]
    gates = {gate: outcome for gate, outcome, _ in row.notes["gates"]}
    assert gates["no overlap"] == "PASS"
    assert row.notes["held_out"]["folds"] == 5
    n = len(table(shuffled=False))
    assert 0.5 * n < row.notes["held_out"]["rows"] < 0.7 * n
    auc = row.notes["metrics"]["test"]["roc_auc"]
    assert np.isfinite(auc)
    assert (auc > 0.6) == (not shuffled)


def test_asked_again_it_says_the_same_and_judges_nothing_twice(judged, capsys):
    problem, _, code, _ = judged
    before = list(ledger.rows(problem.name))
    assert judge_once(problem, plain_turn).code == code
    assert "offline gate" in capsys.readouterr().out
    assert len(list(ledger.rows(problem.name))) == len(before)
