"""Bodies that are too large are refused before anything reads them."""

import re
from typing import Any, Final

from django.http.request import HttpHeaders

from entries.images.ingest import MAX_UPLOAD_BYTES
from entries.public import errors

# Every address that takes a picture file.
IMAGE_UPLOADS: Final = re.compile(
    r"/admin/entries/(?:image/add|story/\d+/desk/"
    r"(?:pictures|pictures/add|entries/\d+/pictures))/"
)
MAX_IMAGE_BODY_BYTES: Final = (
    MAX_UPLOAD_BYTES + 1024 * 1024
)  # bytes: the file, and the form around it
MAX_DESK_BODY_BYTES: Final = 4 * 1024 * 1024  # Django refuses 2 MB of fields
MAX_BODY_BYTES: Final = 64 * 1024  # readers send nothing


class BodyLimits:
    """ASGI: pass on what is small enough, and count what does not say its size."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer 413, or pass on."""
        heads = dict(scope.get("headers", ()))
        if b"content-length" not in heads and b"transfer-encoding" not in heads:
            await self.app(scope, receive, send)
            return
        most = _max_bytes(scope["path"])
        given = heads.get(b"content-length", b"")
        if given.isdigit() and int(given) > most:
            await _refuse(scope, send)
        elif given:
            await self.app(scope, receive, send)
        else:
            await _Counted(most, receive, send).run(self.app, scope)


def _max_bytes(path: str) -> int:
    """Return how many bytes may be sent to an address."""
    if IMAGE_UPLOADS.fullmatch(path):
        return MAX_IMAGE_BODY_BYTES
    return MAX_DESK_BODY_BYTES if path.startswith("/admin/") else MAX_BODY_BYTES


class _Counted:
    """A request that is read until it has grown too large."""

    def __init__(self, most: int, receive: Any, send: Any) -> None:
        self.left = most
        self._receive, self._send = receive, send
        self.answered = False

    async def run(self, app: Any, scope: Any) -> None:
        await app(scope, self.receive, self.send)
        if self.left < 0 and not self.answered:
            await _refuse(scope, self._send)

    async def receive(self) -> Any:
        message = await self._receive()
        self.left -= len(message.get("body", b""))
        return message if self.left >= 0 else {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.answered = True
        await self._send(message)


async def _refuse(scope: Any, send: Any) -> None:
    names = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"]]
    headers = HttpHeaders({f"HTTP_{k.upper().replace('-', '_')}": v for k, v in names})
    desk = errors.from_desk(headers, scope["path"])
    problem = errors.MESSAGES[413]
    body = (
        problem.at_desk if desk else errors.error_page(problem, 413, scope["path"])
    ).encode()
    kind = b"text/plain" if desk else b"text/html"
    answer = [
        (b"content-type", kind + b"; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"default-src 'self'"),
    ]
    if desk:
        answer.append((errors.DESK_ANSWER.lower().encode(), b"yes"))
    start = {"type": "http.response.start", "status": 413, "headers": answer}
    await send(start)
    await send({"type": "http.response.body", "body": body})
