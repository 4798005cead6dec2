"""Does each gate that there is give its outcomes with its numbers, and no PASS for evidence that is missing?"""

import inspect
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from schemas.framing import Fairness, Requirement
from schemas.plans import DataPlan, PairedTest
from schemas.verdict import Outcome, Verdict
from tasks import gates
from tasks.feature_equality import Difference, Equality
from tasks.stats import Calibration, DelayCurve, delay_curve
from tests.tasks.gates.made import BETTER, FAIL, PASS, WAIT, losses

GOOD, EVEN, BAD, FEW = losses(0.05), losses(0.0), losses(-0.05), losses(0.05, 9)
PROBE = gates.Probe(rows=20, differing=0, load_seconds=1.0, latency_ms=5.0, memory_mb=100.0, size_mb=1.0)
NEEDED = {"at_least": timedelta(days=2), "requests_needed": 100, "entities_needed": 50}


def _requirement(*measured: float) -> Verdict:
    return gates.requirement(Requirement(metric="roc_auc", at_least=0.5, reason="chance"), {"roc_auc": measured})


def _precision(*measured: float) -> Verdict:
    wanted = Requirement(metric="recall", at_least=0.1, at_precision=0.5, reason="")
    return gates.precision_kept(wanted, {f"precision of {wanted.name}": measured})


def _live(pair, test: PairedTest = PairedTest.RUNNING_AVERAGE) -> Verdict:
    return gates.paired_sequential(*pair, promotion=BETTER, margin=0.01, alpha=0.05, enough=True, test=test)


def _offline(pair) -> Verdict:
    return gates.paired_offline(*pair, promotion=BETTER, margin=0.01, alpha=0.05, at_least=100)


def _sanity(pair) -> Verdict:
    return gates.not_shown_worse(*pair, alpha=0.05, at_least=100, against="constant")


def _probation(pair) -> Verdict:
    return gates.no_worse_live(*pair, margin=0.01, alpha=0.05, enough=True, at_least=100)


def _effect(gain: float, n: int) -> Verdict:
    arm = np.resize([1, 0], n)
    more = {"tolerated_harm": 0.02, "alpha": 0.05, "enough": True, "last_look": False, "no_harm_suffices": False}
    return gates.business_effect(0.5 - gain * arm, arm, np.full(n, 0.5), entity=None, **more)


def _slices(pair) -> Verdict:
    return gates.slices({"a": pair[0] - pair[1]}, name="slices", margin=0.01, alpha=0.05, at_least=100)


def _calibrated(error: float, p_value: float, rows: int = 500) -> Verdict:
    return gates.calibrated(Calibration(error, 1.0, p_value, rows, ()), tolerance=0.05, alpha=0.05, at_least=100)


def _fair(a, b) -> Verdict:
    wanted = Fairness(column="region", measure="loss", tolerance=0.05)
    return gates.fair(wanted, {"a": np.asarray(a), "b": np.asarray(b)}, alpha=0.05, at_least=100)


def _value(pair) -> Verdict:
    limits = {"tolerated": 0.01, "smallest": 0.0, "largest": 1.0, "currency": "EUR", "alpha": 0.05, "at_least": 100}
    return gates.business_value(*pair, np.full(len(pair[0]), 0.9), **limits)


def _simplest(pair) -> Verdict:
    return gates.simplest(pair[1], {"linear": pair[0]}, margin=0.01, alpha=0.05, at_least=100)


def _behaves(broken: int, rows: int) -> Verdict:
    return gates.behaves({"rises": gates.Violations(broken, rows, 0.02)})


def _traffic(requests: int) -> Verdict:
    return gates.enough_traffic(requests=requests, entities=50, elapsed=timedelta(days=2), **NEEDED)


def _errors(*hits: int) -> Verdict:
    return gates.error_guardrail(hits, [0.5] * len(hits), ratio=1.0, alpha=0.05, arms="side by side")


def _slow(*hits: int) -> Verdict:
    return gates.latency_guardrail(hits, [0.5] * len(hits), ratio=1.0, alpha=0.05, arms="over 100 ms")


def _mirrored(dropped: int, rows: int, limit: float = 0.02) -> Verdict:
    return gates.mirror_complete(dropped, rows, limit=limit)


