"""Which rows does an experiment fit, and which judge it? Blocks of the newest rows that the held-out rows never touch."""

import itertools
from datetime import datetime, timedelta
from functools import partial

import numpy as np
import pandas as pd

from schemas.plans.improvement import Tier
from schemas.problem import Problem
from tasks.routing import position
from tasks.splits import Split, embargo_of

__all__ = ["BLOCKS", "before_held_out", "blocks", "clusters", "ranked"]

BLOCKS = 5  # of judged rows, as many as a tier may ask for
_BLOCK = 0.1  # of the rows in each
_NEAR = 0.12  # of the days or entities that could be fitted on, and are not
_FEW_CLUSTERS = 40  # under which an eighth of them is no eighth of the rows
_FEWEST = 10  # days or entities under which rows are drawn one by one
_JUDGED_ENTITIES = 0.3


def before_held_out(problem: Problem, rows: pd.DataFrame, *, until: datetime) -> pd.DataFrame:
    """The labelled rows before `until` that no retrain of today would be judged on, with the embargo between."""
    framing = problem.framing
    if framing.timeless:
        return rows[_positions(problem, rows, "split") < 1 - 0.15]
    start = until - problem.retraining.test
    early = rows[framing.event_time] < start - embargo_of(problem)
    return rows[early & ~(rows[framing.label_time] >= start)]


def blocks(
    problem: Problem, rows: pd.DataFrame, tier: Tier, *, window: timedelta | None, seed: int
) -> tuple[Split, ...]:
    """A split a fold, the newest block first: `test` judges, and is the same whatever the recipe and the seed; `validation`
    lies beside what is fitted, days or entities of the same time that the seed left out, and chooses the threshold; `train`
    is fitted, or the tier's share of it. Another seed fits other rows: a gain that hangs on them is luck as well."""
    edges = np.linspace(1 - BLOCKS * _BLOCK, 1, BLOCKS + 1)
    cut = _by_hash if problem.framing.timeless else _by_time
    parts = [_apart(problem, fitted, judged) for fitted, judged in cut(problem, rows, edges, window)]
    return tuple(
        _beside(problem, fitted, judged, share=tier.share, seed=seed)
        for fitted, judged in itertools.islice(reversed(parts), tier.folds)
    )


def clusters(problem: Problem, rows: pd.DataFrame) -> pd.Series:
    """What moves together, by name: an entity's rows, or a day's; each row by itself where there is no time."""
    framing = problem.framing
    if framing.entity is not None:
        return rows[framing.entity].astype(str)
    if framing.timeless:
        return rows[framing.key].astype(str)
    day = rows[framing.event_time].dt.normalize()
    return day.map({one: f"{one:%Y-%m-%d}" for one in day.unique()})


def ranked(problem: Problem, rows: pd.DataFrame, unit: pd.Series) -> np.ndarray:
    """Where each row stands when a part of the rows is wanted, in (0, 1], shape (n,): a share of them are those that stand no
    further. Whole units (what moves together) where there are enough of them: what is left out is then like what lies
    beside; so that a smaller part is part of a larger one."""
    if unit.nunique() < _FEW_CLUSTERS:
        unit = rows[problem.framing.key].astype(str)
    where = pd.Series(_hashed(unit, f"{problem.name}/sample"))
    return where.rank(method="max", pct=True).to_numpy()


Parts = tuple[pd.DataFrame, pd.DataFrame]  # what may be fitted, and what judges


def _by_time(problem: Problem, rows: pd.DataFrame, edges: np.ndarray, window: timedelta | None) -> list[Parts]:
    framing, time = problem.framing, rows[problem.framing.event_time]
    if rows.empty:
        return []
    moments = [time.quantile(edge, interpolation="lower") for edge in edges[:-1]] + [time.max() + pd.Timedelta(1)]
    parts = []
    for start, end in itertools.pairwise(moments):
        until = start - embargo_of(problem)
        fitted = (time < until) & ~(rows[framing.label_time] >= start)
        fitted &= time >= until - window if window is not None else True
        parts.append((rows[fitted], rows[(time >= start) & (time < end)]))
    return parts


def _by_hash(problem: Problem, rows: pd.DataFrame, edges: np.ndarray, window: timedelta | None) -> list[Parts]:
    where = _positions(problem, rows, "experiment")
    judged = [(where >= start) & (where < end) for start, end in itertools.pairwise(edges)]
    return [(rows[~one], rows[one]) for one in judged]


def _apart(problem: Problem, fitted: pd.DataFrame, judged: pd.DataFrame) -> Parts:
    """Where the plan wants it, entities that judge are fitted nowhere."""
    if problem.data.entities == "shared" or problem.framing.entity is None:
        return fitted, judged
    who = partial(_positions, problem, what="experiment")
    return fitted[who(fitted) >= _JUDGED_ENTITIES], judged[who(judged) < _JUDGED_ENTITIES]


def _beside(problem: Problem, fitted: pd.DataFrame, judged: pd.DataFrame, *, share: float, seed: int) -> Split:
    unit = clusters(problem, fitted)
    if unit.nunique() < _FEWEST:
        unit = fitted[problem.framing.key].astype(str)
    near = _hashed(unit, f"{problem.name}/near/{seed}") < _NEAR
    if not near.any():  # of so few days or entities a draw can miss them all
        near = _hashed(fitted[problem.framing.key].astype(str), f"{problem.name}/near/{seed}") < _NEAR
    return Split(_thinned(problem, fitted[~near], share), fitted[near], judged)


def _thinned(problem: Problem, rows: pd.DataFrame, share: float) -> pd.DataFrame:
    if share >= 1:
        return rows
    # By key, so that a smaller share is part of a larger one.
    return rows[_hashed(rows[problem.framing.key].astype(str), f"{problem.name}/share") < share]


def _positions(problem: Problem, rows: pd.DataFrame, what: str) -> np.ndarray:
    return _hashed(rows[problem.framing.entity or problem.framing.key].astype(str), f"{problem.name}/{what}")


def _hashed(names: pd.Series, key: str) -> np.ndarray:
    """Where each name stands in [0, 1), shape (n,)."""
    at = {name: position(name, key=key) for name in names.unique()}
    return names.map(at).to_numpy(dtype=float)
