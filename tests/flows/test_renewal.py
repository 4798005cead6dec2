"""Is a retrain called for by labels that came, by an age that is known to cost, and by nothing else?"""

from dataclasses import replace
from datetime import timedelta

import pytest

from flows import renewal
from flows.monitoring import _RENEWAL
from flows.renewal import ageing, labels_came, scheduled, stale
from flows.turn import Turn
from flows.worth import Worth, trust
from schemas.plans import Promotion, Reason, RetrainingPlan
from schemas.rows import Model, State
from schemas.stage import Stage
from schemas.verdict import Interval, Outcome
from tasks import windows
from tests.flows import made
from tests.flows.made import DAY, HIGH, START

TRAINED = START + 20 * DAY
NOW = START + 40 * DAY


@pytest.fixture
def asked(home, tmp_path):
    """A turn of a problem whose plan says this; its champion is trained on twenty of forty days."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def of(**plan) -> Turn:
            problem = replace(HIGH, retraining=HIGH.retraining.model_copy(update=plan))
            windows.materialise(problem, made.readings(days=45))
            stack.enter_context(made.added(problem, tmp_path))
            champion = Model("0" * 64, "2", "boosting", trained_from=START, trained_until=TRAINED)
            state = State("high", stage=Stage.HEALTHY, champion=champion, since=TRAINED, tried=TRAINED + DAY)
            return Turn("high", state, NOW)

        yield of


@pytest.mark.parametrize(
    "plan, speaks",
    [
        ({}, False),
        ({"new_labels": 19 * 120}, True),
        ({"new_labels": 19 * 120 + 1}, False),
        ({"new_labels_share": 0.94}, True),
        ({"new_labels_share": 0.96}, False),
        ({"new_labels": 10**6, "new_labels_share": 0.5}, True),
    ],
)
def test_labels_that_matured_since_the_champion_are_counted(asked, plan, speaks):
    """Nineteen days of 120 rows have matured since: one is still under way. Before came twenty."""
    found = labels_came(asked(**plan))
    assert (found is not None) == speaks
    if found:
        assert found.outcome is Outcome.FAIL
        assert found.evidence["labels"] == 19 * 120


def _worths(*pairs: tuple[float, float]) -> list[Worth]:
    return [Worth("2024", i, True, gain, Interval(gain, gain, gain), 100, days) for i, (days, gain) in enumerate(pairs)]


@pytest.mark.parametrize(
    "plan, pairs, speaks",
    [
        ({"stale_after": 3}, [(10, 0.020), (20, 0.041), (30, 0.059)], True),  # .002 a day: .02 after 10 of the 20 days
        ({"stale_after": 3}, [(10, 0.002), (20, 0.004), (30, 0.006)], False),  # .02 after 100 days
        ({"stale_after": 3}, [(10, 0.2), (20, -0.3), (30, 0.1)], False),  # nothing is shown
        ({"stale_after": 4}, [(10, 0.020), (20, 0.041), (30, 0.059)], False),  # too few rollouts
        ({}, [(10, 0.020), (20, 0.041), (30, 0.059)], False),  # not asked
    ],
)
def test_age_alone_calls_once_past_rollouts_show_what_it_costs(asked, monkeypatch, plan, pairs, speaks):
    turn = asked(**plan)
    monkeypatch.setattr(renewal, "worths", lambda _: _worths(*pairs))
    found = stale(turn)
    assert (found is not None) == speaks
    if found:
        assert found.outcome is Outcome.FAIL
        assert "renewing pays after 10 days" in found.reason
        assert ageing(turn).rollouts == 3


@pytest.mark.parametrize("days, speaks", [(19, True), (20, False), (None, False)])
def test_the_schedule_counts_from_the_last_try(asked, days, speaks):
    found = scheduled(asked(every=days and timedelta(days=days)))
    assert (found is not None) == speaks


def test_an_aged_model_is_replaced_by_one_no_worse_and_labels_alone_need_a_better_one():
    assert list(_RENEWAL) == [Reason.STALENESS, Reason.LABELS, Reason.SCHEDULE]
    plan = RetrainingPlan()
    assert plan.promotes_by(Reason.STALENESS) is Promotion.NON_INFERIORITY
    assert plan.promotes_by(Reason.LABELS) is Promotion.SUPERIORITY


def test_what_offline_figures_are_worth_is_said_with_its_n():
    known = [
        Worth("2024", i, True, promised, Interval(came - 1, came, came + 1), 100, None)
        for i, (promised, came) in enumerate([(0.1, 0.05), (0.2, 0.1), (0.3, -0.1), (None, 0.4)])
    ]
    assert trust(known).startswith("the sign came as promised in 2 of 3 rollouts, rank correlation -0.50 (n = 3)")
    assert "too few" in trust(known[:2])
