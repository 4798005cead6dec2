"""Are decisions drawn as the plan says, said in a header, logged with their chance, and never what a model is judged by?"""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from schemas.plans import ServingPlan
from schemas.settings import Settings
from tasks import database, exploration
from tasks.routing import position
from tests.benchmarks.serve_made import FEATURES, PROBLEMS, known
from tests.deployments.gateway.running import NAME, copied, gateway
from tests.deployments.gateway.test_answers import Gateway

PROBLEM = PROBLEMS[NAME]
HIGH = [3.0, 0, 0, -3.0, *[0.0] * 16]  # surely decided 1
LOW = [-3.0, 0, 0, 3.0, *[0.0] * 16]


@pytest.fixture
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = copied(made, tmp_path / "home")
    monkeypatch.setenv("PERENNIAL_HOME", str(folder))
    for name in ("PERENNIAL_LOG_URL", "PERENNIAL_LEDGER_URL", "MLFLOW_TRACKING_URI", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)
    with known():
        yield folder
    database.close_databases()


def _exploring(**plan) -> Gateway:
    return Gateway(replace(PROBLEM, serving=ServingPlan(**plan)))


def _drawn(key: int, share: float) -> bool:
    return position(str(key), key=f"{NAME}/explore") < share


def _log() -> list[tuple]:
    wanted = "key, champion_decision, answer_decision, propensity, explored"
    with sqlite3.connect(Settings().root / "predictions.db") as connection:
        return connection.execute(f"select {wanted} from predictions order by cast(key as integer)").fetchall()


def test_a_drawn_share_gets_the_plans_decision_and_the_log_says_how_likely_it_was(home):
    replies = _exploring(explore=0.2, explore_to=0).ask(*range(200), values=HIGH)
    drawn = [_drawn(key, 0.2) for key in range(200)]
    assert 20 < sum(drawn) < 60
    assert [reply.decisions[0] for reply in replies] == [0 if one else 1 for one in drawn]
    assert [reply.explored for reply in replies] == [(0,) if one else () for one in drawn]
    for (_, own, out, propensity, explored), one in zip(_log(), drawn, strict=True):
        assert own == 1.0, "the model's own decision stays what it was"
        assert (out, propensity, explored) == ((0.0, pytest.approx(0.2), 1) if one else (1.0, pytest.approx(0.8), 0))


def test_where_the_model_says_the_same_the_decision_was_sure_and_the_row_is_one_of_the_sample(home):
    _exploring(explore=0.2, explore_to=0).ask(*range(100), values=LOW)
    assert {(out, propensity) for _, _, out, propensity, _ in _log()} == {(0.0, 1.0)}
    assert [bool(explored) for *_, explored in _log()] == [_drawn(key, 0.2) for key in range(100)]


def test_another_replica_and_a_restart_draw_the_same_rows(home):
    first = [reply.decisions for reply in _exploring(explore=0.3, explore_to=0).ask(*range(60), values=HIGH)]
    assert [reply.decisions for reply in _exploring(explore=0.3, explore_to=0).ask(*range(60), values=HIGH)] == first


def test_without_exploration_nothing_is_drawn_said_or_reckoned(home, monkeypatch):
    def never(*_, **__):
        raise AssertionError("a gateway that explores nothing does not ask")

    monkeypatch.setattr("deployments.gateway.batch.draw", never)
    replies = Gateway(PROBLEM).ask(*range(20), values=HIGH)
    assert {reply.explored for reply in replies} == {()}
    assert {(propensity, explored) for *_, propensity, explored in _log()} == {(1.0, 0)}


def test_the_turn_draws_the_same_rows_as_the_gateway(home):
    plan = {"explore": 0.3, "explore_to": 0}
    replies = _exploring(**plan).ask(*range(80), values=HIGH)
    ones = np.ones(80)
    keys = [str(key) for key in range(80)]
    drawn = exploration.draw(replace(PROBLEM, serving=ServingPlan(**plan)), keys, ones, ones, may=ones == 1)
    assert [bool(reply.explored) for reply in replies] == drawn.explored.tolist()


def test_an_answer_that_is_repeated_says_again_which_rows_were_drawn(home):
    key = next(key for key in range(100) if _drawn(key, 0.2))
    told = _exploring(explore=0.2, explore_to=0).ask(key, client_id="mine", values=HIGH)[0]
    again = _exploring(explore=0.2, explore_to=0).ask(key, client_id="mine", values=HIGH)[0]
    assert (again.decisions, again.explored, again.request) == (told.decisions, (0,), told.request)


def test_rows_that_an_operator_routes_are_never_drawn(home):
    gateway_ = _exploring(explore=0.5, explore_to=0)
    assert [reply.decisions[0] for reply in gateway_.ask(*range(40), arm="champion", values=HIGH)] == [1] * 40
    assert {(propensity, explored) for *_, propensity, explored in _log()} == {(1.0, 0)}


def test_a_running_gateway_says_in_a_header_which_rows_were_drawn(own_home: Path, tmp_path: Path):
    keys = list(range(40))
    drawn = [key for key in keys if _drawn(key, 0.25)]
    body = {"dataframe_split": {"columns": ["id", *FEATURES], "data": [[key, *HIGH] for key in keys]}}
    with gateway(own_home, tmp_path, GATEWAY_EXPLORE="0.25") as running:
        answer = running.post("/invocations", body)
        assert answer.headers["x-perennial-explored"] == ",".join(map(str, drawn))
        assert answer.json()["decisions"] == [0 if key in drawn else 1 for key in keys]
        body["dataframe_split"]["data"] = [[drawn[0], *HIGH]]
        assert running.post("/invocations", body).headers["x-perennial-explored"] == "all"
        other = next(key for key in keys if key not in drawn)
        body["dataframe_split"]["data"] = [[other, *HIGH]]
        assert f"perennial_explored_rows_total {len(drawn) + 1}.0" in running.get("/metrics").text
        assert "x-perennial-explored" not in running.post("/invocations", json.dumps(body).encode()).headers
    with sqlite3.connect(own_home / "predictions.db") as connection:
        rows = connection.execute("select key, answer_decision, propensity from predictions where explored").fetchall()
    assert {(int(key), out, propensity) for key, out, propensity in rows} == {(key, 0.0, 0.25) for key in drawn}