def _shift(positives: int, rows: int, held_out: float = 0.02) -> Verdict:
    return gates.prediction_shift(positives, rows, held_out=held_out, factor=3.0, alpha=0.05)


def _held(inside: int, n: int, share: float = 0.5) -> Verdict:
    return gates.shares_held(np.arange(n) < inside, np.full(n, share), alpha=0.05)


def _serveable(**found: float) -> Verdict:
    return gates.serveable(replace(PROBE, **found), gates.Limits(30.0, 100.0, 2_000.0, 500.0))


def _duplicates(share: float, natural: float, rows: int = 500) -> Verdict:
    return gates.no_duplicates(share, natural=natural, rows=rows, limit=0.1)


def _supported(unsupported: int, rows: int, limit: float = 0.02) -> Verdict:
    return gates.labels_supported(unsupported, rows, limit=limit, explored=unsupported < rows)


def _labels(unlabelled: int, rows: int, limit: float = 0.02) -> Verdict:
    return gates.labels_complete(unlabelled, rows, limit=limit)


def _leak(values, growth: float = 0.5) -> Verdict:
    return gates.no_leak("training time", values, unit="retrains", rate=0.01, growth=growth, at_least=6)


def _pair(scored_by, **newer: bool) -> Verdict:
    return gates.same_pair(scored_by, ["b"] * len(scored_by), champion="a", challenger="b", newer=newer)


def _skew(*shares: float, rows: int = 500) -> Verdict:
    found = tuple(Difference("x", share, math.nan) for share in shares)
    return gates.same_features(Equality(rows, 500, found), at_least=100, limit=0.05)


def _drift(distance: float, limit: float = 0.2) -> Verdict:
    return _drifted({"x": distance}, {"x": limit})


def _drifted(distances, limits, rate: float = 0.05) -> Verdict:
    return gates.drift(
        distances, limits, floor=0.1, rate=rate, allowed=0.06, window=timedelta(days=7), basis="9 windows"
    )


def _decay(daily, held_out: float = 0.3) -> Verdict:
    return gates.decay(daily, held_out=held_out, tolerance=0.01, alpha=0.01, at_least=10)


def _requirement_live(*measured: float, days: int = 10) -> Verdict:
    wanted = Requirement(metric="roc_auc", at_least=0.5, when="after", reason="chance")
    return gates.requirement_live(wanted, {"roc_auc": measured}, days=days, at_least=10)


def _delays(mean: int, seed: int = 1) -> DelayCurve:
    """Delays of this mean, in days, of rows that were followed for sixty."""
    rng = np.random.default_rng([mean, seed])
    delay, age = rng.exponential(mean, 5_000), rng.uniform(0, 60, 5_000)
    return delay_curve(np.minimum(delay, age), delay <= age, followed=60.0)


def _matured(days: int) -> Verdict:
    return gates.maturity_holds({"all": _delays(1)}, maturity=timedelta(days=days), tolerated=0.05)


def _early(*means: int) -> Verdict:
    return gates.early_labels({str(i): _delays(mean, seed=i) for i, mean in enumerate(means)}, _delays(1, seed=9))


DATA = DataPlan()
MONDAY, DAY = datetime(2024, 1, 1, tzinfo=UTC), timedelta(days=1)


def _missing(share: float, rows: int = 500, before: float = 0.0) -> Verdict:
    return gates.missing_shares({"x": share}, {"x": before}, rows=rows, rows_before=500, plan=DATA)


def _unseen(unseen: int, rows: int = 500, expected: float = 0.0) -> Verdict:
    seen = {"x": gates.Seen(rows=rows, unseen=unseen, names=1, expected=expected)}
    return gates.unseen_categories(seen, listed=(), plan=DATA)


def _arrived(rows: int, weeks: int = 5) -> Verdict:
    counts = {MONDAY + n * DAY: 100 for n in range(weeks * 7)} | {MONDAY + weeks * 7 * DAY: rows}
    last = MONDAY + weeks * 7 * DAY
    return gates.arrivals(counts, since=last, now=last + DAY, plan=DATA)


PAIRED = {"low", "gain", "high", "rows", "floor"}
INTERVAL = {"low", "value", "high", "at_least"}

