"""Is a slow leak told from noise, from a single slow run and from growth that does not matter?"""

import numpy as np
import pytest

from schemas.verdict import Outcome
from tasks import gates


def said(values, **more):
    limits = {"unit": "retrains", "rate": 0.01, "growth": 0.5, "at_least": 6} | more
    return gates.no_leak("training time", values, **limits)


def test_a_training_time_that_creeps_up_is_a_leak():
    verdict = said([60 * 1.05**n for n in range(20)])
    assert verdict.outcome is Outcome.FAIL
    assert "training time grew by" in verdict.reason
    assert "over 20 retrains" in verdict.reason
    assert "0.01 is a false alarm's rate a look" in verdict.reason


@pytest.mark.parametrize(
    "values",
    [
        [60.0 + 0.5 * n for n in range(20)],  # surely, and by a sixth only
        [60.0] * 10 + [900.0] + [60.0] * 10,
        [120.0 * 0.95**n for n in range(20)],
        [60.0] * 20,
    ],
)
def test_what_is_no_leak_passes(values):
    assert said(values).outcome is Outcome.PASS


def test_noise_is_taken_for_a_leak_as_seldom_as_stated():
    rng = np.random.default_rng(1)
    alarms = [said(rng.lognormal(0, 0.5, 30), growth=1e-9).outcome is Outcome.FAIL for _ in range(2_000)]
    assert np.mean(alarms) <= 0.01 + 3 * np.sqrt(0.01 / 2_000)


def test_what_began_at_nothing_has_no_share_to_grow_by():
    assert said([0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0]).outcome is Outcome.WAIT
