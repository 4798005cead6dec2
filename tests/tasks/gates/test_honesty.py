"""Is evidence refused that was trained on, worn out, copied, or about other models?"""

import math

import numpy as np
import pytest

from tasks import gates
from tests.tasks.gates.made import FAIL, PASS, WAIT, up


@pytest.mark.parametrize(
    "uses, allowed, expected",
    [(0, 1, PASS), (1, 1, FAIL), (2, 1, FAIL), (2, 3, PASS), (3, 3, FAIL), (0, 0, FAIL)],
)
def test_a_held_out_set_decides_as_often_as_the_plan_allows(uses, allowed, expected):
    verdict = gates.fresh_test_set(uses, allowed=allowed, sha256="ab" * 32)
    assert verdict.outcome is expected
    assert verdict.evidence == {"test_set": "ab" * 32, "uses": uses}


@pytest.mark.parametrize(
    "evaluated, trained, expected",
    [
        ([1, 2, 3], {"champion": [4, 5], "challenger": [6]}, PASS),
        ([1, 2, 3], {"champion": [], "challenger": []}, PASS),  # a rule was trained on nothing
        ([1, 2, 3], {"champion": [4, 5], "challenger": [3]}, FAIL),  # one row is enough
        ([1, 2, 3], {"champion": [1], "challenger": []}, FAIL),
        ([1, 2, 3], {"champion": None, "challenger": [3]}, FAIL),  # a leak is shown, whatever is not known
        ([1, 2, 3], {"champion": None, "challenger": [4]}, WAIT),
        ([1, 2, 3], {"champion": None}, WAIT),
        ([1, 2, 3], {}, WAIT),
        ([1, 2, 2], {"champion": [4]}, FAIL),  # the same row twice
        ([], {"champion": [4]}, WAIT),
        ([], {}, WAIT),
        (["a", "b"], {"champion": ["b"]}, FAIL),
        (["a", "b"], {"champion": ["bb"]}, PASS),
    ],
)
def test_no_evaluation_row_was_trained_on(evaluated, trained, expected):
    assert gates.no_overlap(evaluated, trained).outcome is expected


@pytest.mark.parametrize("trained", [["2"], [2], [2.0], [2.0, math.nan], np.array([2], dtype="int8"), ["x", 2]])
@pytest.mark.parametrize("evaluated", [[1, 2], ["1", "2"], [1.0, 2.0]])
def test_a_key_is_the_same_key_in_whichever_type_it_was_read(evaluated, trained):
    assert gates.no_overlap(evaluated, {"champion": trained}).outcome is FAIL


def test_keys_that_are_no_whole_numbers_stay_themselves():
    assert gates.no_overlap([2.05, 25.0], {"champion": [2.5, 205.0]}).outcome is PASS
    assert gates.no_overlap(["2.0"], {"champion": ["2"]}).outcome is PASS


def test_an_overlap_names_each_model_that_was_trained_on_the_rows():
    verdict = gates.no_overlap([1, 2, 3], {"champion": [1, 2], "challenger": [9]})
    assert verdict.evidence == {"rows": 3, "shared with champion": 2, "shared with challenger": 0}
    assert "2 by the champion" in verdict.reason
    assert "challenger" not in verdict.reason


def test_what_is_not_known_is_named():
    assert gates.no_overlap([1], {"b": None, "a": None, "c": []}).reason.endswith("not known of: a, b")
    assert gates.no_overlap([1], {}).reason.endswith("not known of: any model")


def test_two_rows_of_one_key_are_counted():
    assert gates.no_overlap([1, 1, 1, 2], {"champion": []}).reason.startswith("2 of 4 evaluation rows share")


@pytest.mark.parametrize(
    "share, natural, rows, expected",
    [
        (0.0, 0.0, 500, PASS),
        (0.25, 0.25, 500, PASS),
        (0.375, 0.25, 500, PASS),  # exactly as much more as is tolerated
        (up(0.375), 0.25, 500, FAIL),
        (0.9, 0.25, 500, FAIL),
        (1.0, 1.0, 500, PASS),  # a problem whose rows repeat by nature
        (0.0, 0.0, 1, PASS),
        (0.0, 0.0, 0, WAIT),
        (math.nan, 0.0, 500, WAIT),
        (0.0, math.nan, 500, WAIT),
        (0.9, math.inf, 500, WAIT),
    ],
)
def test_more_near_copies_than_are_natural_are_refused(share, natural, rows, expected):
    assert gates.no_duplicates(share, natural=natural, rows=rows, limit=0.125).outcome is expected


