"""Who answers which row, who stands in where a model fails, and when is a challenger stopped? The worker, turned by hand."""

import asyncio
import json
import os
import sqlite3
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from deployments import rollback
from deployments.gateway import batch
from deployments.gateway.__main__ import build
from deployments.gateway.worker import Ask
from schemas.errors import PerennialError
from schemas.plans import ServingPlan
from schemas.problem import Problem
from schemas.rows import ANSWER
from schemas.settings import Settings
from tasks import database, journal, modelfile
from tasks.door import Admitted
from tasks.journal import Group, Numbers
from tasks.scoring import Outputs
from tests.benchmarks.serve_made import FEATURES, PROBLEMS, START, known
from tests.deployments.gateway.running import GOOD, NAME, copied, gateway, moved_on

COLUMNS = ("id", *FEATURES)


class Gateway:
    """A gateway in this process: its follower looked once, and its worker takes a turn when it is told to."""

    def __init__(self, problem: Problem):
        self.app = build(problem, loopback=True)
        self.worker, self.breaker = self.app.worker, self.app.worker.breaker
        self.replies = []
        self.worker.deliver = self.replies.extend
        self.look()

    def look(self):
        self.app.follower.look()
        return self.app.follower.serving

    def ask(self, *keys, arm="", client_id="", values=None, arrived=0.0):
        """One request a key; returns the replies in that order."""
        loop = asyncio.new_event_loop()
        x = [0.5] * len(FEATURES) if values is None else values
        asks = [
            Ask(COLUMNS, [[key, *x]], loop.create_future(), arrived, client_id, "p" if client_id else "", arm)
            for key in keys
        ]
        self.replies.clear()
        self.worker.turn(asks, Group())
        loop.close()
        self.worker.delivered.set()
        said = {id(ask): reply for ask, reply in self.replies}
        return [said[id(ask)] for ask in asks]

    def beside(self):
        """Let the mirror score what it was given, and the worker write that."""
        self.worker.mirror.queue.put(None)
        self.worker.mirror.run()
        late = Group()
        while not self.worker.queue.empty():
            one = self.worker.queue.get()
            for name in ("champion", "rival", "counts", "trips"):
                getattr(late, name).extend(getattr(one, name))
        self.worker.turn([], late)

    def roles(self, *keys):
        return {key: reply.roles[0] for key, reply in zip(keys, self.ask(*keys), strict=True)}


class Broken:
    """A model that raises on some rows, or takes its time."""

    def __init__(self, real, *, seconds=0.0, fails=None):
        self.real, self.seconds = real, seconds
        self.fails = not seconds if fails is None else fails

    def __call__(self, admitted, rows, door):
        said = self.real(admitted, rows, door)
        time.sleep(self.seconds)
        if not self.fails:
            return said
        return replace(
            said,
            score=np.full_like(said.score, np.nan),
            decision=np.full_like(said.decision, np.nan),
            errors=np.full(len(said.errors), "ValueError", dtype=object),
        )

    def __getattr__(self, name):
        return getattr(self.real, name)


@pytest.fixture
def home(made, tmp_path, monkeypatch):
    folder = copied(made, tmp_path / "home")
    monkeypatch.setenv("PERENNIAL_HOME", str(folder))
    for name in ("PERENNIAL_LOG_URL", "PERENNIAL_LEDGER_URL", "MLFLOW_TRACKING_URI", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)
    with known():
        yield folder
    database.close_databases()


def _moved(home, steps):
    for number in range(steps):
        moved_on(home, now=START + timedelta(days=60 + number))


@pytest.fixture
def canary(home):
    _moved(home, 1)
    return Gateway(PROBLEMS[NAME])


def _log(what):
    with sqlite3.connect(Settings().root / "predictions.db") as connection:
        return connection.execute(what).fetchall()


def test_a_share_of_the_entities_gets_the_challenger_and_keeps_it(canary):
    keys = range(400)
    first = canary.roles(*keys)
    assert 0.15 < np.mean([role == "challenger" for role in first.values()]) < 0.35  # a quarter
    assert canary.roles(*keys) == first
    assert Gateway(PROBLEMS[NAME]).roles(*keys) == first, "another replica, or the same one after a restart"


