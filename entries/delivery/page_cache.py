"""The byte door: finished answers of public pages, before Django is entered.

An answer of the full Django stack is kept with the version it was made at, and
given again, the same bytes for everyone, for as long as the hub knows that those
version stand. When it cannot know, and for whatever is not in the list, the
request passes on.
"""

import asyncio
import gzip
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import brotli
from django.conf import settings
from django.db import Error

from entries.delivery import outage, seqs, timings, watchers
from entries.delivery.cache_keys import (
    CacheableRequest,
    CacheKey,
    CacheKeys,
    RequestHeaders,
    Scope,
)
from entries.delivery.hub import Hub
from entries.delivery.metrics import tally

App = Callable[..., Awaitable[None]]
Version = tuple[str, int, int]  # epoch, the story's number, the site's
Found = dict[str, Version | None]
Headers = list[tuple[bytes, bytes]]

MAX_CACHE_BYTES = 64 * 1024 * 1024  # of answers kept in memory
MAX_RESPONSE_BYTES = 2 * 1024 * 1024  # bytes of one answer
MAX_STORIES = 1000  # stories whose version are known
_LIVE = {b"live-cursor", b"live-latest", b"live-left", b"live-state"}
_KEPT_FOR_304 = {b"etag", b"cache-control", b"vary"} | _LIVE


Message = dict[str, Any]
_NOTHING: Message = {"type": "http.response.body", "body": b""}


@dataclass(frozen=True)
class CachedResponse:
    """A finished answer, as messages in every coding, and what it was made at."""

    version: Version
    etag: bytes
    size: int
    whole: dict[bytes, tuple[Message, Message]]
    unchanged: Message

    @classmethod
    def build(
        cls, version: Version, headers: Headers, bodies: dict[bytes, bytes]
    ) -> "CachedResponse":
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
        return cls(version, dict(headers)[b"etag"], size, whole, unchanged)

    def aged(self, seconds: float) -> "CachedResponse":
        """Return the same bytes under headers that let no cache pass them on."""
        old = partial(outage.stale_start, seconds=seconds)
        whole = {c: (old(start), body) for c, (start, body) in self.whole.items()}
        return replace(self, whole=whole, unchanged=old(self.unchanged))

    def messages(self, heads: RequestHeaders) -> tuple[Message, Message]:
        """Return what to send: the answer, or that the client has it."""
        known = heads.get(b"if-none-match")
        if known and _matches(known, self.etag):
            tally.not_modified += 1
            return self.unchanged, _NOTHING
        tally.hits += 1
        return self.whole[_coding(heads.get(b"accept-encoding", b""), self.whole)]


