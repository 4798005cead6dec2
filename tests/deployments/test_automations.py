"""Do events reach people, once, and start what they should, once? On a real Prefect server, with a real receiver.

Nothing serves the deployments here: a run that an automation starts is looked at, and not waited for.
"""

import itertools
import json
import math
import os
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.blocks.system import Secret
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments import automations as automations_of_ours
from deployments import servers
from deployments.gateway.__main__ import emit
from deployments.serve import serve
from flows.events import announce, with_form
from flows.guard import watched_tag
from schemas.errors import PerennialError
from schemas.events import EVENTS, RUNS, Event
from schemas.plans import Reason
from schemas.problem import known_problems, load_problem
from schemas.rows import Entry, State
from schemas.settings import Settings
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict
from tasks.journal import Trip
from tasks.posting import post
from tests import loopback
from tests.deployments.test_server import eventually
from tests.shared import prefect_tables

TOKEN = "T0KEN-in-the-path"
MARKERS = itertools.count()


class Receiver:
    """A webhook on a free loopback port, and what it was sent."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        got = self.got

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                got.append({"path": self.path, "type": self.headers["content-type"], **json.loads(body)})
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                """Nothing on standard error."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/{TOKEN}"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def of(self, event: str, problem: str = "fraud") -> list[dict[str, Any]]:
        return [one for one in self.got if one.get("event") == event and one["resource"].endswith(f".{problem}")]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[str]:
    """A server on which everything is deployed, with the receiver as the webhook that people are told by."""
    home = tmp_path_factory.mktemp("perennial")
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith(("PREFECT_", "PERENNIAL_NOTIFY"))]:
            patch.delenv(name)
        patch.setenv("PERENNIAL_HOME", str(home))
        patch.setenv("PREFECT_HOME", str(home / "prefect"))
        patch.setenv("PERENNIAL_RUNBOOK_URL", "https://git.example/RUNBOOK.md")
        patch.setenv("PERENNIAL_NOTIFY_WEBHOOK", receiver.url)
        prefect_tables(home / "prefect" / "prefect.db")
        with servers.prefect_server() as api:
            patch.setenv("PREFECT_API_URL", api)
            with temporary_settings({PREFECT_API_URL: api}):
                register()
                for name in ("drift", "fault"):
                    is_ready(receiver, name)
                yield api


def register() -> None:
    from deployments.deploy import deploy

    deploy()


def asked(api: str, path: str, body: Any = None) -> Any:
    """What the server answers. While another of its writes holds the database it says 503 and to come again, as its own
    client does."""
    for _ in range(30):
        answer = loopback.post(f"{api}/{path}", json=body or {}, timeout=120)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            break
        time.sleep(1)
    return answer.raise_for_status().json()


def automations(api: str) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in asked(api, "automations/filter")}


def event(name: str, *, row: int = 7, problem: str = "fraud", **payload: Any) -> Event:
    said = {"stage": "RETRAIN", "reason": f"{name} of row {row}", "evidence": {}, "sequence": row, **payload}
    return Event(EVENTS[name], problem, f"{row}/hash", said)


def told(*events: Event) -> None:
    for one in events:
        # A server that is slow to answer has perhaps taken it: once more is the same event.
        eventually(lambda one=one: post(one, occurred=datetime.now(UTC), runbook=Settings().runbook))


def again(tell: Callable[[], None], heard: Callable[[], Any], *, seconds: float = 20) -> Any:
    """What `heard` returns once it is something; told anew now and then, since over SQLite the server loses an event where
    another of its writes holds the database."""
    at = -math.inf

    def asked() -> Any:
        nonlocal at
        if time.monotonic() - at > seconds:
            tell()
            at = time.monotonic()
        return heard()

    return eventually(asked)


def is_ready(receiver: Receiver, name: str, *, seconds: float = 1) -> None:
    """The server acts on a new automation a moment after it has taken it: tell until people hear."""
    problems: list[str] = []

    def tell() -> None:
        problems.append(f"marker{next(MARKERS)}")
        told(event(name, problem=problems[-1]))

    again(tell, lambda: any(receiver.of(f"perennial.{name}", problem) for problem in problems), seconds=seconds)


def all_are_heard(receiver: Receiver) -> None:
    """Two events of other problems, one after the other: what was posted before them has been acted on by then."""
    for _ in range(2):
        is_ready(receiver, "fault", seconds=20)


