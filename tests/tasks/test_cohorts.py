"""Are the figures of a cohort those that other libraries find, and sure as far as its days allow?"""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_score, recall_score

from schemas.framing import AbsoluteLoss, CostMatrix
from tasks import cohorts

START, DAY = datetime(2024, 1, 1, tzinfo=UTC), timedelta(days=1)
CHAMPION, RIVAL = "a" * 64, "b" * 64


def labelled(n=700, days=7, seed=1):
    rng = np.random.default_rng(seed)
    at = pd.Timestamp(START) + pd.to_timedelta(np.sort(rng.uniform(0, days, n)), unit="D")
    label = (rng.random(n) < 0.2).astype(float)
    score = 1 / (1 + np.exp(-rng.normal(2 * label - 1, 1.5)))
    decision = (score >= 0.5).astype(float)
    return pd.DataFrame({"event_time": at, "score": score, "decision": decision, "label": label})


@given(st.datetimes(datetime(1975, 1, 1), datetime(2100, 1, 1)), st.floats(0.01, 40))
def test_each_moment_is_in_one_cohort_and_cohorts_tile_time(naive, days):
    moment, span = naive.replace(tzinfo=UTC), timedelta(days=days)
    start, end = cohorts.cohort_of(moment, span)
    assert start <= moment < end
    assert cohorts.cohort_of(end, span)[0] == end
    several = list(cohorts.cohorts(moment, moment + 3 * span, span))
    assert several[0] == (start, end)
    assert all(one[1] == other[0] for one, other in zip(several, several[1:], strict=False))
    assert several[-1][0] < moment + 3 * span <= several[-1][1]


def test_figures_are_those_of_another_library(toy):
    rows = labelled()
    framing = toy.framing.model_copy(update={"metric": "average_precision", "money_per_loss": 150.0})
    found = cohorts.realised(rows, framing, seed=1)
    y, decision = rows["label"], rows["decision"]
    assert found["recall"][1] == pytest.approx(recall_score(y, decision))
    assert found["precision"][1] == pytest.approx(precision_score(y, decision))
    assert found["average_precision"][1] == pytest.approx(average_precision_score(y, rows["score"]))
    assert found["base rate"][1] == pytest.approx(y.mean())
    loss = np.where(y == 1, decision == 0, 0.1 * decision).mean()
    assert found["loss"][1] == pytest.approx(loss)
    assert found["EUR a row"][1] == pytest.approx(150 * loss)
    assert all(low < value < high for low, value, high in found.values())


def test_a_cost_matrix_prices_decisions(toy):
    rows = labelled()
    framing = toy.framing.model_copy(update={"costs": CostMatrix(costs=((0.0, 5.0), (10.0, -2.0)), tolerated=1.0)})
    y, acted = rows["label"], rows["decision"]
    cost = np.where(y == 1, np.where(acted == 1, -2.0, 10.0), 5.0 * acted).mean()
    assert cohorts.realised(rows, framing, seed=1)["EUR a row"][1] == pytest.approx(cost)


def test_a_row_on_which_the_model_raised_is_wholly_wrong_and_not_acted_on(toy):
    rows = labelled(4, seed=3).assign(label=[1.0, 0.0, 1.0, 0.0], decision=[1.0, 0.0, np.nan, np.nan])
    found = cohorts.realised(rows.assign(score=rows["score"].where(rows["decision"].notna())), toy.framing, seed=1)
    assert found["recall"][1] == 0.5
    assert found["precision"][1] == 1.0
    assert found["loss"][1] == 0.5


def test_fewer_than_five_days_give_no_interval(toy):
    found = cohorts.realised(labelled(300, days=4), toy.framing, seed=1)
    assert all(np.isnan(low) and np.isnan(high) and np.isfinite(value) for low, value, high in found.values())


def test_a_figure_that_these_rows_do_not_define_is_no_number(toy):
    found = cohorts.realised(labelled().assign(label=0.0), toy.framing, seed=1)
    assert np.isnan(found["recall"][1])
    assert "roc_auc" not in found


def test_a_regression_has_its_error(toy):
    framing = toy.framing.model_copy(update={"task": "regression", "loss": AbsoluteLoss(bound=10.0), "metric": "mae"})
    rows = labelled().assign(label=np.arange(700) % 7, score=3.0, decision=3.0)
    found = cohorts.realised(rows, framing, seed=1)
    assert found["mae"][1] == pytest.approx(12 / 7)
    assert found["loss"][1] == pytest.approx(1.2 / 7)
    assert "recall" not in found


def test_what_a_model_said_in_shadow_is_its_own_as_well():
    rows = pd.DataFrame(
        {
            "event_time": pd.date_range(START, periods=4, freq="D"),
            "champion": [CHAMPION, CHAMPION, RIVAL, CHAMPION],
            "rival": [RIVAL, RIVAL, CHAMPION, None],
            "champion_score": [0.1, 0.2, 0.3, 0.4],
            "champion_decision": [0.0] * 4,
            "rival_score": [0.9, np.nan, 0.7, np.nan],
            "rival_decision": [1.0, np.nan, 1.0, np.nan],
            "rival_error": [None, None, None, None],
            "label": [0.0, 1.0, 0.0, 1.0],
        }
    )
    assert cohorts.said_by(rows, RIVAL)["score"].tolist() == [0.9, 0.3]  # of the second it was not asked
    assert cohorts.said_by(rows, CHAMPION)["score"].tolist() == [0.1, 0.2, 0.7, 0.4]
    assert cohorts.said_by(rows, "c" * 64).empty
