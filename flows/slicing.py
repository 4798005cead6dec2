"""The offline gates over parts of the held-out rows: does the challenger lose on a slice, or treat a group otherwise?"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from flows.case import Case, Checks
from schemas.plans import Gate
from schemas.verdict import Outcome, Verdict
from tasks import evaluation, gates

__all__ = ["fairness", "slices", "weak_slices"]


def slices(case: Case) -> Checks:
    framing, plan, test = case.problem.framing, case.problem.retraining, case.parts.test

    def check() -> Verdict:
        rows = {
            f"{column} {value}": np.flatnonzero((test[column] == value).to_numpy())
            for column in framing.slices
            for value in test[column].dropna().unique()
        }
        return _sliced(case, rows, Gate.SLICES, at_least=plan.slice_rows)

    return {Gate.SLICES: check} if framing.slices else {}


def _sliced(case: Case, rows: Mapping[str, np.ndarray], name: str, *, at_least: int) -> Verdict:
    gain, whose, framing = case.champion_loss - case.loss, case.clusters, case.problem.framing
    return gates.slices(
        {slice_: gain[where] for slice_, where in rows.items()},
        name=name,
        margin=framing.margin,
        alpha=case.problem.retraining.alpha,
        at_least=at_least,
        clusters=None if whose is None else {slice_: whose[where] for slice_, where in rows.items()},
    )


def weak_slices(case: Case) -> Checks:
    plan, test = case.problem.retraining, case.parts.test

    def check() -> Verdict:
        excess = case.loss - case.champion_loss
        features = [name for name in case.recipe.features if name in test]
        found = evaluation.excess_slices(
            excess, test, features, at_least=plan.slice_rows, seed=case.seed, entity=case.clusters
        )
        if found is None:
            said = f"{len(test)} held-out rows, {4 * plan.slice_rows} are needed to search half and judge half"
            return Verdict(Gate.WEAK_SLICES, Outcome.WAIT, said, {"rows": len(test)})
        if not found:
            return Verdict(Gate.WEAK_SLICES, Outcome.PASS, "no slice loses against the champion", {"slices": 0})
        # The half that is judged has about as many rows of a slice as the one that was searched.
        return _sliced(case, found, Gate.WEAK_SLICES, at_least=plan.slice_rows // 2)

    return {Gate.WEAK_SLICES: check}


def fairness(case: Case) -> Checks:
    plan, framing = case.problem.retraining, case.problem.framing

    def check(wanted: Any) -> Verdict:
        groups = evaluation.group_values(wanted, case.parts.test, case.scores, case.labels, framing)
        return gates.fair(
            wanted,
            groups,
            alpha=plan.alpha,
            at_least=plan.slice_rows,
            clusters=evaluation.group_members(wanted, case.parts.test, case.labels, case.clusters),
        )

    return {f"fairness {wanted.column} {wanted.measure}": partial(check, wanted) for wanted in framing.fairness}