class StoryVersions:
    """What the rows say of stories, asked again only when something was committed.

    All that is known was read after one stamp, and holds while that stands.
    """

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._stamp: tuple[int, int] | None = None
        self._read_at = 0.0  # monotonic seconds
        self._learned = (0, 0)
        self._known: OrderedDict[str, Version] = OrderedDict()  # the least used first
        self._reading: dict[str | None, asyncio.Future[Found]] = {}

    def known(self, slug: str) -> Version | None:
        """Return a public story's version if no commit came after they were read."""
        if not self._hold(self.hub.watcher.stamp()):
            return None
        found = self._known.get(slug)
        if found:
            self._known.move_to_end(slug)
        return found

    def _hold(self, stamp: tuple[int, int] | None) -> bool:
        """Whether nothing has changed since the version were read."""
        same = stamp is not None and stamp == self._stamp
        return same and self._learned == watchers.local_changes()

    def last_known(self, slug: str) -> tuple[Version, float] | None:
        """Return a story's latest version, and until when (monotonic) they held.

        None where this process knows that something changed since: it has committed
        something itself, or its hub has heard of a withdrawal.
        """
        made = self._known.get(slug)
        hub = self.hub
        if made is None or self._learned != watchers.local_changes():
            return None
        if hub.epoch not in ("", made[0]) or hub.site_seq > made[2]:
            return None
        same = hub.watcher.last_stamp == self._stamp
        return made, hub.watcher.answered_at if same else self._read_at

    async def current(self, slug: str) -> Version | None:
        """Return a public story's version as they are now; None for any other.

        Waits at most `TRUST` seconds: by then the watcher knows whether the database
        answers at all.
        """
        while (stamp := self.hub.watcher.stamp()) is not None:
            if found := self.known(slug):
                return found
            # After a commit one question for all; else only for what is not known.
            new = slug if self._hold(stamp) else None
            job = self._reading.get(new)
            if job is None:
                job = asyncio.ensure_future(
                    self._read(stamp, slug, alone=new is not None)
                )
                self._reading[new] = job
                job.add_done_callback(partial(self._done, new))
            try:
                async with asyncio.timeout(timings.UNREACHABLE_AFTER_SECONDS):
                    rows = await asyncio.shield(job)
            except (TimeoutError, Error):
                break
            if slug in rows and rows[slug] is None:
                break
        return None

    def _done(self, new: str | None, _: object) -> None:
        del self._reading[new]

    async def _read(self, stamp: tuple[int, int], slug: str, *, alone: bool) -> Found:
        """Read a story's version, and unless `alone` those of all others again."""
        slugs = [slug] if alone else [*self._known, slug]
        began, learned = time.monotonic(), watchers.local_changes()
        epoch, site_seq, found_seqs = await self.hub.run_query(seqs.slug_seqs, slugs)
        found: Found = {
            one: (epoch, found_seqs[one], site_seq) if one in found_seqs else None
            for one in slugs
        }
        public = {one: made for one, made in found.items() if made}
        if alone and stamp == self._stamp:
            self._known.update(public)
        elif not alone:
            self._stamp, self._known = stamp, OrderedDict(public)
            self._read_at, self._learned = began, learned
        while len(self._known) > MAX_STORIES:
            self._known.popitem(last=False)
        return found


