"""Thousands of readers in one process, cheap and distrustful.

Runs in a `Helper`: call the functions at the end of this file there. Each reader
keeps what an open page would show, and complains of whatever comes twice or out of
order. Nothing of the product is used: HTTP is parsed by a library, events here.
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
    """One event of a stream, and what it does to a page."""

    id: str
    name: str
    puts: tuple[tuple[int, int], ...]
    drops: tuple[int, ...]


@lru_cache(8192)  # everybody gets the same bytes
def parse(block: bytes) -> Message:
    """Read one event, which ended with an empty line."""
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
    """A page that is open, over as many connections as it takes."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.cursor = crowd.cursor
        self.shown: dict[int, int] = {}
        self.transport: Any = None
        self.ready = self.complete = False
        self.behind = False  # too far for the stream: asks for the changes first

    async def come(self, pause: float = 0) -> None:
        """Connect after a pause, wherever the crowd is led."""
        await asyncio.sleep(pause)
        port = self.crowd.chance.choice(self.crowd.ports)
        self.ready = self.complete = False
        self._rest = b""
        self._heads: dict[bytes, bytes] = {}
        self._parser = httptools.HttpResponseParser(self)
        try:
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: self, HOST, port)
        except OSError:
            self.crowd.happened["no connection"] += 1
            self.crowd.return_later(self)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        known = f"Last-Event-ID: {self.cursor}\r\n" if self.cursor else ""
        what = f"changes?after={self.cursor}" if self.behind else "stream"
        path = f"/stories/{self.crowd.slug}/{what}"
        transport.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{known}\r\n".encode())

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._heads[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        if (status := self._parser.get_status_code()) != 200:
            self.crowd.happened[f"status {status}"] += 1
            return
        if b"live-left" in self._heads:
            self._rest += body
            return
        *blocks, self._rest = (self._rest + body).split(b"\n\n")
        for block in blocks:
            self.take(parse(block))

    def on_message_complete(self) -> None:
        self.complete = True
        if b"live-left" in self._heads:
            self.take_piece()
        if self.transport:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self.crowd.happened["ended" if self.complete else "cut"] += 1
        if self.complete and (self.behind or b"live-left" in self._heads):
            self.crowd.begin(self.come(self.crowd.chance.uniform(0, 0.1)))
        else:
            self.crowd.return_later(self)

    def take_piece(self) -> None:
        """Do to the page what an answer of `changes` says."""
        if self._rest:
            lines = [b"id: " + self._heads[b"live-cursor"], *self._rest.split(b"\n")]
            self.take(parse(b"\ndata: ".join(lines)))
        self.behind = self._heads[b"live-left"] != b"0"

    def take(self, message: Message) -> None:
        """Do to the page what a message says, and check that it may."""
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
    """Return the number of a cursor; 0 of none."""
    return int(cursor.rpartition("-")[2] or 0)


class Crowd:
    """All readers of one story, on an event loop in a thread of its own."""

    def __init__(self, slug: str, ports: list[int], cursor: str) -> None:
        self.slug, self.ports, self.cursor = slug, ports, cursor
        self.readers: list[Reader] = []
        self.happened: Counter[str] = Counter()
        self.complaints: list[str] = []
        self.faithful = False  # whether readers return by themselves
        self.chance = Random(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self.loop = uvloop.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def complain(self, words: str) -> None:
        if len(self.complaints) < 20:
            self.complaints.append(words)

    def begin(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def return_later(self, reader: Reader) -> None:
        if self.faithful:
            self.begin(reader.come(self.chance.uniform(0.05, 0.5)))

    async def call(self, within: float) -> None:
        """Let all who are not connected connect, spread over some seconds."""
        for reader in self.readers:
            if reader.transport is None:
                self.begin(reader.come(self.chance.uniform(0, within)))

    async def scatter(self, seconds: float, each: float) -> None:
        """Cut readers off at random, everyone about every `each` seconds."""
        self.faithful = True
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            reader = self.chance.choice(self.readers)
            if reader.transport:
                reader.transport.abort()
            await asyncio.sleep(each / len(self.readers))

    def run(self, job: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine on the crowd's loop and return when it is done."""
        asyncio.run_coroutine_threadsafe(job, self.loop).result()


_crowds: list[Crowd] = []


def gather(slug: str, ports: list[int], size: int, cursor: str = "") -> None:
    """Open a story on many pages, each at a cursor; return when all are connected."""
    crowd = Crowd(slug, ports, cursor)
    _crowds[:] = [crowd]
    crowd.readers = [Reader(crowd) for _ in range(size)]
    crowd.run(crowd.call(size / 5000))
    _wait(lambda: all(one.ready for one in crowd.readers), "connected", 20)


def call_back(within: float) -> None:
    """Let all who lost their connection come back within some seconds."""
    _crowds[0].run(_crowds[0].call(within))


def scatter(seconds: float, each: float) -> None:
    """Cut readers off at random in the background; they come back by themselves."""
    crowd = _crowds[0]
    asyncio.run_coroutine_threadsafe(crowd.scatter(seconds, each), crowd.loop)


def caught_up(cursor: str, seconds: float = 20) -> float:
    """Return how long it takes until every reader has arrived at a cursor."""
    readers = _crowds[0].readers
    return _wait(lambda: all(one.cursor == cursor for one in readers), cursor, seconds)


def gone(seconds: float = 20) -> float:
    """Return how long it takes until no reader is connected any more."""
    readers = _crowds[0].readers
    return _wait(lambda: not any(one.transport for one in readers), "gone", seconds)


def pages() -> list[dict[int, int]]:
    """Return the different pages that readers see: numbers by entry."""
    found = {frozenset(reader.shown.items()) for reader in _crowds[0].readers}
    return [dict(page) for page in found]


def complaints() -> list[str]:
    """Return what came twice or out of order."""
    return _crowds[0].complaints


def happened() -> Counter[str]:
    """Return what happened to connections, and the named events that came."""
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
