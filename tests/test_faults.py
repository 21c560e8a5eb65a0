"""Everything that breaks during coverage, and readers who lose nothing by it.

The sizes suit a test run. `CROWD=5000` makes every crowd as big;
`CROWD_SECONDS=60` and `CROWD_CHANGES=300` are for readers who drop out at random.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import re
import signal
import socket
import sqlite3
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from entries.database import timeouts
from entries.delivery import channels, hub, messages, timings
from entries.delivery.changes import Changes, Cursor
from entries.delivery.channels import Channel
from entries.delivery.messages import Message
from entries.delivery.stream import Reader
from entries.management.commands import serve
from tests import actions, crowd, seeds
from tests.desk import Editor
from tests.fault_injection import DIARY, GATE, diary, inject
from tests.networks import Network, reader_of
from tests.photos import flat_png, photograph
from tests.servers import (
    HOST,
    Helper,
    Newsroom,
    Postgres,
    Server,
    sql,
    wait_for,
)

SLUG = "ice-on-the-sound"
SECONDS = float(os.environ.get("CROWD_SECONDS", "4"))
CHANGES = int(os.environ.get("CROWD_CHANGES", "100"))
on_postgres = pytest.mark.parametrize("newsroom", ["postgres"], indirect=True)
on_sqlite = pytest.mark.parametrize("newsroom", ["sqlite"], indirect=True)


def size(usual: int) -> int:
    return int(os.environ.get("CROWD", usual))


@pytest.fixture
def story(newsroom: Newsroom) -> int:
    return newsroom.call(actions.make_story, "Ice on the Sound", SLUG, updates=3)


def together(*jobs: Callable[[], object]) -> None:
    """Do several things at the same moment; return when all are done."""
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def status(server: Server, path: str) -> int:
    return httpx.get(f"{server.url}{path}", timeout=30).status_code


def expect_complete(newsroom: Newsroom, readers: Helper, start: str) -> None:
    """Fail unless every reader of a crowd shows what is published after a place."""
    last = newsroom.call(actions.cursor, SLUG)
    readers.call(crowd.caught_up, last)
    published = newsroom.call(actions.visible, SLUG)
    since = {pk: seq for pk, seq in published.items() if seq > crowd.number(start)}
    assert readers.call(crowd.complaints) == []
    assert readers.call(crowd.pages) == [since]
    assert not readers.call(crowd.happened)["reset"]


def test_an_update_survives_the_death_of_its_server(
    newsroom: Newsroom, story: int
) -> None:
    first, second = newsroom.server(), newsroom.server()
    wire = newsroom.wire(first)
    with newsroom.sse(wire, SLUG) as near, newsroom.sse(second, SLUG) as far:
        at = near.wait_named("at") and near.cursor
        far.wait_named("at")
        wire.stall()  # it dies before it can tell its reader
        with Editor(first.url) as editor:
            editor.publish(story, "The last words of this server.")
        first.kill()
        far.wait("The last words of this server.", 1.5)
        wire.drop()
        assert near.ended.wait(5)
        assert "The last words" not in near.html()
    for server in (second, first.start()):
        with newsroom.sse(server, SLUG, last_id=at) as back:
            back.wait("The last words of this server.", 5)
            assert len(re.findall("<article", back.html())) == 1


@on_postgres
def test_a_commit_without_a_notification_arrives_too(
    newsroom: Newsroom, story: int
) -> None:
    server = newsroom.server()
    with newsroom.sse(server, SLUG) as stream:
        stream.wait_named("at")
        newsroom.call(actions.post_unannounced, SLUG, "Said under the breath.")
        stream.wait("Said under the breath.", 3)


def test_readers_survive_a_restart_of_the_database(
    apart: Newsroom, database: Postgres
) -> None:
    server = apart.server()
    page = f"/stories/{SLUG}/"
    before = apart.helper()  # its connection does not outlast it
    epoch = before.call(actions.start, SLUG)[:-2]
    with apart.sse(server, SLUG) as stream:
        stream.wait_named("at")
        before.call(actions.post, SLUG, "All is well.")
        stream.wait("All is well.")
        assert status(server, page) == status(server, "/readyz") == 200
        with database.paused():
            asked = threading.Thread(target=status, args=[server, "/search/?q=tide"])
            asked.start()
            assert status(server, "/readyz") == 503
            assert status(server, "/healthz") == 200
        asked.join()
        before.call(actions.post, SLUG, "It stood still.")
        stream.wait("It stood still.")
        wait_for(lambda: status(server, "/readyz") == 200, "readiness")
        database.stop()
        began = time.monotonic()
        assert status(server, "/readyz") == 503
        assert time.monotonic() - began < 3  # as long as probes are patient
        assert status(server, "/healthz") == 200
        early = apart.sse(server, SLUG, last_id=f"{epoch}-1")
        assert status(server, page) == 200  # from memory: tests/test_outages.py
        time.sleep(max(0, began + 6 - time.monotonic()))
        database.start()
        wait_for(lambda: status(server, "/readyz") == 200, "readiness", 2)
        apart.call(actions.post, SLUG, "And we are back.")
        stream.wait("And we are back.", 3)
        assert not stream.ended.is_set()
        assert not stream.named("reset")
        shown = lambda: "And we are back." in httpx.get(server.url + page).text  # noqa: E731
        wait_for(shown, "the page to say so", 3)
        # Who came meanwhile was served late, or sent away to come again.
        wait_for(lambda: early.ended.is_set() or early.html(), "the early one")
        assert "Exception in ASGI application" not in server.log


@on_postgres
def test_a_disconnected_listener_misses_nothing(newsroom: Newsroom, story: int) -> None:
    server = newsroom.server()
    url = newsroom.env["DATABASE_URL"]
    page = f"{server.url}/stories/{SLUG}/"
    wait_for(lambda: "Vary" in httpx.get(page).headers, "the page cache")
    with newsroom.sse(server, SLUG) as stream:
        stream.wait_named("at")
        for turn in range(3):
            words = f"Said while nobody listened, {turn}."
            assert cut_listener(url)
            newsroom.call(actions.post, SLUG, words)
            stream.wait(words, 2)
            wait_for(lambda: words in httpx.get(page).text, words, 1)  # noqa: B023
            wait_for(lambda: listeners(url), "another listener")
    assert "Vary" in httpx.get(page).headers


LISTENING = "datname = current_database() AND query ~ '^(LISTEN|SELECT 1$)'"


def listeners(url: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        query = f"SELECT pid FROM pg_stat_activity WHERE {LISTENING}"
        return connection.execute(query).fetchall()


def cut_listener(url: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        query = (
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {LISTENING}"
        )
        return connection.execute(query).fetchall()


def test_two_editors_at_two_servers_lose_and_duplicate_nothing(
    newsroom: Newsroom, story: int
) -> None:
    servers = newsroom.server(), newsroom.server()
    readers, start = newsroom.helper(), newsroom.call(actions.cursor, SLUG)
    readers.call(crowd.gather, SLUG, [one.port for one in servers], 20, start)
    turns = seeds.examples(100)

    def write(server: Server, name: str) -> None:
        with Editor(server.url, name) as editor:
            for turn in range(turns):
                editor.publish(story, f"Report {turn} by {name}.")

    together(lambda: write(servers[0], "editor"), lambda: write(servers[1], "editor2"))
    expect_complete(newsroom, readers, start)
    [page] = readers.call(crowd.pages)
    assert len(page) == 2 * turns


@on_sqlite
def test_a_server_with_thousands_of_streams_stops_in_time(
    newsroom: Newsroom, story: int
) -> None:
    server, readers, number = newsroom.server(), newsroom.helper(), size(2500)
    readers.call(crowd.gather, SLUG, [server.port], number)
    newsroom.call(actions.make_story, "A Long Strike", "fat", updates=1)
    at = newsroom.call(actions.cursor, "fat")
    with deaf(server, "nobody-1"), deaf(server, at, "fat"):
        newsroom.call(actions.fatten, "fat")
        time.sleep(0.3)
        began = time.monotonic()
        assert server.stop(10) == 0
        assert time.monotonic() - began < 5
        readers.call(crowd.gone)
        assert readers.call(crowd.happened) == {"at": number, "ended": number}


@on_sqlite
def test_workers_stop_with_their_parent_process(newsroom: Newsroom, story: int) -> None:
    server = newsroom.server("--workers", "2")
    parent = server.pid
    assert parent is not None
    workers = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    with newsroom.sse(server, SLUG) as stream:
        stream.wait_named("at")
        os.kill(parent, signal.SIGKILL)
        assert stream.ended.wait(5)
        assert stream.complete  # and was not merely cut off
        wait_for(lambda: not any(map(runs, workers)), "the workers to end", 10)
    server.start()  # on the same port
    assert status(server, f"/stories/{SLUG}/") == 200


def runs(pid: str) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except FileNotFoundError:
        return False
    return words.split()[0] not in "ZX"


@contextmanager
def deaf(server: Server, after: str, slug: str = SLUG) -> Iterator[socket.socket]:
    """Ask for a stream, and read nothing of it."""
    with closing(socket.socket()) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect((HOST, server.port))
        path = f"/stories/{slug}/stream?after={after}"
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        yield line


def test_a_silently_lost_network_is_detected() -> None:
    with closing(socket.create_server((HOST, 0))) as listener:
        serve.drop_silent_connections(listener, 0.5)
        reader = socket.create_connection(listener.getsockname())
        line, _ = listener.accept()
        with closing(reader), closing(line):
            line.settimeout(15)
            vanish(reader)
            line.sendall(messages.PING.body)
            with pytest.raises(TimeoutError) as gone:
                line.recv(1)
            assert gone.value.errno == errno.ETIMEDOUT


@on_sqlite
def test_slow_requests_and_locks_do_not_delay_readers(
    newsroom: Newsroom, story: int
) -> None:
    server = newsroom.server()
    with Editor(server.url) as editor:
        editor.publish(story, "Before the lock.")
        words = [f"Behind the lock, {number}." for number in range(8)]
        jobs = [
            threading.Thread(target=editor.publish, args=[story, one]) for one in words
        ]
        with locked(newsroom):
            for job in jobs:
                job.start()
            for _ in range(4):
                for path in ("/search/?q=quay", "/healthz", "/readyz"):
                    assert httpx.get(server.url + path, timeout=10).status_code == 200
            assert all(job.is_alive() for job in jobs)
        for job in jobs:
            job.join()
    page = httpx.get(f"{server.url}/stories/{SLUG}/").text
    assert [one for one in words if one not in page] == []
    half = "POST /admin/login/ HTTP/1.1\r\nHost: {}\r\nContent-Length: 900\r\n\r\nuser"
    lines = [socket.create_connection((HOST, server.port)) for _ in range(30)]
    try:
        for line in lines:
            line.sendall(half.format(HOST).encode())
        answer = httpx.get(f"{server.url}/search/?q=quay", timeout=10)
        assert answer.status_code == 200
    finally:
        for line in lines:
            line.close()


@on_sqlite
def test_a_request_head_without_an_end_is_refused(
    newsroom: Newsroom, story: int
) -> None:
    server = newsroom.server()
    head = f"GET / HTTP/1.1\r\nHost: {HOST}\r\nCookie: {'a' * 40_000}"
    with closing(socket.create_connection((HOST, server.port), 10)) as line:
        line.sendall(head.encode())
        assert line.recv(100).startswith(b"HTTP/1.1 431 ")


@on_sqlite
def test_commands_print_the_served_url(
    newsroom: Newsroom, story: int, tmp_path: Path
) -> None:
    del newsroom.env["SITE_URL"], newsroom.env["CSRF_TRUSTED_ORIGINS"]
    server = newsroom.server()
    feed = httpx.get(f"{server.url}/feed/").text
    assert f'href="{server.url}/stories/{SLUG}/' in feed
    assert ":8000" not in feed
    file = tmp_path / "story.txt"
    file.write_text("UPDATE 1800 GMT: The ferry has moored.\n")
    command = ("import_story", "--headline=Fog", "--publish", str(file))
    done = newsroom.manage(*command).stdout
    assert f"{server.url}/stories/fog/\n" in done
    assert f"{server.url}/admin/entries/story/" in done
    assert f"{server.url}/stories/fog/" in newsroom.manage(*command, code=3).stderr


@contextmanager
def uploading(
    server: Server, story: int, pictures: list[bytes]
) -> Iterator[list[threading.Thread]]:
    """Let two editors send pictures, all at once; wait for all at the end."""
    with Editor(server.url, "editor2") as one, Editor(server.url, "chief") as other:
        one.publish(story, "A picture follows.")  # so that both know their token
        other.publish(story, "And another.")
        jobs = [
            threading.Thread(target=editor.upload, args=[story, picture])
            for editor, picture in zip(cycle((one, other)), pictures, strict=False)
        ]
        for job in jobs:
            job.start()
        yield jobs
        for job in jobs:
            job.join()


def test_publishing_and_reading_continue_during_uploads(
    newsroom: Newsroom, story: int
) -> None:
    gate, log = newsroom.data / "gate", newsroom.data / "diary"
    code = DIARY.format(path=str(log)) + GATE.format(path=str(gate))
    newsroom.env |= inject(newsroom.data, code)
    server, files = newsroom.server(), [photograph(1), photograph(2)] * 3
    with (
        newsroom.sse(server, SLUG) as stream,
        Editor(server.url) as editor,
        uploading(server, story, files) as jobs,
    ):
        wait_for(log.exists, "a picture to be worked on")
        for number in range(6):  # more than the desk has threads
            editor.publish(story, f"Beside the photographs, {number}.")
            stream.wait(f"Beside the photographs, {number}.")
        page = httpx.get(f"{server.url}/stories/{SLUG}/").text
        assert "Beside the photographs, 5." in page
        assert all(job.is_alive() for job in jobs)
        gate.touch()
    assert newsroom.call(actions.count_pictures) == 2


@on_sqlite
def test_forty_megapixel_images_are_processed_one_at_a_time(
    newsroom: Newsroom, story: int
) -> None:
    """docs/operators.md promises it: 450 MB beside the server, one at a time."""
    log = newsroom.data / "diary"
    newsroom.env |= inject(newsroom.data, DIARY.format(path=str(log)))
    server, files = newsroom.server(), [flat_png(number) for number in range(3)]
    with Editor(server.url) as editor:
        before = peak(server)
        with uploading(server, story, files):
            editor.publish(story, "Beside the pictures.")
    words, _, most = diary(log)
    assert words == ["begin", "end"] * 3
    assert most < 450 * 1024
    assert peak(server) - before < 120 * 1024  # one of them is 120 MB without work
    assert newsroom.call(actions.count_pictures) == 3


def peak(server: Server) -> int:
    """Return the most kB that a server's own process has held."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


