"""The streams of open desks, on real servers: what they say, when, and to whom."""

from __future__ import annotations

import asyncio
import html
import re
import time
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import F
from django.test import Client

from entries import verbs
from entries.delivery import ADMITTED, Desks, Hub, Look, timings
from entries.delivery.desks import MAX_STREAMS_PER_PERSON, Looks
from entries.desk import presence
from entries.models import Presence, Story
from tests import actions, builders
from tests.servers import HOST, TIMEOUT_SECONDS, Newsroom, Server, Stream, wait_for

SOON = 10.0  # seconds; a poll as a safety net would come later


def sign_in(name: str, group: str = "Editors") -> str:
    """Make an account and sign it in; return the key of its session."""
    user = User.objects.filter(username=name).first()
    client = Client()
    client.force_login(user or builders.make_user(name, group))
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def story_id(slug: str) -> int:
    return Story.objects.get(slugs__slug=slug).pk


def draft(slug: str, body: str) -> int:
    return verbs.post(actions.story_of(slug), verbs.EntryText(body), state="draft").pk


def summarise(slug: str) -> None:
    story = actions.story_of(slug)
    verbs.edit_story(story, summary="What we know so far.")


def fall_silent(pk: int) -> None:
    """Let every page at a desk have been silent for a minute."""
    pages = Presence.objects.filter(story=pk)
    pages.update(seen_at=F("seen_at") - timedelta(minutes=1))


def present(pk: int) -> int:
    """Return how many pages of a desk are counted as open."""
    return len(presence.pages_at(pk))


class Page:
    """An open desk of a real server, without a browser."""

    def __init__(self, server: Server, story: int, session: str) -> None:
        self.url = f"http://{HOST}:{server.port}/admin/entries/story/{story}"
        self.cookies = {"liveblog_session": session}
        text = html.unescape(self.get("change/", "").text)
        self.have = re.search(r'\?have=([^"]+)"', text)[1]  # type: ignore[index]
        self.me = re.search(r'"me": "([^"]*)"', text)[1]  # type: ignore[index]

    def get(self, path: str, htmx: str = "true") -> httpx.Response:
        return httpx.get(
            f"{self.url}/{path}",
            cookies=self.cookies,
            headers={"HX-Request": htmx} if htmx else {},
            timeout=TIMEOUT_SECONDS,
        )

    def poll(self, more: str = "") -> httpx.Response:
        return self.get(f"desk/timeline/?have={self.have}&me={self.me}{more}")


def looks(stream: Stream) -> list[str]:
    return [event.data for event in stream.named("look")]


def hear(stream: Stream, after: int) -> str:
    """Return the latest pulse, when there are more than so many."""
    wait_for(lambda: len(looks(stream)) > after, "a look", SOON)
    return looks(stream)[-1]


@pytest.fixture
def session(room: Newsroom) -> str:
    return room.call(sign_in, "editor")


@pytest.fixture
def desk(room: Newsroom, slug: str, session: str) -> Iterator[Stream]:
    """Give the stream of an editor's open desk, from the second server."""
    story = room.call(story_id, slug)
    page = Page(room.servers[1], story, session)
    with room.desk_stream(room.servers[1], story, session, page.me) as stream:
        assert stream.status == 200
        hear(stream, 0)
        yield stream


def test_every_change_is_signalled_at_once_without_its_text(room, slug, desk):
    """By a process that is none of the servers: nobody but the database tells them."""
    acts = [
        (actions.post, (slug, "Quokkas swim.")),
        (draft, (slug, "Quokkas wait.")),
        (summarise, (slug,)),
        (actions.turn, (slug, "close_story")),
    ]
    for act, arguments in acts:
        before = len(looks(desk))
        began = time.monotonic()
        room.call(act, *arguments)
        hear(desk, before)
        took = time.monotonic() - began
        assert took < 3, act  # the machine may be busy; a poll would take longer
    assert not [event for event in desk.events if "uokka" in event.data]


def test_signals_to_desks_do_not_reach_readers(room, slug, desk):
    with room.sse(room.servers[1], slug) as reader:
        reader.wait_named("ready")
        before, told = len(reader.events), len(looks(desk))
        room.call(draft, slug, "Quokkas wait.")
        hear(desk, told)
        room.call(actions.post, slug, "The ferry sails.")
        reader.wait("The ferry sails.")
        assert len(reader.events) == before + 1


def test_presence_changes_of_a_colleague_are_signalled(room, slug, desk):
    story = room.call(story_id, slug)
    told = len(looks(desk))
    other = Page(room.servers[0], story, room.call(sign_in, "editor2"))
    hear(desk, told)
    for doing in ("new", "gone"):
        told = len(looks(desk))
        other.poll(f"&beat=1&doing={doing}")
        hear(desk, told)


def test_a_page_with_a_stream_counts_as_present(room, slug, desk):
    story = room.call(story_id, slug)
    told = len(looks(desk))
    Page(room.servers[0], story, room.call(sign_in, "editor2"))  # it has no stream
    hear(desk, told)
    room.call(fall_silent, story)
    wait_for(lambda: room.call(present, story) == 1, "a heartbeat", SOON)
    fresh = hear(desk, told + 1)
    assert Page(room.servers[0], story, room.call(sign_in, "editor2")).have != fresh


