"""The desk in a real browser: keys, focus, lost networks, and colleagues."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image as Pixels
from playwright.sync_api import Locator, Page, Route, expect

from entries import verbs
from entries.models import Draft, Entry, Series, Snippet, Story
from tests import builders
from tests.browser import Reader
from tests.recordings import webm
from tests.servers import PASSWORD, Newsroom, Newsrooms, Server, wait_for

Open = Callable[..., Reader]


def texts(story_id: int) -> list[tuple[str, str]]:
    """Return body and state of a story's entries, oldest first."""
    rows = Entry.objects.filter(story=story_id).order_by("pk")
    return list(rows.values_list("body", "state"))


def post(story_id: int, body: str, state: str = "published") -> int:
    """Post as a colleague does, from another process."""
    story = Story.objects.get(pk=story_id)
    return verbs.post(story, verbs.EntryText(body), state=state).pk


def change(entry_id: int, body: str) -> None:
    """Edit as a colleague does."""
    entry = Entry.objects.get(pk=entry_id)
    verbs.edit(entry, verbs.EntryText(body), version=entry.version)


def move_away(entry_id: int) -> None:
    """Move an update to another story as a colleague does."""
    verbs.move(Entry.objects.get(pk=entry_id), builders.make_story())


def many(number: int) -> Story:
    """Make a story with many updates."""
    story = builders.make_story()
    builders.bulk_updates(story, number)
    return story


@pytest.fixture(scope="module")
def office(newsrooms: Newsrooms) -> Iterator[Newsroom]:
    """Give one newsroom with one server to all tests of this module."""
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
def editor(reader: Open, server: Server, story: Story) -> Reader:
    """Give a window with the story's desk in it, an editor signed in."""
    return at_the_desk(reader(), server, story)


def at_the_desk(
    window: Reader, server: Server, story: Story, name: str = "editor"
) -> Reader:
    window.sign_in(server.url, name)
    window.desk(server.url, story.pk)
    return window


def box(page: Page) -> Locator:
    return page.locator("#composer [name=body]")


def status(page: Page) -> Locator:
    return page.locator("#composer-status")


def rows(page: Page) -> Locator:
    return page.locator("#timeline > .row")


def test_publishing_by_keyboard_clears_the_box_and_keeps_focus(editor, office, story):
    page = editor.page
    box(page).click()
    page.keyboard.type("The ferry has moored.")
    page.keyboard.press("Control+Enter")
    expect(rows(page).first).to_contain_text("The ferry has moored.")
    expect(box(page)).to_have_value("")
    expect(box(page)).to_be_focused()
    expect(status(page)).to_contain_text("Published ")
    page.keyboard.type("And another.")
    page.keyboard.press("Meta+Enter")
    expect(rows(page).first).to_contain_text("And another.")
    assert len(office.call(texts, story.pk)) == 2


def test_ctrl_s_saves_a_draft(editor, office, story):
    page = editor.page
    box(page).fill("Half a thought")
    box(page).press("Control+s")
    expect(page.locator("#waiting .row")).to_contain_text("Half a thought")
    expect(page.locator("#waiting .label")).to_have_text("Draft")
    assert office.call(texts, story.pk) == [("Half a thought", "draft")]


def test_pressing_twice_makes_one_update(editor, office, story):
    page = editor.page
    box(page).fill("Once by click.")
    page.get_by_role("button", name="Publish", exact=True).dblclick()
    expect(rows(page)).to_have_count(1)
    box(page).fill("Once by key.")
    box(page).press("Control+Enter")
    box(page).press("Control+Enter")
    expect(rows(page)).to_have_count(2)
    page.wait_for_timeout(300)
    expect(status(page)).to_contain_text("Published")
    bodies = [body for body, _ in office.call(texts, story.pk)]
    assert bodies == ["Once by click.", "Once by key."]


def test_errors_are_shown_beside_their_field_and_the_text_is_kept(editor):
    page = editor.page
    editor.compose("Typed with care.", at="2560")
    error = page.locator("#composer-at-error")
    expect(error).to_contain_text("25:60 isn't a valid time.")
    field = page.locator("#composer-at")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    expect(box(page)).to_have_value("Typed with care.")
    field.fill("")
    box(page).press("Control+Enter")
    expect(box(page)).to_have_value("")
    expect(error).to_have_text("")
    assert field.get_attribute("aria-invalid") is None


def test_the_time_hint_appears_while_typing(editor):
    editor.page.fill("#composer-at", "0600 tomorrow")
    expect(editor.page.locator("#composer-at-echo")).to_contain_text(
        "Scheduled for 0600 tomorrow, in "
    )


def test_one_press_on_the_hint_uses_the_coming_time(editor):
    page = editor.page
    hint = '<button type="button" data-time="0005 15 Mar 2027">0005 tomorrow?</button>'
    page.route(
        "**/desk/time/**",
        lambda route: route.fulfill(
            body=hint, headers={"desk-answer": "yes", "content-type": "text/html"}
        ),
    )
    page.fill("#composer-at", "0005")
    page.get_by_role("button", name="0005 tomorrow?").click()
    expect(page.locator("#composer-at")).to_have_value("0005 15 Mar 2027")
    expect(page.locator("#composer-at")).to_be_focused()


def test_one_press_in_the_row_links_a_near_miss(editor, office):
    office.call(builders.make_story, "The inquiry opens")
    page = editor.page
    box(page).fill("Done.\n\nSee The inquiry opned")
    box(page).press("Control+Enter")
    offer = page.locator(".row .see-offer")
    expect(offer).to_contain_text("“The inquiry opned” matches no story. Did you mean…")
    offer.get_by_role("button", name="The inquiry opens").click()
    expect(offer).to_have_count(0)


def test_nothing_is_lost_while_the_server_is_down(editor, office, server, story):
    page = editor.page
    server.stop()
    editor.compose("Sent into the void.")
    expect(status(page)).to_contain_text("No connection. Retrying…")
    expect(status(page)).to_contain_text("safe")
    expect(box(page)).to_have_value("Sent into the void.")
    server.start()
    expect(rows(page)).to_have_count(1)  # nobody pressed again
    expect(status(page)).to_contain_text("Published ")
    expect(box(page)).to_have_value("")
    assert office.call(texts, story.pk) == [("Sent into the void.", "published")]


def test_a_lost_response_does_not_duplicate_the_update(editor, office, story):
    page = editor.page
    page.route("**/change/", lambda route: (route.fetch(), route.abort()))
    editor.compose("It did arrive.")
    expect(status(page)).to_contain_text("Retrying…")
    page.unroute("**/change/")
    expect(box(page)).to_have_value("")
    assert office.call(texts, story.pk) == [("It did arrive.", "published")]


def test_a_text_changed_after_a_lost_response_shows_both_versions(
    editor, office, story
):
    page = editor.page
    page.route("**/change/", lambda route: (route.fetch(), route.abort()))
    editor.compose("Ten boats.")
    expect(status(page)).to_contain_text("Retrying…")
    box(page).fill("Eleven boats.")
    expect(status(page)).to_contain_text("You changed the text")
    page.unroute("**/change/")
    box(page).press("Control+Enter")
    panel = page.locator("#composer-conflict")
    expect(panel.locator("del")).to_contain_text("Ten ")
    expect(panel.locator("[name=body]")).to_have_value("Eleven boats.")
    panel.get_by_role("button", name="Save changes").click()
    expect(panel).to_be_empty()
    expect(box(page)).to_have_value("")
    assert office.call(texts, story.pk) == [("Eleven boats.", "published")]


