"""Open pages in a real browser: what arrives, where, and what stays still."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from random import Random

import httpx
import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from entries import verbs
from entries.models import Entry, Story
from entries.verbs import EntryText
from tests import actions
from tests.browser import Reader, expect_like_fresh
from tests.builders import make_update
from tests.recordings import webm
from tests.servers import Newsroom, Newsrooms, Server, wait_for

Readers = Callable[..., Reader]
TOPS = """() => Object.fromEntries(
  [...document.querySelectorAll("#story article.entry:not([hidden])")]
    .map((e) => [e.id, e.getBoundingClientRect()])
    .filter(([, box]) => box.top >= 60 && box.top < innerHeight)
    .map(([id, box]) => [id, Math.round(box.top)]))"""


@pytest.fixture(scope="module")
def room(newsrooms: Newsrooms) -> Iterator[Newsroom]:
    with newsrooms.open("sqlite") as newsroom:
        newsroom.server()
        yield newsroom


@pytest.fixture
def slug(room: Newsroom, request: pytest.FixtureRequest) -> str:
    """Give a live story of twelve updates to each test."""
    name = re.sub(r"[\W_]+", "-", request.node.name.lower())[-90:].strip("-")
    room.call(actions.make_story, "Ice on the Sound", name, updates=12)
    return name


@pytest.fixture
def server(room: Newsroom) -> Server:
    return room.servers[0]


def state(page: Page, word: str) -> None:
    """Wait until the line says a word; `Live` is said of a stream alone."""
    if word == "Live":
        bar = page.locator("#live")
        expect(bar).to_have_attribute("data-state", "live", timeout=30_000)
    else:
        line = page.locator("#live .word")
        expect(line).to_contain_text(word, timeout=15_000)


def open_live(reader: Readers, server: Server, slug: str, **options: object) -> Reader:
    window = reader(**options)
    window.open(f"{server.url}/stories/{slug}/")
    state(window.page, "Live")
    return window


def scroll(page: Page, y: int) -> None:
    page.evaluate("(y) => scrollTo({top: y, behavior: 'instant'})", y)


def test_an_update_appears_in_place_at_the_top_of_the_page(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = open_live(reader, server, slug)
    pk = room.call(actions.post, slug, "The pilot boat is out.")
    window.sees("The pilot boat is out.", 2)
    assert window.entries()[0] == pk
    expect(window.page.locator("button.arrivals")).to_be_hidden()
    expect_like_fresh(window)


# The elements of entries that are layers, which every tap must look through.
LAYERS = """() => [...document.querySelectorAll("#story .entry, #story .entry *")]
  .flatMap((el) => ["", "::before", "::after"].map((pseudo) => [el, pseudo]))
  .filter(([el, pseudo]) => getComputedStyle(el, pseudo).position !== "static")
  .map(([el, pseudo]) => el.className + pseudo)"""


@pytest.mark.parametrize("width", [390, 1280])
def test_entries_contain_no_layers(
    reader: Readers, room: Newsroom, server: Server, slug: str, width: int
) -> None:
    size = {"width": width, "height": 800}
    window = open_live(reader, server, slug, viewport=size)
    room.call(actions.post, slug, "The pilot boat is out.")
    window.sees("The pilot boat is out.")
    tinted = window.page.locator(".arrived")
    expect(tinted).to_have_count(0)  # the tint has faded
    assert window.page.evaluate(LAYERS) == []


def test_updates_wait_behind_a_button_while_the_reader_is_further_down(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = reader()
    window.page.clock.install()
    window.open(f"{server.url}/stories/{slug}/")
    state(window.page, "Live")
    scroll(window.page, 900)
    before = window.page.evaluate(TOPS)
    assert before
    room.call(actions.post, slug, "A first floe.")
    second = room.call(actions.post, slug, "A second floe.")
    button = window.page.locator("button.arrivals")
    expect(button).to_have_text("2 new updates")
    expect(window.page).to_have_title(
        "(2) Sorrava Daily: Ice on the Sound – The Sorrava Courier"
    )
    assert window.page.evaluate(TOPS) == before
    # At most one announcement every twenty seconds.
    announcer = window.page.locator("#announcer")
    wait_for(
        lambda: passes(window, 5_000) and announcer.text_content() == "2 new updates",
        "the announcement",
    )
    button.click()
    expect(button).to_be_hidden()
    assert window.page.evaluate("document.activeElement.id") == f"entry-{second}"
    expect(window.page).to_have_title(
        "Sorrava Daily: Ice on the Sound – The Sorrava Courier"
    )
    expect_like_fresh(window)


def test_nothing_on_screen_moves_when_entries_above_it_change(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = open_live(reader, server, slug)
    top, second, third, *_ = window.entries()
    scroll(window.page, 100_000)
    scroll(window.page, window.page.evaluate("scrollY") - 300)
    before = window.page.evaluate(TOPS)
    room.call(actions.edit, top, "A much longer report. " * 150)
    window.sees("A much longer report.")
    room.call(actions.withdraw, second)
    expect(window.page.locator(f"#entry-{second}")).to_have_count(0)
    room.call(actions.mark, third, slug, pinned=True)
    expect(window.page.locator(f"#pinned #entry-{third}")).to_have_count(1)
    room.call(actions.edit_story, slug, standfirst="What the ice does. " * 20)
    window.sees("What the ice does.")
    after = window.page.evaluate(TOPS)
    assert before
    assert after.keys() == before.keys()
    # A screen has no halves of pixels to scroll by.
    assert all(abs(after[name] - before[name]) <= 1 for name in before)
    expect_like_fresh(window)


# Where words stand, or a picture, if there are no words.
TOP_OF = """(words) => {
  if (!words) return document.querySelector("#updates .body img")
    .getBoundingClientRect().top;
  const walk = document.createTreeWalker(
    document.querySelector("#updates"), NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const at = walk.currentNode.data.indexOf(words);
    if (at < 0) continue;
    const range = document.createRange();
    range.setStart(walk.currentNode, at);
    range.setEnd(walk.currentNode, at + words.length);
    return range.getBoundingClientRect().top;
  }
}"""
TALL = {
    "list": "\n".join(f"- Berth number {n:02} is empty." for n in range(80)),
    "paragraph": " ".join(f"Berth number {n:02} is empty now." for n in range(400)),
    "table": "Berth | State\n--- | ---\n"
    + "\n".join(f"Number {n:02} | is empty" for n in range(80)),
    "picture": "![](image:quay)",
}


@pytest.mark.parametrize("kind", TALL)
def test_nothing_moves_inside_a_block_taller_than_the_window(
    reader: Readers, room: Newsroom, server: Server, slug: str, kind: str
) -> None:
    """Changes come above: in the entry itself, in another entry, and in the head."""
    if kind == "picture":
        room.call(actions.add_picture, "quay", 600, 900)
    tall = room.call(actions.post, slug, f"At first.\n\n{TALL[kind]}", minutes_ago=3)
    above = room.call(actions.post, slug, "The ice holds.")
    window = open_live(reader, server, slug, viewport={"width": 844, "height": 390})
    page = window.page
    words = "" if kind == "picture" else "umber 40"
    scroll(page, page.evaluate(TOP_OF, words) + (200 if not words else -200))
    before = page.evaluate(TOP_OF, words)

    def still() -> None:
        assert abs(page.evaluate(TOP_OF, words) - before) <= 1

    longer = "At first, and then on and on and on. " * 9
    room.call(actions.edit, tall, f"{longer}\n\n{TALL[kind]}", "It began earlier.")
    window.sees("It began earlier.")
    still()
    changed = TALL[kind].replace(
        "umber 03", "umber 03, where the ferry was until noon,"
    )
    room.call(actions.edit, tall, f"## Ferries\n\n{longer}\n\n{changed}")
    window.sees("Ferries")
    still()
    room.call(actions.edit, above, "Much longer than it was before. " * 20)
    window.sees("Much longer than it was")
    still()
    room.call(actions.edit_story, slug, summary="- The ice.\n- The ferries.")
    window.sees("What we know")
    room.call(actions.edit_story, slug, standfirst="What the ice does. " * 20)
    window.sees("What the ice does.")
    still()
    expect_like_fresh(window)


def test_a_mark_keeps_the_selection(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = open_live(reader, server, slug)
    pk = window.entries()[1]
    body = window.page.locator(f"#entry-{pk} .body")
    body.evaluate("(el) => getSelection().selectAllChildren(el)")
    selected = window.page.evaluate("`${getSelection()}`")
    assert selected
    room.call(actions.mark, pk, slug, key_event=True)
    expect(window.page.locator(f"#entry-{pk} .mark")).to_be_visible()
    assert window.page.evaluate("`${getSelection()}`") == selected


def test_announcements_count_every_update_once(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = reader()
    window.page.clock.install()
    window.open(f"{server.url}/stories/{slug}/")
    state(window.page, "Live")
    window.page.evaluate("""() => {
      window.said = [];
      const announcer = document.querySelector("#announcer");
      new MutationObserver(() => said.push(announcer.textContent))
        .observe(announcer, {childList: true});
    }""")
    for number in range(3):
        room.call(actions.post, slug, f"Floe number {number}.")
        window.page.clock.run_for(100)
        window.sees(f"Floe number {number}.")
    wait_for(
        lambda: passes(window, 5_000) and len(window.page.evaluate("said")) > 1,
        "a second announcement",
    )
    said = window.page.evaluate("said")
    assert said in (
        ["1 new update", "2 new updates"],
        ["2 new updates", "1 new update"],
    )


def test_a_dead_connection_is_detected_if_the_clock_is_set_back(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    """`Date` goes back an hour, as the reader's clock does."""
    window = open_live(reader, server, slug)
    back = """() => {
      const now = Date.now;
      Date.now = () => now() - 3600e3;
      const elapsed = performance.now.bind(performance);
      performance.now = () => elapsed() + 46e3;
    }"""
    with window.page.expect_request("**/stream?*"):
        window.page.evaluate(back)


