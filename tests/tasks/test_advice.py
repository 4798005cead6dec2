"""What is advised on which facts, and in which order? Decisions as tables; nothing is looked up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandera.pandas as pa
import pytest

from schemas.columns import about
from schemas.framing import Goal, Level, Requirement, Risk
from schemas.plans import RetrainingPlan
from schemas.problem import load_problem
from tasks.advice import CHECKS, Facts, Severity, advise, screen
from tasks.advice.facts import Baseline, Broken, Database, Environment, Labels, Parts, Shape, Suspect, Worth
from tasks.advice.feasibility import schedule_of
from tasks.advice.table import days_of

DAY = timedelta(days=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MUST, SHOULD, NOTE = Severity.MUST, Severity.SHOULD, Severity.NOTE
PROBLEM = load_problem("fraud")

ENVIRONMENT = Environment((3, 12), (), False, (), "/home/me/.perennial", True, 50.0)
SHAPE = Shape(
    rows=730_000, first=NOW - 365 * DAY, last=NOW, days=365, longest_gap=DAY, future=0, no_time=0, no_key=0,
    repeated_keys=0, entities=5_000,
)  # fmt: skip
LABELS = Labels(700_000, 700_000, {"0": 693_000, "1": 7_000}, 5 * DAY, 12 * DAY, "fraud = 1", 0.0, 0)
PARTS = Parts("the newest moment", NOW, 100_000, 6_000, 200_000)
STARTED = replace(PARTS, at="the start of the replay")
WORTH = Worth(
    rows=5_000,
    days=7,
    baselines=(
        Baseline("naive baseline", False, (0.01, 0.01, 0.01), (0.01, 0.01, 0.01)),
        Baseline("heuristic", False, (0.008, 0.009, 0.01), (0.01, 0.012, 0.02)),
        Baseline("linear", True, (0.004, 0.005, 0.006), (0.25, 0.3, 0.35)),
        Baseline("boosting", True, (0.004, 0.005, 0.006), (0.25, 0.3, 0.35)),
    ),
    rival="heuristic",
    gains={"linear": (0.003, 0.004, 0.005), "boosting": (0.003, 0.004, 0.005)},
    variance=0.01,
    rival_variance=0.01,
)
SOUND = Facts(
    problem=PROBLEM,
    now=NOW,
    environment=ENVIRONMENT,
    databases=(Database("ledger", "PERENNIAL_LEDGER_URL"),),
    shape=SHAPE,
    broken=Broken(50_000, 0, {}),
    labels=LABELS,
    parts=(PARTS, STARTED),
    suspects=(Suspect("amount", "AUC", 0.7),),
    worth=WORTH,
)


def framed(**changes) -> Facts:
    return replace(SOUND, problem=replace(PROBLEM, framing=PROBLEM.framing.model_copy(update=changes)))


def planned(plan: str, **changes) -> Facts:
    return replace(SOUND, problem=replace(PROBLEM, **{plan: getattr(PROBLEM, plan).model_copy(update=changes)}))


def having(part: str, **changes) -> Facts:
    return replace(SOUND, **{part: replace(getattr(SOUND, part), **changes)})


def recipe(**changes) -> Facts:
    return replace(SOUND, problem=replace(PROBLEM, recipe=PROBLEM.recipe.model_copy(update=changes)))


def personal() -> Facts:
    columns = dict(PROBLEM.contract.columns) | {"amount": pa.Column("float64", metadata=about(personal=True))}
    return replace(SOUND, problem=replace(PROBLEM, contract=pa.DataFrameSchema(columns)))


def gaining(low: float, gain: float, high: float) -> Facts:
    return having("worth", gains={"linear": (low, gain, high)})


def without_heuristic() -> Facts:
    return replace(SOUND, problem=replace(PROBLEM, heuristic=None))


def of_level(value: float) -> Facts:
    return framed(level=Level(who="human", metric="average_precision", value=value, source="a week of reviews"))


def test_a_sound_table_is_ready_and_says_how_far_each_way_gets():
    findings = advise(SOUND)
    assert {finding.severity for finding in findings} == {NOTE}
    lines = list(screen(SOUND, findings, checks=CHECKS))
    assert lines[-1] == "ready for the first turn: make loop PROBLEM=fraud"
    assert lines[0].startswith(
        "fraud: binary (fraud), 730,000 rows, 2025-01-01 to 2026-01-01 (365 days, 2,000 rows a day)"
    )
    assert "heuristic 0.012 [0.01, 0.02] · linear 0.3" in " ".join(line.strip() for line in lines)


def lending(**plan) -> Facts:
    """Only accepted rows show their label."""
    framing = PROBLEM.framing.model_copy(update={"labelled_when": 0})
    serving = PROBLEM.serving.model_copy(update={"explore": plan.pop("explore")})
    retraining = PROBLEM.retraining.model_copy(update=plan)
    return replace(SOUND, problem=replace(PROBLEM, framing=framing, serving=serving, retraining=retraining))


# Each: the facts, and the finding that must follow. A must is what the first turn, or every rollout, would fail on.
DECISIONS = {
    "an old Python": (having("environment", python=(3, 10)), MUST, "This Python is not supported"),
    "a Python to come": (having("environment", python=(3, 14)), MUST, "This Python is not supported"),
    "contracts off": (having("environment", switches=("PANDERA_VALIDATION_ENABLED=False",)), MUST, "Contracts are switched off"),
    "a folder of others": (having("environment", writable=False), MUST, "Nothing can be written"),
    "no room": (having("environment", free_gb=0.9), MUST, "The disk is nearly full"),
    "other versions": (having("environment", differing=(("pandas", "3.1", "3.0"),)), SHOULD, "Versions are not the locked ones"),
    "no lock": (having("environment", unlocked=True), SHOULD, "No version is locked"),
    "a store that is away": (
        replace(SOUND, databases=(Database("ledger", "PERENNIAL_LEDGER_URL", "refused"),)), MUST, "The ledger cannot be reached",
    ),
    "a table that cannot be read": (replace(SOUND, shape=None, failed={"table": "no such file."}), MUST, "The table cannot be checked"),
    "an empty table": (having("shape", rows=0), MUST, "The table is empty"),
    "a key that repeats": (having("shape", repeated_keys=100_000), MUST, "The key payment_id does not identify a row"),
    "a key that repeats here and there": (having("shape", repeated_keys=1), SHOULD, "The key payment_id does not identify a row"),
    "rows without a key": (having("shape", no_key=1), SHOULD, "The key payment_id does not identify a row"),
    "rows without a time": (having("shape", no_time=100_000), MUST, "Rows without an event time"),
    "some rows without a time": (having("shape", no_time=1), SHOULD, "Rows without an event time"),
    "a future": (having("shape", future=1), SHOULD, "Events lie in the future"),
    "nothing but a future": (having("shape", future=730_000), MUST, "Events lie in the future"),
    "a gap": (having("shape", longest_gap=8 * DAY), NOTE, "The table has a gap"),
    "a broken contract": (having("broken", bad=2_501, rules={"amount: ge(0)": 2_501}), MUST, "The contract refuses more than"),
    "a few bad rows": (having("broken", bad=2_500, rules={"amount: ge(0)": 2_500}), NOTE, "Some rows will be in quarantine"),
    "nothing matured": (having("labels", matured=0, labelled=0), MUST, "The table is shorter than its labels take"),
    "no label": (having("labels", labelled=0, classes={}), MUST, "No label is known"),
    "labels that never come": (having("labels", labelled=664_000), MUST, "Too many labels never come"),
    "few labels": (having("labels", matured=999, labelled=999), MUST, "Too few labels"),
    "a class of others": (having("labels", classes={"0": 9, "2": 9}), MUST, "The target's values are not the framing's"),
    "one class": (having("labels", classes={"0": 700_000}), MUST, "The target's values are not the framing's"),
    "labels of some decisions": (lending(explore=0.0), MUST, "Of rejected rows nothing is known"),
    "labels of some decisions, taken for all": (
        lending(explore=0.05, selective="ignore"), SHOULD, "Labels that a model chose to see are taken for all",
    ),
    "few explored rows": (lending(explore=0.01), SHOULD, "Few explored rows judge a challenger"),
    "a rare class": (having("labels", classes={"0": 699_951, "1": 49}), SHOULD, "Hardly any label of one class"),
    "labels from before": (having("labels", early=1), MUST, "Labels are known before their event"),
    "late labels": (having("labels", late=0.011), SHOULD, "Labels come later than the maturity says"),
    "much patience": (having("labels", most=4 * DAY), NOTE, "Labels are waited for longer than they take"),
    "no training rows": (replace(SOUND, parts=(replace(PARTS, train=499),)), MUST, "No split leaves enough rows"),
    "no validation rows": (replace(SOUND, parts=(replace(PARTS, validation=0),)), MUST, "No split leaves enough rows"),
    "no held-out rows": (replace(SOUND, parts=(replace(PARTS, test=499),)), MUST, "No split leaves enough rows"),
    "a replay that begins early": (
        replace(SOUND, parts=(PARTS, replace(STARTED, train=499))), SHOULD, "The replay begins before there is enough",
    ),
    "a copy of the target": (replace(SOUND, suspects=(Suspect("amount", "AUC", 0.999),)), MUST, "amount says the target"),
    "a suspect": (replace(SOUND, suspects=(Suspect("amount", "AUC", 0.95),)), SHOULD, "amount predicts suspiciously well"),
    "a column that comes with the label": (having("shape", filled_with_label=("amount",)), MUST, "amount is filled in with the label"),
    "personal features": (personal(), SHOULD, "The recipe is trained on personal data"),
    "full explanation": (framed(explainability="full"), MUST, "The recipe cannot be explained as demanded"),
    "a reason a decision": (framed(explainability="each decision"), NOTE, "Each decision has to be explained"),
    "no goal": (framed(goal=None), SHOULD, "Nobody says by how much"),
    "no level": (framed(level=None, goal=Goal(metric="average_precision", at_least=0.149, reason="a floor")), NOTE, "How good it is done today is not said"),
    "an empty objective": (framed(objective="TODO"), SHOULD, "The framing is not filled in"),
    "no heuristic": (without_heuristic(), SHOULD, "There is no heuristic"),
    "under a thousand labels": (having("labels", matured=999, labelled=999), SHOULD, "A rule or a light model is the better start"),
    "under ten milliseconds": (framed(latency_budget=timedelta(milliseconds=9)), SHOULD, "A rule or a light model is the better start"),
    "no gain": (gaining(-0.0005, 0.0, 0.0005), SHOULD, "No trained model is worth its margin"),
    "no gain shown": (gaining(-0.0005, 0.002, 0.004), SHOULD, "A gain over no model is not shown"),
    "people are better": (of_level(0.36), SHOULD, "Today's level is above what a model reaches"),
    "people are as good": (of_level(0.3), SHOULD, "A lead over today's level is not shown"),
    "a blind test set": (
        replace(gaining(0.0001, 0.0005, 0.002), parts=(replace(PARTS, test=1_000),)), SHOULD, "The test set cannot resolve the margin",
    ),
    "a test set that sees this gain": (
        replace(SOUND, parts=(replace(PARTS, test=30_000),)), NOTE, "The test set resolves no difference as small as the margin",
    ),
    "a goal within the noise": (
        replace(
            framed(
                goal=Goal(metric="average_precision", by=0.01, reason="x"),
                level=Level(who="rule", metric="average_precision", value=0.2, source="x"),
            ),
            parts=(replace(PARTS, test=5_000),),
        ), SHOULD, "The test set cannot tell the goal from today's level",
    ),
    "a goal out of sight": (
        framed(goal=Goal(metric="average_precision", at_least=0.9, reason="x")), NOTE, "The goal is not in sight",
    ),
    "too few days for an interval": (
        replace(
            framed(entity=None, requirements=(Requirement(metric="roc_auc", at_least=0.6, reason="x"),)),
            worth=replace(WORTH, days=4),
        ), MUST, "No requirement can be measured",
    ),
    "a thin canary": (having("shape", entities=999), MUST, "A stage ends at its deadline"),
    "a short replay": (having("shape", last=NOW - 160 * DAY), SHOULD, "The replay is too short for one rollout"),
    "no time": (framed(timeless=True), NOTE, "No rollout can be replayed"),
    "an open risk": (framed(risks=(Risk(name="a", detector="schedule"),)), SHOULD, "1 open risk, which nothing watches"),
    "no risk": (framed(risks=()), NOTE, "No risk is written down"),
}  # fmt: skip


@pytest.mark.parametrize("name", DECISIONS)
def test_each_fault_is_found_with_its_severity_and_a_next_step(name):
    facts, severity, what = DECISIONS[name]
    (found,) = [finding for finding in advise(facts) if finding.what.startswith(what)]
    assert found.severity is severity
    assert found.evidence
    assert found.next_step or found.check == "looked at"
    assert found.check in CHECKS


@pytest.mark.parametrize("name", DECISIONS)
def test_what_must_be_fixed_comes_first_and_is_counted(name):
    facts, _, _ = DECISIONS[name]
    findings = advise(facts)
    severities = [finding.severity for finding in findings]
    assert severities == sorted(severities, key=[MUST, SHOULD, NOTE].index)
    last = list(screen(facts, findings, checks=CHECKS))[-1]
    must = severities.count(MUST)
    assert last == (f"{must} to fix first" if must else "ready for the first turn: make loop PROBLEM=fraud")


# What is as it should be, at the very edge.
FINE = {
    "the lowest Python": having("environment", python=(3, 11)),
    "the highest Python": having("environment", python=(3, 13)),
    "just enough room": having("environment", free_gb=1.0),
    "a week without a row": having("shape", longest_gap=7 * DAY),
    "labels that are nearly all there": having("labels", labelled=665_000),
    "a few late labels": having("labels", late=0.01),
    "fifty of the rare class": having("labels", classes={"0": 699_950, "1": 50}),
    "just enough rows": replace(SOUND, parts=(replace(PARTS, train=500, validation=1),)),
    "a good column": replace(SOUND, suspects=(Suspect("amount", "AUC", 0.949),)),
    "a linear model that explains itself": replace(
        framed(explainability="full"), problem=replace(recipe(family="linear").problem)
    ),
    "ten milliseconds": framed(latency_budget=timedelta(milliseconds=10)),
    "people are worse": of_level(0.2),
}


@pytest.mark.parametrize("name", FINE)
def test_what_is_just_enough_is_nothing_to_fix(name):
    assert {finding.severity for finding in advise(FINE[name])} <= {NOTE}


def test_nothing_known_is_nothing_found_and_never_ready():
    blank = Facts(problem=PROBLEM, now=NOW, failed={"table": "PerennialError: gone."})
    assert [f.what for f in advise(blank) if f.severity is MUST] == ["The table cannot be checked"]


def test_a_light_family_is_not_told_to_become_one():
    facts = having("labels", matured=999, labelled=999)
    light = replace(facts, problem=recipe(family="linear").problem)
    assert "A rule or a light model is the better start" not in [finding.what for finding in advise(light)]


def test_where_a_thousand_columns_are_named_the_step_at_the_end_is_kept():
    why = "it has " + ", ".join(f"column_{i}" for i in range(1_000)) + ". Correct schemas/problems/fraud.py."
    facts = replace(SOUND, failed={"table": why})
    lines = list(screen(facts, advise(facts), checks=CHECKS))
    assert len(lines) < 25
    assert "Correct schemas/problems/fraud.py." in " ".join(line.strip() for line in lines)


def test_every_screen_is_one_screen_and_says_where_the_rest_is():
    worst = replace(
        SOUND,
        problem=replace(
            PROBLEM, heuristic=None, framing=PROBLEM.framing.model_copy(update={"goal": None, "risks": ()})
        ),
        environment=replace(
            ENVIRONMENT, python=(3, 9), switches=("A=false",), free_gb=0.1, differing=(("a", "1", "2"),)
        ),
        shape=replace(
            SHAPE, repeated_keys=700_000, no_time=100_000, future=730_000, entities=2, filled_with_label=("hour",)
        ),
        broken=Broken(10, 10, {"amount: ge(0)": 10}),
        labels=replace(LABELS, labelled=400, classes={"7": 400}, early=9, late=0.5),
        parts=(replace(PARTS, train=0),),
        suspects=tuple(Suspect(name, "AUC", 1.0) for name in PROBLEM.recipe.features),
    )
    lines = list(screen(worst, advise(worst), checks=CHECKS))
    assert len(lines) <= 50
    assert max(map(len, lines)) <= 118
    assert any("more, in figures/doctor-fraud.json" in line for line in lines)
    assert lines[2] == "must fix:"


@pytest.mark.parametrize(
    "rows_a_day, entities, skipped, impossible",
    [
        (2_000, 5_000, ("A/B",), ()),
        (50, 5_000, ("canary 5%", "A/B"), ()),  # 35 requests in 14 days at 5 %, 175 at 25 %
        (10, 5_000, ("canary 5%", "A/B"), ("canary 25%",)),
        (2_000, 100, ("A/B",), ("canary 5%", "canary 25%")),  # 50 entities in an arm of five
    ],
)
def test_a_rollout_is_what_its_plan_and_its_traffic_make_of_it(rows_a_day, entities, skipped, impossible):
    shape = replace(SHAPE, rows=rows_a_day * 365, entities=entities)
    found = schedule_of(PROBLEM, shape, loss_variance=0.01)
    assert [what.split(" (")[0] for what in found.skipped] == list(skipped)
    assert [what.split(":")[0].split(" takes")[0] for what in found.impossible] == list(impossible)


def test_a_rollout_takes_what_its_plan_says_where_traffic_is_plenty():
    found = schedule_of(PROBLEM, replace(SHAPE, rows=10**9), loss_variance=1e-9)
    plan = PROBLEM.rollout
    assert found.stages["A/B"] == plan.ab_at_least + PROBLEM.framing.maturity
    assert found.stages["probation"] == pytest.approx(plan.probation, abs=DAY)
    own = found.whole - found.stages["A/B"] + plan.ab_at_least
    assert own == pytest.approx(plan.longest(maturity=PROBLEM.framing.maturity), abs=DAY)


def test_a_plan_of_few_rows_asks_for_few():
    few = replace(PROBLEM, retraining=RetrainingPlan(every=None, train_rows=10, test_rows=10))
    facts = replace(SOUND, problem=few, parts=(replace(PARTS, train=10, test=200_000),))
    assert MUST not in {finding.severity for finding in advise(facts)}


@pytest.mark.parametrize(
    "span, said",
    [
        (timedelta(0), "0 days"), (timedelta(minutes=30), "30 minutes"), (timedelta(hours=18), "18 hours"), (DAY, "1 day"),
        (36 * timedelta(hours=1), "1.5 days"), (14 * DAY, "14 days"), (3_019.6 * DAY, "3,020 days"), (-DAY, "0 days"),
    ],
)  # fmt: skip
def test_a_span_is_said_in_the_unit_that_fits(span, said):
    assert days_of(span) == said
