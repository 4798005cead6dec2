"""Do bootstrap intervals cover, for few blocks and for metrics near their end?"""

import numpy as np
import pytest
from scipy.stats import norm

from tasks.stats import bootstrap_interval, fixed_interval, macro_auc, paired_bootstrap, roc_auc, weighted_mean

ALPHA, RUNS = 0.05, 200


def _missed(draw, truth, interval):
    rng, missed = np.random.default_rng(20261121), np.zeros(2)
    for _ in range(RUNS):
        low, _, high = interval(*draw(rng), alpha=ALPHA, rng=rng, n_resamples=300)
        missed += [low > truth, high < truth]
    return missed / RUNS


@pytest.mark.parametrize("n, d, positives, most", [(300, 1.0, 0.5, 0.1), (400, 2.0, 0.2, 0.12)])
def test_each_end_of_an_auc_misses_about_alpha_of_the_time(n, d, positives, most):
    def draw(rng):
        y = (rng.random(n) < positives).astype(int)
        return roc_auc, y * d + rng.normal(size=n), y

    assert (_missed(draw, norm.cdf(d / 2**0.5), bootstrap_interval) <= most).all()


@pytest.mark.parametrize("days", [12, 25])
def test_rows_that_share_a_day_need_whole_days(days):
    def draw(rng):
        day, y = np.repeat(np.arange(days), 20), (rng.random(days * 20) < 0.5).astype(int)
        favours = rng.normal(size=days)[day] * (
            y - 0.5
        )  # on some days the challenger is better, on others the champion
        champion, challenger = (y + rng.normal(size=y.size) + sign * favours for sign in (-1, 1))
        return champion, challenger, y, day

    def by_day(a, b, y, day, **options):
        return paired_bootstrap(roc_auc, a, b, y, blocks=day, **options)

    def by_row(a, b, y, day, **options):
        return paired_bootstrap(roc_auc, a, b, y, **options)

    assert (_missed(draw, 0.0, by_day) <= 0.115).all()
    assert (_missed(draw, 0.0, by_row) > 0.115).all()


def test_a_mean_has_students_interval():
    x = np.random.default_rng(3).normal(size=200)
    ours = bootstrap_interval(
        weighted_mean, x, np.zeros(200), alpha=ALPHA, rng=np.random.default_rng(1), n_resamples=4_000
    )
    assert ours == pytest.approx(fixed_interval(x, alpha=ALPHA), abs=0.02)


def test_pairing_cancels_what_both_find_hard():
    rng = np.random.default_rng(5)
    y = rng.integers(0, 2, 400)
    common = y + rng.normal(size=400)
    a, b = common + 0.1 * rng.normal(size=400), common + 0.1 * rng.normal(size=400)
    low, estimate, high = paired_bootstrap(roc_auc, a, b, y, alpha=ALPHA, rng=rng)
    alone = bootstrap_interval(roc_auc, a, y, alpha=ALPHA, rng=rng)
    assert high - low < (alone[2] - alone[0]) / 3
    assert estimate == pytest.approx(roc_auc(b, y) - roc_auc(a, y))
    assert paired_bootstrap(roc_auc, a, a, y, alpha=ALPHA, rng=rng) == (0.0, 0.0, 0.0)


def test_the_same_seed_gives_the_same_interval_whatever_blocks_are_called():
    rng = np.random.default_rng(6)
    y, s, day = rng.integers(0, 2, 300), rng.random(300), np.repeat(np.arange(30), 10)
    one, other = (
        bootstrap_interval(roc_auc, s, y, blocks=names, alpha=ALPHA, rng=np.random.default_rng(9))
        for names in (day, np.array([f"day {d:02}" for d in day]))
    )
    assert one == other
    assert one[0] < one[1] < one[2]


def test_many_classes_are_resampled_too():
    rng = np.random.default_rng(7)
    y = rng.integers(0, 3, 300)
    low, estimate, high = bootstrap_interval(
        macro_auc, np.eye(3)[y] + rng.normal(size=(300, 3)), y, alpha=ALPHA, rng=rng
    )
    assert 0.5 < low < estimate < high < 1


def test_a_metric_that_most_resamples_leave_undefined_has_no_ends():
    y = np.append(1, np.zeros(99))  # a third of the resamples draw no positive
    s, rng = np.linspace(1, 0, 100), np.random.default_rng(8)
    low, estimate, high = bootstrap_interval(roc_auc, s, y, alpha=ALPHA, rng=rng)
    assert np.isnan([low, high]).all()
    assert estimate == 1.0
    assert np.isnan(bootstrap_interval(roc_auc, s, np.zeros(100), alpha=ALPHA, rng=rng)).all()


@pytest.mark.parametrize(
    "options, says",
    [
        ({"blocks": [1, 1, 1]}, "at least 2 blocks"),
        ({"blocks": [1, 2]}, "shape of label"),
        ({"alpha": 0.001}, "alpha must lie"),
        ({"alpha": 0.5}, "alpha must lie"),
    ],
)
def test_what_cannot_be_resampled_is_refused(options, says):
    with pytest.raises(ValueError, match=says):
        bootstrap_interval(
            roc_auc, [0.1, 0.2, 0.3], [0, 1, 0], **{"alpha": ALPHA, "rng": np.random.default_rng(1), **options}
        )


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="n >= 1 rows"):
        bootstrap_interval(roc_auc, [], [], alpha=ALPHA, rng=np.random.default_rng(1))