# Each gate: evidence it passes, fails and waits on (None where that is no answer of this gate), and the numbers it states
# with a PASS.
GATES: dict[str, tuple[dict[Outcome, Callable[[], Verdict] | None], set[str]]] = {
    "requirement": (
        {
            PASS: lambda: _requirement(0.6, 0.7, 0.8),
            FAIL: lambda: _requirement(0.4, 0.7, 0.8),
            WAIT: lambda: _requirement(*[math.nan] * 3),
        },
        INTERVAL,
    ),
    "precision_kept": (
        {
            PASS: lambda: _precision(0.4, 0.5, 0.6),
            FAIL: lambda: _precision(0.2, 0.3, 0.4),
            WAIT: lambda: _precision(*[math.nan] * 3),
        },
        INTERVAL,
    ),
    "finite": (
        {
            PASS: lambda: gates.finite([0.1, 0.2]),
            FAIL: lambda: gates.finite([0.1, math.nan]),
            WAIT: lambda: gates.finite([]),
        },
        {"rows", "not_finite"},
    ),
    "paired_offline": (
        {PASS: lambda: _offline(GOOD), FAIL: lambda: _offline(EVEN), WAIT: lambda: _offline(FEW)},
        PAIRED | {"clipped", "resolves"},
    ),
    "not_shown_worse": ({PASS: lambda: _sanity(EVEN), FAIL: lambda: _sanity(BAD), WAIT: lambda: _sanity(FEW)}, PAIRED),
    "paired_sequential": ({PASS: lambda: _live(GOOD), FAIL: lambda: _live(BAD), WAIT: lambda: _live(EVEN)}, PAIRED),
    "no_worse_live": (
        {PASS: lambda: _probation(EVEN), FAIL: lambda: _probation(BAD), WAIT: lambda: _probation(FEW)},
        PAIRED,
    ),
    "business_effect": (
        {PASS: lambda: _effect(0.0, 4_000), FAIL: lambda: _effect(-0.1, 4_000), WAIT: lambda: _effect(0.0, 1)},
        PAIRED,
    ),
    "slices": (
        {PASS: lambda: _slices(EVEN), FAIL: lambda: _slices(BAD), WAIT: lambda: _slices(FEW)},
        {"slices", "small", "worst", "low", "gain", "high"},
    ),
    "calibrated": (
        {
            PASS: lambda: _calibrated(0.01, 0.9),
            FAIL: lambda: _calibrated(0.2, 1e-9),
            WAIT: lambda: _calibrated(0.01, 0.9, 9),
        },
        {"rows", "error", "p_value", "tolerance"},
    ),
    "fair": (
        {PASS: lambda: _fair(*EVEN), FAIL: lambda: _fair(*losses(0.2)), WAIT: lambda: _fair(*FEW)},
        {"low", "gap", "high", "tolerance"},
    ),
    "business_value": (
        {PASS: lambda: _value(GOOD), FAIL: lambda: _value(BAD), WAIT: lambda: _value(FEW)},
        PAIRED | {"over_constant"},
    ),
    "simplest": (
        {PASS: lambda: _simplest(GOOD), FAIL: lambda: _simplest(EVEN), WAIT: lambda: _simplest(FEW)},
        {"rows", "margin", "gain over linear"},
    ),
    "behaves": ({PASS: lambda: _behaves(0, 9), FAIL: lambda: _behaves(1, 9), WAIT: lambda: _behaves(0, 0)}, {"rises"}),
    "serveable": (
        {PASS: _serveable, FAIL: lambda: _serveable(differing=1), WAIT: lambda: _serveable(rows=0)},
        {"golden_rows", "differing"},
    ),
    "enough_traffic": (
        {PASS: lambda: _traffic(100), FAIL: None, WAIT: lambda: _traffic(99)},
        {"requests", "entities", "days"},
    ),
    "error_guardrail": (
        {PASS: _errors, FAIL: lambda: _errors(*[1] * 20), WAIT: None},
        {"errors", "errors_of_challenger", "log_e"},
    ),
    "latency_guardrail": (
        {PASS: _slow, FAIL: lambda: _slow(*[1] * 20), WAIT: None},
        {"slow_answers", "slow_answers_of_challenger", "log_e"},
    ),
    "prediction_shift": (
        {PASS: lambda: _shift(20, 1_000), FAIL: lambda: _shift(900, 1_000), WAIT: lambda: _shift(0, 0)},
        {"rows", "share", "held_out", "log_e"},
    ),
    "shares_held": (
        {PASS: lambda: _held(500, 1_000), FAIL: lambda: _held(900, 1_000), WAIT: lambda: _held(0, 0)},
        {"entities", "in_challenger", "log_e"},
    ),
    "fresh_test_set": (
        {
            PASS: lambda: gates.fresh_test_set(0, allowed=1, sha256="ab"),
            FAIL: lambda: gates.fresh_test_set(1, allowed=1, sha256="ab"),
            WAIT: None,
        },
        {"test_set", "uses"},
    ),
    "no_overlap": (
        {
            PASS: lambda: gates.no_overlap([1, 2], {"champion": [3]}),
            FAIL: lambda: gates.no_overlap([1, 2], {"champion": [2]}),
            WAIT: lambda: gates.no_overlap([1, 2], {"champion": None}),
        },
        {"rows", "shared with champion"},
    ),
    "no_duplicates": (
        {
            PASS: lambda: _duplicates(0.0, 0.0),
            FAIL: lambda: _duplicates(0.9, 0.0),
            WAIT: lambda: _duplicates(0.0, 0.0, 0),
        },
        {"rows", "share", "natural"},
    ),
    "no_leak": (
        {
            PASS: lambda: _leak([10.0] * 8),
            FAIL: lambda: _leak([10.0 + n for n in range(8)]),
            WAIT: lambda: _leak([10.0] * 5),
        },
        {"values", "p_value", "growth", "rate"},
    ),
    "labels_complete": (
        {PASS: lambda: _labels(0, 500), FAIL: None, WAIT: lambda: _labels(100, 500)},
        {"rows", "unlabelled"},
    ),
    "labels_supported": (
        {PASS: lambda: _supported(0, 500), FAIL: None, WAIT: lambda: _supported(100, 500)},
        {"rows", "unsupported"},
    ),
    "mirror_complete": (
        {PASS: lambda: _mirrored(0, 500), FAIL: None, WAIT: lambda: _mirrored(100, 500)},
        {"rows", "dropped"},
    ),
    "same_features": (
        {
            PASS: lambda: _skew(0.0),
            FAIL: lambda: _skew(0.5),
            WAIT: lambda: _skew(0.0, rows=9),
        },
        {"rows", "asked", "differs x"},
    ),
    "same_pair": (
        {
            PASS: lambda: _pair(["a"], champion=True),
            FAIL: lambda: _pair(["x"], champion=True),
            WAIT: lambda: _pair([], champion=True),
        },
        {"rows", "of_others", "champion", "challenger"},
    ),
    "drift": (
        {PASS: lambda: _drift(0.0), FAIL: lambda: _drift(0.9), WAIT: lambda: _drift(math.nan)},
        {"distance x", "rate", "alarms a year"},
    ),
    "missing_shares": (
        {PASS: lambda: _missing(0.0), FAIL: lambda: _missing(0.9), WAIT: lambda: _missing(0.9, 0)},
        {"rows"},
    ),
    "unseen_categories": (
        {PASS: lambda: _unseen(5), FAIL: lambda: _unseen(500), WAIT: lambda: _unseen(0, 0)},
        {"unseen x"},
    ),
    "arrivals": (
        {PASS: lambda: _arrived(100), FAIL: lambda: _arrived(1), WAIT: lambda: _arrived(100, 2)},
        {"partitions", "odd", "scatter"},
    ),
    "decay": (
        {PASS: lambda: _decay([0.3] * 10), FAIL: lambda: _decay([0.9] * 10), WAIT: lambda: _decay([0.9] * 9)},
        {"low", "live", "held_out", "days"},
    ),
    "requirement_live": (
        {
            PASS: lambda: _requirement_live(0.6, 0.7, 0.8),
            FAIL: lambda: _requirement_live(0.2, 0.3, 0.4),
            WAIT: lambda: _requirement_live(0.2, 0.3, 0.4, days=9),
        },
        {"low", "value", "high", "days", "at_least"},
    ),
    "maturity_holds": (
        {PASS: lambda: _matured(7), FAIL: lambda: _matured(1), WAIT: lambda: _matured(90)},
        {"labelled", "maturity_days", "late", "late_low", "late_high", "almost_all_days"},
    ),
    "early_labels": (
        {PASS: lambda: _early(1, 1), FAIL: lambda: _early(1, 6), WAIT: lambda: _early(1)},
        {"gap"},
    ),
}

