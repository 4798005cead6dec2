"""Is every reason to doubt what is expected without labels found, and none where there is none?"""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from schemas.framing import AbsoluteLoss
from tasks.expected import expected
from tests.flows.made import PROBLEM as BANDS

WEEK = pd.Timedelta(days=7)
START = datetime(2024, 1, 1, tzinfo=UTC)


def rows(seed=1, n=4_000, days=28, centre=-1.0):
    """Labels have the probability of half the score's odds; the relation is the same everywhere."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(centre, 1.2, n)
    score = 1 / (1 + np.exp(-2 * odds))
    label = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(float)
    at = pd.Timestamp(START) + pd.to_timedelta(np.sort(rng.uniform(0, days, n)), unit="D")
    return pd.DataFrame({"event_time": at, "score": score, "decision": (score > 0.5).astype(float), "label": label})


def test_without_drift_it_is_valid_and_near_what_labels_then_show(toy):
    known, now = rows(1), rows(2)
    found = expected(known, now, toy.framing, newest=WEEK)
    assert found.valid, found.doubts
    hits = (now["label"] * now["decision"]).sum()
    assert found.values["recall"] == pytest.approx(hits / now["label"].sum(), abs=0.03)
    assert found.values["precision"] == pytest.approx(hits / now["decision"].sum(), abs=0.03)
    assert found.values["base rate"] == pytest.approx(now["label"].mean(), abs=0.03)
    assert set(found.values) == {"loss", "recall", "precision", "base rate", "roc_auc"}


def test_without_drift_it_is_hardly_ever_doubted(toy):
    doubted = [not expected(rows(s), rows(s + 500), toy.framing, newest=WEEK).valid for s in range(60)]
    assert np.mean(doubted) <= 0.05


def test_a_relation_that_changed_among_the_matured_rows_is_told(toy):
    known = rows()
    newest = known["event_time"] > known["event_time"].max() - WEEK
    turned = known.assign(label=known["label"].where(~newest, 1 - known["label"]))
    found = expected(turned, rows(2), toy.framing, newest=WEEK)
    assert not found.valid
    assert "the relation has changed" in found.doubts[0]


def test_scores_that_no_labelled_row_speaks_for_are_told(toy):
    found = expected(rows(), rows(2, centre=4.0), toy.framing, newest=WEEK)
    assert any("lie beyond" in doubt or "are worth" in doubt for doubt in found.doubts)


@pytest.mark.parametrize(
    "known, says",
    [
        (rows(n=150), "150 labelled rows"),
        (rows(centre=-7), "rows of a class"),
        (rows(n=450), "whether the relation still holds is not known"),
    ],
)
def test_too_few_labelled_rows_are_told(toy, known, says):
    found = expected(known, rows(2, centre=-1.0 if len(known) < 4_000 else -7.0), toy.framing, newest=WEEK)
    assert not found.valid
    assert any(says in doubt for doubt in found.doubts)


def test_with_no_labelled_row_nothing_is_expected(toy):
    found = expected(rows().iloc[:0], rows(), toy.framing, newest=WEEK)
    assert (found.values, found.valid) == ({}, False)
    assert found.doubts == ("no labelled rows that the model was not trained on",)


def test_of_several_classes_each_has_its_probability():
    rng = np.random.default_rng(7)

    def made(n):
        odds = rng.normal(0, 1.5, (n, 3))
        p = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
        label = (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).astype(float)
        sharp = p**2 / (p**2).sum(axis=1, keepdims=True)  # surer than it should be
        at = pd.Timestamp(START) + pd.to_timedelta(np.sort(rng.uniform(0, 28, n)), unit="D")
        columns = {"event_time": at, "score": list(sharp), "decision": p.argmax(axis=1).astype(float)}
        return pd.DataFrame(columns | {"label": label})

    known, now = made(4_000), made(4_000)
    found = expected(known, now, BANDS.framing, newest=WEEK)
    assert found.valid, found.doubts
    assert found.values["accuracy"] == pytest.approx((now["decision"] == now["label"]).mean(), abs=0.03)


def test_a_regression_is_expected_to_err_as_on_like_predictions(toy):
    framing = toy.framing.model_copy(update={"task": "regression", "loss": AbsoluteLoss(bound=10.0), "metric": "mae"})
    rng = np.random.default_rng(8)

    def made(centre):
        score = rng.normal(centre, 1, 3_000)
        label = score + rng.normal(size=3_000) * np.where(score > 5, 2.0, 0.5)
        at = pd.Timestamp(START) + pd.to_timedelta(np.sort(rng.uniform(0, 28, 3_000)), unit="D")
        return pd.DataFrame({"event_time": at, "score": score, "decision": score, "label": label})

    known, now = made(5.0), made(5.5)
    found = expected(known, now, framing, newest=WEEK)
    assert found.values["mae"] == pytest.approx((now["label"] - now["score"]).abs().mean(), rel=0.1)
    assert found.values["mae"] > (known["label"] - known["score"]).abs().mean()
