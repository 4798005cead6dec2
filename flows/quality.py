"""Does the champion still do what it did when it was accepted? From labels that matured, that are coming, and without any."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from flows.acceptance import requirements_kept
from flows.leaks import leaks, predictions_kept, served_figures, served_said
from flows.measuring import Seen, between, expected_figures, may_judge, partly_figures, realised_figures, seen
from flows.quality_screen import noted
from flows.selective import judged
from flows.turn import Turn, seed_of
from flows.window import champion_of, closed_window, unless_it_raises
from schemas.errors import told
from schemas.figure import Figure
from schemas.verdict import Interval, Outcome, Verdict, combine
from tasks import evaluation, gates, partly, quality_log, scoring
from tasks.expected import Expected
from tasks.stats import Calibration, delay_curve_of_known, fixed_interval

__all__ = ["Quality", "quality"]

log = logging.getLogger("perennial")
T = TypeVar("T")
_FEW = 100  # matured rows under which a calibration test says nothing


@dataclass(frozen=True)
class Quality:
    """What is known of the champion's quality when a monitoring window closes. None: these rows cannot say."""

    verdict: Verdict  # decay, and what is required after deployment
    notes: dict[str, Any]
    rows: int  # matured labelled rows behind `loss`
    loss: Interval | None  # live, on matured rows; a day is the unit
    accepted: float | None  # the loss on held-out rows when it was accepted
    calibration_p: float | None  # of the scores against the labels, on the newest matured rows of a window's length
    calibration_gap: float | None  # their mean label minus their mean score
    prior: tuple[float, float] | None  # share of positives: among those rows, and when it was accepted
    expected_loss: float | None  # of the window that closed, without labels
    expected_valid: bool
    labels_late: float | None  # labels that came over those due by now: 1 as usual
    errors: float  # share of requests without an answer since the last turn
    predictions: Verdict | None = None  # does it decide as often for each class as when it was accepted?


def quality(turn: Turn) -> Quality | None:
    """Measured and kept when a monitoring window closes; None where none did. What cannot be measured is noted, and takes
    neither the verdict nor the other figures with it."""
    window = closed_window(turn)
    if window is None:
        return None
    problems: list[str] = []
    found = _or_noted("the log", lambda: seen(turn, window), problems)
    if found is None:
        unread = Verdict("decay", Outcome.WAIT, f"decay could not be judged: {problems[0]}")
        return Quality(unread, {}, 0, None, None, None, None, None, None, False, None, _errors(turn))
    verdict = unless_it_raises("decay", lambda: _decayed(found))
    assert verdict is not None
    expectation, figures = _figures(found, problems)
    moved = _or_noted("predictions", lambda: predictions_kept(found), problems)
    matured = _matured(found)
    quality = Quality(
        verdict=verdict,
        notes={},
        rows=len(matured),
        loss=_or_noted("loss", lambda: _live_loss(found, matured), problems),
        accepted=champion_of(turn).held_out.get("loss"),
        **_newest(found, problems),
        expected_loss=expectation.values.get("loss"),
        expected_valid=expectation.valid,
        labels_late=_or_noted("labels", lambda: _labels_late(found), problems),
        errors=_errors(turn),
        predictions=moved,
    )
    said = [*_served(found, problems), *([moved.reason] if moved else []), *problems]
    quality.notes["quality"] = noted(quality, figures, said, now=turn.now, champion=champion_of(turn).sha256)
    return quality


def _figures(found: Seen, problems: list[str]) -> tuple[Expected, list[Figure]]:
    """Every figure of this turn, kept; and what is expected without labels."""
    figures = _or_noted("realised quality", lambda: realised_figures(found), problems) or []
    young = may_judge(found.problem, between(found.own, found.since, found.turn.now))
    delays = _or_noted("delays", lambda: partly.delays_by_class(young, found.problem.framing), problems)
    figures += _or_noted("partly matured cohorts", lambda: partly_figures(found, delays), problems) or []
    nothing: tuple[Expected, list[Figure]] = (Expected({}, 0, ("it raised",)), [])
    expectation, without = _or_noted("expectation", lambda: expected_figures(found), problems) or nothing
    _or_noted(
        "figures", lambda: quality_log.keep_figures(found.problem, figures + without, now=found.turn.now), problems
    )
    return expectation, figures + without


def _served(found: Seen, problems: list[str]) -> list[str]:
    """How requests were served, kept and in sentences; and what creeps up."""
    served = _or_noted("service", lambda: served_figures(found), problems)
    if served is None:
        return []
    _or_noted("service", lambda: quality_log.keep_figures(found.problem, served[1], now=found.turn.now), problems)
    creeping = _or_noted("leaks", lambda: leaks(found), problems) or []
    return [served_said(served[0]), *(v.reason for v in creeping if v.outcome is Outcome.FAIL)]


