"""Does a real Prefect server run what we declare: on schedule, on events, one turn of a problem at a time?

The test harness runs no scheduler, and a library at the wrong version silences it without an error. So here is a real
server, and a real process that serves. Each run imports for some 9 s: there are as few of them as show the point.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import httpx
import pandas as pd
import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments import servers
from deployments.gateway.__main__ import emit
from flows.events import with_form
from flows.guard import limit_name
from flows.replay import plain_turn
from schemas.events import EVENTS, Event
from schemas.problem import known_problems, load_problem
from schemas.problems._fraud_simulator import payments
from schemas.stage import Stage
from tasks import ledger, windows
from tasks.due import events_of
from tasks.journal import Trip
from tests import loopback
from tests.shared import mlflow_tables, prefect_tables

DAYS, PER_DAY = 100, 300
REASON = 'the "mix" of payments moved: Köln → 東京, 5 % {{ of }} \\ rows'
FORMS = {
    "approve": {"problem", "decision", "name", "note"},
    "roll-back": {"problem", "name", "reason"},
    "pause": {"problem", "action", "name", "reason", "days"},
    "score": {"problem", "request", "rows", "output"},
    "replay": {"problem", "days", "name"},
}
QUICK = {  # seconds between looks, instead of ten and thirty
    "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "2",
    "PREFECT_SERVER_CONCURRENCY_MAXIMUM_CONCURRENCY_SLOT_WAIT_SECONDS": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}


@dataclass(frozen=True)
class Server:
    """A running server with a process that serves, and how to ask it."""

    api: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def post(self, path: str, body: Any = None, **wanted: Any) -> httpx.Response:
        for _ in range(20):
            answer = loopback.post(f"{self.api}/{path}", json=body or wanted, timeout=120)
            if answer.status_code != 503:
                break
            time.sleep(0.5)  # SQLite was busy; Prefect's own client asks again just so
        return answer

    def get(self, path: str) -> dict[str, Any]:
        return loopback.get(f"{self.api}/{path}", timeout=120).raise_for_status().json()

    def found(self, what: str, **wanted: Any) -> list[dict[str, Any]]:
        return self.post(f"{what}/filter", **wanted).raise_for_status().json()

    def deployments(self) -> dict[str, dict[str, Any]]:
        names = {row["id"]: row["name"] for row in self.found("flows")}
        return {f"{names[row['flow_id']]}/{row['name']}": row for row in self.found("deployments")}

    def start(self, deployment: str, **parameters: Any) -> httpx.Response:
        return self.post(f"deployments/{self.deployments()[deployment]['id']}/create_flow_run", parameters=parameters)

    def runs_of(self, deployment: str, **state: Any) -> list[dict[str, Any]]:
        wanted: dict[str, Any] = {"deployments": {"id": {"any_": [self.deployments()[deployment]["id"]]}}}
        return self.found("flow_runs", **wanted, **({"flow_runs": {"state": state}} if state else {}))


@dataclass(frozen=True)
class Incident:
    """A drift event and two turns, all at one moment."""

    retrain: dict[str, Any]
    lifecycles: list[dict[str, Any]]


def eventually(ask: Callable[[], Any], *, seconds: float = 300) -> Any:
    """What `ask` returns, once it is something."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"did not happen in {seconds:.0f} s"
        time.sleep(0.3)
    return answer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("perennial")
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith("PREFECT_") or n == "MLFLOW_TRACKING_URI"]:
            patch.delenv(name)
        for name, value in {**QUICK, "PERENNIAL_HOME": str(home), "PREFECT_HOME": str(home / "prefect")}.items():
            patch.setenv(name, value)
        windows.materialise(load_problem("fraud"), payments_until_tomorrow())
        prefect_tables(home / "prefect" / "prefect.db")
        shutil.copy(mlflow_tables(), home / "mlflow.db")
        with servers.prefect_server() as api:
            log = home / "logs" / "serve.log"
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [sys.executable, "-m", "deployments.serve"],
                    env=servers.environment(api_url=api),
                    stdout=output,
                    stderr=output,
                )
            try:
                # Meanwhile the problem takes its first turn, so that there is something to retrain.
                plain_turn("fraud", datetime.now(UTC))
                eventually(lambda: b"serving" in log.read_bytes() or process.poll() is not None)
                assert process.poll() is None, log.read_text()
                yield Server(api, process, log)
            finally:
                process.kill()
                process.wait(10)


