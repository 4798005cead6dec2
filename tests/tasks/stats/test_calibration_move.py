"""Is a move of calibration found at its stated rate, and parted into offset and slope as they were planted?"""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tasks.stats import calibration_move, moved_since
from tasks.stats.calibration_move import _fit


def cohort(
    rng, n: int, *, offset: float = 0.0, slope: float = 1.0, bend: float = 0.8, days: int = 14, day_sd: float = 0.0
):
    """Scores that are not quite calibrated (`bend`), and labels by the log odds offset + slope * bend * logit."""
    z = rng.normal(-0.5, 1.2, n)
    day = rng.integers(0, days, n)
    odds = offset + slope * bend * z + rng.normal(0, day_sd, days)[day]
    return 1 / (1 + np.exp(-z)), (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(float), day


def move(rng, n: int, *, day_sd: float = 0.0, **changed):
    before, now = cohort(rng, 5_000, days=28, day_sd=day_sd), cohort(rng, n, day_sd=day_sd, **changed)
    return calibration_move(
        now[0], now[1], score_before=before[0], label_before=before[1], clusters=now[2], clusters_before=before[2]
    )


@pytest.mark.parametrize("day_sd", [0.0, 0.3])
def test_a_champion_that_was_never_calibrated_has_not_moved(day_sd):
    rng = np.random.default_rng(11)
    hits = np.mean([move(rng, 700, day_sd=day_sd).p_value < 0.05 for _ in range(200)])
    assert hits <= 0.09


def test_other_inputs_alone_do_not_move_what_a_score_means():
    rng, hits = np.random.default_rng(12), []
    for _ in range(150):
        z = rng.normal(1.0, 0.8, 700)
        y = (rng.random(700) < 1 / (1 + np.exp(-0.8 * z))).astype(float)
        before = cohort(rng, 5_000)
        found = calibration_move(1 / (1 + np.exp(-z)), y, score_before=before[0], label_before=before[1])
        hits.append(found.p_value < 0.05)
    assert np.mean(hits) <= 0.09


@pytest.mark.parametrize(
    "changed, share",
    [
        ({"offset": 1.0}, (0.85, 1.0)),
        ({"offset": -0.8}, (0.85, 1.0)),
        ({"slope": 0.1}, (0.0, 0.5)),
        ({"slope": -1.0}, (0.0, 0.3)),
    ],
)
def test_an_offset_is_told_from_another_truth(changed, share):
    rng = np.random.default_rng(13)
    found = [move(rng, 900, **changed) for _ in range(40)]
    assert np.mean([one.p_value < 0.01 for one in found]) >= 0.9
    assert np.mean([share[0] <= one.offset_share <= share[1] for one in found]) >= 0.9
    assert np.mean([one.offset for one in found]) == pytest.approx(
        changed.get("offset", np.mean([f.offset for f in found])), abs=0.1
    )


def test_the_fit_is_that_of_a_logistic_regression():
    rng = np.random.default_rng(14)
    x, y = rng.normal(size=400), (rng.random(400) < 0.3).astype(float)
    theirs = LogisticRegression(C=1e9).fit(x[:, None], y)
    assert _fit(x, y) == pytest.approx((theirs.intercept_[0], theirs.coef_[0, 0]), abs=1e-4)


def test_labels_of_one_class_are_a_finite_move():
    rng = np.random.default_rng(15)
    s, y, _ = cohort(rng, 2_000)
    found = calibration_move(s[:500], np.zeros(500), score_before=s, label_before=y)
    assert np.isfinite([found.p_value, found.gap, found.offset, found.offset_share]).all()
    assert (found.now, found.p_value < 1e-9) == (0.0, True)


@pytest.mark.parametrize("y, before", [([0.0], [0.0, 1.0]), ([0.0, 1.0], [1.0, 1.0])])
def test_too_few_rows_or_one_class_before_are_an_error(y, before):
    with pytest.raises(ValueError, match="both classes"):
        calibration_move([0.5] * len(y), y, score_before=[0.2, 0.8], label_before=before)


def test_the_day_of_the_change_is_found_within_a_day():
    rng, off = np.random.default_rng(16), []
    for true in (4, 9, 13) * 10:
        old, new = cohort(rng, 4_000), cohort(rng, 4_000, slope=-0.5)
        day = np.sort(rng.integers(0, 20, 4_000))
        y = np.where(day < true, (rng.random(4_000) < 1 / (1 + np.exp(-0.8 * np.log(old[0] / (1 - old[0]))))), new[1])
        s = np.where(day < true, old[0], new[0])
        before = cohort(rng, 4_000)
        found = moved_since(s, y.astype(float), day, moved=day >= 16, score_before=before[0], label_before=before[1])
        off.append(abs(found - true))
    assert np.mean(np.array(off) <= 1) >= 0.9
