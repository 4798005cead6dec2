"""Who answers which row of a batch, with what, and what is written down about it?"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from deployments.gateway.breaker import Breaker
from deployments.gateway.mirror import Mirrored
from deployments.gateway.plain import lists, plain
from deployments.gateway.serving import Scorer, Serving
from schemas.framing import Framing
from schemas.problem import Problem
from schemas.stage import Stage
from tasks.door import Admitted, Breach
from tasks.journal import Group, Numbers
from tasks.routing import in_challenger_arm
from tasks.scoring import Outputs

if TYPE_CHECKING:
    from deployments.gateway.worker import Ask

__all__ = ["Batch", "Reply"]

OVERRIDE = "OVERRIDE"  # the stage of rows that an operator routed: no evidence about anything


@dataclass(frozen=True, slots=True)
class Reply:
    """What a client is told: an HTTP status, and for 200 the answer a row."""

    status: int
    says: str = ""
    breaches: tuple[Breach, ...] = ()
    predictions: list[Any] = field(default_factory=list)
    decisions: list[Any] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    version: str = ""
    epoch: int = 0
    request: int = 0
    seconds: float = 0.0

    @classmethod
    def unready(cls) -> "Reply":
        return cls(503, "no model is loaded yet; ask again in some seconds.")

    @classmethod
    def failed(cls) -> "Reply":
        return cls(500, "the gateway itself failed on this request; its log says how.")

    @classmethod
    def unlogged(cls) -> "Reply":
        return cls(
            503, "the prediction log cannot be written, and an answer that is not logged is not given; ask again."
        )

    @classmethod
    def unanswered(cls, request: int) -> "Reply":
        return cls(503, "no model could answer a row of this request; it was logged.", request=request)

    @classmethod
    def conflict(cls) -> "Reply":
        return cls(409, "this request id was used for another payload; give each request an id of its own.")

    @classmethod
    def of_rows(cls, rows: Sequence[dict[str, Any]], framing: Framing, request: int) -> "Reply":
        """The reply that was given when these rows were logged."""
        if any(row["answer_decision"] is None for row in rows):
            return cls.unanswered(request)
        if framing.task == "multiclass":
            score = [json.loads(row["answer_scores"]) if row["answer_scores"] else None for row in rows]
        else:
            score = [row["answer_score"] for row in rows]
        decisions = [row["answer_decision"] for row in rows]
        return cls(
            200,
            predictions=_predictions(score, framing),
            decisions=_decisions(decisions, framing),
            # Logged is who was to answer; where the challenger raised, the champion did.
            roles=["champion" if row["role"] == "challenger" and row["rival_error"] else row["role"] for row in rows],
            version=_joined([row["version"] for row in rows]),
            epoch=rows[0]["epoch"],
            request=request,
        )


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
        sound, first = [], 0
        for ask in asks:
            last = first + len(ask.rows)
            own = [b for b in breaches if first <= b.row < last]
            if own:
                mine = tuple(Breach(b.row - first, b.column, b.rule, b.kind) for b in own)
                self.replies.append((ask, Reply(422, "rows break the contract of this problem.", mine)))
                self.group.counts.extend(_counted(mine, self.serving.door.asked))
            else:
                sound.append(ask)
            first = last
        return sound

    def _answer(self, columns: tuple[str, ...], asks: "list[Ask]", rows: Sequence[Any], admitted: Admitted) -> None:
        serving, route, n = self.serving, self.serving.route, len(rows)
        began = time.perf_counter()
        told = self._told(columns, asks, rows, admitted)
        by_rival = self._assigned(asks, told.entities, n)
        champion, rival = _Side(n, self.framing), _Side(n, self.framing)
        everybody = not by_rival.any()
        if by_rival.any():
            assert serving.rival is not None
            took = time.perf_counter()
            rival.put(serving.rival(admitted, np.flatnonzero(by_rival), serving.door), np.flatnonzero(by_rival))
            took = time.perf_counter() - took
            self.breaker.saw_challenger(route, rival.errors[by_rival], took)
        # The champion answers the rest at once, and whatever the challenger failed on; the other rows it scores later.
        now = np.flatnonzero(~by_rival | rival.failed())
        if len(now):
            champion.put(
                serving.champion(admitted, None if everybody else now, serving.door), None if everybody else now
            )
            if route.answers_a_share and not self.breaker.tripped(route):
                self.breaker.saw_champion(route, champion.errors[now])
        answer = _Answer(champion, rival, by_rival, serving)
        if answer.missing.any():
            answer.fall_back(admitted, serving)
        self.failed_champion += int(champion.failed().sum())
        self.failed_rival += int(rival.failed().sum())
        self._log(asks, told, by_rival, champion, rival, answer, began)
        self._mirror(admitted, told, by_rival, champion, answer)

    def _assigned(self, asks: "list[Ask]", entities: list[str], n: int) -> np.ndarray:
        """True where the challenger is to answer."""
        serving, route = self.serving, self.serving.route
        can = route.answers_a_share and serving.rival is not None and not self.breaker.tripped(route)
        by_rival = in_challenger_arm(entities, key=route.key, share=route.share) if can else np.zeros(n, dtype=bool)
        first = 0
        for ask in asks:
            last = first + len(ask.rows)
            if ask.arm:
                by_rival[first:last] = (
                    ask.arm == "challenger" and serving.rival is not None and route.challenger is not None
                )
            first = last
        return by_rival

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
        return _Told(numbers, positions, keys, entities, moments)

    def _log(
        self,
        asks: "list[Ask]",
        told: "_Told",
        by_rival: np.ndarray,
        champion: "_Side",
        rival: "_Side",
        answer: "_Answer",
        began: float,
    ) -> None:
        route, serving, framing = self.serving.route, self.serving, self.framing
        wide = framing.task == "multiclass"
        ended = time.perf_counter()
        stage, beside = str(route.stage), route.rival.sha256 if route.rival else None
        probability = route.share if route.answers_a_share and serving.rival is not None else 0.0
        score, decision = plain(answer.score), plain(answer.decision)
        scores = lists(answer.score) if wide else None
        own, other = champion.columns(), rival.columns()
        roles, versions = answer.roles, answer.versions
        start = 0
        for ask in asks:
            stop = start + len(ask.rows)
            latency = (ended - ask.arrived) * 1e3
            under = OVERRIDE if ask.arm else stage
            for i in range(start, stop):
                c, r = own[i], other[i]
                self.group.answers.append(
                    (
                        self.problem.name,
                        told.keys[i],
                        told.moments[i],
                        told.entities[i],
                        route.rollout,
                        route.epoch,
                        under,
                        "challenger" if by_rival[i] else roles[i],
                        probability,
                        route.champion.sha256,
                        beside,
                        c[0],
                        c[1],
                        c[2],
                        r[0],
                        r[1],
                        r[2],
                        score[i] if not wide else None,
                        decision[i],
                        latency,
                        c[3],
                        r[3],
                        scores[i] if scores else None,
                        told.numbers[i],
                        told.positions[i],
                        versions[i],
                    )
                )
            if answer.missing[start:stop].any():
                reply = Reply.unanswered(told.numbers[start])
            else:
                reply = Reply(
                    200,
                    predictions=_predictions(answer.score[start:stop].tolist() if wide else score[start:stop], framing),
                    decisions=_decisions(decision[start:stop], framing),
                    roles=roles[start:stop],
                    version=_joined(versions[start:stop]),
                    epoch=route.epoch,
                    request=told.numbers[start],
                    seconds=ended - ask.arrived,
                )
            self.replies.append((ask, reply))
            start = stop

    def _mirror(
        self, admitted: Admitted, told: "_Told", by_rival: np.ndarray, champion: "_Side", answer: "_Answer"
    ) -> None:
        """What the model beside has still to score: in shadow and probation all rows, in canary the champion's pair."""
        serving, route = self.serving, self.serving.route
        self.group.features.extend(_features(admitted, told, serving))
        if (
            serving.rival is not None
            and route.stage in (Stage.SHADOW, Stage.PROBATION)
            and not self.breaker.tripped(route)
        ):
            side, rows = "rival", np.flatnonzero(~answer.asked_rival)
        elif by_rival.any():
            side, rows = "champion", np.flatnonzero(by_rival & ~champion.asked)
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


