"""Are unsound plans refused, and does fraud's plan fit the year that its demonstration tells?"""

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import ValidationError

from schemas.framing import BrierLoss, CostLoss, Framing, LogLoss
from schemas.plans import ImprovementPlan, MonitoringPlan, Promotion, Reason, RetrainingPlan, RolloutPlan
from schemas.problem import load_problem
from tasks.stats import alarm_ranks


@pytest.mark.parametrize("shares", [(), (0.0,), (1.0,), (0.25, 0.05), (0.1, 0.1), (-0.1, 0.5), (0.5, 1.5)])
def test_shares_that_do_not_rise_between_0_and_1_are_refused(shares):
    with pytest.raises(ValidationError, match="shares must rise"):
        RolloutPlan(shares=shares)


@pytest.mark.parametrize("shares", [(0.05,), (0.05, 0.25), (0.01, 0.05, 0.25, 0.5)])
def test_shares_that_rise_are_taken(shares):
    assert RolloutPlan(shares=shares).shares == shares


def test_a_plan_without_an_ab_stage_says_why():
    with pytest.raises(ValidationError, match="ab_waiver"):
        RolloutPlan(ab_at_least=None)
    assert RolloutPlan(ab_at_least=None, ab_waiver="too little traffic").ab_at_least is None


@pytest.mark.parametrize(
    "field, value", [("alpha", 0.0), ("alpha", 1.0), ("share_requests", 0), ("error_ratio", 0.0), ("surprise", 1)]
)
def test_a_number_out_of_range_or_a_name_nobody_knows_is_refused(field, value):
    with pytest.raises(ValidationError, match=field):
        RolloutPlan(**{field: value})


def test_a_plan_cannot_be_changed_once_made():
    with pytest.raises(ValidationError, match="frozen"):
        RolloutPlan().alpha = 0.5


@pytest.mark.parametrize(
    "reason, expected",
    [
        (Reason.FIRST_MODEL, Promotion.SUPERIORITY),
        (Reason.SCHEDULE, Promotion.SUPERIORITY),
        (Reason.PERSON, Promotion.SUPERIORITY),
        (Reason.DRIFT, Promotion.NON_INFERIORITY),
        (Reason.DECAY, Promotion.NON_INFERIORITY),
        (Reason.FORCED, Promotion.NON_INFERIORITY),
    ],
)
def test_only_where_newer_is_worth_having_an_equal_model_may_pass(reason, expected):
    assert RetrainingPlan().promotes_by(reason) is expected
    assert RetrainingPlan(promotion={}).promotes_by(reason) is Promotion.SUPERIORITY


def test_the_longest_rollout_counts_every_minimum_and_the_maturity():
    plan = RolloutPlan(
        shadow_at_least=timedelta(days=1),
        shares=(0.1, 0.2),
        share_at_least=timedelta(days=2),
        ab_at_least=timedelta(days=8),
        probation=timedelta(days=16),
    )
    assert plan.longest(maturity=timedelta(days=32)) == timedelta(days=1 + 2 * 2 + 8 + 16 + 32)


def test_three_rollouts_of_frauds_plan_fit_in_its_year():
    problem = load_problem("fraud")
    plan = problem.rollout.model_copy(update={"ab_at_least": None})  # its traffic cannot show the harm: it is skipped
    one = plan.longest(maturity=problem.framing.maturity) + problem.retraining.cooldown
    assert problem.source.history + 3 * one <= timedelta(days=365)


@pytest.mark.parametrize("n_windows", [1, 4, 5, 17, 60])
@pytest.mark.parametrize("repeated, among", [(2, 3), (1, 1), (3, 5)])
def test_the_smallest_rate_that_a_plan_can_ask_for_is_the_one_that_the_statistic_keeps(n_windows, repeated, among):
    plan = MonitoringPlan(repeated=repeated, among=among)
    least = alarm_ranks(n_windows, alpha=1e-9, repeated=repeated, among=among).rate
    assert plan.smallest_rate(n_windows) == pytest.approx(least)


@pytest.mark.parametrize(
    "said",
    [{"repeated": 4, "among": 3}, {"season": timedelta(days=10)}, {"season": timedelta(days=364)}, {"repeated": 0}],
)
def test_a_monitoring_plan_that_could_never_alarm_or_never_know_its_season_is_refused(said):
    with pytest.raises(ValidationError):
        MonitoringPlan(**said)


def test_money_that_can_never_be_spent_is_refused_also_of_a_night_that_says_so_itself():
    with pytest.raises(ValidationError, match="money=5 can never be spent where money_per_hour is 0"):
        ImprovementPlan(money=5)
    with pytest.raises(ValidationError, match="money=5 can never be spent where money_per_hour is 0"):
        ImprovementPlan().model_copy(update={"money": 5.0})
    plan = ImprovementPlan(money_per_hour=2)
    assert plan.model_copy(update={"money": 5.0}) == ImprovementPlan(money_per_hour=2, money=5)
    assert plan.model_copy() == plan


@pytest.mark.parametrize(
    "loss, largest",
    [
        (CostLoss(miss=0.4, false_alarm=0.02), 0.4),
        (CostLoss(miss=0.1, false_alarm=0.3), 0.3),
        (BrierLoss(), 1.0),
        (LogLoss(), 1.0),
    ],
)
def test_a_gain_is_worthwhile_that_a_row_can_have(loss, largest):
    spam = load_problem("spam")
    framing = Framing.model_validate(spam.framing.model_dump() | {"loss": loss})
    assert framing.largest_loss == largest
    replace(spam, framing=framing, improvement=ImprovementPlan(worthwhile=largest))
    too_much = ImprovementPlan(worthwhile=largest + 0.01)
    with pytest.raises(ValueError, match=f"no row of it loses more than {largest:g}, by its {loss.kind} loss"):
        replace(spam, framing=framing, improvement=too_much)
