"""What do a closed window, its labels and its model show? Everything that triage decides by, read in one place each."""

from datetime import datetime, timedelta
from functools import partial

import numpy as np
import pandas as pd

from flows.turn import Turn
from flows.window import cannot_serve, champion_of, valid_rows
from schemas.incident import Kind
from schemas.rows import Model
from schemas.verdict import Interval, Outcome, Verdict
from tasks import predictions, profiles, registry, scoring, windows
from tasks.meaning import Oddity, odd_columns
from tasks.stats import (
    CalibrationMove,
    Prior,
    binomial_excess,
    calibration_move,
    count_tails,
    fixed_interval,
    label_prior,
    moved_since,
)
from tasks.triage import Signs, broken

__all__ = ["odd_rows", "read_signs", "reference_rows"]

_DAY = timedelta(days=1)
_ALPHA = 0.0002  # of a count of labels that is as usual
_PORTIONS = (1.0, 0.5, 0.25)  # of a cohort, newest rows last: labels that stopped in its midst


def read_signs(
    turn: Turn,
    window: tuple[datetime, datetime],
    *,
    drift: Verdict | None,
    decay: Verdict | None,
    since: datetime | None,
) -> Signs:
    """The signs of the window that closed. `since`: when the incident that goes on was first seen, if one does."""
    odd = odd_rows(turn, *window)
    moved = _moved(turn, drift)
    began = min(since or window[0], window[0])
    now, before = _cohorts(turn, window, began=began, moved=bool(moved))
    move, prior = _calibration(turn, now, before), _prior(turn, now, before)
    changed = broken(move, turn.problem.monitoring)
    alarmed = changed or (decay is not None and decay.outcome is Outcome.FAIL)
    worse = _worse_than_previous(turn, now) if alarmed and not moved else None
    constant = _constant(turn, window, before)
    rows = turn.answered + turn.unanswered
    return Signs(
        faults=tuple(one.says for one in odd if one.kind is Kind.DATA_FAULT),
        meanings=tuple(one.says for one in odd if one.kind is Kind.MEANING),
        columns=tuple(one.column for one in odd),
        unlabelled=tuple(_unlabelled(turn, window, now, before)),
        errors=turn.unanswered / rows if rows else 0.0,
        constant=constant,
        can_roll_back=(constant or bool(turn.unanswered) or worse is not None) and _can_roll_back(turn),
        worse=worse,
        drift=drift,
        seasonal=bool(moved) and _as_a_cycle_ago(turn, window, moved),
        decay=decay,
        calibration=move,
        prior=prior,
        told=move is not None,
        rise=_rise(turn, window, before) if moved else None,
        since=_since(turn, now, before) if changed else None,
        emergency=_emergency(turn, decay),
    )


def odd_rows(turn: Turn, start: datetime, end: datetime, *, model: Model | None = None) -> list[Oddity]:
    """What is odd about the rows of the time, column by column, against what `model` was trained on: the champion, where
    nobody else is named."""
    problem = turn.problem
    if not windows.available(problem):
        return []
    listed = [n for n, column in problem.contract.columns.items() if any(c.name == "isin" for c in column.checks)]
    now, before = valid_rows(problem, start, end), reference_rows(turn, model or champion_of(turn))
    return odd_columns(before, now, problem.recipe.features, plan=problem.monitoring, moved=list(now), listed=listed)


def reference_rows(turn: Turn, model: Model) -> pd.DataFrame:
    """What `model` was trained on; for a rule, the weeks before it began to serve."""
    problem = turn.problem
    if model.trained_from and model.trained_until:
        return valid_rows(problem, model.trained_from, model.trained_until)
    since = turn.state.since or turn.now
    return valid_rows(problem, since - problem.monitoring.reference, since)


def _moved(turn: Turn, drift: Verdict | None) -> list[str]:
    """The features that the drift verdict calls moved. To be taken from `Drift.distances` over `Drift.limits`."""
    if drift is None or drift.outcome is not Outcome.FAIL:
        return []
    floor, found = turn.problem.monitoring.effect_floor, drift.evidence
    apart = {n.removeprefix("distance "): v for n, v in found.items() if n.startswith("distance ")}
    return [name for name, value in apart.items() if isinstance(value, float) and value > floor]


