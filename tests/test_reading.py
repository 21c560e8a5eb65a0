"""Older updates in place, the way back, and sharing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from tests import actions
from tests.browser import Reader
from tests.servers import Newsroom, Newsrooms, wait_for

Readers = Callable[..., Reader]
SLUG = "the-long-watch"
DAYS = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}


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


def test_updates_that_were_held_back_are_new_at_the_next_visit(
    reader: Readers, room: Newsroom
) -> None:
    window = reader(viewport={"width": 390, "height": 800})
    page = window.page
    window.open(f"{room.servers[0].url}/stories/{SLUG}/")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    key = page.locator("#updates > article").first.get_attribute("data-key")
    page.evaluate("scrollTo(0, 1500)")
    room.call(actions.post, SLUG, "A lamp nobody has seen.")
    expect(page.locator("button.arrivals")).to_have_text("1 new update")
    page.evaluate("dispatchEvent(new Event('pageshow'))")  # notes what was seen
    seen = "JSON.parse(localStorage.getItem('seen ' + location.pathname)).key"
    assert page.evaluate(seen) == key


def test_readers_of_a_tab_that_slept_find_what_is_new(
    reader: Readers, room: Newsroom
) -> None:
    window = reader(viewport={"width": 390, "height": 800})
    page = window.page
    page.clock.install()
    window.open(f"{room.servers[0].url}/stories/{SLUG}/")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    line, key = page.locator("#since"), page.locator("#updates > article").first
    stopped = key.get_attribute("data-key")
    page.evaluate("scrollTo(0, 1500)")
    window.hide()
    page.clock.fast_forward(11 * 60_000)
    came = [room.call(actions.post, SLUG, f"Rocket {n} is up.") for n in range(2)]
    top = "document.elementFromPoint(100, 400).closest('article')"
    place = f"[{top}.id, {top}.getBoundingClientRect().top]"
    before = page.evaluate(place)
    window.hide(False)
    expect(page.locator(f"#entry-{came[1]}")).to_be_attached()
    expect(line).to_contain_text("2 updates")
    found = page.locator("#updates > article.stopped")
    expect(found).to_have_attribute("data-key", str(stopped))
    after = page.evaluate(place)
    assert after[0] == before[0]
    assert abs(after[1] - before[1]) <= 1


def test_a_local_time_names_its_day_if_that_is_another(
    reader: Readers, room: Newsroom
) -> None:
    """Kiritimati is 14 hours ahead: most of its times there are tomorrow's."""
    names = set()
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        window = reader(timezone_id=zone, locale="en-GB")
        window.open(f"{room.servers[0].url}/stories/{SLUG}/")
        times = window.page.evaluate("""() => [...document.querySelectorAll(".local")]
          .filter((el) => el.dataset.local).map((el) => {
            const at = new Date(el.dataset.local);
            return [at.getDate() !== at.getUTCDate(), el.textContent];
          })""")
        assert times
        for other_day, words in times:
            assert words.endswith("your time")
            assert (words[:3] in DAYS) == other_day, words
            names.add(other_day)
    assert True in names


def test_share_stands_beside_the_stamp_from_right_to_left(
    reader: Readers, room: Newsroom
) -> None:
    window = reader(viewport={"width": 390, "height": 800})
    page = window.page
    room.call(actions.edit_story, SLUG, language="ar")
    try:
        window.open(f"{room.servers[0].url}/stories/{SLUG}/")
        expect(page.locator("html")).to_have_attribute("dir", "rtl")
        entry = page.locator("#updates > article").first
        share = entry.locator(".share").bounding_box()
        stamp = entry.locator(".stamp a").bounding_box()
        assert share["x"] + share["width"] < stamp["x"]  # type: ignore[index]
    finally:
        room.call(actions.edit_story, SLUG, language="en")


def test_the_shared_title_counts_no_updates(reader: Readers, room: Newsroom) -> None:
    window = reader()
    page = window.page
    page.add_init_script("navigator.share = async (what) => { window.shared = what; }")
    window.open(f"{room.servers[0].url}/stories/{SLUG}/")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    title = page.title()
    page.evaluate("scrollTo(0, 2000)")
    room.call(actions.post, SLUG, "A sail.")
    expect(page).to_have_title(f"(1) {title}")
    page.locator("#updates .share").nth(5).click()
    assert page.evaluate("shared.title") == title


