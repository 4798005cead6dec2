"""When was each row of a table made, and when did somebody know its label? Guessed from the columns that hold times."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from schemas.errors import PerennialError
from tasks import profiling, tables
from tasks.guesses import times
from tasks.guesses.facts import Delay, Note, Table, Times
from tasks.guesses.target import Target

__all__ = ["Timed", "timed"]


@dataclass(frozen=True)
class Timed:
    """What the table says of its times: `event` and `moments` are there together or not at all."""

    found: list[times.Moment]
    event: times.Moment | None
    moments: Times | None  # when the events were
    known: times.Moment | None
    delay: Delay | None
    coarse: Note | None  # why a time that is there is not taken

    @property
    def columns(self) -> set[str]:
        """Those of which the event and the label's time are made."""
        return {name for moment in (self.event, self.known) if moment for name in moment.columns}


def timed(typed: Any, facts: Table, aim: Target, *, asked: str | None) -> Timed:
    """The event, the label's time and the delay between them; `asked` names the event's column."""
    found = times.moments(facts.columns, target=aim.name)
    event = times.event_of(found, asked=asked)
    if asked and event is None:
        raise PerennialError(
            f"TIME={asked} is no column in which a time was found; found: {', '.join(m.columns[0] for m in found) or 'none'}"
        )
    moments = _times(typed, event) if event else None
    if event is None or moments is None or moments.moments < 12:
        return Timed(found, None, None, None, None, _coarse(event, moments))
    began, known, delay = _labelled_at(typed, facts, found, event, aim)
    return Timed(found, began, moments if began is event else _times(typed, began), known, delay, None)


def _coarse(event: times.Moment | None, moments: Times | None) -> Note | None:
    if event is None or moments is None:
        return None
    said = f"{moments.moments} different moments are too few to replay a rollout over"
    return Note(event.columns[0], "time", said)


def _times(typed: Any, event: times.Moment) -> Times:
    return profiling.times_of(typed, tables.evaluated(typed, event.code))


def _labelled_at(
    typed: Any, facts: Table, found: list[times.Moment], event: times.Moment, aim: Target
) -> tuple[times.Moment, times.Moment | None, Delay | None]:
    """The event, when its label was known, and how long that took; None for the last two where no column says so."""
    known = times.known_of(found, event)
    if known is None:
        return event, None, None
    known = times.ended(known)
    delay = _delay(typed, event, known, aim)
    before = times.asked_before(event, facts.columns)
    if delay is not None and delay.negative > 0.05 and before is not None:
        sooner = _delay(typed, before, known, aim)
        if sooner is not None and sooner.negative < delay.negative / 5 and _affords(typed, before, sooner):
            event, delay = before, sooner
    if delay is None or delay.missing > 0.5 or delay.q995 <= timedelta(0):
        return event, None, None
    return event, known, delay


def _affords(typed: Any, event: times.Moment, delay: Delay) -> bool:
    """Is the table long enough to wait for labels from this moment on? Where it is not, a later event is judged."""
    return delay.q995 < 0.2 * _times(typed, event).span


def _delay(typed: Any, event: times.Moment, known: times.Moment, aim: Target) -> Delay | None:
    at, of = (tables.evaluated(typed, moment.code) for moment in (event, known))
    return profiling.delay_of(typed, at, of, typed[aim.name])