def test_a_text_survives_a_reload_and_is_offered_again(editor, story):
    page = editor.page
    box(page).fill("Almost gone.")
    page.fill("#composer-headline", "A headline")
    page.reload()
    kept = page.locator("#composer-kept")
    expect(kept).to_contain_text("GMT: “Almost gone.”")
    kept.get_by_role("button", name="Restore").click()
    expect(box(page)).to_have_value("Almost gone.")
    expect(page.locator("#composer-headline")).to_have_value("A headline")
    box(page).press("Control+Enter")
    expect(rows(page)).to_have_count(1)
    page.reload()
    expect(page.locator("#composer-kept")).to_be_empty()


def test_a_text_can_be_discarded(editor):
    page = editor.page
    box(page).fill("Not worth it.")
    page.reload()
    page.get_by_role("button", name="Discard").click()
    page.reload()
    expect(page.locator("#composer-kept p")).to_have_count(0)


def test_equal_unsent_texts_are_offered_once(editor):
    page = editor.page
    for _ in range(3):
        box(page).fill("Typed, left, and typed again.")
        page.reload()
    offers = page.locator("#composer-kept p")
    expect(offers).to_have_count(1)
    offers.get_by_role("button", name="Discard").click()
    page.reload()
    expect(offers).to_have_count(0)


def drafts(story: int) -> int:
    return Draft.objects.filter(story=story).count()


def test_a_discarded_text_is_not_offered_from_the_servers_copy(editor, office, story):
    page = editor.page
    box(page).fill("Kept, then not wanted.")
    expect(page.locator("#composer-saved")).to_contain_text("Saved ")
    page.reload()
    page.route("**/desk/draft/", lambda route: route.abort())
    page.get_by_role("button", name="Discard").click()
    page.unroute("**/desk/draft/")
    page.reload()
    expect(page.locator("#composer-kept p")).to_have_count(0)
    # The loss of the first word to the server is made good by a second one.
    wait_for(lambda: office.call(drafts, story.pk) == 0, "the server's copy to go")


def test_a_text_is_offered_in_another_browser_until_it_is_published(
    editor, reader, server, office, story
):
    page = editor.page
    box(page).fill("Begun at the office.")
    expect(page.locator("#composer-saved")).to_contain_text("Saved ")
    other = at_the_desk(reader(), server, story).page
    kept = other.locator("#composer-kept")
    expect(kept).to_contain_text("“Begun at the office.”")
    kept.get_by_role("button", name="Restore").click()
    box(other).press("Control+Enter")
    expect(rows(other)).to_have_count(1)
    other.reload()
    expect(kept).to_be_empty()
    # The first browser's copy was sent from the other one: it makes no second update.
    box(page).press("Control+Enter")
    expect(box(page)).to_have_value("")
    assert office.call(texts, story.pk) == [("Begun at the office.", "published")]


def test_an_expired_session_shows_a_sign_in_link(editor, office, server, story):
    page = editor.page
    editor.context.clear_cookies(name="liveblog_session")
    editor.compose("Typed for an hour.")
    expect(status(page)).to_contain_text("signed out")
    expect(box(page)).to_have_value("Typed for an hour.")
    other = editor.new_page()
    other.goto(f"{server.url}/admin/login/")
    other.fill("[name=username]", "editor")
    other.fill("[name=password]", PASSWORD)
    other.click("[type=submit]")
    other.wait_for_url(lambda url: "/login/" not in url)
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(rows(page)).to_have_count(1)
    assert office.call(texts, story.pk) == [("Typed for an hour.", "published")]


def test_colleagues_updates_and_drafts_arrive_automatically(editor, office, story):
    page = editor.page
    box(page).fill("Being typed")
    office.call(post, story.pk, "News from a colleague.")
    expect(rows(page).first).to_contain_text("News from a colleague.")
    office.call(post, story.pk, "A colleague's notes.", "draft")
    expect(page.locator("#waiting .row")).to_contain_text("A colleague's notes.")
    expect(box(page)).to_have_value("Being typed")
    expect(box(page)).to_be_focused()


def test_text_typed_in_a_row_survives_its_other_actions(editor, office, story):
    page, entry = editor.page, office.call(post, story.pk, "The quay is closed.")
    row, edit = page.locator(f"#row-{entry}"), page.locator(f"#row-{entry}-edit")
    pin, text = page.locator(f"#row-{entry}-pin"), row.locator(".slot [name=text]")
    edit.click()
    row.locator("[name=body]").fill("The quay is open.")
    pin.dispatch_event("click")  # hidden beside the form, but a shortcut may press it
    expect(pin).to_have_attribute("aria-pressed", "true")
    expect(row.locator("[name=body]")).to_have_value("The quay is open.")
    row.locator("[value=save]").click()
    expect(row).to_contain_text("The quay is open.")

    def open_notes() -> None:
        row.locator(".more > summary").click()
        page.locator(f"#row-{entry}-notes").click()

    open_notes()
    text.fill("First.")
    row.locator(".note-form button").click()
    expect(row.locator(".row-notes")).to_contain_text("First.")
    open_notes()
    expect(text).to_have_value("")
    text.fill("Half a note")
    pin.click()
    expect(pin).to_have_attribute("aria-pressed", "false")
    expect(text).to_have_value("Half a note")
    text.press("Escape")
    expect(text).to_have_count(0)
    open_notes()
    expect(text).to_have_value("Half a note")
    row.get_by_role("link", name="Reply").click()
    expect(row.locator(".note-form [name=note]")).to_have_count(1)
    expect(text).to_have_value("Half a note")
    row.get_by_role("button", name="Done").click()
    expect(row.get_by_role("button", name="Undo")).to_be_visible()
    expect(text).to_have_value("Half a note")
    office.call(move_away, entry)
    office.call(post, story.pk, "News from a colleague.")
    expect(rows(page).first).to_contain_text("News from a colleague.")
    expect(text).to_have_value("Half a note")


def test_editors_see_who_is_editing_what_and_when_they_leave(
    editor, reader, server, office, story
):
    entry = office.call(post, story.pk, "The quay is closed.")
    other = at_the_desk(reader(), server, story, "editor2").page
    others = editor.page.locator("#presence")
    expect(others).to_contain_text("editor2 is here")
    other.locator(f"#row-{entry}-edit").click()
    expect(others).to_contain_text("editor2 is editing UPDATE ")
    note = editor.page.locator(f"#row-{entry} .row-line .at-it")
    expect(note).to_have_text("editor2 is editing")
    expect(other.locator("#presence")).to_contain_text("editor is here")
    other.goto("about:blank")
    expect(others).to_be_empty()
    expect(note).to_have_count(0)


def test_the_composer_shows_what_a_colleague_has_just_published(editor, office, story):
    page = editor.page
    office.call(post, story.pk, "First: https://news.example/ferry says so.")
    box(page).fill("The ferry has moored.")
    notices = page.locator("#composer-notices")
    expect(notices).to_contain_text("has just published")
    box(page).fill("It moored: https://news.example/ferry")
    expect(notices).to_contain_text("is in this story already")
    box(page).press("Control+Enter")
    expect(rows(page)).to_have_count(2)
    expect(notices).to_be_empty()


def test_an_open_edit_is_not_disturbed(editor, office, story):
    page = editor.page
    entry = office.call(post, story.pk, "The quay is closed.")
    row = page.locator(f"#row-{entry}")
    row.get_by_role("link", name="Edit").click()
    area = row.locator("[name=body]")
    expect(area).to_be_focused()
    area.fill("The quay is closed to cars.")
    top = area.bounding_box()["y"]
    office.call(post, story.pk, "Something newer.")
    expect(rows(page)).to_have_count(2)
    assert abs(area.bounding_box()["y"] - top) < 2
    office.call(change, entry, "The east quay is closed.")
    expect(row).to_contain_text("changed meanwhile")
    expect(area).to_have_value("The quay is closed to cars.")
    area.press("Control+Enter")
    conflict = row.locator(".conflict")
    expect(conflict).to_contain_text("The east quay is closed.")
    expect(conflict.locator(".difference .by-mine").last).to_contain_text("cars")
    expect(area).to_have_value("The east quay is closed to cars.")
    area.press("Control+Enter")
    expect(row.locator("form.editing")).to_have_count(0)
    expect(row).to_contain_text("The east quay is closed to cars.")
    expect(row.get_by_role("link", name="Edit")).to_be_focused()