def test_who_is_inside_at_a_small_share_is_inside_at_a_larger_one(home):
    _moved(home, 1)
    quarter = Gateway(PROBLEMS[NAME]).roles(*range(300))
    _moved(home, 1)
    half = Gateway(PROBLEMS[NAME])
    assert half.app.follower.serving.route.share == 0.5
    roles = half.roles(*range(300))
    assert all(roles[key] == "challenger" for key, role in quarter.items() if role == "challenger")
    assert sum(role == "challenger" for role in roles.values()) > 1.3 * sum(r == "challenger" for r in quarter.values())


def test_a_row_has_one_answer_and_the_champions_pair_beside_it(canary):
    canary.ask(*range(60))
    rows = _log("select role, champion_decision, rival_decision, probability, version from predictions")
    assert all((champion is None) is (role == "challenger") for role, champion, *_ in rows)
    assert all((rival is None) is (role == "champion") for role, _, rival, *_ in rows)
    assert {(role, version) for role, *_, version in rows} == {("champion", "1"), ("challenger", "2")}
    assert {probability for *_, probability, _ in rows} == {0.25}
    canary.beside()
    paired = _log("select count(*) from predictions where champion_decision is not null")
    assert paired == [(60,)], "the champion scores every row in the end: only then do the arms pair"


def test_in_shadow_nobody_gets_the_challenger_and_every_row_is_scored_by_it(home):
    shadow = Gateway(PROBLEMS[NAME])
    assert set(shadow.roles(*range(50)).values()) == {"champion"}
    assert _log("select count(rival_decision) from predictions") == [(0,)]
    shadow.beside()
    assert _log("select count(rival_decision) from predictions") == [(50,)]


def test_a_gateway_that_is_ended_writes_its_last_shadow_scores(home):
    shadow = Gateway(PROBLEMS[NAME])
    shadow.ask(*range(50))
    score = shadow.worker.mirror._score

    def slowly(works):
        time.sleep(0.3)  # longer than the worker waits for anything
        score(works)

    shadow.worker.mirror._score = slowly
    shadow.worker.mirror.start()
    shadow.worker.start()
    shadow.worker.stop()
    assert not shadow.worker.is_alive()
    assert _log("select count(rival_decision) from predictions") == [(50,)]


def test_a_shadow_that_does_not_keep_up_drops_its_own_scores_and_counts_them(home):
    problem = replace(PROBLEMS[NAME], serving=ServingPlan(shadow_rows_waiting=10))
    shadow = Gateway(problem)
    assert {reply.status for reply in shadow.ask(*range(8))} == {200}
    assert {reply.status for reply in shadow.ask(*range(8, 16))} == {200}
    shadow.beside()
    assert _log("select count(*), count(rival_decision) from predictions") == [(16, 8)]
    assert _log("select kind, what, n from counts") == [("dropped", "rival", 8)]


def test_where_the_challenger_raises_the_champion_answers_and_a_breaker_stops_it(canary):
    serving = canary.app.follower.serving
    canary.worker.serving = replace(serving, rival=Broken(serving.rival))
    inside = [key for key, role in canary.roles(*range(200)).items() if role == "challenger"]
    assert inside == [], "it raised on the first of them already"
    assert {reply.status for reply in canary.ask(*range(200))} == {200}
    assert canary.breaker.tripped(serving.route) is not None
    canary.beside()
    (trip,) = journal.trips(PROBLEMS[NAME], serving.route.rollout)
    assert "in a row" in trip.reason
    errors = _log("select count(*) from predictions where rival_error = 'ValueError'")[0][0]
    assert 5 <= errors < 100
    answered = _log("select count(*) from predictions where role = 'challenger'")[0][0]
    canary.ask(*range(200))
    assert _log("select count(*) from predictions where role = 'challenger'") == [(answered,)], (
        "nobody gets it any more"
    )
    assert _log("select probability from predictions order by request desc limit 1") == [(0.0,)]


def test_another_replica_and_a_restart_know_of_a_trip(canary):
    serving = canary.app.follower.serving
    canary.worker.serving = replace(serving, rival=Broken(serving.rival))
    canary.ask(*range(200))
    canary.beside()
    assert set(Gateway(PROBLEMS[NAME]).roles(*range(100)).values()) == {"champion"}


