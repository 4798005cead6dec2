"""What does the README show of the Prefect UI? `make screenshots` takes the pictures anew, of real turns on a real server.

A team's last weeks, simulated: the table of `fraud` ends tomorrow, the loop has turned since two months ago, and its newest turn
is a live one. It takes some minutes, and wants the extra `browser` and a Chromium.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from deployments import servers
from deployments.demo import quiet
from schemas.problem import load_problem
from tasks import windows
from tests.deployments.browser import Browser, browser, chromium
from tests.deployments.test_server import payments_until_tomorrow

__all__ = ["FOLDER", "main"]

FOLDER = Path(__file__).parents[1] / "deployments" / "screenshots"
_AT_MOST = 250_000  # bytes of a picture
_DAYS, _PER_DAY, _REPLAYED = 150, 1000, 62
DAY = timedelta(days=1)


def main() -> int:
    """Take them, and say where they are; 1 where the machine lacks what it takes."""
    try:
        import playwright  # noqa: F401  (asked for before minutes of turns)
    except ImportError:
        print("the pictures want the extra `browser`: uv pip install --editable '.[browser]'", file=sys.stderr)
        return 1
    if chromium() is None:
        print("no Chromium is there: apt-get install chromium, or name one in CHROMIUM", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as home, _of_its_own(home), servers.prefect_server() as api:
        servers.use(api)
        quiet()
        turns = _turned()
        print(f"{turns} turns; taking the pictures ...", flush=True)
        with browser(api.removesuffix("/api"), height=900) as shown:
            for file in _pictures(shown, FOLDER):
                print(f"  {file.relative_to(FOLDER.parents[1])}  {_small(file):,} bytes", flush=True)
    return 0


@contextmanager
def _of_its_own(home: str) -> Iterator[None]:
    """Nothing of the user's: neither state nor server."""
    for name in [n for n in os.environ if n.startswith(("PREFECT_", "PERENNIAL_")) or n == "MLFLOW_TRACKING_URI"]:
        del os.environ[name]
    os.environ |= {
        "PERENNIAL_HOME": home,
        "PREFECT_HOME": f"{home}/prefect",
        "PERENNIAL_REPORTS": "alarms",
        "PERENNIAL_SERVING": "turns",
    }
    yield


def _turned() -> int:
    """The weeks until yesterday as a replay, then what is scheduled, then today's turn; how many turns that were."""
    from deployments.deploy import deploy
    from flows.lifecycle import lifecycle
    from flows.replay import quick_flows, replay

    problem = load_problem("fraud")
    windows.materialise(problem, payments_until_tomorrow(days=_DAYS, per_day=_PER_DAY))
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with quick_flows():
        rows = replay(
            problem, start=today - _REPLAYED * DAY, end=today - DAY, crank=lambda name, now: lifecycle(name, now=now)
        )
        turns = sum(row.facts["kind"] == "turn" for row in rows)
        deploy()
        _until(lambda: "fraud" in _scheduled())
        os.environ["PERENNIAL_REPORTS"] = "all"
        lifecycle("fraud")
    return turns + 1


def _pictures(shown: Browser, folder: Path) -> Iterator[Path]:
    shown.open("/runs", says="fraud, ")
    yield shown.picture(folder / "runs.png", height=1240)
    shown.open(f"/artifacts/artifact/{_artifact('turn-fraud', holds='figures of this verdict')}", says="fraud: ")
    yield shown.picture(folder / "turn.png", height=1080)
    shown.open(f"/artifacts/artifact/{_artifact('problems')}", says="when accepted")
    yield shown.picture(folder / "problems.png", height=620)
    shown.open("/deployments", says="fraud")
    shown.search("Search deployments", "retrain")
    shown.wait_for("1 Deployment")
    shown.follow("retrain")
    shown.click("Run")
    shown.click("Custom run")
    shown.wait_for("Parameters")
    shown.choose("problem", "fraud")
    shown.fill("reason", "a new kind of card is accepted from today on")
    shown.fill("actor", "ana")
    yield shown.picture(folder / "retrain.png")


def _artifact(key: str, *, holds: str = "") -> str:
    """The newest artifact of this key, of those that hold a text."""
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
    from prefect.client.schemas.sorting import ArtifactSort

    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
    with _client() as client:
        found = client.read_artifacts(artifact_filter=wanted, sort=ArtifactSort.CREATED_DESC)
    return str(next(one.id for one in found if holds in str(one.data)))


def _scheduled() -> dict[str, datetime]:
    from flows.overview import next_turns

    return next_turns(datetime.now(UTC))


def _client() -> Any:
    from prefect.client.orchestration import get_client

    return get_client(sync_client=True)


def _until(there: Any, *, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the scheduler made no run in {seconds:.0f} s")
        time.sleep(0.5)


def _small(file: Path) -> int:
    """The picture packed as tightly as it can be, and how many bytes that is."""
    from PIL import Image

    with Image.open(file) as picture:
        picture.convert("RGB").save(file, optimize=True)
    size = file.stat().st_size
    assert size < _AT_MOST, f"{file} has {size:,} bytes, {_AT_MOST:,} are allowed"
    return size


if __name__ == "__main__":
    sys.exit(main())
