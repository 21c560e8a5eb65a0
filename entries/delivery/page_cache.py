"""The page cache: finished responses of public pages, served before Django.

A response that Django made is stored with the version of its story (the sequence
numbers in the rows), and the same bytes are served to everyone while that version is
current. Requests that are not cacheable, or whose current version is unknown, are
passed to Django.

While the database is unreachable, a stored page may be served stale for
`STALE_IF_ERROR_SECONDS`, unless this process knows that it is outdated.
"""

import asyncio
import gzip
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import brotli
from django.conf import settings
from django.db import Error
from django.utils.http import parse_http_date

from entries.delivery import outage, seqs, timings, watchers
from entries.delivery.asgi import (
    AsgiMessage,
    Header,
    Receive,
    Scope,
    Send,
    response_start,
)
from entries.delivery.cache_keys import (
    CacheableRequest,
    CacheKeys,
    PageKey,
    RequestHeaders,
)
from entries.delivery.hub import Hub
from entries.delivery.metrics import tally

App = Callable[..., Awaitable[None]]
PageVersion = tuple[str, int, int]  # epoch, the story's seq, the site's seq
Versions = dict[str, PageVersion | None]  # by slug; None if there is no public story

MAX_PAGE_CACHE_BYTES = 64 * 1024 * 1024
MAX_RESPONSE_BYTES = 2 * 1024 * 1024  # of one response that is stored
MAX_STORIES = 1000  # whose versions are cached
_MIN_COMPRESSED_BYTES = 500
_OVERHEAD_BYTES = 2048  # of one response: headers and objects
_LIVE_HEADERS = {b"live-cursor", b"live-latest", b"live-left", b"live-state"}
_HEADERS_OF_304 = {b"etag", b"cache-control", b"vary"} | _LIVE_HEADERS
_EMPTY: AsgiMessage = {"type": "http.response.body", "body": b""}


@dataclass(frozen=True)
class CachedResponse:
    """A finished response in every content coding, and the story version it shows.

    Its start is sent with Last-Modified (`modified`) from that second on, `settled_at`
    (see `SETTLED_AFTER` in `entries.public.caching`).
    """

    version: PageVersion
    etag: bytes
    modified: bytes
    settled_at: float
    size: int
    # Start without and with Last-Modified, and body
    by_coding: dict[bytes, tuple[AsgiMessage, AsgiMessage, AsgiMessage]]
    not_modified: AsgiMessage

    @classmethod
    def build(
        cls, version: PageVersion, headers: list[Header], bodies: dict[bytes, bytes]
    ) -> "CachedResponse":
        """Build the ASGI messages, once for all requests."""
        by_name = dict(headers)
        own = (b"content-length", b"vary", b"last-modified")
        headers = [pair for pair in headers if pair[0] not in own]
        headers.append((b"vary", b"Accept-Encoding"))
        modified = by_name.get(b"last-modified", b"")
        settled_at = math.inf
        if modified:
            settled_at = parse_http_date(modified.decode())
        dated = [*headers, (b"last-modified", modified)]
        by_coding = {}
        for coding, body in bodies.items():
            body_headers = [(b"content-length", b"%d" % len(body))]
            if coding:
                body_headers.append((b"content-encoding", coding))
            by_coding[coding] = (
                response_start(200, headers + body_headers),
                response_start(200, dated + body_headers),
                {"type": "http.response.body", "body": body},
            )
        headers_of_304 = [pair for pair in headers if pair[0] in _HEADERS_OF_304]
        size = sum(map(len, bodies.values())) + _OVERHEAD_BYTES
        not_modified = response_start(304, headers_of_304)
        etag = by_name.get(b"etag", b"")
        return cls(version, etag, modified, settled_at, size, by_coding, not_modified)

    def aged(self, seconds: float) -> "CachedResponse":
        """Return a stale copy of the response, with its age in seconds."""
        stale = partial(outage.stale_start, seconds=seconds)
        by_coding = {
            coding: (stale(start), stale(dated), body)
            for coding, (start, dated, body) in self.by_coding.items()
        }
        return replace(self, by_coding=by_coding, not_modified=stale(self.not_modified))

    def messages(self, headers: RequestHeaders) -> tuple[AsgiMessage, AsgiMessage]:
        """Return the start and body for a request: a 304 if it has this response."""
        given = headers.get(b"if-none-match")
        settled = time.time() >= self.settled_at
        if given:
            known = bool(self.etag) and _matches(given, self.etag)
        else:
            known = settled and headers.get(b"if-modified-since") == self.modified
        if known:
            tally.not_modified += 1
            return self.not_modified, _EMPTY
        tally.hits += 1
        accepted = headers.get(b"accept-encoding", b"")
        start, dated, body = self.by_coding[_coding(accepted, self.by_coding)]
        return dated if settled else start, body


