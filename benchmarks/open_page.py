"""Measure a page that is open all day: `python -m benchmarks open-page`.

The demo's newsroom (`manage.py demo --busy`) works for eight hours, hastened, while a
window of 390 × 800 px shows one of its stories. Reports, every two hours of its work:
the entries and DOM nodes on the page, the JavaScript heap, the memory of the browser's
process for the page (PSS), and the bytes per hour of the open page, heartbeats
included. `--record TITLE` appends the figures to RESULTS.md.
"""

import argparse
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, CDPSession, Page

from benchmarks.measures import memory
from benchmarks.tables import record, say, table
from tests.browser import Reader, launch
from tests.servers import Newsroom, Newsrooms, Wire, wait_for

SLUG = "sorrava-flood"
HOURS = 8
EVERY = 2  # hours of the newsroom between two rows
STEPS = 450  # of the newsroom in an hour: one every 4 to 12 seconds
BEATS = 240  # heartbeats in an hour
MEGA = 1024 * 1024
_ENTRIES = "() => document.querySelectorAll('#story article.entry').length"
_CURSOR = "(text) => document.querySelector('#updates').textContent.includes(text)"


def load_demo() -> None:
    """Create the demo's stories."""
    from entries.demo import loading  # imports Django

    loading.load_stories()


def work(hour: int) -> None:
    """Let the newsroom work for an hour, without its pauses."""
    from entries.demo.newsroom import Newsroom as Busy  # imports Django

    busy = Busy(Random(hour))
    for script in busy.scripts.values():
        for _ in range(hour * 50):  # go on where the previous hour stopped
            next(script)
    for _ in range(STEPS):
        busy.step()


def post(words: str) -> None:
    """Post an update, after which the page has everything."""
    from tests import actions  # imports Django

    actions.post(SLUG, words)


class OpenPage:
    """A page in a phone, with figures of what it costs."""

    def __init__(self, browser: Browser, room: Newsroom) -> None:
        self.room = room
        self.wire: Wire = room.wire(room.servers[0])
        self.reader = Reader(browser, viewport={"width": 390, "height": 800})
        self.page: Page = self.reader.open(f"{self.wire.url}/stories/{SLUG}/")
        self.page.locator('#live[data-state="live"]').wait_for()
        self.page.wait_for_timeout(1000)
        self.client: CDPSession = self.reader.context.new_cdp_session(self.page)
        self.client.send("Performance.enable")
        self.process = self._renderer(browser)
        self.hours = 0

    def _renderer(self, browser: Browser) -> int:
        """Return the process of the page: the one that has used the most memory."""
        found = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
        pids = [one["id"] for one in found["processInfo"] if one["type"] == "renderer"]
        return max(pids, key=lambda pid: memory([pid]))

    def work(self, hours: int) -> None:
        """Let the newsroom work, until the page has caught up."""
        for _ in range(hours):
            self.room.call(work, self.hours)
            self.hours += 1
        words = f"The end of hour {self.hours}."
        self.room.call(post, words)
        wait_for(lambda: self.page.evaluate(_CURSOR, words), "everything", 120)

    def figures(self) -> list[str]:
        """Return a row: the hours, and what the page holds now."""
        self.client.send("HeapProfiler.collectGarbage")
        metrics = {
            one["name"]: one["value"]
            for one in self.client.send("Performance.getMetrics")["metrics"]
        }
        return [
            str(self.hours),
            f"{self.page.evaluate(_ENTRIES):,}",
            f"{metrics['Nodes']:,.0f}",
            f"{metrics['JSHeapUsedSize'] / MEGA:.1f}",
            f"{metrics['JSEventListeners']:.0f}",
            f"{memory([self.process]) / MEGA:.0f}",
        ]

    def heartbeat(self) -> int:
        """Return the bytes of a heartbeat."""
        before = self.wire.received
        wait_for(lambda: self.wire.received > before, "a heartbeat", 30)
        return self.wire.received - before


def run(hours: int) -> str:
    """Measure; return the tables."""
    rows: list[list[str]] = []
    with TemporaryDirectory(prefix="liveblog-open-page-") as folder:
        rooms = Newsrooms(Path(folder), lambda: "")
        with rooms.open("sqlite") as room, launch() as browser:
            room.call(load_demo)
            room.server()
            opened = OpenPage(browser, room)
            beat, loaded = opened.heartbeat(), opened.wire.received
            while True:
                rows.append(opened.figures())
                say(" | ".join(rows[-1]))
                if opened.hours >= hours:
                    break
                opened.work(EVERY)
            received = (opened.wire.received - loaded) / opened.hours + beat * BEATS
            opened.reader.close()
    heads = ["hours", "entries", "DOM nodes", "JavaScript heap, MB"]
    heads += ["event listeners", "memory of the process, MB"]
    sizes = [[f"{loaded / 1000:.0f}", f"{received / 1000:.0f}", f"{beat}"]]
    names = ["page as loaded, kB", "an open hour, kB", "a heartbeat, bytes"]
    return f"{table(heads, rows)}\n\n{table(names, sizes)}"


def main(arguments: list[str]) -> None:
    """Measure, print the tables, and record them if asked to."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks open-page", description=__doc__
    )
    parser.add_argument("--hours", type=int, default=HOURS)
    parser.add_argument("--record", metavar="TITLE", help="append to RESULTS.md")
    given = parser.parse_args(arguments)
    found = run(given.hours)
    say(f"\n{found}")
    if given.record:
        record(given.record, found)
