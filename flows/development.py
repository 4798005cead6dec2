"""Which rows may experiments see today? Valid, matured and sound ones, before those that the next retrain holds out."""

from datetime import UTC, datetime, timedelta

import pandas as pd

from flows.selective import labels_chosen
from flows.taint import without_faulty
from flows.training import data_fault, without_copies
from flows.turn import Turn
from schemas.errors import PerennialError
from schemas.problem import Problem
from schemas.verdict import Verdict
from tasks import contracts, ledger, snapshots, windows
from tasks.development import before_held_out

__all__ = ["development_rows", "moment_of"]

_FEWEST = 200  # rows under which five blocks of judged ones hold next to nothing


def moment_of(problem: Problem, now: datetime | None) -> datetime:
    """`now`, the present by default; of a table that ends in the past its end, when all that it holds had matured."""
    present = windows.aware(now, "now") if now else datetime.now(UTC)
    return min(present, windows.bounds(problem)[1] + problem.framing.maturity + timedelta(microseconds=1))


def development_rows(problem: Problem, now: datetime) -> snapshots.Snapshot:
    """The rows, frozen under the hash of their content. Faulty data raise PerennialError: nothing is learned from them."""
    plan, framing = problem.improvement, problem.framing
    until = now - framing.maturity
    rows, _ = windows.read_sample(problem, _since(problem, until), until, as_of=now, at_most=plan.rows)
    if rows.empty:
        raise PerennialError(_none_then(problem, now, until))
    checked = contracts.check(problem, rows)
    if fault := data_fault(problem, checked):
        raise PerennialError(
            f"no experiments on {problem.name!r}: {fault.reason.rstrip('.')}. Mend the table, then start again."
        )
    labelled = _sound(problem, checked.valid.dropna(subset=[framing.target]), now)
    labelled = _drawn(problem, checked.valid, labelled, until)
    mine = before_held_out(problem, labelled, until=until)
    if len(mine) < _FEWEST:
        raise PerennialError(
            f"{problem.name!r} has {len(mine)} labelled rows before those that a retrain holds out, and experiments need "
            f"{_FEWEST}. Wait for more labels, or shorten RetrainingPlan.test."
        )
    return snapshots.freeze(problem.name, mine.reset_index(drop=True))


def _none_then(problem: Problem, now: datetime, until: datetime) -> str:
    first, last = windows.bounds(problem)
    maturity = problem.framing.maturity
    return (
        f"no experiments on {problem.name!r} at {now:%Y-%m-%dT%H:%MZ}: of its table, from {first:%Y-%m-%dT%H:%MZ} to "
        f"{last:%Y-%m-%dT%H:%MZ}, no row lies from {_since(problem, until):%Y-%m-%dT%H:%MZ} until {until:%Y-%m-%dT%H:%MZ}, whose "
        f"labels had matured then. Name a moment up to {last + maturity:%Y-%m-%dT%H:%MZ}, and well after {first + maturity:%Y-%m-%dT%H:%MZ}."
    )


def _since(problem: Problem, until: datetime) -> datetime:
    """As far back as windows may be tried; held-out rows and judged blocks come on top."""
    first, window = windows.bounds(problem)[0], problem.recipe.window
    if window is None or problem.framing.timeless:
        return first
    return max(first, until - problem.improvement.reach * window - problem.retraining.test)


def _sound(problem: Problem, labelled: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """Each row once, and none of a window that triage held."""
    labelled, _ = without_copies(problem, labelled)
    state = ledger.state_of(problem.name)
    if state.champion is None or problem.framing.timeless:
        return labelled
    return without_faulty(Turn(problem.name, state, now), labelled)


def _drawn(problem: Problem, valid: pd.DataFrame, labelled: pd.DataFrame, until: datetime) -> pd.DataFrame:
    """Where a model chose which labels are seen, the rows that were drawn at random: the others judge nobody."""
    if problem.framing.labelled_when is None or labelled.empty:
        return labelled
    since = valid[problem.framing.event_time].min().to_pydatetime()
    weighed = labels_chosen(problem, valid, labelled, since=since, until=until)
    if isinstance(weighed, Verdict):
        raise PerennialError(f"no experiments on {problem.name!r}: {weighed.reason.rstrip('.')}.")
    return labelled if weighed is None else weighed.labelled[weighed.may_judge]
