"""What do a closed window, its labels and its model show? Everything that triage decides by, read in one place each."""

from datetime import datetime, timedelta
from functools import partial

import numpy as np
import pandas as pd

from flows.drift import Drift
from flows.label_signs import blocks_of, calibration_of, changed_since, cohorts, prior_of, untrusted_labels
from flows.oddities import odd_rows
from flows.turn import Turn
from flows.window import cannot_serve, valid_rows
from schemas.incident import Kind
from schemas.verdict import Interval, Outcome, Verdict
from tasks import predictions, profiles, registry, scoring, windows
from tasks.splits import embargo_of, unseen
from tasks.stats import fixed_interval
from tasks.triage import Signs, broken

__all__ = ["learnable", "mappable", "read_signs"]


def read_signs(
    turn: Turn,
    window: tuple[datetime, datetime],
    *,
    drift: Drift | None,
    decay: Verdict | None,
    since: datetime | None,
    promoted: datetime | None,
) -> Signs:
    """The signs of the window that closed. `since`: when the incident that goes on was first seen, if one does; `promoted`:
    when the champion became it."""
    odd = odd_rows(turn, *window) or []
    moved = _moved(drift)
    began = min(since or window[0], window[0])
    now, before = cohorts(turn, window, began=began, moved=bool(moved))
    move, prior = calibration_of(turn, now, before), prior_of(turn, now, before)
    changed = broken(move, turn.problem.monitoring)
    alarmed = changed or (decay is not None and decay.outcome is Outcome.FAIL)
    worse = _worse_than_previous(turn, now, promoted) if alarmed and not moved else None
    constant = _constant(turn, window, before)
    since_change = changed_since(turn, now, before) if changed else None
    rows = turn.answered + turn.unanswered
    return Signs(
        faults=tuple(one.says for one in odd if one.kind is Kind.DATA_FAULT),
        meanings=tuple(one.says for one in odd if one.kind is Kind.MEANING),
        columns=tuple(one.column for one in odd),
        unlabelled=tuple(untrusted_labels(turn, window, now, before)),
        errors=turn.unanswered / rows if rows else 0.0,
        constant=constant,
        can_roll_back=(constant or bool(turn.unanswered) or worse is not None) and _can_roll_back(turn),
        worse=worse,
        drift=drift.verdict if drift else None,
        seasonal=bool(moved) and _as_a_cycle_ago(turn, window, moved),
        decay=decay,
        calibration=move,
        prior=prior,
        told=move is not None or _told_by_loss(turn, decay, began),
        rise=_rise(turn, window, before) if moved else None,
        since=since_change,
        ripe=since_change is None or learnable(turn, since_change),
        mappable=since_change is None or mappable(turn, since_change),
        emergency=_emergency(turn, decay),
    )


def _moved(drift: Drift | None) -> list[str]:
    """What the drift verdict calls moved: features, scores, missing shares, slices."""
    if drift is None or drift.verdict.outcome is not Outcome.FAIL:
        return []
    return [name for name, distance in drift.distances.items() if distance > drift.limits[name]]


def _told_by_loss(turn: Turn, decay: Verdict | None, since: datetime) -> bool:
    """Of numbers and of several classes, whose scores' meaning is not tested: whether the loss was judged, on enough matured
    rows like the present ones among others."""
    if turn.problem.framing.task == "binary" or decay is None or decay.outcome is Outcome.WAIT:
        return False
    matured = predictions.cohort(turn.problem, since=since, now=turn.now)
    return int(matured["label"].notna().sum()) >= turn.problem.retraining.calibration_rows


def _constant(turn: Turn, window: tuple[datetime, datetime], before: pd.DataFrame) -> bool:
    if before["score"].nunique() < 10:
        return False
    scores = predictions.served(turn.problem, since=window[0], until=window[1])
    return len(scores) >= 50 and scores["answer_score"].nunique() == 1


