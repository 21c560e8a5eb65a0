"""The hub: one a process. It learns of changes, reads each once, tells all readers."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from django.db import Error, close_old_connections

from entries.database import timeouts
from entries.delivery import audience, metrics, numbers, watchers
from entries.delivery.changes import (
    Changes,
    Cursor,
    changes_after,
    public_story,
    rail_partial,
)
from entries.delivery.channels import (
    END,
    PING,
    RESET,
    Channel,
    Frame,
    Missed,
    Reader,
    end,
    frame,
    message,
)
from entries.delivery.metrics import tally
from entries.models import Story

logger = logging.getLogger(__name__)
T = TypeVar("T")

HEARTBEAT = 15.0  # seconds of silence until a ping
SAFETY = 1.0  # seconds between two looks at the rows, whatever was heard
TURN = 64  # readers served before the loop may do something else
ASKED = 32  # answers to "what did I miss?" that a channel keeps


def forget(answers: dict[Any, Any], name: Any) -> Callable[[Any], None]:
    """Return what drops a kept answer that turned out to be an error."""

    def act(job: "asyncio.Future[Any]") -> None:
        if (job.cancelled() or job.exception()) and answers.get(name) is job:
            del answers[name]

    return act


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
        self._teller = audience.Teller()
        self._looked: asyncio.Future[None] = asyncio.Future()
        self._tasks: list[asyncio.Task[None]] = []
        self._pool = ThreadPoolExecutor(
            2,
            "hub",
            initializer=timeouts.set_timeout,
            initargs=(timeouts.WRITE_TIMEOUT_SECONDS,),
        )

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
            await self._turns(channel, end)
        with contextlib.suppress(Error):
            await self.read(self._teller.tell, {})

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
            asked = asyncio.ensure_future(self.read(public_story, slug))
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
        if not channel.users and self.channels.get(channel.story_id) is channel:
            del self.channels[channel.story_id]
            self._slugs.clear()  # the next reader's channel begins where the story is

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
        tally.catch_ups += after < channel.seq
        cursor = Cursor(self.epoch, after)
        found = await self.read(changes_after, channel.story_id, cursor)
        return Missed(found, message(frame(found.html, found.cursor)))

    async def rail(self, channel: Channel) -> tuple[int, dict[str, Any]]:
        """Return the rail as it is now, with the site's number it belongs to."""
        if channel.rail is None or channel.rail[0] != self.site_seq:
            site_seq = self.site_seq
            html = await self.read(rail_partial, channel.story_id)
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
        asked = list(self.channels)
        began = time.monotonic()
        epoch, site_seq, stories = await self.read(numbers.of_stories, asked)
        self.watcher.confirmed_at = began
        other_history = self.epoch not in ("", epoch) or site_seq < self.site_seq
        if other_history or site_seq != self.site_seq:
            self._slugs.clear()
        if other_history:
            self.watcher.hear()  # a restore tells nobody
        self.epoch, self.site_seq = epoch, site_seq
        for story_id in set(asked) - set(stories):
            await self._drop(story_id)
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
        began, left = time.monotonic(), seq - channel.seq
        while left > 0:
            changes = await self._append(channel)
            if changes.reset:
                return  # restored just now: the next look tells
            if left := changes.left:
                await self._serve(channel, began)
            if state != changes.state:
                # It turned after the numbers were read, and the rail with it: the
                # next look finds both.
                state = "live"
        if channel.site_seq < self.site_seq:
            site_seq, rail = await self.rail(channel)
            channel.append(Frame(channel.seq, channel.seq, rail))
            channel.site_seq = site_seq
        channel.state = state
        await self._serve(channel, began)
        if state != "live":
            await self._dismiss(channel, END)

    async def _append(self, channel: Channel) -> Changes:
        """Add the next piece of what changed to a channel's log."""
        missed = await self.missed(channel, channel.seq)
        changes = missed.changes
        if not changes.reset:
            if changes.withdrew:
                watchers.note_withdrawal()
                channel.forget()
            seq = changes.cursor.seq
            channel.append(Frame(channel.seq, seq, missed.message))
            channel.seq = seq
        return changes

    async def _serve(self, channel: Channel, began: float) -> None:
        """Send all readers what was added to the log."""
        if channel.end > channel.served:
            until = channel.end
            await self._turns(channel, channel.serve_all)
            channel.served = until
            metrics.FANOUT.observe(time.monotonic() - began)

    async def _drop(self, story_id: int) -> None:
        """Send the readers of a story away that the database has no more."""
        self._slugs.clear()
        if channel := self.channels.pop(story_id, None):
            channel.state = "gone"
            await self._dismiss(channel, RESET)

    async def _dismiss(self, channel: Channel, last: dict[str, Any]) -> None:
        """Tell every reader a last word and end its stream."""

        def act(readers: Sequence[Reader]) -> None:
            channel.tell(readers, last)
            end(readers)

        await self._turns(channel, act)

    async def _turns(
        self, channel: Channel, act: Callable[[Sequence[Reader]], object]
    ) -> None:
        """Do something for every reader, leaving the loop free in between."""
        readers = list(channel.readers)
        for start in range(0, len(readers), TURN):
            act(readers[start : start + TURN])
            await asyncio.sleep(0)

    async def _beat(self) -> None:
        """Let readers hear something where nothing happens."""
        while True:
            told = [channel.told_at for channel in self.channels.values()]
            silence = time.monotonic() - min(told, default=time.monotonic())
            await asyncio.sleep(max(HEARTBEAT - silence, HEARTBEAT / 15))
            for channel in list(self.channels.values()):
                if time.monotonic() - channel.told_at >= HEARTBEAT:
                    channel.told_at = time.monotonic()
                    await self._turns(channel, partial(channel.tell, one=PING))

    async def _clock(self, tick: Callable[[], object]) -> None:
        while True:
            await asyncio.sleep(1)
            stories = {pk: len(one.readers) for pk, one in self.channels.items()}
            metrics.publish(self.count, stories, self.watcher.lag)
            try:
                await self.read(tick)
            except Exception:
                logger.exception("What is due could not be published; trying again.")
            await self._tell(stories)

    async def _tell(self, readers: dict[int, int]) -> None:
        """Let all processes know how many read here, where that has changed."""
        counts = self._teller.due(readers)
        if counts is not None:
            try:
                await self.read(self._teller.tell, counts)
            except Error as error:  # tried again in some seconds
                logger.warning("The readers could not be told: %s", error)