class _Side:
    """One model's outputs for a batch; nan and no error where it was not asked."""

    def __init__(self, n: int, framing: Framing) -> None:
        shape = (n, framing.n_classes) if framing.task == "multiclass" else (n,)
        self.score, self.decision = np.full(shape, np.nan), np.full(n, np.nan)
        self.errors = np.full(n, None, dtype=object)
        self.asked = np.zeros(n, dtype=bool)

    def put(self, said: Outputs, rows: np.ndarray | None) -> None:
        if rows is None:
            self.score, self.decision, self.errors = said.score, said.decision, said.errors
            self.asked = np.ones(len(self.asked), dtype=bool)
        else:
            self.score[rows], self.decision[rows], self.errors[rows] = said.score, said.decision, said.errors
            self.asked[rows] = True

    def failed(self) -> np.ndarray:
        """True where it was asked and gave no answer."""
        return self.asked & np.isnan(self.decision)

    def columns(self) -> list[tuple[Any, ...]]:
        """Score, decision, error and (of several classes) scores a row, as the log keeps them."""
        n = len(self.asked)
        if not self.asked.any():
            return [(None, None, None, None)] * n
        wide = self.score.ndim == 2
        scores = lists(self.score) if wide else [None] * n
        score = plain(self.score.max(axis=1) if wide else self.score)
        return list(zip(score, plain(self.decision), self.errors.tolist(), scores, strict=True))


