"""Cards of videos and posts in a browser: nothing is loaded before a click."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests import actions
from tests.browser import Reader, expect_like_fresh
from tests.servers import HOST, Newsroom, Newsrooms, wait_for

Readers = Callable[..., Reader]
SLUG = "the-long-watch"
WATCH_SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) {
    const moved = one.sources.map(({ node }) => node?.outerHTML ?? node?.data ?? "");
    window.shifts.push([one.value, moved.join(" ").slice(0, 500)]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""


class StandIn:
    """A site with videos, which says what was requested of it."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.referrers: list[str] = []
        own = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                own.requests.append(self.path)
                own.referrers.append(self.headers.get("Referer", ""))
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(
                    b"<!DOCTYPE html><html lang=en><title>TV</title><p>Playing "
                    b"<input aria-label=word>"
                )

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer((HOST, 0), Handler)
        self.host = f"{HOST}:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def video(self, name: str) -> str:
        """Return the address of a video."""
        return f"http://{self.host}/watch/{name}"


@pytest.fixture(scope="module")
def site() -> Iterator[StandIn]:
    site = StandIn()
    yield site
    site.server.shutdown()


@pytest.fixture(autouse=True)
def _fresh(site: StandIn) -> None:
    site.requests.clear()
    site.referrers.clear()


@pytest.fixture(scope="module")
def room(
    newsrooms: Newsrooms, site: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Newsroom]:
    file: Path = tmp_path_factory.mktemp("media") / "media.json"
    provider = {
        "name": "Harbour TV",
        "kind": "video",
        "urls": [f"{site.host}/watch/{{id}}"],
        "frame": f"http://{site.host}/embed/{{id}}",
        "autoplay": "autoplay=1",
    }
    other = site.host.replace(HOST, "localhost")
    second = provider | {
        "name": "Quay TV",
        "urls": [f"{other}/watch/{{id}}"],
        "frame": f"http://{other}/embed/{{id}}",
    }
    file.write_text(json.dumps([provider, second]))
    with newsrooms.open("sqlite") as newsroom:
        newsroom.env["MEDIA_PROVIDERS_FILE"] = str(file)
        newsroom.server()
        yield newsroom


def hosts(window: Reader) -> list[str]:
    """Collect the hosts that a window requests anything of."""
    found: list[str] = []
    window.context.on("request", lambda asked: found.append(urlsplit(asked.url).netloc))
    return found


def story_with(room: Newsroom, slug: str, *bodies: str) -> str:
    room.call(actions.make_story, slug.replace("-", " ").title(), slug, updates=0)
    for body in bodies:
        room.call(actions.post, slug, body)
    return f"{room.servers[0].url}/stories/{slug}/"


def play(page: Page) -> Any:
    return page.get_by_role("button", name="Play video")


def playing(page: Page) -> Any:
    return page.locator("media-frame iframe")


def shifts(page: Page) -> list[tuple[float, str]]:
    """Return how much has moved on the page, and what."""
    page.wait_for_function(
        "() => new Promise((done) => requestAnimationFrame(() => "
        "requestAnimationFrame(() => done(true))))"
    )
    found: list[tuple[float, str]] = page.evaluate("() => window.shifts")
    return found


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (390, "dark")], ids=["desk", "phone"]
)
def test_ten_cards_ask_nobody_before_a_click_and_then_only_one_site(
    reader: Readers, room: Newsroom, site: StandIn, width: int, scheme: str
):
    slug = f"ten-cards-{width}"
    others = [
        "https://www.youtube.com/watch?v=abc",
        "https://vimeo.com/12",
        "https://bsky.app/profile/ada.example/post/3k",
        "https://x.com/ada/status/12",
        "https://open.spotify.com/track/abc",
        "https://www.tiktok.com/@ada/video/12",
        "https://datawrapper.dwcdn.net/abcde/3/",
        "https://www.openstreetmap.org/#map=12/54.1/-3.2",
    ]
    mine = [f"[Fog {n} — Ada Quill]({site.video(f'fog-{n}')})" for n in (1, 2)]
    url = story_with(room, slug, *others, *mine)
    window = reader(viewport={"width": width, "height": 800}, color_scheme=scheme)
    window.context.add_init_script(WATCH_SHIFTS)
    asked = hosts(window)
    page = window.open(url)
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    expect(page.locator("media-frame")).to_have_count(10)
    expect(play(page)).to_have_count(5)
    note = f"Loads from {site.host}, which may set cookies."
    expect(page.get_by_text(note)).to_have_count(2)
    page.mouse.wheel(0, 5000)
    own = urlsplit(url).netloc
    assert set(asked) == {own}
    assert shifts(page) == []
    result = Axe().run(page)
    assert not result.response["violations"], result.generate_report()
    button = play(page).first
    button.scroll_into_view_if_needed()
    before = page.locator("media-frame").first.bounding_box()
    button.press("Enter")
    expect(
        page.frame_locator("media-frame iframe").get_by_text("Playing")
    ).to_be_visible()
    expect(playing(page)).to_have_count(1)
    assert page.locator("media-frame").first.bounding_box() == before
    assert playing(page).bounding_box() == before
    assert page.evaluate("() => document.activeElement.localName") == "media-frame"
    assert set(asked) == {own, site.host}
    assert site.requests[0] == "/embed/fog-2?autoplay=1"
    assert site.referrers[0] == f"http://{own}/"  # not which story
    assert shifts(page) == []
    frame = playing(page)
    assert "allow-top-navigation" not in str(frame.get_attribute("sandbox"))
    assert frame.get_attribute("title") == "Fog 2"
    result = Axe().run(page)
    assert not result.response["violations"], result.generate_report()
    assert window.problems == []