def test_a_trip_shows_also_while_the_log_is_away(canary, monkeypatch):
    serving = canary.app.follower.serving
    canary.worker.serving = replace(serving, rival=Broken(serving.rival))
    canary.ask(*range(200))
    with monkeypatch.context() as away:
        away.delattr(journal, "trips")
        canary.look()
    assert b"perennial_breaker_tripped 1.0" in canary.app.signals.text()


def test_a_challenger_that_takes_too_long_is_stopped_by_calls_and_not_by_rows(home):
    _moved(home, 1)
    problem = replace(PROBLEMS[NAME], serving=ServingPlan(slow_call=timedelta(milliseconds=1), trip_in_a_row=3))
    slow = Gateway(problem)
    serving = slow.app.follower.serving
    slow.worker.serving = replace(serving, rival=Broken(serving.rival, seconds=0.005))
    slow.ask(*range(100))
    assert slow.breaker.tripped(serving.route) is None, "one slow call of many rows is one"
    slow.ask(*range(100))
    slow.ask(*range(100))
    assert "over 0.001 s in a row" in slow.breaker.tripped(serving.route).reason


def test_of_two_arms_in_one_batch_each_is_logged_with_the_time_of_its_own_answer(canary):
    serving = canary.app.follower.serving
    canary.worker.serving = replace(serving, rival=Broken(serving.rival, seconds=0.2))
    before = time.perf_counter() - 1.0
    replies = canary.ask(*range(60), arrived=before)
    slow, quick = (
        [ms for (ms,) in _log(f"select latency_ms from predictions where role = '{role}'")]
        for role in ("challenger", "champion")
    )
    assert min(quick) >= 1_000, "both waited for their batch"
    assert min(slow) - max(quick) > 100
    assert all(reply.seconds >= 1.2 for reply in replies), "what the client is told has all of the batch in it"


def test_where_the_champion_stood_in_the_time_is_of_both(canary):
    serving = canary.app.follower.serving
    rival, champion = Broken(serving.rival, seconds=0.1, fails=True), Broken(serving.champion, seconds=0.1)
    canary.worker.serving = replace(serving, rival=rival, champion=champion)
    canary.ask(*range(60), arrived=time.perf_counter())
    both = min(_log("select latency_ms from predictions where role = 'challenger'"))[0]
    alone = max(_log("select latency_ms from predictions where role = 'champion'"))[0]
    assert both > 200
    assert both - alone > 50


def test_errors_now_and_then_that_only_the_challenger_has_trip_it_as_well(canary):
    serving = canary.app.follower.serving
    healthy, broken = serving, replace(serving, rival=Broken(serving.rival))
    inside = [key for key, role in canary.roles(*range(300)).items() if role == "challenger"]
    for number, key in enumerate(inside):  # every other one: never several in a row
        canary.worker.serving = broken if number % 2 else healthy
        canary.ask(key)
    assert "e-value" in canary.breaker.tripped(serving.route).reason


def test_errors_that_both_share_trip_nobody(home):
    _moved(home, 1)
    canary = Gateway(replace(PROBLEMS[NAME], serving=ServingPlan(trip_in_a_row=50)))  # half of them fail: runs happen
    serving = canary.app.follower.serving
    healthy = serving
    broken = replace(serving, rival=Broken(serving.rival), champion=Broken(serving.champion))
    for number in range(150):
        canary.worker.serving = broken if number % 2 else healthy
        canary.ask(number)
    assert canary.breaker.tripped(serving.route) is None


def test_a_champion_that_stands_in_and_fails_as_well_does_not_excuse_the_challenger(home):
    _moved(home, 1)
    canary = Gateway(replace(PROBLEMS[NAME], serving=ServingPlan(trip_in_a_row=1_000)))
    serving = canary.app.follower.serving
    inside = [key for key, role in canary.roles(*range(200)).items() if role == "challenger"]
    canary.worker.serving = replace(serving, rival=Broken(serving.rival), champion=Broken(serving.champion))
    canary.ask(inside[0])
    assert canary.breaker._coin.n == 1, "one error, and it was the challenger's"
    for key in inside[1:]:
        canary.ask(key)
    assert "e-value" in canary.breaker.tripped(serving.route).reason


