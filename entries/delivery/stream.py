"""The ASGI route of a story's stream; it never enters Django's request cycle."""

import asyncio
import logging
import random
import re
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings
from django.db import Error
from django.http.request import validate_host

from entries.delivery import channels, timings
from entries.delivery.changes import Cursor
from entries.delivery.channels import MAX_CATCH_UP_BYTES, Channel, Reader, Send
from entries.delivery.direct_writes import DirectConnection
from entries.delivery.hub import Hub
from entries.delivery.metrics import tally

logger = logging.getLogger(__name__)
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]

_DIGITS = re.compile(r"[0-9]{1,18}")
_PATH = re.compile(r"/stories/([-a-zA-Z0-9_]+)/stream")
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]


def stream_slug(scope: Scope) -> str:
    """Return the slug if a request is for a stream, else nothing."""
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


async def _refuse(send: Send, status: int, sentence: str, *more: Any) -> None:
    tally.refused += status == 503
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *more]
    headers.append((b"cache-control", b"no-store"))
    start = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": f"{sentence}\n".encode()})


async def serve_stream(
    hub: Hub, slug: str, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer one reader: what it missed, then every change until it leaves."""
    if not validate_host(_host(scope), settings.ALLOWED_HOSTS or ["localhost"]):
        return await _refuse(send, 400, "This host is not served here.")
    if scope["method"] != "GET":
        return await _refuse(send, 405, "Use GET.", (b"allow", b"GET"))
    if hub.stopping or hub.stream_count >= settings.MAX_STREAMS:
        wait = str(random.randint(5, 20)).encode()  # noqa: S311 - only spreads
        return await _refuse(
            send, 503, "Too many readers: poll the changes.", (b"retry-after", wait)
        )
    hub.stream_count += 1
    try:
        return await _admit(hub, slug, scope, receive, send)
    finally:
        hub.stream_count -= 1


async def _admit(
    hub: Hub, slug: str, scope: Scope, receive: Receive, send: Send
) -> None:
    try:
        async with asyncio.timeout(timings.SUBSCRIBE_TIMEOUT_SECONDS):
            # A page that was loaded from memory must not be told that it is live.
            answers = await hub.watcher.is_answering()
            channel = await hub.subscribe(slug) if answers else None
    except (TimeoutError, Error):
        answers = False
    if not answers:
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
    except Error as error:  # the page comes back, with its position
        logger.warning("A stream ends, for want of the database: %s", error)
    finally:
        channel.readers.pop(reader, None)
        hub.unsubscribe(channel)
    if not reader.busy:
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    return None


async def _stream(
    hub: Hub, channel: Channel, reader: Reader, scope: Scope, receive: Receive
) -> None:
    query = parse_qs(scope["query_string"].decode("latin-1"))
    given = _header(scope, b"last-event-id") or query.get("after", [""])[0]
    rail = query.get("rail", [""])[0]
    start = {"type": "http.response.start", "status": 200, "headers": _HEADERS}
    await reader.send(start)
    if settings.DIRECT_WRITES:
        reader.direct = DirectConnection.from_send(reader.send)
    cursor = Cursor.parse(given) if given else Cursor(hub.epoch, channel.seq)
    if not given:
        await reader.send(
            channels.body_message(
                f"id: {cursor}\n".encode() + channels.named_event("at")
            )
        )
    last = await _catch_up(hub, channel, reader, cursor, rail)
    if last is not None:
        return await reader.send(last)
    while (await receive())["type"] != "http.disconnect":
        pass
    return None


async def _catch_up(
    hub: Hub, channel: Channel, reader: Reader, cursor: Cursor | None, rail: str
) -> dict[str, Any] | None:
    """Send what a page lacks, then `ready`, and enlist its reader, with no gap.

    Return the message that ends the stream instead: `reset` where the cursor is of
    another history, `behind` where the page lacks more than a stream should carry,
    `end` where the story is closed or withdrawn.
    """
    if cursor is None:
        return channels.RESET
    at, sent = cursor.seq, 0
    shown = int(rail) if _DIGITS.fullmatch(rail) else channel.site_seq
    if cursor.epoch != hub.epoch or at > channel.seq:
        await hub.poll_now()
    while cursor.epoch == hub.epoch and at <= channel.seq:
        if at < channel.seq:
            body, at = await _backlog(hub, channel, at)
            if (sent := sent + len(body)) > MAX_CATCH_UP_BYTES:
                return channels.BEHIND
            if body:
                await reader.wait(channels.body_message(body))
            if at > channel.seq:
                await hub.poll_now()
        elif shown < channel.site_seq:
            shown, one = await hub.rail(channel)
            await reader.wait(one)
        elif channel.state != "live":
            return channels.END
        else:  # No await since the look at the log.
            _follow_log(hub, channel, reader)
            return None
    return channels.RESET


async def _backlog(hub: Hub, channel: Channel, at: int) -> tuple[bytes, int]:
    """Return events for a page at a seq, and the seq that they bring it to.

    No events where the seq is of another history.
    """
    if (position := channel.position_after(at)) is not None:
        return b"".join(channel.since(position)), channel.seq
    missed = await hub.catch_up(channel, at)
    if missed.changes.reset:
        return b"", sys.maxsize
    return missed.message["body"], missed.changes.cursor.seq


def _follow_log(hub: Hub, channel: Channel, reader: Reader) -> None:
    """Let a reader who has everything follow the log, and tell it so."""
    reader.position = channel.end
    channel.readers[reader] = None
    # Reconnections are spread: every reader gets a pause of its own.
    pause = random.randint(500, 2500)  # noqa: S311 - only spreads
    ready = channels.body_message(
        f"retry: {pause}\n".encode() + channels.named_event("ready")
    )
    channels.push([reader], ready, channel.serve)
    if hub.stopping:
        reader.end()