class PageCache:
    """Finished responses by URL, served before Django; evicts the least recently used.

    `unavailable` returns the HTML of a 503.
    """

    def __init__(self, hub: Hub, app: App, unavailable: Callable[[], bytes]) -> None:
        self.app = app
        self.unavailable = unavailable
        self.watcher = hub.watcher
        self.versions = StoryVersions(hub)
        self.cache_keys = CacheKeys()
        self.size = 0
        self._responses: OrderedDict[CacheKey, CachedResponse] = OrderedDict()
        self._pending: dict[
            tuple[CacheKey, Version], asyncio.Future[CachedResponse | None]
        ] = {}

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Respond from the cache, or pass the request to Django."""
        wanted = None
        if scope["type"] == "http":
            heads = dict(scope["headers"])
            wanted = self.cache_keys.find(scope, heads)
        if wanted is None:
            return await self._pass_to_django(scope, receive, send)
        try:
            answer = await self._fresh_response(wanted, scope)
        except outage.DatabaseSilent:
            answer = self._stale_response(wanted)
            if answer is None:
                return await outage.respond_503(scope, send, self.unavailable())
            heads.pop(b"if-none-match", None)  # a 304 would renew what a cache holds
        except outage.ServiceUnavailable:  # too busy, or the database has just gone
            answer = (
                None
                if await self.watcher.is_answering()
                else self._stale_response(wanted)
            )
            if answer is None:
                return await outage.respond_503(scope, send, self.unavailable())
            heads.pop(b"if-none-match", None)
        if answer is None:
            return await self._pass_to_django(scope, receive, send)
        start, body = answer.messages(heads)
        await send(start)
        await send(_NOTHING if scope["method"] == "HEAD" else body)
        return None

    async def _pass_to_django(self, scope: Scope, receive: Any, send: Any) -> None:
        """Let Django answer, unless that would wait for a silent database."""
        if not outage.needs_database(scope):
            return await self.app(scope, receive, send)
        begun, refused = asyncio.Event(), asyncio.Event()

        async def begin(part: Message) -> None:
            if not refused.is_set():
                begun.set()
                await send(part)

        if not await self.watcher.is_answering():
            return await outage.respond_503(scope, send, self.unavailable())
        job = asyncio.ensure_future(self.app(scope, receive, begin))
        if await self._done_in_time(job) or begun.is_set():
            return await job
        # Django hears that its client has its answer, and ends by itself.
        refused.set()
        job.add_done_callback(lambda job: job.cancelled() or job.exception())
        return await outage.respond_503(scope, send, self.unavailable())

    async def _done_in_time(self, job: "asyncio.Future[Any]") -> bool:
        """Wait for a job; return False once the database is known to be silent."""
        while not (
            await asyncio.wait({job}, timeout=timings.UNREACHABLE_AFTER_SECONDS)
        )[0]:
            if not await self.watcher.is_answering():
                return False
        return True

    async def _fresh_response(
        self, wanted: CacheableRequest, scope: Scope
    ) -> CachedResponse | None:
        """Return the exact answer; None where Django is to give it.

        Raises Silent where the database does not answer.
        """
        version = self.versions.known(wanted.slug) or await self.versions.current(
            wanted.slug
        )
        if version is None:
            if not await self.watcher.is_answering():
                raise outage.DatabaseSilent
            return None
        answer = self._responses.get(wanted.key)
        if answer is None or answer.version != version:
            return await self._render_once(wanted, scope, version)
        self._responses.move_to_end(wanted.key)
        return answer

    def _stale_response(self, wanted: CacheableRequest) -> CachedResponse | None:
        """Return a finished page for while the database is silent, if it may be shown.

        `/changes` never: its answer would tell an open page that it has everything.
        """
        answer = self._responses.get(wanted.key)
        known = self.versions.last_known(wanted.slug)
        if answer is None or known is None or known[0] != answer.version:
            return None
        age = time.monotonic() - known[1]
        if age > settings.STALE_IF_ERROR_SECONDS or "/changes" in wanted.key[1]:
            return None
        tally.stale += 1
        return answer.aged(age)

    async def _render_once(
        self, wanted: CacheableRequest, scope: Scope, version: Version
    ) -> CachedResponse | None:
        """Have an answer made, once for all who ask for it at the same version.

        Raises Silent where the database does not answer meanwhile, and Failed where
        Django said 503.
        """
        name = (wanted.key, version)
        job = self._pending.get(name)
        if job is None:
            job = asyncio.ensure_future(self._render(wanted, scope, version))
            self._pending[name] = job
            job.add_done_callback(partial(self._finished, name))
        if not await self._done_in_time(job):
            raise outage.DatabaseSilent
        return job.result()

    def _finished(
        self, name: tuple[CacheKey, Version], job: "asyncio.Future[Any]"
    ) -> None:
        self._pending.pop(name, None)
        if not job.cancelled():
            job.exception()  # whoever waited for it may have gone

    async def _render(
        self, wanted: CacheableRequest, scope: Scope, version: Version
    ) -> CachedResponse | None:
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

        await self.app(wanted.anonymous_scope(scope), receive, send)
        headers = [(name.lower(), value) for name, value in start["headers"]]
        names = dict(headers)
        if start["status"] == 503:
            raise outage.ServiceUnavailable
        if start["status"] != 200 or b"set-cookie" in names or b"etag" not in names:
            return None
        if (
            len(body) > MAX_RESPONSE_BYTES
            or b"cookie" in names.get(b"vary", b"").lower()
        ):
            return None
        bodies = await asyncio.to_thread(_coded, bytes(body))
        answer = CachedResponse.build(version, headers, bodies)
        self._store(wanted.key, answer)
        tally.stored += 1
        return answer

    def _store(self, key: CacheKey, answer: CachedResponse) -> None:
        if key in self._responses:
            self.size -= self._responses.pop(key).size
        self._responses[key] = answer
        self.size += answer.size
        while self.size > MAX_CACHE_BYTES:
            _, oldest = self._responses.popitem(last=False)
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
