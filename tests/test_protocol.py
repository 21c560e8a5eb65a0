"""Unfinished requests over plain sockets, and readers who may be slow."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import uvicorn

from liveblog import protocol
from tests.servers import HOST, wait_for

Line = Callable[[], socket.socket]
GET = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
SECONDS = 0.5  # instead of twenty and sixty


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Read what is sent, then answer its length; at `/stream` a word now and then."""
    size, more = 0, True
    while more:
        part = await receive()
        size, more = size + len(part.get("body", b"")), part.get("more_body", False)
    head = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    for _ in range(10 if scope["path"] == "/stream" else 0):
        one = {"type": "http.response.body", "body": b"word ", "more_body": True}
        await send(one)
        await asyncio.sleep(SECONDS / 4)
    if scope["path"] == "/large":
        await send(
            {"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True}
        )
    await send({"type": "http.response.body", "body": b"read %d." % size})


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """Give connections to a server that has little patience."""
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT_SECONDS", SECONDS)
    monkeypatch.setattr(protocol, "BODY_TIMEOUT_SECONDS", SECONDS)
    config = uvicorn.Config(
        app, http=protocol.Protocol, lifespan="off", log_level="error", ws="none"
    )
    server = uvicorn.Server(config)
    opened: list[socket.socket] = []
    with socket.create_server((HOST, 0)) as listener:
        run = threading.Thread(target=server.run, args=[[listener]])
        run.start()
        wait_for(lambda: server.started, "the server")

        def connect() -> socket.socket:
            opened.append(socket.create_connection(listener.getsockname(), 10))
            return opened[-1]

        yield connect
        for one in opened:
            one.close()
        server.should_exit = True
        run.join()


def rest(line: socket.socket) -> bytes:
    """Return what comes until the server hangs up."""
    answer = b""
    with suppress(ConnectionResetError):
        while data := line.recv(65_536):
            answer += data
    return answer


def pour(line: socket.socket, piece: bytes, most: int = 2_000_000) -> bytes:
    """Send the same again and again until the server hangs up."""
    with suppress(BrokenPipeError, ConnectionResetError):
        for _ in range(most // len(piece)):
            line.sendall(piece)
    return rest(line)


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (GET + b"Cookie: ", b"a" * 1000),
        (GET, b"X-Header: 1\r\n"),
        (b"GET /", b"a" * 1000),
        (b"GET / HTTP/1.1\r\n", b"a" * 1000),
        (b"", b"\r\n" * 500),
    ],
    ids=["value", "headers", "address", "name", "nothing"],
)
def test_a_request_head_without_an_end_is_refused(
    line: Line, start: bytes, piece: bytes
) -> None:
    first = line()
    first.sendall(start)
    answer = pour(first, piece)
    # A client that goes on writing may be reset before it reads.
    assert answer == b"" or b" 431 " in answer.partition(b"\r\n")[0]
    slow = line()
    slow.sendall(start + piece * (40_000 // len(piece)))
    assert b" 431 " in rest(slow).partition(b"\r\n")[0]


@pytest.mark.parametrize(
    "headers",
    [b"X-Header: 1\r\n" * 101, b"Cookie: %b\r\n" % (b"a" * 40_000)],
    ids=["many", "large"],
)
def test_a_complete_head_that_is_too_large_is_refused(
    line: Line, headers: bytes
) -> None:
    one = line()
    one.sendall(GET + headers + b"\r\n")
    assert b" 431 " in rest(one).partition(b"\r\n")[0]
    again = line()  # also right behind a request that is in order
    again.sendall(GET + b"\r\n" + GET + headers + b"\r\n")
    assert rest(again).count(b"HTTP/1.1 200 ") <= 1


def test_trailers_without_an_end_are_refused(line: Line) -> None:
    one = line()
    one.sendall(GET + b"Transfer-Encoding: chunked\r\n\r\n0\r\n")
    answer = pour(one, b"X-Trailer: 1\r\n")
    assert answer == b"" or b" 431 " in answer.partition(b"\r\n")[0]


def test_a_head_that_arrives_too_slowly_is_a_408(line: Line) -> None:
    first, second, silent = line(), line(), line()
    second.sendall(GET + b"\r\n")
    answer = b""
    while not answer.endswith(b"0\r\n\r\n"):
        answer += (data := second.recv(1000))
        assert data
    ended: dict[str, bytes] = {}

    def drip(name: str, one: socket.socket) -> None:
        one.settimeout(SECONDS / 10)
        for byte in GET * 10:
            with suppress(TimeoutError):
                ended[name] = one.recv(1000)
                return
            with suppress(BrokenPipeError, ConnectionResetError):
                one.sendall(bytes([byte]))

    began = time.monotonic()
    jobs = [
        threading.Thread(target=drip, args=pair)
        for pair in (("first", first), ("second", second))
    ]
    for job in jobs:
        job.start()
    assert rest(silent) == b""  # it never asked: nothing is said to it
    for job in jobs:
        job.join()
    assert time.monotonic() - began < 6 * SECONDS
    assert b" 408 " in ended["first"]
    assert b" 408 " in ended["second"]


def test_a_body_may_be_slow_but_not_silent(line: Line) -> None:
    post = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n"
    slow, silent, large = line(), line(), line()
    silent.sendall(post % 10 + b"12345")
    large.sendall(post % 60_000 + b"x" * 60_000)  # no head, however large
    assert b"200" in large.recv(1000)
    slow.sendall(post % 10)
    for byte in b"1234567890":
        time.sleep(SECONDS / 4)
        slow.sendall(bytes([byte]))
    assert b"200" in slow.recv(1000)
    assert b" 408 " in rest(silent)


def test_streams_and_slow_readers_have_no_timeout(line: Line) -> None:
    stream, slow = line(), line()
    close = b"Connection: close\r\n\r\n"
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    slow.sendall(GET.replace(b" / ", b" /large ") + close)
    stream.sendall(GET.replace(b" / ", b" /stream ") + close)
    words = rest(stream)  # for five times as long as a head may take
    assert words.count(b"word") == 10
    assert words.endswith(b"0\r\n\r\n")
    assert len(rest(slow)) > 1_000_000


def test_many_requests_may_share_a_connection(line: Line) -> None:
    one = line()
    for _ in range(200):  # together more than a head may have
        one.sendall(GET + b"Cookie: %b\r\n\r\n" % (b"a" * 1000))
        answer = b""
        while not answer.endswith(b"0\r\n\r\n"):
            answer += one.recv(1000)
        assert answer.startswith(b"HTTP/1.1 200 ")