def runs_of(api: str, deployment: str) -> list[dict[str, Any]]:
    flow, name = deployment.split("/")
    wanted = {"flows": {"name": {"any_": [flow]}}, "deployments": {"name": {"any_": [name]}}}
    return [run for run in asked(api, "flow_runs/filter", wanted) if run["created_by"]["type"] == "AUTOMATION"]


def test_people_are_told_once_of_an_event_that_is_emitted_twice(api, receiver):
    told(event("drift"), event("drift"), event("drift", row=8), event("drift", problem="electricity"), event("fault"))
    all_are_heard(receiver)
    assert len(receiver.of("perennial.drift")) == 1, "the same row, and a further row of the same kind"
    assert len(receiver.of("perennial.drift", "electricity")) == 1
    assert len(receiver.of("perennial.fault")) == 1


def test_what_people_read_names_problem_reason_evidence_and_what_to_do(api, receiver):
    hostile = 'the "mix" {{ 7 * 7 }} {% raw %} <b>Köln</b> \\ 5 %'
    told(event("skew", reason=hostile, report="file:///reports/1.html", mlflow="http://127.0.0.1:5000/#/runs/1"))
    (got,) = eventually(lambda: receiver.of("perennial.skew"))
    assert got["type"] == "application/json"
    assert got["subject"] == "fraud: skew (critical)"
    lines = got["text"].splitlines()
    assert lines[0] == got["subject"]
    assert lines[1] == EVENTS["skew"].when
    assert lines[2] == hostile, "a reason is text, and never a template"
    assert lines[3] == f"What to do: {EVENTS['skew'].do}"
    assert lines[4] == "Runbook: https://git.example/RUNBOOK.md#skew"
    assert lines[5] == "Evidence: file:///reports/1.html"
    assert lines[6] == "MLflow: http://127.0.0.1:5000/#/runs/1"
    assert lines[7].startswith("Stage RETRAIN, ledger row 7: http")
    assert str(event("skew").id) in lines[7]


def test_who_is_asked_for_an_approval_is_told_where_to_give_it(api, receiver):
    (asks,) = [with_form(one) for one in [event("approval-waiting", stage="SHADOW")]]
    told(asks)
    (got,) = eventually(lambda: receiver.of("perennial.approval-waiting"))
    (line,) = [line for line in got["text"].splitlines() if line.startswith("Answer here: ")]
    form = asked(api, "deployments/filter", {"deployments": {"name": {"any_": ["approve"]}}})[0]["id"]
    assert f"/deployments/deployment/{form}/run?parameters=" in line


def test_what_is_good_to_know_is_told_only_where_the_setting_asks_for_it(api, receiver, monkeypatch):
    told(event("promotion"), event("verdict"))
    all_are_heard(receiver)
    assert not receiver.of("perennial.promotion")
    monkeypatch.setenv("PERENNIAL_NOTIFY_FROM", "info")
    register()
    is_ready(receiver, "confirmed")
    told(event("promotion", row=9), event("verdict", row=9))
    all_are_heard(receiver)
    assert len(receiver.of("perennial.promotion")) == 1
    assert not receiver.of("perennial.verdict"), "the feed of all verdicts is nobody's message"


def test_replicas_that_trip_over_one_challenger_turn_the_crank_once(api, receiver):
    for replica in ("a", "b"):
        emit(load_problem("fraud"), Trip(4, "c" * 64, datetime.now(UTC), f"5 errors in a row at {replica}"))
    all_are_heard(receiver)
    (got,) = receiver.of("perennial.trip")
    assert got["subject"] == "fraud: trip (critical)"
    assert "RUNBOOK.md#trip" in got["text"]
    (run,) = eventually(lambda: runs_of(api, "lifecycle/fraud"))
    assert run["parameters"] == {"problem": "fraud"}


