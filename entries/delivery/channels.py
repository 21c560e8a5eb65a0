"""A story's channel: a log of finished messages, and the readers that follow it.

Each message is the same bytes for every reader, and is written to the readers'
connections without waiting. A reader whose network is slow is skipped while its write
buffer is full, and gets what was logged meanwhile when it has room again. A reader that
falls behind the log is disconnected, and reconnects with its cursor.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from entries.delivery.changes import Changes
from entries.delivery.messages import Message
from entries.delivery.metrics import tally

if TYPE_CHECKING:
    from entries.delivery.stream import Reader

MAX_LOG_FRAMES = 256
MAX_LOG_BYTES = 4 * 1024 * 1024


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
    readers: "dict[Reader, None]" = field(default_factory=dict)
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
        self.size += len(frame.message.body)
        while len(self.frames) > 1 and (
            len(self.frames) > MAX_LOG_FRAMES or self.size > MAX_LOG_BYTES
        ):
            self.size -= len(self.frames.popleft().message.body)
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

    def since(self, position: int) -> list[Message]:
        """Return the messages of the frames from a position on."""
        frames = islice(self.frames, position - self.first, None)
        return [frame.message for frame in frames]

    def serve(self, reader: "Reader") -> None:
        """Send a reader the frames that it lacks, until its network is busy."""
        frames = self.frames
        while not (reader.paused or reader.ended):
            ahead = reader.position - self.first
            if ahead >= len(frames):
                return
            if ahead < 0:
                reader.drop()
                return
            reader.position += 1
            reader.write(frames[ahead].message)

    def serve_all(self, readers: "Sequence[Reader]") -> None:
        """Send readers the frames that they lack: for most, only the last one."""
        last, end = self.end - 1, self.end
        usual = []
        for reader in readers:
            if reader.position == last and not (reader.paused or reader.ended):
                reader.position = end
                usual.append(reader)
            elif reader.position != end:
                self.serve(reader)
        _write(usual, self.frames[-1].message)

    def broadcast(self, readers: "Sequence[Reader]", message: Message) -> None:
        """Send readers a message that is not logged, skipping those that are busy."""
        _write([one for one in readers if not (one.paused or one.ended)], message)


def _write(readers: "Sequence[Reader]", message: Message) -> None:
    tally.deliveries += len(readers)
    plain, gzip = message.plain, message.gzip
    for reader in readers:
        reader.transport.write(gzip if reader.gzip else plain)
