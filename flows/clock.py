"""Is it the time that this machine says? A row that was written in the future would hold up every turn until then."""

from datetime import UTC, datetime, timedelta

from schemas.errors import PerennialError
from schemas.moments import aware
from schemas.problem import Problem
from schemas.rows import State
from tasks import ledger, predictions, windows

__all__ = ["ClockError", "moment_of", "present"]

_APART = timedelta(minutes=5)  # further than this two clocks are not when both are kept right; Kerberos allows the same
_STEPPED = timedelta(minutes=1)  # of a clock that was just set right, or of two machines whose clocks differ
_GAP = timedelta(days=14)  # a loop that stood still for less than this, or four windows, is believed unasked


class ClockError(PerennialError):
    """The time is none in which a turn may be taken. Nothing was written."""


def present() -> datetime:
    """Now, as this machine says and the ledger's database does not deny."""
    here, there = datetime.now(UTC), ledger.clock()
    if there is not None and abs(here - there) > _APART:
        raise ClockError(
            f"this machine's clock says {_said(here)} and that of the ledger's database {_said(there)}, and turns go by "
            "time. Set the one that is wrong (timedatectl shows whether it is kept right); the next turn goes on."
        )
    return here


def moment_of(problem: Problem, state: State, now: datetime | None) -> datetime:
    """The moment that a turn stands for: the one it is given, or the present. Never before the newest row; and a present
    that is far behind it only where something else says that so much time went by."""
    moment, last = present() if now is None else aware(now, "now"), state.at
    if last is None:
        return moment
    if moment < last and (now is not None or last - moment > _STEPPED):
        raise ClockError(
            f"a turn of {problem.name!r} at {moment.isoformat()} would come before the newest ledger row at "
            f"{last.isoformat()}. Turns only go forward: correct the clock, or replay into another PERENNIAL_HOME. A row that "
            "was itself written under a wrong clock goes with a restore of the backup from before it (make restore)."
        )
    if now is None and moment - last > _longest(problem) and not _witnessed(problem, moment):
        raise ClockError(
            f"it is {_said(moment)} by this machine's clock, {(moment - last).days} days after the newest ledger row of "
            f"{problem.name!r}, and no row of its table or log is as new. If the clock is wrong, set it right. If it is right, "
            f"say so with a word of your own, from which turns go on: make retrain PROBLEM={problem.name}, or make pause and "
            "make resume; or bring the table up to date."
        )
    return max(moment, last)


def _longest(problem: Problem) -> timedelta:
    return max(_GAP, 4 * problem.monitoring.window)


def _witnessed(problem: Problem, moment: datetime) -> bool:
    """Does anything say that the time has come but the clock's word of now: a database of its own, rows, requests; or its
    word of before? A replay's newest row, written a while ago, is of a moment long past."""
    if ledger.clock() is not None:
        return True
    since = moment - _longest(problem)
    if (written := _written(problem)) is not None and since <= written <= moment:
        return True
    if any(predictions.answered(problem, since=since, until=moment)):
        return True
    return windows.available(problem) and (problem.framing.timeless or windows.bounds(problem)[1] >= since)


def _written(problem: Problem) -> datetime | None:
    """When the newest turn's row was written, by the clock of then, whatever moment it stands for."""
    newest = ledger.newest(kind="turn").get(problem.name)
    return datetime.fromisoformat(newest.notes["wall"]) if newest and "wall" in newest.notes else None


def _said(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
