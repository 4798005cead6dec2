"""Is each kind of incident known by its signs, and is nothing ever trained on a fault?"""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.incident import FAULTS, Action, Kind
from schemas.plans import MonitoringPlan
from schemas.verdict import Interval, Outcome, Verdict
from tasks.stats import CalibrationMove, Prior
from tasks.triage import Signs, broken, triage

PLAN = MonitoringPlan()
DRIFT = Verdict("drift", Outcome.FAIL, "moved: amount by 0.31 (limit 0.10)", {"distance amount": 0.31})
CALM = Verdict("drift", Outcome.PASS, "no column moved")
DECAY = Verdict("decay", Outcome.FAIL, "decayed: live loss 0.2", {"low": 0.19, "live": 0.2, "held_out": 0.1})
DUE = Verdict("schedule", Outcome.FAIL, "91 days since the last retrain, the plan says 91")
STEADY = CalibrationMove(p_value=0.5, gap=0.03, offset=0.0, offset_share=0.5, slope=1.0, before=0.3, now=0.31, rows=900)
OFFSET = replace(STEADY, p_value=1e-6, gap=0.4, offset=1.1, offset_share=0.98, now=0.6)
TURNED = replace(STEADY, p_value=1e-6, gap=0.5, offset_share=0.02, slope=0.1)
STOPPED = replace(STEADY, p_value=1e-9, gap=0.8, offset=-10.0, offset_share=1.0, slope=0.1, now=0.0)
KNOWS, KNOWS_NOT, BROKEN = Prior(0.57, 0.03, valid=True), Prior(0.31, 0.03, valid=True), Prior(1.4, 0.05, valid=False)
SINCE = timedelta(days=9)

