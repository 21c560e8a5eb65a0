"""How many clicks, fields and chords the desk's everyday tasks take; typing is free."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from entries import verbs
from entries.models import Story
from tests import builders
from tests.browser import Reader
from tests.photos import photograph
from tests.servers import Newsroom, Newsrooms, Server

Open = Callable[..., Reader]
NEEDLE = "The pilot boat left at first light."


class Hand:
    """An editor's hand, which counts what it does."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.actions = 0

    def click(self, target: Locator) -> None:
        """Click something that is in the window."""
        expect(target).to_be_in_viewport()
        self.actions += 1
        target.click()

    def press(self, keys: str) -> None:
        self.actions += 1
        self.page.keyboard.press(keys)

    def type(self, words: str) -> None:
        self.page.keyboard.type(words)


def old_story() -> Story:
    """Return a story with an update that 213 others follow."""
    story = builders.make_story()
    verbs.post(story, builders.text(NEEDLE, at="0000"))
    builders.bulk_updates(story, 213, builders.gmt("0001"))
    return story


@pytest.fixture(scope="module")
def office(newsrooms: Newsrooms) -> Iterator[Newsroom]:
    with newsrooms.open("sqlite") as newsroom:
        newsroom.server()
        yield newsroom


@pytest.fixture
def server(office: Newsroom) -> Server:
    return office.servers[0]


@pytest.fixture
def story(office: Newsroom) -> Story:
    return office.call(builders.make_story)


@pytest.fixture
def page(reader: Open, server: Server, story: Story) -> Page:
    window = reader(viewport={"width": 1280, "height": 650})
    window.sign_in(server.url, "editor")
    window.desk(server.url, story.pk)
    return window.page


@pytest.fixture
def hand(page: Page) -> Hand:
    return Hand(page)


def publish(page: Page, words: str) -> Locator:
    """Publish an update, and return its row."""
    page.locator("#composer [name=body]").fill(words)
    page.keyboard.press("Control+Enter")
    row = page.locator("#timeline > .row").first
    expect(row).to_contain_text(words)
    return row


def test_a_first_update_after_signing_in_takes_four(hand, page, server):
    page.context.clear_cookies()
    page.goto(f"{server.url}/admin/")
    page.fill("[name=username]", "editor")
    page.fill("[name=password]", "a-long-pass-phrase")
    hand.press("Enter")
    page.wait_for_url(lambda url: "/login/" not in url)
    if not page.locator("#composer").count():  # nothing was written yet: the board
        hand.click(page.locator("main a[href*='/change/']").first)
    hand.click(page.locator("#composer [name=body]"))
    hand.type("The ferry has moored.")
    hand.press("Control+Enter")
    expect(page.locator("#timeline > .row").first).to_contain_text("moored")
    assert hand.actions <= 4


def test_a_picture_with_alt_text_takes_three(hand, page):
    with page.expect_file_chooser() as chooser:
        hand.click(page.locator("#composer label.attach, #composer [for*=file]").first)
    file = {"name": "quay.jpg", "mimeType": "image/jpeg", "buffer": photograph(1)}
    chooser.value.set_files(file)  # type: ignore[arg-type]
    hand.click(page.get_by_role("textbox", name="Alt text").first)
    hand.type("A quay in the morning.")
    hand.press("Control+Enter")
    row = page.locator("#timeline > .row").first
    expect(row.locator("img")).to_be_visible()
    assert hand.actions <= 3


def test_a_typo_takes_three(hand, page):
    row = publish(page, "The fery has moored.")
    hand.click(row.get_by_role("link", name="Edit"))
    box = page.locator(".editing [name=body]")
    expect(box).to_be_focused()
    hand.press("Control+a")
    hand.type("The ferry has moored.")
    hand.press("Control+Enter")
    expect(page.locator("#timeline > .row").first).to_contain_text("The ferry")
    assert hand.actions <= 3


def test_a_public_correction_takes_four(hand, page):
    row = publish(page, "The ferry has two decks.")
    hand.click(row.get_by_role("link", name="Edit"))
    expect(page.locator(".editing [name=body]")).to_be_focused()
    page.keyboard.press("End")
    hand.type(" It has a bar.")
    hand.click(page.get_by_role("radio", name="Correction"))
    note = page.get_by_role("textbox", name="Correction note")
    if not note.evaluate("el => el === document.activeElement"):
        hand.click(note)
    hand.type("An earlier version did not mention the bar.")
    hand.press("Control+Enter")
    row = page.locator("#timeline > .row").first
    expect(row.locator(".label", has_text="Corrected")).to_be_visible()
    assert hand.actions <= 4


def test_scheduling_in_ten_minutes_takes_two(hand, page):
    page.locator("#composer [name=body]").fill("The bridge will open.")
    hand.click(page.locator("#composer [name=at]"))
    hand.type("+10")
    hand.press("Control+Enter")
    expect(page.locator("#waiting .row")).to_contain_text("The bridge will open.")
    expect(page.locator("#waiting .label")).to_contain_text("Scheduled")
    assert hand.actions <= 2


def test_a_cross_post_takes_three(hand, page, office):
    other = office.call(builders.make_story, "Storm over the islands")
    row = publish(page, "The ferry has moored.")
    hand.click(row.locator("summary").first)
    hand.click(row.get_by_role("link", name="Cross-post…"))
    hand.type("Storm")
    choice = page.get_by_role("button", name="Storm over the islands")
    hand.click(choice.first)
    expect(row).to_contain_text(f"Also in {other.headline}")
    assert hand.actions <= 3


def test_an_update_213_back_is_found_in_three(hand, page, server, office):
    story = office.call(old_story)
    page.goto(f"{server.url}/admin/entries/story/{story.pk}/change/")
    hand.click(page.locator("#find-q"))
    hand.type("pilot boat")
    row = page.locator(".row", has_text=NEEDLE).first
    hand.click(row.get_by_role("link", name="Edit"))
    expect(page.locator(".editing [name=body]")).to_have_value(NEEDLE)
    assert hand.actions <= 3


def test_a_new_story_is_live_in_three(hand, page, server):
    page.goto(f"{server.url}/admin/")
    hand.click(page.get_by_role("link", name="New story").first)
    headline = page.locator("[name=headline]")
    if not headline.evaluate("el => el === document.activeElement"):
        hand.click(headline)
    hand.type("Smoke over the old mill")
    hand.click(page.get_by_role("button", name="Go live now"))
    expect(page.locator("#composer")).to_be_visible()
    expect(page.get_by_text("Live", exact=True).first).to_be_visible()
    assert hand.actions <= 3