class StoryVersions:
    """A cache of the versions of public stories, valid until the next commit.

    All known versions were read at the same stamp of the watcher, and are current as
    long as the stamp does not change.
    """

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._stamp: tuple[int, int] | None = None
        self._read_at = 0.0  # monotonic seconds
        self._local_changes = (0, 0)
        self._known: OrderedDict[str, PageVersion] = OrderedDict()  # least used first
        self._reading: dict[str | None, asyncio.Future[Versions]] = {}

    def known(self, slug: str) -> PageVersion | None:
        """Return the version of a public story, if it is known and still current."""
        if not self._is_current(self.hub.watcher.stamp()):
            return None
        found = self._known.get(slug)
        if found:
            self._known.move_to_end(slug)
        return found

    def _is_current(self, stamp: tuple[int, int] | None) -> bool:
        """Return whether nothing was committed since the versions were read."""
        same = stamp is not None and stamp == self._stamp
        return same and self._local_changes == watchers.local_changes()

    def last_known(self, slug: str) -> tuple[PageVersion, float] | None:
        """Return the last version of a story, and when it was last known to be current.

        The time is in monotonic seconds. Return None if this process knows of a later
        change: it has committed something itself, or its hub has read a withdrawal.
        """
        version = self._known.get(slug)
        hub = self.hub
        if version is None or self._local_changes != watchers.local_changes():
            return None
        if hub.epoch not in ("", version[0]) or hub.site_seq > version[2]:
            return None
        same = hub.watcher.last_stamp == self._stamp
        return version, hub.watcher.answered_at if same else self._read_at

    async def current(self, slug: str) -> PageVersion | None:
        """Return the current version of a public story, or None for any other slug.

        Return None too if the database does not answer in `UNREACHABLE_AFTER_SECONDS`:
        by then the watcher knows whether it is reachable.
        """
        while (stamp := self.hub.watcher.stamp()) is not None:
            if found := self.known(slug):
                return found
            # After a commit, one query for all known stories; else one for a new slug.
            new = slug if self._is_current(stamp) else None
            job = self._reading.get(new)
            if job is None:
                job = asyncio.ensure_future(
                    self._read(stamp, slug, alone=new is not None)
                )
                self._reading[new] = job
                job.add_done_callback(partial(self._done, new))
            try:
                async with asyncio.timeout(timings.UNREACHABLE_AFTER_SECONDS):
                    versions = await asyncio.shield(job)
            except (TimeoutError, Error):
                break
            if slug in versions and versions[slug] is None:
                break
        return None

    def _done(self, new: str | None, _: object) -> None:
        del self._reading[new]

    async def _read(
        self, stamp: tuple[int, int], slug: str, *, alone: bool
    ) -> Versions:
        """Read the version of a story and, unless `alone`, refresh all known ones."""
        slugs = [slug] if alone else [*self._known, slug]
        began, local_changes = time.monotonic(), watchers.local_changes()
        epoch, site_seq, found = await self.hub.run_query(seqs.slug_seqs, slugs)
        versions: Versions = {
            one: (epoch, found[one], site_seq) if one in found else None
            for one in slugs
        }
        public = {one: version for one, version in versions.items() if version}
        if alone and stamp == self._stamp:
            self._known.update(public)
        elif not alone:
            self._stamp, self._known = stamp, OrderedDict(public)
            self._read_at, self._local_changes = began, local_changes
        while len(self._known) > MAX_STORIES:
            self._known.popitem(last=False)
        return versions


