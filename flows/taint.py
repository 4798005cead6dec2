"""May these rows be trained on, and was a challenger trained on rows that may not? Triage's word, asked of past rows."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pandas as pd

from flows.label_signs import cohorts, untrusted_labels
from flows.oddities import Held, Usual, held_windows, odd_rows, unjudged_windows
from flows.turn import Turn
from flows.window import champion_of, unless_it_raises
from schemas.incident import Kind
from schemas.plans import Reason
from schemas.rows import Model
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict
from tasks import gates, registry, scoring, windows
from tasks.meaning import Oddity
from tasks.transitions import Decision

__all__ = ["faulty_training", "sound", "without_faulty"]

_ROLLOUT = (Stage.SHADOW, Stage.CANARY, Stage.AB, Stage.PROBATION)
_TABLE_FAULTS = frozenset({str(Kind.DATA_FAULT), str(Kind.MEANING)})
_HALF = 0.5  # of a class's usual share of the labels, under which a span's labels are still those of a fault


def faulty_training(turn: Turn, until: datetime) -> Verdict | None:
    """Why the newest rows before `until` may not be trained on: a window that had not closed may hold a fault that nobody
    has seen yet. None where a person asked for this retrain, whose word it is that they may."""
    if _by_a_person(turn):
        return None
    verdict = _judged("data", lambda: odd_rows(turn, until - turn.problem.monitoring.window, until))
    if verdict.outcome is Outcome.PASS:
        return None
    return replace(verdict, outcome=Outcome.FAIL)  # the retrain ends here; the next one looks again


def without_faulty(turn: Turn, labelled: pd.DataFrame) -> pd.DataFrame:
    """The labelled rows outside the windows that triage held and that still look as they did then: mended rows are back."""
    if labelled.empty or _by_a_person(turn):
        return labelled
    time = labelled[turn.problem.framing.event_time]
    keep, usual = pd.Series(data=True, index=labelled.index), Usual(turn, champion_of(turn))
    for kind, start, end in [*held_windows(turn, time.min().to_pydatetime()), *_unseen(turn, labelled)]:
        inside = (time >= start) & (time < end)
        if inside.any() and _still(turn, usual, kind, start, end, labelled, inside):
            keep &= ~inside
    return labelled[keep]  # under the index it came with: weights are kept by it


def _unseen(turn: Turn, labelled: pd.DataFrame) -> list[Held]:
    """What nobody has looked at since the champion was trained: what a rollout or a pause lasted. The newest window has been
    looked at by now (`faulty_training`)."""
    trained_until, problem = champion_of(turn).trained_until, turn.problem
    if trained_until is None or not champion_of(turn).trained:
        return []
    since = max(trained_until, labelled[problem.framing.event_time].min().to_pydatetime())
    until = turn.now - problem.framing.maturity - problem.monitoring.window
    return [(str(Kind.DATA_FAULT), start, end) for start, end in unjudged_windows(turn, since, until)]


def sound(turn: Turn, decision: Decision) -> Decision:
    """No step of a rollout on faulty data: a challenger that was trained on it FAILs, and while newer rows or the labels that
    are due are faulty a step forward waits."""
    state = turn.state
    forward = decision.verdict.outcome is Outcome.PASS or decision.share is not None
    if state.stage not in _ROLLOUT or not forward or decision.revert or _by_a_person(turn):
        return decision
    model = state.champion if state.stage is Stage.PROBATION else state.challenger
    held_against = state.previous if state.stage is Stage.PROBATION else state.champion
    if model is None or held_against is None or not windows.available(turn.problem):
        return decision
    span, usual = turn.problem.monitoring.window, Usual(turn, held_against)
    trained = _of_training(turn, model, usual)
    if trained is not None and trained.outcome is Outcome.FAIL:
        said = f"the challenger was trained on faulty data: {trained.reason}"
        return Decision(Verdict("training data", Outcome.FAIL, said, trained.evidence), notes=decision.notes)
    looks = (
        lambda: trained,
        lambda: _judged("data", lambda: odd_rows(turn, turn.now - span, turn.now, usual=usual)),
        lambda: _labels(turn),
    )
    waits = next((v for look in looks if (v := look()) is not None and v.outcome is not Outcome.PASS), None)
    if waits is None:
        return decision
    said = f"holding: {waits.reason}; otherwise {decision.verdict.reason}"
    plan, since = turn.problem.rollout, state.since or turn.now
    deadline = since + plan.shadow_at_most + turn.problem.framing.maturity
    waiting = Verdict(waits.gate, Outcome.WAIT, said, waits.evidence)
    return Decision(gates.at_deadline(waiting, now=turn.now, deadline=deadline), notes=decision.notes)


def _labels(turn: Turn) -> Verdict | None:
    """FAIL where the labels that judge the rollout have stopped, or one class of them has; None where none does."""

    def judge() -> Verdict | None:
        window = turn.now - turn.problem.monitoring.window, turn.now
        wrong = untrusted_labels(turn, window, *cohorts(turn, window, began=window[0], moved=False))
        return Verdict("labels", Outcome.FAIL, f"{Kind.LABEL_FAULT}: {'; '.join(wrong)}") if wrong else None

    return unless_it_raises("labels", judge)


def _of_training(turn: Turn, model: Model, usual: Usual) -> Verdict | None:
    """The newest rows that `model` was trained on, as the table has them now."""
    until, span = model.trained_until, turn.problem.monitoring.window
    if until is None or not model.trained:
        return None
    return _judged("data", lambda: odd_rows(turn, until - span, until, usual=usual))


def _judged(name: str, look: Callable[[], list[Oddity] | None]) -> Verdict:
    """PASS where no column is odd, or where there are too few rows for anybody to say, which is said; what raises waits."""

    def judge() -> Verdict:
        odd = look()
        if odd is None:
            return Verdict(
                name, Outcome.PASS, "too few rows to look at column by column; the contract alone has held them"
            )
        if not odd:
            return Verdict(name, Outcome.PASS, "no column is odd")
        kind = "data fault" if any(one.kind is Kind.DATA_FAULT for one in odd) else "change of meaning"
        said = f"{kind}: {'; '.join(one.says for one in odd[:3])}"
        return Verdict(name, Outcome.FAIL, said, {f"odd {one.column}": one.size for one in odd})

    verdict = unless_it_raises(name, judge)
    assert verdict is not None
    return verdict


def _still(
    turn: Turn, usual: Usual, kind: str, start: datetime, end: datetime, labelled: pd.DataFrame, inside: pd.Series
) -> bool:
    """Whether a held window is as faulty as it was; for labels, whether a class is still as good as gone."""
    if kind in _TABLE_FAULTS:
        # Too few to be looked at: the contract alone has held them.
        return bool(odd_rows(turn, start, end, usual=usual))
    known = windows.count(turn.problem, start, end)
    if inside.sum() < (1 - turn.problem.rollout.unlabelled) * known:
        return True
    target = labelled[turn.problem.framing.target]
    if turn.problem.framing.task == "regression":
        return False
    if inside.all() or _turned(turn, labelled[inside]):
        return True
    outside, here = target[~inside].value_counts(normalize=True), target[inside].value_counts(normalize=True)
    return any(here.get(name, 0.0) < _HALF * share for name, share in outside.items())


def _turned(turn: Turn, rows: pd.DataFrame) -> bool:
    """Whether what the champion scores high is labelled low among these rows."""
    problem, champion = turn.problem, champion_of(turn)
    if problem.framing.task != "binary" or not champion.trained:
        return False
    said = scoring.score(registry.load(problem, champion), rows, problem.framing).score
    positive = rows[problem.framing.target].to_numpy(dtype=float) == 1
    return bool(positive.any() and not positive.all() and said[positive].mean() < said[~positive].mean())


def _by_a_person(turn: Turn) -> bool:
    order = turn.state.order
    return order is not None and order.reason in (Reason.PERSON, Reason.FORCED)
