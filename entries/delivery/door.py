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
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlencode

import brotli
from django.conf import settings
from django.db import Error
from django.http.request import split_domain_port, validate_host

from entries.delivery import numbers
from entries.delivery.hub import Hub
from entries.delivery.log import Cursor
from entries.delivery.metrics import tally

Scope = dict[str, Any]
App = Callable[..., Awaitable[None]]
Key = tuple[bytes, str, str]  # scheme, path, query
Made = tuple[str, int, int]  # epoch, the story's number, the site's
Found = dict[str, Made | None]
Headers = list[tuple[bytes, bytes]]

BYTES = 64 * 1024 * 1024  # of answers kept in memory
LARGEST = 2 * 1024 * 1024  # bytes of one answer
WATCHED = 1000  # stories whose numbers are known
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
_LIVE = {b"live-cursor", b"live-latest", b"live-left", b"live-state"}
_KEPT_FOR_304 = {b"etag", b"cache-control", b"vary"} | _LIVE


Message = dict[str, Any]
Heads = dict[bytes, bytes]
_NOTHING: Message = {"type": "http.response.body", "body": b""}


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


@dataclass(frozen=True)
class Answer:
    """A finished answer, as messages in every coding, and what it was made at."""

    numbers: Made
    etag: bytes
    size: int
    whole: dict[bytes, tuple[Message, Message]]
    unchanged: Message

    @classmethod
    def of(
        cls, numbers: Made, headers: Headers, bodies: dict[bytes, bytes]
    ) -> "Answer":
        """Make the messages once; every request gets the same."""
        headers = [
            pair for pair in headers if pair[0] not in (b"content-length", b"vary")
        ]
        headers.append((b"vary", b"Accept-Encoding"))
        whole = {}
        for coding, body in bodies.items():
            more = [(b"content-length", b"%d" % len(body))]
            if coding:
                more.append((b"content-encoding", coding))
            whole[coding] = (
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": headers + more,
                },
                {"type": "http.response.body", "body": body},
            )
        few = [pair for pair in headers if pair[0] in _KEPT_FOR_304]
        unchanged = {"type": "http.response.start", "status": 304, "headers": few}
        size = sum(map(len, bodies.values())) + 2048
        return cls(numbers, dict(headers)[b"etag"], size, whole, unchanged)

    def parts(self, heads: Heads) -> tuple[Message, Message]:
        """Return what to send: the answer, or that the client has it."""
        known = heads.get(b"if-none-match")
        if known and _matches(known, self.etag):
            tally.unchanged += 1
            return self.unchanged, _NOTHING
        tally.kept += 1
        return self.whole[_coding(heads.get(b"accept-encoding", b""), self.whole)]


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


class Numbers:
    """What the rows say of stories, asked again only when something was committed.

    All that is known was read after one stamp, and holds while that stands.
    """

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._stamp: tuple[int, int] | None = None
        self._known: OrderedDict[str, Made] = OrderedDict()  # the least used first
        self._reading: dict[str | None, asyncio.Future[Found]] = {}

    def known(self, slug: str) -> Made | None:
        """Return a public story's numbers if no commit came after they were read."""
        if self._stamp is None or self.hub.watcher.stamp() != self._stamp:
            return None
        found = self._known.get(slug)
        if found:
            self._known.move_to_end(slug)
        return found

    async def of(self, slug: str) -> Made | None:
        """Return a public story's numbers as they are now; None for any other."""
        while (stamp := self.hub.watcher.stamp()) is not None:
            if found := self.known(slug):
                return found
            # After a commit one question for all; else only for what is not known.
            new = slug if stamp == self._stamp else None
            job = self._reading.get(new)
            if job is None:
                job = asyncio.ensure_future(
                    self._read(stamp, slug, alone=new is not None)
                )
                self._reading[new] = job
                job.add_done_callback(partial(self._done, new))
            try:
                rows = await asyncio.shield(job)
            except Error:
                break
            if slug in rows and rows[slug] is None:
                break
        return None

    def _done(self, new: str | None, _: object) -> None:
        del self._reading[new]

    async def _read(self, stamp: tuple[int, int], slug: str, *, alone: bool) -> Found:
        """Read a story's numbers, and unless `alone` those of all others again."""
        slugs = [slug] if alone else [*self._known, slug]
        epoch, site_seq, seqs = await self.hub.read(numbers.of_slugs, slugs)
        found: Found = {
            one: (epoch, seqs[one], site_seq) if one in seqs else None for one in slugs
        }
        public = {one: made for one, made in found.items() if made}
        if alone and stamp == self._stamp:
            self._known.update(public)
        elif not alone:
            self._stamp, self._known = stamp, OrderedDict(public)
        while len(self._known) > WATCHED:
            self._known.popitem(last=False)
        return found


class Door:
    """Answers by address, the least used forgotten first."""

    def __init__(self, hub: Hub, app: App) -> None:
        self.app = app
        self.numbers = Numbers(hub)
        self.requests = Requests()
        self.size = 0
        self._answers: OrderedDict[Key, Answer] = OrderedDict()
        self._making: dict[tuple[Key, Made], asyncio.Future[Answer | None]] = {}

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer from what is kept, or pass on."""
        wanted = None
        if scope["type"] == "http":
            heads = dict(scope["headers"])
            wanted = self.requests.asked(scope, heads)
        if wanted is None:
            return await self.app(scope, receive, send)
        numbers = self.numbers.known(wanted.slug) or await self.numbers.of(wanted.slug)
        if numbers is None:
            return await self.app(scope, receive, send)
        answer = self._answers.get(wanted.key)
        if answer is None or answer.numbers != numbers:
            answer = await self._made(wanted, scope, numbers)
        else:
            self._answers.move_to_end(wanted.key)
        if answer is None:
            return await self.app(scope, receive, send)
        start, body = answer.parts(heads)
        await send(start)
        await send(_NOTHING if scope["method"] == "HEAD" else body)
        return None

    async def _made(self, wanted: Asked, scope: Scope, numbers: Made) -> Answer | None:
        """Have an answer made, once for all who ask for it at the same numbers."""
        name = (wanted.key, numbers)
        job = self._making.get(name)
        if job is None:
            job = asyncio.ensure_future(self._make(wanted, scope, numbers))
            self._making[name] = job
            job.add_done_callback(lambda _: self._making.pop(name, None))
        return await asyncio.shield(job)

    async def _make(self, wanted: Asked, scope: Scope, numbers: Made) -> Answer | None:
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

        await self.app(wanted.of(scope), receive, send)
        headers = [(name.lower(), value) for name, value in start["headers"]]
        names = dict(headers)
        if start["status"] != 200 or b"set-cookie" in names or b"etag" not in names:
            return None
        if len(body) > LARGEST or b"cookie" in names.get(b"vary", b"").lower():
            return None
        bodies = await asyncio.to_thread(_coded, bytes(body))
        answer = Answer.of(numbers, headers, bodies)
        self._keep(wanted.key, answer)
        tally.made += 1
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


def _coding(accepted: bytes, there: Collection[bytes]) -> bytes:
    words = [part.strip().lower() for part in accepted.split(b",")]
    for coding in (b"br", b"gzip"):
        if coding in words and coding in there:
            return coding
    return b""


def _matches(given: bytes, etag: bytes) -> bool:
    """Compare weakly, as If-None-Match is compared (RFC 9110, 13.1.2)."""
    if given == etag:
        return True
    tags = {tag.strip().removeprefix(b"W/") for tag in given.split(b",")}
    return etag.removeprefix(b"W/") in tags or b"*" in tags