def _matured(found: Seen) -> pd.DataFrame:
    """The labelled ones of the matured rows that decay is judged on."""
    rows = between(found.own, found.until - found.problem.monitoring.decay_window, found.until)
    rows = may_judge(found.problem, rows)
    return rows[rows["label"].notna()]


def _decayed(found: Seen) -> Verdict:
    """The decay of the champion's loss, and what is required of it after deployment, as one verdict."""
    turn, problem, plan, champion = found.turn, found.problem, found.problem.monitoring, champion_of(found.turn)
    if not champion.trained:
        return Verdict("decay", Outcome.WAIT, "no trained model serves whose quality could decay")
    rows = between(found.own, found.until - plan.decay_window, found.until)
    there = len(rows)
    rows, complete = judged(problem, rows)
    if there and complete.outcome is not Outcome.PASS:
        return Verdict("decay", complete.outcome, f"decay is not judged: {complete.reason}", complete.evidence)
    rows = rows[rows["label"].notna()]
    answered = rows[rows["role"] == "champion"]
    kept = requirements_kept(
        problem, answered, "champion", alpha=plan.decay_alpha, days=plan.decay_blocks, seed=seed_of(turn)
    )
    loss = [_decay(found, rows)] if "loss" in champion.held_out else []
    if not loss and not kept:
        return Verdict("decay", Outcome.WAIT, "it is not known which loss it showed when it was accepted")
    return combine("decay", [*loss, *kept]) if kept else loss[0]


def _decay(found: Seen, rows: pd.DataFrame) -> Verdict:
    """The champion's loss on matured rows it answered, a value a day, against what it showed when it was accepted."""
    plan = found.problem.monitoring
    return gates.decay(
        _daily_loss(found, rows).to_list(),
        held_out=champion_of(found.turn).held_out["loss"],
        tolerance=plan.decay_tolerance,
        alpha=plan.decay_alpha,
        at_least=plan.decay_blocks,
    )


def _daily_loss(found: Seen, rows: pd.DataFrame) -> pd.Series:
    framing = found.problem.framing
    said = scoring.logged(rows["champion_score"], rows["champion_decision"], framing)
    loss = np.nan_to_num(scoring.row_loss(said, rows["label"].to_numpy(dtype=float), framing), nan=1.0)
    return pd.Series(loss).groupby(rows["event_time"].dt.floor("D").to_numpy()).mean()


def _live_loss(found: Seen, matured: pd.DataFrame) -> Interval | None:
    daily = _daily_loss(found, matured) if len(matured) else []
    if len(daily) < 2:
        return None
    return Interval(*fixed_interval(daily, alpha=found.problem.monitoring.decay_alpha))


def _newest(found: Seen, problems: list[str]) -> dict[str, Any]:
    """Calibration and share of positives of the newest matured rows of a window's length."""
    none: dict[str, Any] = {"calibration_p": None, "calibration_gap": None, "prior": None}
    framing = found.problem.framing
    rows = between(found.own, found.until - found.problem.monitoring.window, found.until)
    rows = may_judge(found.problem, rows)
    rows = rows[rows["label"].notna() & rows["decision"].notna()]
    if len(rows) < _FEW:
        return none
    said, label = scoring.logged(rows["score"], rows["decision"], framing), rows["label"].to_numpy(dtype=float)

    def test() -> Calibration:
        return evaluation.calibration_of(said, label, framing)

    tested = _or_noted("calibration", test, problems)
    gap = None if framing.task == "multiclass" else float((label - said.score).mean())
    then = champion_of(found.turn).held_out.get("base rate")
    prior = (float(label.mean()), then) if framing.task == "binary" and then is not None else None
    return {"calibration_p": tested.p_value if tested else None, "calibration_gap": gap, "prior": prior}


def _labels_late(found: Seen) -> float | None:
    """The labels that came over those due, of the rows whose labels are under way or were so within the window."""
    reach = max(found.problem.framing.maturity, found.problem.monitoring.window)
    parted = found.turn.now - reach
    own = may_judge(found.problem, found.own)
    before, later = between(own, found.since, parted), between(own, parted, found.turn.now)
    labelled = before[before["label"].notna() & (before["delay"] >= 0)]
    if labelled.empty:
        return None
    curve = delay_curve_of_known(labelled["delay"], labelled["age"].clip(lower=labelled["delay"]))
    return partly.labels_arrived(later, curve, unlabelled=1 - len(labelled) / len(before))


def _errors(turn: Turn) -> float:
    asked = turn.answered + turn.unanswered
    return turn.unanswered / asked if asked else 0.0


def _or_noted(what: str, measure: Callable[[], T], problems: list[str]) -> T | None:
    """What `measure` gives; where it raises, None, and a sentence that says so."""
    try:
        return measure()
    except Exception as error:
        log.exception("%s could not be measured", what)
        problems.append(f"{what} could not be measured: {told(error)}")
        return None