def payments_until_tomorrow(*, days: int = DAYS, per_day: int = PER_DAY) -> pd.DataFrame:
    frame = payments(seed=7, days=days, per_day=per_day)
    # Whole days, so that the hour of a payment stays the hour that its columns say.
    shift = pd.Timestamp.now("UTC").normalize() + timedelta(days=1) - frame["paid_at"].max().normalize()
    return frame.assign(paid_at=frame["paid_at"] + shift, fraud_known_at=frame["fraud_known_at"] + shift)


def test_the_scheduler_makes_runs_of_a_problem_whose_table_is_there(server):
    runs = eventually(lambda: server.runs_of("lifecycle/fraud", type={"any_": ["SCHEDULED"]}))
    assert all(run["auto_scheduled"] and run["parameters"] == {"problem": "fraud"} for run in runs)
    assert {run["next_scheduled_start_time"][11:16] for run in runs} == {"06:00"}


def test_a_problem_whose_table_is_missing_waits_with_its_schedule_off(server):
    for name in set(known_problems()) - {"fraud"}:
        missing = server.deployments()[f"lifecycle/{name}"]
        assert [schedule["active"] for schedule in missing["schedules"]] == [False]
        assert "its table is not there yet" in missing["description"]
        assert not server.runs_of(f"lifecycle/{name}")


def test_entrypoints_are_dotted_and_a_problem_takes_one_turn_at_a_time(server):
    found = server.deployments()
    by_problem = {f"{flow}/{name}" for flow in ("lifecycle", "retention", "improve") for name in known_problems()}
    assert set(found) == by_problem | {f"{one}/{one}" for one in (*FORMS, "retrain", "drills")}
    assert {row["entrypoint"] for row in found.values()} == {
        "flows.lifecycle.lifecycle",
        "flows.operations.retrain",
        "flows.operations.approve_stage",
        "flows.operations.roll_back",
        "flows.operations.pause_loop",
        "flows.replaying.replay_history",
        "flows.scoring.score",
        "flows.retention.retention",
        "flows.drills.drills",
        "flows.improvement.improve",
    }
    for name in known_problems():
        one = found[f"lifecycle/{name}"]
        assert one["global_concurrency_limit"]["limit"] == 1
        assert one["concurrency_options"]["collision_strategy"] == "ENQUEUE"
        assert _limit(server, name)["limit"] == 1


def test_the_form_of_retrain_offers_the_problems_and_keeps_limits(server):
    schema = server.deployments()["retrain/retrain"]["parameter_openapi_schema"]
    form = schema["properties"]
    assert form["problem"]["enum"] == known_problems()
    assert form["reason"]["type"] == "string"
    days = schema["definitions"]["TrainingWindow"]["properties"]["days"]
    number = next(kind for kind in days["anyOf"] if kind["type"] == "number")
    assert (number["exclusiveMinimum"], number["maximum"]) == (0, 3650)


def test_every_field_of_every_form_says_what_it_is_for(server):
    found = server.deployments()
    for name, one in found.items():
        for field, said in one["parameter_openapi_schema"]["properties"].items():
            assert "$ref" in said or len(said.get("description", "")) > 10, f"{field} of {name}"
    for name, fields in FORMS.items():
        schema = found[f"{name}/{name}"]["parameter_openapi_schema"]
        assert set(schema["properties"]) == fields
        assert schema["properties"]["problem"]["enum"] == known_problems()
    approve = found["approve/approve"]["parameter_openapi_schema"]
    assert approve["properties"]["decision"]["enum"] == ["approve", "reject"]
    assert set(approve["required"]) == {"problem", "decision", "name", "note"}
    assert found["pause/pause"]["parameter_openapi_schema"]["properties"]["action"]["enum"] == ["pause", "resume"]


@pytest.mark.parametrize(
    ("form", "wrong"),
    [
        ("approve/approve", {"problem": "fraud", "decision": "perhaps", "name": "ana", "note": "x"}),
        ("approve/approve", {"problem": "fraud", "decision": "approve", "name": "ana"}),
        ("pause/pause", {"problem": "fraud", "action": "pause", "name": "ana", "reason": "x", "days": -1}),
        ("roll-back/roll-back", {"problem": "nothing_of_ours", "name": "ana", "reason": "x"}),
        ("replay/replay", {"problem": "fraud", "days": 0}),
    ],
)
def test_the_server_refuses_an_answer_that_a_form_would_not_take(server, form, wrong):
    answer = server.start(form, **wrong)
    assert answer.status_code in (409, 422), answer.text
    assert not server.runs_of(form)


