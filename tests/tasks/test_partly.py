"""Are labels that are under way counted by those that came, kind by kind, and not at all where too few did?"""

import numpy as np
import pandas as pd
import pytest

from schemas.framing import AbsoluteLoss
from tasks import partly
from tasks.stats import delay_curve_of_known

# What is labelled says what the rest is: the kinds below differ in their delays alone.


def rows(seed=1, n=6_000, oldest=35.0, by_decision=True):
    rng = np.random.default_rng(seed)
    label, decision = (rng.random(n) < 0.1).astype(float), (rng.random(n) < 0.3).astype(float)
    slow = np.where(decision == 1, 2.0, 8.0) if by_decision else 5.0
    delay = np.minimum(rng.gamma(2, np.where(label == 1, slow, 0.5) / 2), 14)
    age = rng.uniform(0, oldest, n)
    known = delay < age
    said = np.where(known, label, np.nan)
    columns = {"score": 0.9 * decision, "decision": decision, "label": said, "first": said, "age": age}
    return pd.DataFrame(columns | {"delay": np.where(known, delay, np.nan), "true": label})


def test_each_class_and_decision_has_its_own_delay(toy):
    made = rows()
    delays = partly.delays_by_class(made, toy.framing)
    known = made[made["first"].notna()]
    kinds = delays.kind_of(known)
    medians = [delays.curves[k].quantile(0.5) for k in delays.curve_of]
    assert medians[3] < medians[2] / 2  # positives that were acted on, and not
    assert medians[0] == pytest.approx(medians[1], abs=0.1)
    assert set(np.unique(kinds)) == set(delays.curve_of)
    assert delays.youngest == max(delays.curves[k].quantile(0.2) for k in delays.curve_of)


def test_a_class_of_two_with_too_few_labels_has_no_delay(toy):
    made = rows()
    positives = made.index[made["first"] == 1]
    assert partly.delays_by_class(made.drop(positives[20:]), toy.framing) is None
    assert partly.delays_by_class(made.head(10), toy.framing) is None


def test_what_was_said_first_tells_how_fast_labels_come_and_not_its_correction(toy):
    made = rows()
    changed = made.assign(label=made["label"].where(made.index % 50 > 0, 1 - made["label"]))
    one, other = (partly.delays_by_class(m, toy.framing) for m in (made, changed))
    assert [c.known.tolist() for c in one.curves] == [c.known.tolist() for c in other.curves]


def test_the_estimate_is_of_rows_old_enough_and_near_what_they_turn_out_to_be(toy):
    delays = partly.delays_by_class(rows(2, 20_000), toy.framing)
    made = rows(3, 6_000, oldest=9.0)
    found, about, known = partly.partly_matured(made, delays, toy.framing)
    old = made[made["age"] >= delays.youngest]
    assert (about, known) == (len(old), old["label"].notna().sum())
    low, value, high = found["base rate"]
    assert low <= old["true"].mean() <= high
    assert abs(value - old["true"].mean()) < abs(old["label"].mean() - old["true"].mean())
    recall = (old["true"] * old["decision"]).sum() / old["true"].sum()
    assert found["recall"][0] <= recall <= found["recall"][2]


def test_too_few_labels_are_no_estimate(toy):
    delays = partly.delays_by_class(rows(), toy.framing)
    assert partly.partly_matured(rows(4, 20), delays, toy.framing)[0] == {}


def test_a_kind_that_must_be_there_and_cannot_have_shown_yet_leaves_no_estimate(toy):
    """Of positives that nobody acted on too few labels can have come: by the others alone, none would be missed."""
    delays = partly.delays_by_class(rows(2, 20_000), toy.framing)
    made = rows(3, 6_000, oldest=9.0)
    few = made[(made["age"] >= delays.youngest) & (made["age"] < delays.youngest + 0.2)]
    assert few["label"].notna().sum() > 30
    assert partly.partly_matured(few, delays, toy.framing)[0] == {}
    assert delays.shares.sum() == pytest.approx(1)
    assert delays.shares == pytest.approx([0.9 * 0.7, 0.9 * 0.3, 0.1 * 0.7, 0.1 * 0.3], abs=0.02)


def test_a_number_is_parted_by_its_size(toy):
    framing = toy.framing.model_copy(update={"task": "regression", "loss": AbsoluteLoss(bound=10.0), "metric": "mae"})
    rng = np.random.default_rng(5)
    n = 4_000
    y, age = rng.uniform(0, 9, n), rng.uniform(0, 20, n)
    delay = rng.gamma(2, np.where(y > 6, 2.0, 0.3))
    known = delay < age
    said = np.where(known, y, np.nan)
    columns = {"score": 3.0, "decision": 3.0, "label": said, "first": said, "age": age, "true": y}
    made = pd.DataFrame(columns | {"delay": np.where(known, delay, np.nan)})
    delays = partly.delays_by_class(made, framing)
    young = made[made["age"] < 6]
    found, _, _ = partly.partly_matured(young, delays, framing)
    old = young[young["age"] >= delays.youngest]
    true, early = (old["true"] - 3).abs().mean(), (old["label"] - 3).abs().mean()
    assert abs(found["mae"][1] - true) < abs(early - true) / 3


def test_labels_that_stopped_coming_are_missed():
    curve = delay_curve_of_known([1.0] * 50 + [3.0] * 50, [9.0] * 100)
    young = pd.DataFrame({"age": [2.0] * 60 + [4.0] * 40, "label": [1.0] * 30 + [np.nan] * 30 + [1.0] * 40})
    assert partly.labels_arrived(young, curve, unlabelled=0.0) == pytest.approx(1.0)
    assert partly.labels_arrived(young.assign(label=np.nan), curve, unlabelled=0.0) == 0.0
    assert partly.labels_arrived(young, curve, unlabelled=0.5) == pytest.approx(2.0)
    assert partly.labels_arrived(young.head(20), curve, unlabelled=0.0) is None  # ten due: their lack says nothing
