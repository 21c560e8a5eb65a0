"""Simulate thousands of readers in one process.

Call the functions at the end of this file in a `Helper`. Each reader tracks what an
open page would show, and complains about changes that arrive twice or out of order. No
code of the application is used: a library parses HTTP, and this module the events.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import Counter
from collections.abc import Coroutine
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

import httptools
import uvloop

HOST = "127.0.0.1"
_ARTICLE = re.compile(r'<article\s[^>]*id="entry-(\d+)"[^>]*\sdata-seq="(\d+)"')
_DELETE = re.compile(r'hx-target="#entry-(\d+)" hx-swap="delete"')


class Message(NamedTuple):
    """An event of a stream, and the entries it inserts into or deletes from a page."""

    id: str
    name: str
    puts: tuple[tuple[int, int], ...]
    drops: tuple[int, ...]


@lru_cache(8192)  # all readers get the same bytes
def parse(block: bytes) -> Message:
    """Parse an event, without the empty line at its end."""
    fields: dict[str, str] = {}
    for line in block.decode().split("\n"):
        name, _, value = line.partition(":")
        before = fields.get(name, "")
        fields[name] = f"{before}\n{value}" if name == "data" else value.strip()
    data = fields.get("data", "")
    puts = tuple((int(pk), int(seq)) for pk, seq in _ARTICLE.findall(data))
    drops = tuple(map(int, _DELETE.findall(data)))
    return Message(fields.get("id", ""), fields.get("event", ""), puts, drops)


class Reader(asyncio.Protocol):
    """An open page, which connects as often as necessary."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.cursor = crowd.cursor
        self.shown: dict[int, int] = {}
        self.transport: Any = None
        self.ready = self.complete = False
        self.behind = False  # too far for the stream, so it requests changes first

    async def connect(self, pause: float = 0) -> None:
        """Connect to one of the crowd's ports, after a pause."""
        await asyncio.sleep(pause)
        port = self.crowd.random.choice(self.crowd.ports)
        self.ready = self.complete = False
        self._rest = b""
        self._headers: dict[bytes, bytes] = {}
        self._parser = httptools.HttpResponseParser(self)
        try:
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: self, HOST, port)
        except OSError:
            self.crowd.happened["no connection"] += 1
            self.crowd.reconnect_later(self)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        known = f"Last-Event-ID: {self.cursor}\r\n" if self.cursor else ""
        what = f"changes?after={self.cursor}" if self.behind else "stream"
        path = f"/stories/{self.crowd.slug}/{what}"
        transport.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{known}\r\n".encode())

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        if (status := self._parser.get_status_code()) != 200:
            self.crowd.happened[f"status {status}"] += 1
            return
        if b"live-left" in self._headers:
            self._rest += body
            return
        *blocks, self._rest = (self._rest + body).split(b"\n\n")
        for block in blocks:
            self.apply(parse(block))

    def on_message_complete(self) -> None:
        self.complete = True
        if b"live-left" in self._headers:
            self.apply_batch()
        if self.transport:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self.crowd.happened["ended" if self.complete else "cut"] += 1
        if self.complete and (self.behind or b"live-left" in self._headers):
            self.crowd.start(self.connect(self.crowd.random.uniform(0, 0.1)))
        else:
            self.crowd.reconnect_later(self)

    def apply_batch(self) -> None:
        """Apply a response of the change feed to the page."""
        if self._rest:
            lines = [b"id: " + self._headers[b"live-cursor"], *self._rest.split(b"\n")]
            self.apply(parse(b"\ndata: ".join(lines)))
        self.behind = self._headers[b"live-left"] != b"0"

    def apply(self, message: Message) -> None:
        """Apply an event to the page, and check that it is in order."""
        if message.name == "ready":
            self.ready = True
        elif message.name == "behind":
            self.behind = True
        elif message.name:
            self.crowd.happened[message.name] += 1
        elif message.id and number(message.id) <= number(self.cursor):
            self.crowd.complain(f"{message.id} after {self.cursor}")
        for pk, seq in message.puts:
            if self.shown.get(pk, 0) >= seq:
                self.crowd.complain(f"entry {pk} came again with {seq}")
            self.shown[pk] = seq
        for pk in message.drops:
            self.shown.pop(pk, None)
        self.cursor = message.id or self.cursor


