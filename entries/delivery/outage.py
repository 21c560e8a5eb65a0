"""What readers get while the database does not answer: a page of before, or a 503."""

import re
from typing import Any

Scope = dict[str, Any]
Message = dict[str, Any]

# Readers' addresses that are made from rows. The desk answers for itself: it has a
# text to give back.
_FROM_ROWS = re.compile(
    r"/(?:stories/.*|series/.*|search/|feed/|(?:news-)?sitemap\.xml)?"
)
_UNCACHED = b"public, max-age=0, must-revalidate"


class DatabaseSilent(Exception):
    """The database does not answer."""


class ServiceUnavailable(Exception):
    """A page could not be made, which is not the page's own fault."""


def needs_database(scope: Scope) -> bool:
    """Return whether a reader asks for something that is made from rows."""
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        return False
    return _FROM_ROWS.fullmatch(scope["path"]) is not None


def stale_start(start: Message, seconds: float) -> Message:
    """Return the start of a stale answer: its age, and no leave to cache it further."""
    headers = [pair for pair in start["headers"] if pair[0] != b"cache-control"]
    headers += [(b"cache-control", _UNCACHED), (b"age", b"%d" % seconds)]
    return {**start, "headers": headers}


async def respond_503(scope: Scope, send: Any, page: bytes) -> None:
    """Answer 503 at once, with the page that Django would give."""
    body = b"" if scope["method"] == "HEAD" else page
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", b"%d" % len(page)),
        (b"cache-control", b"no-store"),
        (b"retry-after", b"5"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"default-src 'self'"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
