"""Are a challenger's scores sound, its metrics as required, its probabilities true and its behaviour as declared?"""

import math

import numpy as np
import pytest

from schemas.framing import Requirement
from tasks import gates
from tasks.stats import Calibration
from tests.tasks.gates.made import FAIL, PASS, WAIT, down, up

UNDEFINED = [(math.nan, 0.6, 0.7), (0.5, math.nan, 0.7), (0.5, 0.6, math.nan), (-math.inf, 0.6, 0.7)]
UNDEFINED += [(0.5, 0.6, math.inf), (math.nan, math.nan, math.nan)]


@pytest.mark.parametrize(
    "limits, measured, expected",
    [
        ({"at_least": 0.5}, (0.6, 0.7, 0.8), PASS),
        ({"at_least": 0.5}, (0.5, 0.7, 0.8), PASS),
        ({"at_least": 0.5}, (down(0.5), 0.7, 0.8), FAIL),  # the whole interval has to keep it
        ({"at_least": 0.5}, (0.2, 0.3, 0.4), FAIL),
        ({"at_most": 0.5}, (0.2, 0.3, 0.4), PASS),
        ({"at_most": 0.5}, (0.2, 0.3, 0.5), PASS),
        ({"at_most": 0.5}, (0.2, 0.3, up(0.5)), FAIL),
        ({"at_most": 0.5}, (0.6, 0.7, 0.8), FAIL),
        ({"at_least": 0.2, "at_most": 0.5}, (0.2, 0.3, 0.5), PASS),
        ({"at_least": 0.2, "at_most": 0.5}, (0.1, 0.3, 0.4), FAIL),
        ({"at_least": 0.2, "at_most": 0.5}, (0.3, 0.4, 0.6), FAIL),
        ({"at_least": 0.0}, (0.0, 0.0, 0.0), PASS),  # a limit of zero is a limit
        ({"at_most": 0.0}, (0.0, 0.0, up(0.0)), FAIL),
    ],
)
def test_a_requirement_is_kept_by_the_whole_interval(limits, measured, expected):
    wanted = Requirement(metric="roc_auc", reason="chance", **limits)
    verdict = gates.requirement(wanted, {"roc_auc": measured})
    assert verdict.outcome is expected
    assert verdict.evidence == dict(zip(("low", "value", "high"), measured, strict=True)) | limits


@pytest.mark.parametrize("found", [{}, {"mae": (9.0, 9.0, 9.0)}, *({"roc_auc": bad} for bad in UNDEFINED)])
@pytest.mark.parametrize("limits", [{"at_least": -9.0}, {"at_most": 9.0}])
def test_a_metric_that_is_missing_or_undefined_waits(limits, found):
    assert gates.requirement(Requirement(metric="roc_auc", reason="chance", **limits), found).outcome is WAIT


@pytest.mark.parametrize(
    "limits, measured, said",
    [
        ({"at_least": 0.5}, (0.2, 0.3, down(0.5)), "is under 0.5"),
        ({"at_least": 0.5}, (0.2, 0.3, 0.5), "is not shown to reach 0.5"),
        ({"at_most": 0.5}, (up(0.5), 0.7, 0.8), "is over 0.5"),
        ({"at_most": 0.5}, (0.5, 0.7, 0.8), "is not shown to stay under 0.5"),
    ],
)
def test_a_requirement_says_whether_less_is_shown_or_enough_is_not(limits, measured, said):
    wanted = Requirement(metric="roc_auc", reason="a coin does as well", **limits)
    reason = gates.requirement(wanted, {"roc_auc": measured}).reason
    assert said in reason
    assert reason.endswith("a coin does as well")


OPERATING = Requirement(metric="recall", at_least=0.3, at_precision=0.5, reason="an hour of a clerk")


@pytest.mark.parametrize(
    "measured, expected",
    [
        ((0.6, 0.7, 0.8), PASS),
        ((0.2, 0.3, 0.6), PASS),  # less is not shown
        ((0.2, 0.3, 0.5), PASS),
        ((0.2, 0.3, down(0.5)), FAIL),
        *((bad, WAIT) for bad in UNDEFINED),
        (None, WAIT),
    ],
)
def test_the_precision_that_a_threshold_was_chosen_for_is_kept_on_new_rows(measured, expected):
    found = {} if measured is None else {f"precision of {OPERATING.name}": measured}
    assert gates.precision_kept(OPERATING, found).outcome is expected


def test_a_requirement_without_an_operating_point_has_no_precision_to_keep():
    wanted = Requirement(metric="recall", at_least=0.3, reason="")
    assert gates.precision_kept(wanted, {"precision of recall": (0.9, 0.9, 0.9)}).outcome is WAIT


