"""What do people see of a gateway? Every stage, every fault, nothing that came from outside as markup."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from deployments.gateway import evidence, page
from deployments.gateway.breaker import Breaker
from deployments.gateway.evidence import evidence_of, tally_of
from deployments.gateway.serving import Serving
from deployments.gateway.signals import Signals
from flows.arms import loss_of
from schemas.plans import Promotion, Reason
from schemas.problem import Problem
from schemas.route import Route
from schemas.rows import ANSWER, Model, State
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict
from tasks import labels, ledger, predictions
from tasks.database import close_databases
from tasks.drawing.scales import ticks
from tasks.journal import Group, Journal, Trip
from tasks.stats import running_average
from tasks.transitions import Decision, adopted, advance
from tests.benchmarks.serve_made import PROBLEMS

PROBLEM = PROBLEMS["served_linear"]
OLD, NEW = Model("a" * 64, "5", "adopted"), Model("b" * 64, "7", "boosting")
NOW = datetime.now(UTC).replace(microsecond=0)
BEGAN = NOW - timedelta(days=10)
ARROWS = {
    Stage.HEALTHY: (),
    Stage.RETRAIN: ("FAIL",),
    Stage.SHADOW: ("FAIL", "PASS"),
    Stage.CANARY: ("FAIL", "PASS", "PASS"),
    Stage.AB: ("FAIL", "PASS", "PASS", "PASS"),
    Stage.PROBATION: ("FAIL", "PASS", "PASS", "PASS", "PASS"),
}


@pytest.fixture(autouse=True)
def _read_anew(home: Path) -> Iterator[None]:
    evidence._KNOWN.clear()
    yield
    evidence._KNOWN.clear()


def in_stage(stage: Stage, *, promotion: Promotion = Promotion.SUPERIORITY, reason: str = "as it should be") -> State:
    """A ledger that has come to this stage, hour by hour."""
    state = ledger.append(State(PROBLEM.name), adopted(State(PROBLEM.name), OLD, actor="a test", now=BEGAN))
    for hours, outcome in enumerate(ARROWS[stage], start=1):
        verdict = Verdict("a gate", Outcome(outcome), reason)
        starts = state.stage is Stage.HEALTHY
        decision = Decision(
            verdict,
            why=Reason.SCHEDULE if starts else None,
            promotion=promotion if starts else None,
            model=NEW if state.stage is Stage.RETRAIN else None,
            snapshot="c" * 64 if state.stage is Stage.RETRAIN else None,
        )
        state = ledger.append(state, advance(state, decision, now=BEGAN + timedelta(hours=hours), first_share=0.25))
    assert state.stage is stage
    return state


def shown(state: State | None, problem: Problem = PROBLEM, **changes: Any) -> str:
    """The page of a gateway that serves this state; `changes` are what is different about it."""
    route = Route.of(state) if state else None
    door = SimpleNamespace(listed=changes.get("listed", ()))
    nobody: Any = None
    serving = route and Serving(route, door, nobody, None, (), frozenset(), changes.get("rival_failed", ""))  # type: ignore[arg-type]
    breaker = Breaker(problem.serving, problem.rollout, on_trip=lambda trip: None)
    breaker.remember(changes.get("trips", []))
    spill = SimpleNamespace(files=lambda: changes.get("spilled", []))
    worker: Any = SimpleNamespace(serving=serving, breaker=breaker, spill=spill, mirror=SimpleNamespace(waiting=0))
    follower: Any = SimpleNamespace(says=changes.get("says", ""), confirmed=time.monotonic())
    signals = Signals(problem.name)
    if "log_says" in changes:
        signals.log_away(changes["log_says"])
    return page.render(problem, worker, follower, signals)


def answer(route: Route, number: int, **said: Any) -> tuple[Any, ...]:
    """One row as a gateway logs it: the champion answered, and the other model scored as well."""
    row: dict[str, Any] = dict.fromkeys(ANSWER) | {
        "problem": route.problem,
        "key": str(number),
        "entity": str(number),
        "event_time": round((BEGAN + timedelta(hours=12, minutes=number)).timestamp() * 1e6),
        "rollout": route.rollout,
        "epoch": route.epoch,
        "stage": str(route.stage),
        "role": "champion",
        "probability": 0.0,
        "champion": route.champion.sha256,
        "rival": route.rival.sha256 if route.rival else None,
        "champion_score": 0.3,
        "champion_decision": 0.0,
        "rival_score": 0.2,
        "rival_decision": 0.0,
        "answer_score": 0.3,
        "answer_decision": 0.0,
        "latency_ms": 2.0,
        "request": number + 1,
        "position": 0,
        "version": route.champion.version,
    }
    return tuple((row | said)[name] for name in ANSWER)


def logged(route: Route, n: int, **said: Any) -> None:
    """`n` rows with scores of their own, every third of them positive, labelled a day later."""
    rng = np.random.default_rng(5)
    one, other = rng.uniform(size=n), rng.uniform(size=n)
    rows = [
        answer(route, i, **({"champion_score": a, "rival_score": b} | said))
        for i, (a, b) in enumerate(zip(one.tolist(), other.tolist(), strict=True))
    ]
    journal = Journal(PROBLEM, [])
    journal.write(Group(answers=rows))
    journal.close()
    known = BEGAN + timedelta(days=2)
    labels.take_in(PROBLEM, [(str(i), float(i % 3 == 0), known) for i in range(n)], now=NOW)


def gains(state: State) -> np.ndarray:
    """The losses as the gate of shadow takes them."""
    turn: Any = SimpleNamespace(problem=PROBLEM)
    rows = predictions.cohort(PROBLEM, since=BEGAN, now=NOW, rollout=state.rollout, stages=("SHADOW",))
    return loss_of(turn, rows, "champion") - loss_of(turn, rows, "rival")


def words(html: str) -> str:
    """The text of the page as a reader has it."""

    class Reader(HTMLParser):
        said: str = ""

        def handle_data(self, data: str) -> None:
            self.said += f" {data}"

    reader = Reader()
    reader.feed(re.sub(r"<style>.*?</style>", "", html, flags=re.S))
    return " ".join(reader.said.split())


@pytest.mark.parametrize(
    "stage, says",
    [
        (Stage.HEALTHY, "HEALTHY : version 5 (adopted) answers everything; since"),
        (Stage.RETRAIN, "version 5 (adopted) answers everything while a challenger is trained and judged"),
        (Stage.SHADOW, "version 7 (boosting) scores the same rows, and answers none"),
        (Stage.CANARY, "CANARY : version 7 (boosting) answers 25 % of the rows, version 5 (adopted) the rest"),
        (Stage.AB, "AB : version 7 (boosting) answers 50 % of the rows"),
        (Stage.PROBATION, "version 7 (boosting) answers everything, on probation; version 5 (adopted) scores the same"),
    ],
)
def test_each_stage_is_one_sentence_and_one_mark_on_the_line(stage: Stage, says: str) -> None:
    html = shown(in_stage(stage))
    assert says in words(html)
    assert re.findall(r'<li aria-current="step">(\w+)</li>', html) == [str(stage)]
    assert "Missing:" not in html


def test_before_the_first_route_it_says_that_nothing_is_answered() -> None:
    said = words(shown(None, says="no route yet"))
    assert "COLD : no model is loaded" in said
    assert "Route: no route yet" in said


def test_nothing_from_outside_becomes_markup() -> None:
    evil = "<script>alert(1)</script>"
    state = in_stage(Stage.SHADOW, reason=evil)
    trip = Trip(state.rollout, NEW.sha256, NOW, evil)
    html = shown(
        state,
        replace(PROBLEM, statement=evil),
        says=evil,
        log_says=evil,
        rival_failed=evil,
        listed=(evil,),
        trips=[trip],
    )
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 7


def test_all_that_is_wrong_stands_in_one_box() -> None:
    state = in_stage(Stage.CANARY)
    trip = Trip(state.rollout, NEW.sha256, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "5 errors in a row")
    said = words(
        shown(
            state,
            says="the registry is away",
            log_says="the prediction log cannot be written",
            spilled=["one", "two"],
            trips=[trip],
            listed=("rows: total",),
        )
    )
    assert "Route: the registry is away" in said
    assert re.search(r"Log: the prediction log cannot be written, for \d s; requests are refused meanwhile", said)
    assert "answers wait to be brought into it (2 files)" in said
    assert "took version 7 (boosting) off at 2026-01-02 03:04:05 UTC: 5 errors in a row" in said
    assert "Checked beside the answers, and not at the door rows: total" in said
    assert "version 5 (adopted) answers everything, since the breaker took version 7 (boosting) off" in said
    assert "champion 5 adopted aaaaaaaaaaaa 100 %" in said


def test_where_nothing_is_wrong_there_is_no_box() -> None:
    assert 'class="wrong"' not in shown(in_stage(Stage.HEALTHY))


def test_without_labels_it_says_that_labels_decide() -> None:
    state = in_stage(Stage.SHADOW)
    assert "So far 0 rows of SHADOW are scored by both." in words(shown(state))
    evidence._KNOWN.clear()
    route = Route.of(state)
    assert route
    journal = Journal(PROBLEM, [])
    journal.write(Group(answers=[answer(route, 1)]))
    journal.close()
    said = words(shown(state))
    assert "older than 24 h: labels decide, and they are not there yet" in said
    assert "So far 1 rows of SHADOW are scored by both." in said


def test_the_evidence_is_what_the_gate_of_shadow_judges() -> None:
    state = in_stage(Stage.SHADOW)
    route = Route.of(state)
    assert route
    logged(route, 400)
    found = evidence_of(PROBLEM, route, since=state.tried, now=NOW)
    gain = gains(state)
    assert found.rows == len(gain) == 400
    assert len(found.points) == 300
    assert found.points[-1][1:] == pytest.approx(running_average(gain, alpha=PROBLEM.rollout.alpha))
    first = found.points[0]
    assert first[1:] == pytest.approx(running_average(gain[: int(first[0])], alpha=PROBLEM.rollout.alpha))


def test_in_probation_the_gain_is_that_of_the_new_champion_whoever_answered() -> None:
    """The models change places at the promotion, and the direction of the plot does not."""
    state = in_stage(Stage.PROBATION)
    route = Route.of(state)
    assert route
    good, bad = {"champion_score": 0.0, "rival_score": 1.0}, {"champion_score": 1.0, "rival_score": 0.0}
    before = {"stage": "CANARY", "champion": OLD.sha256, "rival": NEW.sha256, "role": "challenger"}
    rows = [answer(route, 1, **good), answer(route, 2, **before, **bad)]
    journal = Journal(PROBLEM, [])
    journal.write(Group(answers=rows))
    journal.close()
    labels.take_in(PROBLEM, [("1", 0.0, BEGAN + timedelta(days=2)), ("2", 0.0, BEGAN + timedelta(days=2))], now=NOW)
    found = evidence_of(PROBLEM, route, since=state.tried, now=NOW)
    assert [point[2] for point in found.points] == [1.0, 1.0]


def test_of_several_classes_the_scores_are_lists() -> None:
    state = in_stage(Stage.SHADOW)
    route = Route.of(state)
    assert route
    framing = PROBLEM.framing.model_copy(update={"task": "multiclass", "classes": ("a", "b", "c")})
    several = replace(PROBLEM, framing=framing)
    said = {"champion_scores": "[0.0, 1.0, 0.0]", "rival_scores": "[1.0, 0.0, 0.0]"}
    raised = {"rival_scores": None, "rival_decision": None, "rival_error": "ValueError"}
    journal = Journal(PROBLEM, [])
    journal.write(Group(answers=[answer(route, 1, **said), answer(route, 2, **said | raised)]))
    journal.close()
    known = BEGAN + timedelta(days=2)
    labels.take_in(several, [("1", "a", known), ("2", "b", known)], now=NOW)
    found = evidence_of(several, route, since=state.tried, now=NOW)
    assert [point[2] for point in found.points] == [1.0, 0.0]


def test_a_key_asked_twice_counts_once_with_its_newest_label() -> None:
    state = in_stage(Stage.SHADOW)
    route = Route.of(state)
    assert route
    worse = {"champion_score": 1.0, "rival_score": 0.0}
    again = {"event_time": round((BEGAN + timedelta(hours=20)).timestamp() * 1e6), "request": 99}
    journal = Journal(PROBLEM, [])
    journal.write(Group(answers=[answer(route, 1, **worse), answer(route, 1, **again)]))
    journal.close()
    for days, label in ((2, 1.0), (3, 0.0)):
        labels.take_in(PROBLEM, [("1", label, BEGAN + timedelta(days=days))], now=NOW)
    found = evidence_of(PROBLEM, route, since=state.tried, now=NOW)
    assert (found.rows, found.points[-1][2]) == (1, 1.0)


def test_young_rows_and_rows_that_one_model_scored_are_no_evidence() -> None:
    state = in_stage(Stage.SHADOW)
    route = Route.of(state)
    assert route
    young = {"event_time": round((NOW - timedelta(hours=1)).timestamp() * 1e6)}
    alone = {"rival_score": None, "rival_decision": None}
    journal = Journal(PROBLEM, [])
    journal.write(Group(answers=[answer(route, 1, **young), answer(route, 2, **alone)]))
    journal.close()
    labels.take_in(PROBLEM, [("1", 1.0, NOW), ("2", 1.0, NOW - timedelta(days=1))], now=NOW)
    assert evidence_of(PROBLEM, route, since=state.tried, now=NOW).rows == 0


def test_the_plot_is_svg_that_says_in_words_what_it_shows() -> None:
    state = in_stage(Stage.SHADOW)
    route = Route.of(state)
    assert route
    logged(route, 400)
    html = shown(state)
    found = re.search(r"<svg.*</svg>", html, flags=re.S)
    assert found
    svg = ElementTree.fromstring(found.group())
    assert [child.tag for child in svg][:2] == ["title", "desc"]
    told = svg.findtext("desc") or ""
    assert re.match(r"Gain [+−]0\.\d{4} \[[+−]\d\.\d{4}, [+−]\d\.\d{4}\] a row over 400 rows", told)
    assert "The challenger passes when the whole band is above zero." in told
    lines = [line.get("points", "").split() for line in svg.iter("polyline")]
    assert all(1 < len(line) <= 300 for line in lines)
    assert {"zero", "margin"} <= {line.get("class") for line in svg.iter("line")}
    assert "loss a row" in " ".join(svg.itertext())


def test_of_a_long_rollout_the_newest_rows_are_read_and_said_to_be_no_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    state = in_stage(Stage.SHADOW)
    route = Route.of(state)
    assert route
    logged(route, 40)
    monkeypatch.setattr(evidence, "_AT_MOST", 30)
    found = evidence_of(PROBLEM, route, since=BEGAN, now=NOW)
    assert found.cut
    assert 15 <= found.rows <= 30
    assert found.points[0][2] == pytest.approx(gains(state)[-found.rows])
    assert re.search(r"a row over the newest \d\d rows; the gate judges all of them", words(shown(state)))
    assert 15 <= tally_of(PROBLEM, route, since=BEGAN, now=NOW).rows <= 30


def test_what_is_asked_of_the_band_follows_from_the_promotion() -> None:
    state = in_stage(Stage.SHADOW, promotion=Promotion.NON_INFERIORITY)
    route = Route.of(state)
    assert route
    logged(route, 50)
    assert "The challenger passes when the whole band is above the margin, −0.02." in words(shown(state))


def test_the_table_counts_rows_errors_and_latencies_by_model() -> None:
    state = in_stage(Stage.CANARY)
    route = Route.of(state)
    assert route
    mine = {"role": "challenger", "version": "7", "latency_ms": 4.0}
    rows = [answer(route, i, rival_decision=None) for i in range(6)]
    rows += [answer(route, i, **mine) for i in range(6, 8)]
    rows += [answer(route, 8, **mine, champion_decision=None), answer(route, 9, rival_error="ValueError")]
    journal = Journal(PROBLEM, [])
    journal.write(Group(answers=rows))
    journal.close()
    found = tally_of(PROBLEM, route, since=BEGAN, now=NOW)
    assert (found.rows, found.answered) == (10, {OLD.sha256: 7, NEW.sha256: 3})
    assert (found.to_pair, found.paired) == (3, 2)
    said = words(shown(state))
    assert "champion 5 adopted aaaaaaaaaaaa 75 % 7 0 2 ms 2 ms" in said
    assert "challenger 7 boosting bbbbbbbbbbbb 25 % 3 1 4 ms 4 ms" in said
    assert "not scored 1 (33.3 %)" in said


def test_a_rule_that_stood_in_has_a_line_of_its_own() -> None:
    state = in_stage(Stage.HEALTHY)
    route = Route.of(state)
    assert route
    journal = Journal(PROBLEM, [])
    journal.write(Group(answers=[answer(route, 1, version="rule", role="heuristic")]))
    journal.close()
    assert "other – heuristic – – 1 – 2 ms 2 ms" in words(shown(state))


def test_labels_say_coverage_lag_and_orphans() -> None:
    state = in_stage(Stage.SHADOW)
    route = Route.of(state)
    assert route
    logged(route, 3)
    labels.take_in(PROBLEM, [("nobody asked", 1.0, NOW)], now=NOW)
    said = words(shown(state))
    assert "champion 3 3 (100 %) 36 h" in said
    assert "Labels of keys that nobody asked about: 1." in said


def test_the_newest_verdicts_come_first_with_their_whole_reason() -> None:
    long = "because " * 60
    said = words(shown(in_stage(Stage.PROBATION, reason=long)))
    steps = ("AB → PROBATION PASS", "CANARY → AB PASS", "SHADOW → CANARY", "RETRAIN → SHADOW", "HEALTHY → RETRAIN FAIL")
    assert [said.index(step) for step in steps] == sorted(said.index(step) for step in steps)
    assert said.count(long.strip()) == 5


def test_a_ledger_that_cannot_be_read_is_said_and_the_rest_is_shown(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    state = in_stage(Stage.CANARY)
    (home / "broken.db").write_bytes(b"this is no database" * 500)
    monkeypatch.setenv("PERENNIAL_LEDGER_URL", f"sqlite:///{home / 'broken.db'}")
    said = words(shown(state))
    assert "Missing: the ledger cannot be read (UnreadableDatabaseError)" in said
    assert "CANARY : version 7 (boosting) answers 25 % of the rows, version 5 (adopted) the rest. " in said
    assert "champion 5 adopted aaaaaaaaaaaa 75 %" in said
    assert "the ledger says when the rollout began, and it cannot be read (UnreadableDatabaseError)" in said


def test_a_log_that_cannot_be_read_is_said_and_the_rest_is_shown(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    state = in_stage(Stage.SHADOW)
    (home / "broken.db").write_bytes(b"this is no database" * 500)
    monkeypatch.setenv("PERENNIAL_LOG_URL", f"sqlite:///{home / 'broken.db'}")
    said = words(shown(state))
    assert said.count("the prediction log cannot be read (UnreadableDatabaseError)") == 4
    assert "HEALTHY → RETRAIN FAIL" in said
    assert "champion 5 adopted aaaaaaaaaaaa 100 % – – – –" in said


def test_a_defect_of_one_part_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_view: Any) -> str:
        raise KeyError("a value of a request")

    monkeypatch.setattr(page, "coverage", broken)
    said = words(shown(in_stage(Stage.SHADOW)))
    assert "Missing: scored beside the answers cannot be shown (KeyError)" in said
    assert "a value of a request" not in said
    assert "Last verdicts" in said


def test_a_storm_of_refreshes_reads_once(monkeypatch: pytest.MonkeyPatch) -> None:
    state = in_stage(Stage.SHADOW)
    looks = []
    asked = ledger.state_of
    monkeypatch.setattr(page.ledger, "state_of", lambda name: looks.append(name) or asked(name))
    pages = [shown(state) for _ in range(5)]
    assert len(looks) == 2  # the state, and where the newest verdicts begin
    close_databases()
    assert all("Last verdicts" in html for html in pages)


def test_another_route_is_read_anew() -> None:
    shown(in_stage(Stage.HEALTHY))
    later = ledger.append(
        ledger.state_of(PROBLEM.name),
        advance(
            ledger.state_of(PROBLEM.name),
            Decision(
                Verdict("a gate", Outcome.FAIL, "told anew"), why=Reason.SCHEDULE, promotion=Promotion.SUPERIORITY
            ),
            now=BEGAN + timedelta(days=1),
            first_share=0.25,
        ),
    )
    assert "told anew" in words(shown(later))


def test_no_value_of_a_request_is_shown() -> None:
    state = in_stage(Stage.SHADOW)
    route = Route.of(state)
    assert route
    secret = {"key": "4929-1234", "entity": "anna@example.org"}
    journal = Journal(PROBLEM, [])
    journal.write(Group(answers=[answer(route, 1, **secret)]))
    journal.close()
    labels.take_in(PROBLEM, [("4929-1234", 1.0, BEGAN + timedelta(days=2))], now=NOW)
    html = shown(state)
    assert "4929" not in html
    assert "anna@" not in html


def test_it_needs_nothing_from_elsewhere() -> None:
    html = shown(in_stage(Stage.HEALTHY))
    assert '<meta http-equiv="refresh" content="10">' in html
    assert "prefers-color-scheme: dark" in html
    assert re.findall(r'(?:href|src)="([^"]*)"', html) == ["data:,", "/metrics", "/openapi.json"]
    assert "url(" not in html
    assert json.dumps(html)  # one text, without lone surrogates


@pytest.mark.parametrize("low, high", [(-0.031, 0.012), (-1.05, 1.05), (0.0, 1.0), (-1e-5, 3e-5), (0.0, 49_873.0)])
def test_ticks_are_few_and_inside(low: float, high: float) -> None:
    values, digits = ticks(low, high, 5)
    assert 2 <= len(values) <= 6
    assert all(low - 1e-12 <= v <= high + 1e-12 for v in values)
    assert len({f"{v:.{digits}f}" for v in values}) == len(values)
