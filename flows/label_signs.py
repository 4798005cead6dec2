"""What do matured labels show of the champion's scores, and are the labels themselves to be trusted?"""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from flows.selective import judged
from flows.turn import Turn
from flows.window import champion_of
from schemas.rows import Model
from tasks import predictions, windows
from tasks.stats import (
    CalibrationMove,
    Prior,
    binomial_excess,
    calibration_move,
    count_tails,
    label_prior,
    moved_since,
)

__all__ = ["blocks_of", "calibration_of", "changed_since", "cohorts", "prior_of", "untrusted_labels"]

_DAY = timedelta(days=1)
_ALPHA = 0.0002  # of a count of labels that is as usual
_EVENTS = 10  # expected labels of the rarer class, under which a cohort tells nothing
_PORTIONS = (1.0, 0.5, 0.25)  # of a cohort, newest rows last: labels that stopped in its midst


def cohorts(
    turn: Turn, window: tuple[datetime, datetime], *, began: datetime, moved: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Matured rows of the newest window's length, and those since the model was first asked about rows it had not seen.

    Columns event_time, score, decision, label (nan where none came). Where inputs have `moved`, the newest are those since
    then: rows from before would say that nothing happened.
    """
    problem, champion = turn.problem, champion_of(turn)
    none = pd.DataFrame(columns=["key", "event_time", "score", "decision", "label"])
    if not champion.trained or problem.framing.task != "binary" or champion.trained_until is None:
        return none, none
    plan, maturity = problem.monitoring, problem.framing.maturity
    until = turn.now - maturity
    start = max(until - plan.window, began) if moved else until - plan.window
    now = _scored(_matured(turn, start, turn.now), champion)
    first = champion.trained_until
    last = min(first + maturity + 2 * plan.decay_window, began, until - plan.window)
    before = _scored(_matured(turn, first, last + maturity), champion) if last > first else none
    return now, before


def _matured(turn: Turn, since: datetime, now: datetime) -> pd.DataFrame:
    """The matured rows that may judge: where a decision hides its label, those that were explored."""
    return judged(turn.problem, predictions.cohort(turn.problem, since=since, now=now))[0]


def _scored(rows: pd.DataFrame, model: Model) -> pd.DataFrame:
    """The rows that this model scored, as champion or beside one."""
    parts = []
    for side, score in (("champion", "champion"), ("rival", "rival")):
        mine = rows[rows[side] == model.sha256]
        named = {f"{score}_score": "score", f"{score}_decision": "decision"}
        parts.append(mine[["key", "event_time", *named, "label"]].rename(columns=named))
    found = pd.concat(parts).sort_values("event_time", kind="stable", ignore_index=True)
    return found.astype({"score": float, "decision": float}).dropna(subset=["score"]).reset_index(drop=True)


def calibration_of(turn: Turn, now: pd.DataFrame, before: pd.DataFrame) -> CalibrationMove | None:
    """How far the score's meaning moved; None where there are too few labels to say."""
    now, before, few = (
        now.dropna(subset=["label"]),
        before.dropna(subset=["label"]),
        turn.problem.retraining.calibration_rows,
    )
    rarer = min(before["label"].mean(), 1 - before["label"].mean()) if len(before) else 0.0
    if len(now) < few or len(before) < few or rarer * min(len(now), len(before)) < _EVENTS:
        return None
    if not before["score"].between(0, 1).all() or not now["score"].between(0, 1).all():
        return None
    return calibration_move(
        now["score"],
        now["label"],
        score_before=before["score"],
        label_before=before["label"],
        clusters=blocks_of(now, turn),
        clusters_before=blocks_of(before, turn),
    )


def blocks_of(rows: pd.DataFrame, turn: Turn) -> np.ndarray:
    """Rows of one day move together; a window of hours is parted into sevenths all the same."""
    block = min(_DAY, turn.problem.monitoring.window / 7)
    return ((rows["event_time"] - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(block)).to_numpy()


def prior_of(turn: Turn, now: pd.DataFrame, before: pd.DataFrame) -> Prior | None:
    """The share of positives that all scores since the cohort began speak for, matured or not."""
    if now.empty:
        return None
    served = predictions.served(turn.problem, since=now["event_time"].min().to_pydatetime(), until=turn.now)
    served = served[served["champion"] == champion_of(turn).sha256]
    return _spoken_for(served["answer_score"].dropna(), before)


def _spoken_for(scores: pd.Series, before: pd.DataFrame) -> Prior | None:
    before = before.dropna(subset=["label"])
    if scores.empty or before.empty:
        return None
    of = {y: before.loc[before["label"] == y, "score"] for y in (1.0, 0.0)}
    return label_prior(scores, positive=of[1.0], negative=of[0.0])


def changed_since(turn: Turn, now: pd.DataFrame, before: pd.DataFrame) -> timedelta | None:
    """How long ago the change began, as labels date it: it lies between what is known as before and the newest rows."""
    problem, champion = turn.problem, champion_of(turn)
    start = turn.now - problem.framing.maturity - 2 * problem.monitoring.decay_window
    if before["event_time"].size:
        start = max(start, before["event_time"].max().to_pydatetime())
    rows = _scored(_matured(turn, start, turn.now), champion).dropna(subset=["label"])
    before, newest = before.dropna(subset=["label"]), now["event_time"].min()
    if rows.empty or before.empty or not (rows["event_time"] >= newest).any():
        return None
    blocks = blocks_of(rows, turn)
    first = moved_since(
        rows["score"],
        rows["label"],
        blocks,
        moved=rows["event_time"] >= newest,
        score_before=before["score"],
        label_before=before["label"],
    )
    began: pd.Timestamp = rows.loc[blocks == first, "event_time"].min()
    return turn.now - began.to_pydatetime()


def untrusted_labels(
    turn: Turn, window: tuple[datetime, datetime], now: pd.DataFrame, before: pd.DataFrame
) -> list[str]:
    """What is wrong with the labels that were due."""
    found = [said for share in _PORTIONS if (said := _unlabelled_share(turn, _newest(now, share), before))][:1]
    return found + _few_came(turn, window) + _one_class(now, before)


def _newest(rows: pd.DataFrame, share: float) -> pd.DataFrame:
    return rows.tail(max(round(share * len(rows)), 50))


def _unlabelled_share(turn: Turn, now: pd.DataFrame, before: pd.DataFrame) -> str:
    if len(now) < 50 or before.empty:
        return ""
    share, was = float(now["label"].isna().mean()), float(before["label"].isna().mean())
    limit = was + turn.problem.rollout.unlabelled
    if share <= limit or binomial_excess(int(now["label"].isna().sum()), len(now), was) >= _ALPHA:
        return ""
    return f"{share:.0%} of the rows whose label is due have none, before {was:.0%}"


def _few_came(turn: Turn, window: tuple[datetime, datetime]) -> list[str]:
    """Far fewer labels became known in the window, or in its newest part, than in those before it."""
    problem, (start, end) = turn.problem, window
    if not windows.available(problem) or problem.framing.timeless:
        return []
    known = windows.read_labels(problem, start - 4 * (end - start), end)["known_at"]
    for share in _PORTIONS:
        span = (end - start) * share
        past = [
            int(known.between(end - back - span, end - back, inclusive="left").sum()) for back in _backs(start, end)
        ]
        came = int((known >= end - span).sum())
        if came < np.median(past) / 2 and count_tails(came, past, wider=1.0)[0] < _ALPHA:
            return [
                f"{came:,} labels became known in the last {span / _DAY:.3g} days, {np.median(past):,.0f} are usual"
            ]
    return []


def _backs(start: datetime, end: datetime) -> list[timedelta]:
    return [n * (end - start) for n in range(1, 5)]


def _one_class(now: pd.DataFrame, before: pd.DataFrame) -> list[str]:
    """One class all but stopped among the newest labels, while the scores go on speaking for it."""
    now, before = now.dropna(subset=["label"]), before.dropna(subset=["label"])
    if before.empty:
        return []
    usual = float(before["label"].mean())
    for share in _PORTIONS:
        part = _newest(now, share)
        for name, hits, was in (
            ("positive", part["label"].sum(), usual),
            ("negative", (1 - part["label"]).sum(), 1 - usual),
        ):
            enough = was > 0 and hits <= 0.2 * was * len(part)
            if (
                enough
                and binomial_excess(len(part) - int(hits), len(part), 1 - was) < _ALPHA
                and _speaks(part, before, hits)
            ):
                return [f"{hits:,.0f} of {len(part):,} matured labels are {name}, {was * len(part):,.0f} are usual"]
    return []


def _speaks(part: pd.DataFrame, before: pd.DataFrame, hits: float) -> bool:
    """Whether the scores speak for more of the class than the labels do: its rows came, and its labels did not."""
    found = _spoken_for(part["score"], before)
    if found is None or not np.isfinite(found.estimate):
        return True
    now, was = float(part["label"].mean()), float(before["label"].mean())
    return abs(found.estimate - was) <= abs(found.estimate - now)
