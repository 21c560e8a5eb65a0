"""The byte door: finished answers of public pages, before Django is entered.

An answer of the full Django stack is kept with the numbers it was made at, and
given again, the same bytes for everyone, for as long as the hub knows that those
numbers stand. When it cannot know, and for whatever is not in the list, the
request passes on.
"""

import asyncio
import gzip
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode

import brotli
from django.db import Error

from entries.delivery import log
from entries.delivery.hub import Hub
from entries.delivery.log import Cursor

Scope = dict[str, Any]
App = Callable[..., Awaitable[None]]
Key = tuple[bytes, bytes, str, str]
Made = tuple[str, int, int]  # epoch, the story's number, the site's
Headers = list[tuple[bytes, bytes]]

BYTES = 64 * 1024 * 1024  # of answers kept in memory
LARGEST = 2 * 1024 * 1024  # bytes of one answer
WATCHED = 1000  # stories whose numbers are known
_SLUG = "[-a-zA-Z0-9_]+"
# What may be kept: path (its slug named, empty for what shows the whole site), and
# the parameters that mean something.
ADDRESSES = (
    (re.compile(rf"/stories/(?P<slug>{_SLUG})/"), ("order", "before", "from")),
    (re.compile(rf"/stories/(?P<slug>{_SLUG})/changes"), ("after", "rail")),
    (re.compile(rf"/stories/(?P<slug>{_SLUG})/updates/\d{{1,18}}/(?:history/)?"), ()),
    (re.compile(rf"/stories/(?P<slug>{_SLUG})/feed/"), ()),
    (re.compile(rf"/stories/(?P<slug>{_SLUG})\.json"), ()),
    (re.compile(rf"(?P<slug>)/series/{_SLUG}/(?:feed/)?"), ()),
    (re.compile(r"(?P<slug>)/(?:feed/|sitemap\.xml)?"), ()),
)
# A kept answer depends on none of these.
_LEFT_OUT = {b"cookie", b"if-none-match", b"if-modified-since", b"accept-encoding"}
_KEPT_FOR_304 = {b"etag", b"cache-control", b"vary", b"live-cursor", b"live-state"}


@dataclass(frozen=True)
class Asked:
    """A request for an answer that may be kept."""

    slug: str
    key: Key
    scope: Scope


@dataclass(frozen=True)
class Answer:
    """A finished answer: its body in every coding, and what it was made at."""

    numbers: Made
    headers: Headers
    etag: bytes
    bodies: dict[bytes, bytes]

    @property
    def size(self) -> int:
        """Return the bytes that it takes."""
        return sum(map(len, self.bodies.values())) + 1024


def _header(scope: Scope, name: bytes) -> bytes:
    return next((bytes(value) for key, value in scope["headers"] if key == name), b"")


def asked(scope: Scope) -> Asked | None:
    """Return what a request asks for in its one canonical form, if it may be kept."""
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        return None
    if _header(scope, b"range"):
        return None
    for path, names in ADDRESSES:
        if found := path.fullmatch(scope["path"]):
            return _canonical(scope, found["slug"], names)
    return None


def _canonical(scope: Scope, slug: str, names: tuple[str, ...]) -> Asked | None:
    given = parse_qs(scope["query_string"].decode("latin-1"))
    if "after" in names and Cursor.parse(given.get("after", [""])[0]) is None:
        return None  # nobody fills the memory with what is no place
    query = urlencode([(name, given[name][0]) for name in names if name in given])
    headers = [pair for pair in scope["headers"] if pair[0] not in _LEFT_OUT]
    plain = {
        **scope,
        "method": "GET",
        "query_string": query.encode(),
        "headers": headers,
    }
    origin = _header(scope, b"x-forwarded-proto") or scope["scheme"].encode()
    key = (origin, _header(scope, b"host"), scope["path"], query)
    return Asked(slug, key, plain)


class Numbers:
    """What the rows say of stories, asked again only when something was committed."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._stamp: tuple[int, int] | None = None
        self._slugs: OrderedDict[str, None] = OrderedDict()
        self._known: dict[str, Made] = {}
        self._reading: asyncio.Future[None] | None = None

    async def of(self, slug: str) -> Made | None:
        """Return a public story's numbers as they are now; None for any other."""
        if slug not in self._slugs:
            self._slugs[slug] = None
            self._stamp = None
            if len(self._slugs) > WATCHED:
                self._slugs.popitem(last=False)
        while (stamp := self.hub.watcher.stamp()) is not None:
            if stamp == self._stamp:
                return self._known.get(slug)
            if not await self._read_again():
                break
        return None

    async def _read_again(self) -> bool:
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._read())
        reading = self._reading
        try:
            await asyncio.shield(reading)
        except Error:
            return False
        finally:
            if self._reading is reading:
                self._reading = None
        return True

    async def _read(self) -> None:
        stamp, slugs = self.hub.watcher.stamp(), list(self._slugs)
        epoch, site_seq, found = await self.hub.read(log.numbers_of, slugs)
        self._known = {slug: (epoch, seq, site_seq) for slug, seq in found.items()}
        if slugs == list(self._slugs):
            self._stamp = stamp


