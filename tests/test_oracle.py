"""The promise: every open page shows what its address shows loaded fresh.

Random actions through two processes, the desk and a command, while lines are
slow or cut, windows are offline or hidden and servers die. `python -m tests --all`
tries four seeds, `ORACLE_SEEDS=5,6` others, `ORACLE_TURNS=300` more actions.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

import httpx
import pytest
from playwright.sync_api import expect

from tests import actions, random_actions, seeds
from tests.browser import Reader, expect_like_fresh
from tests.servers import Newsroom, Server, Wire, wait_for

Readers = Callable[..., Reader]
CHECK = 25  # actions between two comparisons
SLUG, OTHER, COMING = "ice-on-the-sound", "the-long-strike", "the-vote"


class Coverage:
    """A story with its readers, who sit behind lines that break."""

    def __init__(self, newsroom: Newsroom, reader: Readers, chance: Random) -> None:
        self.newsroom, self.chance = newsroom, chance
        self.servers = [newsroom.server(), newsroom.server()]
        first, second = self.servers
        self.wires = [newsroom.wire(server) for server in (first, second, first)]
        near, far, slow = self.wires
        front = self.open(reader(), slow, f"/stories/{SLUG}/")
        slow.slow(16_000)  # bytes a second, once the page has loaded
        below = str(front.page.locator("#older").get_attribute("href"))
        self.older = self.open(reader(), far, below)
        self.windows = [
            front,
            self.older,
            self.open(reader(), near, f"/stories/{OTHER}/?order=oldest"),
            self.open(reader(), far, f"/stories/{OTHER}/"),
            self.open(reader(), near, f"/stories/{COMING}/", "announced"),
        ]
        self.log: list[str] = []

    def open(
        self, window: Reader, wire: Wire, path: str, state: str = "live"
    ) -> Reader:
        window.open(f"{wire.url}{path}")
        bar = window.page.locator("#live")
        expect(bar).to_have_attribute("data-state", state, timeout=20_000)
        return window

    def break_something(self) -> None:
        window, wire = self.chance.choice(self.windows), self.chance.choice(self.wires)
        server: Server = self.chance.choice(self.servers)
        fault = self.chance.choice(
            ["cut", "drop", "offline", "hide", "scroll", "kill", "restart"]
        )
        self.log.append(f"* {fault}")
        if fault in ("cut", "drop"):
            getattr(wire, fault)()
        elif fault == "offline":
            window.offline()
        elif fault == "hide":
            window.hide()
        elif fault == "scroll":
            window.page.evaluate("scrollTo({top: 900, behavior: 'instant'})")
        elif fault == "kill":
            server.kill()
        else:
            server.restart()

    def mend(self) -> None:
        for server in self.servers:
            if server.pid is None:
                server.start()
        # A page that has ended asks when it is shown, and then once a minute.
        due = partial(self.newsroom.call, actions.nothing_is_due)
        wait_for(due, "the scheduler to have done what is due", 20)
        for wire in self.wires:
            wire.heal()
        for window in self.windows:
            window.offline(False)
            window.hide()  # a page that has ended asks again when it is shown
            window.hide(False)

    def compare(self) -> None:
        self.mend()
        for window in self.windows:
            # There the button leads away, to where the new updates stand.
            reveal, site = window is not self.older, self.servers[0].url
            try:
                expect_like_fresh(window, site=site, seconds=40, reveal=reveal)
                self.expect_like_rows(window.page.url)
            except AssertionError as error:
                raise AssertionError(f"{error}\n" + "\n".join(self.log)) from None
        for path in ("", f"stories/{SLUG}/", f"stories/{OTHER}/"):
            self.expect_like_rows(f"{self.servers[0].url}/{path}feed/")

    def expect_like_rows(self, url: str) -> None:
        """Fail unless every server gives what a process makes that keeps nothing."""
        path = "/" + url.partition("#")[0].split("/", 3)[3]
        for server in self.servers:

            def same() -> bool:
                given = httpx.get(f"{server.url}{path}")  # noqa: B023
                host = given.request.headers["Host"]
                return given.text == self.newsroom.call(
                    actions.uncached_page, path, host
                )

            wait_for(same, f"{path} to be made of its rows", 20)


@pytest.mark.parametrize("seed", seeds.ORACLE)
def test_open_pages_equal_freshly_loaded_ones_after_random_actions(
    newsroom: Newsroom, reader: Readers, seed: str
) -> None:
    newsroom.call(actions.make_story, "Ice on the Sound", SLUG, updates=30)
    newsroom.call(actions.fill, SLUG, 80)
    newsroom.call(actions.make_story, "الإضراب الطويل", OTHER, updates=5)
    newsroom.call(actions.edit_story, OTHER, language="ar-EG")
    newsroom.call(actions.announce, "The Vote", COMING)
    coverage = Coverage(newsroom, reader, Random(seed))
    helpers = [newsroom.helper(), newsroom.helper()]
    for turn in range(1, seeds.ORACLE_TURNS + 1):
        helper = helpers[coverage.chance.randrange(2)]
        name = helper.call(random_actions.happen, SLUG, OTHER, COMING, f"{seed}-{turn}")
        coverage.log.append(name)
        if coverage.chance.random() < 0.15:
            coverage.break_something()
        if turn % CHECK == 0:
            coverage.compare()
    assert newsroom.call(actions.inconsistent_rows) == []


def test_updates_from_the_desk_reach_pages_despite_faults(
    newsroom: Newsroom, reader: Readers
) -> None:
    pk = newsroom.call(actions.make_story, "Ice on the Sound", SLUG, updates=8)
    first, second = newsroom.server(), newsroom.server()
    wire = newsroom.wire(second)
    near, far, desk = reader(), reader(), reader()
    desk.sign_in(first.url, "editor")
    desk.desk(first.url, pk)
    for window, url in ((near, first.url), (far, wire.url)):
        window.open(f"{url}/stories/{SLUG}/")
        expect(window.page.locator("#live .word")).to_contain_text(
            "Live", timeout=20_000
        )
    desk.publish("The pilot boat is out.")
    near.sees("The pilot boat is out.", 3)
    far.sees("The pilot boat is out.", 6)
    wire.cut()
    desk.publish("The ferry is stuck off the lighthouse.", key_event=True)
    gone = near.entries()[3]
    newsroom.call(actions.withdraw, gone)
    second.kill()
    desk.publish("Food is brought over the ice.", pinned=True)
    newsroom.call(actions.post, SLUG, "Seen an hour ago.", minutes_ago=60)
    second.start()
    wire.heal()
    far.sees("Food is brought over the ice.", 40)
    for window in (near, far):
        expect_like_fresh(window, site=first.url, seconds=40)