def test_a_card_that_arrives_loads_the_script_and_an_edit_restarts_nothing(
    reader: Readers, room: Newsroom, site: StandIn
):
    url = story_with(room, "arriving", "Words alone.")
    window = reader()
    asked: list[str] = []
    window.context.on("request", lambda one: asked.append(urlsplit(one.url).path))
    # The network cuts the script once.
    script = re.compile(r"/media[^/?]*\.js$")
    window.context.route(script, lambda route: route.abort())
    page = window.open(url)
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    assert not any("media" in path for path in asked)
    body = f"Fog at noon.\n\n{site.video('noon')}\n\nWords below."
    pk = room.call(actions.post, "arriving", body)
    play(page).click()
    expect(
        page.frame_locator("media-frame iframe").get_by_text("Playing")
    ).to_be_visible()
    field = page.frame_locator("media-frame iframe").get_by_label("word")
    field.fill("still here")
    room.call(
        actions.edit, pk, body.replace("at noon", "all day").replace("below", "too")
    )
    window.sees("Fog all day.")
    window.sees("Words too.")
    expect(field).to_have_value("still here")
    room.call(actions.post, "arriving", f"Another one.\n\n{site.video('dusk')}")
    window.sees("Another one.")
    expect(play(page)).to_have_count(1)
    expect(field).to_have_value("still here")
    expect_like_fresh(window)
    # Another video in its place asks again.
    room.call(actions.edit, pk, body.replace("noon", "dawn"))
    window.sees("Fog at dawn.")
    expect(playing(page)).to_have_count(0)
    expect(play(page)).to_have_count(2)
    assert [path for path in site.requests if "embed" in path] == [
        "/embed/noon?autoplay=1"
    ]


def test_a_card_above_the_reader_moves_nothing(
    reader: Readers, room: Newsroom, site: StandIn
):
    url = story_with(
        room, "quiet-page", *(f"Minute {n}.\n\n" + "Fog. " * 200 for n in range(8))
    )
    window = reader(viewport={"width": 390, "height": 800})
    page = window.open(url)
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    entry = page.locator(f"#entry-{window.entries()[3]}")
    entry.scroll_into_view_if_needed()
    before = entry.bounding_box()
    room.call(actions.post, "quiet-page", site.video("above"))
    expect(page.locator("button.arrivals")).to_have_text("1 new update")
    expect(page.locator("media-frame")).to_have_count(1)
    assert entry.bounding_box() == before


def test_a_reader_can_allow_a_site_for_the_visit(
    reader: Readers, room: Newsroom, site: StandIn
):
    url = story_with(room, "allowing", *(site.video(f"lamp-{n}") for n in range(3)))
    window = reader(viewport={"width": 1280, "height": 2000})
    page = window.open(url)
    page.get_by_role("checkbox", name=f"Always load from {site.host}").first.check()
    assert site.requests == []
    play(page).first.click()
    expect(playing(page)).to_have_count(3)
    page.reload()
    expect(playing(page)).to_have_count(3)
    wait_for(lambda: len(site.requests) >= 6, "all frames")
    # Only what was clicked starts by itself.
    assert sum("autoplay" in path for path in site.requests) == 1
    other = reader()
    other.open(url)
    expect(play(other.page)).to_have_count(3)


