"""What did a model show on a cohort of rows whose labels are known: which figures, how large, and how sure?"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np
import pandas as pd

from schemas.framing import Framing
from tasks.scoring import Scores, logged, row_cost, row_loss
from tasks.stats import average_precision, bootstrap_interval, macro_auc, roc_auc

__all__ = ["BOUNDED", "Interval3", "cohort_of", "cohorts", "counted", "rank_metric", "realised", "said_by", "scored"]

# Monday: weeks of seven days begin as calendars do. Cohorts are counted from here, whatever the stage of the loop, so that
# one cohort stays itself when a rollout ends in its middle.
_FIRST = datetime(1970, 1, 5, tzinfo=UTC)
_BLOCKS = 5  # days under which a bootstrap over days is too sure of itself: see tasks.evaluation
_RESAMPLES = 400
_RANK_RESAMPLES = 100  # each sorts nothing anew, and still costs a pass over all rows
BOUNDED = frozenset({"loss", "recall", "precision", "accuracy", "base rate"})  # ratios in [0, 1]

Interval3 = tuple[float, float, float]
Counted = dict[str, tuple[np.ndarray, np.ndarray]]


def cohort_of(moment: datetime, span: timedelta) -> tuple[datetime, datetime]:
    """The cohort that `moment` falls into: start (inclusive) and end.

    >>> start, end = cohort_of(datetime(2025, 1, 1, tzinfo=UTC), timedelta(days=7))
    >>> f"{start:%a %Y-%m-%d} {end:%a %Y-%m-%d}"
    'Mon 2024-12-30 Mon 2025-01-06'
    """
    start = _FIRST + (moment - _FIRST) // span * span
    return start, start + span


def cohorts(since: datetime, until: datetime, span: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """The cohorts that overlap with [since, until), oldest first."""
    start, end = cohort_of(since, span)
    while start < until:
        yield start, end
        start, end = end, end + span


def said_by(rows: pd.DataFrame, model: str) -> pd.DataFrame:
    """The logged rows that `model` (a sha256) scored, as champion or beside it: event_time, label (and whatever is there
    besides), score and decision. Rows that it scored in shadow are as new to it as those that it answered."""
    beside = (rows["rival"] == model) & (rows["rival_decision"].notna() | rows["rival_error"].notna())
    sides = [(rows["champion"] == model, "champion"), (beside & (rows["champion"] != model), "rival")]
    parts = [
        rows[mine].assign(score=rows.loc[mine, f"{side}_score"], decision=rows.loc[mine, f"{side}_decision"])
        for mine, side in sides
        if mine.any()
    ]
    if not parts:
        return rows.iloc[:0].assign(score=pd.Series(dtype=float), decision=pd.Series(dtype=float))
    return pd.concat(parts).sort_values("event_time", kind="stable", ignore_index=True)


def scored(rows: pd.DataFrame, framing: Framing) -> Scores:
    """Scores and decisions of rows as `said_by` gives them."""
    return logged(rows["score"], rows["decision"], framing)


def counted(scores: Scores, labels: np.ndarray, framing: Framing) -> Counted:
    """What each row counts above and below the line of each figure that is a ratio, both of shape (n,).

    Labels are known. A row on which the model raised counts as wholly wrong, and as not acted on.
    """
    y, n = np.asarray(labels, dtype=float), len(labels)
    every, missing = np.ones(n), np.isnan(scores.decision)
    loss = np.where(missing, 1.0, row_loss(scores, y, framing))
    found: Counted = {"loss": (loss, every)}
    if framing.task == "regression":
        answered = (~missing).astype(float)
        found["mae"] = (np.where(missing, 0.0, np.abs(scores.score - y)), answered)
    elif framing.task == "multiclass":
        found["accuracy"] = ((scores.decision == y).astype(float), every)
    else:
        acted, positive = (scores.decision >= 0.5).astype(float), (y >= 0.5).astype(float)
        found |= {"recall": (acted * positive, positive), "precision": (acted * positive, acted)}
        found |= {"base rate": (positive, every)}
    if framing.metric == "accuracy":
        found["accuracy"] = ((scores.decision == y).astype(float), every)
    return found | _priced(scores, y, framing, loss, missing)


def _priced(scores: Scores, y: np.ndarray, framing: Framing, loss: np.ndarray, missing: np.ndarray) -> Counted:
    """What a row cost, in the framing's currency: by its cost matrix, or by the price of its loss."""
    if framing.costs is not None:
        # A row without a decision was not acted on: decision 0.
        acted = Scores(scores.score, np.where(missing, 0.0, scores.decision))
        return {f"{framing.currency} a row": (row_cost(acted, y, framing.costs), np.ones(y.size))}
    if framing.money_per_loss is not None:
        return {f"{framing.currency} a row": (loss * framing.money_per_loss, np.ones(y.size))}
    return {}


def realised(rows: pd.DataFrame, framing: Framing, *, seed: int) -> dict[str, Interval3]:
    """(low, value, high) of each figure of labelled rows (columns event_time, label, score, decision). Ends, of a 95 %
    interval, come from a bootstrap over days, since rows of one day move together; nan where fewer than five days speak."""
    said, y = scored(rows, framing), rows["label"].to_numpy(dtype=float)
    day = np.unique(rows["event_time"].dt.floor("D").to_numpy(), return_inverse=True)[1]
    sums = {
        name: (np.bincount(day, weights=above), np.bincount(day, weights=below))
        for name, (above, below) in counted(said, y, framing).items()
    }
    found = {name: _of_days(above, below, seed=seed) for name, (above, below) in sums.items()}
    return found | _ranked(said, y, day, framing, seed=seed)


def _of_days(above: np.ndarray, below: np.ndarray, *, seed: int) -> Interval3:
    value = float(above.sum() / below.sum()) if below.sum() > 0 else float("nan")
    if above.size < _BLOCKS or value != value:
        return float("nan"), value, float("nan")
    rng = np.random.default_rng(seed)
    return bootstrap_interval(_ratio, above, below, alpha=0.025, rng=rng, n_resamples=_RESAMPLES)


def _ratio(above: np.ndarray, below: np.ndarray, weight: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((weight @ above) / (weight @ below))


def rank_metric(framing: Framing) -> str:
    """The figure of the framing's metric that needs an order of scores; empty where it needs none."""
    return framing.metric if framing.metric in ("roc_auc", "average_precision") else ""


def _ranked(said: Scores, y: np.ndarray, day: np.ndarray, framing: Framing, *, seed: int) -> dict[str, Interval3]:
    name, answered = rank_metric(framing), ~np.isnan(said.decision)
    known = np.unique(y[answered])
    if not name or known.size < max(framing.n_classes, 2):
        return {}
    metric = {"average_precision": average_precision, "roc_auc": roc_auc}[name]
    metric = macro_auc if framing.task == "multiclass" else metric
    score, label, blocks = said.score[answered], y[answered], day[answered]
    if np.unique(blocks).size < _BLOCKS:
        return {name: (float("nan"), float(metric(score, label, None)), float("nan"))}
    interval = partial(bootstrap_interval, blocks=blocks, alpha=0.025, n_resamples=_RANK_RESAMPLES)
    return {name: interval(metric, score, label, rng=np.random.default_rng(seed))}