TABLE = [
    ("nothing is the matter", Signs(), None, None),
    ("all is as it was", Signs(drift=CALM, calibration=STEADY, told=True), None, None),
    ("rows break the contract", Signs(faults=("amount: in_range (31)",)), Kind.DATA_FAULT, Action.HOLD),
    ("a unit changed", Signs(meanings=("amount is 100 times what it was",), drift=DRIFT), Kind.MEANING, Action.HOLD),
    ("a fault goes before a meaning", Signs(faults=("x",), meanings=("y",)), Kind.DATA_FAULT, Action.HOLD),
    ("the model raises", Signs(errors=0.2, can_roll_back=True), Kind.MODEL_BUG, Action.ROLL_BACK),
    ("the model raises, and nothing came before it", Signs(errors=0.2), Kind.MODEL_BUG, Action.ASK),
    ("a few errors are none", Signs(errors=0.05), None, None),
    ("one score for all", Signs(constant=True, can_roll_back=True), Kind.MODEL_BUG, Action.ROLL_BACK),
    (
        "a young champion is worse than its predecessor",
        Signs(worse=Interval(0.01, 0.03, 0.05), can_roll_back=True, decay=DECAY),
        Kind.MODEL_BUG,
        Action.ROLL_BACK,
    ),
    (
        "it may be worse, and that decides nothing",
        Signs(worse=Interval(-0.01, 0.03, 0.05), can_roll_back=True),
        None,
        None,
    ),
    ("labels that are due are missing", Signs(unlabelled=("12 labels came",)), Kind.LABEL_FAULT, Action.HOLD),
    ("no positive label any more", Signs(calibration=STOPPED, prior=KNOWS_NOT), Kind.LABEL_FAULT, Action.HOLD),
    ("no positive label, and no score to ask", Signs(calibration=STOPPED), Kind.LABEL_FAULT, Action.HOLD),
    (
        "labels are the wrong way round",
        Signs(calibration=replace(TURNED, slope=-0.9)),
        Kind.LABEL_FAULT,
        Action.HOLD,
    ),
    (
        "more positives, and the inputs know",
        Signs(calibration=OFFSET, prior=KNOWS),
        Kind.LABEL_SHIFT,
        Action.RECALIBRATE,
    ),
    (
        "more positives, and only training the model anew has to wait",
        Signs(calibration=OFFSET, prior=KNOWS, since=SINCE, ripe=False),
        Kind.LABEL_SHIFT,
        Action.RECALIBRATE,
    ),
    (
        "more positives, since too short a time to re-map",
        Signs(calibration=OFFSET, prior=KNOWS, since=SINCE, mappable=False),
        Kind.LABEL_SHIFT,
        Action.NOTE,
    ),
    (
        "more positives, and the inputs moved with them",
        Signs(calibration=OFFSET, prior=KNOWS, drift=DRIFT, told=True, decay=DECAY),
        Kind.LABEL_SHIFT,
        Action.RECALIBRATE,
    ),
    (
        "more positives, and the inputs know of none",
        Signs(calibration=OFFSET, prior=KNOWS_NOT),
        Kind.CONCEPT_DRIFT,
        Action.RETRAIN,
    ),
    (
        "no share of positives explains the scores",
        Signs(calibration=OFFSET, prior=BROKEN),
        Kind.CONCEPT_DRIFT,
        Action.RETRAIN,
    ),
    ("scores mean another thing", Signs(calibration=TURNED, prior=KNOWS_NOT), Kind.CONCEPT_DRIFT, Action.RETRAIN),
    (
        "inputs and their meaning both moved",
        Signs(calibration=TURNED, prior=BROKEN, drift=DRIFT, told=True),
        Kind.CONCEPT_DRIFT,
        Action.RETRAIN,
    ),
    (
        "scores mean another thing, since too short a time to learn it",
        Signs(calibration=TURNED, since=SINCE, ripe=False),
        Kind.CONCEPT_DRIFT,
        Action.NOTE,
    ),
    (
        "the same in an emergency",
        Signs(calibration=TURNED, since=SINCE, ripe=False, emergency=True),
        Kind.CONCEPT_DRIFT,
        Action.ASK,
    ),
    ("a decay, and nobody knows of calibration", Signs(decay=DECAY), Kind.CONCEPT_DRIFT, Action.RETRAIN),
    ("a decay, scores as they were", Signs(decay=DECAY, calibration=STEADY), Kind.STALENESS, Action.RETRAIN),
    ("a decay where inputs moved", Signs(decay=DECAY, drift=DRIFT), Kind.COVARIATE_SHIFT, Action.RETRAIN),
    (
        "a decay where inputs moved to rows that are harder",
        Signs(decay=DECAY, drift=DRIFT, calibration=STEADY, told=True),
        Kind.COVARIATE_SHIFT,
        Action.NOTE,
    ),
    (
        "the same, and what is expected of them is bad",
        Signs(decay=DECAY, drift=DRIFT, calibration=STEADY, told=True, rise=0.4),
        Kind.COVARIATE_SHIFT,
        Action.RETRAIN,
    ),
    (
        "the same in an emergency",
        Signs(decay=DECAY, drift=DRIFT, calibration=STEADY, told=True, emergency=True),
        Kind.COVARIATE_SHIFT,
        Action.RETRAIN,
    ),
    (
        "inputs moved, labels say that it costs nothing",
        Signs(drift=DRIFT, calibration=STEADY, told=True),
        Kind.COVARIATE_SHIFT,
        Action.NOTE,
    ),
    (
        "inputs moved to where more is lost",
        Signs(drift=DRIFT, calibration=STEADY, told=True, rise=0.4),
        Kind.COVARIATE_SHIFT,
        Action.RETRAIN,
    ),
    (
        "inputs moved to where a little more is lost",
        Signs(drift=DRIFT, calibration=STEADY, told=True, rise=0.2),
        Kind.COVARIATE_SHIFT,
        Action.NOTE,
    ),
    ("inputs moved, no label can tell", Signs(drift=DRIFT), Kind.COVARIATE_SHIFT, Action.NOTE),
    ("inputs moved as a year ago", Signs(drift=DRIFT, seasonal=True), Kind.SEASONAL, Action.NOTE),
    (
        "a year ago, but labels disagree",
        Signs(drift=DRIFT, seasonal=True, calibration=TURNED),
        Kind.CONCEPT_DRIFT,
        Action.RETRAIN,
    ),
    ("time passed", Signs(due=DUE), Kind.STALENESS, Action.RETRAIN),
    ("time passed while inputs moved", Signs(due=DUE, drift=DRIFT, seasonal=True), Kind.SEASONAL, Action.NOTE),
]


