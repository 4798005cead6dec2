"""Do clients of MLflow and of the Open Inference Protocol work unchanged, and do ids and labels mean what they should?"""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

from deployments.gateway.__main__ import build
from tests import loopback
from tests.benchmarks.serve_made import FEATURES, PROBLEMS, at_home, rows
from tests.deployments.gateway.malformed import asked
from tests.deployments.gateway.running import GOOD, NAME, Running, gateway

FRAME = rows(4, rng=np.random.default_rng(5))[list(FEATURES)].round(6)
ROWS = FRAME.to_numpy().tolist()
FORMS = (
    "dataframe_split",
    "dataframe_records",
    "instances_lists",
    "instances_records",
    "inputs_columns",
    "inputs_lists",
)


@pytest.fixture(scope="module")
def wanted(made: Path) -> np.ndarray:
    """What MLflow itself answers with the registered champion, shape (4, 2)."""
    with at_home(made):
        mlflow.set_tracking_uri(f"sqlite:///{made / 'mlflow.db'}")
        return np.asarray(mlflow.pyfunc.load_model(f"models:/{NAME}/1").predict(FRAME))


def test_a_probability_of_each_class_is_what_mlflow_answers(wanted: np.ndarray):
    assert wanted.shape == (4, 2)
    assert len(np.unique(wanted.round(9))) == 8


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_mlflow_is_answered_as_mlflow_answers_it(served: Running, wanted: np.ndarray, form: str):
    answer = served.post("/invocations", asked(form, list(FEATURES), ROWS))
    assert answer.status_code == 200
    np.testing.assert_allclose(answer.json()["predictions"], wanted, rtol=1e-12)


def test_an_index_is_taken_and_changes_nothing(served: Running, wanted: np.ndarray):
    split = json.loads(FRAME.set_axis([7, 3, 5, 1]).to_json(orient="split"))
    assert set(split) == {"columns", "index", "data"}
    answer = served.post("/invocations", {"dataframe_split": split, "params": {}}).json()
    np.testing.assert_allclose(answer["predictions"], wanted, rtol=1e-12)


def test_columns_may_come_in_any_order(served: Running, wanted: np.ndarray):
    turned = FRAME[FRAME.columns[::-1]]
    answer = served.post("/invocations", asked("dataframe_split", list(turned), turned.to_numpy().tolist())).json()
    np.testing.assert_allclose(answer["predictions"], wanted, rtol=1e-12)


def test_mlflows_own_client_works(served: Running, wanted: np.ndarray):
    client = ScoringServerClient("127.0.0.1", served.port)
    client.wait_server_ready(timeout=5, scoring_server_proc=None)
    assert client.get_version() == mlflow.__version__
    said = client.invoke(FRAME).get_predictions()
    assert isinstance(said, pd.DataFrame)
    np.testing.assert_allclose(said.to_numpy(), wanted, rtol=1e-12)


# Open defect 9: MLflow's documentation shows CSV beside JSON, and its server takes it.
def test_csv_of_mlflows_documentation_is_taken(served: Running, wanted: np.ndarray):
    csv, kind = FRAME.to_csv(index=False).encode(), {"content-type": "text/csv"}
    answer = loopback.post(f"{served.url}/invocations", content=csv, headers=kind)
    assert answer.status_code == 200
    np.testing.assert_allclose(answer.json()["predictions"], wanted, rtol=1e-12)


def test_csv_with_a_nul_is_refused_before_it_reaches_a_log(served: Running):
    text = FRAME.assign(note="a\x00b").to_csv(index=False).encode()
    answer = loopback.post(f"{served.url}/invocations", content=text, headers={"content-type": "text/csv"})
    assert answer.status_code == 400
    assert "U+0000" in answer.json()["message"]


def one_tensor() -> list[dict]:
    return [{"name": "input-0", "shape": [4, 20], "datatype": "FP64", "data": FRAME.to_numpy().ravel().tolist()}]


def a_tensor_a_column() -> list[dict]:
    return [{"name": n, "shape": [4, 1], "datatype": "FP64", "data": FRAME[n].tolist()} for n in FEATURES[::-1]]


@pytest.mark.parametrize("tensors", [one_tensor, a_tensor_a_column])
def test_open_inference_gives_the_same_numbers(served: Running, wanted: np.ndarray, tensors):
    said = served.post(f"/v2/models/{NAME}/infer", {"id": f"oip-{tensors.__name__}", "inputs": tensors()}).json()
    outputs = {one["name"]: one for one in said["outputs"]}
    shape = outputs["predict"]["shape"]
    np.testing.assert_allclose(np.reshape(outputs["predict"]["data"], shape), wanted, rtol=1e-12)
    assert said["id"] == f"oip-{tensors.__name__}"
    assert outputs["decision"]["shape"] == [4]


def test_open_inference_says_that_it_is_ready_and_what_it_reads(served: Running):
    assert served.get("/v2/health/live").json()["live"] is True
    assert served.get("/v2/health/ready").status_code == 200
    assert served.get(f"/v2/models/{NAME}/ready").status_code == 200
    about = served.get(f"/v2/models/{NAME}").json()
    assert [one["name"] for one in about["inputs"]] == list(FEATURES)
    assert {one["datatype"] for one in about["inputs"]} == {"FP64"}
    assert about["versions"] == ["1"]


