"""The byte door: the same finished bytes for everyone, never stale ones."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import brotli
import httpx
import pytest

from tests import verbs
from tests.desk import Editor
from tests.servers import Newsroom, Server, wait_for

SLUG = "ice-on-the-sound"
PAGE = f"/stories/{SLUG}/"


@pytest.fixture
def server(newsroom: Newsroom) -> Server:
    newsroom.call(verbs.make_story, "Ice on the Sound", SLUG, updates=3)
    server = newsroom.server()
    # The door is shut until the watcher has heard from the database.
    wait_for(lambda: "Vary" in get(server).headers, "the door to open")
    return server


def get(server: Server, path: str = PAGE, **headers: str) -> httpx.Response:
    headers.setdefault("Accept-Encoding", "identity")
    return httpx.get(f"{server.url}{path}", headers=headers)


@pytest.fixture
def editor(server: Server) -> Iterator[Editor]:
    with Editor(server.url) as editor:
        yield editor


def test_what_an_editor_posts_stands_on_the_next_page_of_that_process(
    newsroom: Newsroom, server: Server, editor: Editor
) -> None:
    other = newsroom.server()
    for turn in range(5):
        words = f"The pilot boat is out, report {turn}."
        assert words not in get(server).text
        get(other)
        editor.publish(1, words)
        assert words in get(server).text
        wait_for(lambda: words in get(other).text, "the post in the other process", 1)  # noqa: B023


def test_every_kind_of_change_is_on_the_page_within_a_second(
    newsroom: Newsroom, server: Server
) -> None:
    def shows(words: str, path: str = PAGE, seconds: float = 1) -> None:
        wait_for(lambda: words in get(server, path).text, words, seconds)

    pk = newsroom.call(verbs.post, SLUG, "The harbour is frozen.")
    shows("The harbour is frozen.")
    shows("The harbour is frozen.", f"/stories/{SLUG}.json")
    shows("The harbour is frozen.", f"/stories/{SLUG}/updates/{pk}/")
    newsroom.call(verbs.edit, pk, "The harbour is open again.")
    shows("The harbour is open again.")
    shows("The harbour is open again.", f"/stories/{SLUG}/updates/{pk}/")
    newsroom.call(verbs.link_latest, SLUG, "A story still to come")
    shows("A story still to come")
    newsroom.call(verbs.new_epoch, "restored")
    shows('data-cursor="restored-', seconds=3)  # a restore tells nobody
    newsroom.call(verbs.withdraw, pk)
    wait_for(lambda: "open again" not in get(server).text, "the withdrawal", 1)
    newsroom.call(verbs.turn, SLUG, "withdraw_story")
    wait_for(lambda: get(server).status_code == 410, "the story to be gone", 1)


def test_everybody_gets_the_same_bytes_and_no_cookie(
    server: Server, editor: Editor
) -> None:
    plain = get(server)
    mine = editor.client.get(PAGE, headers={"Accept-Encoding": "identity"})
    again = get(server, f"{PAGE}?utm_source=letter&fbclid=1")
    assert plain.content == mine.content == again.content
    for answer in (plain, mine, again):
        assert "Set-Cookie" not in answer.headers
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert "s-maxage" in answer.headers["Cache-Control"]
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


def test_a_page_comes_compressed_and_not_at_all_when_it_is_known(
    server: Server,
) -> None:
    plain = get(server)
    for coding, unpack in (("gzip", gzip.decompress), ("br", brotli.decompress)):
        with httpx.stream(
            "GET", f"{server.url}{PAGE}", headers={"Accept-Encoding": coding}
        ) as answer:
            packed = b"".join(answer.iter_raw())
        assert answer.headers["Content-Encoding"] == coding
        assert unpack(packed) == plain.content
        assert answer.headers["ETag"] == plain.headers["ETag"]
    known = get(server, **{"If-None-Match": plain.headers["ETag"]})
    assert known.status_code == 304
    assert not known.content
    head = httpx.head(f"{server.url}{PAGE}", headers={"Accept-Encoding": "identity"})
    assert head.headers["Content-Length"] == str(len(plain.content))
    assert not head.content


def test_changes_are_the_same_for_all_who_lack_the_same(
    newsroom: Newsroom, server: Server
) -> None:
    before = newsroom.call(verbs.cursor, SLUG)
    path = f"/stories/{SLUG}/changes?after={before}"
    assert get(server, path).text == ""
    newsroom.call(verbs.post, SLUG, "The ferry is stuck.")
    wait_for(lambda: "The ferry is stuck." in get(server, path).text, "the change", 1)
    answer = get(server, path)
    assert answer.headers["Live-Cursor"] == newsroom.call(verbs.cursor, SLUG)
    known = get(server, path, **{"If-None-Match": answer.headers["ETag"]})
    assert known.status_code == 304
    assert known.headers["Live-Cursor"] == answer.headers["Live-Cursor"]


def test_what_is_not_public_does_not_get_through(
    newsroom: Newsroom, server: Server
) -> None:
    newsroom.call(verbs.make_story, "Unsaid", "unsaid", live=False, updates=1)
    for path in ("/stories/unsaid/", "/stories/unsaid.json", "/stories/unsaid/changes"):
        assert get(server, path).status_code == 404
    newsroom.call(verbs.turn, "unsaid", "go_live")
    wait_for(lambda: get(server, "/stories/unsaid/").status_code == 200, "the story", 1)
    foreign = get(server, Host="elsewhere.example")
    assert foreign.status_code == 400


@pytest.mark.parametrize("newsroom", ["sqlite"], indirect=True)
def test_pages_of_the_whole_site_follow_every_story(
    newsroom: Newsroom, server: Server
) -> None:
    newsroom.call(verbs.make_story, "The Long Strike", "strike", updates=1)
    paths = ("/", "/feed/", f"{PAGE}feed/", "/sitemap.xml")

    def kept(path: str) -> bool:
        return get(server, path).headers.get("Vary") == "Accept-Encoding"

    wait_for(lambda: all(map(kept, paths)), "every page to be kept")
    pk = newsroom.call(verbs.post, SLUG, "The pilot boat is out.")
    assert get(server, f"{PAGE}?at={pk}").headers["Location"] == f"{PAGE}#entry-{pk}"
    for path in paths[:3]:
        wait_for(lambda: "The pilot boat" in get(server, path).text, path, 1)  # noqa: B023
    newsroom.call(verbs.post, "strike", "Both sides have met.")
    wait_for(lambda: "Both sides have met." in get(server, "/").text, "the front", 1)
    assert "Both sides" not in get(server, f"{PAGE}feed/").text
    newsroom.call(verbs.turn, SLUG, "withdraw_story")
    wait_for(lambda: SLUG not in get(server, "/").text, "the withdrawal", 1)
    assert SLUG not in get(server, "/feed/").text + get(server, "/sitemap.xml").text
