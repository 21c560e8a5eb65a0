"""Types and responses of ASGI."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

Scope = dict[str, Any]
AsgiMessage = dict[str, Any]
Receive = Callable[[], Awaitable[AsgiMessage]]
Send = Callable[[AsgiMessage], Coroutine[Any, Any, None]]
Header = tuple[bytes, bytes]
Headers = Sequence[Header]


def response_start(status: int, headers: Headers) -> AsgiMessage:
    """Return the message that starts a response."""
    return {"type": "http.response.start", "status": status, "headers": headers}


async def respond_text(send: Send, status: int, text: str, *headers: Header) -> None:
    """Respond with a line of plain text, which must not be cached."""
    plain = (b"content-type", b"text/plain; charset=utf-8")
    await send(
        response_start(status, [plain, *headers, (b"cache-control", b"no-store")])
    )
    await send({"type": "http.response.body", "body": f"{text}\n".encode()})
