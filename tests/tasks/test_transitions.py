"""Whatever is decided, in whatever order: is there one champion, and did it pass every stage itself?"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.plans import Promotion, Reason
from schemas.rows import Entry, Model, Pause, Request, State
from schemas.stage import NEXT, REVERT, Stage
from schemas.verdict import Outcome, Verdict
from tasks.transitions import Decision, adopted, advance, asked, rules_changed

START = datetime(2024, 1, 1, tzinfo=UTC)
PASS, FAIL, WAIT = Outcome.PASS, Outcome.FAIL, Outcome.WAIT
# Decisions as the flows make them: an outcome, or a revert, or somebody asking meanwhile.
steps = st.lists(
    st.sampled_from([PASS, PASS, PASS, FAIL, WAIT, REVERT, "ask", "rules", "share"]), min_size=1, max_size=60
)


def _model(number: int) -> Model:
    return Model(f"{number:064d}", str(number), "boosting")


def _request(note: str, kind="retrain") -> Request:
    return Request(kind, Reason.PERSON, note, "ada")


def _decision(state: State, outcome: Outcome, **extra) -> Decision:
    if (state.stage, outcome) in ((Stage.COLD, PASS), (Stage.RETRAIN, PASS)):
        extra |= {"model": _model(state.sequence + 1), "snapshot": "s"}
    if (state.stage, outcome) == (Stage.HEALTHY, FAIL):
        extra |= {"why": Reason.DRIFT, "promotion": Promotion.NON_INFERIORITY}
    return Decision(Verdict("g", outcome, "r"), **extra)


def _step(state: State, what, n: int = 0) -> Entry | None:
    """The entry of one step, or None where nobody could take it."""
    now = START + timedelta(days=state.sequence + 1)
    if what == "ask":
        return asked(state, _request(f"note {n}"), now=now) if state.champion else None
    if what == "rules":
        return rules_changed(state, f"rules {n}", now=now)
    if what == "share":
        if state.stage is not Stage.CANARY:
            return None
        return advance(state, _decision(state, WAIT, share=0.25), now=now, first_share=0.05)
    if what == REVERT:
        if state.stage is not Stage.HEALTHY or state.previous is None:
            return None
        return advance(state, _decision(state, PASS, revert=True), now=now, first_share=0.05)
    return advance(state, _decision(state, what), now=now, first_share=0.05)


def _history(whats) -> list[Entry]:
    state, entries = State("toy"), []
    for n, what in enumerate(whats):
        entry = _step(state, what, n)
        if entry:
            entries.append(entry)
            state = entry.state
    return entries


def _reach(stage: Stage) -> State:
    """A state in `stage` on its second rollout, with a champion, and a previous one from the first."""
    path = [PASS, FAIL, PASS, PASS, PASS, PASS, PASS]  # COLD to the end of the first probation
    state = _history(path)[-1].state
    onward = {Stage.HEALTHY: 0, Stage.RETRAIN: 1, Stage.SHADOW: 2, Stage.CANARY: 3, Stage.AB: 4, Stage.PROBATION: 5}
    for what in [FAIL, PASS, PASS, PASS, PASS][: onward[stage]]:
        state = _step(state, what).state
    assert state.stage is stage
    return state


@settings(max_examples=300)
@given(steps)
def test_once_cold_is_left_there_is_always_one_champion(whats):
    left = False
    for entry in _history(whats):
        state = entry.state
        left = left or state.stage is not Stage.COLD
        assert (state.champion is not None) == left
        assert not left or state.stage is not Stage.COLD


@settings(max_examples=300)
@given(steps)
def test_nobody_holds_two_roles(whats):
    for entry in _history(whats):
        held = [m.sha256 for m in (entry.state.champion, entry.state.challenger, entry.state.previous) if m]
        assert len(held) == len(set(held))


@settings(max_examples=300)
@given(steps)
def test_there_is_a_challenger_in_the_stages_that_judge_one_and_nowhere_else(whats):
    for entry in _history(whats):
        judged = entry.state.stage in (Stage.SHADOW, Stage.CANARY, Stage.AB)
        assert (entry.state.challenger is not None) == judged
        assert (entry.state.share > 0) == (entry.state.stage in (Stage.CANARY, Stage.AB))


@settings(max_examples=300)
@given(steps)
def test_a_new_champion_passed_every_stage_itself_or_served_before(whats):
    served, passed, champion = set(), {}, None
    for entry in _history(whats):
        state = entry.state
        if entry.kind == "turn" and entry.arrow == PASS:
            candidate = state.challenger if entry.before is not Stage.AB else state.champion
            if candidate:
                passed.setdefault(candidate.sha256, []).append(entry.before)
        if state.champion and state.champion != champion:
            way = passed.get(state.champion.sha256, [])
            assert (
                champion is None
                or state.champion.sha256 in served
                or way == [Stage.RETRAIN, Stage.SHADOW, Stage.CANARY, Stage.AB]
            )
            champion = state.champion
            served.add(champion.sha256)


@settings(max_examples=300)
@given(steps)
def test_every_row_takes_an_arrow_there_is_and_follows_the_row_before(whats):
    before = State("toy")
    for entry in _history(whats):
        assert entry.before is before.stage
        assert entry.state.sequence == before.sequence + 1
        assert NEXT[entry.before][entry.arrow] is entry.state.stage or entry.kind != "turn"
        assert entry.kind == "turn" or entry.state.stage is before.stage
        before = entry.state


@settings(max_examples=300)
@given(steps)
def test_the_epoch_changes_exactly_when_the_route_does(whats):
    def route(state):
        return state.stage, state.share, state.champion, state.challenger, state.previous

    before = State("toy")
    for entry in _history(whats):
        assert (entry.state.epoch != before.epoch) == (route(entry.state) != route(before))
        assert entry.state.epoch >= before.epoch
        before = entry.state


@settings(max_examples=300)
@given(steps)
def test_the_latest_request_waits_until_healthy_takes_it_up(whats):
    waiting = None
    for n, what in enumerate(whats):
        entries = _history(whats[: n + 1])
        if not entries:
            continue
        state, last = entries[-1].state, entries[-1]
        if what == "ask" and last.kind == "request":
            waiting = state.request
            assert waiting.note == f"note {n}"
        elif (last.before, last.arrow) == (Stage.HEALTHY, FAIL) and what is FAIL:
            assert state.order == waiting
            waiting = None
        elif last.arrow == REVERT and what == REVERT:
            waiting = None
        assert state.request == waiting


@pytest.mark.parametrize("stage", [Stage.RETRAIN, Stage.SHADOW, Stage.CANARY, Stage.AB])
def test_a_rollout_that_fails_leaves_the_roles_as_they_were(stage):
    state = _reach(stage)
    after = _step(state, FAIL).state
    assert (after.stage, after.champion, after.previous, after.challenger) == (
        Stage.HEALTHY,
        state.champion,
        state.previous,
        None,
    )
    assert (after.share, after.why, after.promotion, after.snapshot, after.order) == (0.0, None, None, None, None)
    assert after.ended == after.at


def test_passing_the_ab_stage_swaps_champion_and_challenger():
    state = _reach(Stage.AB)
    after = _step(state, PASS).state
    assert (after.champion, after.previous, after.challenger) == (state.challenger, state.champion, None)


def test_failing_probation_restores_exactly_the_previous_champion():
    before = _reach(Stage.AB)
    tried = _step(before, PASS).state
    after = _step(tried, FAIL).state
    assert (after.stage, after.champion, after.previous) == (Stage.HEALTHY, before.champion, None)


def test_passing_probation_keeps_the_previous_champion_to_go_back_to():
    state = _reach(Stage.PROBATION)
    after = _step(state, PASS).state
    assert (after.stage, after.champion, after.previous) == (Stage.HEALTHY, state.champion, state.previous)


def test_a_revert_restores_the_previous_champion_and_begins_a_rest():
    state = _reach(Stage.HEALTHY)
    after = _step(state, REVERT).state
    assert (after.champion, after.previous, after.ended, after.request) == (state.previous, None, after.at, None)


def test_a_retrain_asked_for_during_a_rollout_is_answered_after_it():
    state = _reach(Stage.SHADOW)
    for note in ("first", "second"):
        state = asked(state, _request(note), now=START + timedelta(days=99)).state
    state = _step(state, FAIL).state
    assert state.request.note == "second"
    state = _step(state, FAIL).state
    assert (state.stage, state.order.note, state.request) == (Stage.RETRAIN, "second", None)


@pytest.mark.parametrize("stage", [s for s in Stage if s not in (Stage.COLD, Stage.HEALTHY)])
def test_nobody_reverts_in_the_middle_of_a_rollout(stage):
    with pytest.raises(ValueError, match=f"{stage} has no arrow REVERT"):
        advance(_reach(stage), Decision(Verdict("g", PASS, ""), revert=True), now=START, first_share=0.05)


@pytest.mark.parametrize(
    "state, decision",
    [
        (State("toy"), Decision(Verdict("g", PASS, ""))),
        (_reach(Stage.RETRAIN), Decision(Verdict("g", PASS, ""))),
        (replace(_reach(Stage.HEALTHY), previous=None), Decision(Verdict("g", PASS, ""), revert=True)),
        (replace(_reach(Stage.PROBATION), previous=None), Decision(Verdict("g", FAIL, ""))),
        (replace(_reach(Stage.AB), challenger=None), Decision(Verdict("g", PASS, ""))),
    ],
    ids=["cold without a model", "retrain without a model", "revert to nobody", "restore nobody", "promote nobody"],
)
def test_an_arrow_that_moves_a_model_needs_one(state, decision):
    with pytest.raises(AssertionError, match="there is none"):
        advance(state, decision, now=START, first_share=0.05)


def test_canary_begins_at_the_first_share_and_grows_by_decision_alone():
    state = _step(_reach(Stage.SHADOW), PASS).state
    assert (state.share, state.share_since) == (0.05, state.at)
    larger = _step(state, "share").state
    assert (larger.share, larger.share_since, larger.since) == (0.25, larger.at, state.since)
    same = _step(larger, WAIT).state
    assert (same.share, same.share_since, same.epoch) == (0.25, larger.share_since, larger.epoch)


def test_a_model_is_adopted_in_cold_alone():
    entry = adopted(State("toy"), _model(1), actor="ada", now=START)
    assert (entry.state.stage, entry.state.champion, entry.state.epoch) == (Stage.HEALTHY, _model(1), 1)
    for stage in (Stage.HEALTHY, Stage.SHADOW):
        with pytest.raises(ValueError, match=f"adopted in COLD, and 'toy' is in {stage}"):
            adopted(_reach(stage), _model(99), actor="ada", now=START)


def test_new_rules_are_written_down_and_the_rollout_remembers_its_own():
    state = _reach(Stage.SHADOW)
    after = rules_changed(state, "new", now=START).state
    assert (after.rules, after.judged_by, after.stage) == ("new", state.judged_by, Stage.SHADOW)


def test_a_pause_ends_with_the_first_turn_after_its_time_which_says_so():
    until = START + timedelta(days=2)
    state = replace(_reach(Stage.SHADOW), paused=Pause("ana", "a move", START, until))
    before, after = (
        advance(state, _decision(state, Outcome.WAIT), now=now, first_share=0.05)
        for now in (until - timedelta(seconds=1), until)
    )
    assert before.state.paused == state.paused
    assert "resumed" not in before.notes
    assert after.state.paused is None
    assert after.notes["resumed"].startswith("the pause by ana (a claimed name) came to its end")
