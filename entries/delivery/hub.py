"""The hub: one a process. It learns of changes, reads each once, tells all readers.

A story that somebody reads here has a channel: a log of finished frames, each the
same bytes for every reader. The publisher starts a reader's `send` itself; in the
normal case it returns at once. A reader whose network is slow suspends: a task
finishes it and follows the log; one that falls out of the log is dropped, and
comes back with its cursor.
"""

import asyncio
import contextlib
import logging
import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from django.db import close_old_connections

from entries.delivery import log, watchers
from entries.delivery.log import Cursor
from entries.models import Story

logger = logging.getLogger(__name__)
T = TypeVar("T")
Send = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]

HEARTBEAT = 15.0  # seconds
SAFETY = 1.0  # seconds between two looks at the rows, whatever was heard
TURN = 64  # readers served before the loop may do something else
FRAMES = 256  # frames that a channel keeps
BYTES = 4 * 1024 * 1024  # that a channel keeps
ASKED = 32  # answers to "what did I miss?" that a channel keeps
SLOW = 30.0  # seconds that a reader may take for what was written to it


def message(body: bytes) -> dict[str, Any]:
    """Return an ASGI message; readers share it."""
    return {"type": "http.response.body", "body": body, "more_body": True}


def frame(html: str, cursor: Cursor | None = None) -> bytes:
    """Return an unnamed event of HTML; the standard's `id` is the cursor."""
    lines = html.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    head = f"id: {cursor}\n" if cursor else ""
    return (head + "".join(f"data: {line}\n" for line in lines) + "\n").encode()


def event(name: str, data: str = "") -> bytes:
    """Return a named event: told to the page, never put into it."""
    return f"event: {name}\ndata: {data}\n\n".encode()


PING = message(event("ping"))
END = message(event("end"))
RESET = message(event("reset"))


@types.coroutine
def _rest(
    coroutine: Coroutine[Any, Any, None], waiting: Any
) -> Generator[Any, Any, None]:
    """Go on with a coroutine that was started by hand and waits for a future."""
    yield waiting
    yield from coroutine.__await__()


def forget(answers: dict[Any, Any], name: Any) -> Callable[[Any], None]:
    """Return what drops a kept answer that turned out to be an error."""

    def act(job: "asyncio.Future[Any]") -> None:
        if (job.cancelled() or job.exception()) and answers.get(name) is job:
            del answers[name]

    return act


@dataclass(eq=False)
class Reader:
    """One open stream: its `send`, and how far it is in its channel's log."""

    send: Send
    task: "asyncio.Task[None]"
    position: int = 0
    busy: bool = False
    ended: bool = False
    _finishing: "asyncio.Task[None] | None" = None

    def push(self, one: dict[str, Any], then: Callable[["Reader"], None]) -> bool:
        """Start sending a message; False if the network makes it wait.

        `then` is called when it has gone out after all.
        """
        coroutine = self.send(one)
        try:
            waiting = coroutine.send(None)
        except StopIteration:
            return True
        except Exception:
            self.end()
            return False
        self.busy = True
        self._finishing = asyncio.create_task(self._finish(coroutine, waiting, then))
        return False

    async def _finish(
        self,
        coroutine: Coroutine[Any, Any, None],
        waiting: Any,
        then: Callable[["Reader"], None],
    ) -> None:
        try:
            async with asyncio.timeout(SLOW):
                await _rest(coroutine, waiting)
        except Exception:
            self.end()
            return
        self.busy = False
        then(self)

    def end(self) -> None:
        """Let the stream's own task finish the answer."""
        if not self.ended:
            self.ended = True
            self.task.cancel()


@dataclass(frozen=True)
class Frame:
    """A message that brings a page from one number to another."""

    after: int
    seq: int
    message: dict[str, Any]


@dataclass(frozen=True)
class Missed:
    """What a page lacks: one message for all who lack the same."""

    changes: log.Changes
    message: dict[str, Any]