def test_rows_that_an_operator_routes_move_no_breaker(home):
    shadow = Gateway(PROBLEMS[NAME])
    serving = shadow.app.follower.serving
    shadow.worker.serving = replace(serving, rival=Broken(serving.rival))
    for arm in ("champion", "challenger"):
        shadow.ask(*range(50), arm=arm)
        shadow.beside()
    assert shadow.breaker.tripped(serving.route) is None
    _moved(home, 1)
    canary = Gateway(PROBLEMS[NAME])
    serving = canary.app.follower.serving
    canary.worker.serving = replace(serving, rival=Broken(serving.rival), champion=Broken(serving.champion))
    for arm in ("champion", "challenger"):
        canary.ask(*range(50), arm=arm)
        canary.beside()
    assert canary.breaker.tripped(serving.route) is None
    assert canary.breaker._coin.n == 0


def test_a_challenger_that_cannot_be_loaded_is_tripped_and_the_champion_serves(home):
    # Its golden rows say something else now: what was loaded is not what was registered.
    shadow = Gateway(PROBLEMS[NAME])
    sha = shadow.app.follower.serving.route.challenger.sha256
    folder = home / "gateway" / NAME / "models"
    other = shadow.app.follower.serving.route.champion.sha256
    (folder / f"{sha}.parquet").write_bytes((folder / f"{other}.parquet").read_bytes())
    again = Gateway(PROBLEMS[NAME])
    assert again.app.follower.serving.rival is None
    assert "scores its golden rows another way" in again.breaker.tripped(again.app.follower.serving.route).reason
    assert again.ask(1)[0].roles == ["champion"]


def test_copies_of_models_that_no_route_named_for_an_hour_go(home):
    folder = home / "gateway" / NAME / "models"
    folder.mkdir(parents=True)
    new = f"{'c' * 64}.skops"
    for stray in (f"{'a' * 64}.skops", f"{'a' * 64}.parquet", f".{'b' * 64}.skops.77", new):
        (folder / stray).write_bytes(b"")
        os.utime(folder / stray, None if stray == new else (0, 0))
    running = Gateway(PROBLEMS[NAME])
    route = running.app.follower.serving.route
    both = {f"{one.sha256}.{kind}" for one in (route.champion, route.challenger) for kind in ("skops", "parquet")}
    assert {file.name for file in folder.iterdir()} == both | {new}, "what is new may be another replica's"
    for file in folder.iterdir():
        os.utime(file, (0, 0))  # named for years
    now = moved_on(home, now=START + timedelta(days=60), fails=True)
    assert now.challenger is None
    running.look()
    assert {file.name for file in folder.iterdir()} == both, "another replica may still serve the route before"


def test_a_swap_does_not_fail_over_copies_that_cannot_go(home):
    folder = home / "gateway" / NAME / "models"
    no_file = folder / f"{'a' * 64}.skops"
    no_file.mkdir(parents=True)
    os.utime(no_file, (0, 0))
    assert Gateway(PROBLEMS[NAME]).app.follower.serving is not None


def test_an_altered_copy_of_the_champion_is_never_served(home):
    serving = Gateway(PROBLEMS[NAME])
    sha = serving.app.follower.serving.route.champion.sha256
    other = serving.app.follower.serving.route.challenger.sha256
    copy = home / "gateway" / NAME / "models" / f"{sha}.skops"
    copy.write_bytes((copy.parent / f"{other}.skops").read_bytes())
    _moved(home, 1)
    assert serving.look().route.epoch == 4, "in memory it is still what it was"
    assert Gateway(PROBLEMS[NAME]).app.follower.serving.route.epoch == 4
    assert modelfile.digest(copy) == sha, "it was fetched anew from the registry"


def test_an_altered_copy_is_not_served_either_while_the_registry_is_away(home, monkeypatch):
    sha = Gateway(PROBLEMS[NAME]).app.follower.serving.route.champion.sha256
    other = next(f for f in (home / "gateway" / NAME / "models").glob("*.skops") if f.stem != sha)
    other.replace(other.with_name(f"{sha}.skops"))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    fresh = Gateway(PROBLEMS[NAME])
    assert fresh.app.follower.serving is None
    assert "is not the file that was registered" in fresh.app.follower.says
    assert fresh.ask(1)[0].status == 503


