"""Are the drawn rows a random sample, with the probability that is said, and the same whoever draws?"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from schemas.framing import AbsoluteLoss
from schemas.plans import ServingPlan
from schemas.rows import Model, State
from schemas.stage import Stage
from tasks import predictions
from tasks.exploration import draw, label_chance, with_exploration
from tasks.routing import in_challenger_arm
from tasks.scoring import Answers, Outputs
from tests.flows.made import HIGH, PROBLEM

N = 4_000
KEYS = [f"k{n}" for n in range(N)]


def plan(problem=HIGH, *, seen=None, **said):
    framing = problem.framing.model_copy(update={"labelled_when": seen})
    return replace(problem, framing=framing, serving=ServingPlan(**said))


def drawn(problem, decision, score=None, *, keys=None, may=None):
    decision = np.asarray(decision, dtype=float)
    score = np.full(decision.shape, 0.5) if score is None else np.asarray(score, dtype=float)
    may = np.ones(decision.size, dtype=bool) if may is None else may
    return draw(problem, KEYS[: decision.size] if keys is None else keys, score, decision, may=may)


def test_a_refused_one_is_accepted_and_an_accepted_one_never_refused():
    decision = np.arange(N) % 2
    found = drawn(plan(seen=0, explore=0.1), decision)
    assert set(found.decision[decision == 0]) == {0.0}
    accepted = found.explored & (decision == 1)
    assert (found.decision[accepted] == 0).all()
    assert (found.decision[~found.explored] == decision[~found.explored]).all()
    assert set(found.propensity[accepted]) == {0.1}
    assert set(found.propensity[~found.explored & (decision == 1)]) == {0.9}
    assert set(found.propensity[decision == 0]) == {1.0}


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_as_many_are_drawn_as_the_plan_says(share):
    found = drawn(plan(seen=0, explore=share), np.ones(N))
    assert binomtest(int(found.explored.sum()), N, share).pvalue > 0.001


def test_who_is_drawn_has_nothing_to_do_with_the_arm():
    explored = drawn(plan(seen=0, explore=0.3), np.ones(N)).explored
    for rollout in (1, 2):
        arm = in_challenger_arm(KEYS, key=f"{HIGH.name}/{rollout}", share=0.3)
        both = int((explored & arm).sum())
        assert binomtest(both, int(arm.sum()), 0.3).pvalue > 0.001


@pytest.mark.parametrize(
    "task, decisions, to",
    [
        (HIGH, [0.0, 1.0], None),
        (HIGH, [0.0, 1.0], 0),
        (PROBLEM, [0.0, 1.0, 2.0], None),
        (PROBLEM, [0.0, 1.0, 2.0], "mid"),
    ],
)
def test_the_propensity_is_how_often_that_decision_goes_out(task, decisions, to):
    """Against brute force: 4,000 rows of one decision, and the share of each that went out."""
    problem = plan(task, explore=0.3, explore_to=to)
    for own in decisions:
        found = drawn(problem, np.full(N, own))
        for out in set(found.decision):
            said = set(found.propensity[found.decision == out].round(12))
            assert len(said) == 1, "what is said of a decision does not depend on how the draw fell"
            share = said.pop()
            assert binomtest(int((found.decision == out).sum()), N, share).pvalue > 0.0005, (own, out, share)


@given(share=st.floats(0.001, 0.5), decisions=st.lists(st.sampled_from([0.0, 1.0, np.nan]), min_size=1, max_size=30))
def test_every_row_says_a_probability_and_none_without_a_decision_is_drawn(share, decisions):
    found = drawn(plan(seen=1, explore=share), decisions)
    assert ((found.propensity > 0) & (found.propensity <= 1)).all()
    undecided = np.isnan(np.array(decisions))
    assert not found.explored[undecided].any()
    assert (found.propensity[undecided] == 1).all()
    assert np.isnan(found.decision[undecided]).all()


def test_a_larger_share_keeps_those_who_were_drawn_at_a_smaller():
    few, many = (drawn(plan(seen=0, explore=share), np.ones(N)).explored for share in (0.05, 0.2))
    assert (many | ~few).all()


def test_only_rows_with_a_score_in_the_range_are_overruled_and_the_sample_keeps_the_others():
    score = np.linspace(0, 1, N)
    decision = (score >= 0.3).astype(float)
    found = drawn(plan(seen=0, explore=0.5, explore_scores=(0.3, 0.6)), decision, score)
    assert not found.explored[score > 0.6].any()
    assert (found.propensity[score > 0.6] == 1).all()
    assert found.explored[decision == 0].mean() == pytest.approx(0.5, abs=0.05), "a draw there changes nothing"
    chance = label_chance(found.decision, found.propensity, seen=0.0)
    assert set(chance[score > 0.6]) == {0.0}
    assert set(chance[(score >= 0.3) & (score <= 0.6)]) == {0.5}


def test_what_may_not_be_drawn_is_not():
    may = np.arange(N) % 2 == 0
    found = drawn(plan(seen=0, explore=0.5), np.ones(N), may=may)
    assert not found.explored[~may].any()
    assert (found.propensity[~may] == 1).all()


def test_an_entitys_rows_are_drawn_together_where_the_plan_says_so(toy, toy_rows):
    frame = toy_rows(400)
    n = len(frame)
    said = Outputs(np.full(n, 0.9), np.ones(n), np.full(n, None, dtype=object))
    answers = Answers(said, None, np.zeros(n, dtype=bool), 0.0, said.score, said.decision)
    whole = with_exploration(plan(toy, seen=0, explore=0.3, explore_by="entity"), frame, answers)
    assert frame.assign(e=whole.explored).groupby("customer")["e"].nunique().max() == 1
    rows = with_exploration(plan(toy, seen=0, explore=0.3), frame, answers)
    assert frame.assign(e=rows.explored).groupby("customer")["e"].nunique().max() == 2
    assert (answers.decision == 1).all(), "what the model said stays as it was"
    assert (said.decision == 1).all()
    assert with_exploration(toy, frame, answers) is answers


def test_the_log_keeps_what_was_drawn_and_how_likely_it_was(log_home, toy, toy_rows):
    mine = replace(plan(toy, seen=0, explore=0.4), name=f"drawn {log_home}")
    frame = toy_rows(200)
    n = len(frame)
    said = Outputs(np.full(n, 0.9), np.ones(n), np.full(n, None, dtype=object))
    answers = Answers(said, None, np.zeros(n, dtype=bool), 0.0, said.score, said.decision)
    whole = with_exploration(mine, frame, answers)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    state = State(mine.name, stage=Stage.HEALTHY, champion=Model("a" * 64, "1", "boosting"))
    predictions.log(mine, state, frame, whole)
    found = predictions.cohort(mine, since=start, now=start + timedelta(days=99))
    assert found["explored"].dtype == bool
    assert found["explored"].tolist() == whole.explored.tolist()
    assert found["propensity"].tolist() == whole.propensity.tolist()
    assert found["answer_decision"].tolist() == whole.decision.tolist()
    assert (found["champion_decision"] == 1).all()
    decided = predictions.decided(mine, since=start, until=start + timedelta(days=99))
    assert decided.loc[found["key"], "explored"].tolist() == whole.explored.tolist()


def test_a_plan_that_explores_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="whose label nobody sees"):
        plan(seen=0, explore=0.1, explore_to=1)
    with pytest.raises(ValueError, match="no decision of a binary problem"):
        plan(explore=0.1, explore_to="high")
    with pytest.raises(ValueError, match="only decisions can be explored"):
        framing = HIGH.framing.model_copy(update={"task": "regression", "loss": AbsoluteLoss(bound=1.0), "costs": None})
        replace(HIGH, framing=framing, serving=ServingPlan(explore=0.1))
    with pytest.raises(ValueError, match="range of the one score"):
        plan(PROBLEM, explore=0.1, explore_scores=(0.0, 0.5))
    with pytest.raises(ValueError, match="a range within"):
        ServingPlan(explore_scores=(0.5, 0.2))
    with pytest.raises(ValueError, match="no decision of a binary problem"):
        type(HIGH.framing).model_validate(HIGH.framing.model_dump() | {"labelled_when": "yes"})


def test_a_framing_that_says_nothing_of_labels_has_the_rules_it_had():
    said = HIGH.framing.model_dump_json(exclude={"labelled_when"})
    assert "labelled_when" not in said
    assert plan(seen=0).rules() != HIGH.rules() == plan(seen=None).rules()


def test_batches_are_drawn_as_single_rows_are():
    problem = plan(seen=0, explore=0.2)
    whole = drawn(problem, np.ones(50))
    one_by_one = [drawn(problem, [1.0], keys=[key]).explored[0] for key in KEYS[:50]]
    assert whole.explored.tolist() == one_by_one
    assert pd.Series(one_by_one).any()
