"""A problem whose table says nothing but its history: do its turns train on it, and does a gateway score it alike?"""

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest

from deployments.gateway.serving import Scorer
from flows.replay import plain_turn
from schemas.features import Aggregate, Lag
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.route import Served
from schemas.source import Source
from schemas.stage import Stage
from tasks import database, ledger, registry, scoring, windows
from tasks.door import Door
from tests.flows import made
from tests.flows.made import DAY, HIGH, START, TIME

# The whole of what a problem file adds for its features: the declarations, and their columns in the contract.
FEATURES = (
    Aggregate(name="high_share_known_14d", over=("sensor",), window=14 * DAY, how="mean", of="high"),
    Aggregate(name="readings_1d", over=("sensor",), window=DAY, how="count"),
    Lag(name="x_before", over=("sensor",), of="x", by=DAY / 24, within=14 * DAY),
)
PROBLEM: Problem = replace(
    HIGH,
    name="sensors",
    statement="Will this sensor's reading be high?",
    source=Source(location="sensors/rows.parquet"),
    contract=HIGH.contract.add_columns(
        {
            "sensor": pa.Column(str),
            "note": pa.Column(str, nullable=True),
            "mended": pa.Column(TIME, nullable=True),
            "high_share_known_14d": pa.Column("float64", pa.Check.in_range(0, 1), nullable=True),
            "readings_1d": pa.Column("int64", pa.Check.ge(0)),
            "x_before": pa.Column("float64", nullable=True),
        }
    ),
    features=FEATURES,
    framing=HIGH.framing.model_copy(
        update={"entity": "sensor", "requirements": HIGH.framing.requirements[:1], "behaviours": (), "fairness": ()}
    ),
    recipe=Recipe(
        features=("high_share_known_14d", "readings_1d", "x_before", "sensor", "note", "at", "mended"),
        encodings={"sensor": "frequency", "note": "text"},
        interactions=(("at", "mended"), ("sensor", "note")),
        window=28 * DAY,
        parameters={"max_iter": 20, "max_leaf_nodes": 8},
    ),
)
BEGIN = START + 38 * DAY


def _readings(days: int, seed: int = 3) -> pd.DataFrame:
    """Half of the sensors read high most of the time, and nothing in a row says which."""
    rows = made.readings(days=days, seed=seed)
    n, rng = len(rows), np.random.default_rng(seed)
    sensor = rng.integers(0, 40, n)
    rows["high"] = (rng.random(n) < np.where(sensor % 2 == 0, 0.85, 0.15)).astype(float)
    notes = np.array(["", "cold and wet", "cold", "wet after rain", "dry"], dtype=object)[rng.integers(0, 5, n)]
    mended = (rows["at"] - pd.to_timedelta(rng.integers(1, 90, n), unit="D")).mask(rng.random(n) < 0.1)
    said = pd.Series(notes, dtype=str).mask(rng.random(n) < 0.1)
    return rows.assign(sensor=pd.Series([f"s{i}" for i in sensor], dtype=str), note=said, mended=mended.astype(TIME))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ledger.Row]]:
    folder = tmp_path_factory.mktemp("featured")
    made.settle(folder / "home", PROBLEM, _readings(days=48))
    with made.added(PROBLEM, folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(folder / "home"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for day in range(9):
            plain_turn(PROBLEM.name, BEGIN + day * DAY)
            if ledger.state_of(PROBLEM.name).stage is Stage.SHADOW:
                break
        yield list(ledger.rows(PROBLEM.name))
        database.close_databases()


def test_a_turn_trains_on_what_the_engine_computed_from_earlier_rows(rows):
    state = rows[-1].state
    assert state.stage is Stage.SHADOW, rows[-1].notes["reason"]
    assert state.challenger.held_out["roc_auc"] > 0.75
    assert set(registry.load(PROBLEM, state.challenger).feature_names_in_) == set(PROBLEM.recipe.features)


def test_a_gateway_scores_requests_with_texts_and_dates_as_a_turn_does(rows, tmp_path):
    challenger = rows[-1].state.challenger
    served = Served(challenger.sha256, challenger.version, challenger.name)
    model, golden, said = registry.fetch(PROBLEM, served, tmp_path)
    np.testing.assert_array_equal(scoring.score(model, golden, PROBLEM.framing).score, said.score)
    asked = windows.read_requests(PROBLEM, BEGIN, BEGIN + DAY)[list(PROBLEM.asked)]
    sent = json.loads(asked.to_json(orient="split", date_format="iso", date_unit="us", index=False))
    door = Door(PROBLEM)
    admitted = door.check(tuple(sent["columns"]), sent["data"], required=PROBLEM.recipe.features)
    assert admitted.breaches == []
    scorer = Scorer(model, served, PROBLEM.framing, golden)
    assert scorer.fast is None  # texts and times are asked for by name
    found, wanted = scorer(admitted, None, door), scoring.score(model, asked, PROBLEM.framing)
    assert found.errors.tolist() == [None] * len(asked)
    np.testing.assert_array_equal(found.score, wanted.score)
    np.testing.assert_array_equal(found.decision, wanted.decision)
    alone = [scorer(admitted, np.array([i]), door).score[0] for i in range(20)]
    np.testing.assert_allclose(alone, wanted.score[:20], rtol=1e-12)