@pytest.mark.parametrize(
    "scores, expected",
    [
        ([], WAIT),
        (np.empty((0, 3)), WAIT),
        ([0.1, 0.2], PASS),
        ([0.1, math.nan], FAIL),
        ([0.1, math.inf], FAIL),
        ([0.3] * 50, FAIL),
        ([0.3] * 49 + [up(0.3)], PASS),
        ([0.3, 0.3], FAIL),
        ([0.3], PASS),  # one score cannot differ
        ([math.nan], FAIL),
        ([[0.1, 0.9], [0.9, 0.1]], PASS),
        ([[0.1, 0.9], [0.1, 0.9]], FAIL),
        ([[0.1, 0.9], [0.1, 0.8]], PASS),  # one class whose scores differ
        ([[0.1, 0.9], [math.nan, 0.1]], FAIL),
        ([-7.0, 9.0], PASS),
    ],
)
def test_scores_are_finite_and_not_all_the_same(scores, expected):
    verdict = gates.finite(scores)
    assert verdict.outcome is expected
    assert verdict.evidence == {"rows": len(scores), "not_finite": int((~np.isfinite(scores)).sum())}


@pytest.mark.parametrize(
    "scores, outside",
    [
        ([0.0, 1.0], 0),
        ([0.0, up(1.0)], 1),
        ([-up(0.0), 1.0], 1),
        ([-1.0, 0.5, 2.0], 2),
        ([[0.0, 1.0], [1.0, 0.0]], 0),
        ([[0.5, 1.5], [0.5, 0.5], [-0.5, 1.5]], 2),
    ],
)
def test_a_probability_lies_between_zero_and_one(scores, outside):
    verdict = gates.finite(scores, probability=True)
    assert verdict.outcome is (FAIL if outside else PASS)
    assert verdict.evidence.get("outside", 0) == outside
    assert gates.finite(scores).outcome is PASS


@pytest.mark.parametrize(
    "error, p_value, rows, expected",
    [
        (0.01, 0.9, 500, PASS),
        (0.2, 0.001, 500, FAIL),
        (0.2, 0.9, 500, PASS),  # not shown
        (0.01, 0.001, 500, PASS),  # shown, and too small to matter
        (0.05, 0.001, 500, PASS),  # at what is tolerated
        (up(0.05), 0.001, 500, FAIL),
        (0.2, 0.05, 500, PASS),  # at the level
        (0.2, down(0.05), 500, FAIL),
        (0.2, 0.001, 200, FAIL),
        (0.2, 0.001, 199, WAIT),
        (0.01, 0.9, 0, WAIT),
        (math.nan, 0.9, 500, WAIT),
        (math.inf, 0.001, 500, WAIT),
        (0.2, math.nan, 500, WAIT),
        (0.0, math.nan, 500, WAIT),
    ],
)
def test_scores_are_not_calibrated_where_gaps_are_shown_and_large(error, p_value, rows, expected):
    measured = Calibration(error=error, chi2=1.0, p_value=p_value, rows=rows, bins=())
    assert gates.calibrated(measured, tolerance=0.05, alpha=0.05, at_least=200).outcome is expected


def _behaves(**broken):
    return gates.behaves({what: gates.Violations(*counts, tolerated_share=0.125) for what, counts in broken.items()})


@pytest.mark.parametrize(
    "broken, expected",
    [
        ({"a": (0, 8)}, PASS),
        ({"a": (1, 8)}, PASS),  # exactly as many as may
        ({"a": (2, 8)}, FAIL),
        ({"a": (8, 8)}, FAIL),
        ({"a": (0, 8), "b": (2, 8)}, FAIL),
        ({"a": (0, 8), "b": (0, 8)}, PASS),
        ({"a": (0, 0)}, WAIT),
        ({"a": (0, 8), "b": (0, 0)}, WAIT),
        ({"a": (2, 8), "b": (0, 0)}, FAIL),
        ({}, WAIT),  # a declaration that nobody asked about is not kept
    ],
)
def test_a_declared_behaviour_is_broken_by_more_rows_than_may(broken, expected):
    assert _behaves(**broken).outcome is expected


def test_each_broken_behaviour_is_named_with_its_rows():
    verdict = _behaves(a=(2, 8), b=(0, 8), c=(3, 4))
    assert verdict.reason == "broken: a (2 of 8 rows, 12% may), c (3 of 4 rows, 12% may)"
    assert verdict.evidence == {"a": "2 of 8", "b": "0 of 8", "c": "3 of 4"}
    assert _behaves(a=(0, 8), b=(0, 0), c=(0, 0)).reason == "no row to ask: b, c"
    assert _behaves().reason == "no row to ask: no check at all"
