"""Measure open desks: `python -m benchmarks desks [--desks 50] [--kinds sqlite]`.

Opens the desk of one story many times, each as an editor of its own, first with polls
every two seconds, then with streams. Both have a quiet time, and one in which a
colleague publishes every five seconds. Prints what a desk costs a minute, without what
the server costs with no desk open, and how long it takes from just before publishing
until a desk has the new row.
"""

import argparse
import asyncio
import html
import random
import re
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from benchmarks.measures import processor
from benchmarks.subjects import family
from benchmarks.tables import record, say, table
from tests import actions
from tests.servers import HOST, Newsroom, Newsrooms, postgres

SLUG = "ice-on-the-sound"
POLL, BEAT, SAFETY = 2.0, 5.0, 30.0  # seconds, as in the desk's scripts
EVERY = 5.0  # seconds between two updates
Marks = dict[str, float]  # when each update was about to be published


class Line:
    """A kept connection with the cookie of one editor."""

    def __init__(self, port: int, session: str) -> None:
        self._port = port
        self._head = f"Host: {HOST}\r\nCookie: liveblog_session={session}\r\n"
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(
        self, path: str, more: str = "HX-Request: true\r\n"
    ) -> tuple[int, asyncio.StreamReader, str]:
        """Send a GET; return the status, and where the body comes from."""
        if self._ends is None:
            self._ends = await asyncio.open_connection(HOST, self._port)
        reader, writer = self._ends
        writer.write(f"GET {path} HTTP/1.1\r\n{self._head}{more}\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        return int(head.split(" ")[1]), reader, head

    async def get(self, path: str, *more: str) -> tuple[int, str]:
        """Return the status and the body of a response."""
        try:
            status, reader, head = await self.request(path, *more)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.close()  # idle for longer than the server keeps it
            self._ends = None
            status, reader, head = await self.request(path, *more)
        size = re.search(r"content-length: (\d+)", head)
        body = await reader.readexactly(int(size[1])) if size else b""
        return status, body.decode()

    def close(self) -> None:
        """Hang up."""
        if self._ends:
            self._ends[1].close()


class Desk:
    """One open desk, which does what its scripts do."""

    def __init__(self, port: int, session: str, story: int) -> None:
        self.path = f"/admin/entries/story/{story}"
        self._line, self._stream = Line(port, session), Line(port, session)
        self._have = self._me = ""
        self._told = asyncio.Event()
        self._beat = 0.0
        self.seen: Marks = {}
        self.polls = 0

    async def open(self) -> None:
        """Load the page."""
        self._read(*await self._line.get(f"{self.path}/change/", ""))
        self._beat = time.monotonic()

    def _read(self, status: int, text: str) -> None:
        if status == 204:
            return
        if status != 200:
            raise RuntimeError(f"A desk was answered {status}: {text[:200]}")
        now = time.monotonic()
        for mark in re.findall(r"bench\d+", text):
            self.seen.setdefault(mark, now)
        text = html.unescape(text)
        self._have = re.findall(r"\?have=([^\"&]+)\"", text)[0]
        self._me = re.findall(r'"me": "([^"]*)"', text)[0]

    async def poll(self, every: float) -> None:
        """Poll once; tell what the editor does, if that is due."""
        query = f"have={self._have}&me={self._me}"
        if time.monotonic() - self._beat >= every - 0.1:
            self._beat = time.monotonic()
            query += "&beat=1&doing="
        self.polls += 1
        self._read(*await self._line.get(f"{self.path}/desk/timeline/?{query}"))

    async def run_polling(self) -> None:
        """Poll every two seconds."""
        await asyncio.sleep(random.uniform(0, POLL))
        while True:
            began = time.monotonic()
            await self.poll(BEAT)
            await asyncio.sleep(max(0.0, began + POLL - time.monotonic()))

    async def run_streaming(self) -> None:
        """Poll when the stream says so, and every half minute."""
        listening = asyncio.create_task(self._listen())
        try:
            while True:
                try:
                    async with asyncio.timeout(SAFETY):
                        await self._told.wait()
                except TimeoutError:
                    await self.poll(SAFETY)
                self._told.clear()
                if listening.done():
                    listening.result()
                if self._pulse not in ("", self._have):
                    await self.poll(SAFETY)
        finally:
            listening.cancel()

    _pulse = ""

    async def _listen(self) -> None:
        path = f"{self.path}/desk/stream/?me={self._me}"
        status, reader, _ = await self._stream.request(path)
        if status != 200:
            raise RuntimeError(f"A stream was answered {status}")
        while line := await reader.readline():
            if line.startswith(b"event: look"):
                self._pulse = (await reader.readline()).decode()[6:].strip()
                self._told.set()

    def close(self) -> None:
        """Hang up."""
        self._line.close()
        self._stream.close()


class Office:
    """A server, the desks that are open there, and what they cost."""

    def __init__(self, newsroom: Newsroom, url: str) -> None:
        self.newsroom = newsroom
        self.url = url
        newsroom.call(actions.make_story, "Ice on the Sound", SLUG, updates=60)
        self.server = newsroom.server()
        self.base: dict[bool, list[float]] = {}
        self._number = 0

    def cost(self) -> tuple[float, int]:
        """Return the CPU seconds of the server, and the database's transactions."""
        spent = processor(family(self.server.pid or 0))
        if not self.url:
            return spent, 0
        name = self.newsroom.env["DATABASE_URL"].rpartition("/")[2].partition("?")[0]
        with psycopg.connect(self.url) as connection:
            row = connection.execute(
                "SELECT xact_commit + xact_rollback FROM pg_stat_database "
                "WHERE datname = %s",
                [name],
            ).fetchone()
        return spent, int(row[0]) if row else 0

    async def publish(self, marks: Marks) -> None:
        """Publish an update as a colleague does, from another process."""
        self._number += 1
        mark = f"bench{self._number:04}"
        marks[mark] = time.monotonic()
        body = f"{mark} The tide is out again."
        await asyncio.to_thread(self.newsroom.call, actions.post, SLUG, body)

    async def pass_time(
        self, seconds: float, *, busy: bool
    ) -> tuple[Marks, list[float]]:
        """Let time pass; return what was published, and the cost of a minute."""
        marks: Marks = {}
        cpu, transactions = self.cost()
        began = time.monotonic()
        while (left := began + seconds - time.monotonic()) > 0:
            if busy and left > EVERY:
                await self.publish(marks)
            await asyncio.sleep(min(left, EVERY))
        minutes = (time.monotonic() - began) / 60
        cpu_now, now = self.cost()
        return marks, [1000 * (cpu_now - cpu) / minutes, (now - transactions) / minutes]

    async def measure_base(self, seconds: float) -> None:
        """Measure what the server costs without desks."""
        for busy in (False, True):
            self.base[busy] = (await self.pass_time(seconds, busy=busy))[1]

    async def measure(
        self, mode: str, sessions: list[str], story: int, seconds: float
    ) -> list[list[str]]:
        """Return the rows of the table for one way of following a desk."""
        desks = [Desk(self.server.port, one, story) for one in sessions]
        for desk in desks:
            await desk.open()
        runs = [
            asyncio.create_task(
                desk.run_polling() if mode == "polls" else desk.run_streaming()
            )
            for desk in desks
        ]
        await asyncio.sleep(12)  # until everybody has seen everybody arrive
        rows = []
        for busy in (False, True):
            polls = sum(d.polls for d in desks)
            marks, spent = await self.pass_time(seconds, busy=busy)
            for run in runs:
                if run.done():
                    run.result()
            own = [one - base for one, base in zip(spent, self.base[busy], strict=True)]
            per = [(sum(d.polls for d in desks) - polls) * 60 / seconds, *own]
            per = [one / len(desks) for one in per]
            delays = sorted(d.seen[m] - at for d in desks for m, at in marks.items())
            figures = [
                f"{1000 * delays[int(part * (len(delays) - 1))]:.0f}" if delays else ""
                for part in (0.5, 0.95, 1)
            ]
            what = f"{mode}, {'an update every 5 s' if busy else 'quiet'}"
            rows.append(
                [self.newsroom.kind, what, *(f"{n:.1f}" for n in per), *figures]
            )
            say(" | ".join(rows[-1]))
        for task in runs:
            task.cancel()
        await asyncio.gather(*runs, return_exceptions=True)
        for desk in desks:
            desk.close()
        return rows


def run(kinds: list[str], modes: list[str], count: int, seconds: float) -> str:
    """Measure every way of following on each kind of database; return the table."""
    rows = []
    with TemporaryDirectory(prefix="liveblog-desks-") as name:
        folder = Path(name)
        with postgres(folder / "postgres") as url:
            newsrooms = Newsrooms(folder / "rooms", lambda: url)
            for kind in kinds:
                with newsrooms.open(kind) as newsroom:
                    office = Office(newsroom, url if kind == "postgres" else "")
                    story, sessions = newsroom.call(actions.open_sessions, SLUG, count)
                    asyncio.run(office.measure_base(seconds))
                    for mode in modes:
                        work = office.measure(mode, sessions, story, seconds)
                        rows += asyncio.run(work)
    heads = ["database", "desks", "polls per desk and minute"]
    heads += ["CPU ms per desk and minute", "transactions per desk and minute"]
    heads += ["delay p50 ms", "p95 ms", "last desk ms"]
    return table(heads, rows)


def main(arguments: list[str]) -> None:
    """Run the measurements, and record them with --record."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks desks", description=__doc__
    )
    parser.add_argument("--desks", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--kinds", default="sqlite,postgres")
    parser.add_argument("--modes", default="polls,streams")
    parser.add_argument("--record", metavar="TITLE", help="append to RESULTS.md")
    given = parser.parse_args(arguments)
    text = run(
        given.kinds.split(","), given.modes.split(","), given.desks, given.seconds
    )
    say(f"\n{text}")
    if given.record:
        record(given.record, text)
