"""Is a fault a FAIL, is a deadline kept, and is what all gates share computed as it is said?"""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from schemas.verdict import Interval, Outcome, Verdict
from tasks import gates
from tasks.gates import verdicts
from tests.tasks.gates.made import BETTER, FAIL, NO_WORSE, WAIT, down

NOW = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "error", [ValueError("no"), KeyError("loss"), ZeroDivisionError(), AssertionError("x" * 9_999), MemoryError()]
)
def test_a_gate_that_raises_is_a_fail_that_says_so_in_short(error):
    def broken() -> Verdict:
        raise error

    verdict = gates.closed("gate", broken)
    assert (verdict.gate, verdict.outcome) == ("gate", FAIL)
    assert type(error).__name__ in verdict.reason
    assert len(verdict.reason) < 300


def test_a_person_who_interrupts_a_gate_is_not_taken_for_a_fault_of_it():
    def interrupted() -> Verdict:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gates.closed("gate", interrupted)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_gate_that_answers_is_taken_at_its_word(outcome):
    said = Verdict("g", outcome, "because", {"n": 1}, {"ms": 2.0})
    assert gates.closed("another name", lambda: said) is said


@pytest.mark.parametrize("before", list(Outcome))
@pytest.mark.parametrize(
    "late, reached",
    [(timedelta(microseconds=-1), False), (timedelta(0), True), (timedelta(days=1), True)],
)
def test_a_deadline_turns_waiting_into_a_fail_and_nothing_else(before, late, reached):
    verdict = Verdict("g", before, "because", {"n": 1}, {"ms": 2.0})
    after = gates.at_deadline(verdict, now=NOW + late, deadline=NOW)
    if before is WAIT and reached:
        assert after == Verdict("g", FAIL, "deadline 2024-03-01 00:00 reached: because", {"n": 1}, {"ms": 2.0})
    else:
        assert after == verdict


def test_what_the_challenger_gains_is_the_loss_of_the_champion_less_its_own():
    assert verdicts.gain_of([0.5, 0.25], [0.25, 0.5]).tolist() == [0.25, -0.25]


@pytest.mark.parametrize(
    "champion, challenger",
    [([0.5] * 3, [0.1] * 4), ([0.5] * 3, [0.1]), ([0.5], 0.1), (0.5, 0.1), (np.ones((3, 2)), np.ones((3, 2)))],
)
def test_losses_pair_row_by_row_or_not_at_all(champion, challenger):
    with pytest.raises(ValueError, match="one shape"):
        verdicts.gain_of(champion, challenger)


def test_superiority_must_exceed_nothing_and_non_inferiority_the_margin_lost():
    assert verdicts.floor_of(BETTER, 0.01) == 0.0
    assert verdicts.floor_of(NO_WORSE, 0.01) == -0.01


def test_a_claim_names_the_side_the_margin_and_the_rows_it_is_about():
    gain = Interval(-0.1, 0.0, 0.1)
    assert "is better than the champion" in verdicts.claim("is", BETTER, "champion", gain, 0.01, 1_000)
    assert "is no more than 0.01 worse than" in verdicts.claim("is", NO_WORSE, "champion", gain, 0.01, 1_000)
    assert verdicts.claim("is", BETTER, "champion", gain, 0.01, 1_000).endswith("over these 1,000 rows")


@pytest.mark.parametrize(
    "log_e, shown",
    [(0.0, "1"), (math.log(20), "20"), (down(20.0), "4.85e+08"), (20.0, "over 10^8"), (5_000.0, "over 10^8")],
)
def test_an_e_value_is_shown_as_a_number_until_it_says_no_more(log_e, shown):
    assert verdicts.shown_e(log_e) == shown