def test_escape_leaves_an_edit_and_what_was_typed_is_offered_again(
    editor, office, story
):
    page = editor.page
    entry = office.call(post, story.pk, "Before.")
    row = page.locator(f"#row-{entry}")
    row.get_by_role("link", name="Edit").click()
    row.locator("[name=body]").fill("After.")
    page.keyboard.press("Escape")
    expect(row.locator("form.editing")).to_have_count(0)
    expect(row.get_by_role("link", name="Edit")).to_be_focused()
    page.keyboard.press("Enter")
    expect(row.locator("[name=body]")).to_have_value("Before.")
    row.get_by_role("button", name="Restore", exact=True).first.click()
    expect(row.locator("[name=body]")).to_have_value("After.")


def test_a_correction_is_made_in_place(editor, office, server, story, reader):
    page = editor.page
    entry = office.call(post, story.pk, "Three boats.")
    row = page.locator(f"#row-{entry}")
    row.get_by_role("link", name="Edit").click()
    row.locator("[name=body]").fill("Two boats.")
    row.get_by_label("Correction", exact=True).check()
    row.locator("[name=correction]").fill("There were two boats, not three.")
    row.locator("[name=correction]").press("Control+Enter")
    expect(row.locator("form.editing")).to_have_count(0)
    public = reader()
    public.open(f"{server.url}/stories/{story.slug}/")
    public.sees("There were two boats, not three.")


def test_undo_puts_the_text_back_into_the_composer(editor, office, story):
    page = editor.page
    editor.publish("Too early.", headline="Oh", key_event=True)
    page.get_by_role("button", name="Undo").click()
    expect(box(page)).to_have_value("Too early.")
    expect(page.locator("#composer-headline")).to_have_value("Oh")
    expect(page.locator("#composer-key_event")).to_be_checked()
    expect(rows(page).first).to_contain_text("Withdrawn")
    assert office.call(texts, story.pk) == [("Too early.", "withdrawn")]
    box(page).press("Control+Enter")
    expect(rows(page)).to_have_count(2)


def test_marks_keep_the_focus(editor, office, story):
    page = editor.page
    entry = office.call(post, story.pk, "Mark me.")
    pin = page.locator(f"#row-{entry}-pin")
    pin.focus()
    page.keyboard.press("Enter")
    expect(pin).to_have_attribute("aria-pressed", "true")
    expect(pin).to_be_focused()
    page.keyboard.press("Enter")
    expect(pin).to_have_attribute("aria-pressed", "false")


def test_a_draft_moves_to_the_timeline_when_it_is_published(editor, office, story):
    page = editor.page
    entry = office.call(post, story.pk, "Wait for it.", "draft")
    page.locator("[data-tab=waiting]").click()
    page.locator(f"#waiting #row-{entry}-publish").click()
    expect(page.locator(f"#timeline #row-{entry}")).to_contain_text("Wait for it.")
    expect(page.locator("#waiting .row")).to_have_count(0)


def picture(colour: str = "teal") -> dict[str, object]:
    buffer = BytesIO()
    Pixels.new("RGB", (640, 480), colour).save(buffer, "PNG")
    return {"name": "harbour.png", "mimeType": "image/png", "buffer": buffer.getvalue()}


def test_a_picture_is_chosen_described_and_published(
    editor, office, server, story, reader
):
    page = editor.page
    box(page).fill("Look at this.")
    page.set_input_files("#composer-file", picture())  # type: ignore[arg-type]
    alt = page.locator("#composer-pictures [name$=-alt]")
    expect(alt).to_be_visible()
    assert "![](image:harbour-" in box(page).input_value()
    box(page).press("Control+Enter")
    expect(page.locator("#composer-pictures .error").first).to_contain_text("Say what")
    expect(alt).to_be_focused()
    page.keyboard.type("A calm harbour")
    page.keyboard.press("Control+Enter")
    expect(box(page)).to_have_value("")
    public = reader()
    public.open(f"{server.url}/stories/{story.slug}/")
    expect(public.page.locator(".entry img")).to_have_attribute("alt", "A calm harbour")


def test_a_video_gets_its_captions_and_poster_from_files(
    editor, office, server, story, reader
):
    page = editor.page
    box(page).fill("Look at this.")
    film = {"name": "WAVE 1.webm", "mimeType": "video/webm", "buffer": webm(frames=3)}
    page.set_input_files("#composer-file", film)  # type: ignore[arg-type]
    card = page.locator("#composer-pictures .recording")
    expect(card.locator("video")).to_be_visible()
    assert "![](media:wave-1-" in box(page).input_value()
    box(page).press("Control+Enter")
    expect(card).to_contain_text("Say in a sentence")
    expect(card).to_contain_text("Add captions or a transcript")
    card.locator("[name$=-alt]").fill("A wave breaks")
    spoken = "1\n00:00:00,000 --> 00:00:01,000\nLook at that!\n"
    captions = {"name": "a.srt", "mimeType": "text/plain", "buffer": spoken.encode()}
    card.locator("[data-captions]").set_input_files(captions)  # type: ignore[arg-type]
    expect(card.locator("[name$=-captions]")).to_have_value(spoken)
    card.locator("[data-poster]").set_input_files(picture("plum"))  # type: ignore[arg-type]
    expect(card.locator("[name$=-poster]")).to_have_value(re.compile("^harbour"))
    page.keyboard.press("Control+Enter")
    expect(box(page)).to_have_value("")
    public = reader()
    public.open(f"{server.url}/stories/{story.slug}/")
    video = public.page.locator(".entry video")
    expect(video).to_have_attribute("poster", re.compile(r"^/pictures/.+\.jpg$"))
    video.evaluate(
        "v => { v.textTracks[0].mode = 'showing'; v.muted = true; v.play() }"
    )
    spoken = "v => [...v.textTracks[0].cues ?? []].map((cue) => cue.text).join()"
    wait_for(lambda: video.evaluate(spoken) == "Look at that!", "the captions")
    assert public.page.evaluate("scrollX === 0")


PASTE = """(target, hex) => {
  const bytes = new Uint8Array(hex.match(/../g).map((pair) => parseInt(pair, 16)));
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File([bytes], "image.png", { type: "image/png" }));
  const options = { clipboardData, bubbles: true, cancelable: true };
  target.dispatchEvent(new ClipboardEvent("paste", options));
}"""


def test_an_image_can_be_published_by_keyboard_only_from_sign_in_on(
    reader, server, story
):
    public = reader()
    public.open(f"{server.url}/stories/{story.slug}/")
    page = reader().open(f"{server.url}/admin/login/?next=/admin/")
    keys = page.keyboard
    expect(page.locator("#id_username")).to_be_focused()
    for words in ("editor", "Tab", PASSWORD, "Enter"):
        keys.press(words) if words in ("Tab", "Enter") else keys.type(words)
    page.wait_for_url(lambda url: "/admin/login/" not in url)
    page.goto(f"{server.url}/admin/entries/story/{story.pk}/change/")
    expect(box(page)).to_be_focused()
    keys.type("The lightship is back. ")
    # After the words: paste, go to the alt text, say what it shows, publish.
    # (Of a colour of its own: the same file again would bring its words along.)
    box(page).evaluate(PASTE, picture("olive")["buffer"].hex())  # type: ignore[attr-defined]
    expect(page.locator("#composer-pictures [name$=-alt]")).to_be_visible()
    keys.press("Control+j")
    expect(page.locator("#composer-pictures [name$=-alt]")).to_be_focused()
    keys.type("A lightship at its buoy")
    keys.press("Control+Enter")
    shown = public.page.locator(".entry img")
    expect(shown).to_have_attribute("alt", "A lightship at its buoy")
    public.sees("The lightship is back.")


