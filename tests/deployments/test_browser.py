"""Can somebody who knows nothing but the UI start a retrain, watch it, and read what was decided?

With a real browser on a real server. It needs the extra `browser` and a Chromium; without them it is skipped, and says so.
"""

import re
from collections.abc import Iterator

import pytest

from flows.turn_page import moved_from
from schemas.problem import load_problem
from tasks import ledger
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
    ui.open("/deployments", says="bikes")
    ui.search("Search deployments", "retrain")
    ui.wait_for("1 Deployment")
    ui.follow("retrain")
    ui.click("Run")
    ui.click("Custom run")
    ui.wait_for("Parameters")
    ui.choose("problem", "fraud")
    ui.fill("reason", NOTE)
    ui.fill("actor", "ana")
    ui.submit()
    run = eventually(lambda: server.runs_of("retrain/retrain"), seconds=120)[0]["id"]
    eventually(lambda: server.get(f"flow_runs/{run}")["state_type"] in ("COMPLETED", "FAILED", "CRASHED"), seconds=600)
    return run


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
