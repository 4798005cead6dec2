"""Is what is said of all rows true of them, where only some have a label? Laws, an independent number, and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from tasks.stats import (
    corrected_mean,
    corrected_precision,
    corrected_recall,
    effective_size,
    hajek,
    horvitz_thompson,
    label_weights,
    selection_gap,
)

LABELS = st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=60)


def _world(n, explore, *, seed, seen=0, threshold=0.3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    score = 1 / (1 + np.exp(2 - 1.2 * x))
    label = (rng.random(n) < score).astype(float)
    decision = (score >= threshold).astype(float)
    labelled = (decision == seen) | (rng.random(n) < explore)
    return label, decision, labelled, np.where(decision == seen, 1.0, explore)


@given(LABELS)
def test_where_every_row_is_labelled_nothing_is_corrected(labels):
    y, everywhere = np.array(labels), np.ones(len(labels))
    found = corrected_mean(y, everywhere, everywhere)
    assert found.estimate == pytest.approx(y.mean())
    assert found.low <= found.estimate <= found.high
    assert (found.labelled, found.unsupported) == (len(labels), 0)
    assert found.effective == pytest.approx(len(labels))
    low, gap, high = selection_gap(y, everywhere, everywhere)
    assert (low, gap, high) == pytest.approx((0, 0, 0), abs=1e-9)
    for estimate in (hajek, horvitz_thompson):
        assert estimate(y, everywhere, everywhere)[1] == pytest.approx(y.mean())


@given(LABELS, st.integers(0, 2**31))
def test_the_order_of_rows_says_nothing(labels, seed):
    n, rng = len(labels), np.random.default_rng(seed)
    y, p = np.array(labels), rng.choice([1.0, 0.2], size=n)
    r = (p == 1) | (rng.random(n) < 0.5)
    turned = rng.permutation(n)
    one, other = corrected_mean(y, r, p), corrected_mean(y[turned], r[turned], p[turned])
    assert (one.low, one.high) == pytest.approx((other.low, other.high))


@given(LABELS, st.floats(-3, 3), st.floats(0.1, 5))
def test_another_unit_gives_the_same_estimate_in_that_unit(labels, shift, scale):
    y = np.array(labels)
    r, p = np.arange(y.size) % 2 == 0, np.full(y.size, 0.5)
    one = corrected_mean(y, r, p)
    other = corrected_mean(shift + scale * y, r, p, bounds=(shift, shift + scale))
    assert (other.low, other.estimate, other.high) == pytest.approx(
        tuple(shift + scale * end for end in (one.low, one.estimate, one.high)), abs=1e-9
    )


def test_one_stratum_has_jeffreys_interval_of_its_labelled_rows():
    y = np.r_[np.ones(7), np.zeros(13), np.full(180, 5.0)]  # what is not labelled is not read
    r = np.arange(200) < 20
    found = corrected_mean(y, r, np.full(200, 0.1))
    low, high = beta.ppf([0.025, 0.975], 7.5, 13.5)
    assert found.estimate == pytest.approx(0.35)
    assert 0 < low - found.low < 0.03, "wider by what twenty rows do not say of their own variance"
    assert 0 < found.high - high < 0.03
    assert found.effective == pytest.approx(20)


def test_the_estimate_is_that_of_inverse_probability_within_strata():
    y, d, r, p = _world(20_000, 0.1, seed=3)
    seen = r & (p < 1)
    by_hand = y[d == 0].sum() / y.size + (d == 1).mean() * y[seen].mean()
    assert corrected_mean(y, r, p, decision=d).estimate == pytest.approx(by_hand)
    assert hajek(y, r, p)[1] == pytest.approx(by_hand, abs=0.01)
    assert horvitz_thompson(y, r, p)[1] == pytest.approx((y[r] / p[r]).sum() / y.size)


def test_labelled_rows_taken_for_all_are_wrong_and_the_gap_says_by_how_much():
    y, d, r, p = _world(50_000, 0.1, seed=4)
    low, gap, high = selection_gap(y, r, p, decision=d)
    assert y[r].mean() - y.mean() < -0.03
    assert low < y[r].mean() - y.mean() < high
    assert gap == pytest.approx(y[r].mean() - corrected_mean(y, r, p, decision=d).estimate)


def test_of_rows_without_a_chance_anything_may_be_true():
    y, d, r, p = _world(10_000, 0.0, seed=5)
    found = corrected_mean(y, r, p, decision=d)
    refused = d.mean()
    assert found.unsupported == pytest.approx(refused)
    assert found.low < (1 - refused) * y[d == 0].mean() < found.low + 0.02
    assert found.high - found.low > refused
    assert found.low <= y.mean() <= found.high
    recall, precision = (f(y, d, r, p) for f in (corrected_recall, corrected_precision))
    assert recall.low == 0
    assert recall.high == pytest.approx(1, abs=0.3)
    assert (precision.low, precision.high) == (0, 1)
    assert math.isnan(precision.estimate)


def test_a_label_that_could_not_come_is_not_believed():
    y, d, r, p = _world(5_000, 0.0, seed=6)
    leaked = r | (np.arange(y.size) < 500)
    assert corrected_mean(y, leaked, p, decision=d) == corrected_mean(y, r, p, decision=d)


def test_without_a_positive_recall_is_anything_and_not_a_number():
    found = corrected_recall(np.zeros(50), np.ones(50), np.ones(50), np.ones(50))
    assert (found.low, found.high) == (0, 1)
    assert math.isnan(found.estimate)


def test_where_nothing_is_decided_one_precision_is_not_a_number():
    found = corrected_precision(np.ones(9), np.zeros(9), np.ones(9), np.ones(9))
    assert (found.low, found.high, found.rows) == (0, 1, 0)
    assert math.isnan(found.estimate)


def test_rows_of_one_entity_that_agree_say_less():
    rng = np.random.default_rng(8)
    whose = np.repeat(np.arange(100), 10)
    y = (rng.random(100) < 0.3).astype(float)[whose]
    alone = corrected_mean(y, np.ones(1_000), np.ones(1_000))
    together = corrected_mean(y, np.ones(1_000), np.ones(1_000), clusters=whose)
    assert together.high - together.low == pytest.approx(math.sqrt(10) * (alone.high - alone.low), rel=0.15)


def test_entities_that_lie_in_several_strata_move_them_together():
    """Each entity has a refused and an accepted row with one label: the mean of both knows no more than either."""
    rng = np.random.default_rng(9)
    whose, d = np.repeat(np.arange(200), 2), np.tile([0.0, 1.0], 200)
    y = (rng.random(200) < 0.4).astype(float)[whose]
    everywhere = np.ones(400)
    both = corrected_mean(y, everywhere, everywhere, decision=d, clusters=whose)
    one = corrected_mean(y[d == 0], everywhere[:200], everywhere[:200], clusters=whose[d == 0])
    assert both.high - both.low == pytest.approx(one.high - one.low, rel=0.05)


def test_the_gap_to_rows_of_which_nothing_is_known_may_be_anything():
    y, d, r, p = _world(5_000, 0.0, seed=10)
    low, gap, high = selection_gap(y, r, p, decision=d)
    assert gap == pytest.approx(0, abs=1e-9), "of what is known, labelled rows are all"
    assert low < y[r].mean() - y.mean() < high


def test_chances_that_differ_in_their_last_digit_are_one():
    y, r = np.tile([0.0, 1.0], 50), np.arange(100) % 5 == 0
    p = np.where(np.arange(100) % 2, 0.05, 1 - 0.95)
    assert corrected_mean(y, r, p) == corrected_mean(y, r, np.full(100, 0.05))


def test_weights_are_one_over_the_chance_and_what_is_cut_is_told():
    found = label_weights([1.0, 0.5, 0.01])
    assert found.values.mean() == pytest.approx(1)
    assert (found.values / found.values[0]).tolist() == pytest.approx([1, 2, 100])
    cut = label_weights([1.0, 0.5, 0.01], at_most=10)
    assert (cut.values / cut.values[0]).tolist() == pytest.approx([1, 2, 10])
    assert cut.cut == pytest.approx(90 / 103)
    assert found.cut == 0
    assert cut.effective == pytest.approx(effective_size([1, 2, 10]))
    assert label_weights([]).effective == 0


@pytest.mark.parametrize("wrong", [[0.0], [1.2], [math.nan]])
def test_a_labelled_row_had_a_chance(wrong):
    with pytest.raises(ValueError, match="had a chance"):
        label_weights(wrong)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="one shape"):
        corrected_mean([1.0], [True, False], [1.0])
    with pytest.raises(ValueError, match=r"lies in \[0, 1\]"):
        corrected_mean([1.0], [True], [2.0])
    with pytest.raises(ValueError, match="not finite"):
        corrected_mean([math.nan], [True], [1.0])
    with pytest.raises(ValueError, match="values lie in"):
        corrected_mean([2.0, 0.0], [True, True], [1.0, 1.0])
    with pytest.raises(ValueError, match="use hajek"):
        corrected_mean(np.zeros(100), np.ones(100), np.linspace(0.1, 1, 100))


@pytest.mark.parametrize("explore", [0.01, 0.05, 0.10])
def test_the_intervals_hold_the_truth_as_often_as_they_say(explore):
    """300 windows; `make prove NAME=selective` draws 2,000 of each kind. Of 300 at .95, under .90 come once in 10,000."""
    truth = _world(1_000_000, explore, seed=0)
    y, d = truth[0], truth[1]
    wanted = {"mean": y.mean(), "recall": (y * d).sum() / y.sum(), "precision": (y * d).sum() / d.sum()}
    held, naive = dict.fromkeys(wanted, 0), 0
    for run in range(300):
        y, d, r, p = _world(3_000, explore, seed=[1, run])
        found = {
            "mean": corrected_mean(y, r, p, decision=d),
            "recall": corrected_recall(y, d, r, p),
            "precision": corrected_precision(y, d, r, p),
        }
        for name, value in wanted.items():
            held[name] += found[name].low <= value <= found[name].high
        taken = corrected_mean(y[r], np.ones(r.sum()), np.ones(r.sum()))
        naive += taken.low <= wanted["mean"] <= taken.high
    assert min(held.values()) >= 270, held
    assert naive < 30