_UNLABELLED = delay_curve(np.arange(1.0, 50.0), np.zeros(49, dtype=bool))
_HOLES = [math.nan, math.inf, -math.inf]
_EMPTY = ([], [])

# Evidence that is missing or is no number. None of it speaks for the challenger.
MISSING: dict[str, list[Callable[[], Verdict]]] = {
    "requirement": [lambda x=x: _requirement(x, x, x) for x in _HOLES]
    + [lambda: gates.requirement(Requirement(metric="mae", at_most=1, reason=""), {})],
    "requirement_live": [lambda x=x: _requirement_live(x, x, x) for x in _HOLES]
    + [lambda: _requirement_live(0.6, 0.7, 0.8, days=0)],
    "precision_kept": [lambda x=x: _precision(x, x, x) for x in _HOLES],
    "finite": [lambda x=x: gates.finite([0.1, x]) for x in _HOLES] + [lambda: gates.finite([])],
    "paired_offline": [lambda x=x: _offline((GOOD[0], GOOD[1] * x)) for x in _HOLES] + [lambda: _offline(_EMPTY)],
    "not_shown_worse": [lambda x=x: _sanity((GOOD[0], GOOD[1] * x)) for x in _HOLES] + [lambda: _sanity(_EMPTY)],
    "paired_sequential": [lambda x=x, t=t: _live((GOOD[0], GOOD[1] * x), t) for x in _HOLES for t in PairedTest]
    + [lambda: _live(_EMPTY)],
    "no_worse_live": [lambda x=x: _probation((GOOD[0], GOOD[1] * x)) for x in _HOLES] + [lambda: _probation(_EMPTY)],
    "business_effect": [lambda x=x: _effect(x, 4_000) for x in _HOLES] + [lambda: _effect(0.0, 0)],
    "slices": [lambda x=x: _slices((GOOD[0], GOOD[1] * x)) for x in _HOLES]
    + [lambda: gates.slices({}, name="slices", margin=0.01, alpha=0.05, at_least=100)],
    "calibrated": [lambda x=x: _calibrated(x, 0.9) for x in _HOLES]
    + [lambda x=x: _calibrated(0.2, x) for x in _HOLES]
    + [lambda: _calibrated(0.0, 1.0, 0)],
    "fair": [lambda x=x: _fair(EVEN[0], EVEN[1] * x) for x in _HOLES] + [lambda: _fair([], [])],
    "business_value": [lambda x=x: _value((GOOD[0], GOOD[1] * x)) for x in _HOLES] + [lambda: _value(_EMPTY)],
    "simplest": [lambda x=x: _simplest((GOOD[0], GOOD[1] * x)) for x in _HOLES] + [lambda: _simplest(_EMPTY)],
    "behaves": [lambda: gates.behaves({}), lambda: _behaves(0, 0)],
    "serveable": [lambda x=x: _serveable(latency_ms=x) for x in (math.nan, math.inf)] + [lambda: _serveable(rows=0)],
    "enough_traffic": [lambda: _traffic(0)],
    "error_guardrail": [lambda: gates.error_guardrail([math.nan], [0.5], ratio=1.0, alpha=0.05, arms="")]
    + [lambda x=x: gates.error_guardrail([0], [x], ratio=1.0, alpha=0.05, arms="") for x in _HOLES],
    "prediction_shift": [lambda x=x: _shift(5, 100, x) for x in _HOLES] + [lambda: _shift(0, 0)],
    "shares_held": [lambda x=x: _held(5, 10, x) for x in _HOLES] + [lambda: _held(0, 0)],
    "fresh_test_set": [lambda: gates.fresh_test_set(None, allowed=1, sha256="ab")],
    "no_overlap": [
        lambda: gates.no_overlap([], {"m": []}),
        lambda: gates.no_overlap([1], {}),
        lambda: gates.no_overlap([1], {"m": None}),
    ],
    "no_duplicates": [lambda x=x: _duplicates(x, 0.0) for x in _HOLES]
    + [lambda x=x: _duplicates(0.9, x) for x in _HOLES],
    "latency_guardrail": [lambda: gates.latency_guardrail([math.nan], [0.5], ratio=1.0, alpha=0.05, arms="")]
    + [lambda x=x: gates.latency_guardrail([0], [x], ratio=1.0, alpha=0.05, arms="") for x in _HOLES],
    "mirror_complete": [lambda: _mirrored(0, 0), lambda: _mirrored(500, 500), lambda: _mirrored(math.inf, 500)],
    "labels_supported": [
        lambda: _supported(0, 0),
        lambda: _supported(500, 500),
        lambda: _supported(math.inf, 500),
        lambda: _supported(math.nan, 500),
    ],
    "labels_complete": [lambda: _labels(0, 0), lambda: _labels(500, 500), lambda: _labels(math.inf, 500)],
    "no_leak": [lambda x=x: _leak([10.0] * 8 + [x]) for x in _HOLES] + [lambda: _leak([]), lambda: _leak(range(8))],
    "same_features": [lambda: _skew(math.nan), lambda: _skew(rows=500), lambda: _skew(0.0, rows=0)],
    "same_pair": [lambda: _pair([], champion=True), lambda: _pair(["a"]), lambda: _pair([None], champion=True)],
    "drift": [lambda x=x: _drift(x) for x in _HOLES]
    + [lambda x=x: _drift(0.9, x) for x in _HOLES]
    + [lambda x=x: _drifted({"x": 0.9}, {"x": 0.2}, rate=x) for x in (math.nan, math.inf, 0.07)]
    + [lambda: _drifted({}, {})],
    "maturity_holds": [
        lambda: gates.maturity_holds({}, maturity=timedelta(days=7), tolerated=0.05),
        lambda: gates.maturity_holds({"all": _UNLABELLED}, maturity=timedelta(days=7), tolerated=0.05),
    ],
    "early_labels": [lambda: gates.early_labels({}, _delays(1)), lambda: _early(1)],
    "missing_shares": [lambda x=x: _missing(x) for x in _HOLES]
    + [lambda x=x: _missing(0.9, 500, x) for x in _HOLES]
    + [lambda: _missing(0.0, 0)],
    "unseen_categories": [lambda x=x: _unseen(500, 500, x) for x in _HOLES]
    + [lambda: gates.unseen_categories({}, listed=(), plan=DATA)],
    "arrivals": [
        lambda: _arrived(100, 3),
        lambda: gates.arrivals({}, since=MONDAY, now=MONDAY + 60 * DAY, plan=DATA),
        lambda: gates.arrivals({MONDAY: 5}, since=MONDAY, now=MONDAY, plan=DATA),
    ],
    "decay": [lambda x=x: _decay([x] * 10) for x in _HOLES]
    + [lambda x=x: _decay([0.3] * 10, x) for x in _HOLES]
    + [lambda: _decay([])],
}

