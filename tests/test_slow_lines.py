"""Readers who return over slow lines that break: piece by piece, and truthfully.

`python -m benchmarks.slow` measures the same at other speeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from tests import actions
from tests.browser import Reader
from tests.servers import Newsroom, Newsrooms, Server, Wire, wait_for
from tests.slow import Diary, come_back, expect_all

Readers = Callable[..., Reader]
# A stream that is there once and can be ended; the next one never answers.
ONCE = """(() => {
  const fetch = window.fetch;
  window.fetch = async (url, ...rest) => {
    if (!String(url).includes("/stream?")) return fetch(url, ...rest);
    if (window.hangUp) return new Promise(() => {});
    const body = new ReadableStream({ start: (line) => {
      line.enqueue(new TextEncoder().encode("event: ready\\ndata:\\n\\n"));
      window.hangUp = () => line.close();
    } });
    return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
  };
})()"""


@pytest.fixture(scope="module")
def room(newsrooms: Newsrooms) -> Iterator[Newsroom]:
    with newsrooms.open("sqlite") as newsroom:
        newsroom.server()
        yield newsroom


@pytest.fixture
def server(room: Newsroom) -> Server:
    return room.servers[0]


@pytest.fixture
def wire(room: Newsroom, server: Server) -> Wire:
    return room.wire(server)


def open_live(window: Reader, wire: Wire, slug: str, query: str = "") -> Page:
    page = window.open(f"{wire.url}/stories/{slug}/{query}")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    return page


def test_a_reader_catches_up_over_a_slow_connection_that_breaks(
    reader: Readers, room: Newsroom, wire: Wire, slug: str
) -> None:
    window = reader()
    page = open_live(window, wire, slug)
    diary = Diary(page)
    wire.cut()
    room.call(actions.flood, slug, 450, 30)
    wire.slow(16_000, cut_every=2.5)
    come_back(window, wire)
    diary.expect_live(60)
    said = diary.said()
    assert said[0].entries < 20
    left = [one.left for one in said if one.left]
    assert len(left) > 10
    assert left == sorted(left, reverse=True)
    for one in said:
        assert one.entries + one.left == 453 or not one.left
        assert one.entries == 453 or not one.word.startswith("Live")
    expect_all(room, window, slug)


def test_a_connection_that_carries_one_update_at_a_time_makes_progress(
    reader: Readers, room: Newsroom, wire: Wire, slug: str
) -> None:
    """Each connection is cut before a usual piece has passed."""
    window = reader()
    page = open_live(window, wire, slug)
    diary = Diary(page)
    wire.cut()
    room.call(actions.flood, slug, 12, 300)
    wire.slow(0, cut_after=4_000)
    come_back(window, wire)
    diary.expect_live(60)
    left = [one.left for one in diary.said() if one.left]
    assert left == sorted(left, reverse=True)
    expect_all(room, window, slug)


def test_pausing_stops_a_catch_up_and_the_end_waits_for_it(
    reader: Readers, room: Newsroom, wire: Wire, slug: str
) -> None:
    window = reader()
    page = open_live(window, wire, slug)
    bar, word = page.locator("#live"), page.locator("#live .word")
    wire.cut()
    room.call(actions.flood, slug, 60)
    room.call(actions.turn, slug, "close_story")
    held = list[Route]()
    page.route("**/changes?*", lambda route: held.append(route))
    come_back(window, wire)
    wait_for(lambda: page.evaluate("1") and held, "the first piece to be asked for")
    expect(word).to_have_text("Catching up…")
    page.get_by_role("button", name="Pause").click()
    expect(word).to_have_text("Paused")
    held[0].abort()
    page.unroute("**/changes?*")
    page.get_by_role("button", name="Resume").click()
    expect(bar).to_have_attribute("data-state", "ended")
    window.sees("This story ended")
    expect_all(room, window, slug)


def test_a_polling_page_fetches_all_batches_at_once(
    reader: Readers, room: Newsroom, wire: Wire, slug: str
) -> None:
    window = reader()
    page = open_live(window, wire, slug)
    page.route("**/stream?*", lambda route: route.fulfill(status=503))
    wire.cut()
    room.call(actions.flood, slug, 60)
    asked = list[str]()
    page.on("request", lambda request: asked.append(request.url))
    come_back(window, wire)
    expect(page.locator("#live .word")).to_have_text("Live, every few seconds")
    expect_all(room, window, slug)
    assert sum("/changes?" in url for url in asked) > 5


def test_older_updates_in_place_are_updated_in_batches(
    reader: Readers, room: Newsroom, server: Server, wire: Wire, slug: str
) -> None:
    """Where a cache gave them as they were long ago."""
    room.call(actions.fill, slug, 120)
    window = reader()
    page = open_live(window, wire, slug)
    older = page.locator("#older")
    with page.expect_response("**/*before=*") as got:
        page.evaluate("fetch(document.getElementById('older').href)")
    old = got.value.body()
    first = page.locator("#updates > article").last
    pk = int(str(first.get_attribute("id")).removeprefix("entry-")) - 10
    room.call(actions.flood, slug, 60)
    room.call(actions.edit, pk, "Rewritten since.")
    room.call(actions.withdraw, pk - 1)
    expect(page.locator("#updates > article")).to_have_count(73 + 60)
    page.route(
        "**/*before=*",
        lambda route: route.fulfill(body=old, content_type="text/html"),
    )
    older.click()
    window.sees("Rewritten since.")
    expect(page.locator(f"#entry-{pk - 1}")).to_have_count(0)


def test_a_page_whose_stream_ended_is_live_again_only_after_the_next_ready(
    reader: Readers, wire: Wire, slug: str
) -> None:
    window = reader()
    window.page.add_init_script(ONCE)
    page = open_live(window, wire, slug)
    page.evaluate("hangUp()")
    expect(page.locator("#live .word")).to_have_text("Reconnecting…")
