"""Which laws hold of the gates whatever the rows are?"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.framing import Fairness, Requirement
from schemas.plans import PairedTest
from schemas.verdict import Outcome, Verdict
from tasks import gates
from tests.tasks.gates.made import BETTER, FAIL, NO_WORSE, PASS

# Sixty-fourths are exact as floats and so are their sums: a law can ask for the same verdict, not for about the same.
SIXTY_FOURTHS = 64

# Each law is asked of several gates on up to 400 rows; other rows every time, so that few examples add up.
examples = settings(max_examples=40)


@st.composite
def pairs(draw) -> tuple[np.ndarray, np.ndarray]:
    """Losses of both sides in [0.25, 0.75], from about equal to far apart, 40 to 400 rows."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, lead, spread = draw(st.sampled_from([40, 100, 400])), draw(st.integers(-16, 16)), draw(st.integers(0, 8))
    champion = rng.integers(24, 41, size=n)
    challenger = np.clip(champion - lead + rng.integers(-spread, spread + 1, size=n), 16, 48)
    return champion / SIXTY_FOURTHS, challenger / SIXTY_FOURTHS


harms = st.integers(0, 16).map(lambda k: k / SIXTY_FOURTHS)
margins = st.sampled_from([0.001, 0.01, 0.05, 0.1])


def _offline(a, b, promotion=BETTER, margin=0.01) -> Verdict:
    return gates.paired_offline(a, b, promotion=promotion, margin=margin, alpha=0.05, at_least=1)


def _sanity(a, b) -> Verdict:
    return gates.not_shown_worse(a, b, alpha=0.05, at_least=1, against="constant")


def _live(a, b, promotion=BETTER, margin=0.01, test=PairedTest.RUNNING_AVERAGE) -> Verdict:
    return gates.paired_sequential(a, b, promotion=promotion, margin=margin, alpha=0.05, enough=True, test=test)


def _betting(a, b, promotion=BETTER, margin=0.01) -> Verdict:
    return _live(a, b, promotion, margin, PairedTest.BETTING)


def _probation(a, b) -> Verdict:
    return gates.no_worse_live(a, b, margin=0.01, alpha=0.05, enough=True, at_least=1)


def _slice(a, b) -> Verdict:
    return gates.slices({"all": a - b}, name="slices", margin=0.01, alpha=0.05, at_least=1)


PAIRED = [_offline, _sanity, _live, _betting, _probation, _slice]


@pytest.mark.parametrize("gate", [_offline, _live])
@examples
@given(pair=pairs())
def test_never_are_both_shown_to_be_better(gate, pair):
    a, b = pair
    assert {gate(a, b).outcome, gate(b, a).outcome} != {PASS}


@pytest.mark.parametrize("gate", [_sanity, _live, _probation, _slice])
@examples
@given(pair=pairs())
def test_never_are_both_shown_to_be_worse(gate, pair):
    a, b = pair
    verdicts = {gate(a, b).outcome, gate(b, a).outcome}
    assert verdicts != {FAIL}


@pytest.mark.parametrize("gate", PAIRED)
@examples
@given(pair=pairs(), loss=harms)
def test_what_both_lose_alike_changes_nothing(gate, pair, loss):
    a, b = pair
    assert gate(a + loss, b + loss) == gate(a, b)


@pytest.mark.parametrize("gate", PAIRED)
@examples
@given(pair=pairs(), harm=harms)
def test_more_harm_never_turns_a_fail_into_a_pass(gate, pair, harm):
    a, b = pair
    before, after = gate(a, b).outcome, gate(a, b + harm).outcome
    assert not (before is FAIL and after is PASS)


@pytest.mark.parametrize("gate", [_offline, _live, _betting])
@examples
@given(pair=pairs())
def test_what_is_better_is_also_no_worse(gate, pair):
    if gate(*pair, promotion=BETTER).outcome is PASS:
        assert gate(*pair, promotion=NO_WORSE).outcome is PASS