OUTCOMES = [(name, outcome) for name, (calls, _) in GATES.items() for outcome, call in calls.items() if call]


def test_every_gate_that_there_is_stands_in_both_tables():
    there_are = {name for name in gates.__all__ if inspect.isfunction(getattr(gates, name))}
    assert set(GATES) == set(MISSING) == there_are - {"closed", "at_deadline"}


@pytest.mark.parametrize("name, outcome", OUTCOMES)
def test_a_gate_gives_its_outcome_its_reason_and_its_gate(name, outcome):
    call = GATES[name][0][outcome]
    assert call is not None
    verdict = call()
    assert verdict.outcome is outcome
    assert verdict.gate
    assert len(verdict.reason) > 8
    assert call() == verdict


@pytest.mark.parametrize("name, outcome", OUTCOMES)
def test_numbers_that_decided_are_stated_and_finite(name, outcome):
    call, keys = GATES[name][0][outcome], GATES[name][1]
    assert call is not None
    evidence = call().evidence
    assert outcome is not PASS or set(evidence) == keys
    assert outcome is not FAIL or set(evidence) >= keys
    if outcome is not WAIT:  # what is waited for may be just the number that is none
        assert all(type(value) in (int, float, str) for value in evidence.values())
        assert all(math.isfinite(value) for value in evidence.values() if not isinstance(value, str))


@pytest.mark.parametrize("name, call", [(name, call) for name, calls in MISSING.items() for call in calls])
def test_evidence_that_is_missing_or_no_number_never_passes(name, call):
    verdict = gates.closed(name, call)
    assert verdict.outcome is not PASS, verdict.reason
