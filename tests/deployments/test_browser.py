"""Can somebody who knows nothing but the UI start a retrain, watch it, read what was decided, approve, and roll back?

With a real browser on a real server. It needs the extra `browser` and a Chromium; without them it is skipped, and says so.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from flows.turn_page import moved_from
from schemas.plans import Promotion, Reason
from schemas.problem import load_problem
from schemas.rows import State
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict
from tasks import ledger
from tasks.transitions import Decision, advance
from tests.deployments.browser import Browser, browser, chromium
from tests.deployments.test_server import Server, eventually, server

pytest.importorskip("playwright", reason="the extra `browser` is not installed")
pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium is there; CHROMIUM may name one")

__all__ = ["server"]  # the fixture of the other file: the same server, started anew for this one

NOTE = "a new kind of card: Köln → 東京"


@pytest.fixture(scope="module")
def ui(server: Server) -> Iterator[Browser]:
    with browser(server.api.removesuffix("/api")) as opened:
        yield opened


@pytest.fixture(scope="module")
def retrained(server: Server, ui: Browser) -> str:
    """A retrain that was started through the form; the id of its run, which is over."""
    return started(server, ui, "retrain", {}, {"reason": NOTE, "actor": "ana"})


def started(server: Server, ui: Browser, name: str, chosen: dict[str, str], typed: dict[str, str]) -> str:
    """The form of that name, found, filled in for fraud and sent; the id of its run, once that is over."""
    ui.open("/deployments", says="bikes")
    ui.search("Search deployments", name)
    ui.wait_for("1 Deployment")
    ui.follow(name)
    ui.click("Run")
    ui.click("Custom run")
    ui.wait_for("Parameters")
    for field, option in {"problem": "fraud", **chosen}.items():
        ui.choose(field, option)
    for field, text in typed.items():
        ui.fill(field, text)
    ui.submit()
    run = eventually(lambda: server.runs_of(f"{name}/{name}"), seconds=120)[0]["id"]
    eventually(lambda: server.get(f"flow_runs/{run}")["state_type"] in ("COMPLETED", "FAILED", "CRASHED"), seconds=600)
    return run


def challenger_that_waits() -> State:
    """Rows that bring fraud, wherever it stands, to a challenger in shadow that waits for a person."""
    steps = {
        Stage.HEALTHY: lambda _: Decision(
            Verdict("request", Outcome.FAIL, "ana asks"), why=Reason.PERSON, promotion=Promotion.SUPERIORITY
        ),
        Stage.RETRAIN: lambda state: Decision(Verdict("offline", Outcome.PASS, "good enough"), model=state.champion),
    }
    while (state := ledger.state_of("fraud")).stage is not Stage.SHADOW:
        ledger.append(state, advance(state, steps[state.stage](state), now=datetime.now(UTC), first_share=0.05))
    waits = Decision(Verdict("approval", Outcome.WAIT, "CANARY waits for a person"), awaits=True)
    return ledger.append(state, advance(state, waits, now=datetime.now(UTC), first_share=0.05))


def test_the_problem_is_found_by_its_name_and_says_what_it_predicts(server, ui):
    ui.open("/deployments", says="bikes")
    ui.search("Search deployments", "fraud")
    ui.wait_for("3 Deployments")
    ui.open(f"/deployments/deployment/{server.deployments()['lifecycle/fraud']['id']}?tab=Description")
    ui.wait_for(load_problem("fraud").statement[:40])


def test_the_form_offers_every_problem(server, ui):
    ui.open(f"/deployments/deployment/{server.deployments()['retrain/retrain']['id']}/run", says="Parameters")
    assert "fraud" in ui.options("problem")


def test_a_retrain_started_through_the_form_completes_and_its_page_says_so(server, ui, retrained):
    ui.open(f"/runs/flow-run/{retrained}", says="retrain fraud")
    ui.wait_for("Completed")
    request = next(row for row in ledger.rows("fraud") if row.facts["kind"] == "request").facts["request"]
    assert (request["actor"], request["note"]) == ("ana", NOTE)


def test_its_turns_are_named_by_problem_stage_and_verdict(ui, retrained):
    ui.open("/runs", says=re.compile(r"fraud, HEALTHY → RETRAIN: FAIL"))
    ui.wait_for(re.compile(r"fraud, RETRAIN( → SHADOW| → HEALTHY)?: (PASS|FAIL|WAIT)"))


def test_the_artifact_of_its_last_turn_says_the_reason_and_draws_the_life(ui, retrained):
    newest = list(ledger.rows("fraud"))[-1]
    ui.open("/artifacts/key/turn-fraud", says="turn-fraud")
    ui.page.locator("a[href*='/artifacts/artifact/']").first.click()
    ui.wait_for(f"fraud: {moved_from(newest.entry)}, {newest.facts['outcome']}")
    reason = newest.notes["reason"]
    ui.wait_for(f"{reason[0].upper()}{reason[1:]}"[:60])
    pictures = ui.page.locator("img[alt$='its life so far']")
    assert pictures.count() == 1
    assert pictures.evaluate("one => one.complete && one.naturalWidth") == 960


def test_the_table_of_problems_shows_where_it_stands(server, ui, retrained):
    ui.open("/artifacts", says="problems")
    ui.open("/artifacts/key/problems", says="problems")
    ui.page.locator("a[href*='/artifacts/artifact/']").first.click()
    ui.wait_for("when accepted")
    ui.wait_for("electricity")
    row = ui.page.get_by_role("row").filter(has_text=str(ledger.state_of("fraud").champion.name))
    assert row.count() == 1
    assert str(ledger.state_of("fraud").stage) in row.inner_text()


def test_a_waiting_challenger_is_approved_through_the_form_under_a_claimed_name(server, ui, retrained):
    waits = challenger_that_waits()
    run = started(server, ui, "approve", {"decision": "approve"}, {"name": "ben", "note": "looked at the shadow"})
    ui.open(f"/runs/flow-run/{run}", says="approve fraud")
    ui.wait_for("Completed")
    (answer,) = [row for row in ledger.rows("fraud", since=waits.sequence) if row.facts["kind"] == "approval"]
    said = answer.facts["approval"]
    assert (said["actor"], said["answer"], said["claimed"], said["stage"]) == ("ben", "approve", True, "CANARY")
    assert said["note"] == "looked at the shadow"


def test_a_rollout_is_rolled_back_through_the_form(server, ui, retrained):
    waits = challenger_that_waits()
    run = started(server, ui, "roll-back", {}, {"name": "ana", "reason": "a complaint"})
    ui.open(f"/runs/flow-run/{run}", says="roll back fraud")
    ui.wait_for("Completed")
    state = ledger.state_of("fraud")
    assert (state.stage, state.challenger, state.champion) == (Stage.HEALTHY, None, waits.champion)
    assert any("a complaint" in row.notes["reason"] for row in ledger.rows("fraud", since=waits.sequence))
