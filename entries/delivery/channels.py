"""A story's channel: a log of finished messages, and the readers that follow it.

Each message is the same bytes for every reader. The channel calls a reader's `send`
without a task, since it normally completes at once. If the reader's network is slow,
`send` suspends: then a task completes it and sends what was logged meanwhile. A reader
that falls behind the log is disconnected, and reconnects with its cursor.
"""

import asyncio
import time
import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from entries.delivery import timings
from entries.delivery.asgi import Message, Send
from entries.delivery.changes import Changes, Cursor
from entries.delivery.direct_writes import DirectConnection, frame_chunk
from entries.delivery.metrics import tally

MAX_LOG_FRAMES = 256
MAX_LOG_BYTES = 4 * 1024 * 1024
MAX_CATCH_UP_BYTES = 8 * 1024  # replayed by a stream; beyond that pages use `/changes`


def body_message(body: bytes) -> Message:
    """Return an ASGI message with this body; readers share it."""
    return {"type": "http.response.body", "body": body, "more_body": True}


def html_event(html: str, cursor: Cursor | None = None) -> bytes:
    """Return an unnamed event, whose HTML the page swaps in; its `id` is the cursor."""
    lines = html.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    head = f"id: {cursor}\n" if cursor else ""
    return (head + "".join(f"data: {line}\n" for line in lines) + "\n").encode()


def named_event(name: str, data: str = "") -> bytes:
    """Return a named event, which the page's script handles."""
    return f"event: {name}\ndata: {data}\n\n".encode()


PING = body_message(named_event("ping"))  # the heartbeat
BEHIND = body_message(named_event("behind"))  # the page missed too much for a stream
END = body_message(named_event("end"))  # the story is closed or withdrawn
RESET = body_message(named_event("reset"))  # the cursor is of another epoch


@types.coroutine
def _resume(
    coroutine: Coroutine[Any, Any, None], waiting: Any
) -> Generator[Any, Any, None]:
    """Continue a coroutine that was started with `send(None)` and awaits `waiting`."""
    yield waiting
    yield from coroutine.__await__()


@dataclass(eq=False, slots=True)
class Reader:
    """An open stream: its `send`, and its position in the channel's log."""

    send: Send
    task: "asyncio.Task[None]"
    position: int = 0
    direct: DirectConnection | None = None  # bypasses `send`
    busy: bool = False
    ended: bool = False
    _finishing: "asyncio.Task[None] | None" = None

    def suspend(
        self,
        coroutine: Coroutine[Any, Any, None],
        waiting: Any,
        then: Callable[["Reader"], None],
    ) -> None:
        """Complete a suspended `send` in a task, then call `then`."""
        self.busy = True
        self._finishing = asyncio.create_task(self._finish(coroutine, waiting, then))

    async def _finish(
        self,
        coroutine: Coroutine[Any, Any, None],
        waiting: Any,
        then: Callable[["Reader"], None],
    ) -> None:
        try:
            async with asyncio.timeout(timings.SEND_TIMEOUT_SECONDS):
                await _resume(coroutine, waiting)
        except Exception:
            tally.dropped += 1
            self.end()
            return
        self.busy = False
        then(self)

    async def wait(self, message: Message) -> None:
        """Send a message and wait until it is sent; end the stream after a timeout."""
        self.busy = True
        try:
            async with asyncio.timeout(timings.SEND_TIMEOUT_SECONDS):
                await self.send(message)
        except TimeoutError:
            tally.dropped += 1
            self.end()
            await asyncio.sleep(0)  # `end` cancelled this task: raise it here
        self.busy = False

    def end(self) -> None:
        """Cancel the stream's task, which then finishes the response."""
        if not self.ended:
            self.ended = True
            self.task.cancel()


def push(
    readers: Sequence[Reader], message: Message, then: Callable[[Reader], None]
) -> None:
    """Send a message to readers that are not busy, without waiting.

    `then` is called for each reader whose `send` suspended, once it is complete.
    """
    tally.deliveries += len(readers)
    chunk = b""
    for reader in readers:
        try:
            if reader.direct is not None:
                chunk = chunk or frame_chunk(message["body"])
                if reader.direct.write_chunk(chunk):
                    continue
            coroutine = reader.send(message)
            waiting = coroutine.send(None)
        except StopIteration:  # the usual case: `send` completed at once
            continue
        except Exception:
            reader.end()
        else:
            reader.suspend(coroutine, waiting, then)


