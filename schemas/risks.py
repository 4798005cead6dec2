"""Which check would see a risk, and does it work on this problem? A risk that nothing watches stays open, and is shown."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, get_args

from schemas.expectations import Metric, Risk
from schemas.losses import CostLoss, MatrixLoss
from schemas.plans import Gate

if TYPE_CHECKING:
    from schemas.problem import Problem

__all__ = ["DETECTORS", "known_detectors", "open_risks", "unknown_detectors", "why_open"]

_COLUMN, _REQUIREMENT = "contract: ", "requirement "


def known_detectors() -> list[str]:
    """What a risk may name, in order; the last two stand for one name a column and one a metric."""
    return [*sorted(DETECTORS), f"{_COLUMN}COLUMN", f"{_REQUIREMENT}METRIC"]


def unknown_detectors(problem: "Problem") -> list[str]:
    """Detectors that the problem's risks name and nobody has, in the order of the risks."""
    return [risk.detector for risk in problem.framing.risks if _detector(problem, risk.detector) is None]


def why_open(problem: "Problem", risk: Risk) -> str:
    """Why the risk's detector cannot see it here; empty where it works."""
    works = _detector(problem, risk.detector)
    return f"nothing is named {risk.detector!r}" if works is None else works(problem)


def open_risks(problem: "Problem") -> dict[str, str]:
    """Why nothing watches a risk, by its name; empty where each has a detector that works."""
    found = {risk.name: why_open(problem, risk) for risk in problem.framing.risks}
    return {name: why for name, why in found.items() if why}


Detector = Callable[["Problem"], str]


def _detector(problem: "Problem", name: str) -> Detector | None:
    """What the name stands for, or None."""
    if name in DETECTORS:
        return DETECTORS[name]
    column, metric = name.removeprefix(_COLUMN), name.removeprefix(_REQUIREMENT)
    if name.startswith(_COLUMN) and column in problem.contract.columns:
        return lambda problem: _column(problem, column)
    if name.startswith(_REQUIREMENT) and metric in get_args(Metric):
        return lambda problem: _requirement(problem, metric)
    return None


def _column(problem: "Problem", column: str) -> str:
    said = problem.contract.columns[column]
    checked = bool(said.checks) or not said.nullable or said.unique
    return "" if checked else f"the contract gives column {column} a type and no rule"


def _requirement(problem: "Problem", metric: str) -> str:
    asked = [wanted for wanted in problem.framing.requirements if wanted.metric == metric]
    if not asked:
        return f"the framing requires nothing of {metric}"
    if any(wanted.after for wanted in asked):
        return ""
    return _gate(Gate.REQUIREMENTS)(problem)


def _gate(gate: Gate, asks: Detector = lambda _: "") -> Detector:
    """A gate sees what the plan lets it, and what the framing gives it to ask."""

    def works(problem: "Problem") -> str:
        if gate not in problem.retraining.gates:
            return f"the gate {gate} is not among the plan's gates"
        return asks(problem)

    return works


def _declared(field: str) -> Detector:
    return lambda problem: "" if getattr(problem.framing, field) else f"the framing declares no {field}"


def _asked_before(problem: "Problem") -> str:
    asked = any(wanted.before for wanted in problem.framing.requirements)
    return "" if asked else "the framing requires nothing before deployment"


def _priced(problem: "Problem") -> str:
    priced = problem.framing.costs is not None or problem.framing.money_per_loss is not None
    return "" if priced else "the framing has neither costs nor money_per_loss"


def _has_simpler(problem: "Problem") -> str:
    return "" if problem.recipe.simpler() else f"nothing is simpler than the family {problem.recipe.family}"


_ASKS: Mapping[Gate, Detector] = {
    Gate.REQUIREMENTS: _asked_before,
    Gate.SLICES: _declared("slices"),
    Gate.FAIRNESS: _declared("fairness"),
    Gate.BEHAVIOUR: _declared("behaviours"),
    Gate.BUSINESS_VALUE: _priced,
    Gate.SIMPLICITY: _has_simpler,
}


def _live(works: Detector = lambda _: "") -> Detector:
    """What watches live requests sees none where turns answer the rows of a table that has no time."""

    def seen(problem: "Problem") -> str:
        if problem.framing.timeless and problem.serving.answered_by == "turns":
            return "the table has no time of its own, so that no row comes after another"
        return works(problem)

    return seen


def _drift(problem: "Problem") -> str:
    plan = problem.monitoring
    past = plan.history // plan.window
    rate = plan.smallest_rate(past)
    if rate > plan.false_alarms:
        return f"{past} calibration windows support no false-alarm rate under {rate:.0%}: see monitoring.history"
    return ""


def _decay(problem: "Problem") -> str:
    plan = problem.monitoring
    days = plan.decay_window.days
    return (
        ""
        if days >= plan.decay_blocks
        else f"decay_window holds {days} days, and decay_blocks asks for {plan.decay_blocks}"
    )


def _schedule(problem: "Problem") -> str:
    return "" if problem.retraining.every is not None else "retraining.every is None: no schedule calls for a retrain"


def _contract(problem: "Problem") -> str:
    columns = problem.contract.columns
    ruled = problem.contract.checks or any(not _column(problem, name) for name in columns)
    return "" if ruled else "the contract gives no column a rule"


def _shift(problem: "Problem") -> str:
    if problem.rollout.prediction_shift is None:
        return "rollout.prediction_shift is None"
    decides = isinstance(problem.framing.loss, CostLoss | MatrixLoss)
    return "" if decides else f"a {problem.framing.loss.kind} loss has no decisions whose share could shift"


def _at_the_gateway(problem: "Problem") -> str:
    gateway = problem.serving.answered_by == "gateway"
    return "" if gateway else "serving.answered_by is turns: only a gateway measures it"


def _ab(problem: "Problem") -> str:
    return "" if problem.rollout.ab_at_least is not None else "rollout.ab_at_least is None: there is no A/B stage"


def _approval(problem: "Problem") -> str:
    return "" if problem.rollout.approval else "rollout.approval is empty: no stage waits for a person"


DETECTORS: Mapping[str, Detector] = {
    **{str(gate): _gate(gate, _ASKS.get(gate, lambda _: "")) for gate in Gate},
    "approval": _approval,
    "arrivals": _live(),
    "breaker": _live(_at_the_gateway),
    "business effect": _live(_ab),
    "contract": _contract,
    "decay": _live(_decay),
    "drift": _live(_drift),
    "error guardrail": _live(),
    "labels complete": _live(),
    "latency guardrail": _live(_at_the_gateway),
    "mirror complete": _live(_at_the_gateway),
    "missing share": lambda _: "",
    "paired loss": _live(),
    "prediction shift": _live(_shift),
    "probation": _live(),
    "sample ratio": _live(),
    "schedule": _schedule,
}
