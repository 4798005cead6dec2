"""How long do history, held-out rows, shadow, canary and probation last, so that a replay of this table shows a promotion?"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from tasks.guesses.facts import Delay, Times

__all__ = ["Durations", "Plan", "assumed_delay", "maturity_of", "plan_of", "rounded"]

_DAY = timedelta(days=1)
_REPLAYED = 80_000  # rows a replay answers and logs with both models: some two minutes on a busy machine
_TRAINED = 60_000  # rows a fit of 100 trees takes a second or two for
_HOURS = (1, 2, 3, 6, 12, 24, 36)
_DAYS = (2, 3, 4, 5, 7, 10, 14, 21, 28, 42, 56, 91, 126, 182, 273, 364, 546, 728, 1092, 1456, 2184, 3640)
_STEPS = (*(hours / 24 for hours in _HOURS), *_DAYS)


@dataclass(frozen=True)
class Durations:
    history: timedelta
    maturity: timedelta
    window: timedelta | None  # of training
    embargo: timedelta | None
    test: timedelta
    validation: timedelta
    turn: timedelta
    rollout_turn: timedelta
    shadow: timedelta
    shadow_at_most: timedelta
    share: timedelta
    canary_at_most: timedelta
    probation: timedelta
    probation_at_most: timedelta
    every: timedelta
    cooldown: timedelta
    patience: timedelta
    watched: timedelta  # monitoring window
    reference: timedelta
    decay: timedelta
    partition: timedelta


@dataclass(frozen=True)
class Plan:
    """Durations and counts that fit the table's span and its rows a day."""

    durations: Durations
    rows_a_day: float
    span: timedelta
    live: timedelta
    test_rows: int
    train_rows: int
    slice_rows: int
    calibration_rows: int
    share_requests: int
    share_entities: int
    probation_rows: int
    decay_blocks: int
    volume_ratio: float
    fits: bool  # can a whole rollout be replayed within the table?


def _whole(span: timedelta) -> timedelta:
    """Cut to whole days where it has many, else to hours, else to minutes."""
    unit = next(
        u for u in (_DAY, timedelta(hours=1), timedelta(minutes=1)) if span >= 20 * u or u == timedelta(minutes=1)
    )
    return span // unit * unit


def assumed_delay(times: Times) -> timedelta:
    """Where no column says when a label came: a day, or a hundredth of a table that is shorter than that allows."""
    return min(_DAY, rounded(times.span / 200)) if times.span < 60 * _DAY else _DAY


def maturity_of(delay: Delay, times: Times, rows: int, *, entity: bool) -> tuple[timedelta, float]:
    """When 99.5 % of the labels had come, and a fifth longer; where the table is too short for that, a smaller share of
    them. And that share."""
    tried = ((delay.q995 * 1.2, 0.995), (delay.q995, 0.995), (delay.q95, 0.95))
    for span, share in tried:
        if plan_of(times, rows, _mature(span), entity=entity).fits:
            return _mature(span), share
    return _mature(delay.q95), 0.95


def _mature(span: timedelta) -> timedelta:
    """The next whole day, or hour where it takes less than two days; at least one."""
    unit = _DAY if span > 2 * _DAY else timedelta(hours=1)
    return max(math.ceil(span / unit), 1) * unit


def rounded(span: timedelta) -> timedelta:
    """The next longer round duration.

    >>> rounded(timedelta(days=5.3)).days, rounded(timedelta(hours=5)).seconds // 3600
    (7, 6)
    """
    days = span / _DAY
    step = next((s for s in _STEPS if s >= days * 0.999), None)
    return timedelta(days=step) if step is not None else timedelta(days=math.ceil(days / 364) * 364)


def plan_of(times: Times, rows: int, maturity: timedelta, *, entity: bool) -> Plan:
    """The first of some starts from which a whole rollout fits into the rest of the table; else the usual one."""
    usual = _start(times, rows, maturity)
    sooner = [q for q in times.quantiles[4:8][::-1] if _matured(times, q - maturity) >= 0.04 and q < usual]
    plans = [_from(start, times, rows, maturity, entity=entity) for start in (usual, *sooner)]
    return next((plan for plan in plans if plan.fits), plans[0])


def _matured(times: Times, at: datetime) -> float:
    """The share of rows before a moment, to a twentieth."""
    return sum(q < at for q in times.quantiles) / len(times.quantiles)


@dataclass(frozen=True)
class _Rest:
    """What is left of the table once its history is over."""

    history: timedelta
    live: timedelta
    rate: float  # rows a day
    rows: float  # of the whole table, behind the history
    grain: timedelta  # between two moments, where they are few; else nothing

    def part(self, share: float, least: timedelta = timedelta(0)) -> timedelta:
        return rounded(max(self.live * share, self.grain, least))

    def rows_in(self, span: timedelta) -> float:
        return self.rate * (span / _DAY)