@pytest.mark.parametrize("name", [known.name for known in EVENTS.values() if known.starts == "retrain"])
def test_what_calls_for_a_retrain_starts_one_run_that_names_its_row(api, receiver, name):
    problem, before = known_problems()[0], {run["id"] for run in runs_of(api, "retrain/retrain")}
    rows = itertools.count(8)

    def tell() -> None:
        told(event(name, problem=problem), event(name, problem=problem), event(name, problem=problem, row=next(rows)))

    def started() -> list[dict[str, Any]]:
        runs = [run for run in runs_of(api, "retrain/retrain") if run["id"] not in before]
        return [run for run in runs if run["parameters"]["problem"] == problem]

    again(tell, started)
    all_are_heard(receiver)
    (given,) = (run["parameters"] for run in started())
    assert given["cause"] == given["actor"] == EVENTS[name].cause
    assert given["reason"] == f"{name} of row {given['row']}"


@pytest.mark.parametrize("known", RUNS, ids=[known.name for known in RUNS])
def test_a_run_that_goes_wrong_is_told_by_its_name_and_not_by_its_error(api, receiver, known):
    name = known.heard.rpartition(".")[2]
    kind = "SCHEDULED" if name == "Late" else name.upper()
    deployment = asked(api, "deployments/filter", {"deployments": {"name": {"any_": ["retrain"]}}})[0]["id"]
    subject, runs = f"retrain/retrain: {known.name.replace('-', ' ')} (warning)", list[str]()

    def goes_wrong() -> None:
        run = asked(api, f"deployments/{deployment}/create_flow_run", {"parameters": {"problem": "fraud"}})
        path = f"flow_runs/{run['id']}/set_state"
        if kind == "CANCELLING":  # what has no process yet is cancelled at once
            asked(api, path, {"state": {"type": "RUNNING", "name": "Running"}, "force": True})
        state = {"type": kind, "name": name, "message": "ValueError: row 17 of customer Ada"}
        asked(api, path, {"state": state, "force": True})
        runs.append(str(run["id"]))

    got = again(
        goes_wrong, lambda: [one for one in receiver.got if (one["event"], one["subject"]) == (known.heard, subject)]
    )[0]
    # The server looks for late runs by itself, and may have found one that another test left.
    told = re.search(r"/runs/flow-run/([0-9a-f-]{36})\n", got["text"])[1]
    assert loopback.get(f"{api}/flow_runs/{told}").json()["name"] in got["text"]
    assert told in runs or name == "Late"
    assert f"https://git.example/RUNBOOK.md#{known.name}" in got["text"]
    assert "Ada" not in got["text"]


LOST = {  # how a run comes to stand for ever, of which deployments, the tag it says that it lives by, and in which words it is ended
    "killed": (["score/score"], ["PENDING", "RUNNING"], "perennial", "no heartbeat for 10 s"),
    "killed in a shell": ([""], ["RUNNING"], watched_tag(), "no heartbeat for 10 s"),
    "never begun": (["drills/drills"], ["PENDING"], "", "whoever was to start it is gone"),
    "hanging": ([f"lifecycle/{name}" for name in ("fraud", "spam", "bikes")], ["PENDING", "RUNNING"], "", "it hangs"),
}


def begun(api: str, deployment: str, states: list[str]) -> str:
    """A run of that deployment, or of none, that came so far, as its own process says it; its id."""
    if deployment:
        flow, name = deployment.split("/")
        wanted = {"flows": {"name": {"any_": [flow]}}, "deployments": {"name": {"any_": [name]}}}
        of = asked(api, "deployments/filter", wanted)[0]["id"]
        given = {"parameters": {"problem": "fraud"}, "enforce_parameter_schema": False}
        run = asked(api, f"deployments/{of}/create_flow_run", given)
    else:
        flow = asked(api, "flows/filter", {"flows": {"name": {"any_": ["lifecycle"]}}})[0]["id"]
        run = asked(api, "flow_runs/", {"flow_id": flow, "tags": [watched_tag()]})
    for kind in states:
        # As long as a process takes to begin: of one moment, the server may look at the second event first.
        time.sleep(1)
        said = asked(api, f"flow_runs/{run['id']}/set_state", {"state": {"type": kind, "name": kind.title()}})
        assert said["status"] == "ACCEPT", said
    return str(run["id"])


def got(api: str, path: str) -> Any:
    return loopback.get(f"{api}/{path}", timeout=120).raise_for_status().json()


