"""Does the table of problems say where each stands, and put first what waits for a person?"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from schemas.figure import Figure
from schemas.plans import Reason
from schemas.rows import Entry, Model, Pause, Request, State
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict
from tasks.standings import Standing, standings

NOW, DAY = datetime(2026, 11, 22, 12, tzinfo=UTC), timedelta(days=1)
CHAMPION = Model("a" * 64, "3", "boosting", trained_until=NOW - 90 * DAY, held_out={"loss": 0.00407})
CALM = State("calm", 9, at=NOW, stage=Stage.HEALTHY, since=NOW - 5 * DAY, champion=CHAMPION)
CANARY = replace(CALM, problem="canary", stage=Stage.CANARY, share=0.05, challenger=Model("b" * 64, "4", "linear"))
WAITS = replace(CALM, problem="waits", stage=Stage.SHADOW, awaits=NOW - DAY)


def test_a_row_says_stage_champion_with_its_age_quality_and_what_comes_next():
    last = Entry(CANARY, "turn", Stage.CANARY, "WAIT", Verdict("traffic", Outcome.WAIT, "too few requests"))
    loss = Figure("realised", "loss", NOW - 20 * DAY, NOW - 13 * DAY, CHAMPION.sha256, 900, 0.0029, 0.0021, 0.0038)
    (row,) = standings([Standing("canary", CANARY, last, loss, NOW + DAY)], now=NOW)
    assert row == {
        "problem": "canary",
        "stage": "CANARY 5%",
        "for": "5 days",
        "waits for": "–",
        "verdict": "WAIT",
        "next turn": "2026-11-23 12:00",
        "champion": "v3 boosting",
        "learned until": "90 days ago",
        "loss (when accepted)": "0.0029 (0.00407)",
        "challenger": "v4 linear",
        "why": "too few requests",
    }


def test_what_waits_for_a_person_comes_first_and_what_has_not_begun_last():
    request = Request("retrain", Reason.PERSON, "new cards", "ana")
    asked = replace(CALM, problem="asked", request=request)
    known = [State("cold"), CALM, CANARY, WAITS, asked]
    rows = standings([Standing(state.problem, state) for state in known], now=NOW)
    assert [row["problem"] for row in rows] == ["asked", "waits", "canary", "calm", "cold"]
    assert rows[0]["waits for"] == "its next turn: ana asks for a retrain"
    assert rows[1]["waits for"] == "approval, since 2026-11-21"
    held = replace(CALM, paused=Pause("ana", "a move", NOW - DAY))
    assert standings([Standing("calm", held)], now=NOW)[0]["waits for"] == "somebody to resume: ana paused it"
    assert (rows[4]["verdict"], rows[4]["champion"], rows[4]["next turn"]) == ("–", "–", "–")
    assert rows[4]["why"] == "no turn yet"
