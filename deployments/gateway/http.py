"""How much may a client send before it has said what it wants? Headers have a limit, which the parser itself does not."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["LimitedProtocol"]

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
