"""Write to uvicorn's transport directly, if the setting `DIRECT_WRITES` is on.

For each body message uvicorn's `send` checks the flow control, frames the body as a
chunk (RFC 9112, 7.1) and writes it. Here a chunk is framed once for many readers. That
relies on the internals of uvicorn's request cycle, so it is done only if all of them
are as expected. Otherwise, and while the write buffer is full, `send` is used: both
write to the same transport, so the order of messages stays the same.
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
    """A connection whose chunked response has started and is not complete."""

    cycle: RequestResponseCycle
    flow: FlowControl
    write: Callable[[bytes], None]

    @classmethod
    def from_send(cls, send: Any) -> "DirectConnection | None":
        """Return the connection behind a `send`, or None if it is not as expected."""
        cycle = getattr(send, "__self__", None)
        try:
            if type(cycle) is RequestResponseCycle and _is_as_expected(cycle):
                return cls(cycle, cycle.flow, cycle.transport.write)
        except (AttributeError, KeyError):
            pass
        _warn_once()
        return None

    def write_chunk(self, chunk: bytes) -> bool:
        """Write a chunk; return False if `send` must be used instead."""
        if self.flow.write_paused or self.cycle.disconnected:
            return False
        self.write(chunk)
        return True


def _is_as_expected(cycle: RequestResponseCycle) -> bool:
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
    logger.warning("DIRECT_WRITES: the server is not as expected; using send instead.")


def frame_chunk(body: bytes) -> bytes:
    """Frame a body, which must not be empty, as a chunk of a chunked response."""
    return b"%x\r\n%b\r\n" % (len(body), body)
