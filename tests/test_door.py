"""The byte door: the same finished bytes for everyone, never stale ones."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import brotli
import httpx
import pytest

from tests import verbs
from tests.desk import Editor
from tests.servers import Newsroom, Newsrooms, Server, wait_for


@pytest.fixture
def page(slug: str) -> str:
    """Return the path of the story's page."""
    return f"/stories/{slug}/"


@pytest.fixture
def server(room: Newsroom, page: str) -> Server:
    server = room.servers[0]
    # The door is shut until the watcher has heard from the database.
    wait_for(lambda: "Vary" in get(server, page).headers, "the door to open")
    return server


def get(server: Server, path: str, **headers: str) -> httpx.Response:
    headers.setdefault("Accept-Encoding", "identity")
    return httpx.get(f"{server.url}{path}", headers=headers)


@pytest.fixture
def editor(server: Server) -> Iterator[Editor]:
    with Editor(server.url) as editor:
        yield editor


def test_what_an_editor_posts_stands_on_the_next_page_of_that_process(
    room: Newsroom, server: Server, page: str, slug: str, editor: Editor
) -> None:
    other = room.servers[1]
    story = room.call(verbs.story_of, slug)
    for turn in range(5):
        words = f"The pilot boat is out, report {turn}."
        assert words not in get(server, page).text
        get(other, page)
        editor.publish(story.pk, words)
        assert words in get(server, page).text
        wait_for(lambda: words in get(other, page).text, "the post elsewhere")  # noqa: B023


def test_every_kind_of_change_is_on_the_page_at_once(
    room: Newsroom, server: Server, page: str, slug: str
) -> None:
    def shows(words: str, path: str = page) -> None:
        wait_for(lambda: words in get(server, path).text, words)

    pk = room.call(verbs.post, slug, "The harbour is frozen.")
    shows("The harbour is frozen.")
    shows("The harbour is frozen.", f"/stories/{slug}.json")
    shows("The harbour is frozen.", f"/stories/{slug}/updates/{pk}/")
    room.call(verbs.edit, pk, "The harbour is open again.")
    shows("The harbour is open again.")
    shows("The harbour is open again.", f"/stories/{slug}/updates/{pk}/")
    room.call(verbs.link_latest, slug, "A story still to come")
    shows("A story still to come")
    room.call(verbs.new_epoch, "restored")
    shows('data-cursor="restored-')  # though a restore tells nobody
    room.call(verbs.withdraw, pk)
    wait_for(lambda: "open again" not in get(server, page).text, "the withdrawal")
    room.call(verbs.turn, slug, "withdraw_story")
    wait_for(lambda: get(server, page).status_code == 410, "the story to be gone")


def test_everybody_gets_the_same_bytes_and_no_cookie(
    server: Server, page: str, editor: Editor
) -> None:
    plain = get(server, page)
    mine = editor.client.get(page, headers={"Accept-Encoding": "identity"})
    again = get(server, f"{page}?utm_source=letter&fbclid=1")
    assert plain.content == mine.content == again.content
    for answer in (plain, mine, again):
        assert "Set-Cookie" not in answer.headers
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert "s-maxage" in answer.headers["Cache-Control"]
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    static = get(server, "/static/entries/site.css")
    assert static.status_code == 200
    assert static.headers["X-Content-Type-Options"] == "nosniff"
    assert static.headers["Content-Security-Policy"] == "default-src 'self'"


def test_a_page_comes_compressed_and_not_at_all_when_it_is_known(
    server: Server, page: str
) -> None:
    plain = get(server, page)
    for coding, unpack in (("gzip", gzip.decompress), ("br", brotli.decompress)):
        with httpx.stream(
            "GET", f"{server.url}{page}", headers={"Accept-Encoding": coding}
        ) as answer:
            packed = b"".join(answer.iter_raw())
        assert answer.headers["Content-Encoding"] == coding
        assert unpack(packed) == plain.content
        assert answer.headers["ETag"] == plain.headers["ETag"]
    known = get(server, page, **{"If-None-Match": plain.headers["ETag"]})
    assert known.status_code == 304
    assert not known.content
    head = httpx.head(f"{server.url}{page}", headers={"Accept-Encoding": "identity"})
    assert head.headers["Content-Length"] == str(len(plain.content))
    assert not head.content


def test_changes_are_the_same_for_all_who_lack_the_same(
    room: Newsroom, server: Server, page: str, slug: str
) -> None:
    before = room.call(verbs.cursor, slug)
    path = f"/stories/{slug}/changes?after={before}"
    assert get(server, path).text == ""
    room.call(verbs.post, slug, "The ferry is stuck.")
    wait_for(lambda: "The ferry is stuck." in get(server, path).text, "the change")
    answer = get(server, path)
    assert answer.headers["Live-Cursor"] == room.call(verbs.cursor, slug)
    known = get(server, path, **{"If-None-Match": answer.headers["ETag"]})
    assert known.status_code == 304
    assert known.headers["Live-Cursor"] == answer.headers["Live-Cursor"]


def test_what_is_not_public_does_not_get_through(
    room: Newsroom, server: Server, page: str, slug: str
) -> None:
    room.call(verbs.make_story, "Unsaid", "unsaid", live=False, updates=1)
    for path in ("/stories/unsaid/", "/stories/unsaid.json", "/stories/unsaid/changes"):
        assert get(server, path).status_code == 404
    room.call(verbs.turn, "unsaid", "go_live")
    wait_for(lambda: get(server, "/stories/unsaid/").status_code == 200, "the story")
    foreign = get(server, page, Host="elsewhere.example")
    assert foreign.status_code == 400


def test_pages_of_the_whole_site_follow_every_story(newsrooms: Newsrooms) -> None:
    with newsrooms.open("sqlite") as newsroom:
        follow_every_story(newsroom, newsroom.server())


def follow_every_story(newsroom: Newsroom, server: Server) -> None:
    newsroom.call(verbs.make_story, "Ice on the Sound", "ice", updates=3)
    newsroom.call(verbs.make_story, "The Long Strike", "strike", updates=1)
    paths = ("/", "/feed/", "/stories/ice/feed/", "/sitemap.xml")

    def kept(path: str) -> bool:
        return get(server, path).headers.get("Vary") == "Accept-Encoding"

    wait_for(lambda: all(map(kept, paths)), "every page to be kept")
    pk = newsroom.call(verbs.post, "ice", "The pilot boat is out.")
    there = get(server, f"/stories/ice/?at={pk}").headers["Location"]
    assert there == f"/stories/ice/#entry-{pk}"
    for path in paths[:3]:
        wait_for(lambda: "The pilot boat" in get(server, path).text, path)  # noqa: B023
    newsroom.call(verbs.post, "strike", "Both sides have met.")
    wait_for(lambda: "Both sides have met." in get(server, "/").text, "the front")
    assert "Both sides" not in get(server, "/stories/ice/feed/").text
    newsroom.call(verbs.turn, "ice", "withdraw_story")
    wait_for(lambda: "/ice/" not in get(server, "/").text, "the withdrawal")
    assert "/ice/" not in get(server, "/feed/").text + get(server, "/sitemap.xml").text
