"""Does the slow clock pass only what its rows and its time have shown, and stop at once what they have refuted?"""

import math

import numpy as np
import pytest

from schemas.plans import PairedTest
from tasks import gates
from tests.tasks.gates.made import BETTER, FAIL, NO_WORSE, PASS, WAIT, alpha_at, down, losses, up


def _live(pair, promotion=NO_WORSE, *, margin=0.01, alpha=0.05, enough=True, test=PairedTest.RUNNING_AVERAGE):
    return gates.paired_sequential(*pair, promotion=promotion, margin=margin, alpha=alpha, enough=enough, test=test)


def _probation(pair, *, margin=0.01, enough=True, at_least=100):
    return gates.no_worse_live(*pair, margin=margin, alpha=0.05, enough=enough, at_least=at_least)


@pytest.mark.parametrize("test", list(PairedTest))
@pytest.mark.parametrize(
    "promotion, gain, enough, expected",
    [
        (BETTER, +0.020, True, PASS),
        (BETTER, +0.020, False, WAIT),  # shown, but the minimum time is not over
        (BETTER, 0.0, True, WAIT),
        (BETTER, -0.020, True, FAIL),
        (BETTER, -0.020, False, FAIL),  # refuted: no need to wait
        (NO_WORSE, -0.002, True, PASS),
        (NO_WORSE, -0.002, False, WAIT),
        (NO_WORSE, -0.010, True, WAIT),  # at the margin itself
        (NO_WORSE, -0.020, True, FAIL),
        (NO_WORSE, -0.020, False, FAIL),
    ],
)
def test_live_the_whole_interval_and_the_minimum_time_decide(test, promotion, gain, enough, expected):
    assert _live(losses(gain), promotion, enough=enough, test=test).outcome is expected


def test_live_one_row_shows_nothing_and_no_row_is_said_to_be_none():
    assert _live(losses(0.5, 1), BETTER).outcome is WAIT
    verdict = _live(losses(0.5, 0), BETTER)
    assert (verdict.outcome, verdict.evidence) == (WAIT, {"rows": 0})


def test_live_a_low_end_at_the_margin_waits_and_one_float_above_it_passes():
    pair = losses(-0.3)
    margin = -_live(pair).evidence["low"]
    assert _live(pair, margin=margin).outcome is WAIT
    assert _live(pair, margin=up(margin)).outcome is PASS


def test_live_a_high_end_at_the_margin_waits_and_one_float_below_it_fails():
    pair = losses(-0.3)
    margin = -_live(pair).evidence["high"]
    assert _live(pair, margin=margin).outcome is WAIT
    assert _live(pair, margin=down(margin)).outcome is FAIL


def test_betting_passes_at_its_limit_to_the_last_bit():
    pair = losses(0.1, 40)
    alpha = alpha_at(_live(pair, BETTER, test=PairedTest.BETTING).evidence["log_e"])
    assert _live(pair, BETTER, alpha=alpha, test=PairedTest.BETTING).outcome is PASS
    assert _live(pair, BETTER, alpha=alpha * (1 - 1e-13), test=PairedTest.BETTING).outcome is WAIT


def test_betting_is_asked_only_where_the_plan_names_it_and_says_its_e_value():
    # Enough rows for the bets, and not yet for the interval.
    pair = np.full(100, 0.5), 0.5 - np.resize([0.4, -0.2], 100)
    assert _live(pair, BETTER).outcome is WAIT
    assert "log_e" not in _live(pair, BETTER).evidence
    assert "e-value" not in _live(pair, BETTER).reason
    verdict = _live(pair, BETTER, test=PairedTest.BETTING)
    assert verdict.outcome is PASS
    assert verdict.evidence["log_e"] >= math.log(20)
    assert ", e-value " in verdict.reason


def test_bets_won_early_and_lost_since_do_not_promote():
    pair = np.full(600, 0.5), 0.5 - np.repeat([0.2, -0.1], [200, 400])
    assert _live(pair, BETTER, test=PairedTest.BETTING).outcome is WAIT


def test_what_is_said_live_follows_the_outcome():
    assert "is not better than" in _live(losses(-0.02), BETTER).reason
    assert "is not yet shown to be better than" in _live(losses(0.0), BETTER).reason
    assert _live(losses(0.02), BETTER, enough=False).reason.endswith("; the minimum time is not over")
    assert "the challenger is better than" in _live(losses(0.02), BETTER).reason


@pytest.mark.parametrize(
    "gain, n, enough, expected",
    [
        (0.0, 2_000, True, PASS),
        (0.0, 2_000, False, WAIT),
        (-0.005, 2_000, True, PASS),  # not shown to be worse by the margin
        (-0.020, 2_000, True, FAIL),
        (-0.020, 2_000, False, FAIL),
        (+0.020, 2_000, True, PASS),
        (0.0, 100, True, PASS),
        (0.0, 99, True, WAIT),  # so few could not have shown a harm
        (-0.5, 99, True, FAIL),  # but these did
        (-0.5, 3, True, WAIT),
        (0.0, 0, True, WAIT),
    ],
)
def test_in_probation_only_shown_harm_brings_the_previous_champion_back(gain, n, enough, expected):
    verdict = _probation(losses(gain, n), enough=enough)
    assert verdict.outcome is expected
    assert verdict.evidence["rows"] == n


def test_in_probation_a_high_end_at_the_margin_stays_and_one_float_below_it_goes():
    pair = losses(-0.3)
    margin = -_probation(pair).evidence["high"]
    assert _probation(pair, margin=margin).outcome is PASS
    assert _probation(pair, margin=down(margin)).outcome is FAIL


