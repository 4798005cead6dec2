"""What does a gateway answer to an HTTP request? One small ASGI application; the hot path touches no framework."""

import asyncio
import hmac
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from importlib.metadata import version as installed
from typing import Any

from deployments.gateway import page
from deployments.gateway.follower import Follower
from deployments.gateway.http import (
    ENCODE,
    JSON,
    RefusedError,
    Response,
    about,
    failure,
    read_whole,
    refusal,
)
from deployments.gateway.openapi import describe, model_metadata
from deployments.gateway.protocol import (
    Asked,
    MalformedError,
    csv_invocation,
    infer_answer,
    inference,
    invocation,
    labels_of,
    scoring_answer,
)
from deployments.gateway.reply import Reply
from deployments.gateway.signals import Signals
from deployments.gateway.worker import Ask, Worker
from schemas.errors import told
from schemas.problem import Problem
from tasks import labels

__all__ = ["Access", "App"]

_TEXT, _HTML = b"text/plain; charset=utf-8", b"text/html; charset=utf-8"
_ID = re.compile(r"[\x21-\x7e]{1,200}")
_CSV = b"text/csv"
_BODY_SECONDS = 30.0
_OPEN = ("/ping", "/health", "/version", "/v2", "/v2/health/live", "/v2/health/ready", "/openapi.json")


@dataclass(frozen=True)
class Access:
    """Who may come in: the token, if one is configured, and whether only this machine can reach us."""

    token: str | None
    loopback: bool