def beats(api: str, run: str, *, tag: str) -> None:
    """The run's process says that it lives, as Prefect's engine does."""
    carried = {"prefect.resource.id": f"prefect.tag.{tag}", "prefect.resource.role": "tag"}
    said = {
        "id": str(uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": "prefect.flow-run.heartbeat",
        "resource": {"prefect.resource.id": f"prefect.flow-run.{run}"},
        "related": [carried],
        "payload": {},
    }
    loopback.post(f"{api}/events", json=[said], timeout=60).raise_for_status()


class Lost:
    """Runs that were lost in one way. Until one is ended, another every half minute: the server hears of a changed automation a
    moment later, and over SQLite it may lose one of two events of a moment."""

    def __init__(self, api: str, how: str) -> None:
        self.api, self.runs, self.at = api, list[str](), 0.0
        self.deployments, self.states, self.tag, self.says = LOST[how]

    def ended(self) -> str:
        """Which one was; empty while none is."""
        found = next((run for run in self.runs if self.says in (self.state(run)["message"] or "")), "")
        if not found and time.monotonic() - self.at > 30:
            self.runs.append(begun(self.api, self.deployments[len(self.runs) % len(self.deployments)], self.states))
            self.at = time.monotonic()
            if self.tag:
                beats(self.api, self.runs[-1], tag=self.tag)
        return found

    def state(self, run: str) -> dict[str, Any]:
        return dict(got(self.api, f"flow_runs/{run}")["state"])

    def slots(self, run: str) -> int:
        of = self.deployments[self.runs.index(run) % len(self.deployments)]
        return int(got(self.api, f"deployments/name/{of}")["global_concurrency_limit"]["active_slots"])


def test_a_run_that_was_killed_never_began_or_hangs_is_ended_and_its_slot_is_free(api, monkeypatch):
    for name in ("_SILENCE", "_START", "_LONGEST"):
        monkeypatch.setattr(automations_of_ours, name, timedelta(seconds=10))  # the server takes no less
    register()
    lost = {how: Lost(api, how) for how in LOST}
    # Counted, so that each is asked every time.
    eventually(lambda: sum(bool(one.ended()) for one in lost.values()) == len(lost))
    states = {how: one.state(one.ended())["name"] for how, one in lost.items()}
    assert states == dict.fromkeys(LOST, "Crashed") | {"hanging": "Cancelling"}
    run = lost["hanging"].ended()
    assert lost["hanging"].slots(run) == 1
    # Whoever runs it ends its process, and says so.
    asked(api, f"flow_runs/{run}/set_state", {"state": {"type": "CANCELLED", "name": "Cancelled"}})
    assert lost["hanging"].slots(run) == 0
    monkeypatch.undo()
    register()


def test_the_address_of_the_webhook_is_shown_nowhere(api):
    shown = json.dumps([asked(api, f"{what}/filter") for what in ("automations", "block_documents", "events")])
    assert "perennial-notify" in shown
    assert TOKEN not in shown
    assert TOKEN not in (Settings().root / "logs" / "prefect.log").read_text()


def test_deploying_again_changes_nothing_and_leaves_what_a_person_paused(api):
    name = "perennial: webhook tells of what is warning"
    loopback.patch(f"{api}/automations/{automations(api)[name]['id']}", json={"enabled": False}).raise_for_status()
    register()
    before = automations(api)
    register()
    assert automations(api) == before
    assert not before[name]["enabled"]
    loopback.patch(f"{api}/automations/{before[name]['id']}", json={"enabled": True}).raise_for_status()


def test_a_block_of_the_team_tells_too(api, receiver, monkeypatch):
    mail = CustomWebhookNotificationBlock(
        name="mail", url=receiver.url, json_data={"event": "mail", "resource": "{{subject}}", "text": "{{body}}"}
    )
    mail.save("on-call", overwrite=True)
    monkeypatch.setenv("PERENNIAL_NOTIFY_EMAIL", "custom-webhook/on-call")
    register()

    def heard() -> list[dict[str, Any]]:
        told(event("budget", problem=f"marker{next(MARKERS)}"))
        return [one for one in receiver.got if one["event"] == "mail"]

    got, *_ = eventually(heard)
    assert re.fullmatch(r"marker\d+: budget \(warning\)", got["resource"])
    assert "Runbook: https://git.example/RUNBOOK.md#budget" in got["text"]


@pytest.mark.parametrize(
    "setting, value, says",
    [
        ("PERENNIAL_NOTIFY_EMAIL", "sendgrid-email/nobody", "names no block"),
        ("PERENNIAL_NOTIFY_WEBHOOK", "htps://hooks.example/T0P-SECRET", "names no block"),
        ("PERENNIAL_NOTIFY_EMAIL", "secret/password", "cannot notify"),
    ],
)
def test_a_block_that_cannot_tell_is_refused_without_repeating_a_secret(api, monkeypatch, setting, value, says):
    Secret(value="nothing").save("password", overwrite=True)
    monkeypatch.setenv(setting, value)
    with pytest.raises(PerennialError, match=f"{setting}.*{says}") as refused:
        register()
    assert "T0P-SECRET" not in str(refused.value)


def test_a_ledger_row_that_is_announced_twice_is_one_event(api, receiver):
    state = State("fraud", sequence=21, at=datetime.now(UTC), stage=Stage.RETRAIN, why=Reason.DECAY, hash="abc")
    verdict = Verdict("decay", Outcome.FAIL, "decayed: live loss 0.2, 0.1 when it was accepted", {"low": 0.19})
    entry = Entry(state, "turn", Stage.HEALTHY, "FAIL", verdict)
    EventsWorker.drain_all()  # one that another test left may speak to another server
    for _ in range(2):
        announce(entry, live=True)
        EventsWorker.drain_all()  # as when the process ends

    def stored() -> list[dict[str, Any]]:
        wanted = {
            "resource": {"id": ["perennial.problem.fraud"]},
            "event": {"name": ["perennial.verdict", "perennial.decay"]},
        }
        found = asked(api, "events/filter", {"filter": wanted})["events"]
        return [one for one in found if one["payload"]["sequence"] == 21]

    found = eventually(lambda: len(stored()) == 2 and stored())
    assert {one["event"] for one in found} == {"perennial.verdict", "perennial.decay"}
    (decay,) = (one for one in found if one["event"] == "perennial.decay")
    assert decay["payload"]["evidence"] == {"low": 0.19}
    assert decay["payload"]["runbook"] == "https://git.example/RUNBOOK.md#decay"
    all_are_heard(receiver)
    assert len(receiver.of("perennial.decay")) == 1
    assert str(decay["id"]) in receiver.of("perennial.decay")[0]["text"]


def test_what_told_people_goes_with_its_setting(api, monkeypatch):
    monkeypatch.delenv("PERENNIAL_NOTIFY_WEBHOOK")
    ours = automations(api)["perennial: drift starts a retrain"]
    mine = asked(
        api, "automations/", {name: ours[name] for name in ("trigger", "actions")} | {"name": "perennial: mine"}
    )
    register()
    assert not [name for name in automations(api) if " tells of " in name]
    assert "perennial-notify" not in {one["name"] for one in asked(api, "block_documents/filter")}
    assert "perennial: drift starts a retrain" in automations(api)
    assert mine["id"] in {one["id"] for one in automations(api).values()}, "a person's own automation stays"


def test_runs_are_started_in_the_work_pool_that_is_named_and_by_the_process_again_without_it(api, monkeypatch):
    monkeypatch.setenv("PERENNIAL_WORK_POOL", "team")
    register()
    placed = asked(api, "deployments/filter")
    assert {one["work_pool_name"] for one in placed} == {"team"}
    assert asked(api, "work_pools/filter")[0]["type"] == "process"
    monkeypatch.setenv("PERENNIAL_WORK_POOL_TYPE", "docker")
    with pytest.raises(PerennialError, match="set PERENNIAL_WORK_IMAGE"):
        register()
    monkeypatch.setenv("PERENNIAL_WORK_IMAGE", "perennial:0.1.0")
    with pytest.raises(PerennialError, match="'team' is of type process"):
        register()
    monkeypatch.setenv("PERENNIAL_WORK_POOL", "containers")
    register()
    placed = asked(api, "deployments/filter")
    assert {one["job_variables"].get("image") for one in placed} == {"perennial:0.1.0"}
    monkeypatch.setenv("PREFECT_API_URL", api)
    with pytest.raises(PerennialError, match="prefect worker start --pool containers"):
        serve()
    for name in ("PERENNIAL_WORK_POOL", "PERENNIAL_WORK_POOL_TYPE", "PERENNIAL_WORK_IMAGE"):
        monkeypatch.delenv(name)
    register()
    placed = asked(api, "deployments/filter")
    assert {one["work_pool_name"] for one in placed} == {None}