class PageCache:
    """ASGI middleware that serves finished responses by cache key.

    Beyond `MAX_PAGE_CACHE_BYTES` the least recently used ones are evicted.
    `unavailable` returns the HTML of a 503.
    """

    def __init__(self, hub: Hub, app: App, unavailable: Callable[[], bytes]) -> None:
        self.app = app
        self.unavailable = unavailable
        self.watcher = hub.watcher
        self.versions = StoryVersions(hub)
        self.cache_keys = CacheKeys()
        self.size = 0
        self._responses: OrderedDict[PageKey, CachedResponse] = OrderedDict()
        self._pending: dict[
            tuple[PageKey, PageVersion], asyncio.Future[CachedResponse | None]
        ] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond from the cache, or pass the request to Django."""
        request = None
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            request = self.cache_keys.find(scope, headers)
        if request is None:
            return await self._pass_to_django(scope, receive, send)
        try:
            response = await self._fresh_response(request, scope)
        except (outage.DatabaseUnreachable, outage.ServiceUnavailable) as error:
            # Too many requests are not an outage, and do not allow a stale page.
            busy = isinstance(error, outage.ServiceUnavailable)
            response = None
            if not (busy and await self.watcher.is_answering()):
                response = self._stale_response(request)
            if response is None:
                return await outage.respond_503(scope, send, self.unavailable())
            # A 304 would renew a response in the client's cache.
            for name in (b"if-none-match", b"if-modified-since"):
                headers.pop(name, None)
        if response is None:
            return await self._pass_to_django(scope, receive, send)
        start, body = response.messages(headers)
        await send(start)
        await send(_EMPTY if scope["method"] == "HEAD" else body)
        return None

    async def _pass_to_django(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let Django respond, or respond 503 if the database is unreachable."""
        if not outage.needs_database(scope):
            return await self.app(scope, receive, send)
        begun, refused = asyncio.Event(), asyncio.Event()

        async def send_unless_refused(message: AsgiMessage) -> None:
            if not refused.is_set():
                begun.set()
                await send(message)

        if not await self.watcher.is_answering():
            return await outage.respond_503(scope, send, self.unavailable())
        job = asyncio.ensure_future(self.app(scope, receive, send_unless_refused))
        if await self._done_in_time(job) or begun.is_set():
            return await job
        # Django's thread ends by itself, and its response is discarded.
        refused.set()
        job.add_done_callback(lambda job: job.cancelled() or job.exception())
        return await outage.respond_503(scope, send, self.unavailable())

    async def _done_in_time(self, job: "asyncio.Future[Any]") -> bool:
        """Wait for a job; return False if the database becomes unreachable first."""
        timeout = timings.UNREACHABLE_AFTER_SECONDS
        while not (await asyncio.wait({job}, timeout=timeout))[0]:
            if not await self.watcher.is_answering():
                return False
        return True

    async def _fresh_response(
        self, request: CacheableRequest, scope: Scope
    ) -> CachedResponse | None:
        """Return the current response, from the cache or made now.

        Return None to pass the request to Django. Raises DatabaseUnreachable, and
        ServiceUnavailable if Django responded 503.
        """
        slug = request.slug
        version = self.versions.known(slug) or await self.versions.current(slug)
        if version is None:
            if not await self.watcher.is_answering():
                raise outage.DatabaseUnreachable
            return None
        response = self._responses.get(request.key)
        if response is None or response.version != version:
            return await self._make_once(request, scope, version)
        self._responses.move_to_end(request.key)
        return response

    def _stale_response(self, request: CacheableRequest) -> CachedResponse | None:
        """Return a stale page to serve during an outage, or None.

        `/changes` is never served stale: an open page would believe it is up to date.
        """
        response = self._responses.get(request.key)
        known = self.versions.last_known(request.slug)
        if response is None or known is None or known[0] != response.version:
            return None
        age = time.monotonic() - known[1]
        if age > settings.STALE_IF_ERROR_SECONDS or "/changes" in request.key[1]:
            return None
        tally.stale += 1
        return response.aged(age)

    async def _make_once(
        self, request: CacheableRequest, scope: Scope, version: PageVersion
    ) -> CachedResponse | None:
        """Let Django make a response, once for all simultaneous requests for it."""
        key = (request.key, version)
        job = self._pending.get(key)
        if job is None:
            job = asyncio.ensure_future(self._make(request, scope, version))
            self._pending[key] = job
            job.add_done_callback(partial(self._finished, key))
        if not await self._done_in_time(job):
            raise outage.DatabaseUnreachable
        return job.result()

    def _finished(
        self, key: tuple[PageKey, PageVersion], job: "asyncio.Future[Any]"
    ) -> None:
        self._pending.pop(key, None)
        if not job.cancelled():
            job.exception()  # retrieved, because no request may be waiting any more

    async def _make(
        self, request: CacheableRequest, scope: Scope, version: PageVersion
    ) -> CachedResponse | None:
        """Let Django make a response, and store it if it has an ETag.

        Return None if it may not be for everybody. Raises ServiceUnavailable if Django
        responded 503.
        """
        start: AsgiMessage = {}
        body = bytearray()
        requests = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> AsgiMessage:
            # Never report a disconnect: other clients may wait for this response too.
            return requests.pop() if requests else await asyncio.Future()

        async def send(message: AsgiMessage) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body.extend(message.get("body", b""))

        await self.app(request.anonymous_scope(scope), receive, send)
        headers = [(name.lower(), value) for name, value in start["headers"]]
        by_name = dict(headers)
        if start["status"] == 503:
            raise outage.ServiceUnavailable
        if start["status"] != 200 or b"set-cookie" in by_name:
            return None
        varies = b"cookie" in by_name.get(b"vary", b"").lower()
        if varies or len(body) > MAX_RESPONSE_BYTES:
            return None
        bodies = await asyncio.to_thread(_compressed, bytes(body))
        response = CachedResponse.build(version, headers, bodies)
        if response.etag:
            self._store(request.key, response)
        return response

    def _store(self, key: PageKey, response: CachedResponse) -> None:
        """Store a response, and evict the least recently used ones to make room."""
        if key in self._responses:
            self.size -= self._responses.pop(key).size
        self._responses[key] = response
        self.size += response.size
        while self.size > MAX_PAGE_CACHE_BYTES:
            _, oldest = self._responses.popitem(last=False)
            self.size -= oldest.size
        tally.stored += 1


def _compressed(body: bytes) -> dict[bytes, bytes]:
    """Return a body by content coding: identity, and br and gzip unless it is short."""
    bodies = {b"": body}
    if len(body) > _MIN_COMPRESSED_BYTES:
        bodies[b"br"] = brotli.compress(body, quality=5)
        bodies[b"gzip"] = gzip.compress(body, 6, mtime=0)
    return bodies


def _coding(accepted: bytes, available: Collection[bytes]) -> bytes:
    codings = [coding.strip().lower() for coding in accepted.split(b",")]
    for coding in (b"br", b"gzip"):
        if coding in codings and coding in available:
            return coding
    return b""


def _matches(given: bytes, etag: bytes) -> bool:
    """Return whether an If-None-Match includes an ETag, by weak comparison.

    See RFC 9110, 13.1.2.
    """
    if given == etag:
        return True
    tags = {tag.strip().removeprefix(b"W/") for tag in given.split(b",")}
    return etag.removeprefix(b"W/") in tags or b"*" in tags
