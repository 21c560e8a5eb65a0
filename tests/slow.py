"""What a page says while it catches up, and what it has then."""

from __future__ import annotations

import re
from typing import NamedTuple

from playwright.sync_api import Page

from tests import actions
from tests.browser import Reader
from tests.servers import Newsroom, Wire

_KEEP = """() => {
  const word = document.querySelector("#live .word");
  window.diary = [];
  const note = () => {
    const entries = document.querySelectorAll("#updates > article").length;
    diary.push([word.textContent, entries, Math.round(performance.now())]);
  };
  new MutationObserver(note).observe(word, { childList: true });
}"""
_LIVE = """() => {
  const [last] = diary.at(-1) ?? [""];
  return last === "Live" && document.querySelector("#live .word").textContent === last;
}"""
_ROWS = """(rows) => rows.map((el) => [
  Number(el.id.slice("entry-".length)), Number(el.dataset.seq), el.dataset.key
])"""
_LEFT = re.compile(r"Catching up: (\d+) updates? left")


class Said(NamedTuple):
    """One thing that the bar said, how many updates the page had then, and when."""

    word: str
    entries: int
    at: int  # ms

    @property
    def left(self) -> int:
        """Return how many updates it said were left; 0 where it named none."""
        found = _LEFT.fullmatch(self.word)
        return int(found[1]) if found else 0


class Diary:
    """Writes down what a page's bar says, from now on."""

    def __init__(self, page: Page) -> None:
        self._page = page
        page.evaluate(_KEEP)

    def said(self) -> list[Said]:
        """Return what it said."""
        return [Said(*one) for one in self._page.evaluate("diary")]

    def expect_live(self, seconds: float) -> None:
        """Wait until it says that the page is live."""
        self._page.wait_for_function(_LIVE, timeout=seconds * 1000)


def come_back(window: Reader, wire: Wire) -> None:
    """Give a page its network back, and have it look at once."""
    wire.heal()
    window.page.evaluate("dispatchEvent(new Event('online'))")


def expect_all(room: Newsroom, window: Reader, slug: str) -> None:
    """Fail unless a page has all that readers see, once and in its order."""
    rows = window.page.eval_on_selector_all("#story article.entry", _ROWS)
    seqs = {pk: seq for pk, seq, _ in rows}
    assert len(seqs) == len(rows)
    assert seqs == room.call(actions.visible, slug)
    keys = [tuple(map(int, key.split("-"))) for *_, key in rows]
    assert keys == sorted(keys, reverse=True)
