"""How far back shall training rows reach? Chosen on validation rows, among what the plan offers; the held-out rows stay unseen."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from flows.selective import Chosen
from flows.turn import Turn, seed_of
from schemas.errors import told
from schemas.plans import Reason
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.settings import Settings
from schemas.verdict import Interval
from tasks import scoring, training
from tasks.splits import Split
from tasks.stats import fixed_interval

__all__ = ["Choice", "chosen", "offered"]

OWN = "the recipe's own"


@dataclass(frozen=True)
class Choice:
    """What was chosen, and what it rests on: the mean loss of each on the same validation rows, and what each gains a row
    over the recipe's own. Nothing was measured where there was nothing to choose."""

    recipe: Recipe
    name: str = OWN
    losses: Mapping[str, float] | None = None
    gains: Mapping[str, Interval] | None = None
    left_out: Mapping[str, str] | None = None
    rows: int = 0

    def noted(self) -> dict[str, Any]:
        """For the ledger's notes and the MLflow run; empty where nothing was measured."""
        if not self.losses:
            return {}
        gains = {name: [one.low, one.estimate, one.high] for name, one in (self.gains or {}).items()}
        measured = {
            "losses": dict(self.losses),
            "gains": gains,
            "rows": self.rows,
            "left_out": dict(self.left_out or {}),
        }
        return {"chosen": self.name, "reason": self._reason()} | measured

    def _reason(self) -> str:
        assert self.losses is not None
        said = f"training window: {self.name}, loss {self.losses[self.name]:.4f} on {self.rows:,} validation rows"
        if self.name == OWN:
            return f"{said}; no other is lower"
        return f"{said}, gain a row over {OWN} {(self.gains or {})[self.name]}"


def offered(turn: Turn, recipe: Recipe) -> dict[str, Recipe]:
    """What the plan offers, by name, the recipe's own first. Where a person or triage ordered a recipe or a window, where
    it is made from the champion, or the table has no time, there is nothing to choose."""
    problem, order = turn.problem, turn.state.order
    found = {OWN: recipe}
    if problem.framing.timeless or recipe.start != "anew" or (order and (order.recipe or order.window_days)):
        return found
    until = turn.now - problem.framing.maturity
    changed = _changed(turn)
    since_change = until - changed if changed is not None and changed < until else None
    for one in problem.retraining.reaches:
        made = one.applied(recipe, since_change=since_change)
        if made is not None and made not in found.values():
            found[one.name] = made
    return found


def _changed(turn: Turn) -> datetime | None:
    """Since when the world is another one: the beginning of the rows that raised the alarm; None where none did."""
    state, plan = turn.state, turn.problem.monitoring
    if state.tried is None or state.why not in (Reason.DRIFT, Reason.DECAY):
        return None
    matured = turn.problem.framing.maturity if state.why is Reason.DECAY else timedelta(0)
    return state.tried - matured - (plan.decay_window if state.why is Reason.DECAY else plan.window)


def chosen(turn: Turn, parts: Mapping[str, tuple[Recipe, tuple[Split, ...]]], weighed: Chosen | None = None) -> Choice:
    """The recipe that loses least on the validation rows, which are the newest before the held-out ones and the same for
    all; of equals the one named first. `parts`: by name, a recipe and the labelled rows as it is fitted on them; where a model
    chose which labels are seen, `weighed` says what each row stands for, and which may judge.

    One that cannot be judged there is left out and named. A choice on validation rows costs the held-out rows nothing:
    they are looked at once, with what was chosen.
    """
    problem, own = turn.problem, parts[OWN][0]
    if len(parts) < 2:
        return Choice(own)
    losses: dict[str, pd.Series] = {}
    left_out: dict[str, str] = {}
    for name, (recipe, folds) in parts.items():
        try:
            losses[name] = _loss(turn, recipe, folds, weighed)
        except Exception as error:  # whatever a fit raises is a reason against this window, not against the others
            left_out[name] = told(error)
    if OWN not in losses:
        return Choice(own, left_out=left_out)
    if losses[OWN].index.nunique() < 2:
        what = problem.framing.entity or "day"
        said = f"the validation rows are of one {what}, and two are needed to choose by"
        return Choice(own, left_out=dict.fromkeys(parts, said))
    losses = {name: loss for name, loss in losses.items() if loss.index.equals(losses[OWN].index)}
    means = {name: float(loss.mean()) for name, loss in losses.items()}
    name = min(means, key=lambda one: means[one])
    gains = {one: _gain(problem, losses[OWN], loss) for one, loss in losses.items() if one != OWN}
    return Choice(parts[name][0], name, means, gains, left_out, len(losses[OWN]))


def _loss(turn: Turn, recipe: Recipe, folds: tuple[Split, ...], weighed: Chosen | None) -> pd.Series:
    """Loss a row of the validation rows, fold by fold, by the row's day (or its entity, where there is one)."""
    problem, framing = turn.problem, turn.problem.framing
    fit = partial(training.fit_and_freeze, recipe, framing, weights=weighed.weights if weighed else None)
    found = []
    for part in folds:
        if len(part.train) < problem.retraining.train_rows:
            raise ValueError(f"{len(part.train)} training rows, {problem.retraining.train_rows} are needed")
        model = fit(part, seed=seed_of(turn), threads=Settings().threads)
        rows = (weighed.judged(part) if weighed else part).validation
        labels = scoring.class_indices(rows[framing.target], framing)
        loss = scoring.row_loss(scoring.score(model, rows, framing), labels, framing)
        found.append(pd.Series(loss, index=_whose(problem, rows)))
    return pd.concat(found)


def _whose(problem: Problem, rows: pd.DataFrame) -> pd.Index:
    """What moves together: an entity's rows, or a day's."""
    framing = problem.framing
    return pd.Index(rows[framing.entity] if framing.entity else rows[framing.event_time].dt.floor("D"))


def _gain(problem: Problem, own: pd.Series, other: pd.Series) -> Interval:
    gain, alpha = (own - other).to_numpy(), problem.retraining.alpha
    return Interval(*fixed_interval(gain, alpha=alpha, clusters=np.asarray(own.index)))
