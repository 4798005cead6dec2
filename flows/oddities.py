"""What is odd about the rows of a time, column by column, against those that came before and were no fault?"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pandas as pd

from flows.turn import Turn
from flows.window import champion_of, valid_rows
from schemas.incident import FAULTS, Kind
from schemas.rows import Model
from tasks import ledger, windows
from tasks.meaning import Oddity, odd_columns

__all__ = ["Held", "held_windows", "odd_rows"]

Span = tuple[datetime, datetime]
Held = tuple[str, datetime, datetime]  # the kind of fault, and the window it was found in

_FAULTS = {str(kind) for kind in FAULTS}


def odd_rows(turn: Turn, start: datetime, end: datetime, *, model: Model | None = None) -> list[Oddity]:
    """What is odd about the rows of the time, against what `model` was trained on and what came since: the champion, where
    nobody else is named."""
    problem = turn.problem
    if not windows.available(problem):
        return []
    listed = [n for n, column in problem.contract.columns.items() if any(c.name == "isin" for c in column.checks)]
    now, before = valid_rows(problem, start, end), _before(turn, model or champion_of(turn), start)
    return odd_columns(before, now, problem.recipe.features, plan=problem.monitoring, moved=list(now), listed=listed)


def _before(turn: Turn, model: Model, start: datetime) -> pd.DataFrame:
    """What `model` was trained on, and the windows since then in which triage found no fault: what a column has been through
    is no news. The last window before `start` is left out, since a change that began in its midst would be among its rows,
    and so are those of a rollout, in which nobody looked."""
    problem, plan = turn.problem, turn.problem.monitoring
    if model.trained_from and model.trained_until:
        first = model.trained_from, model.trained_until
    else:  # a rule: the weeks before it began to serve
        began = turn.state.since or turn.now
        first = began - plan.reference, began
    last = start - plan.window
    sound = [span for span in _sound_windows(turn, first[1]) if span[1] <= last]
    return pd.concat([valid_rows(problem, *span) for span in _joined([first, *sound])], ignore_index=True)


def _sound_windows(turn: Turn, since: datetime) -> list[Span]:
    """The windows that closed after `since` and were judged, and in which nothing was a fault."""
    found = []
    for row in ledger.rows(turn.name, after=since):
        said = row.notes.get("incident")
        unjudged = row.facts["gate"] == "triage" and not said
        if row.notes.get("window") and not unjudged and not (said and said["kind"] in _FAULTS):
            start, end = _window_of(row.notes["window"])
            found += [(max(start, since), end)] if end > since else []
    return found


def _joined(spans: list[Span]) -> list[Span]:
    """Those that touch as one, so that each is read once."""
    found: list[Span] = []
    for start, end in spans:
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def _window_of(said: Sequence[str]) -> Span:
    start, end = (datetime.fromisoformat(moment) for moment in said)
    return start, end


def held_windows(turn: Turn, since: datetime) -> list[Held]:
    """The windows after `since` in which triage found a fault of rows or labels; of labels, back to the rows they are of."""
    found = []
    for row in ledger.rows(turn.name, after=since):
        said = row.notes.get("incident")
        if said and said["kind"] in _FAULTS and row.facts["gate"] == "triage" and "window" in said:
            start, end = _window_of(said["window"])
            back = turn.problem.framing.maturity if said["kind"] == Kind.LABEL_FAULT else timedelta(0)
            found.append((said["kind"], start - back, end))
    return found
