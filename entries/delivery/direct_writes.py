"""Write past the server's interface, where `DIRECT_WRITES` asks for it.

For each part of a body uvicorn's `send` looks whether the network takes more, frames
the part as a chunk (RFC 9112, 7.1) and writes it. Here a chunk is framed once for
many readers. That leans on what uvicorn's cycle looks like inside, so it is done only
where all of it is found as expected. Whoever is not, and whose network is full, is
served by `send`: both write to the same transport, so nothing changes its place.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DirectConnection:
    """A connection whose answer has begun, in chunks, with no end in sight."""

    cycle: RequestResponseCycle
    flow: FlowControl
    write: Callable[[bytes], None]

    @classmethod
    def from_send(cls, send: Any) -> "DirectConnection | None":
        """Return the line behind a `send`; None where it is not as expected."""
        cycle = getattr(send, "__self__", None)
        try:
            if type(cycle) is RequestResponseCycle and _known(cycle):
                return cls(cycle, cycle.flow, cycle.transport.write)
        except (AttributeError, KeyError):
            pass
        _warn_once()
        return None

    def write_chunk(self, chunk: bytes) -> bool:
        """Write a chunk; False where `send` is to wait or to know better."""
        if self.flow.write_paused or self.cycle.disconnected:
            return False
        self.write(chunk)
        return True


def _known(cycle: RequestResponseCycle) -> bool:
    return (
        cycle.response_started is True
        and cycle.response_complete is False
        and cycle.chunked_encoding is True
        and cycle.disconnected in (True, False)
        and cycle.flow.write_paused in (True, False)
        and cycle.scope["method"] == "GET"
        and cycle.transport.get_extra_info("sslcontext") is None
    )


@cache
def _warn_once() -> None:
    logger.warning("DIRECT_WRITES: the server is not as expected; send does it all.")


def frame_chunk(body: bytes) -> bytes:
    """Frame a part of a body that is not empty."""
    return b"%x\r\n%b\r\n" % (len(body), body)
