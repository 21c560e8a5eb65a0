"""Writing at the desk in a real browser: paste, uploads, keys, and what is said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from entries.models import Draft, Entry, Story
from entries.text import rendering
from tests import builders
from tests.browser import Reader
from tests.servers import PASSWORD, Newsroom, Newsrooms, Server, wait_for
from tests.test_desk_browser import picture, post, texts

UPLOADS = re.compile(r"/desk/pictures/$")
LINE = re.compile(r"!\[\]\(image:(harbour-\w{6})\)")


@pytest.fixture(scope="module")
def office(newsrooms: Newsrooms) -> Iterator[Newsroom]:
    with newsrooms.open("sqlite") as newsroom:
        newsroom.server()
        yield newsroom


@pytest.fixture(scope="module")
def server(office: Newsroom) -> Server:
    return office.servers[0]


@pytest.fixture(scope="module")
def window(chromium: Browser, server: Server) -> Iterator[Reader]:
    """Give one window to all tests of this module, an editor signed in."""
    window = Reader(chromium)
    window.sign_in(server.url, "editor")
    yield window
    window.close()


@pytest.fixture
def story(office: Newsroom) -> Story:
    return office.call(builders.make_story)


@pytest.fixture
def page(window: Reader, server: Server, story: Story) -> Iterator[Page]:
    """Give the story's desk; fail if a script throws or breaks the page's policy."""
    window.problems.clear()
    window.desk(server.url, story.pk)
    yield window.page
    window.page.unroute_all()
    assert not window.problems, "\n".join(window.problems)


def box(page: Page) -> Locator:
    return page.locator("#composer [name=body]")


def status(page: Page) -> Locator:
    return page.locator("#composer-status")


def rows(page: Page) -> Locator:
    return page.locator("#timeline > .row")


def tray(page: Page) -> Locator:
    return page.locator("#composer-uploads li")


def cards(page: Page) -> Locator:
    return page.locator("#composer-pictures .picture")


def hold(page: Page) -> list[Route]:
    """Let uploads wait until the test lets them go."""
    held = list[Route]()
    page.route(UPLOADS, lambda route: held.append(route))
    return held


def choose(page: Page, *files: dict[str, Any], form: str = "composer") -> None:
    chosen = list(files) or [picture()]
    page.set_input_files(f"#{form}-file", chosen)  # type: ignore[arg-type]


def wait_until_held(page: Page, held: list[Route], number: int = 1) -> None:
    wait_for(lambda: page.evaluate("1") and len(held) >= number, "the upload to begin")


def selection(page: Page) -> list[int]:
    return page.evaluate(
        "(({selectionStart: a, selectionEnd: b}) => [a, b])(document.activeElement)"
    )


# Uploads


def test_a_late_upload_moves_neither_focus_nor_text_nor_selection(page):
    held = hold(page)
    box(page).fill("Look: ")
    choose(page)
    assert LINE.search(box(page).input_value())  # at once
    expect(tray(page)).to_contain_text("harbour.png")
    wait_until_held(page, held)
    expect(box(page)).to_be_focused()
    page.keyboard.type("The ferry")
    page.keyboard.press("Shift+ArrowLeft")
    before = box(page).input_value(), selection(page)
    held[0].continue_()
    expect(cards(page)).to_have_count(1)
    expect(box(page)).to_be_focused()
    assert (box(page).input_value(), selection(page)) == before
    page.keyboard.type("Y is in")
    expect(cards(page).locator("[name$=-alt]")).to_have_value("")
    expect(box(page)).to_have_value(re.compile(r"\n\nThe ferrY is in$"))
    expect(status(page)).to_contain_text("Add alt text")


def test_a_pictures_lines_are_one_step_and_leave_a_selection_alone(page):
    box(page).fill("Calm sea tonight")
    box(page).evaluate("(area) => area.setSelectionRange(0, 8)")
    choose(page, picture(), {**picture("navy"), "name": "Zweiter Kai.png"})
    lines = rf"^Calm sea\n\n{LINE.pattern}\n\n!\[\]\(image:zweiter-kai-\w+\)\n\n tonight"
    expect(box(page)).to_have_value(re.compile(lines))
    expect(cards(page)).to_have_count(2)
    page.keyboard.press("Control+z")
    expect(box(page)).to_have_value("Calm sea tonight")
    page.keyboard.press("Control+Shift+z")
    expect(box(page)).to_have_value(re.compile(lines))


def test_a_composition_is_not_disturbed_by_an_upload(page):
    held = hold(page)
    choose(page)
    wait_until_held(page, held)
    cdp = page.context.new_cdp_session(page)
    ime = {"text": "にほ", "selectionStart": 2, "selectionEnd": 2}
    cdp.send("Input.imeSetComposition", ime)
    before = box(page).input_value()
    assert before.endswith("にほ")
    held[0].continue_()
    expect(cards(page)).to_have_count(1)
    assert box(page).input_value() == before
    ime = {"text": "日本", "selectionStart": 2, "selectionEnd": 2}
    cdp.send("Input.imeSetComposition", ime)
    cdp.send("Input.insertText", {"text": "日本"})
    cdp.detach()
    expect(box(page)).to_have_value(re.compile(r"\)\n\n日本$"))


def test_publishing_waits_for_the_pictures_and_can_be_cancelled(page, office, story):
    held = hold(page)
    box(page).fill("Look at this.")
    choose(page, picture("red"), {**picture("blue"), "name": "quay.png"})
    wait_until_held(page, held, 2)
    page.keyboard.press("Control+Enter")
    expect(status(page)).to_contain_text("Uploading 1 of 2, ")
    status(page).get_by_role("button", name="Cancel").click()
    expect(status(page)).to_contain_text("Not published yet")
    held[0].continue_()
    expect(cards(page)).to_have_count(1)
    assert office.call(texts, story.pk) == []
    cards(page).nth(0).locator("[name$=-alt]").fill("Red")
    box(page).press("Control+Enter")
    expect(status(page)).to_contain_text("Uploading 2 of 2, ")
    text = box(page).input_value().strip()
    held[1].continue_()
    # Alt text is missing still: it says so, and nothing has been sent.
    expect(cards(page).nth(1).locator(".error").first).to_be_visible()
    cards(page).nth(1).locator("[name$=-alt]").fill("Blue")
    box(page).press("Control+Enter")
    expect(box(page)).to_have_value("")
    assert office.call(texts, story.pk) == [(text, "published")]


def test_a_text_that_was_changed_while_publishing_waited_is_not_sent(
    page, office, story
):
    held = hold(page)
    choose(page, picture("green"))
    wait_until_held(page, held)
    page.keyboard.press("Control+Enter")
    expect(status(page)).to_contain_text("Publishes when done")
    page.keyboard.type("Half a thou")
    held[0].continue_()
    expect(status(page)).to_contain_text("press “Publish” when it’s ready")
    expect(box(page)).to_have_value(re.compile("Half a thou$"))
    assert office.call(texts, story.pk) == []


def test_a_draft_does_not_wait_for_its_pictures(page, office, story):
    held = hold(page)
    choose(page, picture("cyan"))
    wait_until_held(page, held)
    page.keyboard.press("Control+s")
    expect(page.locator("#waiting .row")).to_have_count(1)
    expect(box(page)).to_have_value("")
    expect(tray(page)).to_have_count(0)
    page.keyboard.type("Next")
    held[0].continue_()
    wait_for(lambda: office.call(arrived, story.pk), "the picture to arrive")
    expect(box(page)).to_have_value("Next")  # nothing of the other text came here
    expect(cards(page)).to_have_count(0)


def arrived(story_id: int) -> bool:
    entry = Entry.objects.get(story=story_id)
    return [bool(image.stem) for image in entry.images.all()] == [True]


def test_leaving_an_edit_during_an_upload_throws_nothing_and_the_picture_is_kept(
    page, office, story
):
    entry = office.call(post, story.pk, "The quay.")
    page.reload()
    held = hold(page)
    page.locator(f"#row-{entry}-edit").click()
    area = page.locator(f"#edit-{entry} [name=body]")
    expect(area).to_be_focused()
    choose(page, picture("lime"), form=f"edit-{entry}")
    wait_until_held(page, held)
    page.keyboard.press("Escape")
    expect(area).to_have_count(0)
    with page.expect_response(UPLOADS):
        held[0].continue_()
    page.locator(f"#row-{entry}-edit").click()
    page.get_by_role("button", name="Restore", exact=True).first.click()
    expect(area).to_have_value(LINE)
    expect(page.locator(f"#edit-{entry} .picture")).to_have_count(1)
    expect(box(page)).to_have_value("")


def test_a_failed_upload_stays_marked_until_it_is_retried_or_removed(page, office):
    page.route(UPLOADS, lambda route: route.fulfill(status=502, body="<h1>Bad</h1>"))
    box(page).fill("Look.")
    choose(page, picture("maroon"))
    expect(status(page)).to_contain_text("harbour.png: ")
    expect(tray(page)).to_contain_text("It didn’t upload.")
    text = box(page).input_value()
    assert LINE.search(text)
    box(page).press("Control+Enter")
    expect(status(page)).to_contain_text("Retry the pictures that failed")
    page.unroute_all()
    tray(page).get_by_role("button", name="Retry harbour.png").click()
    expect(cards(page)).to_have_count(1)
    expect(tray(page)).to_have_count(0)
    assert box(page).input_value() == text
    page.route(UPLOADS, lambda route: route.abort())
    choose(page, picture("gold"))
    expect(tray(page)).to_contain_text("No connection.")
    tray(page).get_by_role("button", name="Remove harbour.png").click()
    expect(tray(page)).to_have_count(0)
    expect(box(page)).to_have_value(re.compile(rf"^Look\.\n\n{LINE.pattern}\s*$"))


DROP = """([target, hex, name, type, offset]) => {
  const bytes = new Uint8Array(hex.match(/../g).map((pair) => parseInt(pair, 16)));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, { type }));
  const { left, top } = target.getBoundingClientRect();
  const at = { clientX: left + offset[0], clientY: top + offset[1] };
  const options = { dataTransfer, bubbles: true, cancelable: true, ...at };
  return !target.dispatchEvent(new DragEvent("drop", options));
}"""


def drop(target: Locator, name: str, type_: str, at: tuple[int, int] = (20, 12)) -> bool:
    """Drop a file as a page of the browser sees it; say whether the page took it."""
    data = picture("tan")["buffer"].hex()  # type: ignore[attr-defined]
    element = target.element_handle()
    return target.page.evaluate(DROP, [element, data, name, type_, list(at)])


def test_a_dropped_picture_stands_where_it_was_dropped(page):
    box(page).fill("First.\n\nLast.")
    assert drop(box(page), "harbour.png", "image/png", at=(300, 14))
    expect(box(page)).to_have_value(
        re.compile(rf"^First\.\n\n{LINE.pattern}\n\nLast\.$")
    )
    # Beside the form the browser would leave the page for the file.
    assert drop(page.locator("#timeline-title"), "harbour.png", "image/png")
    two = rf"^First\.\n\n{LINE.pattern}\n\n{LINE.pattern}\n\nLast\.$"
    expect(box(page)).to_have_value(re.compile(two))


def test_files_of_other_kinds_are_named_and_heic_is_sent_to_the_server(page):
    assert drop(box(page), "notes.pdf", "application/pdf")
    expect(status(page)).to_contain_text("notes.pdf: not a picture")
    expect(box(page)).to_have_value("")
    held = hold(page)
    assert drop(box(page), "IMG_0815.HEIC", "")  # many systems know no type for it
    expect(box(page)).to_have_value(re.compile(r"^!\[\]\(image:img_0815-\w{6}\)\n\n$"))
    wait_until_held(page, held)
    held[0].fulfill(status=413, body="<h1>Too large</h1>")
    expect(status(page)).to_contain_text("too large")
