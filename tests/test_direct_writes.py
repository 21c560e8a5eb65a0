"""Direct writes to sockets: the same bytes, and only in the expected state."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from entries.delivery import channels
from entries.delivery.channels import Channel, Frame, Reader
from entries.delivery.direct_writes import DirectConnection
from tests import actions, crowd
from tests.servers import Newsroom
from tests.test_faults import SLUG, deaf


class Transport:
    """What stands under a cycle: keeps what is written."""

    def __init__(self, *, tls: bool = False) -> None:
        self.sent = bytearray()
        self.tls = tls

    def write(self, data: bytes) -> None:
        self.sent += data

    def get_extra_info(self, name: str) -> object:
        return object() if self.tls and name == "sslcontext" else None

    def resume_reading(self) -> None: ...


def cycle_on(transport: Transport, **scope: str) -> RequestResponseCycle:
    """Return a cycle of uvicorn's as its protocol makes them."""
    more: dict[str, Any] = dict.fromkeys(("logger", "access_logger"))
    return RequestResponseCycle(
        scope={"type": "http", "method": "GET", "headers": []} | scope,  # type: ignore[arg-type]
        transport=transport,  # type: ignore[arg-type]
        flow=FlowControl(transport),  # type: ignore[arg-type]
        access_log=False,
        default_headers=[],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=True,
        on_response=lambda: None,
        **more,
    )


START = {"type": "http.response.start", "status": 200, "headers": []}


def test_both_ways_write_the_same_bytes_in_the_same_order() -> None:
    async def run() -> None:
        near, far = Transport(), Transport()
        readers = []
        for transport in (near, far):
            cycle = cycle_on(transport)
            await cycle.send(START)  # type: ignore[arg-type]
            task = asyncio.create_task(asyncio.sleep(60))
            readers.append(Reader(cycle.send, task))  # type: ignore[arg-type]
        readers[0].direct = DirectConnection.from_send(readers[0].send)
        assert readers[0].direct
        channel = Channel(1, 0, "live", 0, readers=dict.fromkeys(readers))
        paused = readers[0].direct.flow
        for number in range(6):
            if number == 2:
                paused.pause_writing()
            if number == 4:
                paused.resume_writing()
                await asyncio.sleep(0.01)
            one = channels.body_message(f"number {number}".encode())
            channel.append(Frame(number, number + 1, one))
            channel.serve_all(readers)
            # Nothing is written to a network that takes no more.
            assert (near.sent == far.sent) == (number not in (2, 3))
        readers[0].direct.cycle.disconnected = True
        channel.broadcast(readers[:1], channels.PING)
        assert near.sent == far.sent

    asyncio.run(run())


def test_unexpected_connections_use_their_own_send() -> None:
    async def run() -> None:
        fresh = cycle_on(Transport())
        assert DirectConnection.from_send(fresh.send) is None  # nothing has begun
        over_tls = cycle_on(Transport(tls=True))
        counted, changed = cycle_on(Transport()), cycle_on(Transport())
        length = [(b"content-length", b"9")]
        await counted.send({**START, "headers": length})  # type: ignore[arg-type]
        for cycle in (over_tls, changed):
            await cycle.send(START)  # type: ignore[arg-type]
        assert DirectConnection.from_send(changed.send)
        del changed.flow
        for send in (over_tls.send, counted.send, changed.send, print, None):
            assert DirectConnection.from_send(send) is None

    asyncio.run(run())


@pytest.mark.parametrize("newsroom", ["sqlite"], indirect=True)
def test_readers_of_a_server_that_writes_directly_miss_nothing(
    newsroom: Newsroom,
) -> None:
    newsroom.call(actions.make_story, "Ice on the Sound", SLUG, updates=3)
    newsroom.env["DIRECT_WRITES"] = "True"
    server, readers = newsroom.server(), newsroom.helper()
    start = newsroom.call(actions.cursor, SLUG)
    readers.call(crowd.gather, SLUG, [server.port], 30, start)
    with deaf(server, start):
        newsroom.call(actions.fatten, SLUG)
        newsroom.call(actions.stir, SLUG, "Said past the interface", 20)
        last = newsroom.call(actions.cursor, SLUG)
        readers.call(crowd.caught_up, last)
    assert readers.call(crowd.complaints) == []
    published = newsroom.call(actions.visible, SLUG)
    since = {pk: seq for pk, seq in published.items() if seq > crowd.number(start)}
    assert readers.call(crowd.pages) == [since]
    assert server.stop(10) == 0
    assert "DIRECT_WRITES" not in server.log  # what it had to say if it could not
    readers.call(crowd.gone)