def test_headers_say_request_version_role_and_epoch(served: Running):
    first, second = (served.post("/invocations", GOOD).headers for _ in range(2))
    assert int(first["x-perennial-request-id"], 16) < int(second["x-perennial-request-id"], 16)
    told = [first[f"x-perennial-{name}"] for name in ("version", "role", "epoch")]
    assert told == ["1", "champion", "3"]


def labelled(served: Running, *labels: dict) -> dict[str, int]:
    answer = served.post("/labels", labels[0] if len(labels) == 1 else {"labels": list(labels)})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_label_is_taken_once_and_revised_later(served: Running):
    key = served.post("/invocations", GOOD).headers["x-perennial-request-id"]
    said = {"key": key, "label": 1, "known_at": (datetime.now(UTC) - timedelta(minutes=2)).isoformat()}
    assert labelled(served, said) == {"new": 1, "repeated": 0, "revised": 0, "orphans": 0}
    assert labelled(served, said) == {"new": 0, "repeated": 1, "revised": 0, "orphans": 0}
    later = said | {"label": 0, "known_at": (datetime.now(UTC) - timedelta(minutes=1)).isoformat()}
    assert labelled(served, later) == {"new": 1, "repeated": 0, "revised": 1, "orphans": 0}
    assert served.post("/labels", said | {"label": 0}).status_code == 422  # another label of the same moment


def test_labels_come_in_bulk_late_and_of_rows_nobody_asked_about(served: Running):
    keys = [served.post("/invocations", GOOD).headers["x-perennial-request-id"] for _ in range(3)]
    long_ago = (datetime.now(UTC) - timedelta(days=400)).isoformat()
    several = [{"key": key, "label": 1, "known_at": long_ago} for key in [*keys, "never asked"]]
    assert labelled(served, *several) == {"new": 4, "repeated": 0, "revised": 0, "orphans": 1}


def test_bulk_labels_are_taken_all_or_none(served: Running):
    bad = {"labels": [{"key": "all or none", "label": 1}, {"key": "other", "label": 7}]}
    assert served.post("/labels", bad).status_code == 422
    assert labelled(served, {"key": "all or none", "label": 1})["new"] == 1


# Open defect 2: a client that names its request is told that name, and the row is logged under another key.
def test_the_id_that_a_client_is_told_is_the_key_that_its_label_names(served: Running):
    key = served.post("/invocations", GOOD, x_request_id="a name of mine".replace(" ", "-")).headers[
        "x-perennial-request-id"
    ]
    assert labelled(served, {"key": key, "label": 1})["orphans"] == 0


def test_a_clients_id_gives_the_same_answer_again_and_no_other_payload(own_home: Path, tmp_path: Path):
    other = GOOD.replace(b"0.5", b"0.25", 1)
    with gateway(own_home, tmp_path) as running:
        first = running.post("/invocations", GOOD, x_request_id="order-7")
        again = running.post("/invocations", GOOD, x_request_id="order-7")
        assert running.post("/invocations", other, x_request_id="order-7").status_code == 409
    with gateway(own_home, tmp_path) as running:
        after = running.post("/invocations", GOOD, x_request_id="order-7")
        assert running.post("/invocations", other, x_request_id="order-7").status_code == 409
    for answer in (again, after):
        assert answer.content == first.content
        names = [name for name in first.headers if name.startswith("x-perennial")]
        assert [answer.headers[name] for name in names] == [first.headers[name] for name in names]
    assert first.headers["x-perennial-request-id"] == "order-7"


def reached(
    method: str, path: str, *, token: str | None, loopback: bool, given: str = "", home: Path, **headers: str
) -> int:
    """The status of one request to an application that nobody started."""

    async def ask(app: object) -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://here") as client:
            said = {"content-type": "application/json"} | ({"authorization": given} if given else {}) | headers
            body = b'{"key":"1","label":1}' if method == "POST" else None
            return (await client.request(method, path, content=body, headers=said)).status_code

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(home))
        if token:
            patch.setenv("PERENNIAL_GATEWAY_TOKEN", token)
        return asyncio.run(ask(build(PROBLEMS[NAME], loopback=loopback)))


@pytest.mark.parametrize("method, path, token, loopback, given, status", [
    ("POST", "/labels", None, False, "", 403),
    ("GET", "/metrics", None, False, "", 403),
    ("GET", "/", None, False, "", 403),
    ("POST", "/labels", None, True, "", 200),
    ("POST", "/labels", "s3cret", True, "", 401),
    ("POST", "/labels", "s3cret", False, "Bearer wrong", 401),
    ("POST", "/labels", "s3cret", False, "Basic s3cret", 401),
    ("POST", "/labels", "s3cret", False, "Bearer s3cret", 200),
    ("POST", "/invocations", "s3cret", False, "", 401),
    ("GET", "/metrics", "s3cret", False, "", 401),
    ("GET", "/metrics", "s3cret", False, "Bearer s3cret", 200),
    ("GET", f"/v2/models/{NAME}", "s3cret", False, "", 401),
    ("GET", "/ping", "s3cret", False, "", 404),  # alive, and not ready
    ("GET", "/v2/health/live", "s3cret", False, "", 200),
])  # fmt: skip
def test_who_may_ask_what(home: Path, method: str, path: str, token: str, loopback: bool, given: str, status: int):
    assert reached(method, path, token=token, loopback=loopback, given=given, home=home) == status