def _from(start: datetime, times: Times, rows: int, maturity: timedelta, *, entity: bool) -> Plan:
    """Everything in proportion to what is left of the table once its history is over."""
    rest = _rest(start, times, rows)
    durations = _durations(rest, maturity)
    held_out, requests = rest.rows_in(durations.test), rest.rows_in(durations.share)
    needed = maturity + durations.test + durations.shadow + 2 * durations.share + 4 * durations.turn
    return Plan(
        durations=durations,
        rows_a_day=rest.rate,
        span=times.span,
        live=rest.live,
        test_rows=_between(0.7 * held_out, 60, 3_000),
        train_rows=_between(0.3 * rest.rows_in(rest.history), 100, 500),
        slice_rows=_between(held_out / 8, 10, 200),
        calibration_rows=_between(held_out / 2, 20, 200),
        share_requests=_between(0.05 * requests / 2, 1, 100),
        share_entities=_between(0.05 * requests / 8, 1, 50) if entity else 1,
        probation_rows=_between(rest.rows_in(durations.probation) / 2, 5, 30),
        decay_blocks=_between(durations.decay / max(durations.partition, _DAY) / 2, 3, 10),
        volume_ratio=max(3.0, round(times.volume_ratio * 1.5, 1)),
        fits=needed < rest.live,
    )


def _rest(start: datetime, times: Times, rows: int) -> _Rest:
    live = times.last - start
    share = max(sum(q > start for q in times.quantiles), 1) / len(times.quantiles)
    return _Rest(
        history=start - times.first,
        live=live,
        rate=max(rows * share, 1.0) / max(live / _DAY, 1e-6),
        rows=rows * share,
        grain=rounded(times.span / max(times.moments - 1, 1)) if times.moments < 400 else timedelta(0),
    )


def _durations(rest: _Rest, maturity: timedelta) -> Durations:
    part, grain, history, live = rest.part, rest.grain, rest.history, rest.live
    turn = part(1 / 45)
    # What waits for labels cannot wait as long for rows.
    test = _test(live - maturity if maturity < 0.8 * live else live, rest.rate, grain)
    shadow = min(part(0.04, turn), rounded(max(28 * _DAY, grain)))
    share = min(part(0.015, turn), rounded(max(7 * _DAY, grain)))
    probation = part(0.04, turn)
    watched = _watched(history, grain, turn)
    return Durations(
        history=_whole(history),
        maturity=maturity,
        window=_training_window(rest),
        embargo=None if maturity < 0.15 * history else timedelta(0),
        test=test,
        validation=max(part(0.02, turn), grain),
        turn=turn,
        rollout_turn=turn,
        shadow=shadow,
        shadow_at_most=max(part(0.4), 2 * shadow),
        share=share,
        canary_at_most=max(part(0.15), 4 * share),
        probation=probation,
        probation_at_most=max(part(0.3), 2 * probation) + 2 * maturity,
        every=max(part(0.3), turn),
        cooldown=part(0.05, turn),
        patience=3 * test + 2 * maturity,
        watched=watched,
        reference=rounded(max(history / 4, maturity + history / 10)),
        decay=max(part(0.1), 3 * watched),
        partition=max(_DAY, grain),
    )


def _watched(history: timedelta, grain: timedelta, turn: timedelta) -> timedelta:
    """A monitoring window: a fortieth of the history; of one that is short a thirtieth, and a week at most."""
    long = history / 40 > 7 * _DAY
    return rounded(max(history / 40 if long else min(history / 30, 7 * _DAY), grain, turn))


def _training_window(rest: _Rest) -> timedelta | None:
    """As many days as hold the rows that a fit takes a second or two for; None where all of them are few enough."""
    few = rest.rows_in(rest.history) + rest.rows <= 2 * _TRAINED
    return None if few else rounded(_TRAINED / rest.rate * _DAY)


def _start(times: Times, rows: int, maturity: timedelta) -> datetime:
    """Where the loop goes live: behind two fifths of the rows, further where all the rest were too many to replay, and
    not so far that a rollout no longer fits."""
    q = times.quantiles
    start = q[8]
    for i in range(9, 17):
        if rows * (20 - i) / 20 <= _REPLAYED:
            break
        start = q[i]
    latest = times.first + times.span * 0.8
    # Labels of the history have to be known when it ends.
    return max(min(max(start, times.first + maturity * 1.3), latest), times.first + times.span * 0.05)


def _test(live: timedelta, rate: float, grain: timedelta) -> timedelta:
    """Held-out rows: an eighth of what is replayed; no more than 6,000 of them, in whole weeks where there are many."""
    days = min(live / _DAY * 0.125, max(6_000 / rate, 7.0 if live > 100 * _DAY else live / _DAY * 0.03))
    return rounded(max(timedelta(days=days), 2 * grain))


def _between(value: float, low: int, high: int) -> int:
    """The value in two digits, kept within the limits."""
    if value <= low:
        return low
    digits = max(math.floor(math.log10(value)) - 1, 0)
    return int(min(high, round(value / 10**digits) * 10**digits))
