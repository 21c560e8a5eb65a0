"""The hub, one per process: it reads changes and sends them to readers.

Each change is read once, appended to the channel of its story, and sent to all readers
of that channel. The hub also sends heartbeats and runs scheduled work.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

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
from entries.delivery.channels import CatchUp, Channel, Frame
from entries.delivery.messages import END, PING, RESET, Message, html_event
from entries.delivery.metrics import tally
from entries.models import Story

if TYPE_CHECKING:
    from entries.delivery.stream import Reader

logger = logging.getLogger(__name__)
T = TypeVar("T")

BATCH_READERS = 64  # served before yielding to the event loop
MAX_CATCH_UPS = 32  # cached by each channel, by seq


def _evict_failed(cached: dict[Any, Any], key: Any) -> Callable[[Any], None]:
    """Return a callback that evicts a cached future if it failed."""

    def evict(job: "asyncio.Future[Any]") -> None:
        if (job.cancelled() or job.exception()) and cached.get(key) is job:
            del cached[key]

    return evict


class Hub:
    """The channels of stories with open streams, and the tasks that update them.

    `epoch` and `site_seq` are the site's, as of the last poll.
    """

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
        """Start the hub's tasks.

        `tick` does scheduled work: it is called every second, in one of the hub's
        threads.
        """
        jobs = (
            self.watcher.run(),
            self._poll(),
            self._send_heartbeats(),
            self._run_every_second(tick),
        )
        self._tasks = [asyncio.create_task(job) for job in jobs]

    async def stop(self) -> None:
        """End every stream, and stop the hub's tasks."""
        self.stopping = True
        for task in self._tasks:
            task.cancel()
        for channel in list(self.channels.values()):
            await self._end_streams(channel)
        with contextlib.suppress(Error):
            await self.run_query(self._audience.write, {})

    async def poll_now(self) -> None:
        """Poll the rows now, and return when all channels are up to date."""
        polled = self._polled
        self._wake.set()
        await asyncio.shield(polled)

    async def run_query(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function that uses the database, in one of the hub's threads."""

        def call() -> T:
            try:
                return function(*args)
            finally:
                close_old_connections()

        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    async def subscribe(self, slug: str) -> Channel | None:
        """Return the channel of a story with a present or former slug.

        Return None if there is no such public story. Otherwise call `unsubscribe` when
        the channel is no longer used.
        """
        if self.epoch == "":
            await self.poll_now()
        lookup = self._slugs.get(slug)
        if lookup is None:
            lookup = asyncio.ensure_future(self.run_query(public_story, slug))
            self._slugs[slug] = lookup
            lookup.add_done_callback(_evict_failed(self._slugs, slug))
        story = await asyncio.shield(lookup)
        if story is None:
            # Not cached, so that random slugs cannot fill the memory.
            self._slugs.pop(slug, None)
            return None
        channel = self.channels.get(story.pk)
        if channel is not None:
            channel.streams += 1
            return channel
        # It starts with the story as it was looked up; the poll adds later changes.
        channel = Channel(story.pk, story.seq, story.state, self.site_seq, streams=1)
        self.channels[story.pk] = channel
        try:
            await self.poll_now()
        except BaseException:
            self.unsubscribe(channel)
            raise
        return channel

    def unsubscribe(self, channel: Channel) -> None:
        """End a subscription, and delete the channel if no stream uses it."""
        channel.streams -= 1
        if not channel.streams and self.channels.get(channel.story_id) is channel:
            del self.channels[channel.story_id]
            # The next channel must start with the story as it is by then.
            self._slugs.clear()

    async def catch_up(self, channel: Channel, after: int) -> CatchUp:
        """Return the changes after a seq, read once for all readers that need them."""
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
        return CatchUp(found, Message(html_event(found.html, found.cursor)))

    async def rail(self, channel: Channel) -> tuple[int, Message]:
        """Return the current rail of a story as a message, with its site seq."""
        if channel.rail is None or channel.rail[0] != self.site_seq:
            site_seq = self.site_seq
            html = await self.run_query(rail_partial, channel.story_id)
            channel.rail = (site_seq, Message(html_event(html)))
        return channel.rail

    async def _poll(self) -> None:
        """Poll the rows on each wake-up, and at least every `POLL_SECONDS`."""
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
                polled.exception()  # retrieved here, since nobody may wait for it
                await asyncio.sleep(timings.POLL_BACKOFF_SECONDS)
            else:
                polled.set_result(None)

    async def _refresh(self) -> None:
        """Compare the seqs in the rows with those of the channels, and send changes."""
        story_ids = list(self.channels)
        began = time.monotonic()
        epoch, site_seq, stories = await self.run_query(seqs.story_seqs, story_ids)
        self.watcher.confirmed_at = began
        new_epoch = self.epoch not in ("", epoch) or site_seq < self.site_seq
        if new_epoch or site_seq != self.site_seq:
            self._slugs.clear()
        if new_epoch:
            self.watcher.notice_commit()  # restoring a backup sends no notification
        self.epoch, self.site_seq = epoch, site_seq
        for story_id in set(story_ids) - set(stories):
            await self._drop_channel(story_id)
        for story_id, (seq, state) in stories.items():
            channel = self.channels.get(story_id)
            if channel is None:
                continue
            if new_epoch or seq < channel.seq:
                channel.restart(seq, state, site_seq)
                await self._end_streams(channel, RESET)
            else:
                await self._advance(channel, seq, state)

    async def _advance(self, channel: Channel, seq: int, state: str) -> None:
        """Send the changes of one story up to a seq, then the rail if it changed."""
        began, left = time.monotonic(), seq - channel.seq
        while left > 0:
            changes = await self._append_batch(channel)
            if changes.reset:
                return  # a backup was just restored: the next poll resets the channel
            if left := changes.left:
                await self._serve(channel, began)
            if state != changes.state:
                # The state changed after the seqs were read, and the rail with it. The
                # next poll sends both.
                state = Story.State.LIVE
        if channel.site_seq < self.site_seq:
            site_seq, rail = await self.rail(channel)
            channel.append(Frame(channel.seq, channel.seq, rail))
            channel.site_seq = site_seq
        channel.state = state
        await self._serve(channel, began)
        if state not in Story.STREAMED:
            await self._end_streams(channel, END)

    async def _append_batch(self, channel: Channel) -> Changes:
        """Append the next batch of changes to a channel's log."""
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
        """Send the frames that were added to the log to all readers."""
        if channel.end > channel.served:
            until = channel.end
            await self._in_batches(channel, channel.serve_all)
            channel.served = until
            metrics.FANOUT.observe(time.monotonic() - began)

    async def _drop_channel(self, story_id: int) -> None:
        """Delete the channel of a story that is no longer in the database."""
        self._slugs.clear()
        if channel := self.channels.pop(story_id, None):
            channel.state = "gone"
            await self._end_streams(channel, RESET)

    async def _end_streams(self, channel: Channel, last: Message | None = None) -> None:
        """End the streams of all readers of a channel, after a last message."""

        def end(readers: "Sequence[Reader]") -> None:
            for reader in readers:
                reader.end(last)

        await self._in_batches(channel, end)

    async def _in_batches(
        self, channel: Channel, act: "Callable[[Sequence[Reader]], object]"
    ) -> None:
        """Call a function with all readers of a channel, in batches.

        Yield to the event loop after each batch.
        """
        readers = list(channel.readers)
        for start in range(0, len(readers), BATCH_READERS):
            act(readers[start : start + BATCH_READERS])
            await asyncio.sleep(0)

    async def _send_heartbeats(self) -> None:
        """Send a heartbeat to every channel that was silent for `HEARTBEAT_SECONDS`.

        It keeps proxies from closing idle connections, and lets pages detect dead ones.
        """
        interval = timings.HEARTBEAT_SECONDS
        while True:
            now = time.monotonic()
            sent = (channel.last_sent_at for channel in self.channels.values())
            silence = now - min(sent, default=now)
            await asyncio.sleep(max(interval - silence, interval / 15))
            for channel in list(self.channels.values()):
                if time.monotonic() - channel.last_sent_at >= interval:
                    channel.last_sent_at = time.monotonic()
                    ping = partial(channel.broadcast, message=PING)
                    await self._in_batches(channel, ping)

    async def _run_every_second(self, tick: Callable[[], object]) -> None:
        """Export the metrics, run scheduled work, and write the reader counts."""
        while True:
            await asyncio.sleep(1)
            stories = {pk: len(one.readers) for pk, one in self.channels.items()}
            metrics.export_tally(self.stream_count, stories, self.watcher.lag)
            try:
                await self.run_query(tick)
            except Exception:
                logger.exception("Scheduled work failed; trying again.")
            counts = self._audience.due_counts(stories)
            minute = self._audience.ended_minute()
            try:
                if counts is not None:
                    await self.run_query(self._audience.write, counts)
                if minute is not None:
                    await self.run_query(self._audience.write_minute, minute, stories)
            except Error as error:
                logger.warning("The audience could not be written: %s", error)
