"""Is what is expected without labels what labels then show, while the relation stays as it is?"""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_auc_score

from tasks.stats import calibrated, effective_rows, expected_auc, expected_ratio


def drawn(seed, n):
    """Scores that overstate: the label has the probability of half their odds."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-1, 1.2, n)
    return 1 / (1 + np.exp(-2 * odds)), (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(float)


def test_it_is_the_isotonic_regression_of_another_library():
    score, label = drawn(1, 500)
    score = score.round(2)  # with ties
    other = IsotonicRegression(out_of_bounds="clip").fit(score, label)
    at = np.linspace(-0.1, 1.1, 77)
    np.testing.assert_allclose(calibrated(score, label).at(at), other.predict(at), atol=1e-9)


def test_on_its_own_rows_expected_and_real_sums_are_equal():
    score, label = drawn(2, 2_000)
    assert calibrated(score, label).at(score).sum() == pytest.approx(label.sum())


def test_the_expected_auc_is_the_mean_over_labels_that_could_come():
    rng = np.random.default_rng(3)
    score, _ = drawn(3, 300)
    probability = rng.random(300)
    real = [roc_auc_score(rng.random(300) < probability, score) for _ in range(150)]
    assert expected_auc(score, probability) == pytest.approx(np.mean(real), abs=0.008)


def test_the_expected_recall_is_the_mean_over_labels_that_could_come():
    rng = np.random.default_rng(4)
    p, acted = rng.random(400), rng.random(400) < 0.3
    chance = np.column_stack([1 - p, p])
    every = np.column_stack([np.zeros(400), np.ones(400)])
    real = [(y & acted).sum() / y.sum() for y in (rng.random(400) < p for _ in range(400))]
    assert expected_ratio(every * acted[:, None], every, chance) == pytest.approx(np.mean(real), abs=0.004)


def test_nothing_below_the_line_is_no_number():
    assert np.isnan(expected_ratio([[0.0, 1.0]], [[0.0, 0.0]], [[0.5, 0.5]]))


def test_without_drift_what_is_expected_is_what_comes():
    """The bias of the AUC stays within .005 (the step function flatters itself a little), that of the share of positives within .005."""
    gaps = []
    for seed in range(60):
        (known, label), (score, truth) = drawn(seed, 3_000), drawn(seed + 999, 3_000)
        probability = calibrated(known, label).at(score)
        gaps.append((expected_auc(score, probability) - roc_auc_score(truth, score), probability.mean() - truth.mean()))
    auc, share = np.mean(gaps, axis=0)
    assert auc == pytest.approx(0.0, abs=0.005)
    assert share == pytest.approx(0.0, abs=0.005)


def test_rows_that_lie_elsewhere_are_worth_less():
    rng = np.random.default_rng(5)
    known = rng.normal(size=5_000)
    alike, _ = effective_rows(known, rng.normal(size=5_000))
    moved, _ = effective_rows(known, rng.normal(1.5, 0.5, size=5_000))
    assert alike == pytest.approx(5_000, rel=0.02)
    assert moved < 2_000


def test_what_lies_beyond_all_labelled_scores_is_counted():
    assert effective_rows([0.1, 0.2, 0.3], [0.05, 0.2, 0.31, 0.3])[1] == 0.5


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="not finite"):
        calibrated([0.1, np.nan], [0, 1])
