"""Is whatever is wrong with a request said as 4xx, quickly, without an echo, and without harm to the next one?"""

import json
import socket
import time
from contextlib import suppress

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.benchmarks.serve_made import FEATURES
from tests.deployments.gateway.malformed import SECRET, Malformed, message, requests
from tests.deployments.gateway.running import GOOD, NAME, Running

PATIENCE = 5.0  # seconds, on a machine that may be busy with other things
REQUESTS = requests()


def sent(running: Running, raw: bytes) -> bytes:
    """The answer to raw bytes, up to what its content-length says or until the gateway closes."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE) as to:
        with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered, and closed, before it read all
            to.sendall(raw)
        answer = b""
        while b"\r\n\r\n" not in answer or len(answer) < _length(answer):
            more = to.recv(65_536)
            if not more:
                break
            answer += more
    return answer


def _length(answer: bytes) -> int:
    head, _, _ = answer.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return len(head) + 4 + int(lengths[0] if lengths else 0)


def status(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer[:80]
    return int(answer[9:12])


def test_there_are_more_than_three_hundred_of_them():
    assert len(REQUESTS) >= 300


@pytest.mark.parametrize("bad", REQUESTS, ids=lambda bad: "".join(c for c in bad.what[:60] if c.isprintable()))
def test_it_is_refused_in_time_and_without_an_echo(served: Running, bad: Malformed):
    began = time.monotonic()
    answer = sent(served, bad.raw)
    assert 400 <= status(answer) < 500, answer[:300]
    assert SECRET.encode() not in answer
    assert time.monotonic() - began < PATIENCE


def test_after_all_of_them_a_good_request_is_answered(served: Running):
    for bad in REQUESTS[::25]:
        sent(served, bad.raw)
    assert served.post("/invocations", GOOD).status_code == 200
    assert "perennial_defects_total 0.0" in served.get("/metrics").text


def test_a_bad_request_harms_none_that_is_sent_at_the_same_time(served: Running):
    bad = [b for b in REQUESTS if b.raw.startswith(b"POST /invocations")][:40]
    with httpx.Client(base_url=served.url, timeout=PATIENCE) as client:
        for one in bad:
            with socket.create_connection(("127.0.0.1", served.port)) as to:
                to.sendall(one.raw)
                good = client.post("/invocations", content=GOOD, headers={"content-type": "application/json"})
                assert good.status_code == 200, one.what


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
rows = st.lists(st.lists(values, max_size=3) | st.just([0.5] * len(FEATURES)), max_size=3)
columns = st.lists(st.sampled_from(FEATURES) | st.text(max_size=6), max_size=4) | st.just(list(FEATURES))
asks = st.one_of(
    values,
    st.builds(lambda c, d: {"dataframe_split": {"columns": c, "data": d}}, columns, rows | values),
    st.builds(lambda form, value: {form: value}, st.sampled_from(["dataframe_records", "instances", "inputs", "labels"]), values | rows),
    st.builds(lambda k, y, t: {"key": k, "label": y, "known_at": t}, values, values, values | st.datetimes().map(str)),
    st.builds(
        lambda s, d, x: {"inputs": [{"name": "a", "shape": s, "datatype": d, "data": x}]},
        st.lists(st.integers(), max_size=3),
        st.sampled_from(["FP64", "BYTES", "INT64"]),
        values | st.lists(st.floats(allow_nan=False), max_size=20),
    ),
)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(["/invocations", f"/v2/models/{NAME}/infer", "/labels"]), said=asks)
def test_no_json_value_makes_it_fail(served: Running, path: str, said: object):
    answer = sent(served, message(path, json.dumps(said).encode()))
    assert status(answer) == 200 or 400 <= status(answer) < 500, answer[:300]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300), at=st.integers(0, len(GOOD)))
def test_no_bytes_in_a_good_request_make_it_fail(served: Running, body: bytes, at: int):
    answer = sent(served, message("/invocations", GOOD[:at] + body + GOOD[at + len(body) :]))
    assert status(answer) == 200 or 400 <= status(answer) < 500, answer[:300]


# Open defect 3: any number of bytes of headers is taken in, before anybody was asked for a token.
def test_headers_of_a_megabyte_are_refused(served: Running):
    assert status(sent(served, message("/invocations", GOOD, x_padding="a" * 2**20))) in (400, 413, 431)


# Open defect 5: after a refusal of its length the gateway reads the body of a terabyte to its end.
def test_a_connection_whose_body_is_refused_unread_is_closed(served: Running):
    with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as to:
        to.sendall(message("/invocations", b"", length=10**12))
        answer = to.recv(65_536)
        assert status(answer) == 413
        assert b"connection: close" in answer.lower()
