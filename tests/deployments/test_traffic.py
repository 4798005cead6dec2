"""Does traffic that cannot begin say why at once, and what to do?"""

import socket
import time
from datetime import UTC, datetime, timedelta

import pytest

from deployments import traffic
from schemas.errors import PerennialError
from schemas.rows import State

FIRST, LAST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 12, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _restored(home, monkeypatch):
    monkeypatch.setenv("PERENNIAL_SERVING", "gateway")  # it sets it itself


def test_without_a_gateway_it_says_so_at_once_and_names_the_next_step(home):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(PerennialError, match=rf"no gateway answers at 127.0.0.1:{port}.*make serve PROBLEM=fraud"):
        traffic.run("fraud", rate=200, url=f"http://127.0.0.1:{port}")
    assert time.monotonic() - began < 5
    assert not (home / "data").exists(), "no table was simulated for nothing"


def test_at_the_end_of_the_table_it_names_a_fresh_home(monkeypatch):
    monkeypatch.setattr(traffic._Gateway, "greet", lambda self: None)
    monkeypatch.setattr(traffic.windows, "available", lambda problem: True)
    monkeypatch.setattr(traffic.windows, "bounds", lambda problem: (FIRST, LAST))
    over = LAST + timedelta(days=1)
    monkeypatch.setattr(traffic.ledger, "state_of", lambda name: State("fraud", scored=over))
    with pytest.raises(PerennialError, match=r"nothing left to send.*export PERENNIAL_HOME="):
        traffic.run("fraud", rate=200, url="http://127.0.0.1:9")
