"""A connection in memory, for readers without a server."""

from __future__ import annotations

import asyncio
from typing import Any

from entries.delivery.changes import Cursor
from entries.delivery.channels import Channel
from entries.delivery.hub import Hub
from entries.delivery.stream import Reader, StreamRequest


class Network(asyncio.Transport):
    """A reader's connection, which keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.aborted = self.closed = False
        self._protocol: Any = None

    def set_protocol(self, protocol: Any) -> None:
        self._protocol = protocol

    def write(self, data: Any) -> None:
        assert not self.is_closing()
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.aborted or self.closed

    def close(self) -> None:
        self.closed = True
        asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.aborted = True
        asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    @property
    def bodies(self) -> list[bytes]:
        """Return the messages without their chunks' frames."""
        chunks = [data for data in self.written if data[:5] != b"HTTP/"]
        return [data.partition(b"\r\n")[2][:-2] for data in chunks]

    @property
    def text(self) -> str:
        """Return all messages."""
        return b"".join(self.bodies).decode()


def reader_of(channel: Channel, hub: Hub | None = None) -> tuple[Reader, Network]:
    """Return a new reader that follows a channel, and its connection."""
    network = Network()
    reader = Reader(hub or Hub(), network, set())
    reader.channel, reader.position = channel, channel.end
    channel.streams += 1
    channel.readers[reader] = None
    return reader, network


async def replay(hub: Hub, channel: Channel, cursor: Cursor, rail: str) -> Network:
    """Let a new reader subscribe with a cursor and a rail; return its connection."""
    network = Network()
    request = StreamRequest("", b"GET", f"after={cursor}&rail={rail}", ())
    await Reader(hub, network, set())._replay(channel, request)
    return network
