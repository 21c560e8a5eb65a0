"""A story's channel: a log of finished messages, and the readers that follow it.

Each message is the same bytes for every reader. The publisher starts a reader's
`send` itself; in the normal case it returns at once. A reader whose network is slow
suspends: a task finishes it and follows the log; one that falls out of the log is
dropped, and comes back with its cursor.
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
from entries.delivery.changes import Changes, Cursor
from entries.delivery.direct_writes import DirectConnection, frame_chunk
from entries.delivery.metrics import tally

Send = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]

MAX_LOG_FRAMES = 256
MAX_LOG_BYTES = 4 * 1024 * 1024
MAX_CATCH_UP_BYTES = 8 * 1024  # of what a reader missed that a stream carries


def body_message(body: bytes) -> dict[str, Any]:
    """Return an ASGI message; readers share it."""
    return {"type": "http.response.body", "body": body, "more_body": True}


def html_event(html: str, cursor: Cursor | None = None) -> bytes:
    """Return an unnamed event of HTML; the standard's `id` is the cursor."""
    lines = html.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    head = f"id: {cursor}\n" if cursor else ""
    return (head + "".join(f"data: {line}\n" for line in lines) + "\n").encode()


def named_event(name: str, data: str = "") -> bytes:
    """Return a named event: told to the page, never put into it."""
    return f"event: {name}\ndata: {data}\n\n".encode()


PING = body_message(named_event("ping"))
BEHIND = body_message(named_event("behind"))
END = body_message(named_event("end"))
RESET = body_message(named_event("reset"))


@types.coroutine
def _rest(
    coroutine: Coroutine[Any, Any, None], waiting: Any
) -> Generator[Any, Any, None]:
    """Go on with a coroutine that was started by hand and waits for a future."""
    yield waiting
    yield from coroutine.__await__()


@dataclass(eq=False, slots=True)
class Reader:
    """One open stream: its `send`, and how far it is in its channel's log."""

    send: Send
    task: "asyncio.Task[None]"
    position: int = 0
    direct: DirectConnection | None = None  # to write to past `send`
    busy: bool = False
    ended: bool = False
    _finishing: "asyncio.Task[None] | None" = None

    def suspend(
        self,
        coroutine: Coroutine[Any, Any, None],
        waiting: Any,
        then: Callable[["Reader"], None],
    ) -> None:
        """Let a task go on with a message that the network makes wait."""
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
                await _rest(coroutine, waiting)
        except Exception:
            tally.dropped += 1
            self.end()
            return
        self.busy = False
        then(self)

    async def wait(self, one: dict[str, Any]) -> None:
        """Send a message and wait for it, but not for ever."""
        self.busy = True
        try:
            async with asyncio.timeout(timings.SEND_TIMEOUT_SECONDS):
                await self.send(one)
        except TimeoutError:
            tally.dropped += 1
            self.end()
            await asyncio.sleep(0)  # where the end arrives
        self.busy = False

    def end(self) -> None:
        """Let the stream's own task finish the answer."""
        if not self.ended:
            self.ended = True
            self.task.cancel()


def push(
    readers: Sequence[Reader], one: dict[str, Any], then: Callable[[Reader], None]
) -> None:
    """Start sending a message to readers who wait for none.

    `then` is called for a reader whose network made it wait, when it has gone out.
    """
    tally.deliveries += len(readers)
    chunk = b""
    for reader in readers:
        try:
            if reader.direct is not None:
                chunk = chunk or frame_chunk(one["body"])
                if reader.direct.write_chunk(chunk):
                    continue
            coroutine = reader.send(one)
            waiting = coroutine.send(None)
        except StopIteration:  # as good as always: it has gone out
            continue
        except Exception:
            reader.end()
        else:
            reader.suspend(coroutine, waiting, then)


def end_streams(readers: Sequence[Reader]) -> None:
    """Let the streams of readers end."""
    for reader in readers:
        reader.end()


@dataclass(frozen=True)
class Frame:
    """A message that brings a page from one number to another."""

    after: int
    seq: int
    message: dict[str, Any]


@dataclass(frozen=True)
class CatchUp:
    """What a page lacks: one message for all who lack the same."""

    changes: Changes
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
    served: int = 0  # position that every reader was brought to
    size: int = 0  # bytes in the log
    streams: int = 0
    # In the order they came, which is where they lie in memory: served the faster.
    readers: dict[Reader, None] = field(default_factory=dict)
    last_sent_at: float = field(default_factory=time.monotonic)
    rail: tuple[int, dict[str, Any]] | None = None
    catch_ups: "dict[int, asyncio.Future[CatchUp]]" = field(default_factory=dict)

    @property
    def end(self) -> int:
        """Return the position behind the last frame."""
        return self.first + len(self.frames)

    def append(self, new: Frame) -> None:
        """Add a frame and forget the oldest beyond the bounds."""
        self.last_sent_at = time.monotonic()
        self.frames.append(new)
        self.catch_ups.clear()
        self.size += len(new.message["body"])
        while len(self.frames) > 1 and (
            len(self.frames) > MAX_LOG_FRAMES or self.size > MAX_LOG_BYTES
        ):
            self.size -= len(self.frames.popleft().message["body"])
            self.first += 1

    def invalidate_log(self) -> None:
        """Let nobody read what was told before; who is behind comes back and asks."""
        self.first = self.served = self.end
        self.size = 0
        self.frames.clear()

    def restart(self, seq: int, state: str, site_seq: int) -> None:
        """Begin the log of another history; what was kept is of the old one."""
        self.invalidate_log()
        self.rail = None
        self.catch_ups.clear()
        self.seq, self.state, self.site_seq = seq, state, site_seq

    def position_after(self, after: int) -> int | None:
        """Return the position from which a page at a number reads.

        None where no frame begins there: it is too old, or a page of another
        process, whose frames were cut elsewhere.
        """
        if after == self.seq:
            return self.end
        position = len(self.frames) - sum(1 for one in self.frames if one.seq > after)
        if position == len(self.frames) or self.frames[position].after != after:
            return None
        return self.first + position

    def since(self, position: int) -> list[bytes]:
        """Return the frames from a position on."""
        frames = islice(self.frames, position - self.first, None)
        return [one.message["body"] for one in frames]

    def serve(self, reader: Reader) -> None:
        """Send a reader everything that it lacks, as far as its network takes it."""
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
        """Send readers everything that they lack: most of them, the last frame."""
        last, end = self.end - 1, self.end
        usual = []
        for reader in readers:
            if reader.position == last and not reader.busy and not reader.ended:
                reader.position = end
                usual.append(reader)
            elif reader.position != end:
                self.serve(reader)
        push(usual, self.frames[-1].message, self.serve)

    def broadcast(self, readers: Sequence[Reader], one: dict[str, Any]) -> None:
        """Send readers what is in no log, unless they are behind anyway."""
        free = [reader for reader in readers if not (reader.busy or reader.ended)]
        push(free, one, self.serve)