def test_where_the_champion_fails_the_previous_one_answers_and_says_so(home):
    _moved(home, 3)
    probation = Gateway(PROBLEMS[NAME])
    serving = probation.app.follower.serving
    assert serving.route.stage == "PROBATION"
    probation.worker.serving = replace(serving, champion=Broken(serving.champion))
    (reply,) = probation.ask(1)
    assert (reply.status, reply.roles, reply.version) == (200, ["previous"], "1")
    assert _log("select champion_error, role, version from predictions") == [("ValueError", "previous", "1")]


def test_where_nobody_can_answer_the_request_is_logged_and_refused(home):
    shadow = Gateway(PROBLEMS[NAME])
    serving = shadow.app.follower.serving
    shadow.worker.serving = replace(serving, champion=Broken(serving.champion))
    (reply,) = shadow.ask(1, client_id="mine")
    assert reply.status == 503
    assert _log("select champion_error, answer_decision from predictions") == [("ValueError", None)]
    shadow.worker._recent.clear()
    assert shadow.ask(1, client_id="mine")[0].status == 503, "the same answer again"


def test_an_operators_arm_is_answered_by_it_and_is_no_evidence(canary):
    (reply,) = canary.ask(1, arm="challenger")
    assert (reply.roles, reply.version) == (["challenger"], "2")
    (reply,) = canary.ask(1, arm="champion")
    assert (reply.roles, reply.version) == (["champion"], "1")
    assert {stage for (stage,) in _log("select stage from predictions")} == {"OVERRIDE"}


def test_a_request_that_meets_a_defect_of_ours_fails_alone(canary, monkeypatch):
    real = type(canary.worker.journal).write

    def write(self, group):
        if any(row[1] == "13" for row in group.answers):
            raise RuntimeError("a defect")
        real(self, group)

    monkeypatch.setattr(type(canary.worker.journal), "write", write)
    statuses = dict(zip(range(10, 16), (reply.status for reply in canary.ask(*range(10, 16))), strict=True))
    assert statuses == {10: 200, 11: 200, 12: 200, 13: 500, 14: 200, 15: 200}


def test_a_defect_is_logged_with_the_id_that_the_client_gave_its_request(canary, monkeypatch, caplog):
    def write(self, group):
        raise RuntimeError("a defect")

    monkeypatch.setattr(type(canary.worker.journal), "write", write)
    assert canary.ask(1, client_id="mine")[0].status == 500
    assert canary.ask(2)[0].status == 500
    assert [getattr(record, "request", None) for record in caplog.records] == ["mine", None]


def test_where_it_is_set_each_line_of_its_log_is_json_and_says_whose_it_is(home, tmp_path):
    with gateway(home, tmp_path, PERENNIAL_LOGS="json") as running:
        assert running.post("/invocations", GOOD).status_code == 200
        running.end()
    lines = [json.loads(line) for line in running.log.read_text().splitlines()]
    assert {line["problem"] for line in lines} == {NAME}
    (route,) = [line["message"] for line in lines if line["message"].startswith("route ")]
    assert "champion version 1" in route


def test_what_was_spilled_and_cannot_be_taken_in_is_kept_and_stops_nobody(canary, monkeypatch):
    def write(self, group):
        raise RuntimeError("a defect")

    canary.worker.spill.add(Group(counts=[("refused", "x", 1)]))
    with monkeypatch.context() as broken:
        broken.setattr(type(canary.worker.journal), "write", write)
        canary.worker._take_back()
    assert canary.worker.spill.waiting()
    assert b"perennial_defects_total 1.0" in canary.app.signals.text()
    assert canary.ask(1)[0].status == 200
    canary.worker._take_back()
    assert not canary.worker.spill.waiting()
    assert _log("select what, n from counts") == [("x", 1)]


def test_a_bad_row_fails_its_own_request_alone(canary):
    good = canary.ask(1, 2)
    loop = asyncio.new_event_loop()
    asks = [
        Ask(COLUMNS, [[n, *([0.5] * 19), value]], loop.create_future(), 0.0)
        for n, value in ((1, 0.5), (2, "x"), (3, 99.0))
    ]
    canary.replies.clear()
    canary.worker.turn(asks, Group())
    said = [next(reply for ask, reply in canary.replies if ask is one) for one in asks]
    assert [reply.status for reply in said] == [200, 422, 422]
    assert said[0].predictions == good[0].predictions
    assert [(b.row, b.column, b.rule) for b in said[2].breaches] == [(0, "x19", "in_range(-10, 10)")]
    assert sorted(_log("select what, n from counts")) == [("x19: float64", 1), ("x19: in_range(-10, 10)", 1)]
    loop.close()


