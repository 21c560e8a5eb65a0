"""The page cache: the same finished bytes for everyone, never stale ones."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Iterator
from typing import Any, cast

import brotli
import httpx
import pytest

from entries.delivery import page_cache
from entries.delivery.hub import Hub
from entries.delivery.page_cache import PageCache, StoryVersions
from tests import actions
from tests.desk import Editor
from tests.servers import Newsroom, Newsrooms, Server, wait_for


@pytest.fixture
def page(slug: str) -> str:
    """Return the path of the story's page."""
    return f"/stories/{slug}/"


@pytest.fixture
def server(room: Newsroom, page: str) -> Server:
    server = room.servers[0]
    # The cache is not used until the watcher has heard from the database.
    wait_for(lambda: "Vary" in get(server, page).headers, "the page cache")
    return server


def get(server: Server, path: str, **headers: str) -> httpx.Response:
    headers.setdefault("Accept-Encoding", "identity")
    return httpx.get(f"{server.url}{path}", headers=headers)


@pytest.fixture
def editor(server: Server) -> Iterator[Editor]:
    with Editor(server.url) as editor:
        yield editor


def test_a_published_update_is_on_the_next_page_of_the_same_process(
    room: Newsroom, server: Server, page: str, slug: str, editor: Editor
) -> None:
    other = room.servers[1]
    story = room.call(actions.story_of, slug)
    for turn in range(5):
        words = f"The pilot boat is out, report {turn}."
        assert words not in get(server, page).text
        get(other, page)
        editor.publish(story.pk, words)
        assert words in get(server, page).text
        wait_for(lambda: words in get(other, page).text, "the post elsewhere")  # noqa: B023


def test_every_kind_of_change_is_on_the_next_page(
    room: Newsroom, server: Server, page: str, slug: str
) -> None:
    def shows(words: str, path: str = page) -> None:
        wait_for(lambda: words in get(server, path).text, words)

    pk = room.call(actions.post, slug, "The harbour is frozen.")
    shows("The harbour is frozen.")
    shows("The harbour is frozen.", f"/stories/{slug}.json")
    shows("The harbour is frozen.", f"/stories/{slug}/updates/{pk}/")
    room.call(actions.edit, pk, "The harbour is open again.")
    shows("The harbour is open again.")
    shows("The harbour is open again.", f"/stories/{slug}/updates/{pk}/")
    room.call(actions.link_latest, slug, "A story still to come")
    shows("A story still to come")
    room.call(actions.new_epoch, "restored")
    shows('data-cursor="restored-')  # though a restore tells nobody
    room.call(actions.withdraw, pk)
    wait_for(lambda: "open again" not in get(server, page).text, "the withdrawal")
    room.call(actions.turn, slug, "withdraw_story")
    wait_for(lambda: get(server, page).status_code == 410, "the story to be gone")


