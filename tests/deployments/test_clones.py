"""Two clones on one real Prefect server, each with a problem of the same name: nothing is overwritten, taken or left over."""

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect import tags
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

import schemas.problems
from deployments import servers
from flows.artifacts import key_of
from flows.guard import limit_name
from schemas.errors import PerennialError
from schemas.events import EVENTS, Event
from schemas.problem import known_problems, load_problem
from schemas.settings import Settings
from schemas.source import Source
from tasks import database, ledger
from tests import loopback
from tests.checkout import SMALL, checkout, until_tomorrow
from tests.deployments.test_server import eventually
from tests.flows import made


class Clones:
    """The server, and a switch from one clone to the other."""

    def __init__(self, api: str, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.api, self.folder, self.patch = api, folder, patch

    def enter(
        self, home: str, *, clone: str = "", pool: str = "", problems: tuple[str, ...] = ("fraud", "spam")
    ) -> None:
        """From here on this process is that clone: its home, its problems' files and its settings."""
        files = self.folder / home / "problems"
        files.mkdir(parents=True, exist_ok=True)
        for file in files.glob("*.py"):
            file.unlink()
        for name in problems:
            (files / f"{name}.py").write_text(SMALL.format(name=name, schedule="0 6 * * *"))
        self.patch.setattr(schemas.problems, "__path__", [str(files)])
        self.patch.setenv("PERENNIAL_HOME", str(self.folder / home))
        for name, value in {"PERENNIAL_CLONE": clone, "PERENNIAL_WORK_POOL": pool}.items():
            if value:
                self.patch.setenv(name, value)
            else:
                self.patch.delenv(name, raising=False)

    def deploy(self) -> None:
        from deployments.deploy import deploy

        deploy()

    def ask(self, path: str, **wanted: Any) -> Any:
        (answer,) = eventually(partial(self._unless_busy, path, wanted), seconds=120)
        return answer.raise_for_status().json()

    def _unless_busy(self, path: str, wanted: dict[str, Any]) -> tuple[httpx.Response, ...]:
        """While another of its writes holds SQLite, the server says 503 and to come again."""
        answer = loopback.post(f"{self.api}/{path}", json=wanted, timeout=120)
        return () if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else (answer,)

    def there(self, mark: str) -> dict[str, Any]:
        """All that is on the server of one clone, by what people call it."""
        flows = {one["id"]: one["name"] for one in self.ask("flows/filter")}
        limits = [one["name"] for one in self.ask("v2/concurrency_limits/filter", limit=200)]
        return {
            "deployments": {
                f"{flows[one['flow_id']]}/{one['name']}": one["id"]
                for one in self.ask("deployments/filter")
                if mark in one["tags"]
            },
            "automations": {one["name"]: one["id"] for one in self.ask("automations/filter") if mark in one["tags"]},
            "limits": sorted(one for one in limits if one.startswith(f"{mark}:")),
        }


@pytest.fixture(scope="module")
def clones(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clones]:
    folder = tmp_path_factory.mktemp("clones")
    # In this process the names are the team's, which its forms offer, and so are the problems.
    for name in known_problems():
        load_problem(name)
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith("PREFECT_") or n == "MLFLOW_TRACKING_URI"]:
            patch.delenv(name)
        patch.setenv("PERENNIAL_HOME", str(folder / "server"))
        with servers.prefect_server() as api, temporary_settings({PREFECT_API_URL: api}):
            EventsWorker.drain_all()  # one that another file of this process left speaks to that file's server
            both = Clones(api, folder, patch)
            both.enter("south")
            both.deploy()
            yield both
            EventsWorker.drain_all()  # and ours speaks to this one
    database.close_databases()


@pytest.fixture
def south(clones: Clones) -> dict[str, Any]:
    """What the first clone has there, which is there after everything that the second does."""
    return clones.there("perennial")


@pytest.fixture(autouse=True)
def _untouched(clones: Clones, south: dict[str, Any]) -> Iterator[None]:
    yield
    assert clones.there("perennial") == south


def test_a_second_clone_of_the_same_name_is_refused_before_it_changes_anything(clones, south):
    assert {"lifecycle/fraud", "lifecycle/spam", "retrain/retrain"} <= set(south["deployments"])
    clones.enter("north")
    with pytest.raises(PerennialError, match=r"Nothing was changed\. Give this clone a name of its own") as refused:
        clones.deploy()
    assert "PERENNIAL_CLONE" in str(refused.value)


