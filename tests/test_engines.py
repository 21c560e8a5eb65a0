"""The promise in Chromium, Firefox and WebKit.

The rest of the suite runs in Chromium alone; `tests/engines.py` drives all three. With
`--postgres` these tests run on PostgreSQL instead of SQLite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import count
from pathlib import Path
from random import Random

import pytest
from pypdf import PdfReader

from tests import actions, random_actions, seeds
from tests.engines import NAMES, Engine, Window, engine
from tests.servers import PASSWORD, Newsroom, Newsrooms, Server, Wire, wait_for

# Where the updates on screen are, and how tall.
TOPS = """() => Object.fromEntries(
  [...document.querySelectorAll("#story article.entry:not([hidden])")]
    .map((e) => [e.id, e.getBoundingClientRect()])
    .filter(([, box]) => box.top >= 60 && box.top < innerHeight)
    .map(([id, box]) => [id, box.top]))"""
TOP_OF = "(selector) => document.querySelector(selector).getBoundingClientRect().top"
SOON = 5.0  # seconds until a page is live; far less than Firefox's lock of its cache
CHECK = 30  # random actions between two comparisons
Opens = Callable[..., Window]
_numbers = count(1)


@pytest.fixture(scope="module")
def room(request: pytest.FixtureRequest, newsrooms: Newsrooms) -> Iterator[Newsroom]:
    kind = "postgres" if request.config.getoption("--postgres") else "sqlite"
    with newsrooms.open(kind) as newsroom:
        newsroom.server()
        yield newsroom


@pytest.fixture(scope="module")
def server(room: Newsroom) -> Server:
    return room.servers[0]


@pytest.fixture(scope="module", params=NAMES)
def browser(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    with engine(request.param, folder) as started:
        yield started


@pytest.fixture
def slug(room: Newsroom) -> str:
    """Create a live story of twelve updates."""
    name = f"ice-on-the-sound-{next(_numbers)}"
    room.call(actions.make_story, "Ice on the Sound", name, updates=12)
    return name


@pytest.fixture
def opens(browser: Engine, server: Server) -> Iterator[Opens]:
    """Return a function that opens a live story, or another address, in a window.

    The test fails if a page violates the content security policy or throws an error.
    """
    windows: list[Window] = []

    def open_window(
        slug: str = "", *, site: Server | Wire = server, **size: int
    ) -> Window:
        window = browser.window(**size)
        windows.append(window)
        if slug:
            window.open(f"{site.url}/stories/{slug}/")
            says(window, "Live")
        return window

    yield open_window
    problems = [problem for window in windows for problem in window.errors()]
    # WebKit reports as an error that a change of size is told in the next frame.
    problems = [one for one in problems if "ResizeObserver loop" not in one]
    for window in windows:
        window.close()
    serious = ("Content Security Policy", "Content-Security-Policy", "threw")
    assert not [problem for problem in problems if problem.startswith(serious)]


def says(window: Window, word: str, seconds: float = 20) -> None:
    """Wait until the status line shows a word."""
    window.sees(word, "#live .state", seconds)


def stays(before: dict[str, float], after: dict[str, float]) -> bool:
    """Return whether what was on screen is where it was."""
    assert before
    return before.keys() <= after.keys() and all(
        abs(after[name] - before[name]) <= 1 for name in before
    )


def test_an_update_appears_at_the_top(opens: Opens, room: Newsroom, slug: str) -> None:
    window = opens(slug)
    pk = room.call(actions.post, slug, "The pilot boat is out.")
    window.sees("The pilot boat is out.", "#updates", SOON)
    assert window.entries()[0] == pk
    assert not window.text("button.arrivals")
    window.is_like_fresh()


def test_many_updates_arrive_once_and_in_order(
    opens: Opens, room: Newsroom, slug: str
) -> None:
    window = opens(slug)
    before = window.entries()
    made = room.call(actions.post_many, slug, "Floe", 20)
    wait_for(lambda: len(window.entries()) >= 32, "twenty more updates")
    assert window.entries() == [*reversed(made), *before]
    window.is_like_fresh()


def test_updates_wait_behind_a_button_while_the_reader_is_further_down(
    opens: Opens, room: Newsroom, slug: str
) -> None:
    window = opens(slug)
    window.scroll(900)
    before = window.evaluate(TOPS)
    room.call(actions.post, slug, "A first floe.")
    second = room.call(actions.post, slug, "A second floe.")
    window.sees("2 new updates", "button.arrivals")
    assert stays(before, window.evaluate(TOPS))
    window.misses("A second floe.", "#updates")
    window.click("button.arrivals")
    window.sees("A second floe.", "#updates")
    assert window.evaluate("() => document.activeElement.id") == f"entry-{second}"
    assert -1 <= window.evaluate(TOP_OF, f"#entry-{second}") < 800
    window.is_like_fresh()


def test_nothing_on_screen_moves_when_entries_above_it_change(
    opens: Opens, room: Newsroom, slug: str
) -> None:
    window = opens(slug)
    top, second, third, *_ = window.entries()
    window.scroll(
        window.evaluate("() => document.body.scrollHeight - innerHeight") - 300
    )
    before = window.evaluate(TOPS)
    room.call(actions.edit, top, "A much longer report. " * 150)
    window.sees("A much longer report.", "#updates")
    room.call(actions.withdraw, second)
    wait_for(lambda: second not in window.entries(), "the update to go")
    room.call(actions.mark, third, slug, pinned=True)
    window.sees("Report 9", "#pinned")
    room.call(actions.edit_story, slug, standfirst="What the ice does. " * 20)
    window.sees("What the ice does.")
    assert stays(before, window.evaluate(TOPS))
    window.is_like_fresh()


def test_a_list_taller_than_the_window_keeps_still(
    opens: Opens, room: Newsroom, slug: str
) -> None:
    lines = "\n".join(f"* Berth {n}: " + "open water. " * 9 for n in range(40))
    pk = room.call(actions.post, slug, lines)
    window = opens(slug, width=390, height=600)
    line = f"#entry-{pk} li:nth-child(20)"
    window.scroll(
        window.evaluate(TOP_OF, line) + window.evaluate("() => scrollY") - 300
    )
    before = window.evaluate(TOP_OF, line)
    room.call(actions.edit_story, slug, standfirst="What the ice does. " * 20)
    window.sees("What the ice does.")
    assert abs(window.evaluate(TOP_OF, line) - before) <= 1
    top = lines.replace("Berth 0:", "Berth 0, at the mole, and " + "so on. " * 50)
    room.call(actions.edit, pk, top)
    window.sees("at the mole", "#updates")
    assert abs(window.evaluate(TOP_OF, line) - before) <= 1


def test_nothing_moves_when_feature_follows_another_entry(
    opens: Opens, room: Newsroom, slug: str
) -> None:
    """On a phone it follows the third entry that is shown."""
    room.call(actions.feature, slug, "Ice charts")
    window = opens(slug, width=390, height=600)
    _, second, _, fourth, *_ = window.entries()
    entry = f"#entry-{fourth}"
    assert window.evaluate(TOP_OF, ".feature") < window.evaluate(TOP_OF, entry)
    window.scroll(window.evaluate(TOP_OF, entry))
    before = window.evaluate(TOP_OF, entry)
    room.call(actions.withdraw, second)
    wait_for(lambda: second not in window.entries(), "the update to go")
    assert window.evaluate(TOP_OF, ".feature") > window.evaluate(TOP_OF, entry)
    assert abs(window.evaluate(TOP_OF, entry) - before) <= 1
    window.evaluate("() => { document.querySelector('#story').dataset.former = ''; }")
    room.call(actions.new_epoch, f"restored{next(_numbers)}")
    former = "() => document.querySelectorAll('#story[data-former]').length"
    wait_for(lambda: not window.evaluate(former), "the page to be replaced")
    assert abs(window.evaluate(TOP_OF, entry) - before) <= 1


def test_edits_marks_and_times_reach_the_page(
    opens: Opens, room: Newsroom, slug: str
) -> None:
    window = opens(slug)
    first, second, third, *_ = window.entries()
    room.call(actions.edit, first, "Rewritten.", "It said something else before.")
    window.sees("It said something else before.")
    room.call(actions.mark, second, slug, key_event=True)
    window.sees("Report 10", "#key-events")
    room.call(actions.retime, third, 2)
    wait_for(lambda: window.entries()[0] == third, "the retimed update on top")
    room.call(actions.withdraw, first)
    wait_for(lambda: first not in window.entries(), "the update to go")
    room.call(actions.restore, first)
    window.sees("Rewritten.")
    room.call(actions.edit_story, slug, headline="Ice, and more of it")
    window.sees("Ice, and more of it", "h1")
    window.is_like_fresh()


def test_a_backdated_update_is_announced_and_found(
    opens: Opens, room: Newsroom, slug: str
) -> None:
    window = opens(slug)
    pk = room.call(actions.post, slug, "Seen only now.", minutes_ago=10)
    window.sees("1 earlier update added", "a.earlier")
    window.click("a.earlier")
    assert window.evaluate("() => document.activeElement.id") == f"entry-{pk}"
    window.is_like_fresh()


def test_a_lost_network_is_shown_and_the_page_catches_up(
    opens: Opens, room: Newsroom, server: Server, slug: str
) -> None:
    wire = room.wire(server)
    window = opens(slug, site=wire)
    wire.cut()
    says(window, "Reconnecting…")
    edited, gone, *_ = window.entries()
    room.call(actions.post, slug, "Meanwhile, on the quay.")
    room.call(actions.edit, edited, "Meanwhile rewritten.")
    room.call(actions.withdraw, gone)
    wire.heal()
    window.sees("Meanwhile, on the quay.", "#updates", 30)
    says(window, "Live")
    window.is_like_fresh(server.url)


def test_a_page_follows_a_server_that_restarts(
    opens: Opens, room: Newsroom, server: Server, slug: str
) -> None:
    window = opens(slug)
    server.restart()
    room.call(actions.post, slug, "After the restart.")
    window.sees("After the restart.", "#updates", 30)
    window.is_like_fresh()


def test_a_paused_page_changes_nothing_until_it_is_resumed(
    opens: Opens, room: Newsroom, server: Server, slug: str
) -> None:
    window = opens(slug)
    window.click(".pause")
    says(window, "Paused")
    room.call(actions.edit, window.entries()[0], "Changed behind the pause.")
    with room.sse(server, slug, after="x-1") as other:  # the change is out
        other.wait_named("reset")
    assert "Changed behind the pause." not in window.text("#updates")
    window.click(".pause")
    window.sees("Changed behind the pause.", "#updates")
    says(window, "Live")


def test_a_hidden_tab_catches_up(opens: Opens, room: Newsroom, slug: str) -> None:
    window = opens(slug)
    window.hide()
    room.call(actions.post, slug, "While nobody looked.")
    window.hide(False)
    window.sees("1 new update")
    says(window, "Live")
    window.is_like_fresh()


def test_back_returns_to_the_place_and_is_live(
    opens: Opens, room: Newsroom, server: Server, slug: str
) -> None:
    window = opens(slug)
    window.scroll(1200)
    before = window.evaluate(TOPS)
    window.open(f"{server.url}/")
    room.call(actions.post, slug, "While the reader was away.")
    window.back()
    wait_for(lambda: slug in window.url(), "the page to return")
    says(window, "Live", SOON)
    wait_for(lambda: stays(before, window.evaluate(TOPS)), "the place", SOON)
    window.is_like_fresh()


def test_a_reload_keeps_the_place_and_the_console_clean(
    opens: Opens, room: Newsroom, slug: str
) -> None:
    window = opens(slug)
    window.scroll(1200)
    before = window.evaluate(TOPS)
    window.reload()
    says(window, "Live", SOON)
    wait_for(lambda: stays(before, window.evaluate(TOPS)), "the place", SOON)
    assert window.errors() == []


def test_a_second_window_of_the_story_is_live_at_once(
    opens: Opens, room: Newsroom, slug: str
) -> None:
    first = opens(slug)
    second = opens()
    second.open(first.url())
    says(second, "Live", SOON)
    room.call(actions.post, slug, "Heard in both.")
    for window in (first, second):
        window.sees("Heard in both.", "#updates", SOON)


def test_a_closed_story_says_so_and_a_reopened_one_continues(
    opens: Opens, room: Newsroom, slug: str
) -> None:
    window = opens(slug)
    room.call(actions.turn, slug, "close_story")
    window.sees("This story ended")
    room.call(actions.turn, slug, "reopen_story")
    window.hide()
    window.hide(False)  # it asks when it is looked at
    says(window, "Live")
    room.call(actions.post, slug, "It goes on.")
    window.sees("It goes on.")


def test_a_withdrawn_story_leaves_the_page(
    opens: Opens, room: Newsroom, slug: str
) -> None:
    window = opens(slug)
    room.call(actions.turn, slug, "withdraw_story")
    window.sees("This story has been withdrawn")
    window.misses("Report 3 from the quay.")


def test_a_restored_backup_replaces_the_page_whole(
    opens: Opens, room: Newsroom, slug: str
) -> None:
    window = opens(slug)
    window.evaluate("() => { window.witness = 'the same document'; }")
    room.call(actions.new_epoch, f"restored{next(_numbers)}")
    room.call(actions.post, slug, "After the restore.")
    window.sees("After the restore.", "#updates")
    says(window, "Live")
    assert window.evaluate("() => window.witness") == "the same document"
    window.is_like_fresh()


def test_older_updates_are_loaded_in_place_and_stay_current(
    opens: Opens, room: Newsroom, slug: str
) -> None:
    room.call(actions.fill, slug, 120)
    window = opens(slug)
    shown = window.entries()
    window.click("#older")
    wait_for(lambda: len(window.entries()) > len(shown), "older updates")
    room.call(actions.edit, window.entries()[-1], "Changed far below.")
    window.sees("Changed far below.", "#updates")
    assert window.entries()[: len(shown)] == shown


def test_a_chronological_page_gets_updates_at_its_end(
    opens: Opens, room: Newsroom, server: Server, slug: str
) -> None:
    window = opens()
    window.open(f"{server.url}/stories/{slug}/?order=oldest")
    says(window, "Live")
    pk = room.call(actions.post, slug, "The latest of all.")
    window.sees("1 new update", "button.arrivals")
    window.click("button.arrivals")
    assert window.entries()[-1] == pk
    window.is_like_fresh()


def test_nothing_is_cut_off_on_a_phone(opens: Opens, room: Newsroom, slug: str) -> None:
    window = opens(slug, width=390, height=800)
    room.call(actions.post, slug, "The pilot boat is out.")
    window.sees("The pilot boat is out.", "#updates")
    wide = "() => document.documentElement.scrollWidth - innerWidth"
    assert window.evaluate(wide) <= 0


def test_a_card_asks_its_reader_in_the_room_that_is_reserved(
    opens: Opens, room: Newsroom, slug: str
) -> None:
    window = opens(slug, width=390, height=700)
    room.call(actions.post, slug, "https://www.youtube.com/watch?v=abc")
    asked = """() => document.querySelector("media-frame")?.shadowRoot
      ?.querySelector("button")?.textContent"""
    wait_for(lambda: window.evaluate(asked) == "Play video", "the card's button")
    frame, panel = window.evaluate(
        """() => {
          const frame = document.querySelector("media-frame");
          const panel = frame.shadowRoot.querySelector("[part=panel]");
          const size = (one) => [one.clientWidth, one.clientHeight];
          return [size(frame), size(panel)];
        }"""
    )
    assert frame[0] / frame[1] == pytest.approx(16 / 9, rel=0.02)
    assert panel[0] < frame[0]
    assert panel[1] < frame[1]


def test_a_long_update_is_printed_whole_and_fills_the_sheets(
    opens: Opens, room: Newsroom, slug: str
) -> None:
    lines = [f"Berth {n}: open water" for n in range(70)]
    room.call(actions.post, slug, "\n".join(f"* {line}" for line in lines))
    sheets = PdfReader(BytesIO(opens(slug).print())).pages
    texts = [sheet.extract_text() for sheet in sheets]
    assert lines[0] in texts[0]
    printed = " ".join("\n".join(texts).split())
    assert [line for line in lines if line not in printed] == []
    for number in range(12):
        assert f"Report {number} from the quay" in printed


@pytest.mark.parametrize("seed", seeds.ORACLE)
def test_a_page_equals_a_fresh_one_after_random_actions(
    opens: Opens, room: Newsroom, server: Server, slug: str, seed: str
) -> None:
    """The oracle with one window; its other windows are in `test_oracle.py`."""
    other, coming = f"{slug}-elsewhere", f"{slug}-to-come"
    room.call(actions.fill, slug, 98)  # as many as the random actions keep
    room.call(actions.make_story, "The Long Strike", other, updates=5)
    room.call(actions.announce, "The Vote", coming)
    wire = room.wire(server)
    window = opens(slug, site=wire)
    faults = {
        "cut": wire.cut,
        "drop": wire.drop,
        "hide": window.hide,
        "scroll": lambda: window.scroll(900),
    }
    chance, log = Random(seed), []
    for turn in range(1, seeds.ORACLE_TURNS // 2 + 1):
        act = f"{seed}-{turn}"
        log.append(room.call(random_actions.happen, slug, other, coming, act))
        if chance.random() < 0.15:
            log.append(f"* {chance.choice(list(faults))}")
            faults[log[-1].removeprefix("* ")]()
        if turn % CHECK == 0:
            wait_for(lambda: room.call(actions.nothing_is_due), "what is due")
            wire.heal()
            window.hide()  # a page that has ended asks again when it is shown
            window.hide(False)
            try:
                window.is_like_fresh(server.url, 40)
            except AssertionError as error:
                raise AssertionError(f"{error}\n" + "\n".join(log)) from None


# ---- the desk ---------------------------------------------------------------------


def desk(window: Window, server: Server, story: int) -> None:
    """Open a story's desk, and sign in if this browser is not."""
    window.open(f"{server.url}/admin/entries/story/{story}/change/")
    if "/login/" in window.url():
        window.type("[name=username]", "editor")
        window.type("[name=password]", PASSWORD)
        window.click("[type=submit]")
    wait_for(lambda: window.text("#composer"), "the desk")


