"""Limits for request bodies, which get a 413 before anything reads them."""

import re
from typing import Any, Final

from django.conf import settings
from django.http.request import HttpHeaders

from entries.images.ingest import MAX_UPLOAD_BYTES
from entries.public import errors

# Every URL that accepts a picture, a video or a sound recording.
IMAGE_UPLOADS: Final = re.compile(
    r"/admin/entries/(?:image/add|story/\d+/desk/"
    r"(?:pictures|pictures/add|entries/\d+/pictures))/"
)
# The file and other fields.
MAX_UPLOAD_BODY_BYTES: Final = (
    max(MAX_UPLOAD_BYTES, settings.MEDIA_MAX_MB << 20) + 1024 * 1024
)
MAX_DESK_BODY_BYTES: Final = 4 * 1024 * 1024  # Django limits form fields to 2 MB
MAX_BODY_BYTES: Final = 64 * 1024  # for other URLs, since readers send nothing


class BodyLimits:
    """ASGI middleware that rejects large bodies, counting those without a length."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond with 413, or pass the request on."""
        headers = dict(scope.get("headers", ()))
        if b"content-length" not in headers and b"transfer-encoding" not in headers:
            await self.app(scope, receive, send)
            return
        limit = _max_bytes(scope["path"])
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > limit:
            await _respond_413(scope, send)
        elif length:
            await self.app(scope, receive, send)
        else:
            await _CountedRequest(limit, receive, send).run(self.app, scope)


def _max_bytes(path: str) -> int:
    if IMAGE_UPLOADS.fullmatch(path):
        return MAX_UPLOAD_BODY_BYTES
    return MAX_DESK_BODY_BYTES if path.startswith("/admin/") else MAX_BODY_BYTES


class _CountedRequest:
    """A chunked request that is disconnected when it exceeds the limit."""

    def __init__(self, limit: int, receive: Any, send: Any) -> None:
        self.left = limit
        self._receive, self._send = receive, send
        self.responded = False

    async def run(self, app: Any, scope: Any) -> None:
        await app(scope, self.receive, self.send)
        if self.left < 0 and not self.responded:
            await _respond_413(scope, self._send)

    async def receive(self) -> Any:
        message = await self._receive()
        self.left -= len(message.get("body", b""))
        return message if self.left >= 0 else {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.responded = True
        await self._send(message)


async def _respond_413(scope: Any, send: Any) -> None:
    names = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"]]
    headers = HttpHeaders({f"HTTP_{k.upper().replace('-', '_')}": v for k, v in names})
    problem, content_type = errors.MESSAGES[413], b"text/html"
    extra = []
    if errors.from_desk(headers, scope["path"]):
        text, content_type = problem.translated().at_desk, b"text/plain"
        extra = [(errors.DESK_ANSWER.lower().encode(), b"yes")]
    else:
        text = errors.error_page(problem, 413, scope["path"])
    body = text.encode()
    start = {
        "type": "http.response.start",
        "status": 413,
        "headers": [
            (b"content-type", content_type + b"; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            (b"content-security-policy", b"default-src 'self'"),
            *extra,
        ],
    }
    await send(start)
    await send({"type": "http.response.body", "body": body})
