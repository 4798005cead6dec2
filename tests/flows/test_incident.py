"""Does the loop do the right thing about an incident, once, and does it know after a restart what it did?"""

import random
import shutil
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from flows.incident import remembered
from flows.monitoring import watch
from flows.oddities import unjudged_windows
from flows.operations import ask
from flows.replay import plain_turn
from flows.taint import sound, without_faulty
from flows.turn import Turn, begin
from schemas.incident import Action, Kind
from schemas.plans import Reason
from schemas.rows import Entry, Model, Request, State, plain
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict
from tasks import ledger, windows
from tasks.transitions import Decision
from tests.flows.made import DAY, START, added
from tests.proofs import incidents
from tests.proofs.incidents import CHANGE, PROBLEM, WINDOW, bills, changed, concept, covariate, meaning

NOW = START + 100 * DAY
CHAMPION, OTHER = Model("a" * 64, "1", "linear"), Model("b" * 64, "2", "linear")


def written(rows: list[dict]) -> None:
    """A ledger in which HEALTHY turns and a retrain are written, oldest first; each is (days before NOW, facts and notes)."""
    state = ledger.state_of("bills")
    for row in rows:
        at = NOW - row["ago"] * DAY
        before, after = row.get("before", Stage.HEALTHY), row.get("after", Stage.HEALTHY)
        arrow = row.get("arrow", "PASS" if before is after else "FAIL")
        notes = (
            {"window": [(at - row.get("span", 0) * DAY).isoformat(), at.isoformat()]} if row.get("window", True) else {}
        )
        if kind := row.get("kind"):
            said = {
                "kind": str(kind),
                "action": str(row["action"]),
                "reason": "so",
                "evidence": row.get("evidence", {}),
            }
            notes["incident"] = said | {"since": at.isoformat()} | row.get("more", {})
        notes |= {"unjudged": row["unjudged"]} if "unjudged" in row else {}
        entered = replace(
            state,
            sequence=state.sequence + 1,
            at=at,
            turned=at,
            stage=after,
            champion=row.get("champion", CHAMPION),
            why=row.get("why"),
        )
        verdict = Verdict(row.get("gate", "healthy"), Outcome(arrow if arrow != "REVERT" else "PASS"), "so")
        state = ledger.append(state, Entry(entered, "turn", before, arrow, verdict, notes))


def begun(ago, **more):
    row = {"ago": ago, "after": Stage.RETRAIN, "gate": "drift", "kind": Kind.CONCEPT_DRIFT, "action": Action.RETRAIN}
    return row | {"why": Reason.DRIFT} | more


def refused(ago):
    return {"ago": ago, "before": Stage.RETRAIN, "after": Stage.HEALTHY, "window": False}


def noted(ago, kind=Kind.COVARIATE_SHIFT, action=Action.NOTE, **more):
    return {"ago": ago, "kind": kind, "action": action, "gate": "triage", "arrow": "PASS"} | more


COLD = {"ago": 99, "before": Stage.COLD, "window": False, "arrow": "PASS"}
CALM = {"gate": "healthy", "arrow": "PASS"}
BLIND = {"gate": "healthy", "arrow": "WAIT"}


def memory(rows: list[dict], folder):
    written([COLD, *rows])
    with added(PROBLEM, folder):
        return remembered(Turn("bills", replace(ledger.state_of("bills"), stage=Stage.HEALTHY), NOW))


