"""How much may a client send, and how is it told that it was too much? Headers and bodies have limits."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from schemas.errors import PerennialError

__all__ = ["LimitedProtocol", "RefusedError", "read_whole"]

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