class Door:
    """Answers by address, the least used forgotten first."""

    def __init__(self, hub: Hub, app: App) -> None:
        self.app = app
        self.numbers = Numbers(hub)
        self.size = 0
        self._answers: OrderedDict[Key, Answer] = OrderedDict()
        self._making: dict[Key, asyncio.Future[Answer | None]] = {}

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer from what is kept, or pass on."""
        wanted = asked(scope)
        numbers = await self.numbers.of(wanted.slug) if wanted else None
        if wanted is None or numbers is None:
            return await self.app(scope, receive, send)
        answer = self._answers.get(wanted.key)
        if answer is None or answer.numbers != numbers:
            answer = await self._made(wanted, numbers)
        else:
            self._answers.move_to_end(wanted.key)
        if answer is None:
            return await self.app(scope, receive, send)
        await _give(answer, scope, send)
        return None

    async def _made(self, wanted: Asked, numbers: Made) -> Answer | None:
        """Have an answer made, once for all who ask for it meanwhile."""
        job = self._making.get(wanted.key)
        if job is None:
            job = asyncio.ensure_future(self._make(wanted, numbers))
            self._making[wanted.key] = job
            job.add_done_callback(lambda _: self._making.pop(wanted.key, None))
        answer = await asyncio.shield(job)
        # One that was begun before the last change is not for those who came after.
        return answer if answer and answer.numbers == numbers else None

    async def _make(self, wanted: Asked, numbers: Made) -> Answer | None:
        start: dict[str, Any] = {}
        body = bytearray()
        requests = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> dict[str, Any]:
            # After its request this client never goes away: others wait for it too.
            return requests.pop() if requests else await asyncio.Future()

        async def send(part: dict[str, Any]) -> None:
            if part["type"] == "http.response.start":
                start.update(part)
            else:
                body.extend(part.get("body", b""))

        await self.app(wanted.scope, receive, send)
        headers = [(name.lower(), value) for name, value in start["headers"]]
        names = dict(headers)
        if start["status"] != 200 or b"set-cookie" in names or b"etag" not in names:
            return None
        if len(body) > LARGEST or b"cookie" in names.get(b"vary", b"").lower():
            return None
        bodies = await asyncio.to_thread(_coded, bytes(body))
        headers = [pair for pair in headers if pair[0] != b"content-length"]
        headers.append((b"vary", b"Accept-Encoding"))
        answer = Answer(numbers, headers, names[b"etag"], bodies)
        self._keep(wanted.key, answer)
        return answer

    def _keep(self, key: Key, answer: Answer) -> None:
        if key in self._answers:
            self.size -= self._answers.pop(key).size
        self._answers[key] = answer
        self.size += answer.size
        while self.size > BYTES:
            _, oldest = self._answers.popitem(last=False)
            self.size -= oldest.size


def _coded(body: bytes) -> dict[bytes, bytes]:
    """Return the body plain and compressed, where that makes it smaller."""
    bodies = {b"": body}
    if len(body) > 500:
        bodies[b"br"] = brotli.compress(body, quality=5)
        bodies[b"gzip"] = gzip.compress(body, 6, mtime=0)
    return bodies


async def _give(answer: Answer, scope: Scope, send: Any) -> None:
    if _matches(_header(scope, b"if-none-match"), answer.etag):
        headers = [pair for pair in answer.headers if pair[0] in _KEPT_FOR_304]
        status, body = 304, b""
    else:
        coding = _coding(_header(scope, b"accept-encoding"), answer)
        body = answer.bodies[coding]
        headers = [*answer.headers, (b"content-length", b"%d" % len(body))]
        if coding:
            headers.append((b"content-encoding", coding))
        status = 200
    await send({"type": "http.response.start", "status": status, "headers": headers})
    plain = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.body", "body": plain})


def _coding(accepted: bytes, answer: Answer) -> bytes:
    words = [part.strip().lower() for part in accepted.split(b",")]
    for coding in (b"br", b"gzip"):
        if coding in words and coding in answer.bodies:
            return coding
    return b""


def _matches(given: bytes, etag: bytes) -> bool:
    """Compare weakly, as If-None-Match is compared (RFC 9110, 13.1.2)."""
    if not given:
        return False
    tags = {tag.strip().removeprefix(b"W/") for tag in given.split(b",")}
    return etag.removeprefix(b"W/") in tags or b"*" in tags
