"""Is the part of a change that the decisions make told from the rest of it, as often as it is said?"""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from tasks.stats import made_by_decisions


def test_the_effect_has_welchs_interval():
    rng = np.random.default_rng(1)
    one, other = rng.normal(0.3, 1, size=400), rng.normal(0, 2, size=60)
    theirs = ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    found = made_by_decisions(one, other)
    assert (found.effect[0], found.effect[2]) == pytest.approx((theirs.low, theirs.high))
    assert found.effect[1] == pytest.approx(one.mean() - other.mean())
    assert found.change is found.share is None


def test_rows_of_one_entity_are_one_piece_of_evidence():
    rng = np.random.default_rng(2)
    own, theirs = rng.normal(size=80), rng.normal(size=40)
    alone = made_by_decisions(own, theirs)
    repeated = made_by_decisions(
        np.repeat(own, 9),
        np.repeat(theirs, 9),
        decided_by=np.repeat(np.arange(80), 9),
        held_back_by=np.repeat(np.arange(40), 9),
    )
    assert repeated.effect == pytest.approx(alone.effect)


@pytest.mark.parametrize("made, world", [(0.5, 0.0), (0.3, 0.2), (0.0, 0.5), (0.4, -0.2)])
def test_the_share_holds_the_truth_as_often_as_it_says(made, world):
    """What the decisions make, of a change that the world pushes as well: 400 windows at 95 %."""
    held = 0
    for run in range(400):
        rng = np.random.default_rng([3, run])
        held_back = rng.normal(world, 1, size=500)
        decided = rng.normal(world + made, 1, size=2_000)
        found = made_by_decisions(decided, held_back, rng.normal(0, 1, size=2_000))
        held += found.share is not None and found.share[0] <= made / (made + world) <= found.share[2]
    assert held >= 365  # of 380 expected


def test_where_nothing_changed_there_is_no_share_of_it():
    rng = np.random.default_rng(4)
    decided, held_back = rng.normal(size=300), rng.normal(size=300)
    found = made_by_decisions(decided, held_back, decided[::-1])
    assert found.share is None
    assert found.change is not None


def test_values_that_never_differ_have_no_error():
    found = made_by_decisions(np.ones(10), np.ones(10), np.zeros(10))
    assert (found.effect, found.share) == ((0, 0, 0), (0, 0, 0))


@pytest.mark.parametrize("values", [[], [1.0], [np.nan, 1.0]])
def test_what_gives_no_mean_with_an_error_is_refused(values):
    with pytest.raises(ValueError):
        made_by_decisions(values, [0.0, 1.0])
