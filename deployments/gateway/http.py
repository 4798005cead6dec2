"""How much may a client send, and in which words is it answered? Headers and bodies have limits; errors have one form."""

from dataclasses import dataclass
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from deployments.gateway.reply import Reply
from schemas.errors import PerennialError

__all__ = [
    "ENCODE",
    "JSON",
    "LimitedProtocol",
    "RefusedError",
    "Response",
    "about",
    "failure",
    "read_whole",
    "refusal",
]

JSON = b"application/json"
ENCODE = msgspec.json.Encoder().encode
_SHOWN = 20  # breaches that one answer names

_HEADER_BYTES = 64 * 1024
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\ncontent-length: 45\r\n"
    b"connection: close\r\n\r\nthe headers of a request have at most 64 KiB."
)


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which closes on a client whose headers do not end."""

    _unread = 0  # bytes since a message began whose headers have not ended
    _in_headers = True

    def data_received(self, data: bytes) -> None:
        if self._in_headers:
            self._unread += len(data)
        super().data_received(data)
        if self._in_headers and self._unread > _HEADER_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> Any:
        self._in_headers, size = False, sum(len(name) + len(value) for name, value in self.headers)
        if size > _HEADER_BYTES:
            self.transport.write(_TOO_LARGE)
            self.transport.close()
            return None
        return super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_headers, self._unread = True, 0
        super().on_message_complete()


class RefusedError(PerennialError):
    """Refused with an HTTP status; where the body was not read whole, the connection cannot go on."""

    def __init__(self, status: int, says: str, *headers: tuple[bytes, bytes], close: bool = False) -> None:
        self.status = status
        self.headers = [*headers, *([(b"connection", b"close")] if close else [])]
        super().__init__(says)


async def read_whole(receive: Any, limit: int) -> bytes:
    """The body of a request, as it comes in parts; refused over `limit` bytes."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    parts, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RefusedError(400, "the request ended before its body did.", close=True)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            says = f"a request has at most {limit} bytes; send fewer rows at a time."
            raise RefusedError(413, says, close=True)
    return b"".join(parts)


@dataclass(slots=True)
class Response:
    """What goes back: a status, a body, and of which kind it is."""

    status: int
    body: bytes
    kind: bytes = JSON
    headers: "list[tuple[bytes, bytes]] | tuple[()]" = ()


def failure(status: int, says: str, headers: list[tuple[bytes, bytes]] | None = None) -> Response:
    """As MLflow's clients (error_code, message) and those of the Open Inference Protocol (error) read it."""
    code = {400: "BAD_REQUEST", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "ENDPOINT_NOT_FOUND"}.get(status)
    code = code or ("INTERNAL_ERROR" if status >= 500 else "INVALID_PARAMETER_VALUE")
    return Response(status, ENCODE({"error_code": code, "message": says, "error": says}), JSON, headers or [])


def refusal(reply: Reply, number: str) -> Response:
    """Which row broke which rule, by column and kind of value, and never a value."""
    headers = [(b"x-perennial-request-id", number.encode())] if reply.request else []
    if not reply.breaches:
        return failure(reply.status, reply.says, headers)
    first = reply.breaches[0]
    says = f"row {first.row}: {first.column} breaks {first.rule} (a value of kind {first.kind} was given)."
    said = {
        "error_code": "INVALID_PARAMETER_VALUE",
        "message": says,
        "error": says,
        "breaches": [
            {"row": b.row, "column": b.column, "rule": b.rule, "given": b.kind} for b in reply.breaches[:_SHOWN]
        ],
        "more": max(len(reply.breaches) - _SHOWN, 0),
    }
    return Response(reply.status, ENCODE(said), JSON, headers)


def about(reply: Reply, number: str) -> list[tuple[bytes, bytes]]:
    """The headers that say who answered which request."""
    roles = reply.roles
    role = roles[0] if len(roles) == 1 or len(set(roles)) == 1 else "mixed"
    said = [
        (b"x-perennial-request-id", number.encode()),
        (b"x-perennial-version", reply.version.encode()),
        (b"x-perennial-role", role.encode()),
        (b"x-perennial-epoch", b"%d" % reply.epoch),
    ]
    if reply.explored:  # which decisions were drawn, and are not what the score says
        rows = "all" if len(reply.explored) == len(roles) else ",".join(map(str, reply.explored))
        said.append((b"x-perennial-explored", rows.encode()))
    return said