def number(cursor: str) -> int:
    """Return the number in a cursor; 0 if it is empty."""
    return int(cursor.rpartition("-")[2] or 0)


class Crowd:
    """All readers of a story, on an event loop in a separate thread."""

    def __init__(self, slug: str, ports: list[int], cursor: str) -> None:
        self.slug, self.ports, self.cursor = slug, ports, cursor
        self.readers: list[Reader] = []
        self.happened: Counter[str] = Counter()
        self.complaints: list[str] = []
        self.reconnecting = False  # whether readers reconnect by themselves
        self.random = Random(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self.loop = uvloop.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def complain(self, words: str) -> None:
        if len(self.complaints) < 20:
            self.complaints.append(words)

    def start(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def reconnect_later(self, reader: Reader) -> None:
        if self.reconnecting:
            self.start(reader.connect(self.random.uniform(0.05, 0.5)))

    async def connect_all(self, within: float) -> None:
        """Connect the readers who are not connected, spread over some seconds."""
        for reader in self.readers:
            if reader.transport is None:
                self.start(reader.connect(self.random.uniform(0, within)))

    async def scatter(self, seconds: float, each: float) -> None:
        """Disconnect random readers, each about every `each` seconds."""
        self.reconnecting = True
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            reader = self.random.choice(self.readers)
            if reader.transport:
                reader.transport.abort()
            await asyncio.sleep(each / len(self.readers))

    def run(self, job: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine on the crowd's loop, and wait for it."""
        asyncio.run_coroutine_threadsafe(job, self.loop).result()


_crowds: list[Crowd] = []


def gather(slug: str, ports: list[int], size: int, cursor: str = "") -> None:
    """Open many pages of a story at a cursor, and wait until all are connected."""
    crowd = Crowd(slug, ports, cursor)
    _crowds[:] = [crowd]
    crowd.readers = [Reader(crowd) for _ in range(size)]
    crowd.run(crowd.connect_all(size / 5000))
    _wait(lambda: all(one.ready for one in crowd.readers), "connected", 20)


def reconnect_all(within: float) -> None:
    """Reconnect all disconnected readers within some seconds."""
    _crowds[0].run(_crowds[0].connect_all(within))


def scatter(seconds: float, each: float) -> None:
    """Disconnect random readers in the background; they reconnect by themselves."""
    crowd = _crowds[0]
    asyncio.run_coroutine_threadsafe(crowd.scatter(seconds, each), crowd.loop)


def caught_up(cursor: str, seconds: float = 20) -> float:
    """Wait until every reader has reached a cursor; return how long it took."""
    readers = _crowds[0].readers
    return _wait(lambda: all(one.cursor == cursor for one in readers), cursor, seconds)


def gone(seconds: float = 20) -> float:
    """Wait until no reader is connected any more; return how long it took."""
    readers = _crowds[0].readers
    return _wait(lambda: not any(one.transport for one in readers), "gone", seconds)


def pages() -> list[dict[int, int]]:
    """Return the distinct pages that readers see, as seqs by entry."""
    found = {frozenset(reader.shown.items()) for reader in _crowds[0].readers}
    return [dict(page) for page in found]


def complaints() -> list[str]:
    """Return the changes that arrived twice or out of order."""
    return _crowds[0].complaints


def happened() -> Counter[str]:
    """Count what happened to connections, and the named events received."""
    return _crowds[0].happened


def _wait(condition: Any, what: str, seconds: float) -> float:
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            crowd = _crowds[0]
            cursors = Counter(reader.cursor for reader in crowd.readers)
            raise AssertionError(
                f"not all are {what} after {seconds:g} s: {cursors.most_common(5)}, "
                f"{crowd.happened}, {crowd.complaints}"
            )
        time.sleep(0.01)
    return time.monotonic() - began