@pytest.mark.parametrize(
    "rows, open_, answered",
    [
        ([], None, None),
        ([noted(6), noted(4)], Kind.COVARIATE_SHIFT, None),
        ([noted(6), {"ago": 4} | CALM], None, None),
        ([noted(6), {"ago": 4} | BLIND], Kind.COVARIATE_SHIFT, None),
        ([noted(6), {"ago": 4, "window": False} | CALM], Kind.COVARIATE_SHIFT, None),
        ([noted(9), begun(7), refused(6)], Kind.CONCEPT_DRIFT, 7),
        ([begun(9), refused(8), {"ago": 4} | CALM, noted(2)], Kind.COVARIATE_SHIFT, None),
        ([begun(9), refused(8), {"ago": 4} | BLIND, noted(2)], Kind.COVARIATE_SHIFT, 9),
        ([begun(60), refused(59)], None, None),
        ([begun(5, gate="schedule", evidence={"due": "schedule"}, why=Reason.SCHEDULE), refused(4)], None, None),
    ],
    ids=[
        "an empty ledger",
        "two windows of one incident",
        "a calm window ends it",
        "one that could not be judged does not",
        "nor does a turn between two windows",
        "it was answered",
        "what ended is not answered again",
        "what went on is",
        "long ago is over",
        "the schedule answers nothing",
    ],
)
def test_the_ledger_says_what_goes_on_and_what_was_done(home, tmp_path, rows, open_, answered):
    found = memory(rows, tmp_path)
    assert (found.open and found.open["kind"]) == (open_ and str(open_))
    assert found.past.answered == (None if answered is None else NOW - answered * DAY)


@pytest.mark.parametrize("seed", range(12))
def test_of_turns_in_which_nothing_happened_none_is_read_and_none_would_change_what_is_remembered(
    home, tmp_path, monkeypatch, seed
):
    draw, rows, ago = random.Random(seed), list[dict](), 90.0
    quiet = {"window": False} | CALM
    while ago > 1:
        step = draw.choice([CALM, BLIND, quiet, noted(0), noted(0, Kind.LABEL_FAULT, Action.HOLD), begun(0)])
        champion = (
            draw.choice([CHAMPION, CHAMPION, CHAMPION, OTHER]) if step is CALM else rows[-1:] and rows[-1]["champion"]
        )
        rows.append(step | {"ago": ago, "champion": champion or CHAMPION})
        if step.get("after") is Stage.RETRAIN:
            rows.append(refused(ago - 0.1) | {"champion": rows[-1]["champion"]})
        rows += [
            quiet | {"ago": ago - 0.2 - n / 10, "champion": rows[-1]["champion"]} for n in range(draw.randrange(4))
        ]
        ago -= draw.uniform(1, 9)
    read: list[int] = []
    real = ledger.rows

    def counted(*args, **given):
        found = list(real(*args, **given))
        read.append(len(found))
        return iter(found)

    monkeypatch.setattr(ledger, "rows", counted)
    few = memory(rows, tmp_path)
    monkeypatch.setattr(ledger, "rows", lambda *args, noting, **given: counted(*args, **given))
    with added(PROBLEM, tmp_path):
        whole = remembered(Turn("bills", replace(ledger.state_of("bills"), stage=Stage.HEALTHY), NOW))
    assert replace(few, promoted=None) == replace(whole, promoted=None)
    assert whole.promoted <= few.promoted <= whole.promoted + 9 * DAY
    assert read[0] < read[1] == len(rows) + 1


def test_an_incident_began_when_it_was_first_seen(home, tmp_path):
    found = memory([noted(30), {"ago": 20} | CALM, noted(6), noted(4)], tmp_path)
    assert (found.since, found.told) == (NOW - 6 * DAY, NOW - 6 * DAY)


def test_the_budget_counts_what_nobody_asked_for_within_thirty_days(home, tmp_path):
    rows = [begun(40), refused(39), begun(29), refused(28), begun(20, gate="request"), refused(19)]
    rows += [begun(10, why=Reason.FIRST_MODEL), refused(9), begun(5), refused(4)]
    assert memory(rows, tmp_path).past.retrains == 2


def test_champions_are_told_in_their_order(home, tmp_path):
    turns = [{"ago": 20}, {"ago": 10, "champion": OTHER}, {"ago": 5}]
    assert memory(turns, tmp_path).past.champions == ("a" * 64, "b" * 64, "a" * 64)


