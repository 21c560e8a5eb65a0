"""Cache keys: which requests the page cache serves, and which share a response.

Requests with the same response have the same key, whatever else is in their URL, so
that nobody can fill the cache with copies of one page.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from entries.delivery.asgi import Scope
from entries.delivery.changes import Cursor
from entries.text.urls import OLD_URL_PARAMETERS

RequestHeaders = dict[bytes, bytes]
PageKey = tuple[bytes, str, str]  # scheme, path, canonical query string

MAX_REQUESTS = 5000  # raw requests whose key is cached
_MAX_CACHED_LENGTH = 400  # of a raw request, in characters
_SLUG = "[-a-zA-Z0-9_]+"
# The cacheable paths, each with the query parameters that its response depends on. The
# group `slug` is the story that it depends on, or empty for the whole site.
CACHEABLE_URLS = (
    (re.compile(rf"/stories/(?P<slug>{_SLUG})/"), ("order", "before", "from")),
    (re.compile(rf"/stories/(?P<slug>{_SLUG})/changes"), ("after", "rail", "single")),
    (
        re.compile(rf"/stories/(?P<slug>{_SLUG})/updates/[1-9]\d{{,17}}/(?:history/)?"),
        (),
    ),
    (re.compile(rf"/stories/(?P<slug>{_SLUG})/feed/"), ("before",)),
    (re.compile(rf"/stories/(?P<slug>{_SLUG})\.json"), ()),
    (re.compile(rf"(?P<slug>)/series/{_SLUG}/"), ("before",)),
    (re.compile(rf"(?P<slug>)/series/{_SLUG}/feed/"), ("before",)),
    (re.compile(rf"(?P<slug>)/authors/{_SLUG}/"), ("before",)),
    (re.compile(rf"(?P<slug>)/authors/{_SLUG}/feed/"), ("before",)),
    (re.compile(r"(?P<slug>)/"), ("from",)),
    (re.compile(r"(?P<slug>)/feed/"), ("before",)),
    (re.compile(r"(?P<slug>)/sitemap\.xml"), ()),
)
NUMERIC_PARAMETERS = {"before", "from", "rail"}
ONLY_VALUES = {"order": "oldest", "single": "1"}  # any other value means the default
# Removed from a request before its response is made, which must not depend on them.
_PRIVATE_HEADERS = {
    b"cookie",
    b"if-none-match",
    b"if-modified-since",
    b"accept-encoding",
}


@dataclass(frozen=True)
class CacheableRequest:
    """A request's cache key, and the slug of the story that its response depends on."""

    slug: str
    key: PageKey

    def anonymous_scope(self, scope: Scope) -> Scope:
        """Return a copy of a scope without anything that is not part of the key.

        `page_cache` tells Django that the response may be stored.
        """
        headers = [pair for pair in scope["headers"] if pair[0] not in _PRIVATE_HEADERS]
        own = {
            "method": "GET",
            "query_string": self.key[2].encode(),
            "headers": headers,
        }
        return {**scope, **own, "page_cache": True}


class CacheKeys:
    """Find the cache keys of requests, which are parsed once per raw request."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, bytes, bytes, bytes], CacheableRequest | None] = {}

    def find(self, scope: Scope, headers: RequestHeaders) -> CacheableRequest | None:
        """Return a request with its key, or None if it must not be cached."""
        if scope["method"] not in ("GET", "HEAD") or b"range" in headers:
            return None
        origin = headers.get(b"x-forwarded-proto") or scope["scheme"].encode()
        raw = (scope["path"], scope["query_string"], headers.get(b"host", b""), origin)
        try:
            return self._found[raw]
        except KeyError:
            found = _canonical(*raw)
        if sum(map(len, raw)) < _MAX_CACHED_LENGTH:
            if len(self._found) >= MAX_REQUESTS:
                self._found.clear()
            self._found[raw] = found
        return found


def _canonical(
    path: str, query: bytes, host: bytes, origin: bytes
) -> CacheableRequest | None:
    # The response is the same for every allowed host and port. Django rejects other
    # hosts, and handles other values of X-Forwarded-Proto.
    name, _ = split_domain_port(host.decode("latin-1"))
    if not validate_host(name, settings.ALLOWED_HOSTS):
        return None
    if origin not in (b"http", b"https"):
        return None
    matches = ((pattern.fullmatch(path), names) for pattern, names in CACHEABLE_URLS)
    found, names = next((pair for pair in matches if pair[0]), (None, ()))
    if found is None:
        return None
    given = parse_qs(query.decode("latin-1"))
    if "after" in names and Cursor.parse(given.get("after", [""])[0]) is None:
        return None  # so that malformed cursors cannot fill the cache
    if "at" in given:
        return None  # a redirect to the page that an update is on now
    if path == "/" and OLD_URL_PARAMETERS & given.keys():
        return None  # a redirect, if a former site had this URL
    values = [
        (name, _canonical_value(name, given[name][0]))
        for name in names
        if name in given
    ]
    wanted = urlencode([(name, value) for name, value in values if value])
    return CacheableRequest(found["slug"], (origin, path, wanted))


def _canonical_value(name: str, value: str) -> str:
    """Return the canonical form of a parameter's value, or "" for the default."""
    if name in ONLY_VALUES:
        return value if value == ONLY_VALUES[name] else ""
    digits = name in NUMERIC_PARAMETERS and value.isascii() and value.isdigit()
    return value.lstrip("0") if digits else value
