"""What is a way of renewing worth? Several ways to serve one recipe, measured on the same labelled rows."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from schemas.expectations import LOWER_IS_BETTER
from schemas.framing import Framing
from schemas.problem import Problem
from schemas.settings import Settings
from schemas.stage import Stage
from tasks import ledger, predictions, registry, scoring, training, windows

__all__ = ["WAYS", "compare", "judged_rows", "shown"]

_WEEK, _MONTH, _TRAILING = timedelta(weeks=1), timedelta(weeks=4), timedelta(weeks=12)

# What the table says of each way, in its order; a way without a name of its own here is not compared.
WAYS = {
    "loop": "what the loop answered",
    "loop_without_rollout": "the loop's accepted challengers, each put into service the moment it was trained",
    "frozen": "trained once, never again",
    "monthly": "retrained every four weeks on a trailing twelve, straight into service",
    "weekly_all": "retrained every week on all history, straight into service",
    "weekly_trailing": "retrained every week on a trailing window, straight into service",
}


@dataclass(frozen=True)
class _Table:
    """The rows that every way is measured on, and the time they are from."""

    problem: Problem
    rows: pd.DataFrame
    start: datetime
    end: datetime


def compare(problem: Problem, start: datetime, end: datetime) -> dict[str, Any]:
    """The metric of each way to serve, pooled and as a mean of its weeks, on the same labelled rows from `start` on.

    All ways have one recipe. `ratio_*` are a way's metric over the better of the two weekly ones: of an error, lower is
    better and 1 the best that they did.
    """
    from flows.replay import promotions, retrains

    framing = problem.framing
    rows = judged_rows(problem, start, end)
    served = predictions.served(problem, since=start, until=end)
    served = served.assign(key=served["key"].astype(rows[framing.key].dtype)).set_index("key")
    rows = rows[rows[framing.key].isin(served.index)].reset_index(drop=True)
    turned = sum(row.facts["kind"] == "turn" for row in ledger.rows(problem.name))
    counted = {"retrains": len(retrains(problem)), "promotions": len(promotions(problem)), "turns": turned}
    counted["weekly_retrains"] = len(list(_moments(start, end, _WEEK)))
    if rows.empty:
        return {"metric": framing.metric, "rows": 0} | counted
    looped = served.loc[rows[framing.key]]
    answered = scoring.logged(looped["answer_score"], looped["answer_decision"], framing)
    table = _Table(problem, rows, start, end)
    trailing = problem.recipe.window or _TRAILING
    ways = {
        "loop": answered,
        "loop_without_rollout": _at_once(table, answered),
        "frozen": _renewed(table, every=None, window=_TRAILING),
        "monthly": _renewed(table, every=_MONTH, window=_TRAILING),
        "weekly_all": _renewed(table, every=_WEEK, window=None),
        "weekly_trailing": _renewed(table, every=_WEEK, window=trailing),
    }
    weeks = (rows[framing.event_time] - pd.Timestamp(start)) // pd.Timedelta(weeks=1)
    figures: dict[str, Any] = {"metric": framing.metric, "rows": len(rows)}
    figures |= {name: _metric(said, rows, framing) for name, said in ways.items()}
    figures |= {f"{name}_weekly_mean": _weekly(said, rows, weeks, framing) for name, said in ways.items()}
    return figures | _ratios(figures) | counted


def _ratios(figures: dict[str, Any]) -> dict[str, Any]:
    best = (min if figures["metric"] in LOWER_IS_BETTER else max)(figures["weekly_all"], figures["weekly_trailing"])
    gap = figures["monthly"] - figures["frozen"]
    return {
        "best_weekly": best,
        "ratio_to_best_weekly": figures["loop"] / best if best else None,
        "ratio_without_rollout": figures["loop_without_rollout"] / best if best else None,
        # In the metric's own unit and direction: what the same models would have reached without waiting for evidence.
        "price_of_rollout": figures["loop_without_rollout"] - figures["loop"],
        "share_of_gap_closed": (figures["loop"] - figures["frozen"]) / gap if gap else None,
    }


def judged_rows(problem: Problem, start: datetime, end: datetime) -> pd.DataFrame:
    """Labelled rows of the time that had matured when the table was taken: of younger ones only the quick labels are in it."""
    framing = problem.framing
    rows = windows.read_window(problem, start, end, as_of=end + framing.maturity)
    matured = rows[framing.event_time] <= windows.taken(problem) - framing.maturity
    return rows[matured & rows[framing.target].notna()]


def _moments(start: datetime, end: datetime, every: timedelta | None) -> Iterator[datetime]:
    """When a model is trained: at `start`, and again `every` so often before `end`."""
    at = start
    while at < end:
        yield at
        at = at + every if every else end


def _renewed(table: _Table, *, every: timedelta | None, window: timedelta | None) -> scoring.Scores:
    """Scores of a model put straight into service: trained at the start, and again `every` so often, on a trailing window
    or, without one, on all that was labelled."""
    made = {at: partial(_trained, table.problem, at, window) for at in _moments(table.start, table.end, every)}
    return _in_turn(table, made)


def _at_once(table: _Table, answered: scoring.Scores) -> scoring.Scores:
    """Scores of the challengers that the offline gate accepted, each from the moment on at which it was trained; before
    the first of them, what was answered."""
    problem = table.problem
    accepted: dict[datetime, Callable[[], Any]] = {}
    for row in ledger.rows(problem.name):
        state = row.state
        if row.facts["before"] == Stage.RETRAIN and state.at and state.challenger:
            accepted[state.at] = partial(registry.load, problem, state.challenger)
    return _in_turn(table, accepted, answered)


def _in_turn(
    table: _Table, made: Mapping[datetime, Callable[[], Any]], before: scoring.Scores | None = None
) -> scoring.Scores:
    """Each model's scores of the rows from its own moment up to the next one's; `before` the first, those that are given."""
    times, framing = table.rows[table.problem.framing.event_time], table.problem.framing
    edges = [*sorted(made), table.end]
    score = np.full((len(times), framing.n_classes) if framing.task == "multiclass" else len(times), np.nan)
    decision = np.full(len(times), np.nan)
    if before is not None:
        score, decision = np.array(before.score, dtype=float), np.array(before.decision, dtype=float)
    for at, until in pairwise(edges):
        where = np.asarray((times >= at) & (times < until))
        if where.any():  # a season may be a month without rows
            said = scoring.score(made[at](), table.rows[where], framing)
            score[where], decision[where] = said.score, said.decision
    return scoring.Scores(score, decision)


def _trained(problem: Problem, at: datetime, window: timedelta | None) -> Any:
    """The recipe on what the window had labelled, or on all that had been where that is less than a retrain asks for; the
    naive baseline where even that holds nothing to tell apart."""
    framing = problem.framing
    first = windows.bounds(problem)[0]
    reached = [at - max(window, framing.maturity + _MONTH)] if window else []
    for since in (*reached, first):
        known = windows.read_window(problem, since, at - framing.maturity, as_of=at)
        known = known[known[framing.target].notna()]
        if len(known) >= problem.retraining.train_rows:
            break
    if known[framing.target].nunique() < 2:
        return training.naive_baseline(framing, known, problem.recipe.features)
    return training.fit(problem.recipe, framing, known, seed=Settings().seed)


def _metric(said: scoring.Scores, rows: pd.DataFrame, framing: Framing) -> float:
    return training.measure(said, rows[framing.target].to_numpy(), framing)[framing.metric]


def _weekly(said: scoring.Scores, rows: pd.DataFrame, weeks: pd.Series, framing: Framing) -> float:
    """Mean of the metric week by week; a week in which it is undefined is left out."""

    def of(where: np.ndarray) -> float:
        return _metric(scoring.Scores(said.score[where], said.decision[where]), rows[where], framing)

    found = [of((weeks == week).to_numpy()) for week in sorted(weeks.unique())]
    return float(np.nanmean(found))


def shown(problem: Problem, figures: Mapping[str, Any]) -> Iterator[str]:
    """The comparison as lines of one table, and what follows from it."""
    if not figures["rows"]:
        yield f"{problem.name}: no row that was answered has a matured label, so there is nothing to compare"
        return
    metric, wide = figures["metric"], max(map(len, WAYS))
    yield f"{problem.name}: {metric} on {figures['rows']:,} labelled rows"
    yield f"  {'':<{wide}} {'pooled':>9} {'weekly mean':>12}"
    for name, about in WAYS.items():
        if name == "loop":
            about = f"{figures['retrains']} retrains, {figures['promotions']} promotions, {figures['turns']} turns"
        yield f"  {name:<{wide}} {figures[name]:>9.4f} {figures[f'{name}_weekly_mean']:>12.4f}   {about}"
    gain = figures["monthly"] - figures["frozen"]
    # Where a retrain every month gained nothing there is no gap, and a share of it would be a number without a meaning.
    if (-gain if metric in LOWER_IS_BETTER else gain) > 0:
        yield f"  the loop closes {figures['share_of_gap_closed']:.0%} of the gap between frozen and monthly"
    if figures["ratio_to_best_weekly"] is not None:
        yield (
            f"  the loop's {metric} is {figures['ratio_to_best_weekly']:.3f} of the better weekly one, with {figures['retrains']} "
            f"retrains for {figures['weekly_retrains']}; without its rollouts it would be {figures['ratio_without_rollout']:.3f}"
        )