def _worse_than_previous(turn: Turn, now: pd.DataFrame, promoted: datetime | None) -> Interval | None:
    """Loss of a young champion over its predecessor's on matured rows; None where nobody can say, and where the predecessor
    does no better than it did: then the world changed, and going back mends nothing."""
    problem, state = turn.problem, turn.state
    previous, now = state.previous, now.dropna(subset=["label"])
    young = promoted is not None and turn.now - promoted <= problem.monitoring.decay_window
    accepted = previous.held_out.get("loss") if previous is not None and previous.trained else None
    if previous is None or accepted is None or not young or now.empty or not _can_roll_back(turn):
        return None
    start, end = now["event_time"].min(), now["event_time"].max() + pd.Timedelta(microseconds=1)
    rows = valid_rows(problem, start.to_pydatetime(), end.to_pydatetime())
    rows = rows.assign(key=rows[problem.framing.key].astype(str)).merge(now, on="key", suffixes=("_asked", ""))
    if rows.empty or blocks_of(rows, turn).min() == blocks_of(rows, turn).max():
        return None
    judge = partial(scoring.row_loss, labels=rows["label"].to_numpy(dtype=float), framing=problem.framing)
    mine = judge(scoring.logged(rows["score"], rows["decision"], problem.framing))
    theirs = judge(scoring.score(registry.load(problem, previous), rows, problem.framing))
    if theirs.mean() > accepted * (1 + problem.monitoring.loss_rise):
        return None
    found = fixed_interval(mine - theirs, alpha=problem.monitoring.decay_alpha, clusters=blocks_of(rows, turn))
    return Interval(*found)


def learnable(turn: Turn, since: timedelta) -> bool:
    """Whether rows since the change are among those that a challenger is trained on before it is judged on later ones."""
    problem, plan = turn.problem, turn.problem.retraining
    if not windows.available(problem):
        return True
    span = since - problem.framing.maturity - plan.test - plan.validation - embargo_of(problem)
    began = turn.now - since
    return span > timedelta(0) and windows.count(problem, began, began + span) >= plan.train_rows


def mappable(turn: Turn, since: timedelta) -> bool:
    """Whether rows since the change are enough to re-map the champion's scores on, and later ones to judge that: in the parts
    that they are cut into then (`tasks.splits.unseen`)."""
    problem, plan = turn.problem, turn.problem.retraining
    if not windows.available(problem):
        return True
    framing, until = problem.framing, turn.now - problem.framing.maturity
    began = turn.now - since
    if began >= until:
        return False
    rows, _ = windows.read_sample(problem, began, until, as_of=turn.now)
    rows = rows.dropna(subset=[framing.target])
    parts = unseen(framing, rows, since=began, until=until, plan=plan, embargo=embargo_of(problem))
    return len(parts.train) >= plan.start_rows and len(parts.test) >= plan.test_rows


def _can_roll_back(turn: Turn) -> bool:
    return turn.state.previous is not None and not cannot_serve(turn, turn.state.previous)


def _as_a_cycle_ago(turn: Turn, window: tuple[datetime, datetime], moved: list[str]) -> bool:
    """Whether each moved feature looks as it did in the same window a cycle ago."""
    problem, plan = turn.problem, turn.problem.monitoring
    names = [name for name in moved if name in problem.recipe.features]
    if not names or not windows.available(problem) or windows.bounds(problem)[0] > window[0] - plan.cycle:
        return False
    then, now = (valid_rows(problem, window[0] - back, window[1] - back) for back in (plan.cycle, timedelta(0)))
    if min(len(then), len(now)) < 50:
        return False
    noise = 1.6 * float(np.sqrt(1 / len(then) + 1 / len(now)))
    apart = profiles.distances(profiles.freeze_profile(then, names), now)
    return all(apart[name] <= max(plan.effect_floor, noise) for name in names)


def _rise(turn: Turn, window: tuple[datetime, datetime], before: pd.DataFrame) -> float | None:
    """Expected loss of the window over that of earlier rows, as a share of it, if scores mean what they say."""
    if before.empty:
        return None
    served = predictions.served(turn.problem, since=window[0], until=window[1])
    if served.empty:
        return None
    now = _expected(turn, served.rename(columns={"answer_score": "score", "answer_decision": "decision"}))
    was = _expected(turn, before)
    return now / was - 1 if was > 0 else None


def _expected(turn: Turn, rows: pd.DataFrame) -> float:
    rows = rows.dropna(subset=["score", "decision"])
    said, framing = scoring.logged(rows["score"], rows["decision"], turn.problem.framing), turn.problem.framing
    ones, zeros = (scoring.row_loss(said, np.full(len(rows), y), framing) for y in (1.0, 0.0))
    p = rows["score"].to_numpy(dtype=float)
    return float(np.mean(p * ones + (1 - p) * zeros)) if len(rows) else 0.0


def _emergency(turn: Turn, decay: Verdict | None) -> bool:
    """The live loss is beyond the accepted one by more than the plan lets wait."""
    limit, said = turn.problem.retraining.emergency, decay.evidence if decay else {}
    low, accepted = said.get("low", said.get("decay.low")), said.get("held_out", said.get("decay.held_out"))
    if limit is None or not isinstance(low, float) or not isinstance(accepted, float):
        return False
    return low > accepted * (1 + limit)