def _cohorts(
    turn: Turn, window: tuple[datetime, datetime], *, began: datetime, moved: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Matured rows of the newest window's length, and those since the model was first asked about rows it had not seen.

    Columns event_time, score, decision, label (nan where none came). Where inputs have `moved`, the newest are those since
    then: rows from before would say that nothing happened. To be taken from `Quality`, where it has them.
    """
    problem, champion = turn.problem, champion_of(turn)
    none = pd.DataFrame(columns=["key", "event_time", "score", "decision", "label"])
    if not champion.trained or problem.framing.task != "binary" or champion.trained_until is None:
        return none, none
    plan, maturity = problem.monitoring, problem.framing.maturity
    until = turn.now - maturity
    start = max(until - plan.window, began) if moved else until - plan.window
    now = _scored(predictions.cohort(problem, since=start, now=turn.now), champion)
    first = champion.trained_until
    last = min(first + maturity + 2 * plan.decay_window, began, until - plan.window)
    before = _scored(predictions.cohort(problem, since=first, now=last + maturity), champion) if last > first else none
    return now, before


def _scored(rows: pd.DataFrame, model: Model) -> pd.DataFrame:
    """The rows that this model scored, as champion or beside one."""
    parts = []
    for side, score in (("champion", "champion"), ("rival", "rival")):
        mine = rows[rows[side] == model.sha256]
        named = {f"{score}_score": "score", f"{score}_decision": "decision"}
        parts.append(mine[["key", "event_time", *named, "label"]].rename(columns=named))
    found = pd.concat(parts).sort_values("event_time", kind="stable", ignore_index=True)
    return found.astype({"score": float, "decision": float}).dropna(subset=["score"]).reset_index(drop=True)


def _calibration(turn: Turn, now: pd.DataFrame, before: pd.DataFrame) -> CalibrationMove | None:
    """How far the score's meaning moved; None where there are too few labels to say."""
    now, before, few = (
        now.dropna(subset=["label"]),
        before.dropna(subset=["label"]),
        turn.problem.retraining.calibration_rows,
    )
    if len(now) < few or len(before) < few or before["label"].nunique() < 2:
        return None
    if not before["score"].between(0, 1).all() or not now["score"].between(0, 1).all():
        return None
    return calibration_move(
        now["score"],
        now["label"],
        score_before=before["score"],
        label_before=before["label"],
        clusters=_blocks(now, turn),
        clusters_before=_blocks(before, turn),
    )


def _blocks(rows: pd.DataFrame, turn: Turn) -> np.ndarray:
    """Rows of one day move together; a window of hours is parted into sevenths all the same."""
    block = min(_DAY, turn.problem.monitoring.window / 7)
    return ((rows["event_time"] - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(block)).to_numpy()


def _prior(turn: Turn, now: pd.DataFrame, before: pd.DataFrame) -> Prior | None:
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


def _since(turn: Turn, now: pd.DataFrame, before: pd.DataFrame) -> timedelta | None:
    """How long ago the change began, as labels date it: it lies between what is known as before and the newest rows."""
    problem, champion = turn.problem, champion_of(turn)
    start = turn.now - problem.framing.maturity - 2 * problem.monitoring.decay_window
    if before["event_time"].size:
        start = max(start, before["event_time"].max().to_pydatetime())
    rows = _scored(predictions.cohort(problem, since=start, now=turn.now), champion).dropna(subset=["label"])
    before, newest = before.dropna(subset=["label"]), now["event_time"].min()
    if rows.empty or before.empty or not (rows["event_time"] >= newest).any():
        return None
    blocks = _blocks(rows, turn)
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


def _unlabelled(turn: Turn, window: tuple[datetime, datetime], now: pd.DataFrame, before: pd.DataFrame) -> list[str]:
    """What is wrong with the labels that were due. To be joined by `Quality.labels_late`."""
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


def _constant(turn: Turn, window: tuple[datetime, datetime], before: pd.DataFrame) -> bool:
    if before["score"].nunique() < 10:
        return False
    scores = predictions.served(turn.problem, since=window[0], until=window[1])
    return len(scores) >= 50 and scores["answer_score"].nunique() == 1


def _worse_than_previous(turn: Turn, now: pd.DataFrame) -> Interval | None:
    """Loss of a young champion over its predecessor's on matured rows; None where nobody can say, and where the predecessor
    does no better than it did: then the world changed, and going back mends nothing."""
    problem, state = turn.problem, turn.state
    previous, now = state.previous, now.dropna(subset=["label"])
    young = state.since is not None and turn.now - state.since <= problem.monitoring.decay_window
    accepted = previous.held_out.get("loss") if previous is not None and previous.trained else None
    if previous is None or accepted is None or not young or now.empty or not windows.available(problem):
        return None
    start, end = now["event_time"].min(), now["event_time"].max() + pd.Timedelta(microseconds=1)
    rows = valid_rows(problem, start.to_pydatetime(), end.to_pydatetime())
    rows = rows.assign(key=rows[problem.framing.key].astype(str)).merge(now, on="key", suffixes=("_asked", ""))
    if rows.empty or _blocks(rows, turn).min() == _blocks(rows, turn).max():
        return None
    judge = partial(scoring.row_loss, labels=rows["label"].to_numpy(dtype=float), framing=problem.framing)
    mine = judge(scoring.logged(rows["score"], rows["decision"], problem.framing))
    theirs = judge(scoring.score(registry.load(problem, previous), rows, problem.framing))
    if theirs.mean() > accepted * (1 + problem.monitoring.loss_rise):
        return None
    found = fixed_interval(mine - theirs, alpha=problem.monitoring.decay_alpha, clusters=_blocks(rows, turn))
    return Interval(*found)


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
    """Expected loss of the window over that of earlier rows, as a share of it, if scores mean what they say. To be taken
    from `Quality.expected_loss`."""
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
