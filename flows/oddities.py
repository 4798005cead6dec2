"""What is odd about the rows of a time, column by column, against those that came before and were no fault?"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pandas as pd

from flows.turn import Turn
from flows.window import champion_of, reference_span, valid_rows
from schemas.incident import FAULTS, Kind
from schemas.rows import Model
from tasks import ledger, snapshots, windows
from tasks.meaning import ROWS, Oddity, odd_columns

__all__ = ["Held", "Usual", "held_windows", "odd_rows", "unjudged_windows"]

Span = tuple[datetime, datetime]
Held = tuple[str, datetime, datetime]  # the kind of fault, and the window it was found in

_READ = 200_000  # rows of a window: of more a sample says as much about a column
_FAULTS = {str(kind) for kind in FAULTS}


def odd_rows(turn: Turn, start: datetime, end: datetime, *, usual: "Usual | None" = None) -> list[Oddity] | None:
    """What is odd about the rows of the time, against what is `usual`: for the champion, where nothing else is given. None
    where there are too few rows of either to say anything."""
    problem = turn.problem
    if not windows.available(problem):
        return None
    usual = usual or Usual(turn, champion_of(turn))
    listed = [n for n, column in problem.contract.columns.items() if any(c.name == "isin" for c in column.checks)]
    now, before = valid_rows(problem, start, end, at_most=_READ), usual.before(start)
    if min(len(now), len(before)) < ROWS:
        return None
    plan, features = problem.monitoring, problem.recipe.features
    return odd_columns(before, now, features, plan=plan, listed=listed, personal=problem.personal)


class Usual:
    """What `model` was trained on, read once, and the windows since then in which triage found no fault: what a column has
    been through is no news."""

    def __init__(self, turn: Turn, model: Model) -> None:
        self.turn, self.model = turn, model
        self._read: dict[Span, pd.DataFrame] = {}

    def before(self, start: datetime) -> pd.DataFrame:
        """Without the last window before `start`, since a change that began in its midst would be among its rows, and without
        those of a rollout, in which nobody looked."""
        problem, model = self.turn.problem, self.model
        first = reference_span(self.turn, model, before=start)
        last = start - problem.monitoring.window
        sound = [span for span in _sound_windows(self.turn, first[1]) if span[1] <= last]
        rows = [self._rows(span) for span in (first, *_joined(sound))]
        if len(rows[0]) < ROWS and model.snapshot:  # a source that keeps less than a model lives
            kept = snapshots.columns(problem.name, model.snapshot, list(problem.recipe.features))
            rows = rows if kept is None else [kept, *rows]
        return pd.concat(rows, ignore_index=True)

    def _rows(self, span: Span) -> pd.DataFrame:
        if span not in self._read:
            self._read[span] = valid_rows(self.turn.problem, *span, at_most=_READ)
        return self._read[span]


def _sound_windows(turn: Turn, since: datetime) -> list[Span]:
    """The windows that closed after `since` and were judged, and in which nothing was a fault."""
    return [(max(start, since), end) for start, end, kind in _judged(turn, since) if kind not in _FAULTS]


def unjudged_windows(turn: Turn, since: datetime, until: datetime) -> list[Span]:
    """What lies between the windows that triage looked at, in pieces of a window's length: rollouts and pauses."""
    span, found, at = turn.problem.monitoring.window, [], since
    for start, end in [*_joined([(s, e) for s, e, _ in _judged(turn, since)]), (until, until)]:
        while at < min(start, until):
            piece = min(at + span, start, until)
            found.append((at, piece))
            at = piece
        at = max(at, end)
    return found


def _judged(turn: Turn, since: datetime) -> list[tuple[datetime, datetime, str]]:
    """Every window that ended after `since` and was looked at, with the kind of incident that was found, in order of time."""
    found = []
    for row in ledger.rows(turn.name, after=since):
        if row.notes.get("window") and not row.notes.get("unjudged"):
            start, end = _window_of(row.notes["window"])
            found += [(start, end, (row.notes.get("incident") or {}).get("kind", ""))] if end > since else []
    return sorted(found)


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
    """The windows after `since` in which a fault of rows or labels was found; of labels, back to the rows they are of."""
    found = []
    for row in ledger.rows(turn.name, after=since):
        said = row.notes.get("incident")
        if said and said["kind"] in _FAULTS and "window" in said:
            start, end = _window_of(said["window"])
            back = turn.problem.framing.maturity if said["kind"] == Kind.LABEL_FAULT else timedelta(0)
            found.append((said["kind"], start - back, end))
    return list(dict.fromkeys(found))  # a fault that goes on is told at every turn
