"""The ASGI route of a story's stream; it never enters Django's request cycle."""

import asyncio
import logging
import random
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings
from django.db import Error
from django.http.request import validate_host

from entries.delivery import channels, direct
from entries.delivery.channels import Channel, Reader, Send
from entries.delivery.hub import Hub
from entries.delivery.log import Cursor
from entries.delivery.metrics import tally

logger = logging.getLogger(__name__)
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]

PATIENCE = 8.0  # seconds that a new reader waits for the database
_NUMBER = re.compile(r"[0-9]{1,18}")
_PATH = re.compile(r"/stories/([-a-zA-Z0-9_]+)/stream")
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]


def slug_of(scope: Scope) -> str:
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


async def serve(
    hub: Hub, slug: str, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer one reader: what it missed, then every change until it leaves."""
    if not validate_host(_host(scope), settings.ALLOWED_HOSTS or ["localhost"]):
        return await _refuse(send, 400, "This host is not served here.")
    if scope["method"] != "GET":
        return await _refuse(send, 405, "Use GET.", (b"allow", b"GET"))
    if hub.stopping or hub.count >= settings.MAX_STREAMS:
        wait = str(random.randint(5, 20)).encode()  # noqa: S311 - only spreads
        return await _refuse(
            send, 503, "Too many readers: poll the changes.", (b"retry-after", wait)
        )
    hub.count += 1
    try:
        return await _admit(hub, slug, scope, receive, send)
    finally:
        hub.count -= 1


async def _admit(
    hub: Hub, slug: str, scope: Scope, receive: Receive, send: Send
) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            # A page that was loaded from memory must not be told that it is live.
            answers = await hub.watcher.answers()
            channel = await hub.enter(slug) if answers else None
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
    except Error as error:  # the page comes back, with its place
        logger.warning("A stream ends, for want of the database: %s", error)
    finally:
        channel.readers.pop(reader, None)
        hub.leave(channel)
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
        reader.line = direct.Line.of(reader.send)
    # Reconnections are spread: every reader gets a pause of its own.
    pause = random.randint(500, 2500)  # noqa: S311 - only spreads
    await reader.send(
        channels.message(f"retry: {pause}\n".encode() + channels.event("ready"))
    )
    cursor = Cursor.parse(given) if given else Cursor(hub.epoch, channel.seq)
    if not given:
        await reader.send(
            channels.message(f"id: {cursor}\n".encode() + channels.event("at"))
        )
    if cursor is None or not await _catch_up(hub, channel, reader, cursor, rail):
        await reader.send(channels.RESET)
    elif channel.state != "live":
        while reader.busy:  # the last word comes after what it is about
            await asyncio.sleep(0.05)
        await reader.send(channels.END)
    else:
        while (await receive())["type"] != "http.disconnect":
            pass


async def _catch_up(
    hub: Hub, channel: Channel, reader: Reader, cursor: Cursor, rail: str
) -> bool:
    """Send what a page lacks and enlist its reader, with no gap in between.

    Return False where the cursor belongs to another history.
    """
    at = cursor.seq
    shown = int(rail) if _NUMBER.fullmatch(rail) else channel.site_seq
    if cursor.epoch != hub.epoch or at > channel.seq:
        await hub.look()
    while cursor.epoch == hub.epoch and at <= channel.seq:
        if shown < channel.site_seq:
            shown, one = await hub.rail(channel)
            await reader.wait(one)
        elif (place := channel.place(at)) is not None:
            # No await between the look at the log and here.
            reader.position = place
            channel.readers[reader] = None
            channel.serve(reader)
            if hub.stopping:
                reader.end()
            return True
        else:
            missed = await hub.missed(channel, at)
            if missed.changes.reset:
                return False
            await reader.wait(missed.message)
            at = missed.changes.cursor.seq
            if at > channel.seq:
                await hub.look()
    return False
