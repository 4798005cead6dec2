"""Is a life what the rows say: every stage in its span, whoever served, and what happened once each?"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.figure import Figure
from schemas.plans import Reason
from schemas.rows import Entry, Model, Request, State
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict
from tasks.drawing.life import draw_life
from tasks.life import life_of

START, DAY = datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=1)
RULE = Model("a" * 64, "1", "heuristic")
FIRST = Model("b" * 64, "2", "boosting", held_out={"loss": 0.2})
SECOND = Model("c" * 64, "3", "boosting", held_out={"loss": 0.1})


def turns(*steps: tuple[Any, ...]) -> list[Entry]:
    """One turn a day: (stage it leads to, what else the state holds, what the row notes)."""
    entries, state = [], State("fraud")
    for day, (stage, changed, *notes) in enumerate(steps):
        before, outcome = state.stage, changed.pop("outcome", Outcome.PASS)
        at = START + day * DAY
        since = state.since if stage is before else at
        state = replace(state, stage=stage, sequence=day + 1, at=at, since=since, **changed)
        verdict = Verdict("made", outcome, f"reason {day}")
        entries.append(Entry(state, "turn", before, str(outcome), verdict, notes[0] if notes else {}))
    return entries


def a_rollout() -> list[Entry]:
    return turns(
        (Stage.HEALTHY, {"champion": RULE}),
        (Stage.RETRAIN, {"outcome": Outcome.FAIL, "why": Reason.FIRST_MODEL}),
        (Stage.SHADOW, {"challenger": FIRST}),
        (Stage.SHADOW, {"outcome": Outcome.WAIT}),
        (Stage.CANARY, {"share": 0.05}),
        (Stage.CANARY, {"outcome": Outcome.WAIT, "share": 0.25}),
        (Stage.AB, {"share": 0.5}),
        (Stage.PROBATION, {"champion": FIRST, "previous": RULE, "challenger": None, "share": 0.0}),
        (Stage.HEALTHY, {"why": None}),
    )


def test_every_moment_has_one_stage_and_one_champion():
    life = life_of(a_rollout())
    assert [band.stage for band in life.bands] == [
        Stage.HEALTHY,
        Stage.RETRAIN,
        Stage.SHADOW,
        Stage.CANARY,
        Stage.AB,
        Stage.PROBATION,
        Stage.HEALTHY,
    ]
    for line in (life.bands, life.reigns):
        assert (line[0].start, line[-1].end) == (life.start, life.end)
        assert all(one.end == after.start for one, after in zip(line, line[1:], strict=False))
    assert [(reign.version, reign.name) for reign in life.reigns] == [("1", "heuristic"), ("2", "boosting")]
    assert life.bands[3].share == 0.25, "the largest share of a canary is the one that is told"


def test_what_happened_is_told_in_order_with_the_rows_own_reasons():
    assert [(mark.kind, mark.what, mark.why) for mark in life_of(a_rollout()).marks] == [
        ("retrain", "retrain: first model", "reason 1"),
        ("promoted", "version 2 (boosting) becomes champion", "reason 7"),
    ]


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        (Stage.RETRAIN, "rejected"),
        (Stage.SHADOW, "rejected"),
        (Stage.CANARY, "rolled back"),
        (Stage.AB, "rolled back"),
        (Stage.PROBATION, "rolled back"),
    ],
)
def test_a_challenger_that_answered_is_rolled_back_and_one_that_never_did_is_rejected(before, kind):
    entry = turns((Stage.HEALTHY, {"champion": RULE, "outcome": Outcome.FAIL}))[0]
    (mark,) = life_of([replace(entry, before=before)]).marks
    assert mark.kind == kind


@pytest.mark.parametrize(("matter", "kind"), [("concept drift", "drift"), ("data fault", "fault")])
def test_an_incident_that_goes_on_is_told_once_and_again_when_it_comes_back(matter, kind):
    noted = {"incident": {"kind": matter}}
    calm, wrong = (Stage.HEALTHY, {"champion": RULE}), (Stage.HEALTHY, {}, noted)
    life = life_of(turns(calm, wrong, wrong, (Stage.HEALTHY, {}), wrong))
    assert [(mark.kind, mark.at - START) for mark in life.marks] == [(kind, 1 * DAY), (kind, 4 * DAY)]


def test_a_drift_that_starts_a_retrain_is_one_mark():
    life = life_of(
        turns(
            (Stage.HEALTHY, {"champion": FIRST}),
            (Stage.RETRAIN, {"outcome": Outcome.FAIL, "why": Reason.DRIFT}, {"incident": {"kind": "covariate shift"}}),
        )
    )
    assert [mark.kind for mark in life.marks] == ["drift"]


def test_a_persons_request_is_told_and_is_no_turn():
    (first,) = turns((Stage.HEALTHY, {"champion": RULE}))
    request = Request("revert", Reason.PERSON, "it refuses everybody", "ana")
    asked = replace(first, kind="request", before=Stage.HEALTHY, state=replace(first.state, request=request))
    life = life_of([first, asked])
    assert (life.turns, [mark.what for mark in life.marks]) == (1, ["ana asks for a revert"])


def test_quality_is_the_newest_word_on_each_cohort_of_whoever_served():
    def figure(model: Model, day: int, value: float) -> Figure:
        return Figure("realised", "loss", START + (day - 1) * DAY, START + day * DAY, model.sha256, 100, value)

    said = [figure(FIRST, 5, 0.3), figure(FIRST, 5, 0.25), figure(SECOND, 6, 0.9), figure(FIRST, 400, 0.1)]
    life = life_of(a_rollout(), said)
    assert [one.value for one in life.quality] == [0.25]
    assert life.limits == ((FIRST.sha256, 0.2),)


def test_no_row_is_no_life_and_one_row_is_one():
    assert life_of([]) is None
    life = life_of(a_rollout()[:1])
    assert (life.start, life.end, life.turns) == (START, START, 1)
    assert "1 turns" in draw_life(life)


def test_the_picture_names_stages_champions_and_marks_and_stays_small():
    from xml.etree import ElementTree as ET

    long = turns(
        *[(Stage.HEALTHY, {"champion": RULE}), (Stage.RETRAIN, {"outcome": Outcome.FAIL, "why": Reason.DRIFT})] * 60
    )
    picture = draw_life(life_of(long))
    ET.fromstring(picture)
    assert len(picture) < 60_000
    assert "120 turns" in picture
    few = draw_life(life_of(a_rollout()))
    assert all(word in few for word in ("HEALTHY", "CANARY 25%", "v2 boosting", "promoted", "retrain: first model"))


def test_names_that_hold_markup_stay_text():
    entry = turns((Stage.HEALTHY, {"champion": replace(RULE, name="<script>")}))
    assert "<script>" not in draw_life(life_of(entry))
