"""Is a challenger refused for missing the outcome where the champion misses it by more?"""

import pytest

from schemas.verdict import Outcome
from tasks import gates
from tasks.stats import Calibration

PASS, FAIL = Outcome.PASS, Outcome.FAIL


def _of(error: float, p_value: float = 1e-9) -> Calibration:
    return Calibration(error, 1.0, p_value, 500, ())


@pytest.mark.parametrize(
    "challenger, champion, expected",
    [
        (0.20, None, FAIL),  # a rule's score was never a probability: nothing to compare with
        (0.20, 0.10, FAIL),
        (0.20, 0.20, FAIL),  # no better is not better
        (0.20, 0.35, PASS),  # the world moved, and the challenger followed it
        (0.04, 0.01, PASS),  # within the tolerance the champion is not asked
        (0.05, 0.01, PASS),
    ],
)
def test_a_champion_further_off_is_no_reason_to_keep_it(challenger, champion, expected):
    rival = None if champion is None else _of(champion)
    verdict = gates.calibrated(_of(challenger), tolerance=0.05, alpha=0.05, at_least=200, champion=rival)
    assert verdict.outcome is expected
    assert ("champion" in verdict.evidence) == (rival is not None and challenger > 0.05)


def test_an_undefined_champion_excuses_nothing():
    said = gates.calibrated(_of(0.2), tolerance=0.05, alpha=0.05, at_least=200, champion=_of(float("nan")))
    assert said.outcome is FAIL
