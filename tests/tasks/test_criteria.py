"""Does a night stop where it should, and only there? Decisions as tables, and targets that can and cannot be reached by simulation."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from schemas.course import Course, Left
from schemas.diagnosis import Constraint, Diagnosis, Room
from schemas.experiment import Gain
from schemas.idea import Idea, Kind, Quadrant, Tried
from schemas.plans.improvement import ImprovementPlan
from schemas.recipe import Recipe
from tasks.chances import Chance
from tasks.criteria import judge, promise
from tasks.strategy import Rated, choose, rated
from tasks.track_record import track_record

PLAN = ImprovementPlan(runs=40)
PARENT = Recipe(features=("a",), family="linear")
LEFT = Left(runs=30, time=timedelta(hours=5))
KINDS = [Kind.FAMILY, Kind.FEATURES, Kind.CAPACITY, Kind.REGULARISATION]


def idea(name, *, chance=0.4, impact=0.02, kind=Kind.CAPACITY, mends=()):
    return Idea(name, kind, name, {"parameters": {"name": name}}, mends, chance, impact, 1.0)


def open_(*ideas, quadrant=Quadrant.QUICK_WIN):
    return [Rated(one, Chance(12 * one.chance, 12 * (1 - one.chance)), quadrant) for one in ideas]


def tried(worked, *, expected=0.02, came=None, chance=0.4):
    gain = Gain(0.001, expected if came is None else came, 0.1, 500, 2) if worked else Gain(-0.01, 0.0, 0.01, 500, 2)
    return Tried("here", idea("past"), PARENT, None, chance, expected, worked, gain)


def diagnosed(constraint, *, binds=True):
    room = Room(constraint, (0.0, 0.01, 0.02), binds, "so it is", "do that")
    return Diagnosis("here", "e", "linear", {"judged": 0.2}, {}, "roc_auc", {}, 0.0, rooms=(room,))


def judged(history=(), backlog=None, **how):
    usual = {"loss": 0.2, "target": 0.15, "worthwhile": 0.002, "diagnosis": None, "plan": PLAN, "left": LEFT}
    backlog = open_(*(idea(f"i{n}") for n in range(10))) if backlog is None else backlog
    return judge(history, backlog, **(usual | how))


@pytest.mark.parametrize(
    "how, course, criterion",
    [
        ({}, Course.PERSIST, "improvement"),
        ({"loss": 0.15}, Course.STOP, "goal"),
        ({"loss": 0.14, "left": Left(0, timedelta())}, Course.STOP, "goal"),
        ({"left": Left(0, timedelta(hours=1))}, Course.STOP, "resources"),
        ({"left": Left(3, timedelta(0))}, Course.STOP, "resources"),
        ({"left": Left(3, timedelta(hours=1), 0.0)}, Course.STOP, "resources"),
        ({"left": Left(30, timedelta(hours=1), 5.0)}, Course.PERSIST, "improvement"),
        ({"diagnosis": diagnosed(Constraint.LEAK)}, Course.STOP, "findings"),
        ({"diagnosis": diagnosed(Constraint.CEILING)}, Course.STOP, "findings"),
        ({"diagnosis": diagnosed(Constraint.CEILING), "backlog": open_(idea("it shows", chance=0.9, impact=0.06))}, Course.PERSIST, "improvement"),
        ({"diagnosis": diagnosed(Constraint.CEILING, binds=False)}, Course.PERSIST, "improvement"),
        ({"diagnosis": diagnosed(Constraint.BIAS)}, Course.PERSIST, "improvement"),
        ({"backlog": []}, Course.STOP, "backlog"),
        ({"backlog": open_(idea("poor"), quadrant=Quadrant.AVOID)}, Course.STOP, "backlog"),
        ({"backlog": open_(idea("tiny", impact=0.0001)), "target": None}, Course.STOP, "backlog"),
        ({"backlog": open_(idea("one")), "target": None}, Course.PERSIST, "improvement"),
        ({"target": -0.5}, Course.PERSIST, "improvement"),  # nothing was tried yet, and nobody knows
        ({"target": -0.5, "history": [tried(False)] * 5}, Course.STOP, "gap"),
        ({"backlog": open_(*(idea(f"i{n}", chance=0.2, impact=0.005) for n in range(5))), "history": [tried(False)] * 5}, Course.STOP, "gap"),
        ({"history": [tried(False)] * 20}, Course.STOP, "improvement"),
        ({"history": [tried(False)] * 19}, Course.PIVOT, "improvement"),
        ({"history": [tried(False)] * 9}, Course.PERSIST, "improvement"),
        ({"history": [tried(False)] * 19 + [tried(True)]}, Course.PERSIST, "improvement"),
        ({"history": [tried(True)] + [tried(False)] * 20}, Course.STOP, "improvement"),
    ],
)  # fmt: skip
def test_the_first_criterion_that_decides(how, course, criterion):
    how = dict(how)
    found = judged(how.pop("history", ()), how.pop("backlog", None), **how)
    assert (found.course, found.criterion) == (course, criterion), found.reason
    assert found.reason
    assert found.stops == (course is Course.STOP)


def test_what_has_been_spent_moves_no_verdict():
    """Sunk cost: of two nights with the same remains, the one that spent ten times as much goes on as well."""
    cheap = judged([replace(tried(True), seconds=1.0)])
    dear = judged([replace(tried(True), seconds=100_000.0)])
    assert cheap == dear


def test_ideas_that_mend_one_constraint_share_its_room():
    one = open_(*(idea(f"i{n}", mends=(Constraint.BIAS,)) for n in range(20)))
    other = open_(*(idea(f"i{n}", mends=(list(Constraint)[n % 5],)) for n in range(20)))
    assert promise(one, (), 30)[0] == pytest.approx(2 * 0.02)
    assert promise(other, (), 30)[0] == pytest.approx(20 * 0.4 * 0.02)
    assert promise(other, (), 5)[0] == pytest.approx(5 * 0.4 * 0.02), "no more than there are runs for"


def test_gains_are_foretold_as_they_came():
    backlog = open_(*(idea(f"i{n}") for n in range(3)))
    came = [tried(True, came=0.005)] * 9
    assert promise(backlog, came, 9)[0] == pytest.approx(promise(backlog, (), 9)[0] * (1 + 9 * 0.25) / 10)


def _night(rng, *, gap_of, optimism):
    """A backlog of sixty ideas for forty runs, of which each works as often as its own true chance says, and then gains
    what it does. `gap_of` says the target by all that could be gained; foretold gains are `optimism` times the true ones."""
    gains = rng.exponential(0.01, 60)
    chance = rng.beta(1.2, 3, 60)
    works = rng.random(60) < chance
    told = np.clip(chance + rng.normal(0, 0.1, 60), 0.05, 0.9)
    backlog = [
        idea(
            f"i{n}", chance=float(told[n]), impact=float(optimism * gains[n] * rng.uniform(0.6, 1.4)), kind=KINDS[n % 4]
        )
        for n in range(60)
    ]
    best_first = np.sort((gains * works)[np.argsort(-told * gains)][: PLAN.runs])[::-1]
    target = 0.5 - gap_of(float(best_first.sum()))
    loss, history = 0.5, []
    for run in range(PLAN.runs + 1):
        now = rated(backlog, history, problem="here", parent=PARENT, binding=None)
        left = Left(PLAN.runs - run, timedelta(hours=1))
        verdict = judge(history, now, loss=loss, target=target, worthwhile=0.002, diagnosis=None, plan=PLAN, left=left)
        if verdict.stops:
            return verdict, run
        took = choose(backlog, history, problem="here", parent=PARENT, binding=None, plan=PLAN, run=run, rng=rng)[0]
        at = int(took.idea.name[1:])
        gain = Gain(0.0001, float(gains[at]), 1.0, 500, 2) if works[at] else Gain(-0.01, 0.0, 0.01, 500, 2)
        loss -= gain.estimate
        recipe = took.idea.applied(PARENT)
        history.append(Tried("here", took.idea, recipe, None, took.chance, took.gain, bool(works[at]), gain))
    raise AssertionError("the runs are spent, and nothing said so")


@pytest.mark.parametrize("optimism", [1.0, 2.0])
def test_stopping_is_right_for_four_in_five_targets_that_cannot_be_reached(optimism):
    """Right is before the runs are spent, and not at the goal."""
    ends = [
        _night(np.random.default_rng([7, n]), gap_of=lambda most: 1.6 * most + 0.02, optimism=optimism)
        for n in range(25)
    ]
    right = [verdict.criterion in ("gap", "backlog", "improvement") and run < PLAN.runs for verdict, run in ends]
    assert np.mean(right) >= 0.8
    assert np.mean([run for _, run in ends]) < 0.7 * PLAN.runs


@pytest.mark.parametrize("optimism", [0.5, 1.0, 2.0])
def test_and_for_nine_in_ten_that_can_it_does_not_stop_before_them(optimism):
    ends = [_night(np.random.default_rng([8, n]), gap_of=lambda most: 0.5 * most, optimism=optimism) for n in range(25)]
    assert np.mean([verdict.criterion in ("goal", "resources") for verdict, _ in ends]) >= 0.9


@pytest.mark.parametrize("sure, came, better", [(0.9, True, True), (0.9, False, False), (0.1, False, True)])
def test_foretelling_is_held_against_saying_the_share(sure, came, better):
    mixed = [tried(True, chance=0.9), tried(False, chance=0.1)]
    record = track_record([*mixed, tried(came, chance=sure)])
    assert record.brier == pytest.approx((0.01 + 0.01 + (sure - came) ** 2) / 3)
    assert (record.brier < record.baseline) is better
    assert f"{record.brier:.3f}" in record.says


def test_realised_gain_is_held_against_predicted():
    record = track_record([tried(True, expected=0.02, came=0.01), tried(False)])
    assert (record.predicted, record.realised, record.ratio) == pytest.approx((2 * 0.4 * 0.02, 0.01, 0.5))
    assert track_record([]).tried == 0
    assert np.isnan(track_record([]).brier)