def test_a_text_is_scheduled_and_unscheduled(editor, office, story):
    page = editor.page
    at = datetime.now(UTC) + timedelta(days=1)
    page.fill("#composer [name=at]", f"{at:%H%M} {at.day} {at:%b}")
    box(page).fill("The tug will sail.")
    box(page).press("Control+Enter")
    row = page.locator("#waiting .row")
    expect(row).to_contain_text("The tug will sail.")
    assert office.call(texts, story.pk) == [("The tug will sail.", "scheduled")]
    page.locator("[data-tab=waiting]").click()
    row.locator("details.menu > summary").click()
    row.get_by_role("button", name="Unschedule").click()
    expect(row.get_by_text("Unschedule")).to_have_count(0)
    assert office.call(texts, story.pk) == [("The tug will sail.", "draft")]


def test_two_editors_of_one_entry_in_two_processes_see_both_texts(
    editor, office, story, reader
):
    first = editor.page
    entry = office.call(post, story.pk, "Ten boats.")
    other = at_the_desk(reader(), office.server(), story, "editor2").page
    for page in (first, other):
        page.locator(f"#row-{entry}").get_by_role("link", name="Edit").click()
        expect(page.locator(f"#row-{entry} [name=body]")).to_be_focused()
    first.locator(f"#row-{entry} [name=body]").fill("Eleven boats.")
    first.keyboard.press("Control+Enter")
    expect(first.locator(f"#row-{entry} form.editing")).to_have_count(0)
    area = other.locator(f"#row-{entry} [name=body]")
    area.fill("Twelve boats.")
    area.press("Control+Enter")
    conflict = other.locator(f"#row-{entry} .conflict")
    expect(conflict.locator("del")).to_contain_text("Eleven")
    expect(conflict.locator("ins")).to_contain_text("Twelve")
    assert office.call(texts, story.pk) == [("Eleven boats.", "published")]
    expect(area).to_have_value("Twelve boats.")
    conflict.get_by_role("button", name="Save your version").click()
    expect(other.locator(f"#row-{entry} form.editing")).to_have_count(0)
    expect(first.locator(f"#row-{entry}")).to_contain_text("Twelve boats.")


