"""How does a rollout look while it happens? A problem's own rows sent to its gateway as requests, its labels late, time compressed."""

import http.client
import json
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from deployments.demo import quiet
from deployments.timeline import Timeline
from flows.border import Done
from schemas.errors import PerennialError
from schemas.problem import Problem, load_problem
from schemas.settings import Settings
from tasks import ledger, windows
from tasks.elsewhere import settings_as

__all__ = ["run"]

_SENDERS = 16
_DAY = timedelta(days=1)
_PATIENCE = 60.0  # seconds that a gateway may be away before we give up on it


def run(name: str, *, rate: float, url: str, days: int | None = None) -> Done:
    """Send the rows of `name` to the gateway at `url`, `rate` a second, from where its ledger stands to the end of its table
    (or for `days`), and turn the crank whenever the compressed clock says so. Killed and started again, it goes on."""
    problem = load_problem(name)
    with settings_as(
        {"PERENNIAL_SERVING": "gateway"}
    ):  # our turns read the gateway's log, and score nothing themselves
        return _sent(problem, rate, url, days)


def _sent(problem: Problem, rate: float, url: str, days: int | None) -> Done:
    name = problem.name
    gateway = _Gateway(url, rate, name)
    gateway.greet()
    quiet()
    if not windows.available(problem) and problem.source.simulate is not None:
        print(f"simulating the table of {name} ...", flush=True)
        windows.materialise(problem, problem.source.simulate(Settings().seed))
    from flows.replay import next_turn, span

    first, last = windows.bounds(problem)
    start, end = span(problem, first, last)
    state = ledger.state_of(name)
    clock = max(state.scored or start, start)
    end = min(end, clock + days * _DAY) if days else end
    if clock >= end:
        raise PerennialError(
            f"the ledger of {name!r} stands at the end of its table, {end:%Y-%m-%d}: there is nothing left to send. "
            "Give both shells a fresh home: export PERENNIAL_HOME=.perennial/traffic"
        )
    timeline = Timeline(first, max((end - first).days, 1))
    seen, crank = state.sequence, _crank()
    while clock < end:
        due = next_turn(problem, ledger.state_of(name), start)
        if due <= clock:
            crank(name, clock)
            for row in ledger.rows(name, since=seen):
                seen = row.facts["sequence"]
                timeline.row(row)
            gateway.await_route()
            continue
        until = min(due, clock + _DAY, end)
        gateway.send(_bodies(problem, clock, until))
        gateway.label(_labels(problem, clock, until))
        clock = until
    timeline.close()
    print(f"\n{gateway.answered:,} requests answered, {gateway.refused:,} refused; make history PROBLEM={name}")
    return Done({"problem": name, "answered": gateway.answered, "refused": gateway.refused})


def _crank() -> Any:
    """A flow run on the Prefect server of PREFECT_API_URL, or the same turn in plain Python."""
    if os.environ.get("PREFECT_API_URL"):
        from flows.guard import watched
        from flows.lifecycle import lifecycle

        def by_the_flow(name: str, now: datetime) -> str:
            with watched():
                return str(lifecycle(name, now=now))

        return by_the_flow
    from flows.replay import plain_turn

    return plain_turn


def _bodies(problem: Problem, start: datetime, end: datetime) -> Iterator[tuple[str, bytes]]:
    """A request a row: what was known when it was asked, under an id that is the same when it is sent again."""
    rows = windows.read_requests(problem, start, end)
    columns = [name for name in problem.asked if name in rows]
    key = problem.framing.key
    for row in rows[columns].itertuples(index=False, name=None):
        given = {name: _json(value) for name, value in zip(columns, row, strict=True) if not _missing(value)}
        said = {"dataframe_records": [given]}
        yield f"{problem.name}-{given[key]}", json.dumps(said).encode()


def _labels(problem: Problem, start: datetime, end: datetime) -> list[dict[str, Any]]:
    rows = windows.read_labels(problem, start, end)
    return [
        {"key": str(key), "label": _json(label), "known_at": known_at.isoformat()}
        for key, label, known_at in zip(rows["key"], rows["label"], rows["known_at"], strict=True)
    ]


def _missing(value: Any) -> bool:
    return bool(pd.isna(value))


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value


class _Gateway:
    """The gateway as a client sees it: some connections, a pace, and patience while it is away."""

    def __init__(self, url: str, rate: float, name: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise PerennialError(f"{url!r} is no address of a gateway; give one such as http://127.0.0.1:8000")
        self.address, self.rate, self.name = (parts.hostname, parts.port or 80), rate, name
        self.answered = self.refused = 0
        self._threads = threading.local()
        self._lock = threading.Lock()
        token = Settings().gateway_token
        self._headers = {"content-type": "application/json"}
        self._headers |= {"authorization": f"Bearer {token.get_secret_value()}"} if token else {}

    def greet(self) -> None:
        """Is anybody there? Asked at once, before the table is made and the first turn taken."""
        if self._status("/ping") == 0:
            raise self._nobody()

    @property
    def waits_for_route(self) -> bool:
        return self._status("/ping") != 200

    def await_route(self) -> None:
        """The first turn has projected a route; the gateway takes some seconds to load it."""
        deadline = time.monotonic() + _PATIENCE
        while self.waits_for_route:
            if time.monotonic() > deadline:
                raise PerennialError(
                    f"the gateway at {self.address[0]}:{self.address[1]} has loaded no model; see its log."
                )
            time.sleep(0.5)

    def send(self, requests: Iterator[tuple[str, bytes]]) -> None:
        """All of them, no faster than the rate; returns when the last is answered."""
        began, sent = time.monotonic(), 0

        def paced() -> Iterator[tuple[str, bytes]]:
            nonlocal sent
            for one in requests:
                wait = began + sent / self.rate - time.monotonic()
                if wait > 0:
                    time.sleep(wait)
                sent += 1
                yield one

        source = paced()

        def sender() -> None:
            while True:
                with self._lock:
                    some = list(islice(source, 1))
                if not some:
                    return
                status = self._post("/invocations", some[0][1], {"x-request-id": some[0][0]})
                with self._lock:
                    self.answered += status == 200
                    self.refused += status != 200

        with ThreadPoolExecutor(_SENDERS) as pool:
            for done in [pool.submit(sender) for _ in range(_SENDERS)]:
                done.result()

    def label(self, labels: list[dict[str, Any]]) -> None:
        for i in range(0, len(labels), 1_000):
            status = self._post("/labels", json.dumps({"labels": labels[i : i + 1_000]}).encode(), {})
            if status != 200:
                raise PerennialError(f"the gateway answered {status} to labels; its log says why.")

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> int:
        """The status of the answer; while the gateway is away or busy the request is sent again."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                connection = self._connection()
                connection.request("POST", path, body, self._headers | headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 503:
                    return answer.status
            except (OSError, http.client.HTTPException):
                self._threads.connection = None
            if time.monotonic() > deadline:
                raise self._nobody()
            time.sleep(0.5)

    def _nobody(self) -> PerennialError:
        where = f"{self.address[0]}:{self.address[1]}"
        return PerennialError(
            f"no gateway answers at {where}. Start one in another shell: make serve PROBLEM={self.name}"
        )

    def _status(self, path: str) -> int:
        try:
            connection = self._connection()
            connection.request("GET", path, headers=self._headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            self._threads.connection = None
            return 0

    def _connection(self) -> http.client.HTTPConnection:
        if getattr(self._threads, "connection", None) is None:
            self._threads.connection = http.client.HTTPConnection(*self.address, timeout=30)
        connection: http.client.HTTPConnection = self._threads.connection
        return connection
