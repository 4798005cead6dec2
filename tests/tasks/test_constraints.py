"""Which constraint binds, given what was measured? Decisions as a table, and what comes before what."""

from dataclasses import replace

import pytest

from schemas.diagnosis import ORDER, Baseline, Constraint, Slice
from tasks.checks import checks, opportunity
from tasks.constraints import Evidence, rooms

QUIET = Evidence(
    floor=0.004,
    loss=(0.148, 0.15, 0.152),
    naive=0.25,
    gap=(0.0, 0.002, 0.004),
    mismatch=(-0.004, 0.0, 0.004),
    rows=3_000,
    judged=1_500,
    more=(-0.006, -0.003, 0.0),
    less=(-0.004, -0.001, 0.002),
    data=(0.0, 0.001, 0.003),
    labels=(0.0, 0.0, 0.003),
    seeds=(0.0, 0.0002, 0.0004),
)
PHONE = Slice("channel is phone", 300, 0.4, (0.1, 0.2, 0.3), 0.4)


@pytest.mark.parametrize(
    "measured, named",
    [
        ({}, Constraint.CEILING),
        ({"more": (0.01, 0.02, 0.03)}, Constraint.BIAS),
        ({"less": (0.01, 0.02, 0.03)}, Constraint.VARIANCE),
        ({"data": (0.01, 0.03, 0.05)}, Constraint.DATA),
        # What less capacity gives for nothing is not asked of people ...
        ({"data": (0.02, 0.03, 0.05), "less": (0.01, 0.02, 0.03)}, Constraint.VARIANCE),
        # ... the rest is, where it is more.
        ({"data": (0.05, 0.06, 0.07), "less": (0.01, 0.02, 0.03)}, Constraint.DATA),
        ({"labels": (0.01, 0.05, 0.08), "wrong_share": (0.05, 0.1, 0.15)}, Constraint.NOISE),
        ({"mismatch": (0.01, 0.02, 0.03)}, Constraint.MISMATCH),
        ({"slices": (PHONE,)}, Constraint.SLICE),
        ({"edge": ("max_iter",)}, Constraint.SEARCH),
        ({"seeds": (0.01, 0.02, 0.03), "seed_sd": 0.02}, Constraint.SEEDS),
        # The widest that is shown, and not the widest that is possible.
        ({"more": (0.01, 0.02, 0.03), "labels": (0.0, 0.05, 0.2)}, Constraint.BIAS),
        ({"more": (0.01, 0.02, 0.03), "labels": (0.01, 0.05, 0.2)}, Constraint.NOISE),
        # Many seeds' mean is better wherever a model varies: its cause is named before it.
        ({"less": (0.005, 0.01, 0.02), "seeds": (0.03, 0.04, 0.05), "seed_sd": 0.02}, Constraint.VARIANCE),
        # Less capacity is likely better, and so is the mean of seeds for sure: two signs that agree.
        ({"less": (-0.01, 0.02, 0.05), "seeds": (0.01, 0.02, 0.03), "seed_sd": 0.02}, Constraint.VARIANCE),
        # Right labels would teach as much as the rows that are asked for.
        ({"data": (0.03, 0.05, 0.08), "labels": (0.03, 0.04, 0.05)}, Constraint.NOISE),
        # A fault comes before every size.
        ({"alone": (("paid_at", 0.999),), "labels": (0.1, 0.2, 0.3)}, Constraint.LEAK),
        ({"copied": 0.2, "copies": 300, "saved": 0.1, "more": (0.1, 0.2, 0.3)}, Constraint.LEAK),
        ({"loss": (0.01, 0.02, 0.03), "owed": ("paid_at", 0.2)}, Constraint.LEAK),
        ({"shuffled": (0.01, 0.02, 0.03)}, Constraint.LEAK),
        # A telling column that is worth little is none, nor are copies that save nothing.
        ({"alone": (("amount", 0.9),), "copied": 0.2, "copies": 300, "saved": -0.01}, Constraint.CEILING),
        # Likely, and not shown: then it is rows that are missing.
        ({"more": (-0.01, 0.02, 0.05)}, Constraint.TEST),
        ({"more": (0.0, 0.005, 0.01)}, Constraint.CEILING),
    ],
)
def test_what_binds_is_named(measured, named):
    found = rooms(replace(QUIET, **measured))
    assert next(room for room in found if room.binds).constraint is named
    assert found[0].constraint is named


def test_of_few_rows_a_column_has_to_say_more_before_it_is_a_leak():
    telling = replace(QUIET, alone=(("amount", 0.99),))
    assert rooms(telling)[0].constraint is Constraint.LEAK
    assert rooms(replace(telling, rows=300))[0].constraint is Constraint.CEILING


def test_every_constraint_is_said_once_with_its_numbers():
    full = replace(QUIET, slices=(PHONE,), edge=("C",), wrong_share=(0.0, 0.0, 0.1))
    found = rooms(full)
    assert sorted(room.constraint for room in found) == sorted(Constraint)
    assert all(any(c.isdigit() for c in room.says) or room.constraint is Constraint.SEARCH for room in found)


def test_what_was_not_measured_is_no_room():
    found = rooms(replace(QUIET, more=None, less=None, data=None, labels=None, seeds=None))
    assert not {Constraint.BIAS, Constraint.VARIANCE, Constraint.DATA} & {room.constraint for room in found}


def steps(measured, **given):
    evidence = replace(QUIET, **measured)
    given = {"tiny": (0.01, 0.25), "baselines": ()} | given
    baselines = given.pop("baselines")
    return {check.step: check.passed for check in checks(evidence, rooms(evidence), baselines, **given)}


def test_the_order_is_walked_and_the_first_fault_is_named():
    assert list(steps({})) == list(ORDER)
    assert all(passed is not False for passed in steps({}).values())
    assert steps({"labels": (0.01, 0.05, 0.08)})["labels"] is False
    assert steps({"more": (0.01, 0.02, 0.03)})["capacity"] is False
    assert steps({}, tiny=(0.2, 0.25))["optimisation"] is False
    assert steps({}, tiny=None)["optimisation"] is None
    assert steps({"more": None})["capacity"] is None
    assert steps({"loss": (0.24, 0.26, 0.28)})["baseline"] is False


def baseline(name, loss, trained=False):
    return Baseline(name, (loss, loss, loss), None, trained)


def test_a_heuristic_that_is_as_good_fails_the_baseline():
    assert steps({}, baselines=(baseline("heuristic", 0.15),))["baseline"] is False
    assert steps({}, baselines=(baseline("heuristic", 0.16),))["baseline"] is True


def test_little_between_simple_and_best_says_stop():
    assert "stop here" in opportunity(QUIET, (baseline("linear", 0.151, True), baseline("naive baseline", 0.25)))
    assert "stop here" not in opportunity(QUIET, (baseline("linear", 0.2, True),))
    assert opportunity(QUIET, ()) == ""
