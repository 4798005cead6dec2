"""Which labelled rows are fitted, which choose the threshold, and which judge? None is in two parts, and none looks ahead."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from schemas.framing import Framing
from schemas.plans import DataPlan, RetrainingPlan
from schemas.problem import Problem
from tasks.routing import position

__all__ = ["Split", "by_time", "embargo_of", "folds", "held_back", "pooled", "unseen", "why_changed"]

# The field's default shares, 70 / 15 / 15; under folds the never judged part is the base of every fold.
_TRAIN, _VALIDATION = 0.70, 0.85
_BASE, _BASE_VALIDATION = 0.25, 0.40
_JUDGED_ENTITIES = 0.30  # of the entities, where those that judge may not have been seen
_FIRST_FOLD = 0.40  # of the rows come before the first fold, or it would be fitted on next to nothing


@dataclass(frozen=True)
class Split:
    """Rows in time order: fitted on, threshold chosen on, judged on. No row is in two of them."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame


def embargo_of(problem: Problem) -> timedelta:
    """The time between the newest fitted row and the oldest that judges: as when the model serves, the label delay."""
    own = problem.data.embargo
    return problem.framing.maturity if own is None else own


def folds(
    problem: Problem, rows: pd.DataFrame, *, until: datetime, window: timedelta | None, disjoint_from: datetime | None
) -> tuple[Split, ...]:
    """One split of the labelled rows before `until`, or under `fold_below` of them several whose tests are disjoint.

    By time where there is one: the newest rows judge, and nothing is fitted on rows younger than they are. A table without
    a time is split by a keyed hash of the entity (of the row, where none repeats), the same way each time.
    `disjoint_from`: the champion was trained on rows before it, so that judging begins there at the earliest.
    """
    framing = problem.framing
    rows = rows[rows[framing.event_time] < until]
    few = len(rows) < problem.data.fold_below
    if framing.timeless:
        return _by_hash(problem, rows, few=few)
    rules: dict[str, Any] = {"plan": problem.retraining, "embargo": embargo_of(problem), "window": window}
    if few:
        parts = _forward(framing, rows, data=problem.data, disjoint_from=disjoint_from, **rules)
    else:
        parts = (by_time(framing, rows, until=until, disjoint_from=disjoint_from, **rules),)
    return tuple(_apart(problem, part) for part in parts)


def by_time(
    framing: Framing,
    rows: pd.DataFrame,
    *,
    until: datetime,
    plan: RetrainingPlan,
    embargo: timedelta,
    window: timedelta | None,
    disjoint_from: datetime | None,
) -> Split:
    """The newest rows judge; those before them, past the embargo, choose the threshold; those before them are fitted."""
    rows = rows[rows[framing.event_time] < until]
    test_from = max(until - plan.test, disjoint_from or until - plan.test)
    return _cut(framing, rows, test_from, until, plan=plan, embargo=embargo, window=window)


def unseen(
    framing: Framing,
    rows: pd.DataFrame,
    *,
    since: datetime,
    until: datetime,
    plan: RetrainingPlan,
    embargo: timedelta,
) -> Split:
    """The rows that the champion was not trained on, which are those from `since` on: what a challenger made from it is
    fitted and judged on. The newest judge, at most half of the time; no more than a third of the others choose the threshold."""
    rows = rows[(rows[framing.event_time] >= since) & (rows[framing.event_time] < until)]
    start = until - min(plan.test, (until - since) / 2)
    began = since if rows.empty else rows[framing.event_time].min()  # of time without rows no third is rows to fit
    left = max(start - embargo - began, timedelta(0))
    shorter = plan.model_copy(update={"validation": min(plan.validation, left / 3)})
    return _cut(framing, rows, start, until, plan=shorter, embargo=embargo, window=None)


def _cut(
    framing: Framing,
    rows: pd.DataFrame,
    start: datetime,
    end: datetime,
    *,
    plan: RetrainingPlan,
    embargo: timedelta,
    window: timedelta | None,
) -> Split:
    time, labelled = rows[framing.event_time], rows[framing.label_time]
    fitted_until = start - embargo
    validation_from = fitted_until - plan.validation
    train = time < validation_from if window is None else (time >= validation_from - window) & (time < validation_from)
    # A label that came later than the embargo lasts was not there to be fitted when the judged rows were asked.
    known = ~(labelled >= start)
    return Split(
        rows[train & known],
        rows[(time >= validation_from) & (time < fitted_until) & known],
        rows[(time >= start) & (time < end)],
    )