def end_streams(readers: Sequence[Reader]) -> None:
    """End the streams of these readers."""
    for reader in readers:
        reader.end()


@dataclass(frozen=True)
class Frame:
    """A message that brings a page from the seq `after` to `seq`."""

    after: int
    seq: int
    message: Message


@dataclass(frozen=True)
class CatchUp:
    """The changes after one cursor, and the message for all pages that lack them."""

    changes: Changes
    message: Message


@dataclass(eq=False)
class Channel:
    """A story with open streams: its latest seq, its log and its readers."""

    story_id: int
    seq: int
    state: str
    site_seq: int
    frames: deque[Frame] = field(default_factory=deque)
    first: int = 0  # position of frames[0]
    served: int = 0  # position up to which every reader was served
    size: int = 0  # bytes in the log
    streams: int = 0  # that use the channel, including those still catching up
    # A dict keeps the order of arrival, which is the fastest to iterate: close to the
    # order in memory.
    readers: dict[Reader, None] = field(default_factory=dict)
    last_sent_at: float = field(default_factory=time.monotonic)
    rail: tuple[int, Message] | None = None
    catch_ups: "dict[int, asyncio.Future[CatchUp]]" = field(default_factory=dict)

    @property
    def end(self) -> int:
        """Return the position after the last frame."""
        return self.first + len(self.frames)

    def append(self, frame: Frame) -> None:
        """Add a frame, and evict the oldest ones while the log is too large."""
        self.last_sent_at = time.monotonic()
        self.frames.append(frame)
        self.catch_ups.clear()
        self.size += len(frame.message["body"])
        while len(self.frames) > 1 and (
            len(self.frames) > MAX_LOG_FRAMES or self.size > MAX_LOG_BYTES
        ):
            self.size -= len(self.frames.popleft().message["body"])
            self.first += 1

    def invalidate_log(self) -> None:
        """Clear the log. Readers that are behind must reconnect and catch up."""
        self.first = self.served = self.end
        self.size = 0
        self.frames.clear()

    def restart(self, seq: int, state: str, site_seq: int) -> None:
        """Reset the channel for a new epoch, in which nothing cached is valid."""
        self.invalidate_log()
        self.rail = None
        self.catch_ups.clear()
        self.seq, self.state, self.site_seq = seq, state, site_seq

    def position_after(self, after: int) -> int | None:
        """Return the position in the log of the frame that follows a seq, or None.

        There is none if the seq is too old, or inside a frame: another process, which
        the page was connected to before, may have split the changes differently.
        """
        if after == self.seq:
            return self.end
        newer = sum(1 for frame in self.frames if frame.seq > after)
        index = len(self.frames) - newer
        if index == len(self.frames) or self.frames[index].after != after:
            return None
        return self.first + index

    def since(self, position: int) -> list[bytes]:
        """Return the bodies of the frames from a position on."""
        frames = islice(self.frames, position - self.first, None)
        return [frame.message["body"] for frame in frames]

    def serve(self, reader: Reader) -> None:
        """Send a reader the frames that it lacks, until its network is busy."""
        frames = self.frames
        while not reader.busy and not reader.ended:
            ahead = reader.position - self.first
            if ahead >= len(frames):
                return
            if ahead < 0:
                tally.dropped += 1
                reader.end()
                return
            reader.position += 1
            push([reader], frames[ahead].message, self.serve)

    def serve_all(self, readers: Sequence[Reader]) -> None:
        """Send readers the frames that they lack: for most, only the last one."""
        last, end = self.end - 1, self.end
        usual = []
        for reader in readers:
            if reader.position == last and not reader.busy and not reader.ended:
                reader.position = end
                usual.append(reader)
            elif reader.position != end:
                self.serve(reader)
        push(usual, self.frames[-1].message, self.serve)

    def broadcast(self, readers: Sequence[Reader], message: Message) -> None:
        """Send readers a message that is not logged, skipping those that are busy."""
        free = [reader for reader in readers if not (reader.busy or reader.ended)]
        push(free, message, self.serve)
