"""Streams read by a plain client, on both databases."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from tests import actions
from tests.servers import HOST, Newsroom, Server, Stream, wait_for

SLUG = "ice-on-the-sound"


@pytest.fixture
def story(newsroom: Newsroom) -> str:
    """Give a story where the server may come to harm."""
    newsroom.call(actions.make_story, "Ice on the Sound", SLUG, updates=3)
    return SLUG


def numbers(stream: Stream) -> list[int]:
    return [int(e.id.rpartition("-")[2]) for e in stream.named() if e.id]


def test_a_post_reaches_readers_of_every_process(room: Newsroom, slug: str) -> None:
    first, second = room.servers
    with room.sse(first, slug) as here, room.sse(second, slug) as there:
        here.wait_named("at")
        there.wait_named("at")
        room.call(actions.post, slug, "The first floe has reached the pier.")
        for stream in (here, there):
            event = stream.wait("The first floe has reached the pier.")
            assert event.id == room.call(actions.cursor, slug)
            assert f"<article{event.data.partition('<article')[2]}"


def test_readers_of_all_processes_are_counted(room: Newsroom, slug: str) -> None:
    first, second = room.servers
    with room.sse(first, slug) as here, room.sse(second, slug) as there:
        here.wait_named("at")
        there.wait_named("at")
        wait_for(lambda: room.call(actions.readers, slug) == 2, "both readers")


def test_a_reader_that_reconnects_gets_each_missed_change_once(
    room: Newsroom, slug: str
) -> None:
    server = room.servers[0]
    before = room.call(actions.cursor, slug)
    gone = room.call(actions.post, slug, "The harbour is frozen.")
    kept = room.call(actions.post, slug, "The ferry is stuck.")
    room.call(actions.edit, kept, "The ferry is stuck off the lighthouse.")
    room.call(actions.withdraw, gone)
    for options in ({"after": before}, {"last_id": before, "after": "old-1"}):
        with room.sse(server, slug, **options) as stream:
            stream.wait("off the lighthouse")
            html = stream.html()
            assert html.count(f'id="entry-{kept}"') == 1
            assert f'hx-target="#entry-{gone}" hx-swap="delete"' in html
            assert "The harbour is frozen" not in html
            assert stream.cursor == room.call(actions.cursor, slug)


def test_withdrawn_text_is_not_sent_to_readers_that_reconnect(
    room: Newsroom, slug: str
) -> None:
    server = room.servers[0]
    before = room.call(actions.cursor, slug)
    with room.sse(server, slug) as stays:  # so that the log is kept
        stays.wait_named("at")
        gone = room.call(actions.post, slug, "A name that had to go.")
        stays.wait("A name that had to go.")
        room.call(actions.withdraw, gone)
        stays.wait(f'hx-target="#entry-{gone}" hx-swap="delete"')
        with room.sse(server, slug, last_id=before) as stream:
            stream.wait(f'hx-target="#entry-{gone}" hx-swap="delete"')
            assert "A name that had to go." not in stream.html()


def test_hidden_and_erased_text_is_not_sent_to_readers_that_reconnect(
    newsroom: Newsroom, story: str
) -> None:
    server = newsroom.server()
    with newsroom.sse(server, story) as stays:  # so that the log is kept
        stays.wait_named("at")
        for verb in ("hide_correction", "erase_version"):
            before = newsroom.call(actions.cursor, story)
            pk = newsroom.call(actions.post, story, f"A name to go, {verb}.")
            stays.wait(f"A name to go, {verb}.")
            newsroom.call(
                actions.edit, pk, "Somebody.", "We gave a name that is wrong."
            )
            newsroom.call(actions.erasing_verb, pk, verb)
            at = newsroom.call(actions.cursor, story)
            wait_for(lambda: stays.cursor == at, "the log to have it")  # noqa: B023
            with newsroom.sse(server, story, last_id=before) as stream:
                stream.wait("Somebody.")
                assert "name" not in stream.html()


@pytest.mark.parametrize("after", ["nonsense", "other-3", "-", "9" * 30, "\x00-1"])
def test_a_cursor_of_another_epoch_gets_a_reset(
    room: Newsroom, slug: str, after: str
) -> None:
    server = room.servers[0]
    with room.sse(server, slug, after=after) as stream:
        stream.wait_named("reset")
        assert not stream.html()
    answer = httpx.get(f"{server.url}/stories/{slug}/changes", params={"after": after})
    assert answer.status_code == 200
    assert answer.headers["Live-State"] == "reset"
    assert not answer.text


def test_a_cursor_from_the_future_gets_a_reset(room: Newsroom, slug: str) -> None:
    server = room.servers[0]
    epoch, _, seq = room.call(actions.cursor, slug).rpartition("-")
    with room.sse(server, slug, after=f"{epoch}-{int(seq) + 1}") as stream:
        stream.wait_named("reset")


def test_open_streams_get_a_reset_when_a_backup_is_restored(
    room: Newsroom, slug: str
) -> None:
    server = room.servers[0]
    with room.sse(server, slug) as stream:
        stream.wait_named("at")
        room.call(actions.new_epoch, "restored")
        stream.wait_named("reset")


def test_closing_a_story_ends_its_streams_and_reopening_allows_new_ones(
    room: Newsroom, slug: str
) -> None:
    server = room.servers[0]
    with room.sse(server, slug) as stream:
        stream.wait_named("at")
        room.call(actions.turn, slug, "close_story")
        stream.wait("This story ended")
        stream.wait_named("end")
        assert stream.ended.wait(5)
    at = room.call(actions.cursor, slug)
    with room.sse(server, slug, after=at) as late:
        late.wait_named("end")
    room.call(actions.turn, slug, "reopen_story")
    room.call(actions.post, slug, "The ice is back.")
    with room.sse(server, slug, after=at) as again:
        again.wait("The ice is back.")
        room.call(actions.post, slug, "And thicker.")
        again.wait("And thicker.")
        assert not again.named("end")


def test_withdrawing_a_story_sends_one_event_without_its_text(
    room: Newsroom, slug: str
) -> None:
    server = room.servers[0]
    before = room.call(actions.cursor, slug)
    with room.sse(server, slug) as stream:
        stream.wait_named("at")
        room.call(actions.turn, slug, "withdraw_story")
        stream.wait("has been withdrawn")
        stream.wait_named("end")
    with room.sse(server, slug, after=before) as late:
        late.wait("has been withdrawn")
        assert "from the quay" not in late.html()
    poll = f"{server.url}/stories/{slug}/changes?after={before}"
    answer = httpx.get(poll)
    assert answer.status_code == 410
    assert "from the quay" not in answer.text


def test_streams_of_drafts_and_unknown_stories_are_404(room: Newsroom) -> None:
    room.call(actions.make_story, "Unsaid", "unsaid", live=False, updates=1)
    server = room.servers[0]
    for slug in ("unsaid", "never-was"):
        with room.sse(server, slug) as stream:
            assert stream.status == 404
            assert not stream.events


def test_an_old_slug_streams_directly(room: Newsroom, slug: str) -> None:
    server = room.servers[0]
    room.call(actions.edit_story, slug, slug="ice-gone")
    with room.sse(server, slug) as stream:
        stream.wait_named("at")
        room.call(actions.post, "ice-gone", "Open water at last.")
        stream.wait("Open water at last.")


def test_the_rail_is_sent_without_an_id_even_to_late_readers(
    room: Newsroom, slug: str
) -> None:
    server = room.servers[0]
    page = httpx.get(f"{server.url}/stories/{slug}/").text
    shown = re.search(r'data-rail="(\d+)"', page)
    assert shown
    at = room.call(actions.cursor, slug)
    with room.sse(server, slug) as stream:
        stream.wait_named("at")
        room.call(actions.link_latest, slug, "A story still to come")
        event = stream.wait("A story still to come")
        assert event.id == ""
    answer = httpx.get(
        f"{server.url}/stories/{slug}/changes", params={"after": at, "rail": shown[1]}
    )
    assert "A story still to come" in answer.text


def test_a_compressed_stream_is_readable_from_any_message_on(
    room: Newsroom, slug: str
) -> None:
    url = f"{room.servers[0].url}/stories/{slug}/stream"
    with (
        Stream(url) as early,
        Stream(url, encoding="identity") as plain,
        Stream(url, encoding="br, gzip;q=0") as refused,
    ):
        streams = [early, plain, refused]
        for stream in streams:
            stream.wait_named("ready")
        room.call(actions.post, slug, "The ice is a foot thick.")
        for stream in streams:
            stream.wait("The ice is a foot thick.")
        with Stream(url) as late:
            late.wait_named("ready")
            room.call(actions.post, slug, "The ice has cracked.")
            news = [stream.wait("The ice has cracked.") for stream in (*streams, late)]
        assert len(set(news)) == 1
    assert early.headers["content-encoding"] == "gzip"
    for stream in (plain, refused):
        assert "content-encoding" not in stream.headers


def test_a_stream_is_alone_on_its_connection(room: Newsroom, slug: str) -> None:
    port = room.servers[0].port
    ask = f"GET /stories/{slug}/stream HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    page = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    with closing(socket.create_connection((HOST, port), 10)) as line:
        line.sendall(page)
        answer = b""
        while b"</html>" not in answer:
            answer += line.recv(65_536)
        line.sendall(ask + page)  # on a connection that was used before
        answer = b""
        while b"event: ready" not in answer:
            answer += line.recv(65_536)
        line.sendall(page)
        room.call(actions.post, slug, "Skaters are on the ice.")
        while b"Skaters are on the ice." not in answer:
            answer += line.recv(65_536)
    assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert b"<html" not in answer


def test_two_writers_in_two_processes_lose_and_duplicate_nothing(
    room: Newsroom, slug: str
) -> None:
    server = room.servers[0]
    writers = [room.helper(), room.helper()]
    with room.sse(server, slug) as stream:
        stream.wait_named("at")
        posted: list[list[int]] = [[], []]

        def write(turn: int) -> None:
            mark = f"Writer {turn} says"
            posted[turn] = writers[turn].call(actions.post_many, slug, mark, 40)

        threads = [threading.Thread(target=write, args=[turn]) for turn in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        last = room.call(actions.cursor, slug)
        wait_for(lambda: stream.cursor == last, f"the number {last}")
        ids = re.findall(r'<article [^>]*id="entry-(\d+)"', stream.html())
        assert sorted(map(int, ids)) == sorted(posted[0] + posted[1])
        assert len(ids) == len(set(ids)) == 80
        assert numbers(stream) == sorted(numbers(stream))


def test_a_killed_process_loses_nothing_for_its_readers(
    newsroom: Newsroom, story: str
) -> None:
    server = newsroom.server()
    with newsroom.sse(server, story) as stream:
        stream.wait_named("at")
        newsroom.call(actions.post, story, "Before the crash.")
        at = stream.wait("Before the crash.").id
        server.kill()
    newsroom.call(actions.post, story, "While nobody served.")
    server.start()
    with newsroom.sse(server, story, last_id=at) as stream:
        stream.wait("While nobody served.")
        assert "Before the crash." not in stream.html()


def test_a_server_that_is_stopped_ends_its_streams_and_exits(
    newsroom: Newsroom, story: str
) -> None:
    server = newsroom.server()
    streams = [newsroom.sse(server, story) for _ in range(30)]
    for stream in streams:
        stream.wait_named("at")
    server.stop(seconds=5)
    assert all(stream.ended.wait(1) for stream in streams)


def test_a_scheduled_update_is_published_at_its_time_by_one_of_two_processes(
    room: Newsroom, slug: str
) -> None:
    first, second = room.servers
    with room.sse(first, slug) as here, room.sse(second, slug) as there:
        here.wait_named("at")
        there.wait_named("at")
        pk = room.call(actions.post, slug, "The tug has left.", minutes_ago=-2)
        assert pk not in room.call(actions.visible, slug)
        room.call(actions.make_due, pk)
        for stream in (here, there):
            stream.wait("The tug has left.")
        wait_for(lambda: here.cursor == there.cursor, "the same number in both")
        assert here.html().count(f'id="entry-{pk}"') == 1


def test_requests_for_the_stream_are_checked(room: Newsroom, slug: str) -> None:
    server = room.servers[0]
    url = f"{server.url}/stories/{slug}/stream"
    assert httpx.post(url).status_code == 405
    assert httpx.get(url, headers={"Host": "elsewhere.example"}).status_code == 400
    with room.sse(server, slug) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        assert stream.headers["Cache-Control"] == "no-store, no-transform"
        assert "Set-Cookie" not in stream.headers


# --- Long catch-ups, in pieces

PIECE = 16 * 1024  # bytes of a piece of more than one change
ARTICLE = re.compile(r'<article [^>]*id="entry-(\d+)"[^>]* data-seq="(\d+)"')


def pieces(
    server: Server, slug: str, after: str, query: str = ""
) -> Iterator[httpx.Response]:
    """Ask for changes as a polling client does, until none is left."""
    for _ in range(200):
        url = f"{server.url}/stories/{slug}/changes?after={after}{query}"
        answer = httpx.get(url)
        yield answer
        after = answer.headers["Live-Cursor"]
        if answer.headers["Live-Left"] == "0":
            return
    raise AssertionError("the changes never end")


def number(cursor: str) -> int:
    return int(cursor.rpartition("-")[2])


def test_many_missed_changes_come_in_batches_that_each_advance_the_cursor(
    room: Newsroom, slug: str
) -> None:
    before = room.call(actions.cursor, slug)
    rail = room.call(actions.site_seq)
    room.call(actions.flood, slug, 30)
    room.call(actions.edit_story, slug, headline="Ice, and more of it")
    room.call(actions.link_latest, slug, "A story still to come")
    room.call(actions.flood, slug, 30)
    gone = room.call(actions.post, slug, "The harbour is frozen.")
    room.call(actions.withdraw, gone)
    latest = room.call(actions.cursor, slug)
    answers = list(pieces(room.servers[0], slug, before, f"&rail={rail}"))
    assert len(answers) > 4
    assert max(len(answer.content) for answer in answers) < 1.5 * PIECE
    cursors = [number(answer.headers["Live-Cursor"]) for answer in answers]
    assert cursors == sorted(set(cursors))
    assert cursors[-1] == number(latest)
    assert {answer.headers["Live-Latest"] for answer in answers} == {latest}
    left, shown = 61, dict[int, int]()
    for answer in answers:
        found = {int(pk): int(seq) for pk, seq in ARTICLE.findall(answer.text)}
        assert not found.keys() & shown.keys()
        shown |= found
        left -= len(found) + (answer is answers[-1])  # which takes one away
        assert answer.headers["Live-Left"] == str(left)
    seen = room.call(actions.visible, slug)
    assert shown == {pk: seq for pk, seq in seen.items() if seq > number(before)}
    html = [answer.text for answer in answers]
    heads = ["Ice, and more of it</h1>" in text for text in html]
    assert sum(heads) == 1
    for last in ('id="last-update"', "A story still to come", f"#entry-{gone}"):
        assert [last in text for text in html] == [False] * (len(html) - 1) + [True]


def test_a_long_update_is_a_batch_of_its_own_and_single_changes_can_be_requested(
    room: Newsroom, slug: str
) -> None:
    server, before = room.servers[0], room.call(actions.cursor, slug)
    room.call(actions.flood, slug, 2, 3000)
    assert [len(ARTICLE.findall(one.text)) for one in pieces(server, slug, before)] == [
        1,
        1,
    ]
    before = room.call(actions.cursor, slug)
    room.call(actions.post_many, slug, "Floe", 3)
    whole = list(pieces(server, slug, before))
    single = list(pieces(server, slug, before, "&single=1"))
    assert [len(ARTICLE.findall(one.text)) for one in whole] == [3]
    assert [len(ARTICLE.findall(one.text)) for one in single] == [1, 1, 1]
    assert single[-1].headers["Live-Cursor"] == whole[-1].headers["Live-Cursor"]


def test_changes_between_two_batches_are_neither_lost_nor_stale(
    room: Newsroom, slug: str
) -> None:
    before = room.call(actions.cursor, slug)
    room.call(actions.flood, slug, 30)
    shown: dict[int, int] = {}
    for turn, answer in enumerate(pieces(room.servers[0], slug, before)):
        shown |= {int(pk): int(seq) for pk, seq in ARTICLE.findall(answer.text)}
        for pk in re.findall(r'hx-target="#entry-(\d+)" hx-swap="delete"', answer.text):
            shown.pop(int(pk), None)
        assert "A name to go" not in answer.text
        if turn == 0:  # one that came, one that is still to come
            first, *_, last = room.call(actions.since, slug, number(before))
            for pk in (first, last):
                room.call(actions.edit, pk, "A name to go.")
                room.call(actions.withdraw, pk)
            room.call(actions.post, slug, "The ferry is stuck.")
    seen = room.call(actions.visible, slug)
    assert shown == {pk: seq for pk, seq in seen.items() if seq > number(before)}
    assert not {first, last} & seen.keys()


def test_a_batch_gets_a_new_etag_when_one_of_its_updates_is_withdrawn(
    room: Newsroom, slug: str
) -> None:
    before = room.call(actions.cursor, slug)
    room.call(actions.flood, slug, 30)
    url = f"{room.servers[0].url}/stories/{slug}/changes?after={before}&single=1"
    old = httpx.get(url)
    room.call(actions.withdraw, int(ARTICLE.findall(old.text)[0][0]))

    def fresh() -> bool:
        tag = {"If-None-Match": old.headers["ETag"]}
        return httpx.get(url, headers=tag).status_code == 200

    wait_for(fresh, "the piece to be another")


@pytest.mark.parametrize("kept", [True, False])
def test_a_stream_replays_little_before_it_is_ready(
    room: Newsroom, slug: str, kept: bool
) -> None:
    server = room.servers[0]
    with room.sse(server, slug) as stays:
        stays.wait_named("ready")
        if not kept:  # by the log, which begins when somebody reads
            stays.close()
        before = room.call(actions.cursor, slug)
        room.call(actions.post, slug, "The first floe.")
        if kept:
            stays.wait("The first floe.")
        with room.sse(server, slug, last_id=before) as stream:
            stream.wait_named("ready")
            assert [event.name for event in stream.events] == ["", "ready"]
            assert stream.cursor == room.call(actions.cursor, slug)
        for turn in range(12):
            room.call(actions.flood, slug, 1 + turn % 2)
        latest = room.call(actions.cursor, slug)
        if kept:
            wait_for(lambda: stays.cursor == latest, "the log to have it")
        with room.sse(server, slug, last_id=before) as stream:
            stream.wait_named("behind")
            assert stream.ended.wait(5)
            assert not stream.html()
            assert not stream.named("ready")


def test_a_closed_story_sends_end_after_all_missed_changes(
    room: Newsroom, slug: str
) -> None:
    server, before = room.servers[0], room.call(actions.cursor, slug)
    room.call(actions.flood, slug, 30)
    near_the_end = room.call(actions.cursor, slug)
    room.call(actions.turn, slug, "close_story")
    with room.sse(server, slug, last_id=before) as stream:
        stream.wait_named("behind")
        assert stream.ended.wait(5)
        assert not stream.named("end")
    *_, last = pieces(server, slug, before)
    assert last.headers["Live-State"] == "closed"
    assert "This story ended" in last.text
    with room.sse(server, slug, last_id=near_the_end) as stream:
        stream.wait_named("end")
        assert [event.name for event in stream.events] == ["", "end"]


def test_open_streams_get_many_simultaneous_updates_in_batches(
    room: Newsroom, slug: str
) -> None:
    with room.sse(room.servers[0], slug) as stream:
        stream.wait_named("ready")
        before = room.call(actions.cursor, slug)
        room.call(actions.flood, slug, 60)  # in one transaction
        latest = room.call(actions.cursor, slug)
        wait_for(lambda: stream.cursor == latest, "all of them")
        sizes = [len(event.data) for event in stream.named() if event.id]
        assert len(sizes) > 3
        assert max(sizes) < 1.5 * PIECE
        assert numbers(stream) == sorted(set(numbers(stream)))
        shown = [int(pk) for pk, _ in ARTICLE.findall(stream.html())]
        assert shown == room.call(actions.since, slug, number(before))