@dataclass(eq=False)
class Channel:
    """A story that is read here: its latest number, its log and its readers."""

    story_id: int
    seq: int
    state: str
    site_seq: int
    frames: deque[Frame] = field(default_factory=deque)
    first: int = 0  # position of frames[0]
    size: int = 0  # bytes in the log
    users: int = 0
    readers: set[Reader] = field(default_factory=set)
    rail: tuple[int, dict[str, Any]] | None = None
    missed: "dict[int, asyncio.Future[Missed]]" = field(default_factory=dict)

    @property
    def end(self) -> int:
        """Return the position behind the last frame."""
        return self.first + len(self.frames)

    def append(self, new: Frame) -> None:
        """Add a frame and forget the oldest beyond the bounds."""
        self.frames.append(new)
        self.missed.clear()
        self.size += len(new.message["body"])
        while len(self.frames) > 1 and (len(self.frames) > FRAMES or self.size > BYTES):
            self.size -= len(self.frames.popleft().message["body"])
            self.first += 1

    def restart(self, seq: int, state: str, site_seq: int) -> None:
        """Begin the log of another history; what was kept is of the old one."""
        self.first, self.size, self.rail = self.end, 0, None
        self.frames.clear()
        self.missed.clear()
        self.seq, self.state, self.site_seq = seq, state, site_seq

    def place(self, after: int) -> int | None:
        """Return the position from which a page at a number reads; None if too old."""
        if after == self.seq:
            return self.end
        if not self.frames or self.frames[0].after > after:
            return None
        return self.end - sum(1 for one in self.frames if one.seq > after)

    def serve(self, reader: Reader) -> None:
        """Send a reader everything that it lacks, as far as its network takes it."""
        while reader.position < self.end and not reader.busy and not reader.ended:
            if reader.position < self.first:
                reader.end()
                return
            one = self.frames[reader.position - self.first].message
            reader.position += 1
            reader.push(one, self.serve)

    def tell(self, reader: Reader, one: dict[str, Any]) -> None:
        """Send a reader what is in no log, unless it is behind anyway."""
        if not reader.busy and not reader.ended:
            reader.push(one, self.serve)