def _forward(
    framing: Framing,
    rows: pd.DataFrame,
    *,
    data: DataPlan,
    plan: RetrainingPlan,
    embargo: timedelta,
    window: timedelta | None,
    disjoint_from: datetime | None,
) -> tuple[Split, ...]:
    """Folds of about equal rows, each fitted on what came before it."""
    time = rows[framing.event_time]
    end = time.max() + pd.Timedelta(microseconds=1) if len(rows) else pd.NaT
    needed = max(int(_FIRST_FOLD * len(rows)), plan.train_rows)
    if len(rows) <= needed:
        return (Split(rows, rows.iloc[:0], rows.iloc[:0]),)
    first = time.iloc[needed] + plan.validation + embargo
    if disjoint_from is not None:
        first = max(first, pd.Timestamp(disjoint_from))
    judged = time[time >= first]
    if judged.empty:
        return (Split(rows[time < first], rows.iloc[:0], rows.iloc[:0]),)
    starts = [judged.iloc[i * len(judged) // data.folds] for i in range(data.folds)]
    edges = [first, *sorted(set(starts) - {judged.iloc[0]}), end]
    return tuple(
        _cut(framing, rows, a, b, plan=plan, embargo=embargo, window=window) for a, b in itertools.pairwise(edges)
    )


def _by_hash(problem: Problem, rows: pd.DataFrame, *, few: bool) -> tuple[Split, ...]:
    where = _positions(problem, rows)
    if not few:
        middle = (where >= _TRAIN) & (where < _VALIDATION)
        return (Split(rows[where < _TRAIN], rows[middle], rows[where >= _VALIDATION]),)
    validation = (where >= _BASE) & (where < _BASE_VALIDATION)
    edges = np.linspace(_BASE_VALIDATION, 1.0, problem.data.folds + 1)
    tests = [(where >= a) & (where < b) for a, b in itertools.pairwise(edges)]
    return tuple(Split(rows[~validation & ~test], rows[validation], rows[test]) for test in tests)


def held_back(problem: Problem, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of a timeless table that never judge: what a first champion may be fitted on."""
    few = len(rows) < problem.data.fold_below
    return rows[_positions(problem, rows) < (_BASE if few else _TRAIN)]


def _apart(problem: Problem, part: Split) -> Split:
    """Where the plan wants it, entities that judge are in no other part."""
    if problem.data.entities == "shared" or problem.framing.entity is None:
        return part
    kept = {name: _positions(problem, rows) < _JUDGED_ENTITIES for name, rows in vars(part).items()}
    return Split(part.train[~kept["train"]], part.validation[~kept["validation"]], part.test[kept["test"]])


def _positions(problem: Problem, rows: pd.DataFrame) -> np.ndarray:
    """Where each row's entity, or the row itself, stands in [0, 1), shape (n_rows,)."""
    names = rows[problem.framing.entity or problem.framing.key].astype(str)
    at = {name: position(name, key=f"{problem.name}/split") for name in names.unique()}
    return names.map(at).to_numpy(dtype=float)


def pooled(framing: Framing, parts: Iterable[Split]) -> Split:
    """The folds as one split: every fold's test, and the rows of the first that none of them judges."""
    parts = tuple(parts)
    if len(parts) == 1:
        return parts[0]
    test = pd.concat([part.test for part in parts])
    train = parts[0].train
    return Split(train[~train[framing.key].isin(test[framing.key])], parts[0].validation, test)


def why_changed(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> str:
    """Why the held-out rows are others than those of the last retrain; of `sha256`, `from` and `until`, as ISO moments."""
    if before is None:
        return "the first held-out rows"
    if before["sha256"] == now["sha256"]:
        return "the same held-out rows as last time"
    if before["until"] != now["until"]:
        days = (datetime.fromisoformat(now["until"]) - datetime.fromisoformat(before["until"])) / timedelta(days=1)
        return f"time went on: their newest row is {days:g} days later"
    if before["from"] != now["from"]:
        return "they begin at another moment: the champion or the plan changed"
    return "rows or labels of the same time are others than before: late, revised or quarantined ones"