def test_an_event_that_asks_somebody_says_where_they_answer(server):
    with temporary_settings({PREFECT_API_URL: server.api}):
        said = with_form(Event(EVENTS["approval-waiting"], "fraud", "1/a"))
        plain = with_form(Event(EVENTS["promotion"], "fraud", "1/a"))
    form = server.deployments()["approve/approve"]["id"]
    address, _, filled = said.payload["form"].partition("?parameters=")
    assert address.endswith(f"/deployments/deployment/{form}/run")
    assert json.loads(unquote(unquote(filled))) == {"problem": "fraud"}
    assert "form" not in plain.payload


@pytest.mark.parametrize(
    "wrong",
    [
        {"problem": "no_such_problem"},
        {"problem": "fraud", "training_window": {"days": -1}},
        {"problem": "fraud", "cause": "boredom"},
        {"reason": "no problem is named"},
    ],
    ids=["unknown problem", "negative days", "unknown cause", "no problem"],
)
def test_the_server_refuses_what_the_form_would_not_take(server, wrong):
    answer = server.start("retrain/retrain", **wrong)
    assert answer.status_code in (409, 422), answer.text
    assert not server.runs_of("retrain/retrain")


def test_deploying_again_changes_nothing_and_prunes_what_is_not_declared(server):
    with temporary_settings({PREFECT_API_URL: server.api}):
        from deployments.deploy import deploy

        removed = flow(_removed).to_deployment("removed", tags=["perennial"]).apply()
        other = flow(_removed).to_deployment("of another team").apply()
        paused = server.deployments()["lifecycle/electricity"]["id"]
        server.post(f"deployments/{paused}/pause_deployment").raise_for_status()
        before = _registered(server, without={str(removed), str(other)})
        deploy()
    after = _registered(server, without={str(other)})
    assert _lines(after) == _lines(before)
    assert str(other) in {row["id"] for row in server.deployments().values()}
    assert server.deployments()["lifecycle/electricity"]["paused"], "a person paused it, and deploying woke it"


def test_a_drift_event_starts_a_retrain_with_its_reason_word_for_word(incident):
    assert incident.retrain["parameters"] == {
        "problem": "fraud",
        "reason": REASON,
        "cause": "drift",
        "actor": "drift",
        "row": None,  # it came from elsewhere, and asks; one of ours names the row that stands in RETRAIN already
    }
    assert incident.retrain["state_type"] == "COMPLETED", incident.retrain["state"]["message"]


def test_turns_of_one_problem_asked_for_at_once_all_complete_and_never_overlap(server, incident):
    assert [run["state_type"] for run in incident.lifecycles] == ["COMPLETED", "COMPLETED"]
    turns = eventually(lambda: _turns(server), seconds=60)
    assert len(turns) >= 3, "two runs of lifecycle, and at least one turn of retrain"
    for (_, ended), (began, _) in zip(turns, turns[1:], strict=False):
        assert ended <= began, f"a turn began at {began}, before the one before it ended at {ended}"


def test_the_runs_wrote_the_ledger_of_the_home_they_were_served_from(incident):
    assert ledger.verify("fraud") >= 5
    assert any(row.notes["reason"].endswith(REASON) for row in ledger.rows("fraud"))
    assert ledger.state_of("fraud").champion is not None
    assert ledger.state_of("fraud").stage in set(Stage)


def test_each_turn_of_a_flow_tells_its_verdict_under_the_id_of_its_row(server, incident):
    turns = [row for row in ledger.rows("fraud") if row.facts["kind"] == "turn"][1:]  # the first was a plain one
    wanted = {str(event.id) for row in turns for event in events_of(row.entry) if event.known.name != "verdict"}

    def told() -> list[dict[str, Any]]:
        named = {"resource": {"id": ["perennial.problem.fraud"]}, "event": {"prefix": ["perennial."]}}
        events = server.post("events/filter", filter=named).raise_for_status().json()["events"]
        return [event for event in events if event["payload"].get("sequence")]

    verdicts = {str(events_of(row.entry)[0].id) for row in turns}
    found = eventually(lambda: {event["id"] for event in told()} >= wanted | verdicts and told(), seconds=60)
    assert {event["id"] for event in found if event["event"] == "perennial.verdict"} == verdicts
    assert all("flow-run" in {related["prefect.resource.role"] for related in event["related"]} for event in found)