class _Answer:
    """What goes out: the assigned model's answer, or of whoever stands in where it gave none."""

    def __init__(self, champion: _Side, rival: _Side, by_rival: np.ndarray, serving: Serving) -> None:
        use = by_rival & ~rival.failed()
        n = len(use)
        self.asked_rival = rival.asked
        if use.any():
            self.score = np.where(use[:, None] if champion.score.ndim == 2 else use, rival.score, champion.score)
            self.decision = np.where(use, rival.decision, champion.decision)
        else:
            self.score, self.decision = champion.score, champion.decision
        self.missing = np.isnan(self.decision)
        own = serving.champion.served.version
        self.roles, self.versions = ["champion"] * n, [own] * n
        if use.any():
            other = serving.rival.served.version if serving.rival else own
            for i in np.flatnonzero(use):
                self.roles[i], self.versions[i] = "challenger", other

    def fall_back(self, admitted: Admitted, serving: Serving) -> None:
        """The champion gave no answer to some rows: the previous one, or the rule, stands in, and says so."""
        self.score, self.decision = self.score.copy(), self.decision.copy()
        for scorer in serving.fallbacks:
            rows = np.flatnonzero(self.missing)
            if not len(rows):
                return
            said = scorer(admitted, rows, serving.door)
            good = np.isfinite(said.decision)
            self.score[rows[good]], self.decision[rows[good]] = said.score[good], said.decision[good]
            for i in rows[good]:
                self.roles[i], self.versions[i] = _stand_in(scorer), scorer.served.version
            self.missing = np.isnan(self.decision)


def _stand_in(scorer: Scorer) -> str:
    return "heuristic" if scorer.served.name == "heuristic" else "previous"


def _features(admitted: Admitted, told: _Told, serving: Serving) -> list[tuple[Any, ...]]:
    """Every column of the contract that was sent, in its order; null where it was not."""
    there = {name: position for position, name in enumerate(admitted.numeric)}
    numbers = plain(admitted.numbers)
    if admitted.numeric == serving.door.asked:
        return [(n, p, *row) for n, p, row in zip(told.numbers, told.positions, numbers, strict=True)]
    columns: list[Sequence[Any]] = []
    for name in serving.door.asked:
        if name in there:
            columns.append([row[there[name]] for row in numbers])
        else:
            columns.append(admitted.texts.get(name) or admitted.times.get(name) or [None] * len(numbers))
    return list(zip(told.numbers, told.positions, *columns, strict=True))


def _predictions(score: Sequence[Any], framing: Framing) -> list[Any]:
    """As MLflow's own server gives them: of two classes both probabilities."""
    if framing.task == "binary":
        return [[1.0 - p, p] for p in score]
    return list(score)


def _decisions(decisions: Sequence[float], framing: Framing) -> list[Any]:
    """0 or 1, a class by its name, or the prediction."""
    if framing.task == "multiclass":
        return [framing.classes[int(d)] if d is not None and d == d else None for d in decisions]
    return [int(d) for d in decisions] if framing.task == "binary" and None not in decisions else list(decisions)


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


def _joined(values: Sequence[Any]) -> str:
    return ",".join(dict.fromkeys(map(str, values)))
