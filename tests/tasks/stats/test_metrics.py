"""Are weighted metrics scikit-learn's, ties and all, for one weighting and for many at once?"""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as theirs

from tasks.stats import (
    average_precision,
    macro_auc,
    precision_at_threshold,
    recall_at_precision,
    recall_at_threshold,
    roc_auc,
    weighted_mean,
)

PAIRS = [
    pytest.param(roc_auc, lambda s, y, w: theirs.roc_auc_score(y, s, sample_weight=w), id="auc"),
    pytest.param(average_precision, lambda s, y, w: theirs.average_precision_score(y, s, sample_weight=w), id="ap"),
    pytest.param(
        partial(precision_at_threshold, threshold=0.5),
        lambda s, y, w: theirs.precision_score(y, s >= 0.5, sample_weight=w, zero_division=np.nan),
        id="precision",
    ),
    pytest.param(
        partial(recall_at_threshold, threshold=0.5),
        lambda s, y, w: theirs.recall_score(y, s >= 0.5, sample_weight=w, zero_division=np.nan),
        id="recall",
    ),
    pytest.param(
        partial(recall_at_precision, precision=0.61803),
        lambda s, y, w: _their_recall(s, y, w, 0.61803),
        id="recall at precision",
    ),
    pytest.param(weighted_mean, lambda s, y, w: np.average(s, weights=w), id="mean"),
]


def _their_recall(s, y, w, least):
    precision, recall, _ = theirs.precision_recall_curve(y, s, sample_weight=w)
    return recall[precision >= least].max()


@pytest.mark.parametrize("ours, their", PAIRS)
@pytest.mark.parametrize("levels", [3, 20, None], ids=["many ties", "some ties", "no ties"])
def test_it_is_scikit_learns(ours, their, levels):
    rng = np.random.default_rng(20261121)
    for n in (5, 40, 700):
        y = np.append([0, 1], rng.integers(0, 2, n - 2))
        s = rng.random(n) if levels is None else rng.integers(0, levels + 1, n) / levels
        w = rng.integers(1, 5, n) + rng.random(n)
        counts = np.append([1, 1], rng.integers(0, 4, n - 2))  # as a resample weighs rows, some not at all
        for weight in (None, w, counts.astype(float)):
            assert ours(s, y, weight) == pytest.approx(their(s, y, weight), abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("ours, their", PAIRS)
def test_many_weightings_at_once_are_each_alone(ours, their):
    rng = np.random.default_rng(1)
    s, y, w = rng.integers(0, 9, 60) / 8, rng.integers(0, 2, 60), rng.integers(0, 3, (2, 7, 60)).astype(float)
    together = ours(s, y, w)
    assert together.shape == (2, 7)
    np.testing.assert_allclose(together, [[ours(s, y, one) for one in row] for row in w], atol=1e-12)


@pytest.mark.parametrize("ours, their", PAIRS)
def test_whole_weights_are_repeated_rows_and_their_unit_does_not_matter(ours, their):
    rng = np.random.default_rng(2)
    s, y, w = rng.random(50), rng.integers(0, 2, 50), rng.integers(0, 4, 50)
    assert ours(s, y, w) == pytest.approx(ours(np.repeat(s, w), np.repeat(y, w)), abs=1e-12)
    assert ours(s, y, w * 0.25) == pytest.approx(ours(s, y, w), abs=1e-12)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=40).filter(
        lambda x: len({y for _, y in x}) == 2
    )
)
def test_auc_knows_ranks_alone_and_turns_over_with_the_sign(rows):
    s, y = np.array([s for s, _ in rows], float), np.array([y for _, y in rows])
    assert roc_auc(np.exp(s), y) == pytest.approx(roc_auc(s, y), abs=1e-12)
    assert roc_auc(-s, y) == pytest.approx(1 - roc_auc(s, y), abs=1e-12)
    assert roc_auc(s, ~y) == pytest.approx(1 - roc_auc(s, y), abs=1e-12)
    assert roc_auc(np.zeros(s.size), y) == 0.5
    assert average_precision(np.zeros(s.size), y) == pytest.approx(y.mean())


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_macro_auc_is_scikit_learns_one_against_the_rest(n_classes):
    rng = np.random.default_rng(n_classes)
    y = np.append(np.arange(n_classes), rng.integers(0, n_classes, 200))
    s = rng.dirichlet(np.ones(n_classes), y.size).round(2) + np.eye(n_classes)[y] * 0.1
    s, w = s / s.sum(axis=1, keepdims=True), rng.random(y.size)
    their = (
        theirs.roc_auc_score(y, s[:, 1], sample_weight=w)
        if n_classes == 2
        else theirs.roc_auc_score(y, s, multi_class="ovr", average="macro", sample_weight=w)
    )
    assert macro_auc(s, y, w) == pytest.approx(their, abs=1e-3 if n_classes == 2 else 1e-12)
    assert macro_auc(s, y, np.stack([w, w])).shape == (2,)
    assert np.isnan(macro_auc(s, np.zeros(y.size, dtype=int)))


@pytest.mark.parametrize("label, undefined", [([0, 0, 0], "auc ap recall"), ([1, 1, 1], "auc")])
def test_what_has_no_value_is_nan(label, undefined):
    s = [0.1, 0.2, 0.3]
    values = {
        "auc": roc_auc(s, label),
        "ap": average_precision(s, label),
        "recall": recall_at_threshold(s, label, threshold=0.2),
    }
    assert {name for name, value in values.items() if np.isnan(value)} == set(undefined.split())
    assert np.isnan(precision_at_threshold(s, label, threshold=9.0))
    assert np.isnan(weighted_mean(s, weight=[0, 0, 0]))
    assert np.isnan(roc_auc(s, [0, 1, 1], [[0, 1, 1], [1, 0, 0]])).all()


def test_a_precision_that_no_threshold_reaches_has_no_recall():
    assert recall_at_precision([0.9, 0.1], [0, 1], precision=0.9) == 0.0
    assert recall_at_precision([0.9, 0.1], [1, 0], precision=1.0) == 1.0


@pytest.mark.parametrize(
    "score, label, weight, says",
    [
        ([0.1], [0, 1], None, "one shape"),
        ([], [], None, "n >= 1"),
        ([0.1, np.nan], [0, 1], None, "1 of 2 scores are not finite"),
        ([0.1, 0.2], [0, 2], None, "every label is 0 or 1, got 2"),
        ([0.1, 0.2], [0, 1], [1.0], "weight needs shape"),
    ],
)
def test_rows_that_are_none_are_refused(score, label, weight, says):
    with pytest.raises(ValueError, match=says):
        roc_auc(score, label, weight)
    if weight is None and says != "1 of 2 scores are not finite":
        with pytest.raises(ValueError):
            average_precision(score, label)


def test_a_class_index_out_of_range_is_refused():
    with pytest.raises(ValueError, match="class index below 2, got 2"):
        macro_auc([[0.1, 0.9], [0.5, 0.5]], [0, 2])
