"""Is no slice and no group worse off, as far as its rows can tell?"""

import math

import numpy as np
import pytest

from schemas.framing import Fairness
from tasks import gates
from tests.tasks.gates.made import FAIL, PASS, WAIT, down


def _gains(mean: float, n: int = 4_000, *, spread: float = 0.001) -> np.ndarray:
    return mean + spread * np.resize([1.0, -1.0], n)


def _slices(margin=0.01, at_least=200, **gains):
    return gates.slices(gains, name="slices", margin=margin, alpha=0.05, at_least=at_least)


@pytest.mark.parametrize(
    "found, expected",
    [
        ({"a": _gains(0.0), "b": _gains(0.1)}, PASS),
        ({"a": _gains(-0.009), "b": _gains(0.1)}, PASS),  # within the margin
        ({"a": _gains(-0.05), "b": _gains(0.1)}, FAIL),  # one is enough, however well the others do
        ({"a": _gains(-0.02, spread=0.9)}, PASS),  # not shown
        ({"a": _gains(-0.5, 199), "b": _gains(0.0)}, PASS),  # too few to be judged
        ({"a": _gains(-0.5, 200), "b": _gains(0.0)}, FAIL),
        ({"a": _gains(0.5, 199)}, WAIT),
        ({"a": _gains(0.5, 0)}, WAIT),
        ({}, WAIT),
    ],
)
def test_a_slice_fails_where_it_is_shown_to_lose_more_than_the_margin(found, expected):
    assert _slices(**found).outcome is expected


def test_a_slice_at_the_margin_is_not_shown_to_lose_more_and_one_float_below_it_is():
    gain = _gains(-0.3)
    margin = -_slices(a=gain).evidence["high"]
    assert _slices(margin, a=gain).outcome is PASS
    assert _slices(down(margin), a=gain).outcome is FAIL


def test_slices_share_the_level_among_those_that_are_judged():
    gain = _gains(-0.3)
    alone = _slices(a=gain).evidence["high"]
    assert _slices(a=gain, b=_gains(0.3)).evidence["high"] > alone
    assert _slices(a=gain, b=_gains(0.3, 199)).evidence["high"] == alone


def test_the_weakest_slice_is_the_evidence_and_every_collapsed_one_is_named():
    verdict = _slices(a=_gains(-0.2), b=_gains(-0.4), c=_gains(0.1), d=_gains(0.0, 9))
    assert verdict.evidence["worst"] == "b"
    assert verdict.evidence["gain"] == pytest.approx(-0.4)
    assert (verdict.evidence["slices"], verdict.evidence["small"]) == (3, 1)
    assert "a: gain" in verdict.reason
    assert "c: gain" not in verdict.reason
    assert verdict.reason.endswith("too few rows to judge (under 200): d")


def test_nothing_is_said_of_small_slices_where_there_are_none():
    assert "too few rows" not in _slices(a=_gains(0.0)).reason
    assert _slices(b=_gains(0.0, 9), a=_gains(0.0, 9)).reason.endswith("too few rows to judge (under 200): a, b")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 2.0], ids=str)
def test_a_slice_with_a_gain_that_is_none_is_refused(bad):
    assert gates.closed("slices", lambda: _slices(a=np.append(_gains(0.3), bad))).outcome is FAIL


def test_where_many_slices_collapse_or_are_small_five_are_named_and_the_rest_counted():
    """A column may hold thousands of values, and a reason is read by people."""
    collapsed = {f"c{i}": _gains(-0.5) for i in range(7)}
    reason = _slices(**collapsed).reason
    assert [name for name in collapsed if f"{name}: gain" in reason] == ["c0", "c1", "c2", "c3", "c4"]
    assert reason.endswith("and 2 more")
    small = {f"s{i}": _gains(0.5, 9) for i in range(6)}
    assert _slices(**small).reason.endswith("s0, s1, s2, s3, s4 and 1 more")
    assert "more" not in _slices(**dict(list(small.items())[:5])).reason


