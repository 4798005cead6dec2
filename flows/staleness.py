"""After how long does renewing pay? The recipe trained at several moments of history, each scored in the weeks after it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from flows.replay import span
from schemas.problem import Problem
from schemas.settings import Settings
from schemas.verdict import Interval
from tasks import scoring, training, windows
from tasks.stats import fixed_interval

__all__ = ["Staleness", "lines", "staleness"]

_WEEK, _DAY = timedelta(weeks=1), timedelta(days=1)
_OLDEST = 12  # weeks of age
_MODELS = 40  # at most as many fits: of longer histories, every second week, every third


@dataclass(frozen=True)
class Staleness:
    """By age in weeks, how much more a model lost a row than one trained at that week's beginning, on the same rows."""

    growth: dict[int, Interval]
    weeks: dict[int, int]  # how many weeks each rests on
    margin: float

    @property
    def pays_after(self) -> int | None:
        """The youngest age, in weeks, that is shown to lose as much as the framing's margin; None where none is."""
        shown = (age for age, one in self.growth.items() if one.low > 0 and one.estimate >= self.margin)
        return min(shown, default=None)

    def data(self) -> dict[str, Any]:
        growth = {str(age): [one.low, one.estimate, one.high] for age, one in self.growth.items()}
        weeks = {str(age): n for age, n in self.weeks.items()}
        return {"growth": growth, "weeks": weeks, "margin": self.margin, "pays_after_weeks": self.pays_after}


def staleness(problem: Problem) -> Staleness:
    """Models of the recipe, each on what was labelled when it was trained, scored on the weeks that follow.

    What grows is compared within a week: some weeks are harder than others, for every model alike.
    """
    start, end = span(problem, *windows.bounds(problem))
    step = max(1, -(-int((end - start) / _WEEK) // _MODELS)) * _WEEK
    models: dict[datetime, Any] = {}
    found: dict[int, list[float]] = {}
    at = start
    while at < end:
        models |= {at: made} if (made := _trained(problem, at)) is not None else {}
        models = {made: model for made, model in models.items() if at - made <= _OLDEST * _WEEK}
        rows = _asked(problem, at, min(at + _WEEK, end))
        if len(rows) and at in models:
            losses = {made: _loss(problem, model, rows) for made, model in models.items()}
            for made, loss in losses.items():
                if made != at:
                    found.setdefault((at - made) // _WEEK, []).append(loss - losses[at])
        at += step
    interval = partial(fixed_interval, alpha=problem.retraining.alpha)
    ages = sorted(age for age, gained in found.items() if len(gained) > 2)
    growth = {age: Interval(*interval(found[age])) for age in ages}
    return Staleness(growth, {age: len(found[age]) for age in ages}, problem.framing.margin)


def _trained(problem: Problem, at: datetime) -> Any:
    """The recipe on the labels that had matured; None where they are too few, or of one kind."""
    framing, recipe = problem.framing, problem.recipe.model_copy(update={"start": "anew"})
    until = at - framing.maturity
    since = until - recipe.window if recipe.window else windows.bounds(problem)[0]
    rows = windows.read_window(problem, since, until, as_of=at)
    rows = rows[rows[framing.target].notna()]
    if len(rows) < problem.retraining.train_rows or rows[framing.target].nunique() < 2:
        return None
    return training.fit(recipe, framing, rows, seed=Settings().seed, threads=Settings().threads)


def _asked(problem: Problem, start: datetime, end: datetime) -> pd.DataFrame:
    """The week's rows with the labels that had come by the end of the table."""
    rows = windows.read_window(problem, start, end, as_of=windows.taken(problem) + _DAY)
    return rows[rows[problem.framing.target].notna()]


def _loss(problem: Problem, model: Any, rows: pd.DataFrame) -> float:
    labels = scoring.class_indices(rows[problem.framing.target], problem.framing)
    return float(np.mean(scoring.row_loss(scoring.score(model, rows, problem.framing), labels, problem.framing)))


def lines(problem: Problem, found: Staleness) -> Iterator[str]:
    """The curve, and what it says of the schedule."""
    if not found.growth:
        yield f"{problem.name}: its history is too short to see a model age"
        return
    yield f"{problem.name}: loss a row above that of a model trained that week, by age"
    for age, grown in found.growth.items():
        yield f"  {age:>3} weeks  {grown!s:<29} over {found.weeks[age]} weeks"
    pays, margin = found.pays_after, found.margin
    if pays is None:
        yield f"up to {max(found.growth)} weeks of age no growth of the framing's margin ({margin:g}) is shown: renewing by the calendar is not needed"
        return
    every = problem.retraining.every
    plan = f"the plan renews every {every / _WEEK:.1f} weeks" if every else "the plan has no schedule"
    yield f"renewing pays after {pays} weeks, when the loss has grown by the framing's margin ({margin:g}); {plan}"
