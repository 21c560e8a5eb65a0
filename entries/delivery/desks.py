"""The streams of open desks (Server-Sent Events): they tell a page when to poll.

A desk's stream carries no content. Whenever anything at a story's desk changes, which
includes unpublished texts and presence, it sends `look` with the story's new pulse. The
page then polls, unless it has that pulse already. A page without a stream polls at
intervals.

Django decides who may have a stream: it handles the request, and the response becomes a
stream if it has the header ADMITTED. The request is repeated once a minute, so that a
stream ends with its session.
"""

import asyncio
import logging
import random
import re
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import Error

from entries.delivery import timings
from entries.delivery.asgi import (
    AsgiMessage,
    Receive,
    Scope,
    Send,
    respond_text,
    response_start,
)
from entries.delivery.hub import Hub
from entries.delivery.messages import named_event
from entries.delivery.stream import STREAM_HEADERS

logger = logging.getLogger(__name__)

ADMITTED = "Desk-Stream"  # header of Django's response: "<user> <story> <page>"
MAX_STREAMS_PER_PERSON = 8  # per process; further pages poll
_PATH = re.compile(r"/admin/entries/story/[0-9]{1,18}/desk/stream/")
_LAST = {"type": "http.response.body", "body": b"", "more_body": False}
_DENIED = (401, 403, 404)


class Look(NamedTuple):
    """The pulse of a desk, and `changes`, the part of it that ignores presence."""

    changes: str
    pulse: str


Looks = Callable[[Collection[int]], Mapping[int, Look]]
KeepPresent = Callable[[Collection[str]], object]


@dataclass(eq=False)
class DeskStream:
    """An open stream; `page` identifies the open page in the presence rows."""

    user: str
    story: int
    page: str
    task: "asyncio.Task[Any]"
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    sending: bool = False
    ended: bool = False

    @classmethod
    def admitted(cls, response: list[AsgiMessage]) -> "DeskStream | None":
        """Return a new stream if Django's response admits one, else None."""
        name = ADMITTED.encode()
        headers = dict(response[0]["headers"]) if response else {}
        task = asyncio.current_task()
        if name not in headers or task is None or response[0]["status"] != 200:
            return None
        user, story, page = headers[name].decode().split(" ")
        return cls(user, int(story), page, task)

    def end(self) -> None:
        """Let the stream's own task finish the response."""
        if not self.ended:
            self.ended = True
            self.task.cancel()

    async def send(self, send: Send, message: AsgiMessage) -> None:
        """Send a message, or end the stream if its network takes too long."""
        self.sending = True
        async with asyncio.timeout(timings.SEND_TIMEOUT_SECONDS):
            await send(message)
        self.sending = False


