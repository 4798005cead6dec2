"""Does a window without drift alarm no more often than stated, and one with drift say what moved?"""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from schemas.verdict import Outcome
from tasks.drifting import moved, over
from tasks.held_against import Reference, Window, window_from_json, window_to_json
from tasks.profiles import count_frame, freeze_profile
from tests.proofs.drift import (
    AFTER,
    DAY,
    EFFECTS,
    FEATURES,
    PLAN,
    START,
    Judge,
    World,
    emptied,
    found_within,
    in_other_units,
    quiet,
    shifted,
)

PASS, FAIL, WAIT = Outcome.PASS, Outcome.FAIL, Outcome.WAIT


@pytest.mark.parametrize("effect", ["iid", "day"])
def test_windows_without_drift_alarm_no_more_often_than_stated(effect):
    found = quiet(50, effect, worlds=2)
    assert found["windows"] == 80
    assert found["holds"], found


@pytest.mark.parametrize("change, looks", [(shifted, 3), (emptied, 1), (in_other_units, 1)])
def test_what_changes_is_found(change, looks):
    assert found_within(200, "iid", change, looks, worlds=3)["power"] == 1


def test_a_fault_is_named_by_what_it_is():
    judge = Judge(World(200, "iid", 3))
    assert judge.judge().outcome is PASS
    assert judge.judge(emptied).reason.startswith("moved: missing x0 by 0.20")
    said = judge.judge(in_other_units).reason
    assert "x1 by 0." in said
    assert "missing" not in said


def test_a_feature_without_an_effect_on_predictions_is_listed_and_raises_no_alarm():
    judge = Judge(World(200, "iid", 4))
    verdict = judge.judge(lambda frame: frame.assign(x9=frame["x9"] + 3, kind="c"))
    assert verdict.outcome is PASS
    assert verdict.reason.endswith("without an effect on predictions moved kind, x9")


def test_a_constant_champion_gives_every_feature_the_same_say():
    judge = Judge(World(200, "iid", 4))
    judge.reference = replace(judge.reference, effects=dict.fromkeys(EFFECTS, 0.0))
    assert judge.judge(lambda frame: frame.assign(x9=frame["x9"] + 3)).reason.startswith("moved: x9")


def test_scores_that_move_while_no_feature_does_are_found():
    """What moves together, and each alone does not: the champion sees it."""

    def paired(frame):
        return frame.assign(x1=np.sign(frame["x0"]) * frame["x1"].abs())

    judge = Judge(World(2_000, "iid", 5))
    assert judge.judge().outcome is PASS
    assert judge.judge(paired).reason.startswith("moved: score")


def test_after_a_retrain_blocks_of_the_training_rows_judge_and_it_is_said():
    judge = Judge(World(200, "iid", 6), **AFTER)
    assert "3 windows of its own and 8 blocks of what it was trained on" in judge.judge().reason
    verdicts = [judge.judge(shifted) for _ in range(3)]
    assert FAIL in [verdict.outcome for verdict in verdicts]


def test_too_few_windows_are_blind_and_say_what_they_would():
    judge = Judge(World(200, "iid", 7), history=0, blocks=3)
    first, second = judge.judge(shifted), judge.judge(shifted)
    assert (first.outcome, second.outcome) == (WAIT, WAIT)
    assert first.reason.startswith(
        "blind: 0 windows of its own and 3 blocks of what it was trained on support no rate under"
    )
    assert "at that rate it would say" in first.reason


@pytest.mark.parametrize("history, blocks", [(0, 0), (0, 1), (1, 0)])
def test_without_two_windows_nothing_is_said(history, blocks):
    now, reference, own = _plain(history=history, blocks=blocks)
    found = moved(reference, own, now, PLAN)
    assert found.rate == 1
    assert set(found.limits.values()) == {1.0}
    assert found.near == {}


def test_an_alarm_joins_the_calibration_at_the_limit_that_it_exceeded():
    now, reference, own = _plain(history=40, blocks=4)
    found = moved(reference, own, now, PLAN)
    far = replace(own[-1], counts=_counts(reference, _rows(99) + 4))
    whole = moved(reference, [*own[:-1], far], now, PLAN).limits["x"]
    clipped = moved(reference, [*own[:-1], replace(far, over={"x": found.limits["x"]})], now, PLAN).limits["x"]
    assert whole > 2 * found.limits["x"]
    assert clipped == pytest.approx(found.limits["x"], rel=0.3)


