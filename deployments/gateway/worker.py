"""How are requests answered together? Whatever queued while the last batch was busy is scored at once, logged, and then acknowledged."""

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from deployments.gateway.batch import Batch
from deployments.gateway.breaker import Breaker
from deployments.gateway.mirror import Mirror, quick_sklearn
from deployments.gateway.reply import Reply
from deployments.gateway.serving import Serving
from deployments.gateway.signals import Signals
from schemas.errors import told
from schemas.problem import Problem
from tasks.journal import Group, Journal, JournalError, Numbers, RepeatedIdError
from tasks.spill import Spill, SpillError

__all__ = ["Ask", "Worker"]

_TAKE_BACK = object()  # in the queue: bring what was spilled
_BACK_AT_ONCE = 0.02  # seconds that requests wait for that
_LATE_WAITS = 0.02  # seconds that what was found out beside an answer waits for another answer's commit
_ENDS_WITHIN = 10.0  # seconds for each thread: what takes longer is given up
_AT_ONCE = 512  # rows scored in one batch: a larger one answers nobody sooner


@dataclass(slots=True, eq=False)
class Ask:
    """One request on its way: what it asks, and whom to tell."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]
    future: "asyncio.Future[Reply]"  # of the event loop
    arrived: float  # of time.perf_counter
    client_id: str = ""
    payload: str = ""  # hash of the body, where there is a client id
    arm: str = ""  # an operator's override: champion or challenger


class Worker(threading.Thread):
    """The one thread that scores and writes. Its queue holds requests, and what the mirror found out about earlier ones."""

    def __init__(
        self,
        problem: Problem,
        journal: Journal,
        spill: Spill,
        numbers: Numbers,
        breaker: Breaker,
        signals: Signals,
        deliver: Callable[[list[tuple[Ask, Reply]]], None],
    ) -> None:
        super().__init__(name="worker", daemon=True)
        self.problem, self.plan = problem, problem.serving
        self.journal, self.spill, self.numbers = journal, spill, numbers
        self.breaker, self.signals, self.deliver = breaker, signals, deliver
        self.serving: Serving | None = None
        self.delivered = threading.Event()  # the event loop has sent the answers of the last batch
        self.delivered.set()
        self.queue: SimpleQueue[Any] = SimpleQueue()
        self.mirror = Mirror(self.plan, breaker, signals, self.queue.put)
        # Each is written by one thread alone, the event loop and this one: their difference needs no lock.
        self._rows_in = self._rows_out = 0
        self._recent: OrderedDict[str, tuple[str, Reply]] = OrderedDict()
        self._log_was_away = False
        self._returning: Iterator[Group] | None = None
        if spill.waiting():  # of a time before this process
            self.queue.put(_TAKE_BACK)

    def submit(self, ask: Ask) -> bool:
        """Take a request in; False when too many rows wait already."""
        if self.rows_waiting + len(ask.rows) > self.plan.rows_waiting:
            return False
        self._rows_in += len(ask.rows)
        self.queue.put(ask)
        return True

    @property
    def rows_waiting(self) -> int:
        return self._rows_in - self._rows_out

    def run(self) -> None:
        with quick_sklearn():
            self._serve()

    def _serve(self) -> None:
        while True:
            self.delivered.wait()
            asks, late, ends = self._drain()
            if asks or late:
                self.turn(asks, late)
            if ends:
                self.journal.close()
                return

    def nudge(self) -> None:
        """Look whether the log is there again, also while nobody asks anything."""
        if self._log_was_away:
            self.queue.put(_TAKE_BACK)

    def stop(self) -> None:
        """Answer what waits, then end; returns when it has. The mirror ends first: its last scores are written as well."""
        self.mirror.queue.put(None)
        _ended(self.mirror)
        self.queue.put(None)
        _ended(self)

    def _drain(self) -> tuple[list[Ask], Group, bool]:
        """Wait for a request, then take what else is there. What was found out beside earlier answers waits for the next
        batch, whose commit it shares; where none comes soon, it goes alone."""
        asks: list[Ask] = []
        late, rows = Group(), 0
        while rows < _AT_ONCE and len(late.rival) + len(late.champion) < _AT_ONCE:
            try:
                one = self.queue.get_nowait() if asks else self.queue.get(timeout=_LATE_WAITS if late else None)
            except Empty:
                break
            if one is None:
                return asks, late, True
            if isinstance(one, Ask):
                asks.append(one)
                rows += len(one.rows)
            elif one is _TAKE_BACK:
                self._take_back()
            else:
                _merge(late, one)
        return asks, late, False

    def turn(self, asks: list[Ask], late: Group) -> None:
        """One batch: score, write, acknowledge. Nothing is acknowledged that was not written."""
        self._rows_out += sum(len(ask.rows) for ask in asks)
        serving = self.serving
        if serving is None:
            replies = [(ask, Reply.unready()) for ask in asks]
            self._write_late(late)
        elif asks:
            replies = self._guarded(asks, serving, late)
        else:
            replies = []
            self._write_late(late)
        if replies:
            self.delivered.clear()
            self.deliver(replies)

    def _guarded(self, asks: list[Ask], serving: Serving, late: Group) -> list[tuple[Ask, Reply]]:
        """A defect of ours fails the request that meets it, and no other."""
        try:
            return self._answered(asks, serving, late)
        except Exception as error:
            self._write_late(late)
            if len(asks) == 1:
                self.signals.failed(told(error), asks[0].client_id)
                return [(asks[0], Reply.failed())]
            return [pair for ask in asks for pair in self._guarded([ask], serving, Group())]

    def _write_late(self, late: Group) -> None:
        """What was found out beside the answers. Nobody waits for it; what cannot be written is counted."""
        if not late:
            return
        try:
            lost = self._write(late)
        except Exception as error:
            lost = told(error)
            self.signals.failed(lost)
        if lost:
            self.signals.dropped("log away", len(late.rival) + len(late.champion))

    def _answered(self, asks: list[Ask], serving: Serving, late: Group) -> list[tuple[Ask, Reply]]:
        replies, fresh = self._repeated(asks)
        batch = Batch(self.problem, serving, self.breaker, self.numbers)
        by_columns: dict[tuple[str, ...], list[Ask]] = {}
        for ask in fresh:
            by_columns.setdefault(ask.columns, []).append(ask)
        for columns, same in by_columns.items():
            batch.score(columns, same)
        _merge(batch.group, late)
        failure = self._write(batch.group)
        if failure == "repeated":  # another replica was quicker: look again, each for itself
            self._write_late(late)
            return replies + [pair for ask in fresh for pair in self._answered([ask], serving, Group())]
        if failure:
            self.signals.dropped("log away", len(late.rival) + len(late.champion))
            return replies + [(ask, Reply.unlogged() if reply.status == 200 else reply) for ask, reply in batch.replies]
        for ask, reply in batch.replies:
            if ask.client_id and reply.status == 200:
                self._remember(ask, reply)
        for work in batch.mirrored:
            self.mirror.take(work)
        self.signals.counted(batch)
        return replies + batch.replies

    def _write(self, group: Group) -> str:
        """Make the group durable: in the log, or by the declared policy in the spill file. Empty when it is."""
        try:
            self.journal.write(group)
        except RepeatedIdError:
            if not group.ids:
                raise
            return "repeated"
        except JournalError as error:
            self._log_was_away = True
            self.signals.log_away(str(error))
            if self.plan.log_away != "serve and spill":
                return "away"
            return self._spilled(group)
        self.signals.log_back()
        if self._log_was_away:
            self._log_was_away = False
            self.queue.put(_TAKE_BACK)
        return ""

    def _spilled(self, group: Group) -> str:
        try:
            self.spill.add(group)
        except SpillError as error:
            self.signals.log_away(str(error))
            return "away"
        return ""

    def _take_back(self) -> None:
        """The log is there again: bring some of what was spilled, and come back for the rest between requests. A row that
        is there already stays as it is."""
        began, self._log_was_away = time.perf_counter(), False
        if self._returning is None:
            self._returning = self.spill.take_back()
        try:
            self.journal.known(["is the log there?"])
            self.signals.log_back()
            for group in self._returning:
                try:
                    self.journal.write(group)
                except RepeatedIdError:  # a client's id that another replica answered meanwhile: both were acknowledged
                    group.ids.clear()
                    self.journal.write(group)
                if time.perf_counter() - began > _BACK_AT_ONCE:
                    self.queue.put(_TAKE_BACK)
                    return
        except JournalError:
            self._log_was_away = True
        except Exception as error:
            # Without this thread nobody is answered. The file stays, for the next time that the log comes back.
            self.signals.failed(f"what was spilled cannot be brought back yet: {told(error)}")
        self._returning = None

    def _repeated(self, asks: list[Ask]) -> tuple[list[tuple[Ask, Reply]], list[Ask]]:
        """Requests whose client id was answered before, and those that are new. Of two in one batch, the second waits."""
        named = [ask for ask in asks if ask.client_id]
        if not named:
            return [], asks
        replies: list[tuple[Ask, Reply]] = []
        fresh: list[Ask] = []
        try:
            known = self.journal.known({ask.client_id for ask in named if ask.client_id not in self._recent})
        except JournalError:
            known = {}
        first: set[str] = set()
        for ask in asks:
            if not ask.client_id:
                fresh.append(ask)
            elif ask.client_id in self._recent:
                payload, reply = self._recent[ask.client_id]
                replies.append((ask, reply if payload == ask.payload else Reply.conflict()))
            elif ask.client_id in known:
                request, payload = known[ask.client_id]
                replies.append((ask, self._again(ask, request) if payload == ask.payload else Reply.conflict()))
            elif ask.client_id in first:
                self._rows_out -= len(ask.rows)
                self.queue.put(ask)
            else:
                first.add(ask.client_id)
                fresh.append(ask)
        return replies, fresh

    def _again(self, ask: Ask, request: int) -> Reply:
        """The answer that was given before, from the log."""
        try:
            rows = self.journal.answered(request)
        except JournalError:
            return Reply.unlogged()
        return Reply.of_rows(rows, self.problem.framing, request) if rows else Reply.conflict()

    def _remember(self, ask: Ask, reply: Reply) -> None:
        self._recent[ask.client_id] = (ask.payload, reply)
        while len(self._recent) > 10_000:
            self._recent.popitem(last=False)


def _ended(thread: threading.Thread) -> None:
    if thread.is_alive():  # it may never have been started
        thread.join(_ENDS_WITHIN)


def _merge(into: Group, more: Group) -> None:
    for name in ("answers", "features", "ids", "champion", "rival", "counts", "trips"):
        getattr(into, name).extend(getattr(more, name))