def test_a_whole_number_is_logged_to_its_last_digit(canary):
    large = [2**53 + 1, 2**63 - 1]
    canary.ask(7, *large)
    assert _log(f"select id from features_{NAME} order by request") == [(7,), *((n,) for n in large)]


def test_a_whole_number_is_logged_to_its_last_digit_where_all_columns_are_numbers():
    exact = [2**53 + 1, None, 2**64 - 1]
    numbers = np.array([[one if one is not None else np.nan, 0.5] for one in exact], dtype=float)
    admitted = Admitted(("n", "x"), numbers, {}, {}, [], {"n": exact})
    told = SimpleNamespace(numbers=[1, 2, 3], positions=[0, 0, 0])
    rows = batch._features(admitted, told, SimpleNamespace(door=SimpleNamespace(asked=("n", "x"))))
    assert rows == [(1, 0, 2**53 + 1, 0.5), (2, 0, None, 0.5), (3, 0, 2.0**64, 0.5)], "SQLite holds 64 bits with a sign"


def test_of_several_classes_the_log_has_the_likeliests_probability_and_all_of_them(canary):
    scores, serving = np.array([[0.2, 0.7, 0.1], [0.5, 0.2, 0.3]]), canary.app.follower.serving
    framing = PROBLEMS[NAME].framing.model_copy(update={"task": "multiclass", "classes": ("a", "b", "c")})

    def said(admitted, rows, door):
        return Outputs(scores, np.array([1.0, 0.0]), np.full(2, None, dtype=object))

    said.served, said.features = serving.champion.served, FEATURES
    alone = replace(serving, route=replace(serving.route, challenger=None), champion=said, rival=None, fallbacks=())
    made = batch.Batch(replace(PROBLEMS[NAME], framing=framing), alone, canary.breaker, Numbers(1))
    loop = asyncio.new_event_loop()
    made.score(COLUMNS, [Ask(COLUMNS, [[key, *[0.5] * 20] for key in (1, 2)], loop.create_future(), 0.0)])
    loop.close()
    ((_, reply),) = made.replies
    assert (reply.predictions, reply.decisions) == (scores.tolist(), ["b", "a"])
    rows = [dict(zip(ANSWER, row, strict=True)) for row in made.group.answers]
    for side in ("champion", "answer"):
        assert [(row[f"{side}_score"], row[f"{side}_decision"]) for row in rows] == [(0.7, 1.0), (0.5, 0.0)]
        assert [json.loads(row[f"{side}_scores"]) for row in rows] == scores.tolist()
    assert {(row["rival_score"], row["rival_decision"], row["rival_scores"]) for row in rows} == {(None, None, None)}


def test_a_plan_that_wants_it_is_answered_through_a_graph_that_says_the_same(home):
    plain = Gateway(PROBLEMS[NAME])
    said = [reply.predictions for reply in plain.ask(*range(30))]
    graph = Gateway(replace(PROBLEMS[NAME], serving=ServingPlan(onnx=True)))
    assert "onnx_path" in graph.app.follower.serving.champion.fast.__qualname__
    np.testing.assert_allclose([reply.predictions for reply in graph.ask(*range(30))], said, atol=1e-6)


def test_one_command_goes_back_and_sees_it_served(home, tmp_path, capsys, monkeypatch):
    _moved(home, 3)
    with gateway(home, tmp_path) as running:
        assert (
            running.post("/invocations", {"inputs": {name: [0.5] for name in FEATURES}}).headers["x-perennial-version"]
            == "2"
        )
        monkeypatch.setattr("flows.asking.datetime", _Later)
        assert rollback.run(NAME, reason="the test", url=running.url).code == 0
        assert (
            running.post("/invocations", {"inputs": {name: [0.5] for name in FEATURES}}).headers["x-perennial-version"]
            == "1"
        )
    assert "the gateway answers with version 1" in capsys.readouterr().out
    figures = json.loads((home / "figures" / "rollback.json").read_text())
    assert figures["verified"] is True
    with pytest.raises(PerennialError, match="no previous champion"):
        rollback.run(NAME, reason="again", url=None)


class _Later(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime(2024, 6, 1, tzinfo=UTC)