@contextmanager
def locked(newsroom: Newsroom) -> Iterator[None]:
    """Let somebody else hold a newsroom's SQLite file."""
    file = newsroom.data / "liveblog.sqlite3"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.rollback()


@on_postgres
def test_a_thread_times_out_when_the_database_hangs(newsroom: Newsroom) -> None:
    with timeouts.Connection.connect(newsroom.env["DATABASE_URL"]) as line:
        with timeouts.timeout(0.1), pytest.raises(psycopg.OperationalError):
            line.execute("SELECT pg_sleep(9)")
        assert line.closed


def vanish(line: socket.socket) -> None:
    """Let the kernel throw away whatever arrives, and acknowledge nothing."""
    code = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
    attach_filter = 26  # SO_ATTACH_FILTER, of a program that keeps 0 bytes
    program = struct.pack("HP", 1, ctypes.addressof(code))
    line.setsockopt(socket.SOL_SOCKET, attach_filter, program)


def test_due_updates_are_published_even_if_a_process_dies_doing_it(
    newsroom: Newsroom, story: int
) -> None:
    first, second = newsroom.server(), newsroom.server()
    with newsroom.sse(second, SLUG) as stream:
        stream.wait_named("at")
        pk = newsroom.call(actions.post, SLUG, "The tug has left.", minutes_ago=-2)
        with pytest.raises(EOFError):
            newsroom.helper().call(actions.crash_while_publishing, pk)
        assert pk not in newsroom.call(actions.visible, SLUG)
        first.kill()
        newsroom.call(actions.make_due, pk)
        stream.wait("The tug has left.", 4)
        other = newsroom.call(actions.post, SLUG, "And is back.", minutes_ago=-2)
        first.start()
        second.kill()
        newsroom.call(actions.make_due, other)
        with newsroom.sse(first, SLUG, last_id=stream.cursor) as back:
            back.wait("And is back.", 4)
            assert "The tug has left." not in back.html()