def test_one_with_a_name_of_its_own_stands_beside_it_and_removes_its_own_alone(clones, south):
    clones.enter("north", clone="north")
    clones.deploy()
    north = clones.there("perennial.north")
    assert {"lifecycle/north.fraud", "lifecycle/north.spam", "retrain/north.retrain"} <= set(north["deployments"])
    assert north["limits"] == ["perennial.north:fraud", "perennial.north:spam"]
    for what in ("deployments", "automations"):
        assert len(north[what]) == len(south[what])
        assert not set(north[what].values()) & set(south[what].values())
    clones.enter("north", clone="north", problems=("spam",))
    clones.deploy()
    left = clones.there("perennial.north")
    assert set(north["deployments"]) - set(left["deployments"]) == {
        f"{flow}/north.fraud" for flow in ("lifecycle", "retention", "improve")
    }
    assert set(left["deployments"].items()) < set(north["deployments"].items()), (
        "what stays is the same, and not made anew"
    )
    assert left["limits"] == ["perennial.north:spam"]
    assert not [name for name in left["automations"] if "fraud" in name]


def test_deploying_the_first_again_leaves_the_second(clones, south):
    clones.enter("north", clone="north")
    clones.deploy()
    north = clones.there("perennial.north")
    clones.enter("south")
    clones.deploy()
    assert clones.there("perennial.north") == north


def test_two_clones_share_no_work_pool(clones):
    clones.enter("east", clone="east", pool="team")
    clones.deploy()
    clones.enter("north", clone="north", pool="team")
    with pytest.raises(PerennialError, match="the work pool 'team' has runs of another clone"):
        clones.deploy()


def test_a_worker_of_a_process_pool_takes_a_turn_of_its_clone(clones):
    code = checkout(clones.folder / "machine", ["fraud"])
    clones.enter("pooled", clone="pooled", pool="machines", problems=("fraud",))
    small = replace(made.PROBLEM, name="fraud", source=Source(location="fraud/rows.parquet"))
    made.settle(clones.folder / "pooled", small, until_tomorrow())
    clones.deploy()
    (deployment,) = [
        one
        for one in clones.ask("deployments/filter")
        if one["name"] == "pooled.fraud" and "lifecycle" in one["entrypoint"]
    ]
    # A worker is started by hand: what tells a run that lives from one that was killed has to come with the run.
    assert deployment["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    run = clones.ask(f"deployments/{deployment['id']}/create_flow_run")["id"]
    said = {"PREFECT_API_URL": clones.api, "PERENNIAL_HOME": str(clones.folder / "pooled")}
    worked = code.run(
        "-m", "prefect", "worker", "start", "--pool", "machines", "--type", "process", "--run-once", **said
    )
    assert worked.returncode == 0, worked.stderr
    found = loopback.get(f"{clones.api}/flow_runs/{run}", timeout=60).json()
    assert found["state_type"] == "COMPLETED", f"{found['state']['message']}\n{worked.stdout}\n{worked.stderr}"
    assert found["name"] == "fraud, COLD → HEALTHY: PASS"
    assert ledger.state_of("fraud").champion is not None


def test_what_a_clone_deployed_is_removed_by_itself_or_by_whoever_names_its_ledger(clones):
    from deployments.deploy import undeploy

    clones.enter("west", clone="west")
    clones.deploy()
    gone = ledger.identity()
    clones.enter("west-anew", clone="west")
    with pytest.raises(PerennialError, match=f"--of {gone}"):
        undeploy()
    assert clones.there("perennial.west")["deployments"]
    assert undeploy(gone) > 0
    assert clones.there("perennial.west") == {"deployments": {}, "automations": {}, "limits": []}
    clones.deploy()
    assert undeploy() > 0


def test_a_run_of_another_clone_that_a_worker_took_does_nothing(clones):
    from flows.lifecycle import lifecycle

    clones.enter("north", clone="north")
    theirs = f"ledger:{'0' * 12}"
    with tags(theirs), pytest.raises(PerennialError, match=f"deployed over {theirs}, and this process has ledger:"):
        lifecycle("fraud")
    assert ledger.state_of("fraud").sequence == 0


def test_events_pages_and_limits_of_a_named_clone_are_its_own(clones):
    event = Event(EVENTS["drift"], "fraud", "1/a", {"reason": "x", "evidence": {}})
    clones.enter("south")
    south = (
        event.id,
        event.told(runbook="")["resource"]["prefect.resource.id"],
        key_of("turn", "fraud"),
        limit_name("fraud"),
    )
    clones.enter("north", clone="north")
    north = (
        event.id,
        event.told(runbook="")["resource"]["prefect.resource.id"],
        key_of("turn", "fraud"),
        limit_name("fraud"),
    )
    assert south[1:] == ("perennial.problem.fraud", "turn-fraud", "perennial:fraud")
    assert north[1:] == ("perennial.north.problem.fraud", "north-turn-fraud", "perennial.north:fraud")
    assert south[0] != north[0], "the server takes an id once"
    assert known_problems() == ["fraud", "spam"]


@pytest.mark.parametrize("name", ["North", "a.b", "problem", "9", "a" * 31])
def test_a_name_that_would_be_mistaken_is_refused(clones, monkeypatch, name):
    monkeypatch.setenv("PERENNIAL_CLONE", name)
    with pytest.raises(PerennialError, match="PERENNIAL_CLONE"):
        Settings()
