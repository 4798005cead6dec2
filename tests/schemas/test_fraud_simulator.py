"""Do the simulated payments keep their promises: seeded, point in time, late labels, planted drift?"""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from schemas.problems._fraud_simulator import (
    CONCEPT_DAY,
    COVARIATE_DAY,
    START,
    VIRTUAL_CARD_DAY,
    payments,
    rule,
)

SEED = 7


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return payments(seed=SEED, days=VIRTUAL_CARD_DAY + 20, per_day=500)


def _day(frame: pd.DataFrame) -> pd.Series:
    return (frame["paid_at"] - pd.Timestamp(START)) // timedelta(days=1)


def _card_tests(frame: pd.DataFrame) -> pd.Series:
    return (frame["channel"] == "online") & (frame["hour"] < 6) & (frame["amount"] < 12)


def test_the_same_seed_gives_the_same_frame():
    first, second = (payments(seed=SEED, days=20, per_day=300) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_another_seed_gives_other_payments():
    first, second = (payments(seed=seed, days=5, per_day=300) for seed in (1, 2))
    assert first["amount"].sum() != second["amount"].sum()


def test_fewer_days_are_the_beginning_of_more_days():
    short, long = (payments(seed=SEED, days=days, per_day=300) for days in (20, 40))
    pd.testing.assert_frame_equal(short, long.head(len(short)))


def test_payments_are_numbered_in_order_of_time(frame):
    assert frame["paid_at"].is_monotonic_increasing
    assert frame["payment_id"].is_unique
    assert frame["payment_id"].is_monotonic_increasing
    assert isinstance(frame.index, pd.RangeIndex)
    assert frame["paid_at"].min() >= pd.Timestamp(START)
    assert (_day(frame).nunique(), _day(frame).max()) == (VIRTUAL_CARD_DAY + 20, VIRTUAL_CARD_DAY + 19)


def test_types_are_those_of_the_contract(frame):
    integers = ["payment_id", "customer_id", "terminal_id", "hour", "weekday", "fraud"]
    integers += [name for name in frame if name.endswith(("_24h", "_28d"))]
    assert {str(frame[name].dtype) for name in integers} == {"int64"}
    floats = ["amount", "amount_ratio", "review_score"]
    assert {str(frame[name].dtype) for name in floats} == {"float64"}
    assert {str(frame[name].dtype) for name in ("channel", "card_type")} == {"str"}
    times = {str(frame[name].dtype) for name in ("paid_at", "fraud_known_at")}
    assert times == {"datetime64[us, UTC]"}
    assert not frame.isna().any(axis=None)
    assert frame["amount"].min() > 0


def test_hour_and_weekday_are_those_of_the_payment(frame):
    assert (frame["hour"] == frame["paid_at"].dt.hour).all()
    assert (frame["weekday"] == frame["paid_at"].dt.weekday).all()


@pytest.mark.parametrize("owner", ["terminal", "customer"])
def test_a_fraud_counts_only_once_its_label_has_arrived(frame, owner):
    # Days from 28 on look back into the frame only, not into the dropped burn-in.
    later = frame[_day(frame) >= 28]
    counted = later[later[f"{owner}_frauds_known_28d"] > 0].sample(150, random_state=1)
    frauds = frame[frame["fraud"] == 1]
    for row in pd.concat([counted, later.sample(150, random_state=2)]).itertuples():
        own = frauds[frauds[f"{owner}_id"] == getattr(row, f"{owner}_id")]
        recent = own["paid_at"] >= row.paid_at - timedelta(days=28)
        expected = (recent & (own["fraud_known_at"] <= row.paid_at)).sum()
        assert getattr(row, f"{owner}_frauds_known_28d") == expected


def test_what_looks_back_at_a_customer_sees_earlier_payments_only(frame):
    for row in frame[_day(frame) >= 56].sample(150, random_state=3).itertuples():
        own = frame[(frame["customer_id"] == row.customer_id) & (frame["paid_at"] < row.paid_at)]
        within_a_day = own["paid_at"] >= row.paid_at - timedelta(days=1)
        recent = own.loc[own["paid_at"] >= row.paid_at - timedelta(days=56), "amount"]
        expected = row.amount / recent.mean() if len(recent) else 1.0
        assert row.customer_payments_24h == within_a_day.sum()
        assert row.amount_ratio == pytest.approx(expected)


def test_labels_of_frauds_arrive_later_than_those_of_honest_payments(frame):
    delay = (frame["fraud_known_at"] - frame["paid_at"]) / timedelta(days=1)
    fraud = frame["fraud"] == 1
    assert delay.min() >= 0
    assert delay[~fraud].max() <= 3
    assert delay[fraud].median() == pytest.approx(5, abs=0.4)
    assert delay[fraud].max() <= 14


def test_the_review_score_gives_the_label_away(frame):
    mean = frame.groupby("fraud")["review_score"].mean()
    assert mean.to_list() == pytest.approx([2, 8], abs=0.2)


def test_no_virtual_card_is_used_before_its_day(frame):
    virtual = frame["card_type"] == "virtual"
    new = _day(frame) >= VIRTUAL_CARD_DAY
    assert not virtual[~new].any()
    assert virtual[new].mean() == pytest.approx(0.03, abs=0.008)


@pytest.mark.parametrize("since, until", [(0, CONCEPT_DAY), (CONCEPT_DAY, COVARIATE_DAY), (COVARIATE_DAY, 365)])
def test_about_one_payment_in_a_hundred_is_fraud(frame, since, until):
    rate = frame.loc[_day(frame).between(since, until - 1), "fraud"].mean()
    assert 0.007 < rate < 0.014


def test_card_testing_starts_on_the_concept_day_among_as_many_payments_as_before(frame):
    tests, day = _card_tests(frame), _day(frame)
    before, after = day < CONCEPT_DAY, day.between(CONCEPT_DAY, COVARIATE_DAY - 1)
    assert frame.loc[tests & before, "fraud"].mean() < 0.02
    assert frame.loc[tests & after, "fraud"].mean() > 0.2
    assert tests[after].mean() == pytest.approx(tests[before].mean(), rel=0.2)


def test_shop_payments_grow_dearer_and_rarer_on_the_covariate_day(frame):
    day, pos = _day(frame), frame["channel"] == "pos"
    # Whole waves before and after, so that the season cancels.
    before, after = day.between(126, 237), day.between(COVARIATE_DAY, 349)
    dearer = frame.loc[pos & after, "amount"].median() / frame.loc[pos & before, "amount"].median()
    assert dearer == pytest.approx(1.35, abs=0.06)
    assert pos[before].mean() == pytest.approx(0.65, abs=0.01)
    assert pos[after].mean() == pytest.approx(0.50, abs=0.01)


def test_the_rule_costs_less_than_never_reviewing(frame):
    old = frame[_day(frame) < CONCEPT_DAY]
    score, fraud = rule(old), old["fraud"].to_numpy()
    assert score.shape == (len(old),)
    assert 0 <= score.min() <= score.max() <= 1
    loss = np.where(fraud == 1, 1.0 * (score < 0.5), 0.02 * (score >= 0.5)).mean()
    assert loss < 0.9 * fraud.mean()


@pytest.mark.parametrize("days", [0, 901])
def test_days_out_of_range_are_refused_by_name(days):
    with pytest.raises(ValueError, match=f"days={days}"):
        payments(seed=SEED, days=days)