def test_users_without_access_to_the_desk_get_no_stream(room, slug):
    story = room.call(story_id, slug)
    nobody = room.call(sign_in, "stranger", "Nobody in particular")
    asked = [(story, "", 401), (story, "made-up", 401), (story, nobody, 403)]
    asked += [(999999, room.call(sign_in, "editor"), 404)]
    for pk, session, status in asked:
        with room.desk_stream(room.servers[0], pk, session) as stream:
            assert stream.status == status
            assert stream.ended.wait(SOON)
            assert not stream.events


def test_streams_are_limited_per_person_and_per_page(room, slug):
    story = room.call(story_id, slug)
    session, server = room.call(sign_in, "moderator", "Moderators"), room.servers[0]
    page = Page(server, story, session)
    ask = [page.me, *[""] * (MAX_STREAMS_PER_PERSON - 1)]
    streams = [room.desk_stream(server, story, session, me) for me in ask]
    assert [stream.status for stream in streams] == [200] * len(ask)
    again = room.desk_stream(server, story, session, page.me)
    assert again.status == 200
    assert streams[0].ended.wait(SOON)
    refused = room.desk_stream(server, story, session)
    assert (refused.status, refused.headers["retry-after"]) == (503, "60")
    streams[1].close()

    def room_again() -> bool:
        with room.desk_stream(server, story, session) as stream:
            return stream.status == 200

    wait_for(room_again, "room for one more", SOON)
    for stream in (*streams, again):
        stream.close()


def test_a_server_with_open_desks_stops_at_once_and_logs_no_secret(room, slug, session):
    story, server = room.call(story_id, slug), room.server()
    page = Page(server, story, session)
    stream = room.desk_stream(server, story, session, page.me)
    hear(stream, 0)
    assert server.stop() == 0
    assert stream.ended.wait(SOON)
    assert stream.complete
    assert session not in server.log
    assert page.me not in server.log
    room.servers.remove(server)


class Django:
    """Answers requests for a stream as the desk's view does."""

    def __init__(self) -> None:
        self.status = 200

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert (b"hx-request", b"true") in scope["headers"]
        assert (await receive())["body"] == b""
        headers = [(ADMITTED.encode(), b"7 1 tab")]
        start = {"type": "http.response.start", "headers": headers}
        await send(start | {"status": self.status})
        await send({"type": "http.response.body", "body": b"x"})


def one_look(stories: Collection[int]) -> Mapping[int, Look]:
    return {1: Look("a", "a.b")}


async def follow(
    django: Django, until: bytes, then: int, looks: Looks = one_look
) -> list[str]:
    """Return the events of a stream; at one of them, Django's answer changes."""
    hub, sent = Hub(), []
    desks = Desks(hub, django, looks, lambda tabs: None)
    desks.start()

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))
        if until in sent[-1]:
            django.status = then

    async def receive() -> Any:
        await asyncio.Event().wait()

    scope = {"type": "http", "method": "GET", "headers": []}
    async with asyncio.timeout(SOON):
        await desks.serve(scope, receive, send)
    await desks.stop()
    return re.findall(r"event: (\w+)", b"".join(sent).decode())


def test_an_unexpected_exception_does_not_end_the_signals(monkeypatch, caplog):
    for name in ("DESK_PRESENCE_SECONDS", "DESK_LOOK_SECONDS", "DESK_CHECK_SECONDS"):
        monkeypatch.setattr(timings, name, 0.02)
    monkeypatch.setattr(timings, "HEARTBEAT_SECONDS", 0.01)
    faults = [ValueError("odd"), KeyError("odd")]

    def looks(stories: Collection[int]) -> Mapping[int, Look]:
        if faults:
            raise faults.pop()
        return one_look(stories)

    assert "look" in asyncio.run(follow(Django(), b"look", 401, looks))
    assert caplog.text.count("Traceback") == 2


def test_a_stream_ends_with_its_session(monkeypatch):
    monkeypatch.setattr(timings, "HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr(timings, "DESK_CHECK_SECONDS", 0.02)
    for status in (401, 403, 404):
        events = asyncio.run(follow(Django(), b"look", status))
        assert "look" in events
        assert events[-1] == "refused"


def test_a_stream_survives_a_database_outage(monkeypatch):
    monkeypatch.setattr(timings, "HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr(timings, "DESK_CHECK_SECONDS", 0.02)

    class Outage(Django):
        asked = 0

        async def __call__(self, *ways: Any) -> None:
            self.asked += 1
            self.status = 200 if self.asked == 1 else 503 if self.asked < 5 else 401
            await super().__call__(*ways)

    django = Outage()
    assert asyncio.run(follow(django, b"-", 0))[-1] == "refused"
    assert django.asked == 5


@pytest.mark.parametrize("script", ["live.js", "desk-stream.js"])
def test_scripts_wait_for_two_heartbeats_before_they_reconnect(script: str) -> None:
    source = (settings.BASE_DIR / "static" / "entries" / script).read_text()
    (silence,) = re.findall(r"const SILENCE = ([\de]+);", source)

    assert float(silence) > 2.5 * timings.HEARTBEAT_SECONDS * 1000
