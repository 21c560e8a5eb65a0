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
from entries.delivery import audience, metrics, seqs, timings, watchers
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
    CatchUp,
    Channel,
    Frame,
    Reader,
    body_message,
    end_streams,
    html_event,
)
from entries.delivery.metrics import tally
from entries.models import Story

logger = logging.getLogger(__name__)
T = TypeVar("T")

BATCH_READERS = 64  # served before the event loop may do something else
MAX_CATCH_UPS = 32  # answers to "what did I miss?" of one channel


def _evict_failed(cached: dict[Any, Any], name: Any) -> Callable[[Any], None]:
    """Return what drops a kept answer that turned out to be an error."""

    def act(job: "asyncio.Future[Any]") -> None:
        if (job.cancelled() or job.exception()) and cached.get(name) is job:
            del cached[name]

    return act


class Hub:
    """Channels by story, and the tasks that keep them true."""

    def __init__(self) -> None:
        self.channels: dict[int, Channel] = {}
        self.epoch = ""
        self.site_seq = -1
        self.stopping = False
        self.stream_count = 0
        self._slugs: dict[str, asyncio.Future[Story | None]] = {}
        self._wake = asyncio.Event()
        self.watcher = watchers.Watcher(self._wake.set)
        self._audience = audience.AudienceWriter()
        self._polled: asyncio.Future[None] = asyncio.Future()
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
            self._poll(),
            self._send_heartbeats(),
            self._run_every_second(tick),
        )
        self._tasks = [asyncio.create_task(job) for job in jobs]

    async def poll_now(self) -> None:
        """Look at the rows now, and return when that is done."""
        polled = self._polled
        self._wake.set()
        await asyncio.shield(polled)

    async def stop(self) -> None:
        """End every stream, a turn at a time, and stop watching."""
        self.stopping = True
        for task in self._tasks:
            task.cancel()
        for channel in list(self.channels.values()):
            await self._in_batches(channel, end_streams)
        with contextlib.suppress(Error):
            await self.run_query(self._audience.write, {})

    async def run_query(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function that reads the database, in one of the hub's threads."""

        def call() -> T:
            try:
                return function(*args)
            finally:
                close_old_connections()

        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    async def subscribe(self, slug: str) -> Channel | None:
        """Return the channel of a story by any slug it had.

        Every call that returns one is followed by `unsubscribe`."""
        if self.epoch == "":
            await self.poll_now()
        asked = self._slugs.get(slug)
        if asked is None:
            asked = asyncio.ensure_future(self.run_query(public_story, slug))
            self._slugs[slug] = asked
            asked.add_done_callback(_evict_failed(self._slugs, slug))
        story = await asyncio.shield(asked)
        if story is None:
            # Nobody fills the memory with names that lead nowhere.
            self._slugs.pop(slug, None)
            return None
        channel = self.channels.get(story.pk)
        if channel is not None:
            channel.streams += 1
            return channel
        # The story as it was asked for: the next look finds what came since.
        channel = Channel(story.pk, story.seq, story.state, self.site_seq, streams=1)
        self.channels[story.pk] = channel
        try:
            await self.poll_now()
        except BaseException:
            self.unsubscribe(channel)
            raise
        return channel

    def unsubscribe(self, channel: Channel) -> None:
        """Be one user less of a channel; that of nobody goes."""
        channel.streams -= 1
        if not channel.streams and self.channels.get(channel.story_id) is channel:
            del self.channels[channel.story_id]
            self._slugs.clear()  # the next reader's channel begins where the story is

    async def catch_up(self, channel: Channel, after: int) -> CatchUp:
        """Return what changed after a number: one read for all who ask for it."""
        job = channel.catch_ups.get(after)
        if job is None:
            if len(channel.catch_ups) >= MAX_CATCH_UPS:
                channel.catch_ups.clear()
            job = asyncio.ensure_future(self._read_catch_up(channel, after))
            channel.catch_ups[after] = job
            job.add_done_callback(_evict_failed(channel.catch_ups, after))
        return await asyncio.shield(job)

    async def _read_catch_up(self, channel: Channel, after: int) -> CatchUp:
        tally.catch_ups += after < channel.seq
        cursor = Cursor(self.epoch, after)
        found = await self.run_query(changes_after, channel.story_id, cursor)
        return CatchUp(found, body_message(html_event(found.html, found.cursor)))

    async def rail(self, channel: Channel) -> tuple[int, dict[str, Any]]:
        """Return the rail as it is now, with the site's number it belongs to."""
        if channel.rail is None or channel.rail[0] != self.site_seq:
            site_seq = self.site_seq
            html = await self.run_query(rail_partial, channel.story_id)
            channel.rail = (site_seq, body_message(html_event(html)))
        return channel.rail

    async def _poll(self) -> None:
        """Read what changed whenever something did; never end."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timings.POLL_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            polled, self._polled = self._polled, asyncio.Future()
            try:
                await self._refresh()
            except Exception as error:
                logger.exception("The changes could not be read; trying again.")
                polled.set_exception(error)
                polled.exception()  # nobody may have been waiting for it
                await asyncio.sleep(timings.POLL_BACKOFF_SECONDS)
            else:
                polled.set_result(None)

    async def _refresh(self) -> None:
        asked = list(self.channels)
        began = time.monotonic()
        epoch, site_seq, stories = await self.run_query(seqs.story_seqs, asked)
        self.watcher.confirmed_at = began
        other_history = self.epoch not in ("", epoch) or site_seq < self.site_seq
        if other_history or site_seq != self.site_seq:
            self._slugs.clear()
        if other_history:
            self.watcher.notice_commit()  # a restore tells nobody
        self.epoch, self.site_seq = epoch, site_seq
        for story_id in set(asked) - set(stories):
            await self._drop_channel(story_id)
        for story_id, (seq, state) in stories.items():
            channel = self.channels.get(story_id)
            if channel is None:
                continue
            if other_history or seq < channel.seq:
                channel.restart(seq, state, site_seq)
                await self._end_streams(channel, RESET)
            else:
                await self._advance(channel, seq, state)

    async def _advance(self, channel: Channel, seq: int, state: str) -> None:
        began, left = time.monotonic(), seq - channel.seq
        while left > 0:
            changes = await self._append_batch(channel)
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
            await self._end_streams(channel, END)

    async def _append_batch(self, channel: Channel) -> Changes:
        """Add the next piece of what changed to a channel's log."""
        catch_up = await self.catch_up(channel, channel.seq)
        changes = catch_up.changes
        if not changes.reset:
            if changes.withdrew:
                watchers.note_withdrawal()
                channel.invalidate_log()
            seq = changes.cursor.seq
            channel.append(Frame(channel.seq, seq, catch_up.message))
            channel.seq = seq
        return changes

    async def _serve(self, channel: Channel, began: float) -> None:
        """Send all readers what was added to the log."""
        if channel.end > channel.served:
            until = channel.end
            await self._in_batches(channel, channel.serve_all)
            channel.served = until
            metrics.FANOUT.observe(time.monotonic() - began)

    async def _drop_channel(self, story_id: int) -> None:
        """Send the readers of a story away that the database has no more."""
        self._slugs.clear()
        if channel := self.channels.pop(story_id, None):
            channel.state = "gone"
            await self._end_streams(channel, RESET)

    async def _end_streams(self, channel: Channel, last: dict[str, Any]) -> None:
        """Tell every reader a last word and end its stream."""

        def act(readers: Sequence[Reader]) -> None:
            channel.broadcast(readers, last)
            end_streams(readers)

        await self._in_batches(channel, act)

    async def _in_batches(
        self, channel: Channel, act: Callable[[Sequence[Reader]], object]
    ) -> None:
        """Do something for every reader, leaving the loop free in between."""
        readers = list(channel.readers)
        for start in range(0, len(readers), BATCH_READERS):
            act(readers[start : start + BATCH_READERS])
            await asyncio.sleep(0)

    async def _send_heartbeats(self) -> None:
        """Let readers hear something where nothing happens."""
        while True:
            sent = [channel.last_sent_at for channel in self.channels.values()]
            silence = time.monotonic() - min(sent, default=time.monotonic())
            await asyncio.sleep(
                max(timings.HEARTBEAT_SECONDS - silence, timings.HEARTBEAT_SECONDS / 15)
            )
            for channel in list(self.channels.values()):
                if time.monotonic() - channel.last_sent_at >= timings.HEARTBEAT_SECONDS:
                    channel.last_sent_at = time.monotonic()
                    await self._in_batches(
                        channel, partial(channel.broadcast, one=PING)
                    )

    async def _run_every_second(self, tick: Callable[[], object]) -> None:
        while True:
            await asyncio.sleep(1)
            stories = {pk: len(one.readers) for pk, one in self.channels.items()}
            metrics.export_tally(self.stream_count, stories, self.watcher.lag)
            try:
                await self.run_query(tick)
            except Exception:
                logger.exception("What is due could not be published; trying again.")
            await self._write_audience(stories)

    async def _write_audience(self, readers: dict[int, int]) -> None:
        """Let all processes know how many read here, where that has changed."""
        counts = self._audience.due_counts(readers)
        if counts is not None:
            try:
                await self.run_query(self._audience.write, counts)
            except Error as error:  # tried again in some seconds
                logger.warning("The readers could not be told: %s", error)
