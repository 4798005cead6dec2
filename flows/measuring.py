"""Which figures does a turn that closed a window add to what is known of a model? Realised, partly matured, expected, served."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
import pandas as pd

from flows.turn import Turn, seed_of
from flows.window import champion_of
from schemas.figure import Figure
from schemas.problem import Problem
from tasks import cohorts, labels, partly, predictions, quality_log
from tasks.expected import CONDITION, Expected, expected
from tasks.partly import Delays

__all__ = ["Seen", "expected_figures", "may_judge", "partly_figures", "realised_figures", "seen"]

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Seen:
    """The log as this turn sees it: rows from `since` on with the label known now (nan), `age` and `delay` in days, and the label that was said `first`."""

    turn: Turn
    window: tuple[datetime, datetime]
    rows: pd.DataFrame
    since: datetime
    looked: quality_log.Look | None  # when figures were kept last, and of which cohorts

    @property
    def problem(self) -> Problem:
        return self.turn.problem

    @property
    def until(self) -> datetime:
        """Rows before it are matured."""
        return self.turn.now - self.problem.framing.maturity

    @cached_property
    def own(self) -> pd.DataFrame:
        """Every row that the champion scored as champion."""
        mine = self.rows[self.rows["champion"] == champion_of(self.turn).sha256]
        return mine.assign(score=mine["champion_score"], decision=mine["champion_decision"])

    @cached_property
    def learned(self) -> pd.DataFrame:
        """Matured labelled rows that the champion scored, in shadow or as champion, and was not trained on."""
        champion = champion_of(self.turn)
        rows = may_judge(self.problem, self.rows)
        rows = cohorts.said_by(rows[rows["label"].notna()], champion.sha256)
        rows = between(rows, self.since, self.until)
        newer = champion.trained_until
        return rows if newer is None else rows[rows["event_time"] >= pd.Timestamp(newer)]

    @cached_property
    def asked(self) -> pd.DataFrame:
        """The rows of the window that closed."""
        return between(self.own, *self.window)


def may_judge(problem: Problem, rows: pd.DataFrame) -> pd.DataFrame:
    """Where a decision hides its label, the rows that were drawn at random; all of them elsewhere."""
    return rows if problem.framing.labelled_when is None else rows[rows["explored"].astype(bool)]


def between(rows: pd.DataFrame, start: datetime, end: datetime) -> pd.DataFrame:
    return rows[(rows["event_time"] >= pd.Timestamp(start)) & (rows["event_time"] < pd.Timestamp(end))]


def seen(turn: Turn, window: tuple[datetime, datetime]) -> Seen:
    """Read the log from the first cohort on that holds rows which decay is judged on."""
    problem, plan = turn.problem, turn.problem.monitoring
    since, _ = cohorts.cohort_of(turn.now - problem.framing.maturity - plan.decay_window, plan.window)
    return Seen(turn, window, _aged(turn, since), since, quality_log.last_look(problem))


def _aged(turn: Turn, since: datetime) -> pd.DataFrame:
    problem = turn.problem
    rows = predictions.cohort(problem, since=since, now=turn.now, matured=False)
    first = labels.first_known(problem, since=since, now=turn.now).reindex(rows["key"])
    day = pd.Timedelta(_DAY)
    age = (pd.Timestamp(turn.now) - rows["event_time"]) / day
    delay = (first["known_at"].set_axis(rows.index) - rows["event_time"]) / day
    return rows.assign(age=age, delay=delay, first=first["label"].to_numpy(dtype=float))


def realised_figures(found: Seen) -> list[Figure]:
    """The figures of every matured cohort that has none yet, or of whose rows a label came since the last look; of each
    model that was champion then."""
    span = found.problem.monitoring.window
    figures: list[Figure] = []
    for start, end, rows in _cohorts(found, span):
        for model, mine in may_judge(found.problem, rows).groupby("champion", sort=True):
            labelled = mine[mine["label"].notna()]
            said = labelled.assign(score=labelled["champion_score"], decision=labelled["champion_decision"])
            if said.empty or not model:
                continue
            lost = len(mine) - len(said)
            note = f"{lost:,} of {len(mine):,} matured rows have no label" if lost else ""
            values = cohorts.realised(said, found.problem.framing, seed=seed_of(found.turn))
            figures += [
                Figure("realised", name, start, end, str(model), len(said), value, *_ends(low, high), note)
                for name, (low, value, high) in values.items()
                if np.isfinite(value)
            ]
    return figures


def _cohorts(found: Seen, span: timedelta) -> Iterator[tuple[datetime, datetime, pd.DataFrame]]:
    """The cohorts to measure, with their rows: those that were read; and, one at a time, older ones that a late label
    revises, or that passed in a rollout, when nobody looked."""
    for start, end in _older(found, span):
        yield start, end, predictions.cohort(found.problem, since=start, now=found.turn.now, before=end)
    for start, end in cohorts.cohorts(found.since, found.until, span):
        if end <= found.until:
            yield start, end, between(found.rows, start, end)


def _older(found: Seen, span: timedelta) -> list[tuple[datetime, datetime]]:
    looked, now = found.looked, found.turn.now
    if looked is None:
        return []
    first, _ = cohorts.cohort_of(looked.first, span)
    revised = quality_log.touched(
        found.problem, known_since=looked.at, now=now, after=first, before=found.since, span=span
    )
    passed = [start for start, _ in cohorts.cohorts(looked.ended, found.since, span)]
    return [(start, start + span) for start in sorted({*revised, *passed})]


def _ends(low: float, high: float) -> tuple[float | None, float | None]:
    return (low, high) if np.isfinite(low) and np.isfinite(high) else (None, None)


def partly_figures(found: Seen, delays: Delays | None) -> list[Figure]:
    """What the champion's cohorts that are not matured yet will show, from the labels that came and how fast they come."""
    if delays is None:
        return []
    framing, sha256, figures = found.problem.framing, champion_of(found.turn).sha256, []
    own = may_judge(found.problem, found.own)
    for start, end in cohorts.cohorts(found.until, found.turn.now, found.problem.monitoring.window):
        values, rows, known = partly.partly_matured(between(own, start, end), delays, framing)
        note = f"{known:,} of {rows:,} rows older than {delays.youngest:.2g} days are labelled"
        figures += [
            Figure("partly matured", name, start, end, sha256, rows, value, low, high, note)
            for name, (low, value, high) in values.items()
        ]
    return figures


def expected_figures(found: Seen) -> tuple[Expected, list[Figure]]:
    """What the rows of the window that closed let expect of the champion, and what there is to doubt about it."""
    newest = pd.Timedelta(found.problem.monitoring.window)
    said = expected(found.learned, found.asked, found.problem.framing, newest=newest)
    note = f"not valid: {'; '.join(said.doubts)}" if said.doubts else CONDITION
    model = champion_of(found.turn).sha256
    figures = [Figure("expected", n, *found.window, model, said.rows, v, note=note) for n, v in said.values.items()]
    return said, figures
