"""HTTP/1.1 with limits for requests, and with streams that own their connections.

uvicorn accepts heads of any size and waits for them forever, which is unsafe without a
proxy in front of the server. And its cost of an open response, an ASGI scope, a task
and a parser, is too high for thousands of streams.
"""

import asyncio
from types import SimpleNamespace
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MAX_HEAD_BYTES: Final = 32 * 1024  # request line and headers together, as in nginx
MAX_HEADERS: Final = 100
HEAD_TIMEOUT_SECONDS: Final = (
    20.0  # from a request's first byte until its head is complete
)
BODY_TIMEOUT_SECONDS: Final = 60.0  # between two chunks of a body


class Protocol(HttpToolsProtocol):
    """A connection that rejects large heads (431) and slow requests (408).

    Responses have no limit: no timer runs once a request is complete, so readers may be
    slow. A request for a story's stream ends the work of this class: a reader takes
    over the connection. `liveblog.asgi` adds `streams` to the state of the lifespan.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head = 0  # bytes of the head received so far
        self._in_head = True
        self._in_body = False
        self._too_large = False
        self._timer: asyncio.TimerHandle | None = None
        self._taken_over = False

    def connection_made(self, transport: Any) -> None:
        """Start the timer for the first request."""
        super().connection_made(transport)
        self._start_timer(HEAD_TIMEOUT_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse data, and reject a head that has become too large."""
        if self._in_head:
            if not self._head:
                self._stop_timer()  # the timer of a head starts at its first byte
            self._head += len(data)
        super().data_received(data)
        if self._taken_over or self.transport.is_closing():
            return
        if self._in_head and self._head > MAX_HEAD_BYTES:
            self._refuse(431)
        elif self._in_head:
            if self._head and self._timer is None:
                self._start_timer(HEAD_TIMEOUT_SECONDS)
        elif self._in_body:
            self._start_timer(BODY_TIMEOUT_SECONDS)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header. Trailers of a chunked body are limited like a head."""
        if self._in_body:
            self._head += len(name) + len(value)
            if self._head > MAX_HEAD_BYTES:
                self._too_large = True
                raise ValueError("the trailers of a request are too large")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start handling the request. Raises ValueError if its head is too large."""
        # The count may include the start of a body, and is 0 for a pipelined request.
        uncertain = not 0 < self._head <= MAX_HEAD_BYTES
        if len(self.headers) > MAX_HEADERS or (
            uncertain and self._size() > MAX_HEAD_BYTES
        ):
            self._too_large = True
            raise ValueError("the head of a request is too large")
        if self._taken_over:
            raise ValueError("a request follows that for a stream")
        self._in_head, self._in_body, self._head = False, True, 0
        self._stop_timer()
        method, streams = self.parser.get_method(), self.app_state.get("streams")
        is_idle = self.cycle is None or self.cycle.response_complete
        request = None
        if streams is not None and is_idle:
            request = streams.parse_request(method, self.url, self.headers)
        if streams is None or request is None:
            super().on_headers_complete()
            return
        self._taken_over = True
        # The parser's calls for the rest of the data at hand are ignored.
        self.cycle = SimpleNamespace(response_complete=True)  # type: ignore[assignment]
        self.connections.discard(self)
        streams.serve(
            request,
            self.transport,
            self.connections,
            self.server_state.default_headers,
            paused=self.flow.write_paused,
        )

    def _size(self) -> int:
        """Return the bytes of the request line and the headers."""
        sizes = (len(name) + len(value) + 4 for name, value in self.headers)
        return len(self.url) + sum(sizes)

    def on_message_complete(self) -> None:
        """Stop the timer until another request begins."""
        self._in_head, self._in_body, self._head = True, False, 0
        self._stop_timer()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Respond 431 to a large head, 400 to anything else that cannot be parsed."""
        if self._taken_over:
            return
        if self._too_large:
            self._refuse(431)
        else:
            super().send_400_response(msg)

    def _start_timer(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self._on_timeout, seconds)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timeout(self, seconds: float) -> None:
        self._timer = None
        if self._in_body and self.flow.read_paused:
            self._start_timer(seconds)  # the server is the slow side
        elif self._head or self._in_body:
            self._refuse(408)
        else:
            self.transport.close()  # no request has begun

    def _refuse(self, status: int) -> None:
        """Respond and close, or abort if another response is unfinished."""
        cycle = self.cycle
        if self._in_body:
            unanswered = not cycle.response_started
        else:
            unanswered = cycle is None or cycle.response_complete
        if unanswered:
            self.transport.write(
                STATUS_LINE[status] + b"connection: close\r\ncontent-length: 0\r\n\r\n"
            )
            self.transport.close()
        else:
            self.transport.abort()