class App:
    """The ASGI application of one problem's gateway."""

    def __init__(self, problem: Problem, worker: Worker, follower: Follower, signals: Signals, access: Access) -> None:
        self.problem, self.worker, self.follower, self.signals, self.access = problem, worker, follower, signals, access
        self._at_most, self._columns = problem.serving.request_rows, 2 * len(problem.contract.columns)
        name = f"/v2/models/{problem.name}"
        self._get: dict[str, Callable[[], Awaitable[tuple[int, bytes, bytes]] | tuple[int, bytes, bytes]]] = {
            "/": self._page,
            "/ping": self._alive,
            "/health": self._alive,
            "/version": lambda: (200, installed("mlflow").encode(), _TEXT),
            "/metrics": self._metrics,
            "/openapi.json": lambda: (200, ENCODE(describe(problem, follower.door)), JSON),
            "/v2": lambda: (
                200,
                ENCODE({"name": "perennial", "version": installed("perennial"), "extensions": []}),
                JSON,
            ),
            "/v2/health/live": lambda: (200, b'{"live":true}', JSON),
            "/v2/health/ready": self._ready,
            name: self._metadata,
            f"{name}/ready": self._ready,
        }
        self._post: dict[str, Callable[[dict[bytes, bytes], bytes], Awaitable[Response]]] = {
            "/invocations": self._invocations,
            f"{name}/infer": self._infer,
            "/labels": self._labels,
        }

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        try:
            answer = await self._answer(scope, receive)
        except RefusedError as error:
            answer = failure(error.status, str(error), error.headers)
        except MalformedError as error:
            answer = failure(error.status, str(error))
        except Exception as error:  # a defect of ours: said in the log, and not to the client
            given = dict(scope["headers"]).get(b"x-request-id", b"")
            self.signals.failed(told(error), given.decode("latin-1")[:200])
            answer = failure(500, "the gateway itself failed on this request; its log says how.")
        self.signals.answered(answer.status)
        headers = [(b"content-type", answer.kind), (b"content-length", b"%d" % len(answer.body)), *answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    async def _answer(self, scope: dict[str, Any], receive: Any) -> Response:
        path, method = scope["path"], scope["method"]
        post = self._post.get(path)
        if post is not None and method == "POST":
            headers = dict(scope["headers"])
            self._admit(path, headers)
            return await post(headers, await self._body(headers, receive, csv=path == "/invocations"))
        get = self._get.get(path)
        if get is not None and method in ("GET", "HEAD"):
            self._admit(path, dict(scope["headers"]))
            said = get()
            status, body, kind = await said if asyncio.iscoroutine(said) else said  # type: ignore[misc]
            return Response(status, body, kind)
        if post is None and get is None:
            known = ", ".join(sorted([*self._get, *self._post]))
            return failure(404, f"there is nothing at this path; there is {known}.")
        allowed = "POST" if post is not None else "GET, HEAD"
        return failure(405, f"this path takes {allowed}.", [(b"allow", allowed.encode())])

    def _admit(self, path: str, headers: dict[bytes, bytes]) -> None:
        """Who may ask: with a token configured its bearer, elsewhere anybody, and operators' paths on loopback alone."""
        if path in _OPEN:
            return
        token = self.access.token
        if token is None:
            if path in ("/labels", "/", "/metrics") and not self.access.loopback:
                says = "without a token this path answers on loopback only; set PERENNIAL_GATEWAY_TOKEN."
                raise RefusedError(403, says, close=True)
            return
        if path == "/" and self.access.loopback:
            return
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(given.strip(), token.encode()):
            asks = (b"www-authenticate", b'Bearer realm="perennial"')
            raise RefusedError(401, "this gateway asks for its bearer token.", asks, close=True)

    async def _body(self, headers: dict[bytes, bytes], receive: Any, *, csv: bool) -> bytes:
        limit = self.problem.serving.request_bytes
        kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        if kind != JSON and not (kind == _CSV and csv):
            raise RefusedError(415, "send application/json, and say so in content-type.", close=True)
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise RefusedError(415, "a compressed body is not read; send it plain.", close=True)
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > limit:
            raise RefusedError(413, f"a request has at most {limit} bytes; send fewer rows at a time.", close=True)
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await read_whole(receive, limit)
        except TimeoutError:
            says = f"the body did not arrive within {_BODY_SECONDS:.0f} s."
            raise RefusedError(408, says, close=True) from None
        # PostgreSQL keeps no such text, and one row must not fail the others that are written with it.
        if b"\\u0000" in body or b"\x00" in body:
            raise RefusedError(400, "the request holds the character U+0000, which no column takes.")
        return body

    async def _invocations(self, headers: dict[bytes, bytes], body: bytes) -> Response:
        if headers.get(b"content-type", b"").lower().startswith(_CSV):
            asked = csv_invocation(body, self.follower.door.columns, self._at_most)
        else:
            asked = invocation(body, self._features(), self._at_most)
        reply, number = await self._asked(headers, body, asked)
        if reply.status != 200:
            return refusal(reply, number)
        mixed = reply.roles if len(set(reply.roles)) > 1 else None
        return Response(200, scoring_answer(reply.predictions, reply.decisions, mixed), JSON, about(reply, number))

    async def _infer(self, headers: dict[bytes, bytes], body: bytes) -> Response:
        reply, number = await self._asked(headers, body, inference(body, self._features(), self._at_most))
        if reply.status != 200:
            return refusal(reply, number)
        said = infer_answer(self.problem.name, reply.version, number, reply.predictions, reply.decisions)
        return Response(200, said, JSON, about(reply, number))

    async def _asked(self, headers: dict[bytes, bytes], body: bytes, asked: Asked) -> tuple[Reply, str]:
        """Queue a request, and wait until its answer is written down."""
        if len(asked.columns) > self._columns:
            raise RefusedError(413, f"a request names at most {self._columns} columns here.")
        client_id = _client_id(headers, asked.id)
        arm = self._arm(headers)
        payload = blake2b(body, digest_size=16).hexdigest() if client_id else ""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        ask = Ask(asked.columns, asked.rows, future, time.perf_counter(), client_id, payload, arm)
        if not self.worker.submit(ask):
            raise RefusedError(503, "too many rows wait already; ask again in a second.")
        reply = await future
        return reply, client_id or f"{reply.request:016x}"

    def _arm(self, headers: dict[bytes, bytes]) -> str:
        """An operator's override. Such rows are logged as OVERRIDE, and are no evidence."""
        arm = headers.get(b"x-perennial-arm")
        if arm is None:
            return ""
        if self.access.token is None:
            raise RefusedError(403, "x-perennial-arm needs a gateway with a token; set PERENNIAL_GATEWAY_TOKEN.")
        if arm not in (b"champion", b"challenger"):
            raise RefusedError(400, "x-perennial-arm is champion or challenger.")
        return arm.decode()

    async def _labels(self, _headers: dict[bytes, bytes], body: bytes) -> Response:
        given = labels_of(body, self.problem.serving.request_rows)
        try:
            arrived = await asyncio.to_thread(labels.take_in, self.problem, given, now=datetime.now(UTC))
        except labels.LabelError as error:
            return failure(422, str(error))
        except Exception as error:
            self.signals.log_away(f"labels cannot be written ({told(error)})")
            return failure(503, "the labels cannot be written now; nothing of this request was. Send it again.")
        for kind in ("new", "repeated", "revised", "orphans"):
            self.signals.labels.labels(kind).inc(getattr(arrived, kind))
        return Response(200, ENCODE(arrived), JSON)

    def _features(self) -> tuple[str, ...]:
        serving = self.worker.serving
        return (serving.champion.features if serving else ()) or self.problem.recipe.features

    def _alive(self) -> tuple[int, bytes, bytes]:
        return (200, b"\n", JSON) if self.worker.serving else (404, b"\n", JSON)

    def _ready(self) -> tuple[int, bytes, bytes]:
        ready = self.worker.serving is not None
        return 200 if ready else 503, ENCODE({"ready": ready, "name": self.problem.name}), JSON

    def _metadata(self) -> tuple[int, bytes, bytes]:
        serving = self.worker.serving
        if serving is None:
            return 503, ENCODE({"error": "no model is loaded yet"}), JSON
        return 200, ENCODE(model_metadata(self.problem, serving)), JSON

    def _metrics(self) -> tuple[int, bytes, bytes]:
        self.signals.queue.set(self.worker.rows_waiting)
        self.signals.shadow_queue.set(self.worker.mirror.waiting)
        self.signals.spilled.set(len(self.worker.spill.files()))
        return 200, self.signals.text(), b"text/plain; version=0.0.4; charset=utf-8"

    async def _page(self) -> tuple[int, bytes, bytes]:
        html = await asyncio.to_thread(page.render, self.problem, self.worker, self.follower, self.signals)
        return 200, html.encode(), _HTML

    async def _lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.follower.stop()
        await asyncio.to_thread(self.worker.stop)
        await send({"type": "lifespan.shutdown.complete"})


def _client_id(headers: dict[bytes, bytes], in_body: str | None) -> str:
    given = headers.get(b"x-request-id")
    if given is None and in_body is None:
        return ""
    text = given.decode("latin-1") if given is not None else str(in_body)
    if not _ID.fullmatch(text):
        raise RefusedError(400, "a request id has 1 to 200 printable characters without spaces.")
    return text