def test_several_images_keep_their_order_and_are_in_the_library(editor, story):
    page = editor.page
    files = [{**picture(), "name": f"quay-{n}.png"} for n in (1, 2, 3)]
    for number, file in enumerate(files):
        buffer = BytesIO()
        Pixels.new("RGB", (320, 240), (9, 9 * number, 99)).save(buffer, "PNG")
        file["buffer"] = buffer.getvalue()
    page.set_input_files("#composer-file", files)  # type: ignore[arg-type]
    lines = "".join(rf"!\[\]\(image:quay-{n}-\w+\)\n\n" for n in (1, 2, 3))
    expect(box(page)).to_have_value(re.compile(f"^{lines}$"))
    expect(page.locator("#composer-uploads li")).to_have_count(0)
    expect(page.locator("#composer-pictures .picture")).to_have_count(3)
    box(page).fill("")
    page.get_by_role("button", name="Library").first.click()
    page.keyboard.type("quay-2")
    expect(page.locator("#composer .picker [data-insert]")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(box(page)).to_have_value(re.compile(r"^!\[\]\(image:quay-2-\w+\)\n\n$"))


def test_a_see_line_is_added_by_keyboard_and_links_to_the_story(
    editor, office, server, story, reader
):
    page = editor.page
    other = office.call(builders.make_story, "The tribunal sits")
    box(page).fill("Adjourned.")
    page.get_by_role("button", name="See…").first.click()
    page.keyboard.type("tribu")
    expect(page.locator("#composer .picker li")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(box(page)).to_be_focused()
    expect(box(page)).to_have_value("Adjourned.\n\nSee The tribunal sits\n\n")
    page.keyboard.press("Control+Enter")
    expect(rows(page)).to_have_count(1)
    public = reader()
    public.open(f"{server.url}/stories/{story.slug}/")
    link = public.page.locator(".entry .see a")
    expect(link).to_have_attribute("href", f"/stories/{other.slug}/")


def test_a_file_that_is_no_image_is_rejected_with_a_message(editor):
    page = editor.page
    file = {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"notes"}
    page.set_input_files("#composer-file", file)  # type: ignore[arg-type]
    expect(status(page)).to_contain_text("notes.jpg: This file is not a picture")
    front = {"status": 413, "content_type": "text/html", "body": "<h1>Too large</h1>"}
    page.route("**/desk/pictures/", lambda route: route.fulfill(**front))
    page.set_input_files("#composer-file", file)  # type: ignore[arg-type]
    expect(status(page)).to_contain_text("notes.jpg: It’s too large")


def test_the_preview_is_shown_in_a_frame(editor):
    editor.compose("A *calm* sea.", button="Preview")
    frame = editor.page.frame_locator("#composer-preview iframe")
    expect(frame.locator(".entry .body em")).to_have_text("calm")
    expect(box(editor.page)).to_have_value("A *calm* sea.")


def test_the_preview_updates_while_typing_at_the_chosen_width(editor):
    page = editor.page
    editor.compose("A calm sea.", button="Preview")
    frame = page.frame_locator("#composer-preview iframe")
    expect(frame.locator(".entry .body")).to_have_text("A calm sea.")
    width = "document.querySelector('#composer-preview iframe').clientWidth"
    assert 380 < page.evaluate(width) <= 390
    page.get_by_role("button", name="Desktop", exact=True).click()
    wait_for(lambda: page.evaluate(width) > 1000, "the width of a desk")
    box(page).fill("A *rough* sea.")
    expect(frame.locator(".entry .body em")).to_have_text("rough")
    expect(box(page)).to_be_focused()
    page.get_by_role("button", name="Close", exact=True).click()
    expect(page.locator("#composer-preview iframe")).to_have_count(0)


def test_the_toolbar_and_its_keys_write_markdown(editor):
    page = editor.page
    box(page).fill("calm sea")
    box(page).press("Control+a")
    box(page).press("Control+b")
    expect(box(page)).to_have_value("**calm sea**")
    page.keyboard.press("Control+i")
    expect(box(page)).to_have_value("***calm sea***")


def test_everything_works_without_javascript(reader, server, office, story):
    window = at_the_desk(reader(java_script_enabled=False), server, story)
    page = window.page
    window.compose("Plain HTML.", headline="No script")
    expect(rows(page)).to_have_count(1)
    expect(page.locator(".messagelist")).to_contain_text("Published")
    rows(page).first.get_by_role("link", name="Edit").click()
    page.locator("[name=body]").fill("Plain HTML, edited.")
    page.get_by_role("button", name="Save changes").click()
    expect(rows(page).first).to_contain_text("Plain HTML, edited.")
    rows(page).first.locator("details.menu > summary").click()
    rows(page).first.get_by_role("button", name="Withdraw").click()
    expect(page.locator("#timeline .fold")).to_contain_text("1 withdrawn")
    assert office.call(texts, story.pk) == [("Plain HTML, edited.", "withdrawn")]


def test_a_story_goes_live_and_closes_without_leaving_the_desk(reader, server, office):
    draft = office.call(builders.make_story, live=False)
    window = at_the_desk(reader(), server, draft)
    page = window.page
    box(page).fill("Being typed")
    page.get_by_role("button", name="Go live").click()
    expect(page.locator(".state-word")).to_have_text("Live")
    page.locator("#story-more > summary").click()
    page.get_by_text("Close…").click()
    page.get_by_role("button", name="Close story").click()
    expect(page.locator(".state-word")).to_have_text("Closed")
    expect(box(page)).to_have_value("Being typed")


def test_a_long_story_opens_fast_and_loads_older_rows(reader, server, office):
    long = office.call(many, 1500)
    window = at_the_desk(reader(), server, long)
    page = window.page
    page.reload()
    timing = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
    assert page.evaluate(timing) < 2000  # milliseconds; other tests run beside it
    expect(rows(page)).to_have_count(50)
    page.get_by_role("link", name="Older updates").click()
    expect(rows(page)).to_have_count(100)
    page.get_by_role("link", name="Older updates").click()
    expect(rows(page)).to_have_count(150)
    wait_for(lambda: page.locator("#older").count() == 1, "one link for more")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(reader, server, office, story, width: int, scheme: str):
    entry = office.call(post, story.pk, "Something to edit.")
    office.call(post, story.pk, "A draft.", "draft")
    window = reader(viewport={"width": width, "height": 900}, color_scheme=scheme)
    at_the_desk(window, server, story)
    page = window.page
    if width < 900:
        page.get_by_role("link", name="Timeline").click()
    page.locator(f"#row-{entry}-edit").click()
    expect(page.locator(f"#edit-{entry}")).to_be_visible()
    if width < 900:
        page.get_by_role("link", name="Write").click()
    window.compose("  ")
    expect(status(page)).to_contain_text("Not published. Fix")
    result = Axe().run(page)
    assert not result.response["violations"], result.generate_report()


def cross_post(home_id: int, story_id: int) -> int:
    """Cross-post a new update as a colleague does."""
    entry = verbs.post(Story.objects.get(pk=home_id), verbs.EntryText("Seen in both."))
    verbs.cross_post(entry, Story.objects.get(pk=story_id))
    return entry.pk


def test_a_removed_row_leaves_undo_in_its_place_with_focus(
    editor, server, office, story
):
    page, home = editor.page, office.call(builders.make_story)
    pk = office.call(cross_post, home.pk, story.pk)
    office.call(post, story.pk, "Below it.")
    # A window of the timeline that begins with the row.
    page.goto(f"{server.url}/admin/entries/story/{story.pk}/change/?from={pk}")
    row = page.locator(f"#row-{pk}")
    row.locator(".more > summary").press("Enter")
    row.get_by_role("button", name="Remove").press("Enter")
    undo = page.locator(".gone").get_by_role("button", name="Undo")
    expect(undo).to_be_focused()
    expect(row).to_have_count(0)
    undo.press("Enter")
    expect(row).to_be_focused()
    expect(page.locator(".gone")).to_have_count(0)


# GitHub's element gives the textarea this role, which ARIA in HTML does not list.
AXE = {
    "resultTypes": ["violations"],
    "rules": {"aria-allowed-role": {"enabled": False}},
}
PANELS = [
    "Cross-post…",
    "Links…",
    "Move to another story…",
    "Add a note…",
    "Make this a story of its own…",
]


def check_with_axe(page: Page, what: str, within: str | None = None) -> None:
    """Check the page, or only what has opened in a page that was checked before."""
    result = Axe().run(page, within, AXE)
    assert not result.response["violations"], f"{what}: {result.generate_report()}"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_axe_finds_nothing_in_menus_dialogs_and_panels(
    reader, server, office, width: int, scheme: str
):
    office.call(builders.make_story)
    story = office.call(many, len(PANELS) + 1)
    office.call(post, story.pk, "For review.", "submitted")
    window = reader(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = at_the_desk(window, server, story, "chief").page
    for menu in ("#story-more", ".switch", ".account"):
        page.locator(f"{menu} > summary").click()
        check_with_axe(page, menu, menu)
    page.keyboard.press("Escape")
    for tool, what, opened in (
        ("[data-find=see]", "picker", "#composer"),
        ("[data-shortcuts]", "shortcuts", "#shortcuts"),
    ):
        button = page.locator(f"#composer {tool}")
        if not button.is_visible():  # on a phone
            page.locator("#composer [data-more]").click()
        button.click()
        if what == "picker":
            expect(page.locator("#composer .found button").first).to_be_visible()
        check_with_axe(page, what, opened)
        page.keyboard.press("Escape")
    box(page).press_sequentially("/")
    expect(page.get_by_role("listbox")).to_be_visible()
    check_with_axe(page, "commands", "#composer")
    box(page).fill("")
    if width < 900:
        page.get_by_role("link", name="Timeline").click()
    for number, label in enumerate(PANELS):
        row = rows(page).nth(number)
        row.locator(".more > summary").click()
        row.get_by_text(label).click()
        expect(row.locator(".slot > *").first).to_be_visible()
    rows(page).last.locator(".more > summary").click()
    check_with_axe(page, "panels and menu of rows")
    queue = page.goto(f"{server.url}/admin/entries/entry/queue/")
    assert queue
    if width < 900:
        page.locator("#queue a").first.click()
    page.get_by_text("Send back…").click()
    check_with_axe(page, "review")
    page.goto(f"{server.url}/admin/moderate/")
    page.locator("#lately .row").first.get_by_text("Links…").click()
    page.locator("#context").get_by_text("More options").click()
    check_with_axe(page, "moderate")
    page.locator("#lately .row").first.get_by_text("Cross-post…").click()
    expect(page.locator("#context [id^=cross-]").first).to_be_visible()
    check_with_axe(page, "cross-post")
    page.goto(f"{server.url}/admin/?order=title")
    page.locator(".account > summary").click()
    check_with_axe(page, "board")


def test_a_new_story_and_a_summary_are_saved_while_typing(editor, server):
    page = editor.page
    add = f"{server.url}/admin/entries/story/add/"
    page.goto(add)
    page.get_by_label("Headline").fill("Ice on the sound")
    page.get_by_label("Original entry").fill("How it froze.")
    page.goto(add)
    page.get_by_label("Headline").press_sequentially("Another")  # makes no other worse
    page.goto(add)
    expect(page.locator(".kept p")).to_have_count(2)
    offered = page.locator(".kept p", has_text="Ice on the sound")
    offered.get_by_role("button", name="Restore").click()
    expect(page.get_by_label("Original entry")).to_have_value("How it froze.")
    page.get_by_role("button", name="Save as draft").click()
    page.locator("#summary-edit").click()
    page.locator("#summary-body").fill("Half a box.")
    page.reload()
    kept = page.locator("#summary .kept")
    kept.get_by_role("button", name="Restore").click()
    expect(page.locator("#summary-body")).to_have_value("Half a box.")
    page.locator("#summary-body").press("Control+Enter")
    expect(page.locator(".summary-now")).to_contain_text("Half a box.")
    expect(page.locator("#summary-edit")).to_be_focused()
    page.goto(add)
    expect(page.locator(".kept p")).to_have_count(1)
    expect(page.locator(".kept")).to_contain_text("Another")


def rename(story_id: int, headline: str) -> None:
    """Rename a story as a colleague does."""
    verbs.edit_story(Story.objects.get(pk=story_id), headline=headline)


def test_story_details_are_saved_while_typing_and_compared_with_newer_ones(
    editor, server, office, story
):
    page = editor.page
    details = f"{server.url}/admin/entries/story/{story.pk}/details/"
    offered = page.locator(".kept p")
    page.goto(details)
    page.get_by_label("Headline").fill("Ice on the sound")
    office.call(rename, story.pk, "Snow on the sound")
    page.goto(details)
    expect(page.get_by_label("Headline")).to_have_value("Snow on the sound")
    offered.get_by_role("button", name="Restore").click()
    expect(page.get_by_label("Headline")).to_have_value("Ice on the sound")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".conflict ins")).to_have_text("Ice")
    expect(offered).to_have_count(0)  # it stands in the form
    page.get_by_role("button", name="Save your version").click()
    expect(page.locator(".switch b")).to_have_text("Ice on the sound")
    office.call(rename, story.pk, "Thaw")
    page.goto(details)
    expect(page.get_by_label("Headline")).to_have_value("Thaw")
    expect(offered).to_have_count(0)  # what was saved is not offered again


def test_an_outdated_status_message_disappears(editor, office, story):
    page = editor.page
    at = datetime.now(UTC) + timedelta(days=1)
    page.fill("#composer [name=at]", f"{at:%H%M} {at.day} {at:%b}")
    box(page).fill("The tug will sail.")
    box(page).press("Control+Enter")
    expect(status(page)).to_contain_text("Scheduled for ")
    page.locator("[data-tab=waiting]").click()
    row = page.locator("#waiting .row")
    row.locator("details.menu > summary").click()
    row.get_by_role("button", name="Unschedule").click()
    expect(status(page)).to_be_empty()
    row.get_by_role("link", name="Edit").click()
    row.locator("[data-cancel]").click()
    expect(row.locator(".slot")).to_have_css("margin-block-start", "0px")


IN_WINDOW = """(selectors) => selectors.filter((selector) => {
  const box = document.querySelector(selector).getBoundingClientRect();
  return !box.height || box.top < 0 || box.bottom > innerHeight + 0.5;
})"""
SIZES = [(1280, 650), (1366, 650), (1440, 790), (390, 380)]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_main_button_and_the_newest_row_are_in_view(
    reader, server, office, story, size: tuple[int, int]
):
    office.call(post, story.pk, "The ferry has moored.")
    width, height = size
    window = reader(viewport={"width": width, "height": height})
    at_the_desk(window, server, story)
    page = window.page
    box(page).fill("A text of some length. " * 60)
    page.fill("#composer [name=headline]", "The ferry")
    box(page).press("Control+s")
    expect(status(page)).to_contain_text("Draft saved")
    newest = ".latest" if width < 900 else "#timeline > .row"
    expect(page.locator(newest)).to_contain_text("The ferry has moored.")
    wanted = ["#composer .primary", "#composer-status", newest]
    assert page.evaluate(IN_WINDOW, wanted) == []
    if width > 900:  # the tools fill one line, and nothing is cut off at the edge
        tools = page.locator("#composer .tools").bounding_box()
        search = page.locator("#find-q").bounding_box()
        assert tools
        assert search
        assert tools["height"] < 50
        assert search["x"] + search["width"] <= width - 10


def polls(window: Reader) -> int:
    """Return how often a page has polled."""
    asked = [one for one in window.requests if " request " in one]
    return sum("/desk/timeline/" in one for one in asked)


def streams(window: Reader) -> int:
    """Return how often a page has been let in to a stream."""
    answered = [one for one in window.requests if " response 200" in one]
    return sum("/desk/stream/" in one for one in answered)


def has_stream(window: Reader, before: int = 0) -> None:
    """Wait until a page has a stream, or one more than before."""
    turns = window.page.wait_for_timeout  # lets playwright hear of what happens
    wait_for(lambda: turns(50) or streams(window) > before, "a stream")


def test_a_colleagues_update_arrives_by_stream_or_by_polling(
    reader, server, office, story
):
    told, alone = reader(), reader()
    alone.context.route("**/desk/stream/**", lambda route: route.abort())
    for window in (told, alone):
        at_the_desk(window, server, story)
    has_stream(told)
    before = polls(told), polls(alone)
    for number in range(3):
        office.call(post, story.pk, f"Report {number}.")
        for window in (told, alone):
            first = rows(window.page).first
            expect(first).to_contain_text(f"Report {number}.")
            expect(first).to_have_attribute("data-arrived", re.compile("^20"))
    wait_for(
        lambda: alone.page.wait_for_timeout(50) or polls(alone) > before[1] + 3, "polls"
    )
    assert polls(told) - before[0] <= 5  # one for each, and two for who came


def test_a_page_returns_to_its_stream(reader, server, office, story):
    """After its line was cut, and after a deployment."""
    window, wire = reader(), office.wire(server)
    window.sign_in(server.url, "editor")
    window.desk(wire.url, story.pk)
    has_stream(window)
    for number, act in enumerate((wire.cut, server.restart)):
        had = streams(window)
        act()
        office.call(post, story.pk, f"Report {number}.")
        wire.heal()
        expect(rows(window.page).first).to_contain_text(f"Report {number}.")
        has_stream(window, had)


def test_an_update_above_the_view_moves_nothing_and_waits_behind_a_button(
    reader, office, server
):
    story = office.call(many, 40)
    editor = at_the_desk(reader(), server, story)
    page, button = editor.page, editor.page.locator("#timeline-new")
    read = page.locator(f"#{rows(page).nth(30).get_attribute('id')}")
    read.evaluate("(row) => row.scrollIntoView({block: 'center'})")
    at = read.bounding_box()
    for number in (1, 2):
        office.call(post, story.pk, f"Above {number}.")
        expect(button).to_have_text(f"{number} new")
    assert read.bounding_box()["y"] == pytest.approx(at["y"], abs=1)
    button.click()
    expect(rows(page).first).to_be_in_viewport()
    expect(rows(page).first).to_contain_text("Above 2.")
    expect(button).to_be_hidden()
    editor.publish("My own is not news to me.")
    expect(rows(page).first).to_contain_text("My own")
    assert rows(page).first.get_attribute("data-arrived") is None


def test_the_title_counts_updates_while_the_tab_is_in_the_background(
    editor, office, story
):
    page, title = editor.page, editor.page.title()
    has_stream(editor)
    editor.hide()
    for number in (1, 2):
        office.call(post, story.pk, f"Report {number}.")
        expect(page).to_have_title(f"({number}) {title}")
    editor.hide(False)
    expect(page).to_have_title(title)


def test_sound_is_off_by_default_and_the_choice_is_remembered(
    editor, server, office, story
):
    page, toggle = editor.page, editor.page.locator("#timeline-sound")
    count = """() => {
      window.played = 0;
      const start = OscillatorNode.prototype.start;
      OscillatorNode.prototype.start = function (...at) {
        window.played += 1;
        return start.apply(this, at);
      };
    }"""
    page.evaluate(count)
    expect(toggle).to_have_attribute("aria-pressed", "false")
    office.call(post, story.pk, "Unheard.")
    expect(rows(page).first).to_contain_text("Unheard.")
    assert page.evaluate("played") == 0
    toggle.click()  # it sounds once, so that one knows it
    wait_for(lambda: page.evaluate("played") == 1, "a sound")
    office.call(post, story.pk, "Heard.")
    expect(rows(page).first).to_contain_text("Heard.")
    wait_for(lambda: page.evaluate("played") == 2, "another sound")
    page.reload()
    expect(toggle).to_have_attribute("aria-pressed", "true")


def test_images_are_reordered_and_removed_by_keyboard(editor):
    page = editor.page
    box(page).fill("Before.")
    files = [{**picture(), "name": f"quay-{n}.png"} for n in (1, 2)]
    page.set_input_files("#composer-file", files)  # type: ignore[arg-type]
    cards = page.locator("#composer-pictures .picture")
    expect(cards).to_have_count(2)
    named = re.compile(r"image:(quay-\d)")
    assert named.findall(box(page).input_value()) == ["quay-1", "quay-2"]
    alt = cards.nth(1).locator("[name$=-alt]")
    alt.press("Alt+ArrowUp")
    assert named.findall(box(page).input_value()) == ["quay-2", "quay-1"]
    expect(cards.first).to_have_attribute("data-name", re.compile("quay-2"))
    expect(cards.first.locator("[name$=-alt]")).to_be_focused()
    box(page).press("Control+z")
    assert named.findall(box(page).input_value()) == ["quay-1", "quay-2"]
    cards.first.get_by_role("button", name="Remove").click()
    expect(cards).to_have_count(1)
    assert named.findall(box(page).input_value()) == ["quay-2"]
    assert box(page).input_value().startswith("Before.")
    cards.first.locator("summary").click()
    focal = cards.first.locator(".focal")
    focal.press("ArrowLeft")
    expect(cards.first.locator("[name$=-focal_x]")).to_have_value("45")


def test_text_typed_while_an_edit_is_being_saved_is_offered(editor, office, story):
    page = editor.page
    entry = office.call(post, story.pk, "Ten boats.")
    row = page.locator(f"#row-{entry}")
    row.get_by_role("link", name="Edit").click()
    area = row.locator("[name=body]")
    area.fill("Eleven boats.")

    def slowly(route: Route) -> None:
        answer = route.fetch()
        area.press_sequentially(" And a tug.")
        route.fulfill(response=answer)

    page.route(f"**/entries/{entry}/edit/", slowly, times=1)
    area.press("Control+Enter")
    offered = row.locator(".kept p")
    expect(offered).to_contain_text("Eleven boats. And a tug.")
    offered.get_by_role("button", name="Restore").click()
    expect(row.locator("[name=body]")).to_have_value("Eleven boats. And a tug.")
    assert office.call(texts, story.pk) == [("Eleven boats.", "published")]


def delete(entry_id: int) -> None:
    """Delete a draft as a colleague does."""
    verbs.delete_entry(Entry.objects.get(pk=entry_id))


def test_what_is_typed_for_a_draft_that_was_deleted_becomes_a_new_one(
    editor, office, story
):
    page = editor.page
    pk = office.call(post, story.pk, "Half a thought.", "draft")
    page.locator("[data-tab=waiting]").click()
    page.locator(f"#row-{pk}-edit").click()
    form = page.locator(f"#edit-{pk}")
    expect(form.locator("[name=body]")).to_be_focused()
    office.call(delete, pk)
    expect(page.locator(f"#edit-{pk}-status")).to_contain_text("no longer here")
    form.locator("[name=body]").fill("A whole thought.")
    page.keyboard.press("Control+Enter")
    panel = form.locator(".lost")
    expect(panel).to_contain_text("This draft was deleted.")
    expect(form.locator("[name=body]")).to_have_value("A whole thought.")
    panel.get_by_text("Save as a new draft").click()
    row = page.locator("#waiting > .row")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("A whole thought.")
    expect(row).to_be_focused()
    assert office.call(texts, story.pk) == [("A whole thought.", "draft")]
    page.reload()
    expect(row).to_contain_text("A whole thought.")
    expect(page.locator(".kept p")).to_have_count(0)


def withdraw(*entry_ids: int) -> None:
    """Withdraw entries as a colleague does."""
    for pk in entry_ids:
        verbs.withdraw(Entry.objects.get(pk=pk))


def restore(entry_id: int) -> None:
    """Restore an entry as a colleague does."""
    verbs.restore(Entry.objects.get(pk=entry_id))


def test_a_row_that_a_colleague_withdraws_goes_into_its_fold(
    reader, server, office, story
):
    pks = [row["pk"] for row in office.call(fill, story.pk, 12)]
    page = at_the_desk(reader(), server, story).page
    folds = page.locator("#timeline > .fold")
    expect(rows(page)).to_have_count(12)
    edited = page.locator(f"#row-{pks[5]}")
    edited.hover()
    page.locator(f"#row-{pks[5]}-edit").click()
    area = page.locator(f"#edit-{pks[5]} [name=body]")
    expect(area).to_be_focused()
    page.keyboard.type("More: ")
    place = area.bounding_box()
    office.call(withdraw, pks[9], pks[10])  # above the row that is being edited
    expect(folds).to_have_count(1)
    expect(folds.locator("> details > summary")).to_have_text("2 withdrawn · Show")
    office.call(withdraw, pks[8], pks[2])
    expect(folds).to_have_count(2)
    expect(folds.locator("> details > summary").first).to_have_text(
        "3 withdrawn · Show"
    )
    expect(folds.first.locator(".row").last).to_have_id(f"row-{pks[8]}")
    expect(area).to_be_focused()
    assert area.bounding_box() == place
    office.call(restore, pks[9])  # the fold around it is divided
    expect(folds).to_have_count(3)
    order = page.locator("#timeline .row").evaluate_all("all => all.map(r => r.id)")
    assert order == [f"row-{pk}" for pk in reversed(pks)]
    office.call(withdraw, pks[5])  # the one that is being edited stays
    expect(page.locator(f"#edit-{pks[5]}-status")).to_contain_text("withdrawn")
    expect(area).to_be_visible()
    page.keyboard.press("Escape")
    expect(edited).to_have_attribute("data-state", "withdrawn")


def fill(story_id: int, number: int) -> list[dict[str, int]]:
    """Add updates, and return their ids, oldest first."""
    story = Story.objects.get(pk=story_id)
    builders.bulk_updates(story, number)
    return list(story.entries.order_by("at").values("pk"))


def add_snippets() -> None:
    """Add snippets as a moderator does."""
    Snippet.objects.get_or_create(name="More soon", body="More soon.")
    Snippet.objects.get_or_create(name="Closing", body="The page rests.\n\nThank you.")


def test_a_snippet_is_inserted_at_the_caret_in_one_step(editor, office):
    office.call(add_snippets)
    page = editor.page
    box(page).fill("The ferry  Ends.")
    box(page).evaluate("area => area.setSelectionRange(10, 10)")
    page.locator("#composer [data-find=snippet]").click()
    page.locator("#composer .picker input").fill("soon")
    expect(page.locator("#composer .picker li")).to_have_count(1)
    page.locator("#composer .picker [data-snippet]").click()
    expect(box(page)).to_have_value("The ferry More soon. Ends.")
    expect(box(page)).to_be_focused()
    page.keyboard.press("Control+z")
    expect(box(page)).to_have_value("The ferry  Ends.")
    box(page).fill("")
    page.keyboard.type("/snip")
    expect(page.locator(".suggestions")).to_contain_text("Insert a snippet")
    expect(page.locator(".suggestions [aria-selected=true]")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("#composer .picker input")).to_be_focused()
    page.keyboard.type("thank")
    expect(page.locator("#composer .picker li")).to_contain_text(["Closing"])
    page.keyboard.press("Enter")
    expect(box(page)).to_have_value("The page rests.\n\nThank you.")
    box(page).fill("")
    page.keyboard.type("/so")
    expect(page.locator(".suggestions")).to_contain_text("More soon")
    page.keyboard.press("Enter")
    expect(box(page)).to_have_value("More soon.")
    page.keyboard.press("Control+z")
    expect(box(page)).to_have_value("/so")


def remind(story_id: int) -> None:
    """Make a story quiet for long enough to remind its editors."""
    Story.objects.filter(pk=story_id).update(reminded_at=datetime.now(UTC))


def test_a_phone_shows_all_tools_and_that_the_story_is_quiet(
    reader, server, office, story
):
    office.call(remind, story.pk)
    window = reader(viewport={"width": 390, "height": 700}, has_touch=True)
    page = at_the_desk(window, server, story).page
    expect(page.locator(".bar .state-note")).to_contain_text("No updates since")
    tools = page.locator("#composer .tools")
    listing = tools.locator(".tool")
    fits = "tools => tools.scrollWidth <= tools.clientWidth"
    for tool in listing.all():
        place = tool.bounding_box()
        assert place
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= 390
        assert min(place["width"], place["height"]) >= 43
    assert tools.evaluate(fits)
    box(page).fill("Two words")
    tools.get_by_text("List", exact=True).locator("..").tap()
    expect(box(page)).to_have_value("- Two words")
    page.set_viewport_size({"width": 390, "height": 380})
    for part in ("#composer [value=publish]", "#composer [name=body]", ".latest"):
        expect(page.locator(part)).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def ferries(story_id: int) -> list[int]:
    """Add a page of updates and more; return the ids of those about ferries."""
    story = Story.objects.get(pk=story_id)
    builders.bulk_updates(story, 70)
    texts = {"0001": "The ferry waits.", "0050": "The ferry sails.", "0055": "Ferry."}
    return [builders.make_update(story, body, at=at).pk for at, body in texts.items()]


def test_a_search_shows_what_is_found_while_it_is_typed(reader, server, office, story):
    old, middle, new = office.call(ferries, story.pk)
    page = at_the_desk(reader(), server, story).page
    scroller = page.locator("#timeline-pane > .scroll")
    expect(page.locator(f"#row-{middle}")).to_be_attached()
    before = scroller.evaluate(
        "pane => { pane.scrollTop = 700; return pane.scrollTop; }"
    )
    count = rows(page).count()
    box(page).click()
    page.locator("#find-q").click()
    page.keyboard.type("ferry")
    number = page.locator("#found-number[role=status]")
    expect(number).to_have_text("3 updates")
    shown = page.locator("#timeline > .row:visible")
    expect(shown).to_have_count(3)
    assert shown.evaluate_all("all => all.map(row => row.id)") == [
        f"row-{pk}" for pk in (new, middle, old)
    ]
    page.keyboard.type(" sails")
    expect(number).to_have_text("1 update")
    expect(shown).to_have_count(1)
    page.keyboard.press("ArrowDown")
    expect(page.locator(f"#row-{middle}")).to_be_focused()
    page.keyboard.press("k")  # the rows' own keys work
    expect(page.locator(f"#row-{middle} .label")).to_contain_text("Key event")
    expect(shown).to_have_count(1)
    office.call(post, story.pk, "Ferry news.")  # hidden, and there afterwards
    page.locator("#find-q").fill("zeppelin")
    expect(number).to_have_text("No updates match.")
    expect(shown).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator("#find-q")).to_have_value("")
    expect(box(page)).to_be_focused()
    expect(rows(page)).to_have_count(count + 1)
    expect(page.locator(f"#row-{old}")).to_have_count(0)
    top = page.locator("#timeline .row", has_text="Ferry news.").bounding_box()
    assert top
    now = scroller.evaluate("pane => pane.scrollTop")
    assert abs(now - before - top["height"]) < 30