def test_a_champion_that_failed_its_probation_was_none(home, tmp_path):
    way = (Stage.RETRAIN, Stage.SHADOW, Stage.CANARY, Stage.AB, Stage.PROBATION)
    tried = [
        {"ago": 18 - n, "before": before, "after": after, "window": False, "arrow": "PASS"}
        for n, (before, after) in enumerate(pairwise(way))
    ]
    tried[-1]["champion"] = OTHER
    failed = {"ago": 12, "before": Stage.PROBATION, "window": False}
    found = memory([{"ago": 20}, begun(19), *tried, failed, {"ago": 5}], tmp_path)
    assert found.past.champions == ("a" * 64,)
    assert found.promoted == NOW - 12 * DAY, "since then it serves again"


def test_what_lies_between_the_windows_that_were_judged_is_named(home, tmp_path):
    judged = [{"ago": ago, "span": 2} | CALM for ago in (30, 28, 20)] + [noted(18, span=2)]
    blind = {"ago": 16, "span": 2, "gate": "triage", "arrow": "WAIT"}
    written([COLD, *judged, blind | {"unjudged": "it raised"}])
    with added(PROBLEM, tmp_path):
        turn = Turn("bills", replace(ledger.state_of("bills"), stage=Stage.HEALTHY), NOW)
        found = unjudged_windows(turn, NOW - 29 * DAY, NOW - 15 * DAY)
    days = [((NOW - start) / DAY, (NOW - end) / DAY) for start, end in found]
    assert days == [(28, 26), (26, 24), (24, 22), (18, 16), (16, 15)]


def test_a_decision_carries_what_a_retrain_shall_do_and_leaves_a_request_waiting():
    from tasks.transitions import advance

    order = Request("retrain", Reason.DRIFT, "since the change", "triage", window_days=9.0)
    waits = Request("retrain", Reason.PERSON, "mine", "ana")
    state = State("bills", 1, at=NOW, stage=Stage.HEALTHY, champion=CHAMPION, since=NOW, request=waits)
    decision = Decision(Verdict("drift", Outcome.FAIL, "so"), why=Reason.DRIFT, order=order)
    after = advance(state, decision, now=NOW, first_share=0.1).state
    assert (after.order, after.request) == (order, waits)
    assert plain(asdict(after.order))["window_days"] == 9.0


# The real loop, in one world that stands before its change.