def test_many_reconnecting_readers_cause_few_queries(
    apart: Newsroom, database: Postgres
) -> None:
    server, readers = apart.server(), apart.helper()
    start = apart.call(actions.cursor, SLUG)
    readers.call(crowd.gather, SLUG, [server.port], size(1500), start)
    server.kill()
    readers.call(crowd.gone)
    apart.call(actions.stir, SLUG, "While nobody served", 12)
    last = apart.call(actions.cursor, SLUG)
    name = apart.env["DATABASE_URL"].partition("?")[0].rpartition("/")[2]
    sql(database.url, f"ALTER DATABASE {name} SET log_statement = 'all'")
    server.start()
    before = questions(database)
    readers.call(crowd.reconnect_all, 2)
    took = readers.call(crowd.caught_up, last, 30)
    assert 0 < questions(database) - before < 100
    assert took < 5
    expect_complete(apart, readers, start)


def questions(database: Postgres) -> int:
    """Count the statements that a database has written down."""
    return len(re.findall("LOG:  (?:statement|execute)", database.log))


def test_readers_that_disconnect_at_random_miss_nothing(
    newsroom: Newsroom, story: int
) -> None:
    servers = newsroom.server(), newsroom.server()
    readers, start = newsroom.helper(), newsroom.call(actions.cursor, SLUG)
    ports = [server.port for server in servers]
    readers.call(crowd.gather, SLUG, ports, size(200), start)
    readers.call(crowd.scatter, SECONDS, SECONDS / 4)
    writers = [newsroom.helper(), newsroom.helper()]
    pause = 2 * SECONDS / CHANGES  # for each of two

    def write(turn: int) -> None:
        writers[turn].call(actions.stir, SLUG, f"Writer {turn}", CHANGES // 2, pause)

    together(lambda: write(0), lambda: write(1))
    expect_complete(newsroom, readers, start)
    assert readers.call(crowd.happened)["cut"] > size(100)


@on_sqlite
def test_readers_over_the_limit_get_a_retry_after(
    newsroom: Newsroom, story: int
) -> None:
    newsroom.env["MAX_STREAMS"] = "2"
    server = newsroom.server()
    with newsroom.sse(server, SLUG), newsroom.sse(server, SLUG) as second:
        second.wait_named("at")
        with newsroom.sse(server, SLUG) as third:
            assert third.status == 503
            assert 1 <= int(third.headers["Retry-After"]) <= 30
        at = second.cursor
        newsroom.call(actions.post, SLUG, "Too many on the quay.")
        poll = f"{server.url}/stories/{SLUG}/changes?after={at}"
        shown = lambda: "Too many on the quay." in httpx.get(poll).text  # noqa: E731
        wait_for(shown, "the poll to bring it", 2)
    wait_for(lambda: has_room(newsroom, server), "a place that was left")


def has_room(newsroom: Newsroom, server: Server) -> bool:
    with newsroom.sse(server, SLUG) as stream:
        return stream.status == 200


@on_sqlite
def test_readers_of_a_deleted_story_get_a_reset(newsroom: Newsroom, story: int) -> None:
    server = newsroom.server()
    with newsroom.sse(server, SLUG) as stream:
        stream.wait_named("at")
        newsroom.call(actions.delete_story, SLUG)
        stream.wait_named("reset", 3)
        assert stream.ended.wait(3)
    with newsroom.sse(server, SLUG, last_id=stream.cursor) as back:
        assert back.status == 404


def say(channel: Channel, words: str) -> None:
    one = Message(words.encode())
    channel.append(channels.Frame(channel.seq, channel.seq + 1, one))
    channel.seq += 1
    channel.serve_all(list(channel.readers))


def test_a_slow_reader_delays_nobody_and_catches_up_later() -> None:
    async def run() -> None:
        channel = Channel(1, 0, "live", 0)
        (_, quick), (slow, stuck) = reader_of(channel), reader_of(channel)
        slow.pause_writing()
        words = [f"number {turn}" for turn in range(5)]
        for one in words:
            say(channel, one)
        assert quick.bodies == [one.encode() for one in words]
        assert not stuck.bodies  # and no copy is kept for it
        slow.resume_writing()
        assert stuck.bodies == quick.bodies
        assert not slow.ended

    asyncio.run(run())


@pytest.mark.parametrize("too", ["slow", "far behind"])
def test_a_reader_with_a_lost_network_is_dropped(
    monkeypatch: pytest.MonkeyPatch, too: str
) -> None:
    monkeypatch.setattr(timings, "SEND_TIMEOUT_SECONDS", 0.05 if too == "slow" else 60)

    async def run() -> None:
        channel = Channel(1, 0, "live", 0)
        (_, quick), (gone, stuck) = reader_of(channel), reader_of(channel)
        gone.pause_writing()
        for turn in range(channels.MAX_LOG_FRAMES + 10):
            say(channel, f"number {turn}")
        assert len(channel.frames) == channels.MAX_LOG_FRAMES
        if too == "slow":
            await asyncio.sleep(0.2)
        else:
            gone.resume_writing()
            await asyncio.sleep(0.01)
        assert gone.ended
        assert stuck.aborted
        assert gone not in channel.readers
        assert len(quick.bodies) == channels.MAX_LOG_FRAMES + 10

    asyncio.run(run())


@pytest.mark.parametrize("what", ["pauses", "ends"])
def test_a_connection_that_takes_nothing_is_cut(
    monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Also one that is full of an earlier response, and one that ends and is stuck."""
    monkeypatch.setattr(timings, "SEND_TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(Network, "close", lambda _: None)

    async def run() -> None:
        channel, network = Channel(1, 0, "live", 0), Network()
        reader = Reader(hub.Hub(), network, set(), paused=what == "pauses")
        reader.channel = channel
        channel.streams += 1
        channel.readers[reader] = None
        say(channel, "Nobody reads this." if what == "pauses" else "The last.")
        if what == "ends":
            reader.end()
        before = len(network.written)
        assert before == (0 if what == "pauses" else 2)
        await asyncio.sleep(0.2)
        assert network.aborted
        assert len(network.written) == before
        assert not channel.readers

    asyncio.run(run())


def test_a_page_between_two_frames_gets_nothing_twice() -> None:
    channel = Channel(1, 10, "live", 0)
    for after, seq in ((10, 11), (11, 14), (14, 14), (14, 15)):
        one = Message(b"")
        channel.append(channels.Frame(after, seq, one))
    channel.seq = 15
    places = {
        after: channel.position_after(after) for after in (9, 10, 11, 12, 13, 14, 15)
    }
    assert places == {9: None, 10: 0, 11: 1, 12: None, 13: None, 14: 3, 15: 4}


def test_the_size_of_a_log_is_limited() -> None:
    channel = Channel(1, 0, "live", 0)
    for _ in range(8):
        say(channel, "x" * (channels.MAX_LOG_BYTES // 4))
    assert channel.size <= channels.MAX_LOG_BYTES
    assert channel.size == sum(len(one.message.body) for one in channel.frames)


def test_every_reader_gets_heartbeats(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timings, "HEARTBEAT_SECONDS", 0.01)

    async def run() -> None:
        ours = hub.Hub()
        channel = ours.channels[1] = Channel(1, 0, "live", 0)
        (_, quick), (slow, stuck) = reader_of(channel), reader_of(channel)
        ours.channels[2] = busy = Channel(2, 0, "live", 0)
        busy.last_sent_at += 60  # as if something was told all the time
        _, told = reader_of(busy)
        beat = asyncio.create_task(ours._send_heartbeats())
        slow.pause_writing()
        await asyncio.sleep(0.2)
        beat.cancel()
        assert len(quick.bodies) > 2
        assert set(quick.bodies) == {b"event: ping\ndata: \n\n"}
        assert not stuck.bodies
        assert not told.bodies

    asyncio.run(run())


def test_changes_are_sent_even_if_the_rail_cannot_be_rendered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> None:
        ours = hub.Hub()
        channel = Channel(1, 0, "live", 1)
        _, quick = reader_of(channel)
        ours.site_seq = 2
        rails = [OSError("no database"), (2, Message(b"rail"))]

        async def missed(*_: Any) -> channels.CatchUp:
            changes = Changes("", Cursor("e", 1), "live", 2)
            return channels.CatchUp(changes, Message(b"news"))

        async def rail(_: Channel) -> Any:
            one = rails.pop(0)
            if isinstance(one, OSError):
                raise one
            return one

        monkeypatch.setattr(ours, "catch_up", missed)
        monkeypatch.setattr(ours, "rail", rail)
        with pytest.raises(OSError, match="no database"):
            await ours._advance(channel, 1, "live")
        await ours._advance(channel, 1, "live")
        await ours._advance(channel, 1, "live")  # where nothing is new
        assert quick.bodies == [b"news", b"rail"]

    asyncio.run(run())


@pytest.mark.parametrize("then", ["closed", "live"])
def test_a_story_that_closes_during_a_poll_ends_with_its_last_rail(
    monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    async def run() -> None:
        ours = hub.Hub()
        channel = Channel(1, 0, "live", 1)
        reader, quick = reader_of(channel)
        ours.site_seq = 1

        async def missed(*_: Any) -> channels.CatchUp:
            changes = Changes("", Cursor("e", 2), then, 2)
            return channels.CatchUp(changes, Message(b"news"))

        async def rail(_: Channel) -> Any:
            return 2, Message(b"rail")

        monkeypatch.setattr(ours, "catch_up", missed)
        monkeypatch.setattr(ours, "rail", rail)
        # The numbers are of just before it was closed, or of before it ran again.
        await ours._advance(channel, 1, "live" if then == "closed" else "closed")
        assert (quick.bodies, reader.ended) == ([b"news"], False)
        ours.site_seq = 2
        await ours._advance(channel, 2, then)
        assert quick.bodies[:2] == [b"news", b"rail"]
        assert reader.ended == (then == "closed")

    asyncio.run(run())
