"""Older updates in place, the way back, and sharing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from tests import actions
from tests.browser import Reader
from tests.servers import Newsroom, Newsrooms

Readers = Callable[..., Reader]
SLUG = "the-long-watch"


@pytest.fixture(scope="module")
def room(newsrooms: Newsrooms) -> Iterator[Newsroom]:
    with newsrooms.open("sqlite") as newsroom:
        newsroom.call(actions.make_story, "The Long Watch", SLUG, updates=1)
        newsroom.call(actions.fill, SLUG, 119)
        newsroom.server()
        yield newsroom


def _place(key: str) -> tuple[int, int]:
    minute, _, pk = key.partition("-")
    return int(minute), int(pk)


def test_older_updates_are_loaded_in_place_and_stay_current(
    reader: Readers, room: Newsroom
) -> None:
    window = reader()
    window.open(f"{room.servers[0].url}/stories/{SLUG}/")
    page, entries = window.page, window.page.locator("#updates > article")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    expect(entries).to_have_count(70)
    first_older = "Minute 49 at sea."
    expect(page.get_by_text(first_older)).to_have_count(0)
    page.locator("#older").click()
    expect(entries).to_have_count(120)
    expect(page.locator("#older")).to_have_count(0)
    assert page.url.endswith(f"/stories/{SLUG}/")  # in place
    assert len(set(window.entries())) == 120
    keys = [str(el.get_attribute("data-key")) for el in entries.all()]
    assert keys == sorted(keys, key=_place, reverse=True)
    # What happens to an entry that came later reaches it.
    oldest = room.call(actions.entry_with_body, SLUG, "Minute 3 at sea.")
    room.call(actions.edit, oldest, "Minute three, corrected.")
    window.sees("Minute three, corrected.", 3)
    gone = room.call(actions.entry_with_body, SLUG, "Minute 5 at sea.")
    room.call(actions.withdraw, gone)
    expect(page.locator(f"#entry-{gone}")).to_have_count(0)
    expect(entries).to_have_count(119)


def test_a_link_to_the_third_of_four_hundred_updates_lands_on_it(
    reader: Readers, room: Newsroom
) -> None:
    room.call(actions.make_story, "The Longest Watch", "longest", updates=1)
    room.call(actions.fill, "longest", 399)
    pk = room.call(actions.entry_with_body, "longest", "Minute 2 at sea.")
    window = reader(viewport={"width": 390, "height": 800})
    page = window.open(f"{room.servers[0].url}/stories/longest/updates/{pk}/")
    page.get_by_role("link", name="See it in the live page").click()
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    entry = page.locator(f"#entry-{pk}")
    expect(entry).to_be_in_viewport(ratio=1)
    expect(page.locator("#updates > article")).to_have_count(50)
    before = entry.bounding_box()
    room.call(actions.post, "longest", "News, four hundred updates further up.")
    expect(page.locator("button.arrivals")).to_have_text("1 new update")
    assert entry.bounding_box() == before


def test_returning_readers_find_what_is_new(reader: Readers, room: Newsroom) -> None:
    window = reader()
    page = window.page
    window.open(f"{room.servers[0].url}/stories/{SLUG}/")
    key = page.locator("#updates > article").first.get_attribute("data-key")
    expect(page.locator("#since")).to_be_hidden()
    came = [room.call(actions.post, SLUG, f"Lamp {n} is lit.") for n in range(3)]
    back = "key => localStorage.setItem('seen ' + location.pathname,"
    page.evaluate(f"{back} JSON.stringify({{key, at: Date.now() - 9 * 60e3}}))", key)
    page.reload()
    expect(page.locator("#since")).to_be_hidden()  # not away for long
    page.evaluate(f"{back} JSON.stringify({{key, at: Date.now() - 11 * 60e3}}))", key)
    page.reload()
    expect(page.locator("#since")).to_contain_text("3 updates")
    assert window.entries()[:3] == came[::-1]
    stopped = page.locator("#updates > article.stopped")
    expect(stopped).to_have_attribute("data-key", str(key))
    page.locator("#since a").click()
    expect(stopped).to_be_focused()


def test_content_that_loads_late_moves_nothing(reader: Readers, room: Newsroom) -> None:
    """The live bar comes after what stands below it."""
    room.call(
        actions.edit_story, SLUG, summary="- The lamp is lit.\n- The tide is out."
    )
    address = f"{room.servers[0].url}/stories/{SLUG}/"

    def tear(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().split('<div id="live"')[0])

    page, box = (window := reader()).page, window.page.locator(".summary")
    page.route(address, tear, times=1)
    window.open(address)
    expect(page.locator("h1")).to_be_visible()
    expect(box).to_have_text("What we know The lamp is lit.The tide is out.")
    expect(box).to_be_hidden()
    window.open(address)
    expect(box).to_be_visible()


# Whether a thumb finds an element 44 px high.
REACH = """(element) => {
  element.scrollIntoView({block: "center", behavior: "instant"});
  const {x, y, width, height} = element.getBoundingClientRect();
  return [-21.5, 21.5].every((by) =>
    document.elementFromPoint(x + width / 2, y + height / 2 + by) === element);
}"""


def test_every_update_offers_its_permalink(reader: Readers, room: Newsroom) -> None:
    window = reader(
        permissions=["clipboard-read", "clipboard-write"],
        viewport={"width": 390, "height": 800},
    )
    page = window.page
    window.open(f"{room.servers[0].url}/stories/{SLUG}/")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    pk = room.call(actions.post, SLUG, "A light on the pier.")
    entry = page.locator(f"#entry-{pk}")
    entry.get_by_role("button", name="Share").click()
    expect(entry.get_by_role("button")).to_have_text("Link copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == f"{room.servers[0].url}/stories/{SLUG}/updates/{pk}/"
    assert entry.get_by_role("button").evaluate(REACH)
    assert entry.locator(".stamp a").evaluate(REACH)


def test_the_front_page_shows_the_newest_updates(
    reader: Readers, room: Newsroom
) -> None:
    window = reader()
    window.open(f"{room.servers[0].url}/")
    teasers = window.page.locator(".live-now .teaser")
    others = teasers.count()
    here = teasers.filter(has=window.page.locator(f'a[href="/stories/{SLUG}/"]'))
    room.call(actions.post, SLUG, "The watch is over.")
    window.hide()
    window.hide(False)  # it looks when it is shown, and every twenty seconds
    expect(here.locator(".newest")).to_contain_text("The watch is over.")
    room.call(actions.make_story, "Ice on the Sound", "ice", updates=1)
    window.hide(False)
    expect(teasers).to_have_count(others + 1)
    room.call(actions.edit_story, "ice", headline="Ice breaks on the Sound")
    window.hide(False)
    expect(window.page.locator(".live-now")).to_contain_text("Ice breaks on the Sound")


def _caught(page: Page, routes: list[Route]) -> Route:
    """Return a request that was made; its route may be told a moment later."""
    while not routes:
        page.evaluate("0")
    return routes[0]


def test_older_updates_that_come_late_miss_nothing(
    reader: Readers, room: Newsroom
) -> None:
    window = reader()
    window.open(f"{room.servers[0].url}/stories/{SLUG}/")
    page = window.page
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    pages: list[Route] = []
    page.route("**/*before=*", lambda route: pages.append(route))
    with page.expect_request("**/*before=*"):
        page.locator("#older").click()
    way = _caught(page, pages)
    made_before = way.fetch()
    old = room.call(actions.entry_with_body, SLUG, "Minute 8 at sea.")
    room.call(actions.edit, old, "Minute eight, corrected.")
    room.call(actions.post, SLUG, "News while the page is on its way.")
    expect(page.locator(".arrivals")).to_have_text("1 new update")
    answers: list[Route] = []
    page.route("**/changes?after=*", lambda route: answers.append(route))
    with page.expect_request("**/changes?after=*"):
        way.fulfill(response=made_before)
    answer = _caught(page, answers)
    between = answer.fetch()
    room.call(actions.post, SLUG, "News while the changes are on their way.")
    expect(page.locator(".arrivals")).to_have_text("2 new updates")
    page.unroute("**/changes?after=*")
    answer.fulfill(response=between)
    window.sees("Minute eight, corrected.")
    window.misses("Minute 8 at sea.")


def test_nothing_overlaps_with_large_text(reader: Readers, room: Newsroom) -> None:
    window = reader(viewport={"width": 320, "height": 800})
    page = window.page
    letters = {"fontSizes": {"standard": 32, "fixed": 26}}
    window.context.new_cdp_session(page).send("Page.setFontSizes", letters)
    window.open(f"{room.servers[0].url}/")
    name = page.locator(".nameplate").bounding_box()
    search = page.locator(".find").bounding_box()
    assert name["y"] + name["height"] <= search["y"]  # type: ignore[index]
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize(
    ("width", "scheme", "more"), [(320, "light", "/search/?q=sea"), (1280, "dark", "/")]
)
def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    reader: Readers, room: Newsroom, width: int, scheme: str, more: str
) -> None:
    site = room.servers[0].url
    pk = room.call(actions.entry_with_body, SLUG, "Minute 9 at sea.")
    window = reader(viewport={"width": width, "height": 800}, color_scheme=scheme)
    levels = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    for path in (f"/stories/{SLUG}/updates/{pk}/", more):
        page = window.open(f"{site}{path}")
        found = Axe().run(page, options={"runOnly": {"type": "tag", "values": levels}})
        assert not found.response["violations"], found.generate_report()
        root = "document.documentElement"
        assert page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth"), path
