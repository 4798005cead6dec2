"""The offline gates: what is asked of a challenger on held-out rows, before it may score beside the champion."""

import logging
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import numpy as np

from flows import slicing
from flows.case import Case, Checks
from flows.progress import reached
from schemas.framing import Requirement
from schemas.plans import Gate, Promotion
from schemas.verdict import Outcome, Verdict, combine
from tasks import cleaning, evaluation, gates, scoring, training
from tasks.stats import Calibration

__all__ = ["judge", "verdict_of"]

log = logging.getLogger("perennial")


def judge(case: Case) -> dict[str, Verdict]:
    """Every verdict of the gates that the plan asks, by its gate; one that raises is a FAIL that says so."""
    said: dict[str, Verdict] = {}
    asked = case.problem.retraining.gates
    for place, gate in enumerate(asked):
        reached(0.6 + 0.25 * place / len(asked), f"gate {place + 1} of {len(asked)}: {gate}")
        for name, check in _ASKED[gate](case).items():
            said[name] = gates.closed(name, check)
            log.info("%s: %s %s", case.problem.name, said[name].outcome, said[name].reason)
    return said


def verdict_of(said: Mapping[str, Verdict]) -> Verdict:
    """All gates as one verdict. What a held-out set cannot show now it will not show later: here waiting is refusing."""
    whole = combine("offline", said.values())
    if whole.outcome is Outcome.WAIT:
        return Verdict("offline", Outcome.FAIL, f"missing evidence: {whole.reason}", whole.evidence, whole.beside)
    if whole.outcome is Outcome.PASS and str(Gate.CHAMPION) in said:
        return Verdict("offline", Outcome.PASS, said[str(Gate.CHAMPION)].reason, whole.evidence, whole.beside)
    return whole


def _fresh_test_set(case: Case) -> Checks:
    allowed = case.problem.retraining.test_uses
    return {Gate.FRESH_TEST_SET: lambda: gates.fresh_test_set(case.uses, allowed=allowed, sha256=case.test_set)}


def _no_overlap(case: Case) -> Checks:
    keys = case.parts.test[case.problem.framing.key].astype(str)
    return {Gate.NO_OVERLAP: lambda: gates.no_overlap(keys, case.trained_on())}