def test_the_limit_in_force_is_the_low_one_right_after_a_window_beyond_its_own():
    now, reference, own = _plain(history=40, blocks=4)
    high = moved(reference, own, now, PLAN).limits["x"]
    armed = [*own[:-1], replace(own[-1], near={"x": 1.0})]
    low = moved(reference, armed, now, PLAN).limits["x"]
    assert low < high
    later = replace(now, start=now.start + 3 * DAY)
    assert moved(reference, armed, later, PLAN).limits["x"] == pytest.approx(high)


def test_what_is_over_its_limit_is_what_the_verdict_calls_moved():
    now, reference, own = _plain(history=40, blocks=4)
    found = moved(reference, own, replace(now, counts=_counts(reference, _rows(50) + 2)), PLAN)
    assert list(over(found)) == ["x"]
    assert list(found.near) == ["x"]


def test_a_smaller_window_is_compared_with_as_few_rows_of_the_others():
    now, reference, own = _plain(history=40, blocks=4, rows=5_000)
    small = replace(now, counts=_counts(reference, _rows(77, n=50)))
    assert moved(reference, own, now, PLAN).limits["x"] == PLAN.effect_floor
    found = moved(reference, own, small, PLAN)
    assert found.limits["x"] > 0.15
    assert found.distances["x"] < found.limits["x"]


def test_a_broken_day_of_few_rows_is_no_calibration_window():
    now, reference, own = _plain(history=40, blocks=4)
    tiny = replace(own[5], counts=_counts(reference, _rows(1, n=3) + 9))
    assert moved(reference, [*own[:5], tiny, *own[6:]], now, PLAN).basis == "39 windows of its own"


def test_windows_are_held_against_those_of_the_same_part_of_the_season_and_two_seasons_are_needed():
    plan = PLAN.model_copy(update={"season": 7 * DAY})
    now, reference, own = _plain(history=40, blocks=14)
    assert moved(reference, own, now, plan).basis == (
        "5 windows of its own and 2 blocks of what it was trained on in the same part of 7 days"
    )
    young = replace(reference, blocks=reference.blocks[-3:])
    assert moved(young, own[-10:], now, plan).rate == 1


def test_weekdays_that_differ_are_no_drift_and_hide_none():
    judge = Judge(World(200, "week", 8))
    assert [judge.judge().outcome for _ in range(7)].count(FAIL) <= 1
    as_tomorrow = judge.world.day(judge.next + 1)
    assert judge.judge(lambda _: as_tomorrow).outcome is FAIL


def test_a_column_that_is_gone_has_no_distance():
    now, reference, own = _plain(history=40, blocks=4)
    found = moved(reference, own, replace(now, counts={}), PLAN)
    assert np.isnan([found.distances["x"], found.distances["missing x"]]).all()


def test_a_judged_window_survives_being_stored():
    window = Window(START, {"x": np.array([1, 2, 3])}, {"x": 0.2}, {"x": 0.1})
    read = window_from_json(START.isoformat(), window_to_json(window))
    assert (read.start, read.over, read.near) == (START, {"x": 0.2}, {"x": 0.1})
    assert read.counts["x"].tolist() == [1, 2, 3]


def test_the_proofs_plan_is_the_default_one_but_for_its_window():
    assert PLAN.model_copy(update={"window": timedelta(days=7)}) == type(PLAN)()
    assert set(EFFECTS) == {*FEATURES, "kind"}


def _rows(seed: int, n: int = 200) -> np.ndarray:
    return np.random.default_rng([9, seed]).normal(size=n)


def _counts(reference: Reference, values: np.ndarray):
    return count_frame(reference.columns, pd.DataFrame({"x": values}))


def _plain(*, history: int, blocks: int, rows: int = 200):
    """One feature; the window that is judged comes right after `history` own ones."""
    frame = pd.DataFrame({"x": np.concatenate([_rows(1_000 + n, rows) for n in range(max(blocks, 1))])})
    columns = freeze_profile(frame, ["x"])
    reference = Reference(columns, [])
    parts = [Window(START + (n - blocks) * DAY, _counts(reference, _rows(1_000 + n, rows))) for n in range(blocks)]
    own = [Window(START + n * DAY, _counts(reference, _rows(n, rows))) for n in range(history)]
    now = Window(START + history * DAY, _counts(reference, _rows(500, rows)))
    return now, replace(reference, blocks=parts), own
