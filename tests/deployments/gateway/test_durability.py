"""Is every answer that a client got in the log, once, whatever happened meanwhile? A sample; `make prove NAME=gateway` does more."""

import random
import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest

from tests.benchmarks.serve_made import START
from tests.deployments.gateway.running import GOOD, Senders, gateway, logged, moved_on, until

KILLS, SWAPS = 3, 3


@pytest.mark.parametrize("own_ids", [False, True])
def test_what_was_acknowledged_before_a_kill_is_in_the_log_once(own_home: Path, tmp_path: Path, own_ids: bool):
    url, acknowledged = f"sqlite:///{own_home / 'predictions.db'}", []
    for kill in range(1 + (KILLS - 1) * (not own_ids)):
        with gateway(own_home, tmp_path) as running, Senders(running.port, name=f"k{kill}" if own_ids else "") as load:
            until(lambda load=load: len(load.acknowledged) > 20, "nothing is answered", seconds=20)
            time.sleep(random.uniform(0.1, 0.5))
            running.end(signal.SIGKILL)
        acknowledged += load.acknowledged
        assert not set(load.failed) - {"broken"}
    assert logged(url, acknowledged, by_client=own_ids) == (0, 0)


def test_no_request_fails_while_routes_are_swapped_under_load(own_home: Path, tmp_path: Path):
    with gateway(own_home, tmp_path) as running, Senders(running.port, connections=16) as load:
        until(lambda: len(load.acknowledged) > 50, "nothing is answered", seconds=20)
        for swap in range(SWAPS):
            epoch = moved_on(own_home, now=START + timedelta(days=40 + swap)).epoch
            until(lambda epoch=epoch: epoch in load.epochs, f"epoch {epoch} is not served", seconds=10)
    assert not load.failed
    assert len(load.epochs) == SWAPS + 1


def test_it_serves_from_disk_while_the_registry_is_away(own_home: Path, tmp_path: Path):
    with gateway(own_home, tmp_path) as running:
        first = running.post("/invocations", GOOD).json()
        running.end()
    (own_home / "mlflow.db").rename(own_home / "elsewhere.db")
    with gateway(own_home, tmp_path) as running:
        with Senders(running.port) as load:
            until(lambda: len(load.acknowledged) > 200, "nothing is answered", seconds=20)
            assert running.get("/v2/health/ready").status_code == 200
        assert not load.failed
        assert running.post("/invocations", GOOD).json() == first
        assert "perennial_route_epoch 3.0" in running.get("/metrics").text