def test_a_dead_connection_is_detected_after_a_device_slept(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    """In some engines only `Date` goes on while a device sleeps."""
    window = open_live(reader, server, slug)
    window.page.wait_for_timeout(6_000)  # the page has looked at its clocks
    ahead = "() => { const now = Date.now; Date.now = () => now() + 3600e3; }"
    with window.page.expect_request("**/stream?*"):
        window.page.evaluate(ahead)


def test_the_address_in_the_bar_keeps_leading_to_the_update(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = reader()
    page = window.page
    pk = room.call(actions.post, slug, "The first floe.")
    window.open(f"{server.url}/stories/{slug}/?at={pk}#entry-{pk}")
    state(page, "Live")
    address = page.url
    assert address.endswith(f"/stories/{slug}/?at={pk}#entry-{pk}")
    room.call(actions.fill_now, slug, 95)
    other = reader()
    other.open(address)
    expect(other.page.locator(f"#entry-{pk}")).to_be_in_viewport()


def test_back_returns_from_a_key_event_to_where_one_was(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = reader(viewport={"width": 390, "height": 700})
    page = window.page
    window.open(f"{server.url}/")
    page.goto(f"{server.url}/stories/{slug}/")
    state(page, "Live")
    room.call(actions.mark, window.entries()[-1], slug, key_event=True)
    event = page.locator("#key-events a")
    expect(event).to_be_visible()
    address, y = page.url, page.evaluate("scrollY")
    event.click()
    wait_for(lambda: page.evaluate("scrollY") > y + 500, "the key event")
    page.go_back()
    wait_for(lambda: abs(page.evaluate("scrollY") - y) <= 1, "the place before")
    assert page.url == address
    expect(page.locator("#live")).to_have_attribute("data-state", "live")


def test_nothing_in_the_bar_moves_when_the_first_key_event_comes(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = open_live(reader, server, slug)
    jump = window.page.locator("#live .jump")
    before = jump.bounding_box()
    room.call(actions.mark, window.entries()[0], slug, key_event=True)
    expect(window.page.locator("#live .to-key-events")).to_be_visible()
    assert jump.bounding_box() == before


@pytest.mark.parametrize(
    "without", ["Array.prototype.findLast", "window.ReadableStream"]
)
def test_an_old_browser_says_that_it_shows_no_live_updates(
    reader: Readers, server: Server, slug: str, without: str
) -> None:
    window = reader()
    window.page.add_init_script(f"delete {without}")
    window.open(f"{server.url}/stories/{slug}/")
    line = "This browser does not show live updates. Reload for news."
    expect(window.page.locator("#live .word")).to_have_text(line)
    expect(window.page.locator("#live .word")).to_be_visible()
    expect(window.page.locator("#live .pause")).to_be_hidden()


def test_a_stream_that_is_held_back_is_replaced_by_polling(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    """The proxy passes on only whole lumps of 4 kB."""
    wire = room.wire(server)
    wire.lump = 4096
    window = reader()
    window.open(f"{wire.url}/stories/{slug}/")
    random = Random(4096)
    for number in range(5):
        words = " ".join(f"{random.getrandbits(40):x}" for _ in range(300))
        room.call(actions.post, slug, f"Floe {number}. {words}")
        window.sees(f"Floe {number}.", 6 + 1)  # and a second for a slow machine
    state(window.page, "every few seconds")


def test_edits_marks_links_and_the_head_reach_an_open_page(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = open_live(reader, server, slug)
    first, second, third, *_ = window.entries()
    room.call(actions.edit, first, "Rewritten.", "It said something else before.")
    window.sees("It said something else before.")
    room.call(actions.mark, second, slug, key_event=True)
    expect(window.page.locator("#key-events li")).to_have_count(1)
    room.call(actions.retime, third, 2)
    wait_for(lambda: window.entries()[0] == third, "the retimed update on top")
    room.call(actions.withdraw, first)
    expect(window.page.locator(f"#entry-{first}")).to_have_count(0)
    room.call(actions.restore, first)
    window.sees("Rewritten.")
    room.call(actions.edit_story, slug, headline="Ice, and more of it")
    window.sees("Ice, and more of it")
    expect(window.page).to_have_title(
        "Sorrava Daily: Ice, and more of it – The Sorrava Courier"
    )
    room.call(actions.link_latest, slug, "A story still to come")
    expect(window.page.locator("#rail")).to_contain_text("A story still to come")
    expect_like_fresh(window)


def test_an_update_in_two_stories_changes_and_leaves_both_open_pages(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    second = f"{slug[:80]}-elsewhere"
    room.call(actions.make_story, "The Long Strike", second, updates=2)
    here, there = (open_live(reader, server, name) for name in (slug, second))
    pk = here.entries()[0]
    room.call(actions.cross_post, pk, second)
    entries = [window.page.locator(f"#entry-{pk}") for window in (here, there)]
    expect(entries[0].locator(".also-in")).to_contain_text("The Long Strike")
    expect(entries[1].locator(".provenance")).to_contain_text("Ice on the Sound")
    room.call(actions.edit, pk, "The ferry has reached the quay.")
    for entry in entries:
        expect(entry).to_contain_text("The ferry has reached the quay.")
    room.call(actions.withdraw, pk)
    for entry in entries:
        expect(entry).to_have_count(0)


def test_a_backdated_update_is_announced_and_found(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = open_live(reader, server, slug)
    pk = room.call(actions.post, slug, "Seen only now.", minutes_ago=10)
    link = window.page.locator("a.earlier")
    expect(link).to_have_text("1 earlier update added")
    link.click()
    assert window.page.evaluate("document.activeElement.id") == f"entry-{pk}"
    expect(link).to_be_hidden()
    expect_like_fresh(window)


def test_focus_stays_when_the_focused_entry_is_replaced(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = open_live(reader, server, slug)
    pk = window.entries()[1]
    window.page.locator(f"#entry-{pk} .stamp a").focus()
    room.call(actions.edit, pk, "Said in other words.")
    window.sees("Said in other words.")
    focused = "document.activeElement.closest('article')?.id"
    assert window.page.evaluate(focused) == f"entry-{pk}"
    assert window.page.evaluate("document.activeElement.localName") == "a"


def test_a_paused_page_changes_nothing_until_it_is_resumed(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = open_live(reader, server, slug)
    window.page.get_by_role("button", name="Pause").click()
    state(window.page, "Paused")
    pk = window.entries()[0]
    room.call(actions.edit, pk, "Changed behind the pause.")
    with room.sse(server, slug, after="x-1") as other:  # the change is out
        other.wait_named("reset")
    window.misses("Changed behind the pause.")
    window.page.get_by_role("button", name="Resume").click()
    window.sees("Changed behind the pause.")
    state(window.page, "Live")


def test_a_pause_holds_even_if_a_connection_was_starting(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window, streams = reader(), list[Route]()
    wire = room.wire(server)
    window.open(f"{wire.url}/stories/{slug}/")
    state(window.page, "Live")
    window.page.route("**/stream?*", lambda route: streams.append(route))
    wire.drop()
    wait_for(lambda: window.page.evaluate("1") and streams, "the page to come back")
    window.page.get_by_role("button", name="Pause").click()
    state(window.page, "Paused")
    room.call(actions.edit, window.entries()[0], "Changed behind the pause.")
    # It is let go of as soon as it stands.
    with window.page.expect_event("requestfailed", lambda r: "/stream" in r.url):
        streams[0].continue_()
    window.misses("Changed behind the pause.")
    window.page.unroute("**/stream?*")
    window.page.get_by_role("button", name="Resume").click()
    window.sees("Changed behind the pause.")
    state(window.page, "Live")


def test_a_closed_story_shows_when_it_ended_and_a_reopened_one_continues(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = reader()
    window.page.clock.install()
    window.open(f"{server.url}/stories/{slug}/")
    state(window.page, "Live")
    room.call(
        actions.post, slug, "> Rain.\n>\n> — Ada (@ada) on Mastodon, 3 March 2026"
    )
    quoted = window.page.locator(".body time")
    expect(quoted).to_have_text("3 March 2026")
    room.call(actions.turn, slug, "close_story")
    state(window.page, "Ended")
    window.sees("This story ended")  # once, not in the line too
    said = window.page.get_by_text("ended").filter(visible=True)
    expect(said).to_have_count(1)
    dated, stamps = re.compile(r"GMT, \d+ \w+ 20\d\d:$"), window.page.locator(".stamp")
    expect(stamps.first).to_have_text(dated)
    expect(quoted).to_have_text("3 March 2026")
    room.call(actions.edit, window.entries()[0], "Corrected after the end.")
    window.page.clock.fast_forward(70_000)
    window.sees("Corrected after the end.")
    expect(stamps.first).to_have_text(dated)
    room.call(actions.turn, slug, "reopen_story")
    window.page.clock.fast_forward(70_000)
    window.page.clock.run_for(2_000)
    state(window.page, "Live")
    expect(stamps.first).not_to_have_text(dated)
    room.call(actions.post, slug, "It goes on.")
    window.page.clock.run_for(100)
    window.sees("It goes on.")


def test_a_page_whose_first_connection_fails_tries_again(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = reader()
    answers = ["503", "204", "html", "reset"]
    asked: list[str] = []

    def answer(route: Route) -> None:
        kind = answers[len(asked)] if len(asked) < len(answers) else ""
        asked.append(kind)
        if kind == "reset":
            route.abort("connectionreset")
        elif kind == "html":
            body = "<title>Proxy</title><h1>Sign in to the network</h1>"
            route.fulfill(status=200, body=body, content_type="text/html")
        elif kind:
            route.fulfill(status=int(kind))
        else:
            route.continue_()

    window.page.route("**/stream?*", answer)
    window.page.clock.install()
    window.open(f"{server.url}/stories/{slug}/")
    wait_for(
        lambda: passes(window, 500) and len(asked) > len(answers),
        "the page to try again after each failure",
    )
    state(window.page, "Live")
    window.misses("Sign in to the network")
    expect(window.page).to_have_title(
        "Sorrava Daily: Ice on the Sound – The Sorrava Courier"
    )
    room.call(actions.post, slug, "Heard after all.")
    window.sees("Heard after all.")
    expect_like_fresh(window)


def test_a_page_with_slow_scripts_goes_live(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = reader()

    def late(route: Route) -> None:
        time.sleep(1.5)  # a slow network, between one script and the next
        route.continue_()

    window.page.route("**/hx-sse*", late)
    window.open(f"{server.url}/stories/{slug}/")
    state(window.page, "Live")
    room.call(actions.post, slug, "Heard over a slow line.")
    window.sees("Heard over a slow line.")


ALL_BUT_RESCUE = "(?!rescue)[^/]*"


@pytest.mark.parametrize(
    ("lost", "times"),
    [
        ("htmx.min", 2),
        ("hx-sse", 2),
        ("hx-upsert", 2),
        ("live", 2),
        (ALL_BUT_RESCUE, 6),
    ],
)
def test_a_page_whose_script_was_cut_on_the_way_loads_again(
    reader: Readers, room: Newsroom, server: Server, slug: str, lost: str, times: int
) -> None:
    window, tries = reader(), []

    def cut(route: Route) -> None:
        tries.append(route)
        if len(tries) > times:
            route.fallback()
        else:
            route.abort()

    window.page.route(re.compile(rf"/{lost}\b[^/]*\.js$"), cut)
    window.open(f"{server.url}/stories/{slug}/")
    state(window.page, "Live")
    assert len(tries) > times
    room.call(actions.post, slug, "The pilot boat is out.")
    window.sees("The pilot boat is out.")
    expect_like_fresh(window)


def test_a_page_that_cannot_load_a_script_says_so_and_stays_readable(
    reader: Readers, server: Server, slug: str
) -> None:
    window = reader()
    window.page.route("**/htmx*", lambda route: route.abort())
    window.open(f"{server.url}/stories/{slug}/")
    state(window.page, "Reconnecting")
    window.offline()
    window.page.wait_for_event("requestfailed")
    window.page.wait_for_event("requestfailed")
    assert len(window.entries()) == 12


def test_a_page_that_lost_all_its_scripts_says_how_to_get_news(
    reader: Readers, server: Server, slug: str
) -> None:
    window = reader()
    window.page.route("**/*.js", lambda route: route.abort())
    window.open(f"{server.url}/stories/{slug}/")
    shown = """() => {
      const style = getComputedStyle(document.querySelector("#live .word"), "::before");
      return [style.content, style.maxInlineSize];
    }"""
    assert window.page.evaluate(shown)[1] == "0.1px"
    window.page.evaluate("document.getAnimations().forEach((one) => one.finish())")
    content, size = window.page.evaluate(shown)
    assert "Reload for news" in content
    assert size == "none"


def test_a_front_page_whose_script_was_cut_on_the_way_loads_again(
    reader: Readers, server: Server
) -> None:
    window, tries = reader(), []
    window.page.route(
        "**/front*.js",
        lambda r: (tries.append(r), r.abort() if len(tries) < 2 else r.fallback()),
    )
    with window.page.expect_event("load"):
        window.open(f"{server.url}/")
    window.page.wait_for_event("load")
    wait_for(lambda: len(tries) >= 2, "the script")


def test_a_page_without_a_stream_polls(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = reader()
    window.page.route("**/stream?*", lambda route: route.fulfill(status=503))
    window.page.clock.install()
    window.open(f"{server.url}/stories/{slug}/")
    line = window.page.locator("#live .word")
    wait_for(
        lambda: (
            passes(window, 500) and "every few seconds" in (line.text_content() or "")
        ),
        "the page to poll",
    )
    gone = window.entries()[3]
    room.call(actions.post, slug, "Fetched, not pushed.")
    room.call(actions.withdraw, gone)
    room.call(actions.link_latest, slug, "A story still to come")
    wait_for(
        lambda: passes(window, 500) and "not pushed" in window.page.content(),
        "the next poll",
    )
    window.sees("Fetched, not pushed.")
    expect_like_fresh(window)


def test_a_page_polls_less_often_while_nothing_responds(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = reader()
    asked: list[str] = []
    window.page.route("**/stream?*", lambda route: route.fulfill(status=503))
    window.page.route(
        "**/changes?*", lambda route: (asked.append("!"), route.abort())[1]
    )
    window.page.clock.install()
    window.open(f"{server.url}/stories/{slug}/")
    wait_for(lambda: passes(window, 500) and asked, "the first poll")
    for _ in range(120):
        passes(window, 500)
    assert 3 < len(asked) < 12
    window.page.unroute("**/changes?*")
    room.call(actions.post, slug, "Somebody answers again.")
    wait_for(
        lambda: passes(window, 1000) and "answers again" in window.page.content(),
        "the answer",
    )


def passes(window: Reader, milliseconds: int) -> bool:
    """Let time pass on a page whose clock is ours."""
    window.page.clock.run_for(milliseconds)
    return True


def test_a_connection_that_dies_silently_is_detected(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    wire = room.wire(server)
    window = reader()
    window.page.clock.install()
    window.open(f"{wire.url}/stories/{slug}/")
    state(window.page, "Live")
    wire.stall()
    room.call(actions.post, slug, "Said into the void.")
    wire.heal()  # new connections pass, the old one stays silent
    window.page.clock.run_for(51_000)
    words = window.page.locator("#updates")

    def caught_up() -> bool:
        window.page.clock.run_for(500)
        return "Said into the void." in words.inner_text()

    wait_for(caught_up, "the page to connect again")
    state(window.page, "Live")
    expect_like_fresh(window, site=server.url)


def test_a_lost_network_is_shown_and_the_page_catches_up(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    wire = room.wire(server)
    window = reader()
    window.open(f"{wire.url}/stories/{slug}/")
    state(window.page, "Live")
    wire.cut()
    state(window.page, "Reconnecting")
    edited, gone, *_ = window.entries()
    room.call(actions.post, slug, "Meanwhile, on the quay.")
    room.call(actions.edit, edited, "Meanwhile rewritten.")
    room.call(actions.withdraw, gone)
    wire.heal()
    window.sees("Meanwhile, on the quay.", 30)
    expect_like_fresh(window, site=server.url)


def test_a_hidden_tab_counts_in_its_title_and_catches_up(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = reader()
    window.page.clock.install()
    window.open(f"{server.url}/stories/{slug}/")
    state(window.page, "Live")
    window.hide()
    room.call(actions.post, slug, "While nobody looked.")
    window.page.clock.fast_forward(25_000)
    expect(window.page).to_have_title(
        "(1) Sorrava Daily: Ice on the Sound – The Sorrava Courier"
    )
    window.hide(False)
    window.page.clock.run_for(5_000)
    state(window.page, "Live")
    expect(window.page.locator("button.arrivals")).to_have_text("1 new update")
    expect_like_fresh(window)


def test_a_restored_backup_replaces_the_page_whole(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = open_live(reader, server, slug)
    window.page.evaluate("window.witness = 'the same document'")
    room.call(actions.new_epoch, "restored")
    room.call(actions.post, slug, "After the restore.")
    window.sees("After the restore.")
    state(window.page, "Live")
    room.call(actions.post, slug, "And pushed again.")
    window.sees("And pushed again.")
    assert window.page.evaluate("window.witness") == "the same document"
    expect_like_fresh(window)


def test_a_withdrawn_story_leaves_the_open_page(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = open_live(reader, server, slug)
    room.call(actions.turn, slug, "withdraw_story")
    window.sees("This story has been withdrawn")
    window.misses("Report 3 from the quay.")
    assert window.page.goto(f"{server.url}/stories/{slug}/").status == 410  # type: ignore[union-attr]


def test_older_pages_get_edits_and_link_to_new_updates(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    room.call(actions.fill, slug, 120)
    window = reader()
    page = window.open(f"{server.url}/stories/{slug}/")
    page = window.open(f"{server.url}{page.locator('#older').get_attribute('href')}")
    state(page, "Live")
    shown = window.entries()
    assert len(shown) == 50
    room.call(actions.edit, shown[10], "Changed on an older page.")
    window.sees("Changed on an older page.")
    room.call(actions.post, slug, "Fresh from the quay.")
    button = page.locator("button.arrivals")
    expect(button).to_have_text("1 new update")
    window.misses("Fresh from the quay.")
    expect_like_fresh(window, reveal=False)
    button.click()
    page.wait_for_url(f"**/stories/{slug}/")
    window.sees("Fresh from the quay.")


def test_a_chronological_page_gets_new_updates_at_its_end(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = reader()
    page = window.open(f"{server.url}/stories/{slug}/?order=oldest")
    state(page, "Live")
    pk = room.call(actions.post, slug, "The latest of all.")
    expect(page.locator("button.arrivals")).to_have_text("1 new update")
    page.locator("button.arrivals").click()
    assert window.entries()[-1] == pk
    expect_like_fresh(window)


def test_a_pending_announcement_does_no_harm_when_the_story_is_withdrawn(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = open_live(reader, server, slug)
    window.page.clock.install()
    room.call(actions.post, slug, "A first floe.")
    window.sees("A first floe.")
    window.page.clock.run_for(1000)
    room.call(actions.post, slug, "A second floe.")
    window.sees("A second floe.")
    room.call(actions.turn, slug, "withdraw_story")
    window.sees("This story has been withdrawn")
    window.page.clock.run_for(25_000)
    assert not window.problems


def test_a_restored_story_comes_back_to_the_open_page(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = open_live(reader, server, slug)
    with window.page.expect_response(lambda answer: answer.status == 410):
        room.call(actions.turn, slug, "withdraw_story")
    window.sees("This story has been withdrawn")
    address = f"{server.url}/stories/{slug}/"
    gone = httpx.get(address).text
    room.call(actions.turn, slug, "restore_story")
    # It comes, goes once more while the page fetches it, and comes back for good.
    window.page.route(
        address,
        lambda route: route.fulfill(status=410, body=gone, content_type="text/html"),
        times=1,
    )

    def back() -> bool:
        window.hide()
        window.hide(False)  # it looks when it is looked at, not a minute later
        return window.page.get_by_text("Report 3 from the quay.").is_visible()

    with window.page.expect_response(address):
        back()
    wait_for(back, "the story to come back")
    state(window.page, "Live")
    expect_like_fresh(window)
    assert not window.problems


def test_a_reopened_story_is_not_shown_as_ended(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    """By a page that a poll told of the end, nor by one whose poll comes late."""
    told, late = reader(), reader()
    streams, polls = list[Route](), list[Route]()
    going = threading.Event()

    def stream(route: Route) -> None:
        route.continue_() if going.is_set() else streams.append(route)

    wire = room.wire(server)
    for window in (told, late):
        window.open(f"{wire.url}/stories/{slug}/")
        state(window.page, "Live")
        window.page.route("**/stream?*", stream)
    late.page.route("**/changes?*", lambda route: polls.append(route))
    wire.drop()
    wait_for(lambda: told.page.evaluate("1") and len(streams) > 1, "both to return")
    room.call(actions.turn, slug, "close_story")
    state(told.page, "Ended")
    wait_for(lambda: late.page.evaluate("1") and polls, "a poll")
    old = polls[0].fetch()
    assert old.headers["live-state"] == "closed"
    room.call(actions.turn, slug, "reopen_story")
    going.set()
    for route in streams:
        route.continue_()
    for window in (told, late):
        state(window.page, "Live")
    with late.page.expect_event("requestfinished", lambda r: "/changes" in r.url):
        polls[0].fulfill(response=old)
    room.call(actions.post, slug, "The ice is back.")
    for window in (told, late):
        window.sees("The ice is back.")
        state(window.page, "Live")


# A stream that we speak for once `feed` is there, and polls that swap slowly.
OURS = """(() => {
  const fetch = window.fetch, utf8 = new TextEncoder();
  window.fetch = async (url, ...rest) => {
    if (!String(url).includes("/stream?")) return fetch(url, ...rest);
    if (!window.released) throw new TypeError("no stream yet");
    const body = new ReadableStream({ start: (line) => {
      window.feed = (text) => line.enqueue(utf8.encode(text));
    } });
    return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
  };
  document.addEventListener("htmx:sse:after:message", (event) => {
    (window.told ||= []).push(event.detail.message.id);
  });
  document.addEventListener("DOMContentLoaded", () => {
    const swap = htmx.swap.bind(htmx);
    htmx.swap = async (ctx) => {
      await swap(ctx);
      if (!ctx.response) await new Promise((done) => { window.released = done; });
    };
  });
})()"""


def test_an_old_stream_message_does_not_undo_a_poll_or_hide_the_rail(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = reader()
    page = window.page
    page.add_init_script(OURS)
    page.clock.install()
    window.open(f"{server.url}/stories/{slug}/")
    pk = window.entries()[0]
    room.call(actions.withdraw, pk)
    gone = room.call(actions.cursor, slug)
    room.call(actions.restore, pk)
    room.call(actions.post, slug, "The tug is back.")

    def comes(what: str) -> None:
        wait_for(lambda: passes(window, 500) and page.evaluate(what), what)

    comes("!!window.released")
    comes("!!window.feed")
    gone_from = f'<hx-partial hx-target="#entry-{pk}" hx-swap="delete">entry-{pk}'
    says = ["event: ready\ndata:", f"id: {gone}\ndata: {gone_from}</hx-partial>"]
    # What follows has no id, and htmx gives it that of the message before.
    for seq in (999, 5):
        rail = f'<p id="rail" data-seq="{seq}">{seq}</p>'
        swap = '<hx-partial hx-target="#rail" hx-swap="outerHTML">'
        says.append(f"data: {swap}{rail}</hx-partial>")
    for number, one in enumerate(says, 1):
        page.evaluate("(text) => feed(text)", f"{one}\n\n")
        comes(f"told.length === {number}")
    page.evaluate("released()")
    comes("document.getElementById('live').dataset.state === 'live'")
    assert pk in window.entries()
    assert page.locator("#rail").inner_text() == "999"


def test_withdrawn_and_moved_updates_no_longer_wait_behind_the_button(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    room.call(actions.fill, slug, 120)
    window = reader()
    page = window.open(f"{server.url}/stories/{slug}/")
    page = window.open(f"{server.url}{page.locator('#older').get_attribute('href')}")
    state(page, "Live")
    button = page.locator("button.arrivals")
    pk = room.call(actions.post, slug, "Fresh from the quay.")
    expect(button).to_have_text("1 new update")
    room.call(actions.withdraw, pk)
    expect(button).to_be_hidden()
    # One that waits on this page, and then belongs on an older one.
    page = window.open(f"{server.url}/stories/{slug}/")
    state(page, "Live")
    scroll(page, 900)
    pk = room.call(actions.post, slug, "Wrongly timed.")
    expect(button).to_have_text("1 new update")
    room.call(actions.retime, pk, 170)
    expect(page.locator("a.earlier")).to_have_text("1 earlier update added")
    expect(button).to_be_hidden()


def test_an_original_entry_is_shown_only_on_its_page(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    room.call(actions.fill, slug, 100)
    original = room.call(actions.drop_original, slug)
    window = reader()
    page = window.open(f"{server.url}/stories/{slug}/?order=oldest")
    page = window.open(f"{server.url}{page.locator('#newer').get_attribute('href')}")
    state(page, "Live")
    room.call(actions.publish, original)
    room.call(actions.post, slug, "And now the ferry.")
    expect(page.locator("button.arrivals")).to_have_text("1 new update")
    assert page.locator(f"#entry-{original}").count() == 0
    assert not window.problems
    expect_like_fresh(window)


def test_an_announced_story_goes_live_automatically(
    reader: Readers, room: Newsroom, server: Server
) -> None:
    room.call(actions.announce, "The vote on the bridge", "the-vote")
    window = reader()
    window.open(f"{server.url}/stories/the-vote/")
    bar = window.page.locator("#live")
    expect(bar).to_have_attribute("data-state", "announced", timeout=30_000)
    state(window.page, "Coverage begins")
    expect(window.page.locator("article")).to_have_count(0)
    expect_like_fresh(window)
    room.call(actions.post, "the-vote", "A secret until then.")
    room.call(actions.begin, "the-vote")
    window.sees("A secret until then.", 20)
    state(window.page, "Live")
    window.misses("Coverage begins")
    assert len(window.entries()) == 3
    expect_like_fresh(window)


def test_an_open_page_of_a_quiet_story_stops_saying_live(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    window = open_live(reader, server, slug)
    room.call(actions.fall_quiet, slug)
    expect(window.page.locator("#live")).to_have_attribute(
        "data-state", "quiet", timeout=30_000
    )
    state(window.page, "No updates since")
    expect_like_fresh(window)
    room.call(actions.post, slug, "The pilot boat is out.")
    state(window.page, "Live")
    window.misses("No updates since")
    expect_like_fresh(window)


def test_an_open_page_of_an_announced_story_shows_its_withdrawal(
    reader: Readers, room: Newsroom, server: Server
) -> None:
    room.call(actions.announce, "The parade", "the-parade")
    window = reader()
    window.open(f"{server.url}/stories/the-parade/")
    state(window.page, "Coverage begins")
    room.call(actions.turn, "the-parade", "withdraw_story")
    window.sees("This story has been withdrawn", 20)


# --- Video


def add_video(slug: str) -> int:
    image = verbs.add_image(
        f"wave-{slug[-60:]}",
        verbs.ingest_upload(BytesIO(webm(sound=False, frames=8))),
        alt="A wave breaks",
        no_speech=True,
    )
    story = Story.objects.get(slug=slug)
    return make_update(story, f"Look.\n\n{image.line}", at=timezone.now()).pk


def edit_around_video(pk: int, pin: bool = False) -> None:
    entry = Entry.objects.get(pk=pk)
    text = EntryText(f"Look again.\n\n{entry.body[7:]}\n\nMore to come.", at=entry.at)
    verbs.edit(entry, text, version=entry.version)
    if pin:
        verbs.set_marks(entry.postings.get(), pinned=True)


def test_a_playing_video_goes_on_when_its_text_is_edited_and_pinned(
    reader: Readers, room: Newsroom, server: Server, slug: str
) -> None:
    pk = room.call(add_video, slug)
    window = open_live(reader, server, slug)
    video = window.page.locator("video")
    expect(video).to_have_count(1)
    assert video.evaluate("v => v.paused && !v.autoplay")
    room_before = video.evaluate("v => v.getBoundingClientRect().height")
    video.evaluate("async v => { v.loop = v.muted = true; v.kept = 1; await v.play() }")
    wait_for(lambda: video.evaluate("v => v.currentTime > 0"), "it plays")
    assert video.evaluate("v => v.getBoundingClientRect().height") == room_before
    room.call(edit_around_video, pk)
    window.sees("Look again.")
    assert video.evaluate("v => v.kept === 1 && !v.paused && v.isConnected")
    room.call(edit_around_video, pk, pin=True)
    expect(window.page.locator("#pinned article")).to_have_count(1)
    assert video.evaluate("v => v.kept === 1 && !v.paused && v.isConnected")