@pytest.mark.parametrize("signs, kind, action", [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_each_kind_is_known_by_its_signs(signs, kind, action):
    found = triage(signs, plan=PLAN)
    assert (found and found.kind, found and found.action) == (kind, action)


def test_without_labels_the_plan_says_whether_moved_inputs_are_retrained_on():
    retraining = PLAN.model_copy(update={"drift_without_labels": "retrain"})
    found = triage(Signs(drift=DRIFT), plan=retraining)
    assert found.action is Action.RETRAIN
    assert "no matured label of such rows can tell yet" in found.reason


def test_an_incident_names_since_when_and_what_labels_show():
    found = triage(Signs(calibration=TURNED, since=SINCE, emergency=True), plan=PLAN)
    assert (found.window, found.emergency) == (SINCE, True)
    assert found.evidence["by_offset"] == TURNED.offset_share


@pytest.mark.parametrize("p, gap, expected", [(0.009, 0.05, True), (0.011, 0.5, False), (1e-9, 0.049, False)])
def test_calibration_is_broken_by_more_than_chance_and_by_enough_to_matter(p, gap, expected):
    assert broken(replace(STEADY, p_value=p, gap=gap), PLAN) is expected


verdicts = st.none() | st.sampled_from([DRIFT, CALM, DECAY, DUE])
moves = st.none() | st.builds(
    CalibrationMove,
    p_value=st.floats(0, 1),
    gap=st.floats(0, 2),
    offset=st.floats(-12, 12),
    offset_share=st.floats(0, 1) | st.just(float("nan")),
    slope=st.floats(-3, 3) | st.just(float("nan")),
    before=st.floats(0, 1),
    now=st.floats(0, 1),
    rows=st.integers(0, 10_000),
)
texts = st.lists(st.sampled_from(["x is missing", "x is 100 times what it was"]), max_size=2).map(tuple)
priors = st.none() | st.builds(Prior, st.floats(-2, 2) | st.just(float("nan")), st.floats(0, 1), st.booleans())
everything = st.builds(
    Signs,
    faults=texts,
    meanings=texts,
    unlabelled=texts,
    errors=st.floats(0, 1),
    constant=st.booleans(),
    can_roll_back=st.booleans(),
    worse=st.none() | st.just(Interval(0.01, 0.02, 0.03)),
    drift=verdicts,
    seasonal=st.booleans(),
    decay=verdicts,
    calibration=moves,
    prior=priors,
    told=st.booleans(),
    rise=st.none() | st.floats(-1, 9),
    due=verdicts,
    emergency=st.booleans(),
    ripe=st.booleans(),
    mappable=st.booleans(),
)
CHALLENGES = (Action.RETRAIN, Action.RECALIBRATE)


@given(everything, st.sampled_from(["retrain", "note"]))
def test_nothing_is_ever_trained_while_a_fault_is_among_the_signs(signs, without_labels):
    plan = PLAN.model_copy(update={"drift_without_labels": without_labels})
    found = triage(signs, plan=plan)
    if signs.faults or signs.meanings or (signs.unlabelled and signs.errors <= plan.bad_share and not signs.constant):
        assert found.kind in FAULTS
        assert found.action is Action.HOLD
    if signs.unlabelled:
        assert found.action not in CHALLENGES


@given(everything)
def test_a_fault_holds_and_a_hold_is_a_fault(signs):
    found = triage(signs, plan=PLAN)
    assert found is None or (found.kind in FAULTS) == (found.action is Action.HOLD)
    assert found is None or (found.reason and "\n" not in found.reason)
    numbers = [v for v in (found.evidence.values() if found else ()) if isinstance(v, float)]
    assert all(isinstance(v, float) for v in np.asarray(numbers).tolist())


@given(everything)
def test_a_roll_back_needs_somebody_to_go_back_to(signs):
    found = triage(replace(signs, can_roll_back=False), plan=PLAN)
    assert found is None or found.action is not Action.ROLL_BACK
