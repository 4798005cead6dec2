"""Who answers which row of a batch, with what, and what is written down about it?"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from deployments.gateway.answer import Answer, Side
from deployments.gateway.breaker import Breaker
from deployments.gateway.mirror import Mirrored
from deployments.gateway.plain import lists, plain
from deployments.gateway.reply import Reply, decisions_as_said, joined, positions, predictions_as_said
from deployments.gateway.serving import Serving
from schemas.problem import Problem
from schemas.rows import ANSWER
from schemas.stage import Stage
from tasks.door import Admitted, Breach
from tasks.exploration import draw
from tasks.journal import Group, Numbers
from tasks.routing import in_challenger_arm

if TYPE_CHECKING:
    from deployments.gateway.worker import Ask

__all__ = ["Batch"]

_LARGEST = 2**63 - 1  # in a column of whole numbers
OVERRIDE = "OVERRIDE"  # the stage of rows that an operator routed: no evidence about anything


class Batch:
    """The requests scored together, their replies, and the group that makes them durable."""

    def __init__(self, problem: Problem, serving: Serving, breaker: Breaker, numbers: Numbers) -> None:
        self.problem, self.framing = problem, problem.framing
        self.serving, self.breaker, self.numbers = serving, breaker, numbers
        self.group = Group()
        self.replies: list[tuple[Ask, Reply]] = []
        self.mirrored: list[Mirrored] = []
        self.failed_champion = self.failed_rival = 0  # rows

    def score(self, columns: tuple[str, ...], asks: "list[Ask]") -> None:
        """Score requests that name the same columns. One that breaks the contract is refused alone."""
        rows = asks[0].rows if len(asks) == 1 else [row for ask in asks for row in ask.rows]
        admitted = self.serving.door.check(columns, rows, required=self.serving.required)
        if admitted.breaches:
            sound = self._refuse(asks, admitted.breaches)
            if sound:
                self.score(columns, sound)
            return
        self._answer(columns, asks, rows, admitted)

    def _refuse(self, asks: "list[Ask]", breaches: list[Breach]) -> "list[Ask]":
        """Refuse the requests that hold a bad row, and return the others."""
        sound = []
        for ask, start, stop in _spans(asks):
            own = [b for b in breaches if start <= b.row < stop]
            if own:
                mine = tuple(Breach(b.row - start, b.column, b.rule, b.kind) for b in own)
                self.replies.append((ask, Reply(422, "rows break the contract of this problem.", mine)))
                self.group.counts.extend(_counted(mine, self.serving.door.asked))
            else:
                sound.append(ask)
        return sound

    def _answer(self, columns: tuple[str, ...], asks: "list[Ask]", rows: Sequence[Any], admitted: Admitted) -> None:
        serving, route, n = self.serving, self.serving.route, len(rows)
        began = time.perf_counter()
        told = self._told(columns, asks, rows, admitted)
        by_rival, probability = self._assigned(asks, told.entities, n)
        champion, rival = Side(n, self.framing), Side(n, self.framing)
        everybody = not by_rival.any()
        if by_rival.any():
            assert serving.rival is not None
            rival.ask(serving.rival, admitted, np.flatnonzero(by_rival), serving.door)
            drawn = by_rival & ~told.by_hand
            if drawn.any():
                self.breaker.saw_challenger(route, rival.errors[drawn], rival.seconds)
        # The champion answers the rest at once, and whatever the challenger failed on; the other rows it scores later.
        now = np.flatnonzero(~by_rival | rival.failed())
        if len(now):
            champion.ask(serving.champion, admitted, None if everybody else now, serving.door)
            if route.answers_a_share and not self.breaker.tripped(route):
                # Of the champion's own arm alone: where it stood in for the challenger, no coin fell to it.
                self.breaker.saw_champion(route, champion.errors[~by_rival & ~told.by_hand])
        answer = Answer(champion, rival, by_rival, serving)
        if answer.missing.any():
            answer.fall_back(admitted, serving)
        self.failed_champion += int(champion.failed().sum())
        self.failed_rival += int(rival.failed().sum())
        if self.problem.serving.explore:
            self._explore(told, answer)
        self._log(told, by_rival, probability, champion, rival, answer, began)
        self._reply(asks, told, answer)
        self._mirror(admitted, told, by_rival, champion, answer)

    def _explore(self, told: "_Told", answer: Answer) -> None:
        """The plan's share of decisions is drawn, whichever model answered; an operator's is never."""
        units = told.keys if self.problem.serving.explore_by == "row" else told.entities
        drawn = draw(self.problem, units, answer.score, answer.decision, may=~told.by_hand)
        # An array of its own: what the model said is logged beside it, and is what models are judged by.
        answer.decision, answer.propensity, answer.explored = drawn.decision, drawn.propensity, drawn.explored

    def _assigned(self, asks: "list[Ask]", entities: list[str], n: int) -> tuple[np.ndarray, float]:
        """True where the challenger is to answer, and the probability of it: zero once its breaker has tripped."""
        serving, route = self.serving, self.serving.route
        can = route.answers_a_share and serving.rival is not None and not self.breaker.tripped(route)
        by_rival = in_challenger_arm(entities, key=route.key, share=route.share) if can else np.zeros(n, dtype=bool)
        there = serving.rival is not None and route.challenger is not None
        for ask, start, stop in _spans(asks):
            if ask.arm:
                by_rival[start:stop] = ask.arm == "challenger" and there
        return by_rival, route.share if can else 0.0

    def _told(self, columns: tuple[str, ...], asks: "list[Ask]", rows: Sequence[Any], admitted: Admitted) -> "_Told":
        """Who asks about what, and when; where the client does not say, the request's own number and the moment stand in."""
        framing = self.framing
        numbers: list[int] = []
        positions: list[int] = []
        for ask in asks:
            number = self.numbers.next()
            numbers += [number] * len(ask.rows)
            positions += range(len(ask.rows))
            if ask.client_id:
                self.group.ids.append((ask.client_id, number, ask.payload))
        where = {name: position for position, name in enumerate(columns)}
        if framing.key in where:
            keys = [_text(row[where[framing.key]]) for row in rows]
        else:
            keys = []
            for number, ask in zip(dict.fromkeys(numbers), asks, strict=True):
                name = ask.client_id or f"{number:016x}"  # as the answer's header says, so that a label can name it
                keys += [name] if len(ask.rows) == 1 else [f"{name}-{p}" for p in range(len(ask.rows))]
        entity = where.get(framing.entity or framing.key)
        entities = keys if entity is None else [_text(row[entity]) for row in rows]
        now = time.time_ns() // 1_000
        times = admitted.times.get(framing.event_time)
        moments = [now] * len(rows) if times is None else [_micros(t) if t is not None else now for t in times]
        arrived = [ask.arrived for ask in asks for _ in ask.rows]
        by_hand = np.array([bool(ask.arm) for ask in asks for _ in ask.rows])
        return _Told(numbers, positions, keys, entities, moments, arrived, by_hand)

    def _log(
        self,
        told: "_Told",
        by_rival: np.ndarray,
        probability: float,
        champion: Side,
        rival: Side,
        answer: Answer,
        began: float,
    ) -> None:
        """The rows as the log keeps them, column by column."""
        route = self.serving.route
        columns: dict[str, Iterable[Any]] = {
            "problem": repeat(self.problem.name),
            "key": told.keys,
            "event_time": told.moments,
            "entity": told.entities,
            "rollout": repeat(route.rollout),
            "epoch": repeat(route.epoch),
            "stage": [OVERRIDE if by_hand else str(route.stage) for by_hand in told.by_hand.tolist()],
            "role": ["challenger" if own else role for own, role in zip(by_rival.tolist(), answer.roles, strict=True)],
            "probability": repeat(probability),
            "champion": repeat(route.champion.sha256),
            "rival": repeat(route.rival.sha256 if route.rival else None),
            **_columns("champion", champion.score, champion.decision),
            "champion_error": champion.errors.tolist(),
            **_columns("rival", rival.score, rival.decision),
            "rival_error": rival.errors.tolist(),
            **_columns("answer", answer.score, answer.decision),
            # What it waited for its batch, and the calls that its answer took.
            "latency_ms": [
                (began - arrived + took) * 1e3
                for arrived, took in zip(told.arrived, answer.seconds.tolist(), strict=True)
            ],
            "propensity": repeat(1.0) if answer.propensity is None else answer.propensity.tolist(),
            "explored": repeat(False) if answer.explored is None else answer.explored.tolist(),
            "request": told.numbers,
            "position": told.positions,
            "version": answer.versions,
        }
        self.group.answers.extend(zip(*(columns[name] for name in ANSWER), strict=False))  # some repeat without end

    def _reply(self, asks: "list[Ask]", told: "_Told", answer: Answer) -> None:
        """What each client is told."""
        ended = time.perf_counter()
        for ask, start, stop in _spans(asks):
            if answer.missing[start:stop].any():
                self.replies.append((ask, Reply.unanswered(told.numbers[start])))
                continue
            reply = Reply(
                200,
                predictions=predictions_as_said(answer.score[start:stop].tolist(), self.framing),
                decisions=decisions_as_said(answer.decision[start:stop].tolist(), self.framing),
                roles=answer.roles[start:stop],
                version=joined(answer.versions[start:stop]),
                epoch=self.serving.route.epoch,
                request=told.numbers[start],
                seconds=ended - ask.arrived,
                explored=() if answer.explored is None else positions(answer.explored[start:stop]),
            )
            self.replies.append((ask, reply))

    def _mirror(self, admitted: Admitted, told: "_Told", by_rival: np.ndarray, champion: Side, answer: Answer) -> None:
        """What the model beside has still to score: in shadow and probation all rows, in canary the champion's pair. Rows
        that an operator routed pair with nothing."""
        serving, route = self.serving, self.serving.route
        self.group.features.extend(_features(admitted, told, serving))
        if (
            serving.rival is not None
            and route.stage in (Stage.SHADOW, Stage.PROBATION)
            and not self.breaker.tripped(route)
        ):
            side, rows = "rival", np.flatnonzero(~answer.asked_rival & ~told.by_hand)
        elif by_rival.any():
            side, rows = "champion", np.flatnonzero(by_rival & ~champion.asked & ~told.by_hand)
        elif serving.door.listed:
            side, rows = "champion", np.zeros(0, dtype=int)
        else:
            return
        if len(rows) or serving.door.listed:
            ids = [(told.numbers[i], told.positions[i]) for i in rows]
            self.mirrored.append(Mirrored(serving, side, admitted, rows, ids))


