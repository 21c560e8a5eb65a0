"""Writing at the desk in a real browser: paste, uploads, keys, and what is said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from entries.models import Entry, Story
from entries.text import rendering
from tests import builders, clipboards
from tests.browser import Reader
from tests.clipboards import Clipboard
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


def test_inserting_images_is_one_undo_step_and_keeps_the_selection(page):
    box(page).fill("Calm sea tonight")
    box(page).evaluate("(area) => area.setSelectionRange(0, 8)")
    choose(page, picture(), {**picture("navy"), "name": "Zweiter Kai.png"})
    lines = (
        rf"^Calm sea\n\n{LINE.pattern}\n\n!\[\]\(image:zweiter-kai-\w+\)\n\n tonight"
    )
    expect(box(page)).to_have_value(re.compile(lines))
    expect(cards(page)).to_have_count(2)
    page.keyboard.press("Control+z")
    expect(box(page)).to_have_value("Calm sea tonight")
    page.keyboard.press("Control+Shift+z")
    expect(box(page)).to_have_value(re.compile(lines))
    cards(page).first.get_by_role("button", name="Remove").click()
    expect(cards(page)).to_have_count(1)
    box(page).press("Control+z")
    expect(box(page)).to_have_value(re.compile(lines))
    expect(cards(page)).to_have_count(2)


def test_an_upload_does_not_disturb_an_ime_composition(page):
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


def test_publishing_waits_for_uploads_and_can_be_cancelled(page, office, story):
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
    text = box(page).input_value()
    held[1].continue_()
    # Alt text is missing still: it says so, and nothing has been sent.
    expect(cards(page).nth(1).locator(".error").first).to_be_visible()
    cards(page).nth(1).locator("[name$=-alt]").fill("Blue")
    box(page).press("Control+Enter")
    expect(box(page)).to_have_value("")
    assert office.call(texts, story.pk) == [(text, "published")]


def test_a_text_changed_while_publishing_waits_is_not_sent(page, office, story):
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


def test_saving_a_draft_does_not_wait_for_uploads(page, office, story):
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


def test_leaving_an_edit_during_an_upload_keeps_the_image_and_raises_no_error(
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
    expect(status(page)).to_contain_text("Retry the files that failed")
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


def drop(
    target: Locator, name: str, type_: str, at: tuple[int, int] = (20, 12)
) -> bool:
    """Drop a file as a page of the browser sees it; say whether the page took it."""
    element = target.element_handle()
    return target.page.evaluate(DROP, [element, pixels("tan"), name, type_, list(at)])


def pixels(colour: str) -> str:
    return picture(colour)["buffer"].hex()  # type: ignore[attr-defined]


def test_a_dropped_image_is_inserted_where_it_was_dropped(page):
    box(page).fill("First.\n\nLast.")
    assert drop(box(page), "harbour.png", "image/png", at=(300, 14))
    expect(box(page)).to_have_value(
        re.compile(rf"^First\.\n\n{LINE.pattern}\n\nLast\.$")
    )
    # Beside the form the browser would leave the page for the file.
    assert drop(page.locator("#timeline-pane"), "harbour.png", "image/png")
    two = rf"^First\.\n\n{LINE.pattern}\n\n{LINE.pattern}\n\nLast\.$"
    expect(box(page)).to_have_value(re.compile(two))


def test_other_files_are_rejected_by_name_and_heic_is_uploaded(page):
    assert drop(box(page), "notes.pdf", "application/pdf")
    expect(status(page)).to_contain_text("notes.pdf: This file can’t be used")
    expect(box(page)).to_have_value("")
    held = hold(page)
    assert drop(box(page), "IMG_0815.HEIC", "")  # many systems know no type for it
    expect(box(page)).to_have_value(re.compile(r"^!\[\]\(image:img_0815-\w{6}\)\n\n$"))
    wait_until_held(page, held)
    held[0].fulfill(status=413, body="<h1>Too large</h1>")
    expect(status(page)).to_contain_text("too large")


# Paste

PASTE = """(target, [html, plain, picture]) => {
  const clipboardData = new DataTransfer();
  if (html) clipboardData.setData("text/html", html);
  if (plain) clipboardData.setData("text/plain", plain);
  if (picture) {
    const pairs = picture.match(/../g);
    const bytes = new Uint8Array(pairs.map((pair) => parseInt(pair, 16)));
    clipboardData.items.add(new File([bytes], "image.png", { type: "image/png" }));
  }
  const options = { clipboardData, bubbles: true, cancelable: true };
  const own = target.dispatchEvent(new ClipboardEvent("paste", options));
  // What the browser does where nobody stops it.
  if (own && plain) document.execCommand("insertText", false, plain);
}"""


def paste(page: Page, clipboard: Clipboard, over: str = "") -> str:
    """Paste into the composer, and return its text."""
    box(page).fill(over)
    box(page).press("Control+a")
    data = pixels("plum") if clipboard.picture else ""
    box(page).evaluate(PASTE, [clipboard.html, clipboard.plain, data])
    return box(page).input_value()


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c"])
def test_pasted_signs_that_break_lines_become_line_breaks(page, sign: str):
    plain = f"One{sign}two{sign}{sign}three"
    assert paste(page, Clipboard(plain=plain)) == "One\ntwo\n\nthree"
    html = f"<p><b>One</b>{sign}two</p>"
    # In HTML, a form feed is white space.
    expected = "**One** two" if sign == "\x0c" else "**One**\ntwo"
    assert paste(page, Clipboard(html, f"One{sign}two")) == expected


def rendered(text: str) -> str:
    """Return a text as HTML, without white space beside the tags of blocks."""
    html = rendering.render(text)
    return re.sub(r"\s*(</?(?:p|ul|ol|li|table|tr|td|th)\b[^>]*>)\s*", r"\1", html)


def test_pasted_html_becomes_our_markdown(page):
    expected = {
        clipboards.WORD: "**The ferry** “Skua” is in, says [the harbour office]"
        "(https://news.example/ferry?id=1&gtin=5). *Slowly*.\n\n- Cars first\n"
        "    - then lorries\n- People last\n\n\\* Not her real name. # 5 > 4",
        clipboards.WORD_NUMBERS: "1. Leave\n2. Arrive",
        clipboards.EXCEL: "| Boat | Cars | Notes |\n| --- | --- | --- |\n"
        "| Skua | 1,204 | 5*3 \\| late |\n| Tern | 88 |  |",
        clipboards.DOCS: "Calm, **then rough**. See [*the chart*]"
        "(https://sea.example/a_(b))\n\n1. One\n2. Two\n    - inside\n\n## Later",
        clipboards.PAGES: "Two boats, **no** wind\n\nAnd a second paragraph",
        clipboards.LIBREOFFICE: "The **mast** is ~~up~~ down.\n\n- rope\n- sail",
        clipboards.BROWSER: "He said: [“no”](https://a.example/); foobar stays.\n\n"
        "> Not *one* word.\n>\n> Never.\n\nPress",
        clipboards.EDITOR: "**bold** and [a](https://b.example)",
    }
    for clipboard, markdown in expected.items():
        assert paste(page, clipboard) == markdown
    expect(tray(page)).to_have_count(0)
    expect(cards(page)).to_have_count(0)
    page.keyboard.press("Control+z")
    expect(box(page)).to_have_value("")


def test_pasted_text_renders_like_its_source(page):
    html = rendered(paste(page, clipboards.WORD))
    assert "<strong>The ferry</strong> “Skua” is in, says <a" in html
    assert "<li>Cars first<ul><li>then lorries</li></ul></li>" in html
    assert "<p>* Not her real name. # 5 &gt; 4</p>" in html
    assert "<td>5*3 | late</td>" in rendered(paste(page, clipboards.EXCEL))
    assert "<li>Two<ul><li>inside</li>" in rendered(paste(page, clipboards.DOCS))
    odd = r"*a* _b_ ~~c~~ `d` [e](f) C:\\new \\*g 2 * 3 5*3*2 x_y_z > 1 #6 ![](image:h)"
    html = f"<p><b>x</b></p><p>{odd}</p><p>- one</p><p># two</p><p>---</p><p>| - |</p>"
    pasted = rendered(paste(page, Clipboard(html, "x")))
    assert odd.replace(">", "&gt;") in pasted
    for text in ("- one", "# two", "---", "| - |"):
        assert f"<p>{text}</p>" in pasted


def test_an_image_is_pasted_only_without_text(page):
    alone = ("COPIED_PICTURE", "WORDS_PICTURE", "SCREENSHOT", "FILE_OF_FINDER")
    for name in alone:
        text = paste(page, getattr(clipboards, name))
        assert re.fullmatch(r"!\[\]\(image:picture-\w{6}\)\n\n", text), name


def test_pasting_a_url_over_a_selection_links_it_unless_pasted_as_plain_text(page):
    address = Clipboard(plain="https://a.example/x?id=1&gtin=5")
    linked = "[The ferry](https://a.example/x?id=1&gtin=5)"
    assert paste(page, address, over="The ferry") == linked
    page.keyboard.press("Control+z")
    expect(box(page)).to_have_value("The ferry")
    assert paste(page, address) == address.plain
    box(page).fill("")
    keys = {"key": "V", "ctrlKey": True, "shiftKey": True}
    box(page).dispatch_event("keydown", keys)
    box(page).evaluate(PASTE, [*clipboards.DOCS[:2], ""])
    expect(box(page)).to_have_value(clipboards.DOCS.plain)


# Sessions and other pages in between


def test_after_an_expired_session_the_text_is_sent_once_signed_in(
    page, window, server, office, story
):
    window.context.clear_cookies(name="liveblog_session")
    box(page).fill("Typed for an hour.")
    box(page).press("Control+Enter")
    link = status(page).get_by_role("link", name="Sign in")
    with page.expect_popup() as opened:
        link.click()
    assert office.call(texts, story.pk) == []
    other = opened.value
    other.fill("[name=username]", "editor")
    other.fill("[name=password]", PASSWORD)
    other.click("[type=submit]")
    other.wait_for_url(lambda url: "/login/" not in url)
    other.close()
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(rows(page)).to_have_count(1)
    expect(box(page)).to_have_value("")
    assert office.call(texts, story.pk) == [("Typed for an hour.", "published")]


def test_a_text_is_not_sent_under_the_name_of_somebody_else(
    page, window, server, office, story
):
    box(page).fill("Mine.")
    window.context.clear_cookies()
    other = window.new_page()
    for name in ("editor2", "editor"):
        other.goto(f"{server.url}/admin/login/")
        other.fill("[name=username]", name)
        other.fill("[name=password]", PASSWORD)
        other.click("[type=submit]")
        other.wait_for_url(lambda url: "/login/" not in url)
        box(page).press("Control+Enter")
        if name == "editor2":
            expect(status(page)).to_contain_text("signed in as editor2 now")
            window.context.clear_cookies()
    other.close()
    expect(box(page)).to_have_value("")
    assert office.call(texts, story.pk) == [("Mine.", "published")]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (200, "Another page answered instead of the desk"),
        (403, "You’re signed out"),
        (413, "it’s too large"),
        (502, "The server answered 502. Retrying"),
    ],
)
def test_foreign_responses_are_reported_and_the_text_is_kept(
    page, code: int, words: str
):
    html = {"status": code, "content_type": "text/html", "body": "<h1>Hotel</h1>"}
    page.route("**/change/", lambda route: route.fulfill(**html))
    box(page).fill("Safe.")
    box(page).press("Control+Enter")
    expect(status(page)).to_contain_text(words)
    expect(page.locator("h1", has_text="Hotel")).to_have_count(0)
    expect(box(page)).to_have_value("Safe.")


# Keys


def test_enter_continues_and_ends_a_list(page):
    box(page).click()
    for line in ("- one", "two", ""):
        page.keyboard.type(line)
        page.keyboard.press("Enter")
    for line in ("1. first", "second", ""):
        page.keyboard.type(line)
        page.keyboard.press("Enter")
    page.keyboard.type("12. The last")
    page.keyboard.press("Enter")
    page.keyboard.type("End")
    expected = "- one\n- two\n1. first\n2. second\n12. The last\nEnd"
    expect(box(page)).to_have_value(expected)


def test_commands_emoji_and_stories_are_offered_under_the_caret(page, office):
    office.call(builders.make_story, "The inquiry opens")
    options = page.get_by_role("listbox").get_by_role("option")
    box(page).click()
    page.keyboard.type("/k")
    expect(options).to_have_text(["/key Mark as a key event"])
    expect(box(page)).to_have_attribute("aria-activedescendant", re.compile("."))
    page.keyboard.press("Enter")
    expect(page.locator("#composer-key_event")).to_be_checked()
    expect(box(page)).to_have_value("")
    page.keyboard.type("/at 2359 tomorrow")
    page.keyboard.press("Enter")
    expect(page.locator("#composer-at")).to_have_value("2359 tomorrow")
    page.keyboard.type("A ship :anch")
    expect(options.first).to_contain_text("anchor")
    page.keyboard.press("Enter")
    expect(box(page)).to_have_value(re.compile("^A ship ⚓.?$"))
    page.keyboard.type(" and/or :nothingatall")
    expect(options).to_have_count(0)
    page.keyboard.press("Enter")
    page.keyboard.type("@the inq")
    expect(options).to_have_text(["The inquiry opens"])
    page.keyboard.press("Escape")
    expect(options).to_have_count(0)
    page.keyboard.type("u")
    expect(options).to_have_count(0)
    page.keyboard.press("Backspace")
    for _ in "@the inq":
        page.keyboard.press("Backspace")
    page.keyboard.type("@inq")
    options.first.click()
    expect(box(page)).to_have_value(re.compile(r"\n\nSee The inquiry opens\n\n$"))
    expect(box(page)).to_be_focused()


def test_single_letters_act_only_on_a_focused_row_and_can_be_turned_off(
    page, office, story
):
    entry = office.call(post, story.pk, "Mark me.")
    row = page.locator(f"#row-{entry}")
    expect(row).to_be_visible()
    box(page).click()
    page.keyboard.type("pek")
    expect(box(page)).to_have_value("pek")
    row.focus()
    page.keyboard.press("p")
    expect(page.locator(f"#row-{entry}-pin")).to_have_attribute("aria-pressed", "true")
    row.focus()
    page.keyboard.press("Shift+?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    dialog.get_by_label("Use single letters").uncheck()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(row).to_be_focused()
    page.keyboard.press("e")
    page.keyboard.press("Control+/")
    dialog.get_by_label("Use single letters").check()
    page.keyboard.press("Escape")
    expect(page.locator(f"#edit-{entry}")).to_have_count(0)
    row.focus()
    page.keyboard.press("e")
    expect(page.locator(f"#edit-{entry} [name=body]")).to_be_focused()


PRESS = """(target, [key, code, more]) => {
  const options = { key, code, bubbles: true, cancelable: true, ...more };
  return !target.dispatchEvent(new KeyboardEvent("keydown", options));
}"""


@pytest.mark.parametrize(
    ("key", "code", "pressed"),
    [
        ("з", "KeyP", "p"),
        ("З", "KeyP", "p"),
        ("π", "KeyP", "p"),
        ("ح", "KeyP", "p"),
        ("פ", "KeyP", "p"),
        ("ㅔ", "KeyP", "p"),
        ("لا", "KeyB", "b"),
        ("ظ", "Slash", "/"),
        ("؟", "Slash", "?"),
        # What a key types counts, not its place, if it is a Latin letter or a sign.
        ("p", "KeyR", "p"),
        ("a", "KeyQ", "a"),
        ("/", "KeyQ", "/"),
        ("é", "Digit2", "é"),
        ("ö", "Semicolon", "ö"),
        ("ｐ", "KeyP", "p"),
        ("ı", "KeyI", "i"),
        ("ArrowUp", "ArrowUp", "arrowup"),
        ("Enter", "NumpadEnter", "enter"),
        ("ж", "Semicolon", "ж"),
        ("п", "", "п"),
    ],
)
def test_a_shortcut_is_told_by_its_letter_or_by_its_place(page, key, code, pressed):
    shift = key == "؟"
    event = {"key": key, "code": code, "shiftKey": shift}
    assert page.evaluate("event => window.keyPressed(event)", event) == pressed


def test_shortcuts_work_on_layouts_without_latin_letters(page, office, story):
    entry = office.call(post, story.pk, "Mark me.")
    row = page.locator(f"#row-{entry}")
    expect(row).to_be_visible()
    pin = page.locator(f"#row-{entry}-pin")
    for key, state in (("з", "true"), ("π", "false"), ("ح", "true")):
        assert row.evaluate(PRESS, [key, "KeyP", {}])
        expect(pin).to_have_attribute("aria-pressed", state)
    assert not row.evaluate(PRESS, ["r", "KeyP", {}])
    assert row.evaluate(PRESS, ["؟", "Slash", {"shiftKey": True}])
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    for key, code, text in (
        ("и", "KeyB", "**a**"),
        ("ι", "KeyI", "*a*"),
        ("ن", "KeyK", "[a](https://)"),
    ):
        box(page).fill("a")
        box(page).press("Control+a")
        assert box(page).evaluate(PRESS, [key, code, {"ctrlKey": True}])
        expect(box(page)).to_have_value(text)
    assert row.evaluate(PRESS, ["у", "KeyE", {}])
    expect(page.locator(f"#edit-{entry} [name=body]")).to_be_focused()


# Panels


@pytest.mark.parametrize("height", [650, 380])
def test_panels_open_in_view_with_focus_and_escape_returns_it(
    page, window, server, office, story, height: int
):
    for number in range(6):
        office.call(post, story.pk, f"Waiting {number}.", "submitted")
    page.set_viewport_size({"width": 390 if height == 380 else 1280, "height": height})
    page.goto(f"{server.url}/admin/entries/entry/queue/")
    summary = page.locator("summary", has_text="Send back").last
    if height == 380:  # one pane at a time: the list first
        page.locator(".queue .scroll a").first.click()
    summary.click()
    field = page.locator("details[open] [name=line]")
    expect(field).to_be_focused()
    for place in (field, page.locator("details[open] [value=send_back]")):
        expect(place).to_be_in_viewport(ratio=1)
    page.keyboard.press("Escape")
    expect(field).to_have_count(0)
    expect(summary).to_be_focused()
    page.set_viewport_size({"width": 1280, "height": 720})