class Hub:
    """Channels by story, and the tasks that keep them true."""

    def __init__(self) -> None:
        self.channels: dict[int, Channel] = {}
        self.epoch = ""
        self.site_seq = -1
        self.stopping = False
        self.count = 0
        self._slugs: dict[str, asyncio.Future[Story | None]] = {}
        self._wake = asyncio.Event()
        self.watcher = watchers.Watcher(self._wake.set)
        self._looked: asyncio.Future[None] = asyncio.Future()
        self._tasks: list[asyncio.Task[None]] = []
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="hub")

    def start(self, tick: Callable[[], object]) -> None:
        """Start watching; `tick` is called every second, for what time brings."""
        jobs = (
            self.watcher.run(),
            self._follow(),
            self._beat(),
            self._clock(tick),
        )
        self._tasks = [asyncio.create_task(job) for job in jobs]

    async def look(self) -> None:
        """Look at the rows now, and return when that is done."""
        looked = self._looked
        self._wake.set()
        await asyncio.shield(looked)

    async def stop(self) -> None:
        """End every stream, a turn at a time, and stop watching."""
        self.stopping = True
        for task in self._tasks:
            task.cancel()
        for channel in list(self.channels.values()):
            await self._turns(channel, Reader.end)

    async def read(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function that reads the database, in one of the hub's threads."""

        def call() -> T:
            try:
                return function(*args)
            finally:
                close_old_connections()

        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    async def enter(self, slug: str) -> Channel | None:
        """Return the channel of a story by any slug it had; `leave` it at the end."""
        if self.epoch == "":
            await self.look()
        asked = self._slugs.get(slug)
        if asked is None:
            asked = asyncio.ensure_future(self.read(log.public_story, slug))
            self._slugs[slug] = asked
            asked.add_done_callback(forget(self._slugs, slug))
        story = await asyncio.shield(asked)
        if story is None:
            # Nobody fills the memory with names that lead nowhere.
            self._slugs.pop(slug, None)
            return None
        channel = self.channels.get(story.pk)
        if channel is not None:
            channel.users += 1
            return channel
        # The story as it was asked for: the next look finds what came since.
        channel = Channel(story.pk, story.seq, story.state, self.site_seq, users=1)
        self.channels[story.pk] = channel
        try:
            await self.look()
        except BaseException:
            self.leave(channel)
            raise
        return channel

    def leave(self, channel: Channel) -> None:
        """Be one user less of a channel; that of nobody goes."""
        channel.users -= 1
        if not channel.users:
            self.channels.pop(channel.story_id, None)

    async def missed(self, channel: Channel, after: int) -> Missed:
        """Return what changed after a number: one read for all who ask for it."""
        job = channel.missed.get(after)
        if job is None:
            if len(channel.missed) >= ASKED:
                channel.missed.clear()
            job = asyncio.ensure_future(self._read_missed(channel, after))
            channel.missed[after] = job
            job.add_done_callback(forget(channel.missed, after))
        return await asyncio.shield(job)

    async def _read_missed(self, channel: Channel, after: int) -> Missed:
        cursor = Cursor(self.epoch, after)
        found = await self.read(log.changes_after, channel.story_id, cursor)
        return Missed(found, message(frame(found.html, found.cursor)))

    async def rail(self, channel: Channel) -> tuple[int, dict[str, Any]]:
        """Return the rail as it is now, with the site's number it belongs to."""
        if channel.rail is None or channel.rail[0] != self.site_seq:
            site_seq = self.site_seq
            html = await self.read(log.rail_partial, channel.story_id)
            channel.rail = (site_seq, message(frame(html)))
        return channel.rail

    async def _follow(self) -> None:
        """Read what changed whenever something did; never end."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SAFETY):
                    await self._wake.wait()
            self._wake.clear()
            looked, self._looked = self._looked, asyncio.Future()
            try:
                await self._refresh()
            except Exception as error:
                logger.exception("The changes could not be read; trying again.")
                looked.set_exception(error)
                looked.exception()  # nobody may have been waiting for it
                await asyncio.sleep(SAFETY / 2)
            else:
                looked.set_result(None)

    async def _refresh(self) -> None:
        epoch, site_seq, stories = await self.read(log.numbers, list(self.channels))
        other_history = self.epoch not in ("", epoch) or site_seq < self.site_seq
        if other_history or site_seq != self.site_seq:
            self._slugs.clear()
        if other_history:
            self.watcher.hear()  # a restore tells nobody
        self.epoch, self.site_seq = epoch, site_seq
        for story_id, (seq, state) in stories.items():
            channel = self.channels.get(story_id)
            if channel is None:
                continue
            if other_history or seq < channel.seq:
                channel.restart(seq, state, site_seq)
                await self._dismiss(channel, RESET)
            else:
                await self._advance(channel, seq, state)

    async def _advance(self, channel: Channel, seq: int, state: str) -> None:
        if seq > channel.seq:
            missed = await self.missed(channel, channel.seq)
            if missed.changes.reset:
                return  # restored just now: the next look tells
            seq, state = missed.changes.cursor.seq, missed.changes.state
            channel.append(Frame(channel.seq, seq, missed.message))
            channel.seq = seq
        if channel.site_seq < self.site_seq:
            site_seq, rail = await self.rail(channel)
            channel.append(Frame(channel.seq, channel.seq, rail))
            channel.site_seq = site_seq
        channel.state = state
        await self._turns(channel, channel.serve)
        if state != "live":
            await self._dismiss(channel, END)

    async def _dismiss(self, channel: Channel, last: dict[str, Any]) -> None:
        """Tell every reader a last word and end its stream."""

        def act(reader: Reader) -> None:
            channel.tell(reader, last)
            reader.end()

        await self._turns(channel, act)

    async def _turns(self, channel: Channel, act: Callable[[Reader], object]) -> None:
        """Do something for every reader, leaving the loop free in between."""
        readers = list(channel.readers)
        for start in range(0, len(readers), TURN):
            for reader in readers[start : start + TURN]:
                act(reader)
            await asyncio.sleep(0)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            for channel in list(self.channels.values()):
                await self._turns(channel, partial(channel.tell, one=PING))

    async def _clock(self, tick: Callable[[], object]) -> None:
        while True:
            await asyncio.sleep(1)
            try:
                await self.read(tick)
            except Exception:
                logger.exception("What is due could not be published; trying again.")