@pytest.fixture
def story(room: Newsroom, slug: str) -> int:
    return int(room.call(actions.story_of, slug).pk)


def test_an_update_is_published_and_edited_at_the_desk(
    opens: Opens, room: Newsroom, server: Server, slug: str, story: int
) -> None:
    public, editor = opens(slug), opens()
    desk(editor, server, story)
    editor.type("#composer [name=body]", "Eleven boats are out.")
    editor.click("#composer [value=publish]")
    public.sees("Eleven boats are out.", "#updates")
    pk = public.entries()[0]
    editor.sees("Eleven boats are out.", f"#row-{pk}")
    value = "() => document.querySelector('#composer [name=body]').value"
    wait_for(lambda: editor.evaluate(value) == "", "an empty composer")
    editor.click(f"#row-{pk}-edit")
    editor.type(f"#row-{pk} [name=body]", "Twelve boats are out.")
    editor.click(f"#row-{pk} [value=save]")
    public.sees("Twelve boats are out.", "#updates")
    editor.sees("Twelve boats are out.", f"#row-{pk}")
    room.call(actions.post, slug, "From a colleague.")
    editor.sees("From a colleague.", "#timeline")
    public.is_like_fresh()


def test_a_text_typed_at_the_desk_survives_a_reload(
    opens: Opens, server: Server, story: int
) -> None:
    editor = opens()
    desk(editor, server, story)
    editor.type("#composer [name=body]", "Almost gone.")
    editor.reload()
    editor.sees("“Almost gone.”", "#composer-kept")
    editor.click("#composer-kept button")
    value = "() => document.querySelector('#composer [name=body]').value"
    wait_for(lambda: editor.evaluate(value) == "Almost gone.", "the text")
