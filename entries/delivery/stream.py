"""The stream of a story (Server-Sent Events): an ASGI route that bypasses Django.

A stream replays what the page missed, sends `ready`, and then sends every new change.
It ends with `reset`, `behind` or `end` (see `channels`), or with a disconnect.
"""

import asyncio
import logging
import random
import re
import sys
from urllib.parse import parse_qs

from django.conf import settings
from django.db import Error
from django.http.request import validate_host

from entries.delivery import channels, timings
from entries.delivery.asgi import (
    Header,
    Message,
    Receive,
    Scope,
    Send,
    respond_text,
    response_start,
)
from entries.delivery.changes import Cursor
from entries.delivery.channels import MAX_CATCH_UP_BYTES, Channel, Reader
from entries.delivery.direct_writes import DirectConnection
from entries.delivery.hub import Hub
from entries.delivery.metrics import tally
from entries.models import Story

logger = logging.getLogger(__name__)

_DIGITS = re.compile(r"[0-9]{1,18}")
_PATH = re.compile(r"/stories/([-a-zA-Z0-9_]+)/stream")
STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]


def stream_slug(scope: Scope) -> str:
    """Return the slug of the story whose stream is requested, or ""."""
    if scope["type"] != "http" or not scope["path"].endswith("/stream"):
        return ""
    found = _PATH.fullmatch(scope["path"])
    return found[1] if found else ""


def _header(scope: Scope, name: bytes) -> str:
    values = (value for key, value in scope["headers"] if key == name)
    return str(next(values, b"").decode("latin-1"))


def _host(scope: Scope) -> str:
    host = _header(scope, b"host")
    return host if host.endswith("]") else host.rsplit(":", 1)[0]


async def _refuse(send: Send, status: int, text: str, *headers: Header) -> None:
    tally.refused += status == 503
    await respond_text(send, status, text, *headers)


async def serve_stream(
    hub: Hub, slug: str, scope: Scope, receive: Receive, send: Send
) -> None:
    """Serve the stream of a story to one reader, or refuse it."""
    if not validate_host(_host(scope), settings.ALLOWED_HOSTS or ["localhost"]):
        return await _refuse(send, 400, "This host is not served here.")
    if scope["method"] != "GET":
        return await _refuse(send, 405, "Use GET.", (b"allow", b"GET"))
    if hub.stopping or hub.stream_count >= settings.MAX_STREAMS:
        wait = str(random.randint(5, 20)).encode()  # noqa: S311 - spreads the load
        return await _refuse(
            send, 503, "Too many readers: poll the changes.", (b"retry-after", wait)
        )
    hub.stream_count += 1
    try:
        return await _subscribe(hub, slug, scope, receive, send)
    finally:
        hub.stream_count -= 1


async def _subscribe(
    hub: Hub, slug: str, scope: Scope, receive: Receive, send: Send
) -> None:
    """Subscribe a reader to the channel of its story until it disconnects."""
    try:
        async with asyncio.timeout(timings.SUBSCRIBE_TIMEOUT_SECONDS):
            # While the database is down, a stale page must not appear to be live.
            reachable = await hub.watcher.is_answering()
            channel = await hub.subscribe(slug) if reachable else None
    except (TimeoutError, Error):
        reachable = False
    if not reachable:
        return await _refuse(
            send, 503, "The database does not answer.", (b"retry-after", b"5")
        )
    if channel is None:
        return await _refuse(send, 404, "There is no such story.")
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine always runs in one
    reader = Reader(send, task)
    try:
        await _stream(hub, channel, reader, scope, receive)
    except asyncio.CancelledError:
        if not reader.ended:
            raise
    except Error as error:  # the page reconnects with its cursor
        logger.warning("A stream ended because of a database error: %s", error)
    finally:
        channel.readers.pop(reader, None)
        hub.unsubscribe(channel)
    if not reader.busy:
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    return None


async def _stream(
    hub: Hub, channel: Channel, reader: Reader, scope: Scope, receive: Receive
) -> None:
    """Start the response, replay, and wait until the reader disconnects."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    given = _header(scope, b"last-event-id") or query.get("after", [""])[0]
    rail = query.get("rail", [""])[0]
    await reader.send(response_start(200, STREAM_HEADERS))
    if settings.DIRECT_WRITES:
        reader.direct = DirectConnection.from_send(reader.send)
    cursor = Cursor.parse(given) if given else Cursor(hub.epoch, channel.seq)
    if not given:
        at = f"id: {cursor}\n".encode() + channels.named_event("at")
        await reader.send(channels.body_message(at))
    last = await _replay(hub, channel, reader, cursor, rail)
    if last is not None:
        return await reader.send(last)
    while (await receive())["type"] != "http.disconnect":
        pass
    return None


async def _replay(
    hub: Hub, channel: Channel, reader: Reader, cursor: Cursor | None, rail: str
) -> Message | None:
    """Send what a page missed, then add its reader to the channel and send `ready`.

    If that is not possible, return the message that ends the stream: `reset` if the
    cursor is of another epoch, `behind` if the page missed more than a stream may
    replay, `end` if the story is closed or withdrawn.
    """
    if cursor is None:
        return channels.RESET
    at, sent = cursor.seq, 0
    rail_seq = int(rail) if _DIGITS.fullmatch(rail) else channel.site_seq
    if cursor.epoch != hub.epoch or at > channel.seq:
        await hub.poll_now()
    while cursor.epoch == hub.epoch and at <= channel.seq:
        if at < channel.seq:
            body, at = await _missed_events(hub, channel, at)
            if (sent := sent + len(body)) > MAX_CATCH_UP_BYTES:
                return channels.BEHIND
            if body:
                await reader.wait(channels.body_message(body))
            if at > channel.seq:
                await hub.poll_now()
        elif rail_seq < channel.site_seq:
            rail_seq, message = await hub.rail(channel)
            await reader.wait(message)
        elif channel.state not in Story.STREAMED:
            return channels.END
        else:
            # Nothing was awaited since the comparison, so the reader misses nothing.
            _follow(hub, channel, reader)
            return None
    return channels.RESET


async def _missed_events(hub: Hub, channel: Channel, at: int) -> tuple[bytes, int]:
    """Return the events that follow a seq, and the seq of a page that has them.

    If the rows turn out to be of another epoch, return no events and an impossible seq.
    """
    if (position := channel.position_after(at)) is not None:
        return b"".join(channel.since(position)), channel.seq
    missed = await hub.catch_up(channel, at)
    if missed.changes.reset:
        return b"", sys.maxsize
    return missed.message["body"], missed.changes.cursor.seq


def _follow(hub: Hub, channel: Channel, reader: Reader) -> None:
    """Add a reader that is up to date to the channel, and send it `ready`."""
    reader.position = channel.end
    channel.readers[reader] = None
    # A random back-off for every reader, so that they do not reconnect all at once.
    pause = random.randint(500, 2500)  # noqa: S311 - milliseconds, spreads the load
    ready = f"retry: {pause}\n".encode() + channels.named_event("ready")
    channels.push([reader], channels.body_message(ready), channel.serve)
    if hub.stopping:
        reader.end()