def test_a_print_says_what_is_missing(reader: Readers, room: Newsroom) -> None:
    window = reader()
    page = window.page
    window.open(f"{room.servers[0].url}/stories/{SLUG}/")
    line = page.get_by_text("Older updates are not in this print")
    expect(line).to_be_hidden()
    page.emulate_media(media="print")
    expect(line).to_be_visible()
    expect(page.locator("#older")).to_be_hidden()
    page.emulate_media(media="screen")
    page.locator("#older").click()
    expect(page.locator("#older")).to_have_count(0)
    expect(line).to_have_count(0)


# The words of an element that are broken over several lines.
BROKEN = """(element) => {
  const text = element.firstChild, broken = [];
  for (const {0: word, index} of text.data.matchAll(/\\S+/g)) {
    const range = document.createRange();
    range.setStart(text, index);
    range.setEnd(text, index + word.length);
    if (range.getClientRects().length > 1) broken.push(word);
  }
  return broken;
}"""


def test_with_large_letters_no_word_breaks_and_the_bar_covers_no_stamp(
    reader: Readers, room: Newsroom
) -> None:
    """Letters of twice the size, as WebKit's text zoom makes them."""
    window = reader(viewport={"width": 390, "height": 800})
    page = window.page
    pk = room.call(actions.entry_with_body, SLUG, "Minute 99 at sea.")
    window.open(f"{room.servers[0].url}/stories/{SLUG}/")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.locator(".nameplate").evaluate(BROKEN) == []
    bar, stamp = page.locator("#live"), page.locator(f"#stamp-{pk}")
    found = [0.0, 0.0]

    def covers_nothing() -> bool:
        page.evaluate(
            "(id) => document.getElementById(id).scrollIntoView()", f"entry-{pk}"
        )
        above, below = bar.bounding_box(), stamp.bounding_box()
        assert above
        assert below
        found[:] = above["y"] + above["height"], below["y"]
        return found[0] <= found[1]

    wait_for(covers_nothing, "the stamp below the bar")
    assert found[1] < 400


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


RESULTS = """| {} | Turnout | Tide | Lamp & Rope | Independents | Swing |
|---|---|---|---|---|---|
| {} | 61.5% | 12,345 | 1,234 | 98 | −3.4 |
| {} | 7.25% | 9,876 | 12 | 1,002 | +12 |

Counted."""
ENGLISH = ("Constituency", "Old Harbour", "Saltgate North")
ARABIC = ("الدائرة", "الميناء القديم", "بوابة الملح")


@pytest.mark.parametrize(
    ("language", "start", "names"), [("en", "left", ENGLISH), ("ar", "right", ARABIC)]
)
def test_a_wide_table_scrolls_in_itself_and_stays_where_it_is(
    reader: Readers, room: Newsroom, language: str, start: str, names: tuple[str, ...]
) -> None:
    table = RESULTS.format(*names)
    slug = f"results-{language}"
    room.call(actions.make_story, f"Results {language}", slug)
    room.call(actions.edit_story, slug, language=language)
    pk = room.call(actions.post, slug, table)
    window = reader(viewport={"width": 320, "height": 700})
    page = window.open(f"{room.servers[0].url}/stories/{slug}/")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    box = page.get_by_role("group", name=re.compile(f": {names[0]}.+Tide"))
    wide = "el => el.scrollWidth > el.clientWidth"
    assert box.evaluate(wide)
    assert not page.locator("html").evaluate(wide)
    box.focus()
    key = "ArrowRight" if start == "left" else "ArrowLeft"
    for _ in range(3):
        page.keyboard.press(key)
    wait_for(lambda: box.evaluate("el => el.scrollLeft"), "the table scrolls")
    rights = "els => els.map(el => { const r = document.createRange();"
    rights += " r.selectNodeContents(el); return r.getBoundingClientRect().right; })"
    numbers = box.locator("tr > :nth-child(3)").evaluate_all(rights)
    assert max(numbers) - min(numbers) < 1
    starts = box.get_by_role("rowheader").evaluate_all(rights.replace("right", start))
    assert len(starts) == 2
    assert max(starts) - min(starts) < 1
    assert box.get_by_role("columnheader").count() == 6
    found = Axe().run(page)
    assert not found.response["violations"], found.generate_report()
    to = 60 if start == "left" else -60
    box.evaluate("(el, left) => el.scrollTo({ left, behavior: 'instant' })", to)
    wait_for(lambda: box.evaluate("el => el.scrollLeft") == to, "it is there")
    room.call(actions.edit, pk, table.replace("98", "99"))
    window.sees("99")
    assert box.evaluate("el => el.scrollLeft") == to
    assert box.evaluate("el => el === document.activeElement")
    page.emulate_media(media="print")
    assert not box.evaluate("el => el.firstElementChild.offsetWidth > el.clientWidth")


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