@dataclass(frozen=True, slots=True)
class _Told:
    numbers: list[int]
    positions: list[int]
    keys: list[str]
    entities: list[str]
    moments: list[int]
    arrived: list[float]
    by_hand: np.ndarray  # True where an operator chose the arm: no evidence about anything


def _spans(asks: "list[Ask]") -> "Iterator[tuple[Ask, int, int]]":
    """Each request, with where its rows begin and end among all."""
    start = 0
    for ask in asks:
        yield ask, start, start + len(ask.rows)
        start += len(ask.rows)


def _columns(whose: str, score: np.ndarray, decision: np.ndarray) -> dict[str, Iterable[Any]]:
    """A side's outputs as the log keeps them: of several classes the probability of the likeliest, and all of them beside."""
    wide = score.ndim == 2
    return {
        f"{whose}_score": plain(score.max(axis=1) if wide else score),
        f"{whose}_decision": plain(decision),
        f"{whose}_scores": lists(score) if wide else repeat(None),
    }


def _features(admitted: Admitted, told: _Told, serving: Serving) -> list[tuple[Any, ...]]:
    """Every column of the contract that was sent, in its order; null where it was not."""
    numbers = plain(admitted.numbers)
    if admitted.numeric == serving.door.asked and not admitted.exact:
        return [(n, p, *row) for n, p, row in zip(told.numbers, told.positions, numbers, strict=True)]
    given: dict[str, Sequence[Any]] = {name: [row[at] for row in numbers] for at, name in enumerate(admitted.numeric)}
    given.update(admitted.texts)
    given.update(admitted.times)
    given.update({name: [_kept(value) for value in values] for name, values in admitted.exact.items()})
    unsaid = [None] * len(numbers)
    columns = [given.get(name, unsaid) for name in serving.door.asked]
    return list(zip(told.numbers, told.positions, *columns, strict=True))


def _kept(value: int | None) -> float | None:
    """A whole number as the log holds it: exactly, as far as its columns reach."""
    return value if value is None or value <= _LARGEST else float(value)


def _counted(breaches: tuple[Breach, ...], asked: tuple[str, ...]) -> list[tuple[str, str, int]]:
    """Rows by the rule they break. A column that nobody knows has no name here: clients could fill the log with them."""
    broken: dict[str, set[int]] = {}
    for breach in breaches:
        column = breach.column if breach.column in asked else "?"
        broken.setdefault(f"{column}: {breach.rule}", set()).add(breach.row)
    return [("refused", what, len(rows)) for what, rows in broken.items()]


def _text(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _micros(moment: datetime) -> int:
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