def test_the_permission_of_one_site_loads_no_other(
    reader: Readers, room: Newsroom, site: StandIn
):
    url = story_with(room, "swapped")
    body = f"Fog.\n\n{site.video('allowed')}"
    pk = room.call(actions.post, "swapped", body)
    window = reader()
    page = window.open(url)
    page.get_by_role("checkbox", name="Always load").check()
    play(page).click()
    expect(
        page.frame_locator("media-frame iframe").get_by_text("Playing")
    ).to_be_visible()
    other = site.host.replace(HOST, "localhost")
    swapped = f"Sun.\n\nhttp://{other}/watch/not-asked"
    room.call(actions.edit, pk, swapped)
    window.sees("Sun.")
    expect(playing(page)).to_have_count(0)
    expect(page.get_by_text(f"Loads from {other}, which")).to_be_visible()
    expect(page.get_by_role("checkbox", name=f"from {other} on")).not_to_be_checked()
    assert not any("not-asked" in path for path in site.requests)
    room.call(actions.edit, pk, body.replace("Fog", "Rain"))
    window.sees("Rain.")
    expect(playing(page)).to_have_count(1)


def test_back_leads_to_the_same_page(reader: Readers, room: Newsroom, site: StandIn):
    url = story_with(room, "going-back", site.video("back"))
    window = reader()
    page = window.open(url)
    play(page).click()
    expect(playing(page)).to_have_count(1)
    page.goto(f"{room.servers[0].url}/")
    page.go_back()
    expect(play(page).or_(playing(page))).to_have_count(1)
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    room.call(actions.post, "going-back", "After it.")
    window.sees("After it.")
    assert window.problems == []


def test_without_javascript_and_in_print_a_card_is_a_link(
    reader: Readers, room: Newsroom, site: StandIn
):
    url = story_with(room, "plain", f"[Fog — Ada Quill]({site.video('plain')})")
    window = reader(java_script_enabled=False)
    page = window.open(url)
    card = page.locator("figure.media")
    expect(card.get_by_role("link", name="Fog")).to_be_visible()
    box = card.bounding_box()
    assert box
    assert box["height"] < 80
    window = reader()
    page = window.open(url)
    expect(play(page)).to_be_visible()
    page.emulate_media(media="print")
    expect(play(page)).to_be_hidden()
    expect(page.locator("figure.media").get_by_text("Ada Quill")).to_be_visible()


# --- The desk

CODE = (
    '<iframe width="560" height="315" src="https://www.youtube.com/embed/abc?start=90" '
    'title="The fog lifts" allowfullscreen></iframe>'
)


PASTE = """
(target, text) => {
  const clipboardData = new DataTransfer();
  clipboardData.setData("text/plain", text);
  const options = { clipboardData, bubbles: true, cancelable: true };
  target.dispatchEvent(new ClipboardEvent("paste", options));
}
"""


CANCEL = "form => form.querySelector('[data-cancel]').click()"


@pytest.fixture(scope="module")
def story_id(room: Newsroom) -> int:
    return room.call(actions.make_story, "At the desk", "at-the-desk")


@pytest.fixture
def desk(reader: Readers, room: Newsroom, story_id: int) -> Reader:
    window = reader()
    window.sign_in(room.servers[0].url, "editor")
    window.desk(room.servers[0].url, story_id)
    return window


def test_a_pasted_embed_code_becomes_its_address(desk: Reader):
    page, box = desk.page, desk.page.locator("#composer [name=body]")
    box.fill("Look:")
    box.press("End")
    box.evaluate(PASTE, CODE)
    card = "[The fog lifts](https://youtube.com/watch?v=abc#t=90s)"
    expect(box).to_have_value(f"Look:\n\n{card}")
    page.keyboard.type(" now")
    expect(box).to_have_value(f"Look:\n\n{card} now")
    box.evaluate(PASTE, '<iframe src="https://other.example/x"></iframe>')
    expect(box).to_have_value(
        re.compile(r'now<iframe src="https://other.example/x"></iframe>$')
    )


def test_a_code_pasted_without_a_connection_is_reduced_when_it_is_published(
    desk: Reader, room: Newsroom
):
    box = desk.page.locator("#composer [name=body]")
    desk.page.route("**/desk/embed/", lambda route: route.abort())
    box.focus()
    box.evaluate(PASTE, CODE)
    expect(box).to_have_value(CODE)
    desk.page.get_by_role("button", name="Publish", exact=True).click()
    expect(box).to_have_value("")
    card = "[The fog lifts](https://youtube.com/watch?v=abc#t=90s)"
    assert room.call(actions.entry_with_body, "at-the-desk", card)


