"""Where labels are seen of some decisions only: which rows may judge, how much does a labelled row weigh, and what is unknown?"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from schemas.problem import Problem
from schemas.verdict import Outcome, Verdict
from tasks import gates, predictions
from tasks.exploration import label_chance
from tasks.splits import Split
from tasks.stats import label_weights

__all__ = ["Chosen", "chances", "judged", "labels_chosen"]


def judged(problem: Problem, matured: pd.DataFrame) -> tuple[pd.DataFrame, Verdict]:
    """The matured rows of the log that may judge a model, and whether their labels are there.

    Where only some decisions show a label, those are the explored rows: a random sample of all, each decided so that its
    label is seen, which every gate may take as it stands. Labelled rows as such are what a model chose to see.
    """
    limit = problem.rollout.unlabelled
    if problem.framing.labelled_when is not None:
        supported = _supported(problem, chances(problem, matured), limit)
        matured = matured[matured["explored"].astype(bool)]
        if supported.outcome is not Outcome.PASS:
            return matured, supported
    return matured, gates.labels_complete(int(matured["label"].isna().sum()), len(matured), limit=limit)


def chances(problem: Problem, decided: pd.DataFrame) -> np.ndarray:
    """How likely each row was to get a label, shape (n,); columns answer_decision and propensity. 1 where all do."""
    seen = problem.framing.labelled_decision
    if seen is None:
        return np.ones(len(decided))
    decision, propensity = (decided[name].to_numpy(dtype=float) for name in ("answer_decision", "propensity"))
    return label_chance(decision, propensity, seen=seen)


@dataclass(frozen=True)
class Chosen:
    """Labelled rows of a table whose labels a model chose to see: what each weighs, and which may judge."""

    labelled: pd.DataFrame
    weights: pd.Series  # by index; mean 1
    may_judge: pd.Series  # by index: explored, or from before there was a model that decided
    notes: dict[str, Any]

    def judging(self, folds: tuple[Split, ...]) -> tuple[Split, ...]:
        """The folds, tested on rows that may judge. What is fitted and what chooses the threshold is weighed instead."""
        return tuple(replace(part, test=self._able(part.test)) for part in folds)

    def judged(self, parts: Split) -> Split:
        """What the gates are shown: they know of no weights, so that operating points too are chosen on rows that may judge."""
        return replace(parts, validation=self._able(parts.validation), test=self._able(parts.test))

    def _able(self, rows: pd.DataFrame) -> pd.DataFrame:
        return rows[self.may_judge.loc[rows.index]]


def labels_chosen(
    problem: Problem, rows: pd.DataFrame, labelled: pd.DataFrame, *, since: datetime, until: datetime
) -> Chosen | Verdict | None:
    """What the labelled ones of a table's matured `rows` stand for; None where every row gets a label, or the plan ignores
    that. WAIT where nobody knows: rows that could not be labelled, or gaps from before the log."""
    framing, plan = problem.framing, problem.retraining
    if framing.labelled_when is None or plan.selective == "ignore":
        return None
    decided = predictions.decided(problem, since=since, until=until)
    logged = rows[framing.key].astype(str).isin(decided.index)
    known = decided.loc[rows.loc[logged, framing.key].astype(str)]
    chance = pd.Series(1.0, index=rows.index)
    chance[logged] = chances(problem, known)
    # A label that came although the decision shows none came some other way, and nobody knows how likely that was.
    shown = pd.Series(True, index=rows.index)
    shown[logged] = (known["answer_decision"] == framing.labelled_decision).to_numpy()
    unknown = _not_known(problem, rows, logged, chance)
    if unknown is not None:
        return unknown
    kept = labelled[shown.loc[labelled.index]]
    weights = label_weights(chance.loc[kept.index], at_most=plan.weight_at_most)
    drawn = pd.Series(True, index=rows.index)
    drawn[logged] = known["explored"].to_numpy(dtype=bool)
    notes = {
        "labelled": len(kept),
        "of": len(rows),
        "logged": int(logged.sum()),
        "may judge": int(drawn.loc[kept.index].sum()),
        "effective": round(weights.effective, 1),
        "weight cut": round(weights.cut, 6),
    }
    return Chosen(kept, pd.Series(weights.values, index=kept.index), drawn.loc[kept.index], notes)


def _not_known(problem: Problem, rows: pd.DataFrame, logged: pd.Series, chance: pd.Series) -> Verdict | None:
    """Why the labelled rows say nothing about the others; None where they do."""
    limit = problem.rollout.unlabelled
    before = rows.loc[~logged, problem.framing.target]
    gaps = int(before.isna().sum())
    if len(before) and gaps / len(before) > limit:
        said = (
            f"{gaps:,} of {len(before):,} rows from before the log have no label, and nobody knows how likely each was "
            f"to get one ({limit:.1%} may): shorten the recipe's window to rows that were logged"
        )
        return Verdict("labels supported", Outcome.WAIT, said, {"rows": len(before), "unlabelled": gaps})
    verdict = _supported(problem, chance[logged].to_numpy(), limit) if logged.any() else None
    return verdict if verdict is not None and verdict.outcome is not Outcome.PASS else None


def _supported(problem: Problem, chance: np.ndarray, limit: float) -> Verdict:
    # 1 - 1 is nothing, and so is what rounding leaves of 1 - 0.99999.
    none = int((chance < 1e-9).sum())
    return gates.labels_supported(none, len(chance), limit=limit, explored=problem.serving.explore > 0)