TYPED = """(field, text) => {
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}"""


def test_a_click_is_not_lost_to_a_search_that_begins_meanwhile(
    reader, server, office, story
):
    office.call(ferries, story.pk)
    page = at_the_desk(reader(), server, story).page
    edit = page.locator("#timeline > .row").first.get_by_role("link", name="Edit")
    place = edit.bounding_box()
    assert place
    page.mouse.move(place["x"] + 5, place["y"] + 5)
    with page.expect_request("**/desk/search/**") as search:
        page.mouse.down()
        page.locator("#find-q").evaluate(TYPED, "ferry")
        page.wait_for_timeout(400)  # longer than the pause after which it is sent
        assert edit.bounding_box() == place
        page.mouse.up()
    assert search.value.response()
    expect(page.locator(".editing [name=body]")).to_be_visible()
    expect(page.locator("#timeline > .row:visible")).to_have_count(4)


def test_a_search_is_narrowed_by_its_filters_and_finds_drafts(
    reader, server, office, story
):
    office.call(ferries, story.pk)
    draft = office.call(post, story.pk, "A ferry draft.", "draft")
    page = at_the_desk(reader(), server, story).page
    page.locator("#find-q").fill("ferry")
    expect(page.locator("#found-number")).to_have_text("4 updates")
    expect(page.locator(f"#row-{draft}")).to_be_visible()
    page.locator("#find-state").select_option("draft")
    expect(page.locator("#found-number")).to_have_text("1 update")
    expect(page.locator("#find-state")).to_have_value("draft")
    expect(page.locator("#timeline > .row:visible")).to_have_count(0)
    page.locator("[data-clear-search]").click()
    expect(page.locator(f"#row-{draft}")).to_be_hidden()
    expect(page.locator("#timeline > .row:visible")).to_have_count(50)
    expect(page.locator("#find-q")).to_have_value("")


