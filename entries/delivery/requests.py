"""What requests ask for: addresses whose answers may be kept, in one canonical form."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from entries.delivery.changes import Cursor

Scope = dict[str, Any]
Heads = dict[bytes, bytes]
Key = tuple[bytes, str, str]  # scheme, path, query

WAYS = 5000  # to ask for something, that are known
_SLUG = "[-a-zA-Z0-9_]+"
# What may be kept: path (its slug named, empty for what shows the whole site), and
# the parameters that mean something.
ADDRESSES = (
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
NUMBERS = {"before", "from", "rail"}
ONLY = {"order": "oldest", "single": "1"}  # the one value that means something
# A kept answer depends on none of these.
_LEFT_OUT = {b"cookie", b"if-none-match", b"if-modified-since", b"accept-encoding"}


@dataclass(frozen=True)
class Asked:
    """What a request asks for, in its one canonical form."""

    slug: str
    key: Key

    def of(self, scope: Scope) -> Scope:
        """Return a request's scope with nothing in it that its answer may not know."""
        headers = [pair for pair in scope["headers"] if pair[0] not in _LEFT_OUT]
        query = self.key[2].encode()
        return {**scope, "method": "GET", "query_string": query, "headers": headers}


class Requests:
    """What requests ask for; read once for each way to ask."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, bytes, bytes, bytes], Asked | None] = {}

    def asked(self, scope: Scope, heads: Heads) -> Asked | None:
        """Return what a request asks for, if its answer may be kept."""
        if scope["method"] not in ("GET", "HEAD") or b"range" in heads:
            return None
        origin = heads.get(b"x-forwarded-proto") or scope["scheme"].encode()
        raw = (scope["path"], scope["query_string"], heads.get(b"host", b""), origin)
        try:
            return self._read[raw]
        except KeyError:
            found = _canonical(*raw)
        if sum(map(len, raw)) < 400:
            if len(self._read) >= WAYS:
                self._read.clear()
            self._read[raw] = found
        return found


def _canonical(path: str, query: bytes, host: bytes, origin: bytes) -> Asked | None:
    """Return the one form of all requests that get the same bytes."""
    # Whatever allowed host and port is asked for, the answer is the same. Django
    # refuses the others, and knows what else may stand for https.
    name, _ = split_domain_port(host.decode("latin-1"))
    if not validate_host(name, settings.ALLOWED_HOSTS):
        return None
    if origin not in (b"http", b"https"):
        return None
    matches = ((address.fullmatch(path), names) for address, names in ADDRESSES)
    found, names = next((pair for pair in matches if pair[0]), (None, ()))
    if found is None:
        return None
    given = parse_qs(query.decode("latin-1"))
    if "after" in names and Cursor.parse(given.get("after", [""])[0]) is None:
        return None  # nobody fills the memory with what is no place
    if "at" in given:
        return None  # leads to the page that shows an update now
    values = [(name, _meant(name, given[name][0])) for name in names if name in given]
    wanted = urlencode([(name, value) for name, value in values if value])
    return Asked(found["slug"], (origin, path, wanted))


def _meant(name: str, value: str) -> str:
    """Return a parameter's value in its one form; empty where it says nothing."""
    if name in ONLY:
        return value if value == ONLY[name] else ""
    digits = name in NUMBERS and value.isascii() and value.isdigit()
    return value.lstrip("0") if digits else value
