"""Is the idea chosen that promises most, as often as the plan says, and never one that people or reason forbid?"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.course import Course
from schemas.diagnosis import Constraint
from schemas.idea import Choice, Idea, Kind, Purpose, Quadrant, Tried
from schemas.plans.improvement import ImprovementPlan
from schemas.recipe import Recipe
from schemas.wishes import Wish, Wishes
from tasks.chances import ELSEWHERE, STRENGTH, chance_of
from tasks.strategy import choose, explored_share, is_moonshot_turn, quadrant_of, rated

PARENT = Recipe(features=("a", "b"), family="linear")
STEADY = ImprovementPlan(explore=(0.0,), moonshots=0.0)


def idea(name, *, chance=0.5, impact=0.01, cost=1.0, kind=Kind.CAPACITY, change=None, mends=()):
    return Idea(
        name, kind, name, change or {"parameters": {"C": float(len(name)), "tag": name}}, mends, chance, impact, cost
    )


def tried(one, *, worked, problem="here", binding=None):
    return Tried(problem, one, one.applied(PARENT), binding, one.chance, one.impact, worked)


def chosen(backlog, history=(), *, plan=STEADY, run=0, seed=0, **how):
    rng = np.random.default_rng(seed)
    return choose(backlog, history, problem="here", parent=PARENT, binding=None, plan=plan, run=run, rng=rng, **how)


def names(choices):
    return [one.idea.name for one in choices]


@pytest.mark.parametrize(
    "better",
    [
        {"chance": 0.6},
        {"impact": 0.012},
        {"cost": 0.8},
    ],
)
def test_what_is_likelier_larger_or_cheaper_comes_first(better):
    assert names(chosen([idea("usual"), idea("better", **better)])) == ["better"]


@pytest.mark.parametrize(
    "chance, gain, expected",
    [
        (0.5, 0.010, Quadrant.QUICK_WIN),
        (0.5, 0.001, Quadrant.INCREMENTAL),
        (0.1, 0.010, Quadrant.MOONSHOT),
        (0.1, 0.001, Quadrant.AVOID),
        (0.2, 0.0025, Quadrant.QUICK_WIN),
        (0.5, 0.0, Quadrant.INCREMENTAL),
    ],
)
def test_chance_and_gain_make_four_quadrants(chance, gain, expected):
    assert quadrant_of(chance, gain, largest=0.010) is expected


def test_what_is_to_be_avoided_is_recorded_and_costs_nothing():
    poor = idea("poor", chance=0.05, impact=0.0001)
    backlog = [idea("good"), poor]
    assert {one.idea.name: one.quadrant for one in _rated(backlog)}["poor"] is Quadrant.AVOID
    assert names(chosen(backlog, n=5)) == ["good"]


def _rated(backlog):
    return rated(backlog, (), problem="here", parent=PARENT, binding=None)


def test_history_moves_a_kinds_chance_here_more_than_elsewhere():
    one, other = idea("next"), idea("past")
    here = chance_of(one, [tried(other, worked=True)], problem="here", binding=None)
    there = chance_of(one, [tried(other, worked=True, problem="there")], problem="here", binding=None)
    assert here.mean == pytest.approx((0.5 * STRENGTH + 1) / (STRENGTH + 1))
    assert there.mean == pytest.approx((0.5 * STRENGTH + ELSEWHERE) / (STRENGTH + ELSEWHERE))


@pytest.mark.parametrize(
    "other",
    [
        {"binding": Constraint.BIAS},
        {"problem": "there", "binding": Constraint.BIAS},
    ],
)
def test_what_came_under_another_constraint_says_nothing(other):
    chance = chance_of(idea("next"), [tried(idea("past"), worked=True, **other)], problem="here", binding=None)
    assert chance.mean == pytest.approx(0.5)


def test_what_has_failed_on_another_parent_is_worth_less_than_its_kind():
    failed = replace(tried(idea("same"), worked=False), recipe=PARENT.model_copy(update={"features": ("a",)}))
    chance = {name: chance_of(idea(name), [failed], problem="here", binding=None).mean for name in ("same", "other")}
    assert chance["same"] == pytest.approx(chance["other"] / 2)


def test_the_better_arm_is_chosen_more_often_and_in_the_end_nearly_always():
    """Thompson sampling over two kinds that gain three times and once in ten: so many runs with it, and the last hundred."""
    rng, history, taken = np.random.default_rng(5), [], []
    plan = ImprovementPlan(explore=(1.0,), moonshots=0.0, runs=200)
    truth = {Kind.CAPACITY: 0.6, Kind.FEATURES: 0.25}
    for run in range(200):
        arms = [idea(f"{kind} {run}", kind=kind, chance=0.4) for kind in truth]
        one = choose(arms, history, problem="here", parent=PARENT, binding=None, plan=plan, run=run, rng=rng)[0].idea
        taken.append(one.kind)
        history.append(tried(one, worked=bool(rng.random() < truth[one.kind])))
    assert taken.count(Kind.CAPACITY) > 130
    assert taken[-100:].count(Kind.CAPACITY) > 85
    assert taken.count(Kind.FEATURES) >= 3, "what looks worse is looked at as well"


@pytest.mark.parametrize("run, share", [(0, 0.8), (9, 0.8), (10, 0.5), (25, 0.2), (30, 0.05), (90, 0.05)])
def test_phases_are_equal_parts_of_the_runs_and_some_curiosity_stays(run, share):
    assert explored_share(ImprovementPlan(runs=40), run) == share


def test_to_pivot_is_to_explore_as_at_the_start():
    assert explored_share(ImprovementPlan(runs=40), 39, Course.PIVOT) == 0.8


def test_so_many_choices_explore_as_the_phase_says():
    backlog, plan = [idea("one"), idea("two")], ImprovementPlan(runs=40)
    purposes = [chosen(backlog, plan=plan, run=12, seed=seed)[0].purpose for seed in range(600)]
    share = purposes.count(Purpose.EXPLORE) / 600
    assert share == pytest.approx(0.5, abs=3 * np.sqrt(0.25 / 600))


@pytest.mark.parametrize("share, turns", [(0.2, [4, 9, 14, 19]), (0.5, [1, 3, 5, 7, 9, 11, 13, 15, 17, 19]), (0.0, [])])
def test_moonshots_have_their_share_of_the_runs(share, turns):
    plan = ImprovementPlan(moonshots=share)
    assert [run for run in range(20) if is_moonshot_turn(plan, run)] == turns


def test_a_moonshot_waits_for_its_turn_and_then_goes_before_a_quick_win():
    backlog = [idea("sure", impact=0.02), idea("moon", chance=0.1, impact=0.02)]
    plan = ImprovementPlan(explore=(0.0,), moonshots=0.2)
    took = [chosen(backlog, plan=plan, run=run)[0] for run in range(5)]
    assert names(took) == ["sure"] * 4 + ["moon"]
    assert took[-1].purpose is Purpose.MOONSHOT


def test_several_at_once_are_of_different_kinds():
    backlog = [idea("one"), idea("two"), idea("three", kind=Kind.FEATURES, chance=0.3)]
    assert names(chosen(backlog, n=2)) == ["two", "three"] or names(chosen(backlog, n=2)) == ["one", "three"]
    assert len(chosen(backlog, n=3)) == 3


def test_people_add_veto_and_go_first():
    own = Wish(name="mine", change={"family": "boosting"}, kind=Kind.FAMILY, chance=0.01, by="ada")
    wishes = Wishes(added=(own,), veto=("one",), first=("mine", "two"))
    got = chosen([idea("one", impact=0.1), idea("two"), idea("three")], wishes=wishes, n=9)
    assert names(got) == ["mine", "two", "three"]
    assert [one.purpose for one in got[:2]] == [Purpose.ASKED, Purpose.ASKED]
    assert got[0].idea.by == "ada"
    assert got[0].gain == 0.1, "as much as the best of the rest, where nobody said"


def test_a_search_comes_again_only_on_another_parent_or_space():
    search = Idea("search C", Kind.TUNE, "", {}, (), 0.5, 0.01, 30.0, search={"space": "C"})
    done = replace(tried(search, worked=False), recipe=PARENT.model_copy(update={"parameters": {"C": 3.0}}))
    assert names(_asked([search])) == ["search C"]
    assert names(_asked([search], [done])) == []
    assert names(_asked([replace(search, search={"space": "wider"})], [done])) == ["search C"]


def _asked(backlog, history=()):
    return chosen(backlog, history, n=9)


def test_a_reason_names_the_idea_its_numbers_and_its_history():
    one = idea("3 trees", mends=(Constraint.BIAS,))
    past = [tried(idea("2 trees"), worked=True, binding=Constraint.BIAS)]
    rng = np.random.default_rng(0)
    why = choose([one], past, problem="here", parent=PARENT, binding=Constraint.BIAS, plan=STEADY, run=0, rng=rng)[
        0
    ].why
    for said in ("3 trees", "0.0100", "53%", "bias binds", "1 of 1"):
        assert said in why


CHANGES = st.sampled_from(
    [
        {"family": "boosting"},
        {"family": "no such family"},
        {"features": ["a", "b", "c"]},
        {"features": ["b"]},
        {"window": "P7D"},
        {"encodings": {"missing": "target"}},
        {"parameters": {"C": 0.1}},
        {},
    ]
)
IDEAS = st.lists(
    st.builds(
        idea,
        st.text("abcdef", min_size=1, max_size=3),
        chance=st.floats(0.01, 0.95),
        impact=st.floats(0, 0.1),
        cost=st.floats(0.1, 40),
        kind=st.sampled_from(list(Kind)),
        change=CHANGES,
    ),
    max_size=8,
    unique_by=lambda one: one.name,
)


@settings(max_examples=150)
@given(IDEAS, st.integers(0, 60), st.integers(0, 9), st.sets(st.text("abcdef", min_size=1, max_size=3)), st.data())
def test_whatever_the_backlog_choices_are_allowed_new_and_the_same_again(backlog, run, seed, veto, data):
    done = data.draw(st.lists(st.sampled_from(backlog), max_size=4)) if backlog else []
    history = [tried(one, worked=False) for one in done if _fits(one)]
    wishes = Wishes(veto=tuple(veto))
    got, again = (
        chosen(backlog, history, plan=ImprovementPlan(), run=run, seed=seed, wishes=wishes, n=4) for _ in range(2)
    )
    assert got == again
    recipes = [one.idea.applied(PARENT) for one in got]
    before = {one.recipe.model_dump_json() for one in history} | {PARENT.model_dump_json()}
    assert not before & {recipe.model_dump_json() for recipe in recipes}
    assert len({recipe.model_dump_json() for recipe in recipes}) == len(recipes), (
        "nothing runs twice, under two names neither"
    )
    assert not veto & set(names(got))
    assert all(one.quadrant is not Quadrant.AVOID and one.idea.change for one in got)
    assert [Choice.from_json(one.to_json()) for one in got] == got


def _fits(one):
    try:
        return bool(one.applied(PARENT))
    except ValueError:
        return False


def test_what_was_tried_survives_writing_down():
    from schemas.experiment import Gain

    one = replace(
        tried(idea("one", mends=(Constraint.BIAS,)), worked=True, binding=Constraint.BIAS),
        gain=Gain(0.1, 0.2, 0.3, 9, 2),
    )
    assert Tried.from_json(one.to_json()) == one
    assert Tried.from_json(tried(idea("two"), worked=False).to_json()) == tried(idea("two"), worked=False)