class Desks:
    """The open desk streams of this process, and the task that keeps them current.

    `looks` reads the pulses of stories; `keep_present` records that pages are still
    open. Both run in one of the hub's threads.
    """

    def __init__(
        self, hub: Hub, app: Any, looks: Looks, keep_present: KeepPresent
    ) -> None:
        self._hub = hub
        self._app = app
        self._read_looks = looks
        self._keep_present = keep_present
        self._streams: set[DeskStream] = set()
        self._looks: dict[int, Look] = {}
        self._presence_sent_at: dict[int, float] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._present_at = 0.0
        hub.watcher.wake_desks = self._changed.set

    @staticmethod
    def requested(scope: Scope) -> bool:
        """Return whether a request asks for the stream of a desk."""
        if scope["type"] != "http" or not scope["path"].endswith("/desk/stream/"):
            return False
        return scope["method"] == "GET" and bool(_PATH.fullmatch(scope["path"]))

    def start(self) -> None:
        """Start the task that wakes the streams."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End every stream."""
        if self._task:
            self._task.cancel()
        for one in list(self._streams):
            one.end()

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a desk's stream, or Django's response if it does not admit one."""
        response = await self._request_django(scope)
        stream = DeskStream.admitted(response)
        if stream is None:
            for message in response:
                await send(message)
            return None
        if self._hub.stopping or not self._has_room(stream):
            sentence = "Too many desks are open: poll the changes."
            return await respond_text(send, 503, sentence, (b"retry-after", b"60"))
        self._streams.add(stream)
        self._changed.set()
        hangup = asyncio.create_task(_wait_for_hangup(receive, stream))
        try:
            await stream.send(send, response_start(200, STREAM_HEADERS))
            await self._follow(stream, scope, send)
        except TimeoutError:  # the network is stuck
            return None
        except asyncio.CancelledError:
            if not stream.ended:
                raise
        finally:
            hangup.cancel()
            self._streams.discard(stream)
        if not stream.sending:
            await send(_LAST)
        return None

    async def _request_django(self, scope: Scope) -> list[AsgiMessage]:
        """Return Django's response to the request for a stream."""
        response: list[AsgiMessage] = []

        async def collect(message: AsgiMessage) -> None:
            response.append(message)

        # With this header a desk view responds 401 or 403 instead of redirecting.
        headers = [*scope["headers"], (b"hx-request", b"true")]
        await self._app({**scope, "headers": headers}, _empty_body(), collect)
        return response

    def _has_room(self, new: DeskStream) -> bool:
        """Return whether a person may open another stream; end the page's old one."""
        own = [one for one in self._streams if one.user == new.user]
        for old in [one for one in own if one.page and one.page == new.page]:
            old.end()
            own.remove(old)
        return len(own) < MAX_STREAMS_PER_PERSON

    async def _follow(self, stream: DeskStream, scope: Scope, send: Send) -> None:
        sent = None
        check_at = _next_check()
        while True:
            look = self._looks.get(stream.story)
            if look and look.pulse != sent:
                sent = look.pulse
                await stream.send(send, _event("look", sent))
            with suppress(TimeoutError):
                async with asyncio.timeout(timings.HEARTBEAT_SECONDS):
                    await stream.woken.wait()
            if not stream.woken.is_set():
                await stream.send(send, _PING)
            stream.woken.clear()
            if time.monotonic() > check_at:
                response = await self._request_django(scope)
                if not response or response[0]["status"] in _DENIED:
                    return await stream.send(send, _REFUSED)
                check_at = _next_check()

    async def _run(self) -> None:
        """Read the pulses after each commit, and at intervals for expired presence."""
        pause = timings.DESK_POLL_SECONDS
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()
            self._changed.clear()
            pause = timings.DESK_POLL_SECONDS
            if not self._streams:
                self._looks.clear()
                continue
            try:
                await self._note_presence()
                sent, waits = await self._refresh()
            except Error as error:
                logger.warning("The desks could not be read: %s", error)
                sent = waits = True
            except Exception:  # must not end this task
                logger.exception("The desks could not be read.")
                sent = waits = True
            if waits:
                pause = timings.DESK_PRESENCE_SECONDS
            # Changes in quick succession cause one `look`.
            spacing = (
                timings.DESK_LOOK_SECONDS if sent else timings.DESK_LOOK_SECONDS / 2
            )
            await asyncio.sleep(spacing)

    async def _note_presence(self) -> None:
        now = time.monotonic()
        if now - self._present_at < timings.DESK_POLL_SECONDS:
            return
        self._present_at = now
        pages = {stream.page for stream in self._streams} - {""}
        await self._hub.run_query(self._keep_present, pages)

    async def _refresh(self) -> tuple[bool, bool]:
        """Wake the streams of stories whose pulse changed.

        Return whether there were any, and whether a change of presence must wait,
        because another one was sent just before.
        """
        stories = {stream.story for stream in self._streams}
        found = await self._hub.run_query(self._read_looks, stories)
        now, sent, waits = time.monotonic(), set(), False
        for story, look in found.items():
            old = self._looks.get(story)
            if look == old:
                continue
            if old and look.changes == old.changes:
                since = now - self._presence_sent_at.get(story, 0.0)
                if since < timings.DESK_PRESENCE_SECONDS:
                    waits = True
                    continue
                self._presence_sent_at[story] = now
            self._looks[story] = look
            sent.add(story)
        for stream in self._streams:
            if stream.story in sent:
                stream.woken.set()
        return bool(sent), waits


def _next_check() -> float:
    spread = random.uniform(0.8, 1.2)  # noqa: S311 - spreads the load
    return time.monotonic() + timings.DESK_CHECK_SECONDS * spread


def _event(name: str, data: str = "") -> AsgiMessage:
    body = named_event(name, data)
    return {"type": "http.response.body", "body": body, "more_body": True}


_PING = _event("ping")  # the heartbeat
_REFUSED = _event("refused")  # the session has ended


def _empty_body() -> Receive:
    """Return a `receive` for a request without a body that never disconnects."""
    sent = False

    async def receive() -> AsgiMessage:
        nonlocal sent
        if sent:
            await asyncio.Event().wait()
        sent = True
        return {"type": "http.request", "body": b"", "more_body": False}

    return receive


async def _wait_for_hangup(receive: Receive, stream: DeskStream) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.end()
