"""Responses while the database is unreachable: a stale page or a 503."""

import re
from typing import Any

from entries.delivery.asgi import AsgiMessage, Scope, response_start

# Public URLs that need the database. The desk's are not included: its own error pages
# return the text that the editor has typed.
_DATABASE_URLS = re.compile(
    r"/(?:stories/.*|series/.*|authors/.*|search/|feed/|(?:news-)?sitemap\.xml)?"
)
_UNCACHED = b"public, max-age=0, must-revalidate"


class DatabaseUnreachable(Exception):
    """The database did not answer in time."""


class ServiceUnavailable(Exception):
    """Django responded 503: too many requests, or the database has just failed."""


def needs_database(scope: Scope) -> bool:
    """Return whether a request is for a public page that needs the database."""
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        return False
    return _DATABASE_URLS.fullmatch(scope["path"]) is not None


def stale_start(start: AsgiMessage, seconds: float) -> AsgiMessage:
    """Add an Age to the start of a response, and make caches revalidate it."""
    headers = [pair for pair in start["headers"] if pair[0] != b"cache-control"]
    headers += [(b"cache-control", _UNCACHED), (b"age", b"%d" % seconds)]
    return {**start, "headers": headers}


async def respond_503(scope: Scope, send: Any, page: bytes) -> None:
    """Respond 503 without Django; `page` is the HTML that Django would send."""
    body = b"" if scope["method"] == "HEAD" else page
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", b"%d" % len(page)),
        (b"cache-control", b"no-store"),
        (b"retry-after", b"5"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"default-src 'self'"),
    ]
    await send(response_start(503, headers))
    await send({"type": "http.response.body", "body": body})
