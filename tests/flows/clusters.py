"""How does a test get a Dask cluster? Two worker processes on loopback, forked where what they run is imported already."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.shared import forking

__all__ = ["cluster_of_two"]


@contextmanager
def cluster_of_two(folder: Path, *, lost_at_most: int) -> Iterator[Any]:
    """A cluster of this test's home, whose scheduler gives a job up once it has lost more than so many workers."""
    pytest.importorskip("distributed", reason="the extra dask")
    import dask
    from distributed import LocalCluster

    forking()
    asked = {
        "distributed.scheduler.allowed-failures": lost_at_most,
        "distributed.worker.multiprocessing-method": "forkserver",
        "temporary-directory": str(folder),
    }
    with (
        dask.config.set(asked),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            silence_logs=60,
            # What forks them was started in another home.
            env={name: value for name, value in os.environ.items() if name.startswith("PERENNIAL_")},
        ) as cluster,
    ):
        yield cluster
