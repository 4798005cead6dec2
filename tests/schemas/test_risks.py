"""Does each risk name a check that there is, and is one that nothing watches shown as open?"""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandera.pandas as pa
import pytest

import flows
import tasks
from schemas.framing import Fairness, Requirement, Risk
from schemas.plans import Gate
from schemas.problem import Problem, known_problems, load_problem
from schemas.risks import DETECTORS, known_detectors, open_risks, unknown_detectors, why_open
from tests.flows.made import HIGH

DAY = timedelta(days=1)


def framed(problem: Problem, **changes) -> Problem:
    return replace(problem, framing=problem.framing.model_copy(update=changes))


def planned(problem: Problem, plan: str, **changes) -> Problem:
    return replace(problem, **{plan: getattr(problem, plan).model_copy(update=changes)})


# Everything that can be watched is: a gateway answers, there is an A/B stage, a schedule, an approval.
SOUND = planned(
    planned(planned(HIGH, "rollout", ab_at_least=DAY, approval=("CANARY",)), "serving", answered_by="gateway"),
    "retraining",
    every=91 * DAY,
)
SOUND = planned(framed(SOUND, money_per_loss=10.0), "monitoring", window=DAY, history=56 * DAY, false_alarms=0.05)
TIMELESS = framed(planned(SOUND, "serving", answered_by="turns"), timeless=True)
UNCHECKED = replace(SOUND, contract=SOUND.contract.update_column("z", checks=[], nullable=True))
NO_RULES = replace(
    SOUND,
    contract=pa.DataFrameSchema(
        {name: pa.Column(column.dtype, nullable=True) for name, column in SOUND.contract.columns.items()}
    ),
)

# A problem on which each detector is open, and why.
OPEN: dict[str, tuple[Problem, str]] = {
    **{
        str(gate): (planned(SOUND, "retraining", gates=tuple(g for g in Gate if g is not gate)), "not among the plan")
        for gate in Gate
    },
    "approval": (planned(SOUND, "rollout", approval=()), "approval is empty"),
    "arrivals": (TIMELESS, "no time of its own"),
    "breaker": (planned(SOUND, "serving", answered_by="turns"), "only a gateway"),
    "business effect": (planned(SOUND, "rollout", ab_at_least=None, ab_waiver="thin"), "no A/B stage"),
    "contract": (NO_RULES, "gives no column a rule"),
    "decay": (planned(SOUND, "monitoring", decay_window=5 * DAY, decay_blocks=10), "holds 5 days"),
    "drift": (planned(SOUND, "monitoring", window=28 * DAY), "2 calibration windows"),
    "error guardrail": (TIMELESS, "no time of its own"),
    "labels complete": (TIMELESS, "no time of its own"),
    "latency guardrail": (planned(SOUND, "serving", answered_by="turns"), "only a gateway"),
    "mirror complete": (planned(SOUND, "serving", answered_by="turns"), "only a gateway"),
    "paired loss": (TIMELESS, "no time of its own"),
    "prediction shift": (planned(SOUND, "rollout", prediction_shift=None), "prediction_shift is None"),
    "probation": (TIMELESS, "no time of its own"),
    "sample ratio": (TIMELESS, "no time of its own"),
    "schedule": (planned(SOUND, "retraining", every=None), "every is None"),
    "contract: z": (UNCHECKED, "gives column z a type and no rule"),
    "requirement roc_auc": (framed(SOUND, requirements=()), "requires nothing of roc_auc"),
}


@pytest.mark.parametrize("detector", [*DETECTORS, "contract: z", "requirement roc_auc"])
def test_each_detector_works_on_a_problem_that_gives_it_what_it_needs(detector):
    assert why_open(SOUND, Risk(name="x", detector=detector)) == ""


@pytest.mark.parametrize(
    "detector", [*(d for d in DETECTORS if d != "missing share"), "contract: z", "requirement roc_auc"]
)
def test_each_detector_is_open_where_it_cannot_see_and_says_why(detector):
    problem, why = OPEN[detector]
    assert why in why_open(problem, Risk(name="x", detector=detector))