def test_rows_of_one_entity_are_one_piece_of_evidence_in_its_slice():
    gain = np.repeat(0.3 * np.resize([1.0, -1.0], 400), 10) - 0.03
    kept = {"name": "slices", "margin": 0.01, "alpha": 0.05, "at_least": 200}
    by_row = gates.slices({"a": gain}, **kept)
    by_entity = gates.slices({"a": gain}, clusters={"a": np.arange(4_000) // 10}, **kept)
    assert (by_row.outcome, by_entity.outcome) == (FAIL, PASS)
    assert by_entity.evidence["gain"] == by_row.evidence["gain"]
    # What is said of one slice's entities is nothing to another's.
    assert gates.slices({"a": gain}, clusters={"b": np.zeros(9)}, **kept) == by_row


def _fair(tolerance=0.1, at_least=100, alpha=0.05, clusters=None, **groups):
    wanted = Fairness(column="region", measure="selection rate", tolerance=tolerance)
    return gates.fair(wanted, groups, alpha=alpha, at_least=at_least, clusters=clusters)


def _rate(share: float, n: int = 4_000) -> np.ndarray:
    return (np.arange(n) < share * n).astype(float)


@pytest.mark.parametrize(
    "groups, expected",
    [
        ({"a": _rate(0.5), "b": _rate(0.5)}, PASS),
        ({"a": _rate(0.5), "b": _rate(0.55)}, PASS),
        ({"a": _rate(0.3), "b": _rate(0.7)}, FAIL),
        ({"a": _rate(0.7), "b": _rate(0.3)}, FAIL),  # in whichever direction
        ({"a": _rate(0.5), "b": _rate(0.5), "c": _rate(0.9)}, FAIL),  # any two
        ({"a": _rate(0.5), "b": _rate(0.59)}, WAIT),  # within it, and more is not excluded
        ({"a": _rate(0.5), "b": _rate(0.61)}, WAIT),  # beyond it, and that is not shown
        ({"a": _rate(0.5, 120), "b": _rate(0.5, 120)}, WAIT),  # a gap that large would not have been seen
        ({"a": _rate(0.1, 150), "b": _rate(0.9, 150)}, FAIL),
        ({"a": _rate(0.5), "b": _rate(0.5, 99)}, WAIT),
        ({"a": _rate(0.0), "b": _rate(1.0), "c": _rate(0.5, 99)}, WAIT),  # a group nobody can judge is named first
        ({"a": _rate(0.5)}, WAIT),  # one group has no gap
        ({"a": _rate(0.5), "b": []}, WAIT),
        ({}, WAIT),
    ],
)
def test_a_gap_between_any_two_groups_stays_within_the_tolerance(groups, expected):
    assert _fair(**groups).outcome is expected


@pytest.mark.parametrize("n, waits", [(99, True), (100, False)])
def test_a_group_needs_its_rows(n, waits):
    verdict = _fair(a=_rate(0.1), b=_rate(0.9, n))
    assert verdict.outcome is (WAIT if waits else FAIL)
    assert ("too few in: b" in verdict.reason) is waits


def test_no_group_at_all_is_said_to_be_all():
    assert _fair().reason.endswith("too few in: all")
    assert _fair(c=[], b=[]).reason.endswith("too few in: b, c")


@pytest.mark.parametrize("higher", ["a", "b"])
def test_a_gap_shown_to_be_the_tolerance_is_not_shown_to_be_more_and_one_float_less_is(higher):
    groups = {name: _rate(0.9 if name == higher else 0.1) for name in ("a", "b")}
    seen = _fair(**groups).evidence
    shown = max(seen["low"], -seen["high"])
    assert shown > 0.7
    assert _fair(shown, **groups).outcome is WAIT
    assert _fair(down(shown), **groups).outcome is FAIL


@pytest.mark.parametrize("b", [0.45, 0.5, 0.55])
def test_a_gap_passes_where_the_whole_interval_lies_within_the_tolerance(b):
    groups = {"a": _rate(0.5), "b": _rate(b)}
    seen = _fair(**groups).evidence
    widest = max(seen["high"], -seen["low"])
    assert _fair(widest, **groups).outcome is PASS
    assert _fair(down(widest), **groups).outcome is WAIT


def test_a_gap_that_is_shown_fails_whichever_pair_it_is_and_whatever_is_open_elsewhere():
    """Of three groups one pair's gap is shown; of another, with few rows, nothing is excluded."""
    groups = {"a": _rate(0.5), "b": _rate(0.7), "c": _rate(0.5, 100)}
    assert "of a less that of b" not in _fair(**groups).reason  # the widest interval is another pair's
    assert _fair(**groups).outcome is FAIL


def test_where_nothing_was_ever_seen_more_rows_exclude_more():
    """All are let through: rates of zero have no spread, and still no certainty."""
    few, many = _fair(a=_rate(0.0, 120), b=_rate(0.0, 120)), _fair(a=_rate(0.0), b=_rate(0.0))
    assert (few.outcome, many.outcome) == (PASS, PASS)
    assert 0.02 < few.evidence["high"] < 0.1
    assert 0 < many.evidence["high"] < 0.003
    assert _fair(0.001, a=_rate(0.0), b=_rate(0.0)).outcome is WAIT


def test_rows_of_one_entity_are_one_piece_of_evidence_in_its_group():
    a, b = (np.repeat(np.arange(200) < share * 200, 20).astype(float) for share in (0.42, 0.58))
    whose = np.arange(4_000) // 20
    assert _fair(a=a, b=b).outcome is FAIL
    by_entity = _fair(a=a, b=b, clusters={"a": whose, "b": whose})
    assert by_entity.outcome is WAIT
    assert by_entity.evidence["gap"] == pytest.approx(-0.16)
    one_side = _fair(a=a, b=b, clusters={"a": whose}).evidence
    assert by_entity.evidence["low"] < one_side["low"] < _fair(a=a, b=b).evidence["low"]


def test_too_many_small_groups_are_counted():
    said = _fair(**{f"g{i}": _rate(0.5, 9) for i in range(8)}).reason
    assert said.endswith("too few in: g0, g1, g2, g3, g4 and 3 more")


def test_the_widest_gap_is_the_evidence_and_every_pair_shares_the_level():
    verdict = _fair(0.2, a=_rate(0.5), b=_rate(0.45), c=_rate(0.54))
    assert verdict.outcome is PASS
    assert "selection rate of b less that of c" in verdict.reason
    assert verdict.evidence["gap"] == pytest.approx(-0.09)
    two, three = _fair(b=_rate(0.45), c=_rate(0.54), alpha=0.05 / 3), verdict
    assert (two.evidence["low"], two.evidence["high"]) == (three.evidence["low"], three.evidence["high"])


@pytest.mark.parametrize("bad", [math.nan, math.inf], ids=str)
def test_a_group_with_a_value_that_is_none_is_refused(bad):
    assert gates.closed("fair", lambda: _fair(a=_rate(0.5), b=np.append(_rate(0.5), bad))).outcome is FAIL
