"""Is the share of flipped labels found from probabilities, and are the flipped rows the suspects?"""

import numpy as np
import pytest

from tasks.stats import label_noise


def world(n: int, k: int, flipped: float, seed: int, *, sharp: float = 8.0):
    """True probabilities of k classes given noisy labels, the noisy labels, and which were flipped."""
    rng = np.random.default_rng(seed)
    logits = sharp * rng.random((n, k))
    clean = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = clean.argmax(axis=1)
    wrong = rng.random(n) < flipped
    label = np.where(wrong, (truth + rng.integers(1, k, n)) % k, truth)
    known = np.eye(k)[truth]
    probability = known * (1 - flipped) + (1 - known) * flipped / (k - 1)
    return probability, label, wrong


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("flipped", [0.0, 0.05, 0.1, 0.2])
def test_a_model_that_knows_the_truth_finds_the_share(k, flipped):
    probability, label, wrong = world(10_000, k, flipped, 1)
    found = label_noise(probability, label)
    assert found.rate == pytest.approx(wrong.mean(), abs=0.01)
    assert found.surest == pytest.approx(flipped, abs=0.03)
    assert found.ceiling == 1 - found.rate
    if flipped:
        assert wrong[found.suspect].mean() > 0.99


def test_classes_that_overlap_are_taken_for_noise_and_the_surest_rows_say_so():
    """The bias that the docstring states: nothing is flipped here, the classes merely overlap."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=20_000)
    p = 1 / (1 + np.exp(-2 * x))
    found = label_noise(np.column_stack([1 - p, p]), (rng.random(20_000) < p).astype(int))
    assert found.rate > 0.05
    assert found.surest < found.rate / 4


def test_a_class_without_labels_is_nobodys_truth():
    probability, label, _ = world(2_000, 3, 0.1, 4)
    rows = label != 2
    found = label_noise(probability[rows], label[rows])
    assert np.isnan(found.by_class[2])
    assert found.rate < 0.25


@pytest.mark.parametrize(
    "probability, label",
    [
        ([[0.5, 0.5]], []),
        ([[1.0]], [0]),
        ([[0.5, np.nan]], [0]),
        ([[0.5, 0.5]], [2]),
        ([[0.5, 0.5]], [-1]),
    ],
)
def test_what_is_no_probability_or_no_label_is_refused(probability, label):
    with pytest.raises(ValueError):
        label_noise(probability, label)