# ---- Right to left


def arabic_newsroom() -> tuple[int, int]:
    """Make an Arabic story with a draft, an editor who reads Arabic, and a series."""
    editor = builders.make_user("qalam", "Editors", "Moderators")
    verbs.set_desk_language(editor, "ar", by=verbs.Permissions.of(editor))
    story = builders.make_story("ضباب كثيف فوق ميناء سورافا", language="ar")
    entry = builders.make_update(story, "وصلت العبّارة Sea Wolf متأخرة 40 دقيقة.")
    builders.make_update(story, "مسودة للمراجعة.", state="submitted")
    series = builders.make_series("Yawmiyyat")
    series.language = "fa"
    verbs.save_series(series)
    return story.pk, entry.pk


def test_no_page_of_a_right_to_left_desk_is_wider_than_a_phone(reader, server, office):
    story, entry = office.call(arabic_newsroom)
    window = reader(viewport={"width": 390, "height": 700})
    window.sign_in(server.url, "qalam")
    page, desk = window.page, f"/admin/entries/story/{story}/"
    paths = ["/admin/", "/admin/account/", "/admin/moderate/", "/admin/lists/"]
    paths += ["/admin/entries/story/add/", "/admin/entries/entry/queue/"]
    paths += ["/admin/entries/story/", "/admin/entries/entry/", "/admin/entries/image/"]
    paths += [f"{desk}{end}/" for end in ("change", "details", "history", "links")]
    paths += [f"{desk}desk/entries/{entry}/{end}/" for end in ("edit", "history")]
    wide = {}
    for path in paths:
        page.goto(server.url + path)
        expect(page.locator("html")).to_have_attribute("dir", "rtl")
        beyond = page.evaluate(
            "(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)"
            "(document.documentElement)"
        )
        if beyond > 0:
            wide[path] = beyond
    assert wide == {}
    # The page begins at the right: its name is there, and the account at the left.
    page.goto(f"{server.url}/admin/")
    home = page.locator(".bar .home").bounding_box()
    account = page.locator(".bar .account").bounding_box()
    assert home["x"] > account["x"]


def test_a_new_story_follows_the_language_of_its_series(reader, server, office):
    if not office.call(_series_language):
        office.call(arabic_newsroom)
    window = reader()
    window.sign_in(server.url, "editor")
    page = window.page
    page.goto(f"{server.url}/admin/entries/story/add/")
    language, headline = page.locator("[name=language]"), page.locator("#id_headline")
    expect(language).to_have_value("en")
    page.locator("[name=series]").select_option(label="Yawmiyyat")
    expect(language).to_have_value("fa")
    expect(headline).to_have_attribute("lang", "fa")
    expect(headline).to_have_attribute("dir", "rtl")
    page.locator("[name=language]").select_option("de")
    page.locator("[name=series]").select_option(index=0)
    expect(language).to_have_value("de")  # chosen by hand
    expect(headline).to_have_attribute("dir", "ltr")
    page.locator("[name=language-other]").fill("ar-EG")
    expect(headline).to_have_attribute("lang", "ar-EG")


def _series_language() -> str:
    found = Series.objects.filter(name="Yawmiyyat").first()
    return found.language if found else ""
