"""What requests ask for: addresses whose answers may be kept, in one canonical form."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from entries.delivery.changes import Cursor

Scope = dict[str, Any]
RequestHeaders = dict[bytes, bytes]
CacheKey = tuple[bytes, str, str]  # scheme, path, query

MAX_REQUESTS = 5000  # to ask for something, that are known
_SLUG = "[-a-zA-Z0-9_]+"
# What may be kept: path (its slug named, empty for what shows the whole site), and
# the parameters that mean something.
CACHEABLE_URLS = (
    (re.compile(rf"/stories/(?P<slug>{_SLUG})/"), ("order", "before", "from")),
    (re.compile(rf"/stories/(?P<slug>{_SLUG})/changes"), ("after", "rail", "single")),
    (
        re.compile(rf"/stories/(?P<slug>{_SLUG})/updates/[1-9]\d{{,17}}/(?:history/)?"),
        (),
    ),
    (re.compile(rf"/stories/(?P<slug>{_SLUG})/feed/"), ()),
    (re.compile(rf"/stories/(?P<slug>{_SLUG})\.json"), ()),
    (re.compile(rf"(?P<slug>)/series/{_SLUG}/"), ("before",)),
    (re.compile(rf"(?P<slug>)/series/{_SLUG}/feed/"), ()),
    (re.compile(r"(?P<slug>)/"), ("from",)),
    (re.compile(r"(?P<slug>)/(?:feed/|sitemap\.xml)"), ()),
)
NUMERIC_PARAMETERS = {"before", "from", "rail"}
ONLY_VALUES = {"order": "oldest", "single": "1"}  # the one value that means something
# A kept answer depends on none of these.
_LEFT_OUT = {b"cookie", b"if-none-match", b"if-modified-since", b"accept-encoding"}


@dataclass(frozen=True)
class CacheableRequest:
    """What a request asks for, in its one canonical form."""

    slug: str
    key: CacheKey

    def anonymous_scope(self, scope: Scope) -> Scope:
        """Return a request's scope with nothing in it that its answer may not know."""
        headers = [pair for pair in scope["headers"] if pair[0] not in _LEFT_OUT]
        query = self.key[2].encode()
        return {**scope, "method": "GET", "query_string": query, "headers": headers}


class CacheKeys:
    """What requests ask for; read once for each way to ask."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, bytes, bytes, bytes], CacheableRequest | None] = {}

    def find(self, scope: Scope, headers: RequestHeaders) -> CacheableRequest | None:
        """Return what a request asks for, if its answer may be kept."""
        if scope["method"] not in ("GET", "HEAD") or b"range" in headers:
            return None
        origin = headers.get(b"x-forwarded-proto") or scope["scheme"].encode()
        raw = (scope["path"], scope["query_string"], headers.get(b"host", b""), origin)
        try:
            return self._found[raw]
        except KeyError:
            found = _canonical(*raw)
        if sum(map(len, raw)) < 400:
            if len(self._found) >= MAX_REQUESTS:
                self._found.clear()
            self._found[raw] = found
        return found


def _canonical(
    path: str, query: bytes, host: bytes, origin: bytes
) -> CacheableRequest | None:
    """Return the one form of all requests that get the same bytes."""
    # Whatever allowed host and port is asked for, the answer is the same. Django
    # refuses the others, and knows what else may stand for https.
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
        return None  # nobody fills the memory with what is no place
    if "at" in given:
        return None  # leads to the page that shows an update now
    values = [
        (name, _canonical_value(name, given[name][0]))
        for name in names
        if name in given
    ]
    wanted = urlencode([(name, value) for name, value in values if value])
    return CacheableRequest(found["slug"], (origin, path, wanted))


def _canonical_value(name: str, value: str) -> str:
    """Return a parameter's value in its one form; empty where it says nothing."""
    if name in ONLY_VALUES:
        return value if value == ONLY_VALUES[name] else ""
    digits = name in NUMERIC_PARAMETERS and value.isascii() and value.isdigit()
    return value.lstrip("0") if digits else value