@pytest.mark.parametrize(
    "gate, changes, why",
    [
        (Gate.SLICES, {"slices": ()}, "declares no slices"),
        (Gate.FAIRNESS, {"fairness": ()}, "declares no fairness"),
        (Gate.BEHAVIOUR, {"behaviours": ()}, "declares no behaviours"),
        (Gate.BUSINESS_VALUE, {"costs": None, "money_per_loss": None}, "neither costs nor money_per_loss"),
        (Gate.REQUIREMENTS, {"requirements": ()}, "requires nothing before deployment"),
    ],
)
def test_a_gate_that_the_framing_gives_nothing_to_ask_sees_nothing(gate, changes, why):
    assert why in why_open(framed(SOUND, **changes), Risk(name="x", detector=str(gate)))


def test_a_requirement_that_holds_only_after_deployment_is_watched_without_the_offline_gate():
    wanted = (Requirement(metric="roc_auc", at_least=0.6, when="after", reason=""),)
    problem = framed(planned(SOUND, "retraining", gates=(Gate.CHAMPION,)), requirements=wanted)
    assert why_open(problem, Risk(name="x", detector="requirement roc_auc")) == ""
    assert why_open(problem, Risk(name="x", detector=str(Gate.REQUIREMENTS))) != ""


def test_the_simplest_family_has_nothing_simpler():
    light = replace(SOUND, recipe=SOUND.recipe.model_copy(update={"family": "constant"}))
    assert "nothing is simpler" in why_open(light, Risk(name="x", detector=str(Gate.SIMPLICITY)))


@pytest.mark.parametrize("loss", ["brier", "log"])
def test_a_loss_without_decisions_has_no_shares_to_shift(loss):
    from schemas.framing import BrierLoss, LogLoss

    problem = framed(SOUND, loss={"brier": BrierLoss(), "log": LogLoss()}[loss])
    assert "no decisions whose share could shift" in why_open(problem, Risk(name="x", detector="prediction shift"))


def test_only_open_risks_are_shown_with_their_reason():
    risks = (Risk(name="a", detector="decay"), Risk(name="b", detector="schedule"))
    problem = framed(planned(SOUND, "retraining", every=None), risks=risks)
    assert open_risks(problem) == {"b": "retraining.every is None: no schedule calls for a retrain"}


@pytest.mark.parametrize("detector", ["luck", "", "contract: ghost", "requirement luck", "Drift", "contract:x"])
def test_a_problem_whose_risk_names_a_detector_that_nobody_has_is_refused_with_the_known_ones(detector):
    with pytest.raises(ValueError, match="risks whose detector nobody has") as refused:
        framed(SOUND, risks=(Risk(name="x", detector="decay"), Risk(name="y", detector=detector)))
    assert repr(detector) in str(refused.value)
    assert all(known in str(refused.value) for known in known_detectors())


@pytest.mark.parametrize("name", known_problems())
def test_every_problem_names_detectors_that_exist_and_leaves_no_risk_open(name):
    problem = load_problem(name)
    assert unknown_detectors(problem) == []
    assert open_risks(problem) == {}


def test_every_detector_is_the_name_of_a_check_that_there_is():
    """A gate, or words that the loop itself writes where it judges."""
    code = "\n".join(path.read_text() for package in (tasks, flows) for path in Path(package.__path__[0]).rglob("*.py"))
    live = set(DETECTORS) - set(map(str, Gate)) - {"arrivals", "missing share"}
    assert not {name for name in live if not re.search(rf'"{name}"', code)}


def test_a_fairness_that_is_declared_is_watched():
    fair = (Fairness(column="kind", measure="selection rate", tolerance=0.3),)
    assert why_open(framed(SOUND, fairness=fair), Risk(name="x", detector="fairness")) == ""