@pytest.fixture(scope="module", autouse=True)
def no_pages():
    """Evidently takes seconds to draw what other tests look at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flows.drift.reported", lambda *_, **__: {})
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bills")
    with added(PROBLEM, folder):
        assert incidents.settled_world(folder / "world", seed=1)
        yield folder / "world"


@pytest.fixture
def at_home(world, tmp_path):
    """A copy of the world, with the table edited from the change on."""
    with ExitStack() as stack:

        def enter(edit, *, seed: int = 1):
            folder = tmp_path / "copy"
            shutil.copytree(world, folder, ignore=shutil.ignore_patterns("reports"))
            stack.enter_context(incidents.home(folder))
            windows.materialise(PROBLEM, changed(bills(1), edit, seed))
            return ledger.state_of("bills").turned

        yield enter


def turned(days: float) -> list[ledger.Row]:
    began = ledger.state_of("bills").sequence
    incidents.turned(PROBLEM, START + (CHANGE + days) * DAY)
    return [row for row in ledger.rows("bills", since=began) if row.facts["kind"] == "turn"]


def test_a_change_of_meaning_holds_until_a_person_says_that_it_is_right(at_home):
    at_home(lambda frame, rng: frame.assign(heat=frame["heat"] * 1.8 + 32))
    rows = turned(4)
    said = rows[-1].notes["incident"]
    assert (said["kind"], said["action"], said["columns"]) == (Kind.MEANING, Action.HOLD, ["heat"])
    assert rows[-1].facts["arrow"] == "WAIT"
    assert rows[-1].facts["statistics"]["incident"] == Kind.MEANING
    now = ledger.state_of("bills").turned
    ask("bills", kind="retrain", note="drift", actor="automation", reason=Reason.DRIFT, now=now)
    plain_turn("bills", now + timedelta(hours=1))
    assert ledger.state_of("bills").stage is Stage.HEALTHY
    assert "still holding" in list(ledger.rows("bills"))[-1].notes["reason"], "whatever a machine asks for"
    ask("bills", kind="retrain", note="new thermometers", actor="ana", now=now + timedelta(hours=2))
    plain_turn("bills", now + timedelta(hours=2))
    assert ledger.state_of("bills").why is Reason.PERSON


def test_inputs_that_move_at_no_cost_are_noted_and_nothing_is_trained(at_home):
    at_home(covariate)
    rows = turned(4)
    noted_ = [row for row in rows if row.notes.get("incident")]
    assert noted_
    assert {row.notes["incident"]["action"] for row in noted_} == {str(Action.NOTE)}
    assert {row.facts["stage"] for row in rows} == {"HEALTHY"}
    assert "scores still mean what they did" in noted_[0].notes["reason"]


def test_another_truth_calls_for_one_retrain_since_the_change(at_home):
    at_home(concept)
    rows = turned(9.5)
    begun_ = [row for row in rows if row.facts["before"] == "HEALTHY" and row.facts["stage"] == "RETRAIN"]
    assert [row.facts["why"] for row in begun_] == [Reason.DRIFT]
    since = pd.Timestamp(begun_[0].notes["incident"]["since"])
    assert abs(since - pd.Timestamp(START + CHANGE * DAY)) <= DAY


def test_a_rollout_whose_training_data_turn_out_faulty_fails_and_later_faults_hold_it(at_home):
    now = at_home(lambda frame, rng: frame)
    turn = begin("bills", now + DAY)
    rival = replace(OTHER, trained_from=START + 60 * DAY, trained_until=START + (CHANGE - 1) * DAY)
    state = replace(turn.state, stage=Stage.SHADOW, challenger=rival, since=now)
    passes = Decision(Verdict("shadow", Outcome.PASS, "better"))
    whole = bills(1)

    def spoilt(first: float, last: float, *, on: float = 4):
        inside = whole["at"].between(START + first * DAY, START + last * DAY)
        windows.materialise(PROBLEM, whole.assign(heat=whole["heat"].where(~inside, whole["heat"] * 1.8 + 32)))
        return sound(replace(turn, state=state, now=START + (CHANGE + on) * DAY), passes).verdict

    assert spoilt(0, 0).outcome is Outcome.PASS
    later = spoilt(CHANGE + 2, CHANGE + 20)
    assert (later.outcome, "holding: change of meaning" in later.reason) == (Outcome.WAIT, True)
    assert "deadline" in spoilt(CHANGE + 2, CHANGE + 20, on=9).reason, "and not for ever"
    trained = spoilt(CHANGE - 3, CHANGE - 1)
    assert trained.outcome is Outcome.FAIL
    assert "was trained on faulty data" in trained.reason


def test_a_rollout_waits_while_the_labels_that_judge_it_are_faulty(at_home):
    """Where one class of labels stops coming, a model that says no to all is as good as any."""
    now = at_home(lambda frame, rng: frame)
    rival = replace(OTHER, trained_from=START + 60 * DAY, trained_until=START + (CHANGE - 1) * DAY)
    passes = Decision(Verdict("shadow", Outcome.PASS, "better"))

    def after(edit, days: float) -> Verdict:
        windows.materialise(PROBLEM, changed(bills(1), edit, 1))
        turn = begin("bills", START + (CHANGE + days) * DAY)
        return sound(
            replace(turn, state=replace(turn.state, stage=Stage.SHADOW, challenger=rival, since=now)), passes
        ).verdict

    assert after(lambda frame, rng: frame, 4).outcome is Outcome.PASS
    stopped = after(lambda frame, rng: frame.assign(late=0.0), 5)
    assert (stopped.outcome, stopped.gate) == (Outcome.WAIT, "labels")
    assert "label-pipeline fault" in stopped.reason


def test_held_rows_are_not_trained_on_until_they_are_mended(at_home):
    at_home(meaning, seed=3)
    rows = turned(4)
    held = rows[-1]
    assert held.notes["incident"]["action"] == Action.HOLD
    start, end = (pd.Timestamp(moment) for moment in held.notes["incident"]["window"])
    turn = Turn("bills", ledger.state_of("bills"), held.state.at + WINDOW)
    labelled = windows.read_window(PROBLEM, START + 60 * DAY, turn.now, as_of=turn.now).dropna(subset=["late"])
    kept = without_faulty(turn, labelled)
    assert not kept["at"].between(start, end, inclusive="left").any()
    assert 0 < len(kept) < len(labelled)
    windows.materialise(PROBLEM, bills(1))
    assert len(without_faulty(turn, labelled)) == len(labelled)


def _labelled(edit, days: float):
    """The labelled rows of the world after `edit`, and a turn so many days after the change in which somebody wants them."""
    windows.materialise(PROBLEM, edit(bills(1)))
    turn = Turn("bills", ledger.state_of("bills"), START + (CHANGE + days) * DAY)
    rows = windows.read_window(PROBLEM, START + 60 * DAY, turn.now, as_of=turn.now)
    return turn, rows.dropna(subset=["late"])


def test_what_nobody_looked_at_is_looked_at_before_it_is_trained_on(at_home):
    at_home(lambda frame, rng: frame)
    first, last = (START + (CHANGE + day) * DAY for day in (1, 4))

    def warmer(frame):
        inside = frame["at"].between(first, last)
        return frame.assign(heat=frame["heat"].where(~inside, frame["heat"] * 1.8 + 32))

    kept = without_faulty(*_labelled(warmer, 12))
    spoilt = kept["at"].between(first + DAY, last - DAY)
    assert not spoilt.any()
    assert (kept["at"] > last + 2 * DAY).sum() > 500
    turn, labelled = _labelled(lambda frame: frame, 12)
    assert len(without_faulty(turn, labelled)) == len(labelled)


def test_labels_that_were_held_as_turned_are_out_until_they_are_mended(at_home):
    at_home(lambda frame, rng: frame)
    first, last = START + (CHANGE - 4) * DAY, START + (CHANGE - 2) * DAY

    def turned_round(frame):
        return frame.assign(late=frame["late"].where(~frame["at"].between(first, last), 1 - frame["late"]))

    state, at = ledger.state_of("bills"), START + CHANGE * DAY
    said = {
        "kind": Kind.LABEL_FAULT,
        "action": Action.HOLD,
        "reason": "turned",
        "evidence": {},
        "since": at.isoformat(),
    }
    said["window"] = [(first + PROBLEM.framing.maturity).isoformat(), last.isoformat()]
    held = Entry(
        replace(state, sequence=state.sequence + 1, at=at, turned=at),
        "turn",
        Stage.HEALTHY,
        "WAIT",
        Verdict("triage", Outcome.WAIT, "turned"),
        {"incident": plain(said), "window": said["window"]},
    )
    ledger.append(state, held)
    kept = without_faulty(*_labelled(turned_round, 4))
    assert not kept["at"].between(first, last, inclusive="left").any()
    turn, labelled = _labelled(lambda frame: frame, 4)
    assert len(without_faulty(turn, labelled)) == len(labelled)


def test_a_person_is_heard_where_triage_cannot_judge(at_home, monkeypatch):
    at_home(lambda frame, rng: frame)
    now = START + (CHANGE + 4) * DAY

    def broken(*_args, **_kwargs):
        raise RuntimeError("no labels today")

    monkeypatch.setattr("flows.incident.read_signs", broken)
    ask("bills", kind="retrain", note="new prices", actor="ana", now=now)
    decision = watch(begin("bills", now))
    assert (decision.verdict.gate, decision.why) == ("request", Reason.PERSON)
    assert "could not judge" in decision.notes["unjudged"]


def test_what_cannot_be_judged_starts_nothing(at_home, monkeypatch):
    now = at_home(concept)
    turned(1)

    def broken(*_args, **_kwargs):
        raise RuntimeError("no labels today")

    monkeypatch.setattr("flows.incident.read_signs", broken)
    decision = watch(begin("bills", now + 3 * WINDOW))
    assert (decision.verdict.gate, decision.verdict.outcome) == ("triage", Outcome.WAIT)
    assert np.isin("RuntimeError", decision.verdict.reason.split()) or "no labels today" in decision.verdict.reason