def test_an_answer_for_a_form_that_is_gone_goes_to_no_other_field(
    desk: Reader, room: Newsroom
):
    page, box = desk.page, desk.page.locator("#composer [name=body]")
    pk = room.call(actions.post, "at-the-desk", "Still foggy.")
    held: list[Any] = []
    page.route(re.compile("/desk/(embed|quote)/"), lambda one: held.append(one))

    def answer() -> None:
        wait_for(lambda: page.evaluate("1") and held, "a request")
        with page.expect_response(held[0].request.url):
            held.pop().continue_()
        page.evaluate("() => new Promise(requestAnimationFrame)")

    def edit() -> Any:
        page.locator(f"#row-{pk}-edit").click()
        return page.locator(f'[data-form="edit-{pk}"]')

    form = edit()
    form.locator("[name=body]").evaluate(PASTE, CODE)
    form.evaluate(CANCEL)
    box.fill("Mine")
    answer()
    expect(box).to_have_value("Mine")
    form = edit()
    form.get_by_role("button", name="Quote a post").click()
    form.get_by_label("Text of the post").fill("Back soon.")
    form.get_by_label("Posted by").fill("Ada Quill")
    form.get_by_label("Posted by").press("Enter")
    form.get_by_label("Posted by").press("Enter")
    form.evaluate(CANCEL)
    box.focus()
    answer()
    assert held == []  # the second press sent nothing
    expect(box).to_have_value("Mine")
    # What was typed is kept for that text, and for no other.
    page.locator("#composer").get_by_role("button", name="Quote a post").click()
    expect(page.locator("#composer").get_by_label("Text of the post")).to_have_value("")
    form = edit()
    form.get_by_role("button", name="Quote a post").click()
    expect(form.get_by_label("Text of the post")).to_have_value("Back soon.")
    # An answer takes the focus from no other field.
    box.evaluate(PASTE, CODE)
    form.get_by_label("Posted by").focus()
    answer()
    expect(form.get_by_label("Posted by")).to_be_focused()


def test_a_post_is_quoted_with_the_form_in_place(desk: Reader, room: Newsroom):
    page, box = desk.page, desk.page.locator("#composer [name=body]")
    box.fill("The harbour says:")
    page.get_by_role("button", name="Quote a post").click()
    form = page.get_by_role("group", name="Quote a post")
    expect(form.get_by_label("Text of the post")).to_be_focused()
    form.get_by_label("Text of the post").fill("The ferries are back.\n\n#fog is gone")
    page.reload()
    box.fill("The harbour says:")
    page.get_by_role("button", name="Quote a post").click()
    form.get_by_role("button", name="Insert quote").click()
    expect(form.get_by_role("alert")).to_have_text("Write who posted it.")
    expect(form.get_by_label("Posted by")).to_be_focused()
    form.get_by_label("Posted by").fill("Ada Quill")
    form.get_by_label("Handle").fill("ada.example")
    form.get_by_label("Posted at").fill("1015 3 March 2026")
    url = "https://bsky.app/profile/ada.example/post/3k"
    form.get_by_label("Address of the post").fill(url)
    form.get_by_label("Address of the post").press("Enter")
    expect(box).to_have_value(
        "The harbour says:\n\n> The ferries are back.\n>\n> #fog is gone\n>\n"
        "> — Ada Quill (@ada.example) on Bluesky, 1015 GMT, 3 March 2026, "
        + url
        + "\n\n"
    )
    expect(form).to_be_hidden()
    expect(box).to_be_focused()
    page.keyboard.press("Control+z")
    expect(box).to_have_value("The harbour says:")


@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_in_the_form(desk: Reader, width: int):
    page = desk.page
    page.set_viewport_size({"width": width, "height": 800})
    if width < 900:
        page.get_by_role("link", name="Write").click()
    page.get_by_role("button", name="Quote a post").click()
    page.get_by_role("button", name="Insert quote").click()
    expect(page.get_by_role("alert").filter(visible=True)).not_to_be_empty()
    result = Axe().run(page, "#composer")
    assert not result.response["violations"], result.generate_report()


def test_ctrl_enter_in_the_text_publishes_as_ever(desk: Reader, room: Newsroom):
    box = desk.page.locator("#composer [name=body]")
    box.fill("Sent by a key.")
    box.press("Control+Enter")
    expect(box).to_have_value("")
    assert room.call(actions.entry_with_body, "at-the-desk", "Sent by a key.")
