"""Messages of streams: the same bytes for every reader, framed and compressed once.

Every message is a chunk of a chunked response (RFC 9112, 7.1). A compressed response
is a gzip header (RFC 1952) followed by blocks of raw deflate. Each message is flushed
completely and refers to nothing before it, so a reader may begin at any message. Such
a response has no checksum at its end; browsers do not require one.
"""

import zlib
from dataclasses import dataclass
from functools import cached_property

from entries.delivery.changes import Cursor

GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
LAST_CHUNK = b"0\r\n\r\n"
_RAW_DEFLATE = -zlib.MAX_WBITS


@dataclass(frozen=True)
class Message:
    """One or more events. Chunks are made when the first reader needs them."""

    body: bytes  # not empty

    @cached_property
    def plain(self) -> bytes:
        """Return the chunk for uncompressed responses."""
        return frame_chunk(self.body)

    @cached_property
    def gzip(self) -> bytes:
        """Return the chunk for compressed responses."""
        deflate = zlib.compressobj(9, zlib.DEFLATED, _RAW_DEFLATE)
        data = deflate.compress(self.body)
        return frame_chunk(data + deflate.flush(zlib.Z_FULL_FLUSH))


def frame_chunk(data: bytes) -> bytes:
    """Frame data, which must not be empty, as a chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def html_event(html: str, cursor: Cursor | None = None) -> bytes:
    """Return an unnamed event, whose HTML the page swaps in; its `id` is the cursor."""
    lines = html.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    head = f"id: {cursor}\n" if cursor else ""
    return (head + "".join(f"data: {line}\n" for line in lines) + "\n").encode()


def named_event(name: str, data: str = "") -> bytes:
    """Return a named event, which the page's script handles."""
    return f"event: {name}\ndata: {data}\n\n".encode()


PING = Message(named_event("ping"))  # the heartbeat
BEHIND = Message(named_event("behind"))  # the page missed too much for a stream
END = Message(named_event("end"))  # the story is closed or withdrawn
RESET = Message(named_event("reset"))  # the cursor is of another epoch
