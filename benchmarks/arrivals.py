"""Measure what arrivals cost in a reader's phone: `python -m benchmarks arrivals`.

A window of 390 × 800 px with a CPU slowed down four times (Chromium's emulation) shows
a story, opened to its end through "Older updates". Twenty updates are posted, while the
reader taps every 100 ms. Reports, at the top and scrolled: the slowest tap (from the
event's time stamp to the next paint), the longest task, the CPU time of the page's main
thread per update, by kind, and the layout shift. The first two also grow with the load
of the machine. At the top updates appear in place, which counts as a shift.
`--record TITLE` appends the figures to RESULTS.md.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Browser

from benchmarks.tables import record, say, table
from tests import actions
from tests.browser import Reader, launch
from tests.servers import Newsroom, Newsrooms, wait_for

SIZES = (71, 1421)  # entries on the page, the original among them
BURST = 20
SLOWER = 4
LIMIT_MS = 200
METRICS = ("ScriptDuration", "RecalcStyleDuration", "LayoutDuration", "TaskDuration")
_WATCH = """() => {
  window.found = {tap: 0, task: 0, shift: 0};
  const watch = (type, note, more) => new PerformanceObserver(
    (list) => list.getEntries().forEach(note)).observe({type, ...more});
  watch("event", (e) => {
    if (e.interactionId) found.tap = Math.max(found.tap, e.duration);
  }, {durationThreshold: 16});
  watch("longtask", (e) => { found.task = Math.max(found.task, e.duration); });
  // A tap may land on a link or “Share”, which must not leave the page.
  addEventListener("click", (event) => {
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
  watch("layout-shift", (e) => { found.shift += e.hadRecentInput ? 0 : e.value; });
}"""
_OPEN = """() => {
  const older = document.querySelector("#older");
  if (older && !older.dataset.clicked) {
    older.dataset.clicked = "yes";
    older.click();
  }
  return document.querySelectorAll("#story article.entry").length;
}"""
_ARRIVED = "(mark) => document.querySelectorAll(`#updates > article`).length >= mark"


def measure(
    browser: Browser, room: Newsroom, size: int, *, scrolled: bool
) -> list[str]:
    """Return a row: what twenty updates cost on a page of some entries."""
    slug = f"long-{size}-{'scrolled' if scrolled else 'top'}"
    room.call(actions.make_story, "The Long Watch", slug, updates=0)
    room.call(actions.flood, slug, size - 1, 45)
    reader = Reader(browser, viewport={"width": 390, "height": 800}, has_touch=True)
    page = reader.open(f"{room.servers[0].url}/stories/{slug}/")
    wait_for(lambda: page.evaluate(_OPEN) >= size, "the whole story", 120)
    page.locator('#live[data-state="live"]').wait_for()
    page.evaluate("(y) => scrollTo(0, y)", 3000 if scrolled else 0)
    client = reader.context.new_cdp_session(page)
    client.send("Performance.enable", {"timeDomain": "threadTicks"})
    client.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.evaluate(_WATCH)
    before = _metrics(client)
    goal = (
        page.evaluate("document.querySelectorAll('#updates > article').length") + BURST
    )
    posted = 0
    while posted < BURST or not page.evaluate(_ARRIVED, goal):
        if posted < BURST:
            room.call(actions.flood_now, slug, 5)
            posted += 5
        page.touchscreen.tap(380, 790)
        page.wait_for_timeout(100)
    page.wait_for_timeout(500)
    after, found = _metrics(client), page.evaluate("found")
    reader.close()
    spent = [(after[key] - before[key]) * 1000 / BURST for key in METRICS]
    return [
        f"{size:,}",
        "scrolled" if scrolled else "at the top",
        f"{found['tap']:.0f}",
        f"{found['task']:.0f}",
        *(f"{value:.1f}" for value in spent),
        f"{found['shift']:.3f}",
    ]


def _metrics(client: Any) -> dict[str, float]:
    found = client.send("Performance.getMetrics")["metrics"]
    return {one["name"]: one["value"] for one in found}


def run(sizes: list[int]) -> str:
    """Measure all sizes; return the table."""
    rows = []
    with TemporaryDirectory(prefix="liveblog-arrivals-") as folder:
        rooms = Newsrooms(Path(folder), lambda: "")
        with rooms.open("sqlite") as room, launch() as browser:
            room.server()
            for size in sizes:
                for scrolled in (False, True):
                    rows.append(measure(browser, room, size, scrolled=scrolled))
                    say(" | ".join(rows[-1]))
    heads = ["entries", "reader", "slowest tap, ms", "longest task, ms"]
    heads += [
        f"{kind}, CPU ms per update" for kind in ("script", "style", "layout", "all")
    ]
    return table([*heads, "layout shift"], rows)


def main(arguments: list[str]) -> None:
    """Measure, print the table, and record it if asked to."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks arrivals", description=__doc__
    )
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--record", metavar="TITLE", help="append to RESULTS.md")
    given = parser.parse_args(arguments)
    found = run([int(size) for size in given.sizes.split(",")])
    say(found)
    if given.record:
        record(given.record, found)
