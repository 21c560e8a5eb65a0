"""Measure the desk of a long story: `python -m benchmarks long-desk [--updates 1500]`.

Prints when its text is first painted, how long its scripts take for a key that is
typed, and how long it takes from the last key of a search until its rows are shown.
"""

import argparse
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from playwright.sync_api import Page

from benchmarks.tables import record, say, table
from tests import actions, browser
from tests.servers import Newsrooms

KEYS = 60
ROUNDS = 5
WORDS = "The ferry to the islands has been delayed by fog since the morning. "
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
WATCH = """() => {
  window.keys = [];
  let began = 0;
  addEventListener("keydown", () => { began = performance.now(); }, true);
  const done = new MessageChannel();
  done.port1.onmessage = () => window.keys.push(performance.now() - began);
  const drawn = () => done.port2.postMessage(0);
  addEventListener("input", () => requestAnimationFrame(drawn));
}"""
SEARCH = """(words) => new Promise((resolve) => {
  const field = document.querySelector("#find-q");
  const shown = () => [...document.querySelectorAll(".row-words")]
    .filter((row) => row.checkVisibility()).length;
  const before = shown();
  const began = performance.now();
  const look = () => {
    const changed = shown() !== before;
    if (changed) resolve(performance.now() - began); else requestAnimationFrame(look);
  };
  field.value = words;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  look();
})"""


def key_times(page: Page) -> list[float]:
    """Return ms from each key until the frame after it."""
    page.locator("#composer [name=body]").click()
    page.evaluate(WATCH)
    page.keyboard.type(WORDS[:KEYS], delay=60)
    found: list[float] = page.evaluate("window.keys")
    return found


def main(arguments: list[str]) -> None:
    """Run the measurements, and record them with --record."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks long-desk", description=__doc__
    )
    parser.add_argument("--updates", type=int, default=1500)
    parser.add_argument("--record", metavar="TITLE", help="append to RESULTS.md")
    given = parser.parse_args(arguments)
    paints, searches, keys = [], [], []
    with TemporaryDirectory(prefix="liveblog-bench-") as name:
        newsrooms = Newsrooms(Path(name), lambda: "")
        with newsrooms.open("sqlite") as newsroom, browser.launch() as chromium:
            server = newsroom.server()
            long = (actions.make_story, "Ice on the Sound", "ice-on-the-sound")
            story = newsroom.call(*long, updates=given.updates)
            window = browser.Reader(chromium, viewport={"width": 1366, "height": 650})
            window.sign_in(server.url, "editor")
            for turn in range(ROUNDS):
                window.desk(server.url, story)
                page = window.page
                page.wait_for_timeout(500)
                paints.append(page.evaluate(PAINTED))
                keys += key_times(page)
                searches.append(page.evaluate(SEARCH, f"Report 1{turn}7"))
            window.close()
    row = [
        f"{given.updates:,}",
        f"{median(paints):.0f}",
        f"{median(keys):.1f}",
        f"{quantiles(keys, n=20)[-1]:.1f}",
        f"{median(searches):.0f}",
    ]
    heads = ["updates", "first paint ms", "key to frame ms, median", "p95"]
    heads += ["key to search results ms, with the pause of 200 ms"]
    text = table(heads, [row])
    say(f"\n{text}")
    if given.record:
        record(given.record, text)
