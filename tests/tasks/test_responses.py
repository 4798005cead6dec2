"""One incident, one response: do cooldown, budget, emergency and flips decide as the plan says?"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.incident import Action, Incident, Kind
from schemas.plans import RetrainingPlan
from tasks.responses import Past, returns, settled

DAY = timedelta(days=1)
NOW = datetime(2024, 6, 1, tzinfo=UTC)
PLAN = RetrainingPlan()
A, B, C = "a", "b", "c"


def incident(action: Action, *, emergency: bool = False) -> Incident:
    return Incident(Kind.CONCEPT_DRIFT, action, "scores mean another thing", emergency=emergency)


RETRAIN, HURRY = incident(Action.RETRAIN), incident(Action.RETRAIN, emergency=True)
MEND, BACK = incident(Action.RECALIBRATE), incident(Action.ROLL_BACK)
DUE = Incident(Kind.STALENESS, Action.RETRAIN, "two weeks since the last", {"due": "schedule"})

TABLE = [
    ("nothing was done before", RETRAIN, Past(), Action.RETRAIN, ""),
    ("a recalibration is a challenger too", MEND, Past(), Action.RECALIBRATE, ""),
    ("the last rollout has just ended", RETRAIN, Past(ended=NOW - 3 * DAY), Action.NOTE, "resting until 2024-06-05"),
    ("the cooldown is over", RETRAIN, Past(ended=NOW - 7 * DAY), Action.RETRAIN, ""),
    ("answered already", RETRAIN, Past(answered=NOW - 20 * DAY), Action.ASK, "answered on 2024-05-12"),
    ("the schedule is no second answer", DUE, Past(answered=NOW - 20 * DAY), Action.RETRAIN, ""),
    ("but it rests like others", DUE, Past(answered=NOW - 20 * DAY, ended=NOW - DAY), Action.NOTE, "resting"),
    ("and keeps to the budget", DUE, Past(retrains=4), Action.ASK, "budget"),
    (
        "its answer ended four weeks ago",
        RETRAIN,
        Past(answered=NOW - 40 * DAY, ended=NOW - 28 * DAY),
        Action.RETRAIN,
        "",
    ),
    (
        "its answer ended less than four weeks ago",
        RETRAIN,
        Past(answered=NOW - 40 * DAY, ended=NOW - 27 * DAY),
        Action.ASK,
        "goes on",
    ),
    ("three retrains this month", RETRAIN, Past(retrains=3), Action.RETRAIN, ""),
    ("four retrains this month", RETRAIN, Past(retrains=4), Action.ASK, "the plan's budget is 4"),
    ("an emergency goes past the cooldown", HURRY, Past(ended=NOW - DAY), Action.RETRAIN, "emergency"),
    ("and past the budget", HURRY, Past(retrains=9), Action.RETRAIN, "emergency"),
    (
        "but once an incident",
        HURRY,
        Past(answered=NOW - 20 * DAY, hurried=True, ended=NOW - 9 * DAY),
        Action.ASK,
        "answered",
    ),
    ("and then it rests as others do", HURRY, Past(hurried=True, ended=NOW - DAY), Action.NOTE, "resting"),
    ("a roll back waits for no cooldown", BACK, Past(ended=NOW - DAY, retrains=9), Action.ROLL_BACK, ""),
    ("a roll back of a roll back is a person's", BACK, Past(champions=(A, B, A)), Action.ASK, "former model"),
    ("a first roll back is not", BACK, Past(champions=(A, B)), Action.ROLL_BACK, ""),
    ("one failed promotion stops no retrain", RETRAIN, Past(champions=(A, B, A)), Action.RETRAIN, ""),
    ("a champion that flips does", RETRAIN, Past(champions=(A, B, A, B)), Action.ASK, "came back"),
    ("whoever it is that it flips to", RETRAIN, Past(champions=(A, B, A, C, A)), Action.ASK, "came back"),
    ("even in an emergency", HURRY, Past(champions=(A, B, A, B, A)), Action.ASK, "came back"),
    ("a hold is a hold", incident(Action.HOLD), Past(retrains=9, champions=(A, B, A, B)), Action.HOLD, ""),
    ("a note is a note", incident(Action.NOTE), Past(answered=NOW), Action.NOTE, ""),
]


@pytest.mark.parametrize("given_, past, action, says", [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_what_was_done_decides_what_is_done(given_, past, action, says):
    found = settled(given_, past, plan=PLAN, now=NOW)
    assert found.action is action
    assert says in found.reason
    assert found.kind is given_.kind
    words = {"": "", "budget": "the plan's budget is", "oscillation": "former model", "answer": "was answered on"}
    assert bool(found.spent) == (found.action is Action.ASK and given_.action is not Action.ASK)
    assert words[found.spent] in found.reason


@pytest.mark.parametrize(
    "champions, expected",
    [((), 0), ((A,), 0), ((A, B), 0), ((A, B, C), 0), ((A, B, A), 1), ((A, B, A, B), 2), ((A, B, A, C, A), 2)],
)
def test_a_return_is_a_champion_that_came_back_after_one_other(champions, expected):
    assert returns(champions) == expected


pasts = st.builds(
    Past,
    answered=st.none() | st.integers(0, 60).map(lambda d: NOW - d * DAY),
    response=st.none() | st.just(Action.RETRAIN),
    ended=st.none() | st.integers(0, 60).map(lambda d: NOW - d * DAY),
    retrains=st.integers(0, 8),
    hurried=st.booleans(),
    champions=st.lists(st.sampled_from([A, B, C]), max_size=6).map(tuple),
)


@given(st.sampled_from(Action), st.booleans(), pasts)
def test_a_response_is_only_ever_made_smaller(action, emergency, past):
    found = settled(incident(action, emergency=emergency), past, plan=PLAN, now=NOW)
    assert found.action in (action, Action.NOTE, Action.ASK)
    if action in (Action.HOLD, Action.NOTE, Action.ASK):
        assert found.action is action


@given(pasts)
def test_within_a_month_the_budget_is_kept_but_for_one_emergency(past):
    found = settled(RETRAIN, past, plan=PLAN, now=NOW)
    assert found.action is not Action.RETRAIN or past.retrains < PLAN.retrains_a_month