def test_in_probation_no_row_is_no_evidence_even_where_none_is_asked_for():
    assert _probation(losses(0.0, 0), at_least=0).outcome is WAIT


@pytest.mark.parametrize("gate", [_live, _probation], ids=["live", "probation"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 2.0], ids=str)
def test_live_a_loss_that_is_none_is_refused(gate, bad):
    champion, challenger = losses(0.2)
    challenger[7] = bad
    assert gates.closed("g", lambda: gate((champion, challenger))).outcome is FAIL
    assert gates.closed("g", lambda: gate(([0.5] * 300, [0.1] * 301))).outcome is FAIL


def _business(gain: float, n: int = 4_000, *, tolerated=0.01, enough=True, last_look=False, suffices=False, **more):
    """Two arms of the same size whose mean losses differ by `gain`."""
    arm = np.resize([1, 1, 0, 0], n)
    loss = 0.5 - gain * arm + 0.001 * np.resize([1.0, -1.0], n)
    asked = {"entity": None, "probability": np.full(n, 0.5)} | more
    return gates.business_effect(
        loss,
        arm,
        asked["probability"],
        entity=asked["entity"],
        tolerated_harm=tolerated,
        alpha=0.05,
        enough=enough,
        last_look=last_look,
        no_harm_suffices=suffices,
    )


@pytest.mark.parametrize(
    "gain, n, enough, last_look, suffices, expected",
    [
        (0.0, 4_000, True, False, False, PASS),
        (0.0, 4_000, False, False, False, WAIT),
        (+0.05, 4_000, True, False, False, PASS),
        (-0.05, 4_000, True, False, False, FAIL),
        (-0.05, 4_000, False, False, False, FAIL),
        (-0.05, 4_000, True, True, True, FAIL),  # shown harm never suffices
        (-0.01, 4_000, True, False, False, WAIT),  # at what is tolerated
        (-0.01, 4_000, True, True, True, PASS),  # not excluded, not shown: the plan accepts it in writing
        (-0.01, 4_000, True, False, True, WAIT),  # but not before the last look
        (-0.01, 4_000, True, True, False, WAIT),  # and not without the plan
        (0.0, 4_000, False, True, True, PASS),
        (0.0, 40, True, True, True, WAIT),  # too few for an interval are no evidence, whatever the plan accepts
        (0.0, 0, True, True, True, WAIT),
    ],
)
def test_the_business_effect_excludes_harm_over_what_is_tolerated(gain, n, enough, last_look, suffices, expected):
    verdict = _business(gain, n, enough=enough, last_look=last_look, suffices=suffices)
    assert verdict.outcome is expected
    assert verdict.evidence["rows"] == n


def test_a_business_effect_at_what_is_tolerated_waits_on_both_ends():
    seen = _business(-0.3).evidence
    assert _business(-0.3, tolerated=-seen["low"]).outcome is WAIT
    assert _business(-0.3, tolerated=up(-seen["low"])).outcome is PASS
    assert _business(-0.3, tolerated=-seen["high"]).outcome is WAIT
    assert _business(-0.3, tolerated=down(-seen["high"])).outcome is FAIL


def test_a_customer_who_returns_is_one_customer():
    assert _business(0.0).outcome is PASS
    # Rows 4k and 4k + 1 are the challenger's, 4k + 2 and 4k + 3 the champion's: forty customers an arm.
    returning = np.arange(4_000) % 4 // 2 + 2 * (np.arange(4_000) // 4 % 40)
    assert _business(0.0, entity=returning).outcome is WAIT


@pytest.mark.parametrize("arm", [[0.0] * 400, [1.0] * 400, [math.nan] * 400], ids=["champion", "challenger", "unknown"])
def test_one_arm_alone_is_not_half_of_the_evidence(arm):
    verdict = gates.business_effect(
        [0.1] * 400,
        arm,
        [0.5] * 400,
        entity=None,
        tolerated_harm=0.01,
        alpha=0.05,
        enough=True,
        last_look=True,
        no_harm_suffices=True,
    )
    assert verdict.outcome is WAIT


@pytest.mark.parametrize(
    "what, value",
    [
        ("loss", math.nan),
        ("loss", math.inf),
        ("arm", math.nan),
        ("arm", 2.0),
        ("probability", math.nan),
        ("probability", 0.0),
        ("probability", 1.0),
    ],
)
def test_a_row_without_its_loss_its_arm_or_its_chance_is_refused(what, value):
    rows = {"loss": np.full(4_000, 0.1), "arm": np.resize([1.0, 0.0], 4_000), "probability": np.full(4_000, 0.5)}
    rows[what][7] = value

    def gate():
        return gates.business_effect(
            rows["loss"],
            rows["arm"],
            rows["probability"],
            entity=None,
            tolerated_harm=0.5,
            alpha=0.05,
            enough=True,
            last_look=True,
            no_harm_suffices=True,
        )

    assert gates.closed("business effect", gate).outcome is FAIL


@pytest.mark.parametrize("gain, planned", [(0.001, True), (-0.001, False)])
def test_who_waits_is_told_how_many_rows_it_would_take_unless_they_point_the_other_way(gain, planned):
    pair = losses(gain, 400, spread=0.1)
    kept = {"promotion": BETTER, "margin": 0.01, "alpha": 0.05, "enough": True, "test": PairedTest.RUNNING_AVERAGE}
    verdict = gates.paired_sequential(*pair, **kept)
    assert verdict.outcome is WAIT
    assert ("if it stays so, some" in verdict.reason) is planned
    assert math.isfinite(verdict.evidence["rows_needed"]) is planned
