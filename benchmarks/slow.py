"""Measure catching up over slow connections: `python -m benchmarks.slow`.

A real browser reconnects to a story at 4, 16 and 64 kB/s, with the connection cut every
five seconds, after missing 50 or 700 updates of 1.6 kB. Also checks the page's status
line: “Live” only once every update is there, and fewer left each time.
`--record TITLE` appends the figures to RESULTS.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, expect

from benchmarks.tables import record, say, table
from tests import actions
from tests.browser import Reader, launch
from tests.servers import Newsroom, Newsrooms, Server, postgres
from tests.slow import Diary, come_back, expect_all

RATES = (4_000, 16_000, 64_000)  # bytes a second
MISSED = (50, 700)  # updates
CUT_EVERY = 5.0  # seconds
PATIENCE = 600.0  # seconds
HEADS = [
    "kB/s",
    "missed",
    "up to date after s",
    "kB received",
    "kB/s received",
    "failed requests",
]


def catch_up(
    room: Newsroom, server: Server, browser: Browser, rate: int, missed: int
) -> list[str]:
    """Let one reader reconnect; return a table row of its figures."""
    slug, wire = f"slow-{rate}-{missed}", room.wire(server)
    room.call(actions.make_story, "Ice on the Sound", slug, updates=3)
    window = Reader(browser)
    page = window.open(f"{wire.url}/stories/{slug}/")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    wire.cut()
    room.call(actions.flood, slug, missed)
    wire.slow(rate, cut_every=CUT_EVERY)
    diary, before = Diary(page), wire.received
    began = page.evaluate("performance.now()")
    come_back(window, wire)
    diary.expect_live(PATIENCE)
    said, received = diary.said(), wire.received - before
    seconds = (said[-1].at - began) / 1000
    left = [one.left for one in said if one.left]
    assert left == sorted(left, reverse=True), left
    for one in said:
        assert one.entries == missed + 3 or not one.word.startswith("Live"), one
    expect_all(room, window, slug)
    cut = sum("requestfailed" in one for one in window.diary)
    window.close()
    wire.close()
    speed = received / 1000 / seconds
    figures = [f"{seconds:.1f}", f"{received / 1000:.0f}", f"{speed:.1f}", str(cut)]
    return [f"{rate // 1000}", str(missed), *figures]


def measure(kind: str) -> str:
    """Return a table of all rates and numbers of missed updates on one database."""
    rows: list[list[str]] = []
    with TemporaryDirectory(prefix="liveblog-bench-") as name:
        folder = Path(name)
        with postgres(folder / "postgres") as url, launch() as browser:
            newsrooms = Newsrooms(folder / "rooms", lambda: url)
            with newsrooms.open(kind) as room:
                server = room.server()
                for missed in MISSED:
                    for rate in RATES:
                        rows.append(catch_up(room, server, browser, rate, missed))
                        say(" | ".join(rows[-1]))
    return table(HEADS, rows)


def main() -> None:
    """Parse arguments, measure and print, and record with --record."""
    parser = argparse.ArgumentParser(prog="benchmarks.slow", description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--record", metavar="TITLE", help="append to RESULTS.md")
    options = parser.parse_args()
    text = measure(options.database)
    say(f"\n{text}")
    if options.record:
        record(options.record, text)


if __name__ == "__main__":
    main()