def test_all_clients_get_the_same_bytes_and_no_cookie(
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


def test_pages_are_compressed_and_known_ones_are_304(server: Server, page: str) -> None:
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


def public_paths(room: Newsroom, server: Server, slug: str) -> list[str]:
    """Return paths of every kind of public page and feed of a story, and of lists."""
    byline = f"Ann {slug}"
    pk = room.call(actions.post, slug, "The pilot boat is out.")
    room.call(actions.credit, slug, byline)
    room.call(actions.edit, pk, "It is in.", "It was not out.")
    own, author = f"/stories/{slug}/", f"/authors/ann-{slug}/"
    paths = ["/", "/sitemap.xml", "/news-sitemap.xml", "/series/sorrava-daily/", author]
    paths += [
        own,
        f"{own}?order=oldest",
        f"/stories/{slug}.json",
        f"{own}updates/{pk}/",
    ]
    paths += [f"{own}updates/{pk}/history/"]
    feeds = [f"{way}feed/" for way in ("/", "/series/sorrava-daily/", author, own)]
    place = room.call(actions.place_in_feed, pk)
    return [*paths, *feeds, *(f"{feed}?before={place}" for feed in feeds)]


def test_if_modified_since_is_answered_on_every_public_page(
    room: Newsroom, server: Server, slug: str
) -> None:
    room.call(actions.record_release)  # as a start does, after another test's restore
    paths = public_paths(room, server, slug)

    def dates(server: Server) -> dict[str, str | None]:
        return {p: get(server, p).headers.get("Last-Modified") for p in paths}

    def answers(server: Server, since: dict[str, Any]) -> dict[str, int]:
        return {
            p: get(server, p, **{"If-Modified-Since": since[p]}).status_code
            for p in paths
        }

    wait_for(lambda: all(dates(server).values()), "every page to be dated")
    since = dates(server)
    for one in room.servers:
        wait_for(lambda: dates(one) == since, "the same dates")  # noqa: B023
        assert set(answers(one, since).values()) == {304}
    for path in paths:
        known = {"If-Modified-Since": since[path] or ""}
        assert not get(server, path, **known).content
        assert "ETag" in get(server, path, **known).headers
        other = get(server, path, **known, **{"If-None-Match": '"other"'})
        assert other.status_code == 200, path  # which takes precedence
        assert httpx.head(f"{server.url}{path}", headers=known).status_code == 304
    odd = {"never": "", "later": "Fri, 01 Jan 2100 00:00:00 GMT", "no date": "soon"}
    for name, date in odd.items():
        assert set(answers(server, dict.fromkeys(paths, date)).values()) == {200}, name
    room.call(actions.post, slug, "The ferry is stuck.")
    for one in room.servers:
        wait_for(
            lambda: "is stuck" in get(one, f"/stories/{slug}/").text,  # noqa: B023
            "the update",
        )
        assert set(answers(one, since).values()) == {200}


def test_two_contents_never_have_the_same_date(
    room: Newsroom, server: Server, page: str, slug: str
) -> None:
    feed, contents = f"{page}feed/", {}
    for turn in range(8):
        words = f"Report {turn}, of the same second."
        room.call(actions.post, slug, words)
        wait_for(lambda: words in get(server, page).text, words)  # noqa: B023
        for path in (page, feed, "/feed/"):
            answer = get(server, path)
            dates = {answer.headers.get(name) for name in ("Last-Modified", "Date")}
            contents |= {(path, date): words for date in dates if date}
    for (path, date), words in contents.items():
        answer = get(server, path, **{"If-Modified-Since": date})
        assert answer.status_code == 200, (path, date, words)
    wait_for(lambda: "Last-Modified" in get(server, feed).headers, "the date")
    dates = {get(server, path).headers["Last-Modified"] for path in (page, feed)}
    assert not dates & {date for _, date in contents}


def test_pages_of_a_feed_are_stored_if_a_feed_leads_to_them(
    room: Newsroom, server: Server, page: str, slug: str
) -> None:
    room.call(actions.fill, slug, 60)
    for feed in (f"{page}feed/", "/feed/"):
        wait_for(lambda: 'rel="next"' in get(server, feed).text, "two pages")  # noqa: B023
        next_link = r'href="http://testserver([^"]*)" rel="next"'
        (older,) = re.findall(next_link, get(server, feed).text)
        plain = get(server, older)
        assert plain.headers["Vary"] == "Accept-Encoding"  # by the page cache
        assert plain.content == get(server, f"{older}&utm_source=letter").content
        unknown = get(server, re.sub(r"=\d{6}", "=1", older))
        assert unknown.status_code == 200
        assert "ETag" not in unknown.headers
        assert unknown.headers["Cache-Control"] == "no-store"
        assert get(server, f"{feed}?before=soon").status_code == 404


def test_changes_are_the_same_for_all_pages_with_the_same_cursor(
    room: Newsroom, server: Server, page: str, slug: str
) -> None:
    before = room.call(actions.cursor, slug)
    path = f"/stories/{slug}/changes?after={before}"
    assert get(server, path).text == ""
    room.call(actions.post, slug, "The ferry is stuck.")
    wait_for(lambda: "The ferry is stuck." in get(server, path).text, "the change")
    answer = get(server, path)
    assert answer.headers["Live-Cursor"] == room.call(actions.cursor, slug)
    known = get(server, path, **{"If-None-Match": answer.headers["ETag"]})
    assert known.status_code == 304
    for name in ("Live-Cursor", "Live-Latest", "Live-Left", "Live-State"):
        assert known.headers[name] == answer.headers[name]


def test_drafts_and_foreign_hosts_are_not_served(
    room: Newsroom, server: Server, page: str, slug: str
) -> None:
    room.call(actions.make_story, "Unsaid", "unsaid", live=False, updates=1)
    for path in ("/stories/unsaid/", "/stories/unsaid.json", "/stories/unsaid/changes"):
        assert get(server, path).status_code == 404
    room.call(actions.turn, "unsaid", "go_live")
    wait_for(lambda: get(server, "/stories/unsaid/").status_code == 200, "the story")
    foreign = get(server, page, Host="elsewhere.example")
    assert foreign.status_code == 400


def test_site_wide_pages_are_invalidated_by_every_story(newsrooms: Newsrooms) -> None:
    with newsrooms.open("sqlite") as newsroom:
        follow_every_story(newsroom, newsroom.server())


def test_a_site_that_moves_keeps_the_ids_of_its_feeds(newsrooms: Newsrooms) -> None:
    with newsrooms.open("sqlite") as newsroom:
        newsroom.call(actions.make_story, "Ice on the Sound", "ice", updates=3)
        path, found = "/stories/ice/feed/", []
        for site in ("https://old.example", "https://new.example:8443"):
            newsroom.env["SITE_URL"] = site
            newsroom.env["ALLOWED_HOSTS"] = "*"
            server = newsroom.server()
            proxied = {"X-Forwarded-Proto": "https"}
            wait_for(lambda: "Vary" in get(server, path, **proxied).headers, "it")  # noqa: B023
            feed = get(server, path, **proxied)
            assert f'href="{site}{path}"' in feed.text
            found.append(re.findall("<id>([^<]*)</id>", feed.text))
            wait_for(
                lambda: "Last-Modified" in get(server, path, **proxied).headers,  # noqa: B023
                "the date",
            )
            dated = get(server, path, **proxied).headers["Last-Modified"]
            known = get(server, path, **proxied, **{"If-Modified-Since": dated})
            assert known.status_code == 304
            found.append([dated])
        (old, before, new, after) = found
        assert old == new
        assert len(set(old)) == 5  # the feed's, and those of four entries
        assert before != after  # its links are others


def follow_every_story(newsroom: Newsroom, server: Server) -> None:
    newsroom.call(actions.make_story, "Ice on the Sound", "ice", updates=3)
    newsroom.call(actions.make_story, "The Long Strike", "strike", updates=1)
    newsroom.call(actions.credit, "ice", "Ann Lee")
    author = "/authors/ann-lee/feed/"
    paths = ("/", "/feed/", "/stories/ice/feed/", author, "/sitemap.xml")

    def kept(path: str) -> bool:
        return get(server, path).headers.get("Vary") == "Accept-Encoding"

    wait_for(lambda: all(map(kept, paths)), "every page to be kept")
    pk = newsroom.call(actions.post, "ice", "The pilot boat is out.", byline="Ann Lee")
    there = get(server, f"/stories/ice/?at={pk}").headers["Location"]
    assert there == f"/stories/ice/#entry-{pk}"
    for path in paths[:4]:
        wait_for(lambda: "The pilot boat" in get(server, path).text, path)  # noqa: B023
    newsroom.call(actions.post, "strike", "Both sides have met.")
    wait_for(lambda: "Both sides have met." in get(server, "/").text, "the front")
    assert "Both sides" not in get(server, "/stories/ice/feed/").text
    newsroom.call(actions.turn, "ice", "withdraw_story")
    wait_for(lambda: "/ice/" not in get(server, "/").text, "the withdrawal")
    assert "/ice/" not in get(server, "/feed/").text + get(server, "/sitemap.xml").text


# --- What the cache knows, and what it asks


class Rows:
    """A hub that counts the questions, over rows that are written at once."""

    def __init__(self, *slugs: str) -> None:
        self.seqs = dict.fromkeys(slugs, 1)
        self.commits = 0
        self.asked: list[list[str]] = []
        self.watcher = self
        self.let = asyncio.Event()
        self.tagged = True

    def stamp(self) -> tuple[int, int]:
        return (self.commits, 0)

    async def run_query(self, _: object, slugs: list[str]) -> tuple[str, int, Any]:
        self.asked.append(sorted(set(slugs)))
        found = {slug: self.seqs[slug] for slug in slugs if slug in self.seqs}
        await asyncio.sleep(0)
        return "e", 1, found

    async def is_answering(self) -> bool:
        return True

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer as Django does, as soon as it is let."""
        self.asked.append([scope["path"]])
        await self.let.wait()
        head = [(b"etag", b'W/"1"')] if self.tagged else []
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"page"})


def test_unknown_urls_do_not_evict_cached_pages() -> None:
    async def ask() -> None:
        rows = Rows("fog", "ice")
        versions = StoryVersions(cast("Hub", rows))
        assert await versions.current("fog") == ("e", 1, 1)
        assert await versions.current("ice") == ("e", 1, 1)
        for turn in range(5):
            assert await versions.current(f"nothing-{turn}") is None
            assert versions.known("fog")
        before = len(rows.asked)
        rows.commits += 1
        rows.seqs["fog"] = 2
        assert versions.known("fog") is None
        assert await versions.current("fog") == ("e", 2, 1)
        assert await versions.current("ice") == ("e", 1, 1)
        assert rows.asked[before:] == [["fog", "ice"]]

    asyncio.run(ask())


def test_the_least_recently_used_story_is_evicted_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(page_cache, "MAX_STORIES", 2)

    async def ask() -> None:
        versions = StoryVersions(cast("Hub", Rows("fog", "ice", "tide")))
        for slug in ("fog", "ice", "fog", "tide"):
            assert versions.known(slug) or await versions.current(slug)
        assert versions.known("fog")
        assert versions.known("ice") is None

    asyncio.run(ask())


@pytest.mark.parametrize("tagged", [True, False])
def test_a_page_is_rendered_once_and_stored_if_it_has_an_etag(*, tagged: bool) -> None:
    async def ask() -> None:
        rows, sent = Rows("fog"), []
        rows.tagged = tagged
        rows.let.set()
        entrance = PageCache(cast("Hub", rows), rows.answer, lambda: b"")

        async def send(part: Any) -> None:
            sent.append(part)

        heads = [(b"host", b"testserver"), (b"if-none-match", b"*,")]
        scope = {"type": "http", "method": "GET", "path": "/stories/fog/feed/"}
        scope |= {"query_string": b"before=1-1", "scheme": "http", "headers": heads}
        for turn in (1, 2):
            await entrance(scope, None, send)
            rendered = rows.asked.count(["/stories/fog/feed/"])
            assert rendered == (1 if tagged else turn)
            assert sent[-2]["status"] == (304 if tagged else 200)
            assert sent[-1]["body"] == (b"" if tagged else b"page")
        assert entrance.size == 0 or tagged

    asyncio.run(ask())


def test_simultaneous_requests_render_a_page_once() -> None:
    async def ask() -> None:
        rows, sent = Rows("fog"), []
        entrance = PageCache(cast("Hub", rows), rows.answer, lambda: b"")

        async def send(part: Any) -> None:
            sent.append(part)

        def come() -> Any:
            heads = [(b"host", b"testserver")]
            scope = {"type": "http", "method": "GET", "path": "/stories/fog/"}
            scope |= {"query_string": b"", "scheme": "http", "headers": heads}
            return asyncio.ensure_future(entrance(scope, None, send))

        first = [come() for _ in range(5)]
        while ["/stories/fog/"] not in rows.asked:
            await asyncio.sleep(0)
        rows.commits, rows.seqs["fog"] = 1, 2  # while the page is made
        after = [come() for _ in range(5)]
        for _ in range(20):
            await asyncio.sleep(0)
        rows.let.set()
        await asyncio.gather(*first, *after)
        assert rows.asked.count(["/stories/fog/"]) == 2
        assert [part["body"] for part in sent if "body" in part] == [b"page"] * 10

    asyncio.run(ask())
