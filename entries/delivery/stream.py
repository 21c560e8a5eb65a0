"""The stream of a story (Server-Sent Events), which bypasses ASGI and Django.

The server's protocol (`liveblog.protocol`) hands the connection of a stream's request
to a reader. A stream replays what the page missed, sends `ready`, and then sends
every new change. It ends with `reset`, `behind` or `end` (see `messages`), or when the
connection is lost.

A reader costs no task and no ASGI scope: with what it needs in memory, it follows its
channel before the call that accepts it returns.
"""

import asyncio
import logging
import random
import re
import sys
import types
from collections.abc import Coroutine, Generator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, unquote

from django.conf import settings
from django.db import Error
from django.http.request import validate_host

from entries.delivery import messages, timings
from entries.delivery.asgi import Header, Headers
from entries.delivery.changes import Cursor
from entries.delivery.channels import Channel
from entries.delivery.hub import Hub
from entries.delivery.messages import Message
from entries.delivery.metrics import tally
from entries.models import Story

logger = logging.getLogger(__name__)

MAX_CATCH_UP_BYTES = 8 * 1024  # replayed by a stream; beyond that pages use `/changes`
_DIGITS = re.compile(r"[0-9]{1,18}")
_PATH = re.compile(r"/stories/([-a-zA-Z0-9_]+)/stream")
_NO_GZIP = re.compile(rb"gzip\s*;\s*q=0(\.0*)?\s*(,|$)")
# With different back-offs, so that readers do not reconnect all at once.
_READY = [
    Message(f"retry: {milliseconds}\n".encode() + messages.named_event("ready"))
    for milliseconds in range(500, 2500, 20)
]
STREAM_HEADERS: Headers = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
)
_STOPPING = "The server stops."
_NO_DATABASE = "The database does not answer."
_REASONS = {
    200: b"OK",
    400: b"Bad Request",
    404: b"Not Found",
    405: b"Method Not Allowed",
    503: b"Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """A request for the stream of a story."""

    slug: str
    method: bytes
    query_string: str
    headers: Headers  # lower-case names

    @classmethod
    def parse(
        cls, method: bytes, target: bytes, headers: Headers
    ) -> "StreamRequest | None":
        """Return the request, or None if it is for something else."""
        if b"/stream" not in target:
            return None
        path, _, query = target.decode("latin-1").partition("?")
        found = _PATH.fullmatch(unquote(path))
        return cls(found[1], method, query, headers) if found else None

    def header(self, name: bytes) -> bytes:
        """Return the value of a header; empty if there is none."""
        return next((value for key, value in self.headers if key == name), b"")

    def query(self, name: str) -> str:
        """Return the value of a query parameter; empty if there is none."""
        return parse_qs(self.query_string).get(name, [""])[0]

    @property
    def host(self) -> str:
        """Return the host, without a port."""
        host = self.header(b"host").decode("latin-1")
        return host if host.endswith("]") else host.rsplit(":", 1)[0]

    @property
    def accepts_gzip(self) -> bool:
        """Return whether the response may be compressed."""
        accepted = self.header(b"accept-encoding").lower()
        return b"gzip" in accepted and not _NO_GZIP.search(accepted)


class Reader(asyncio.Protocol):
    """An open stream, which owns its connection and follows a channel's log."""

    __slots__ = (
        "_connections",
        "_hub",
        "_server_headers",
        "_task",
        "_timer",
        "channel",
        "ended",
        "gzip",
        "paused",
        "position",
        "transport",
    )

    def __init__(
        self,
        hub: Hub,
        transport: asyncio.Transport,
        connections: set[Any],
        headers: Headers = (),
        *,
        paused: bool = False,
    ) -> None:
        self.transport = transport
        self.channel: Channel | None = None
        self.position = 0  # in the channel's log
        self.paused = paused  # the write buffer is full
        self.ended = False
        self.gzip = False
        self._hub = hub
        self._connections = connections
        self._server_headers = headers
        self._task: asyncio.Task[None] | None = None  # until the reader follows
        self._timer: asyncio.TimerHandle | None = None
        hub.stream_count += 1
        connections.add(self)
        transport.set_protocol(self)
        if paused:  # an earlier response is still in the buffer
            self.pause_writing()

    # --- The connection

    def data_received(self, data: bytes) -> None:
        """Ignore what a client sends after its request."""

    def pause_writing(self) -> None:
        """Stop writing, and drop the connection if this lasts for too long."""
        self.paused = True
        self._set_timer(timings.SEND_TIMEOUT_SECONDS)

    def resume_writing(self) -> None:
        """Write what was logged meanwhile."""
        self.paused = False
        if self.ended:
            return
        self._set_timer(None)
        if self.channel and self in self.channel.readers:
            self.channel.serve(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Leave the channel."""
        self.ended = True
        self._set_timer(None)
        if self._task:
            self._task.cancel()
        if self.channel:
            self.channel.readers.pop(self, None)
            self._hub.unsubscribe(self.channel)
            self.channel = None
        self._hub.stream_count -= 1
        self._connections.discard(self)

    def shutdown(self) -> None:
        """End the stream, because the server stops."""
        self.end()

    def write(self, message: Message) -> None:
        """Send a message, unless the response has ended."""
        if self.ended:
            return
        tally.deliveries += 1
        self.transport.write(message.gzip if self.gzip else message.plain)

    def end(self, last: Message | None = None) -> None:
        """Finish the response, after a last message; cut it off if it is stuck."""
        if self.ended:
            return
        if self.channel is None:  # the response has not begun
            self._refuse_for_now(_STOPPING if self._hub.stopping else _NO_DATABASE)
            return
        if last and not self.paused:
            self.write(last)
        self.ended = True
        if self.paused:
            self.transport.abort()
        else:
            self.transport.write(messages.LAST_CHUNK)
            self._close()

    def _close(self) -> None:
        """Close the connection once all is sent, or after a time."""
        self._set_timer(timings.SEND_TIMEOUT_SECONDS)
        self.transport.close()

    def drop(self) -> None:
        """Cut the connection of a reader that is too slow to follow."""
        if not self.ended:
            self.ended = True
            tally.dropped += 1
            self.transport.abort()

    def _set_timer(self, seconds: float | None) -> None:
        """Set the time after which the reader is dropped."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if seconds is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(seconds, self._on_timeout)

    def _on_timeout(self) -> None:
        self._timer = None
        if self.ended:
            self.transport.abort()
        elif self.paused:
            self.drop()
        else:
            self._refuse_for_now(_NO_DATABASE)

    # --- The response

    def respond(self, request: StreamRequest) -> None:
        """Serve the stream, or refuse it."""
        hub = self._hub
        if not validate_host(request.host, settings.ALLOWED_HOSTS or ["localhost"]):
            self._refuse(400, "This host is not served here.")
        elif request.method != b"GET":
            self._refuse(405, "Use GET.", (b"allow", b"GET"))
        elif hub.stopping or hub.stream_count > settings.MAX_STREAMS:
            wait = random.randint(5, 20)  # noqa: S311 - spreads the load
            self._refuse_for_now("Too many readers: poll the changes.", wait)
        else:
            self._task = _run_eagerly(self._serve(request))
            if self._task and not (self.ended or self.paused or self.channel):
                self._set_timer(timings.SUBSCRIBE_TIMEOUT_SECONDS)

    def _refuse_for_now(self, sentence: str, wait: int = 5) -> None:
        tally.refused += 1
        self._refuse(503, sentence, (b"retry-after", str(wait).encode()))

    def _refuse(self, status: int, sentence: str, *headers: Header) -> None:
        if self.ended:
            return
        self.ended = True
        body = f"{sentence}\n".encode()
        self._write_head(
            status,
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            *headers,
        )
        self.transport.write(body)
        self._close()

    def _write_head(self, status: int, *headers: Header) -> None:
        first = b"HTTP/1.1 %d %b" % (status, _REASONS[status])
        every = (*self._server_headers, *headers, (b"connection", b"close"))
        lines = [b"%b: %b" % header for header in every]
        self.transport.write(b"\r\n".join((first, *lines, b"", b"")))

    async def _serve(self, request: StreamRequest) -> None:
        """Subscribe, replay, and join the channel, or end the stream."""
        try:
            channel = await self._subscribe(request.slug)
            if channel and (last := await self._replay(channel, request)):
                self.end(last)
        except Error as error:  # the page reconnects with its cursor
            logger.warning("A stream ended because of a database error: %s", error)
            self.end()
        except Exception:
            logger.exception("A stream ended because of an error.")
            self.end()
        finally:
            self._task = None

    async def _subscribe(self, slug: str) -> Channel | None:
        """Subscribe to the channel of a story, or refuse the request."""
        # While the database is down, a stale page must not appear to be live.
        if not await self._hub.watcher.is_answering():
            self._refuse_for_now(_NO_DATABASE)
            return None
        channel = await self._hub.subscribe(slug)
        if channel is None:
            self._refuse(404, "There is no such story.")
        elif self.ended:  # it took too long
            self._hub.unsubscribe(channel)
            return None
        else:
            self.channel = channel
            if not self.paused:
                self._set_timer(None)
        return channel

    async def _replay(self, channel: Channel, request: StreamRequest) -> Message | None:
        """Start the response, send what the page missed, and join the channel.

        If that is not possible, return the message that ends the stream: `reset` if the
        cursor is of another epoch, `behind` if the page missed more than a stream may
        replay, `end` if the story is closed or withdrawn.
        """
        hub = self._hub
        cursor = self._start_response(channel, request)
        if cursor is None:
            return messages.RESET
        at, sent = cursor.seq, 0
        rail = request.query("rail")
        rail_seq = int(rail) if _DIGITS.fullmatch(rail) else channel.site_seq
        if cursor.epoch != hub.epoch or at > channel.seq:
            await hub.poll_now()
        while cursor.epoch == hub.epoch and at <= channel.seq and not self.ended:
            if at < channel.seq:
                missed, at = await _missed_messages(hub, channel, at)
                sent += sum(len(message.body) for message in missed)
                if sent > MAX_CATCH_UP_BYTES:
                    return messages.BEHIND
                for message in missed:
                    self.write(message)
                if at > channel.seq:
                    await hub.poll_now()
            elif rail_seq < channel.site_seq:
                rail_seq, message = await hub.rail(channel)
                self.write(message)
            elif channel.state not in Story.STREAMED:
                return messages.END
            else:
                # Nothing was awaited since the comparison: the reader misses nothing.
                self._follow(channel)
                return None
        return messages.RESET

    def _start_response(
        self, channel: Channel, request: StreamRequest
    ) -> Cursor | None:
        """Start the response, and return the cursor of the page.

        A page without one is up to date, and gets a cursor. Return None for a malformed
        one.
        """
        self.gzip = request.accepts_gzip
        encoding = [(b"content-encoding", b"gzip")] if self.gzip else []
        chunked = (b"transfer-encoding", b"chunked")
        self._write_head(200, *STREAM_HEADERS, *encoding, chunked)
        if self.gzip:
            self.transport.write(messages.frame_chunk(messages.GZIP_HEADER))
        given = request.header(b"last-event-id").decode("latin-1")
        if given := given or request.query("after"):
            return Cursor.parse(given)
        cursor = Cursor(self._hub.epoch, channel.seq)
        self.write(_at_message(str(cursor)))
        return cursor

    def _follow(self, channel: Channel) -> None:
        """Add the reader, which is up to date, to the channel, and send `ready`."""
        self.position = channel.end
        channel.readers[self] = None
        self.write(random.choice(_READY))  # noqa: S311 - spreads the load
        if self._hub.stopping:
            self.end()


class Streams:
    """The streams of a process, for the server's protocol."""

    parse_request = staticmethod(StreamRequest.parse)

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def serve(
        self,
        request: StreamRequest,
        transport: asyncio.Transport,
        connections: set[Any],
        headers: Headers,
        *,
        paused: bool,
    ) -> None:
        """Take over a connection, and respond to its request.

        `connections` are all connections of the server, which ends them when it stops.
        `headers` are part of every response. `paused` is whether the write buffer is
        full.
        """
        reader = Reader(self._hub, transport, connections, headers, paused=paused)
        reader.respond(request)


@lru_cache(64)
def _at_message(cursor: str) -> Message:
    return Message(f"id: {cursor}\n".encode() + messages.named_event("at"))


async def _missed_messages(
    hub: Hub, channel: Channel, at: int
) -> tuple[list[Message], int]:
    """Return the messages after a seq, and the seq of a page that has them.

    If the rows turn out to be of another epoch, return no messages and an impossible
    seq.
    """
    if (position := channel.position_after(at)) is not None:
        return channel.since(position), channel.seq
    missed = await hub.catch_up(channel, at)
    if missed.changes.reset:
        return [], sys.maxsize
    return [missed.message], missed.changes.cursor.seq


def _run_eagerly(coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None] | None":
    """Run a coroutine until it waits for something; finish it in a task.

    Return None if it is already done, which saves most readers a task.
    """
    try:
        waiting = coroutine.send(None)
    except StopIteration:
        return None
    return asyncio.create_task(_resume(coroutine, waiting))


@types.coroutine
def _resume(
    coroutine: Coroutine[Any, Any, None], waiting: Any
) -> Generator[Any, Any, None]:
    """Continue a coroutine that was started with `send(None)` and awaits `waiting`."""
    yield waiting
    yield from coroutine.__await__()