def test_one_event_starts_one_retrain(server, incident):
    # The retrain's own turn leaves HEALTHY too: were that an event again, retrains would start one another for ever.
    assert len(server.runs_of("retrain/retrain")) == 1


def test_a_trip_of_a_gateway_turns_the_crank_at_once(server, incident, monkeypatch):
    before = {run["id"] for run in server.runs_of("lifecycle/fraud")}
    monkeypatch.setenv("PREFECT_API_URL", server.api)
    emit(load_problem("fraud"), Trip(1, "a" * 64, datetime.now(UTC), "5 errors in a row"))

    def turned() -> list[dict[str, Any]]:
        runs = [run for run in server.runs_of("lifecycle/fraud") if run["id"] not in before]
        return [run for run in runs if (run["created_by"] or {}).get("type") == "AUTOMATION"]

    (run,) = eventually(turned, seconds=60)
    assert run["parameters"] == {"problem": "fraud"}
    eventually(lambda: server.get(f"flow_runs/{run['id']}")["state_type"] == "COMPLETED")


def test_it_ends_cleanly_when_told_to(server, incident):
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(30) == 0
    said = server.log.read_text()
    assert "Traceback" not in said
    assert said.rstrip().endswith("ended")


@pytest.fixture(scope="module")
def incident(server: Server) -> Incident:
    event = {
        "id": str(uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": "perennial.drift",
        "resource": {"prefect.resource.id": "perennial.problem.fraud", "prefect.resource.name": "fraud"},
        "payload": {"problem": "fraud", "reason": REASON, "report": ""},
    }
    server.post("events", [event]).raise_for_status()
    begun = [server.start("lifecycle/fraud", problem="fraud").raise_for_status().json()["id"] for _ in range(2)]
    retrain = eventually(lambda: server.runs_of("retrain/retrain"), seconds=60)[0]["id"]

    def over() -> list[dict[str, Any]]:
        runs = [server.get(f"flow_runs/{run}") for run in (retrain, *begun)]
        return runs if all(r["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") for r in runs) else []

    asked, *lifecycles = eventually(over, seconds=900)
    return Incident(asked, lifecycles)


def _turns(server: Server) -> list[tuple[str, str]]:
    """When each turn held the problem, in order; empty while the server still lacks the end of one."""
    began: dict[str, str] = {}
    ended: dict[str, str] = {}
    for task in server.found("task_runs"):
        if task["name"].startswith("open turn"):
            began[task["flow_run_id"]] = task["start_time"]
        if task["name"].startswith("close turn"):
            ended[task["flow_run_id"]] = task["end_time"]
    whole = set(began) == set(ended) and all(ended.values())
    return sorted((began[run], ended[run]) for run in began) if whole else []


def _limit(server: Server, problem: str) -> dict[str, Any]:
    return server.get(f"v2/concurrency_limits/{limit_name(problem)}")


def _registered(server: Server, *, without: set[str]) -> dict[str, Any]:
    """All that deploying writes, without the times at which it was touched, and without what is empty."""
    rows: dict[str, Any] = {
        "deployments": sorted(server.found("deployments"), key=lambda row: row["id"]),
        "automations": sorted(server.found("automations"), key=lambda row: row["id"]),
        "limits": [
            {k: v for k, v in _limit(server, name).items() if k in ("id", "limit")} for name in known_problems()
        ],
    }
    rows["deployments"] = [row for row in rows["deployments"] if row["id"] not in without]
    return rows


def _lines(rows: dict[str, Any]) -> list[str]:
    return json.dumps(_timeless(rows), indent=1, sort_keys=True).splitlines()


def _timeless(value: Any) -> Any:
    if isinstance(value, list):
        return [_timeless(item) for item in value]
    if isinstance(value, dict):
        touched = ("updated", "last_polled", "status", "anchor_date")
        return {key: _timeless(item) for key, item in value.items() if key not in touched and item not in (None, [])}
    return value


def _removed() -> None:
    """Stands for a deployment whose problem is gone."""