def _no_duplicates(case: Case) -> Checks:
    parts, framing = case.parts, case.problem.framing

    def check() -> Verdict:
        columns = [*case.recipe.features, framing.target]
        # What is natural: copies that rows of the same number have among as many rows before them, in training itself.
        older = parts.train.iloc[: max(len(parts.train) - len(parts.test), len(parts.train) // 2)]
        newer = parts.train.iloc[len(older) :]
        return gates.no_duplicates(
            cleaning.near_copies(parts.test, parts.train, columns),
            natural=cleaning.near_copies(newer, older, columns),
            rows=len(parts.test),
            limit=case.problem.retraining.duplicates,
        )

    return {Gate.NO_DUPLICATES: check}


def _numerical_health(case: Case) -> Checks:
    probability = case.problem.framing.task != "regression"
    return {Gate.NUMERICAL_HEALTH: lambda: gates.finite(case.scores.score, probability=probability)}


def _constant(case: Case) -> Checks:
    plan = case.problem.retraining

    def check() -> Verdict:
        # The first model must beat what needs no thought. A later one replaces a model that did, and which the world may
        # have made worse than a constant: there, waiting for a significant lead over it would keep the worse one.
        if not case.champion_trained:
            return _paired(case, case.naive_loss, "constant", Promotion.SUPERIORITY)
        return gates.not_shown_worse(
            case.naive_loss,
            case.loss,
            alpha=plan.alpha,
            at_least=plan.test_rows,
            against="constant",
            clusters=case.clusters,
        )

    return {Gate.CONSTANT: check}


def _champion(case: Case) -> Checks:
    return {Gate.CHAMPION: lambda: _paired(case, case.champion_loss, "champion", case.promotion)}


def _paired(case: Case, rival_loss: np.ndarray, against: str, promotion: Promotion) -> Verdict:
    plan, framing = case.problem.retraining, case.problem.framing
    return gates.paired_offline(
        rival_loss,
        case.loss,
        promotion=promotion,
        margin=framing.margin,
        alpha=plan.alpha,
        at_least=plan.test_rows,
        against=against,
        clusters=case.clusters,
        clipped=scoring.clipped_share(case.scores, case.labels, framing),
    )


def _requirements(case: Case) -> Checks:
    framing = case.problem.framing

    @cache  # an operating point asks twice, for its recall and for its precision
    def measured(wanted: Requirement) -> dict[str, tuple[float, float, float]]:
        return evaluation.metric_intervals(
            [wanted],
            framing,
            case.scores,
            case.labels,
            thresholds=_operating_points(case),
            blocks=case.blocks,
            alpha=case.problem.retraining.alpha,
            seed=case.seed,
        )

    checks: Checks = {}
    for wanted in (requirement for requirement in framing.requirements if requirement.before):
        checks[f"requirement {wanted.asks}"] = partial(_on, gates.requirement, wanted, measured)
        if wanted.at_precision is not None:
            checks[f"precision of {wanted.name}"] = partial(_on, gates.precision_kept, wanted, measured)
    return checks


def _on(gate: Callable[..., Verdict], wanted: Requirement, measured: Callable[[Requirement], Any]) -> Verdict:
    """Measured inside the gate: a metric that raises is this requirement's FAIL."""
    return gate(wanted, measured(wanted))


def _operating_points(case: Case) -> dict[str, float]:
    """The threshold of each operating point, frozen on validation rows."""
    framing, rows = case.problem.framing, case.parts.validation
    wanted = {r.name: r.at_precision for r in framing.requirements if r.before and r.at_precision is not None}
    if not wanted:
        return {}
    scores, labels = scoring.score(case.challenger, rows, framing).score, rows[framing.target].to_numpy(dtype=float)
    return {name: training.threshold_at_precision(scores, labels, precision) for name, precision in wanted.items()}


def _calibration(case: Case) -> Checks:
    plan, framing = case.problem.retraining, case.problem.framing

    def of(model: Any) -> Calibration:
        said = scoring.score(model, case.parts.test, framing)
        return evaluation.calibration_of(said, case.labels, framing, alpha=plan.alpha)

    def check() -> Verdict:
        judged = partial(
            gates.calibrated,
            of(case.challenger),
            tolerance=framing.calibration_tolerance,
            alpha=plan.alpha,
            at_least=plan.calibration_rows,
        )
        alone = judged()
        if alone.outcome is not Outcome.FAIL or not case.champion_trained:
            return alone
        try:
            return judged(champion=of(case.champion()))
        except Exception:  # a champion that gives no score excuses nothing
            return alone

    return {Gate.CALIBRATION: check}


def _business_value(case: Case) -> Checks:
    framing, plan = case.problem.framing, case.problem.retraining
    if framing.costs is None and framing.money_per_loss is None:
        return {}

    def cost(model: Any) -> np.ndarray:
        if framing.costs is None:
            return case.loss_of(model) * (framing.money_per_loss or 0.0)
        said = scoring.outputs(model, case.parts.test, framing)
        return scoring.row_cost(scoring.Scores(said.score, said.decision), case.labels, framing.costs)

    def check() -> Verdict:
        priced = [entry for row in framing.costs.costs for entry in row] if framing.costs else None
        per_loss = framing.money_per_loss or 0.0
        return gates.business_value(
            # Where it gives no answer, what answers in its place is the dearest decision.
            np.nan_to_num(cost(case.champion()), nan=max(priced) if priced else per_loss),
            cost(case.challenger),
            _cheapest_constant(case) if framing.costs else cost(case.naive),
            tolerated=framing.costs.tolerated if framing.costs else framing.margin * per_loss,
            smallest=min(priced) if priced else 0.0,
            largest=max(priced) if priced else per_loss,
            currency=framing.currency,
            alpha=plan.alpha,
            at_least=plan.test_rows,
            clusters=case.clusters,
        )

    return {Gate.BUSINESS_VALUE: check}


def _cheapest_constant(case: Case) -> np.ndarray:
    """Costs a row of the one decision that would have cost least on the training rows."""
    framing = case.problem.framing
    assert framing.costs is not None, "asked where costs are declared"
    matrix = np.array(framing.costs.costs)
    seen = scoring.class_indices(case.parts.train[framing.target], framing).astype(int)
    best = int(np.argmin(matrix[seen].mean(axis=0)))
    return matrix[case.labels.astype(int), best]


def _behaviour(case: Case) -> Checks:
    framing = case.problem.framing
    if not framing.behaviours:
        return {}
    return {Gate.BEHAVIOUR: lambda: gates.behaves(evaluation.behaviour_kept(case.challenger, case.parts.test, framing))}


def _simplicity(case: Case) -> Checks:
    framing, plan = case.problem.framing, case.problem.retraining
    return {
        Gate.SIMPLICITY: lambda: gates.simplest(
            case.loss,
            {family: case.loss_of(model) for family, model in case.simpler().items()},
            margin=framing.simpler_within,
            alpha=plan.alpha,
            at_least=plan.test_rows,
            clusters=case.clusters,
        )
    }


_ASKED: dict[Gate, Callable[[Case], Checks]] = {
    Gate.FRESH_TEST_SET: _fresh_test_set,
    Gate.NO_OVERLAP: _no_overlap,
    Gate.NO_DUPLICATES: _no_duplicates,
    Gate.NUMERICAL_HEALTH: _numerical_health,
    Gate.CONSTANT: _constant,
    Gate.CHAMPION: _champion,
    Gate.REQUIREMENTS: _requirements,
    Gate.SLICES: slicing.slices,
    Gate.WEAK_SLICES: slicing.weak_slices,
    Gate.CALIBRATION: _calibration,
    Gate.FAIRNESS: slicing.fairness,
    Gate.BUSINESS_VALUE: _business_value,
    Gate.BEHAVIOUR: _behaviour,
    Gate.SIMPLICITY: _simplicity,
    Gate.SERVEABILITY: lambda _case: {},  # asked of the model that was logged, in flows.training
}
