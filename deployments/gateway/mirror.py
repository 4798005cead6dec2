"""What would the model beside have said? Scored in the shadow of the answers, never on their way."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from deployments.gateway.breaker import Breaker
from deployments.gateway.plain import lists, plain
from deployments.gateway.serving import Serving
from deployments.gateway.signals import Signals
from schemas.errors import told
from schemas.plans import ServingPlan
from tasks.door import Admitted
from tasks.journal import Group
from tasks.scoring import Outputs

__all__ = ["Mirror", "Mirrored", "quick_sklearn"]

_GATHERS = 0.005  # seconds: nobody waits for a shadow score, and many rows cost little more than one
_AT_ONCE = 512


@dataclass(frozen=True)
class Mirrored:
    """Rows that somebody else answered, for the model beside to score as well."""

    serving: Serving
    side: str  # whose outputs these become: champion or rival
    admitted: Admitted
    rows: np.ndarray
    ids: list[tuple[int, int]]  # request and position of each

    @property
    def size(self) -> int:
        """Rows that it keeps busy with: all, where checks run beside the answer."""
        return len(self.admitted.numbers) if self.serving.door.listed else len(self.rows)

    def fits(self, other: "Mirrored") -> bool:
        """Can the two be scored as one?"""
        same = self.serving is other.serving and self.side == other.side
        return same and self.admitted.fits(other.admitted)


class Mirror(threading.Thread):
    """Gathers rows for some milliseconds and scores them at once. What it cannot keep up with it drops, and counts."""

    def __init__(self, plan: ServingPlan, breaker: Breaker, signals: Signals, put: Callable[[Group], None]) -> None:
        super().__init__(name="mirror", daemon=True)
        self.plan, self.breaker, self.signals, self.put = plan, breaker, signals, put
        self.queue: SimpleQueue[Mirrored | None] = SimpleQueue()
        # Each is written by one thread alone, the worker and this one: their difference needs no lock.
        self._rows_in = self._rows_out = 0

    @property
    def waiting(self) -> int:
        return self._rows_in - self._rows_out

    def take(self, work: Mirrored) -> None:
        rows = work.size
        if self.waiting + rows > self.plan.shadow_rows_waiting:
            self.signals.dropped(work.side, rows)
            self.put(Group(counts=[("dropped", work.side, rows)]))
            return
        self._rows_in += rows
        self.queue.put(work)

    def run(self) -> None:
        with quick_sklearn():
            self._serve()

    def _serve(self) -> None:
        while (first := self.queue.get()) is not None:
            time.sleep(_GATHERS)
            works, ends = self._gathered(first)
            for several in _alike(works):
                try:
                    self._score(several)
                except Exception as error:
                    self.signals.failed(told(error))
                finally:
                    self._rows_out += sum(work.size for work in several)
            if ends:
                return

    def _gathered(self, first: Mirrored) -> tuple[list[Mirrored], bool]:
        works, rows = [first], first.size
        while rows < _AT_ONCE:
            try:
                work = self.queue.get_nowait()
            except Empty:
                break
            if work is None:
                return works, True
            works.append(work)
            rows += work.size
        return works, False

    def _score(self, works: list[Mirrored]) -> None:
        serving, side = works[0].serving, works[0].side
        scorer = serving.rival if side == "rival" else serving.champion
        if scorer is None:
            return
        admitted = Admitted.joined([work.admitted for work in works])
        starts = np.cumsum([0] + [len(work.admitted.numbers) for work in works[:-1]])
        rows = np.concatenate([work.rows + start for work, start in zip(works, starts, strict=True)])
        began = time.perf_counter()
        said = scorer(admitted, rows, serving.door)
        took = time.perf_counter() - began
        group = Group()
        ids = [one for work in works for one in work.ids]
        (group.rival if side == "rival" else group.champion).extend(_rows(said, ids))
        if side == "rival" and scorer.served == serving.route.challenger:
            self.breaker.saw_challenger(serving.route, said.errors, took, shadow=True)
        beside = serving.door.beside(admitted) if serving.door.listed else {}
        group.counts.extend(("beside", what, n) for what, n in beside.items())
        self.put(group)


def _alike(works: list[Mirrored]) -> list[list[Mirrored]]:
    """In order, those next to each other that can be scored as one."""
    parts: list[list[Mirrored]] = []
    for work in works:
        if parts and parts[-1][0].fits(work):
            parts[-1].append(work)
        else:
            parts.append([work])
    return parts


def _rows(said: Outputs, ids: list[tuple[int, int]]) -> list[tuple[Any, ...]]:
    """What the model beside said, a row, as the journal takes it in."""
    wide = said.score.ndim == 2
    scores = lists(said.score) if wide else [None] * len(ids)
    score = plain(said.score.max(axis=1) if wide else said.score)
    parts = zip(score, plain(said.decision), said.errors.tolist(), scores, ids, strict=True)
    return [(s, d, e, many, *where) for s, d, e, many, where in parts]


@contextmanager
def quick_sklearn() -> Iterator[None]:
    """Admitted rows are checked already, and a small batch is done before a second thread has woken up."""
    import sklearn
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1), sklearn.config_context(skip_parameter_validation=True):
        yield