@pytest.mark.parametrize(
    "unlabelled, rows, limit, expected",
    [
        (0, 500, 0.125, PASS),
        (1, 8, 0.125, PASS),  # exactly the share that may
        (2, 8, 0.125, WAIT),
        (125, 1_000, 0.125, PASS),
        (126, 1_000, 0.125, WAIT),
        (500, 500, 0.125, WAIT),
        (0, 500, 0.0, PASS),
        (1, 500, 0.0, WAIT),
        (0, 0, 0.125, WAIT),  # no row that has matured says nothing of those that will
        (0, 0, 1.0, WAIT),
    ],
)
def test_rows_that_matured_without_a_label_are_few_or_the_rest_is_a_selection(unlabelled, rows, limit, expected):
    verdict = gates.labels_complete(unlabelled, rows, limit=limit)
    assert verdict.outcome is expected
    assert verdict.evidence == {"rows": rows, "unlabelled": unlabelled}
    assert ("the rest is a selection" in verdict.reason) is (expected is WAIT and rows > 0)


@pytest.mark.parametrize(
    "dropped, rows, limit, expected",
    [
        (0, 500, 0.125, PASS),
        (1, 8, 0.125, PASS),  # exactly the share that may
        (2, 8, 0.125, WAIT),
        (125, 1_000, 0.125, PASS),
        (126, 1_000, 0.125, WAIT),
        (500, 500, 0.125, WAIT),
        (0, 500, 0.0, PASS),
        (1, 500, 0.0, WAIT),
        (0, 0, 0.125, WAIT),  # no answer says nothing of those that will come
        (0, 0, 1.0, WAIT),
    ],
)
def test_answered_rows_without_a_shadow_score_are_few_or_the_rest_is_a_selection(dropped, rows, limit, expected):
    verdict = gates.mirror_complete(dropped, rows, limit=limit)
    assert verdict.outcome is expected
    assert verdict.evidence == {"rows": rows, "dropped": dropped}
    assert ("the rest is a selection" in verdict.reason) is (expected is WAIT and rows > 0)


@pytest.mark.parametrize(
    "scored_by, beside, newer, expected",
    [
        (["a", "a"], ["b", "b"], {"champion": True, "challenger": True}, PASS),
        (["a", "x"], ["b", "b"], {"champion": True}, FAIL),  # one row of another champion
        (["a", "a"], ["b", "x"], {"champion": True}, FAIL),  # or of another challenger
        (["x", "a"], ["b", "x"], {"champion": True}, FAIL),
        (["b", "b"], ["a", "a"], {"champion": True}, FAIL),  # the two in each other's place
        (["a", None], ["b", "b"], {"champion": True}, FAIL),
        (["a", "a"], ["b", math.nan], {"champion": True}, FAIL),
        (["a", "a"], ["b", "b"], {"champion": True, "challenger": False}, FAIL),
        (["a", "a"], ["b", "b"], {"champion": False, "challenger": True}, FAIL),
        (["a", "a"], ["b", "b"], {}, WAIT),  # whether the rows are newer is not known
        ([], [], {"champion": True, "challenger": True}, WAIT),
        ([], [], {}, WAIT),
    ],
)
def test_evidence_speaks_about_the_two_models_it_decides_on(scored_by, beside, newer, expected):
    assert gates.same_pair(scored_by, beside, champion="a", challenger="b", newer=newer).outcome is expected


def test_a_model_is_not_compared_with_itself():
    verdict = gates.same_pair(["a"], ["a"], champion="a", challenger="a", newer={"champion": True})
    assert verdict.outcome is FAIL
    assert "itself" in verdict.reason


def test_one_score_does_not_stand_beside_many():
    with pytest.raises(ValueError, match="one shape"):
        gates.same_pair(["a"] * 5, ["b"], champion="a", challenger="b", newer={"champion": True})


def test_rows_of_strangers_are_counted_and_old_rows_named():
    verdict = gates.same_pair(["a", "x", "a"], ["y", "b", "b"], champion="a", challenger="b", newer={"champion": True})
    assert verdict.evidence == {"rows": 3, "of_others": 2, "champion": "a", "challenger": "b"}
    verdict = gates.same_pair(["a"], ["b"], champion="a", challenger="b", newer={"champion": True, "challenger": False})
    assert verdict.reason.endswith("the training of: challenger")