@pytest.mark.parametrize("gate", [_offline, _live])
@examples
@given(pair=pairs(), one=margins, other=margins)
def test_a_wider_margin_never_refuses_what_a_narrower_one_passes(gate, pair, one, other):
    narrow, wide = sorted((one, other))
    if gate(*pair, promotion=NO_WORSE, margin=narrow).outcome is PASS:
        assert gate(*pair, promotion=NO_WORSE, margin=wide).outcome is PASS


@examples
@given(pair=pairs(), at_least=st.integers(1, 500))
def test_fewer_rows_than_are_needed_never_decide(pair, at_least):
    verdict = gates.paired_offline(*pair, promotion=BETTER, margin=0.01, alpha=0.05, at_least=at_least)
    assert (verdict.outcome is Outcome.WAIT) == (pair[0].size < at_least)


@examples
@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3).map(sorted), st.floats(-1, 1), st.floats(-1, 1))
def test_a_requirement_passes_exactly_where_every_value_of_its_interval_would(interval, floor, ceiling):
    wanted = Requirement(metric="loss", at_least=floor, at_most=ceiling, reason="")
    passed = gates.requirement(wanted, {"loss": tuple(interval)}).outcome is PASS
    assert passed == all(floor <= value <= ceiling for value in interval)


@examples
@given(
    st.lists(st.one_of(st.floats(), st.floats(-0.5, 1.5)), min_size=1, max_size=9), st.randoms(use_true_random=False)
)
def test_the_order_of_scores_is_nothing_to_their_health(scores, random):
    shuffled = random.sample(scores, len(scores))
    assert gates.finite(shuffled, probability=True).outcome is gates.finite(scores, probability=True).outcome


@examples
@given(pair=pairs(), loss=harms, tolerance=st.sampled_from([0.02, 0.1, 0.3]))
def test_groups_are_judged_by_their_gap_alone_whatever_their_names(pair, loss, tolerance):
    wanted = Fairness(column="region", measure="loss", tolerance=tolerance)

    def outcome(groups) -> Outcome:
        return gates.fair(wanted, groups, alpha=0.05, at_least=2).outcome

    a, b = pair
    seen = outcome({"a": a, "b": b})
    assert outcome({"a": b, "b": a}) is seen
    assert outcome({"x": 1 - a, "y": 1 - b}) is seen


@examples
@given(pair=pairs(), few=st.integers(0, 9))
def test_a_slice_that_is_too_small_changes_no_outcome(pair, few):
    gain, small = pair[0] - pair[1], np.full(few, -1.0)

    def outcome(gains) -> Outcome:
        return gates.slices(gains, name="slices", margin=0.01, alpha=0.05, at_least=10).outcome

    assert outcome({"a": gain, "small": small}) is outcome({"a": gain})


@examples
@given(pair=pairs(), margin=margins)
def test_no_simpler_model_is_taken_that_fails_non_inferiority_by_the_same_margin(pair, margin):
    complex_loss, simple_loss = pair
    taken = gates.simplest(complex_loss, {"simple": simple_loss}, margin=margin, alpha=0.05, at_least=1)
    refused = _offline(complex_loss, simple_loss, NO_WORSE, margin)
    assert (taken.outcome is FAIL) == (refused.outcome is PASS)


@examples
@given(st.integers(0, 60), st.lists(st.booleans(), max_size=60), st.sampled_from([0.05, 0.25, 0.5]))
def test_errors_of_the_champion_alone_never_stop_and_nothing_that_follows_takes_a_stop_back(n, later, share):
    def guardrail(hits) -> Outcome:
        return gates.error_guardrail(hits, [share] * len(hits), ratio=1.0, alpha=0.05, arms="").outcome

    assert guardrail([0] * n) is PASS
    assert guardrail([1] * 20) is FAIL
    assert guardrail([1] * 20 + later) is FAIL


@examples
@given(st.sets(st.integers(0, 50), min_size=1), st.sets(st.integers(0, 50)))
def test_rows_overlap_exactly_where_they_share_a_key(evaluated, trained):
    verdict = gates.no_overlap(sorted(evaluated), {"champion": sorted(trained)})
    assert (verdict.outcome is PASS) == evaluated.isdisjoint(trained)
    assert verdict.evidence["shared with champion"] == len(evaluated & trained)
