"""Readers and editors in a real Chromium, and what their pages show."""

from __future__ import annotations

import difflib
import functools
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.servers import PASSWORD, wait_for

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# What Chromium draws around a page: its list of suggestions is a page of its own,
# made anew for each window before anybody types, and costs more than opening one.
AROUND = (
    "PreloadTopChromeWebUI",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxFullPopup",
    "WebUIOmniboxPopup",
)
# What playwright turns off itself; Chromium heeds the last list alone.
PLAYWRIGHTS = (
    "AimEnabled",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
)
FLAGS.append(f"--disable-features={','.join(AROUND + PLAYWRIGHTS)}")
# Without it a page is never kept for the Back button, as it is for real readers.
KEPT_OFF = ["--disable-back-forward-cache"]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 20.0  # seconds; a wait that ends in a failure
expect.set_options(timeout=PATIENCE * 1000)

PARTS = (
    "#story-head",
    "#key-events",
    "#pinned",
    "#updates",
    "#original",
    "#rail",
    "#last-update",
)
# What may differ between a page that was kept up to date and one loaded now: traces
# of htmx, the tint of what has just arrived, the reader's own clock, white space.
_NORMALISE = """(parts) => {
  const passing = /^(htmx-.*|fresh|arrived|arriving|tinted|new)$/;
  const ignored = (name) => name.startsWith("hx-") || name.startsWith("data-htmx")
    || name === "style" || name === "data-fresh";
  const lines = [];
  const attributes = (element) => [...element.attributes]
    .filter((attribute) => !ignored(attribute.name))
    .map(({name, value}) => {
      if (name !== "class") return `${name}="${value}"`;
      const kept = value.split(/\\s+/).filter((c) => c && !passing.test(c)).sort();
      return kept.length ? `class="${kept.join(" ")}"` : "";
    }).filter(Boolean).sort();
  const walk = (node, depth) => {
    const indent = "  ".repeat(depth);
    if (node.nodeType === Node.TEXT_NODE) {
      const words = node.data.replace(/\\s+/g, " ").trim();
      if (words) lines.push(indent + words);
    } else if (node.nodeType === Node.ELEMENT_NODE) {
      const open = [node.localName, ...attributes(node)].join(" ");
      lines.push(`${indent}<${open}>`);
      if (node.hasAttribute("data-local")) return;
      node.childNodes.forEach((child) => walk(child, depth + 1));
    }
  };
  for (const part of parts) {
    const found = document.querySelectorAll(part);
    if (found.length === 1) {
      found[0].normalize();
      walk(found[0], 0);
    } else {
      lines.push(`${part}: ${found.length} of them`);
    }
  }
  return lines.join("\\n");
}"""
_HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
  const state = hidden ? "hidden" : "visible";
  Object.defineProperty(document, "visibilityState",
    {value: state, configurable: true});
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def installed() -> str | None:
    """Return the path of the Chromium named in CHROMIUM, else of an installed one."""
    named = [os.environ.get("CHROMIUM", ""), *NAMES]
    return next((found for name in named if (found := shutil.which(name))), None)


@contextmanager
def launch(**options: Any) -> Iterator[Browser]:
    """Run a Chromium: the one named in CHROMIUM, an installed one, playwright's."""
    path = installed()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=FLAGS, ignore_default_args=KEPT_OFF, **options
        )
        try:
            yield browser
        finally:
            browser.close()


class Reader:
    """One window with a profile of its own.

    `problems` are what no page may ever do: break its own security policy, or
    throw. `messages` is all that stands in its console, `diary` what went over the
    network and when.
    """

    def __init__(self, chromium: Browser, **options: Any) -> None:
        self.chromium = chromium
        self.context = chromium.new_context(**options)
        self.problems: list[str] = []
        self.messages: list[str] = []
        self.diary: list[str] = []
        self._opened = time.monotonic()
        self.page = self.new_page()

    def new_page(self) -> Page:
        """Open another tab in the same window."""
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.on("console", self._note)
        for kind in ("request", "response", "requestfinished", "requestfailed"):
            page.on(kind, functools.partial(self._enter, kind))
        page.on("pageerror", lambda error: self.problems.append(f"threw {error}"))
        return page

    def _note(self, message: ConsoleMessage) -> None:
        self.messages.append(f"{message.type}: {message.text}")
        if "Content Security Policy" in message.text:
            self.problems.append(message.text)

    def _enter(self, kind: str, what: Any) -> None:
        status = what.status if kind == "response" else ""
        path = what.url.split("/", 3)[-1]
        seconds = time.monotonic() - self._opened
        self.diary.append(f"{seconds:7.2f} {kind} {status} /{path}")

    def story(self) -> str:
        """Return what happened in the window, for whoever looks into a failure."""
        return "\n".join([self.page.url, *self.diary[-40:], *self.messages[-10:]])

    def close(self) -> None:
        """Close the window."""
        self.context.close()

    def open(self, address: str) -> Page:
        """Go to an address, and wait until the page has loaded."""
        self.page.goto(address)
        return self.page

    def offline(self, offline: bool = True) -> None:
        """Take the network away from the window, or give it back."""
        self.context.set_offline(offline)

    def hide(self, hidden: bool = True) -> None:
        """Put the tab into the background, as far as its page can tell."""
        self.page.evaluate(_HIDE, hidden)

    def sees(self, words: str, seconds: float = PATIENCE) -> None:
        """Wait until the words stand visibly on the page."""
        place = self.page.get_by_text(words).filter(visible=True).first
        expect(place).to_be_visible(timeout=seconds * 1000)

    def misses(self, words: str, seconds: float = PATIENCE) -> None:
        """Wait until the words do not stand on the page (any more)."""
        expect(self.page.get_by_text(words)).to_have_count(0, timeout=seconds * 1000)

    def entries(self) -> list[int]:
        """Return the ids of the updates on the page, from the top down."""
        ids = self.page.eval_on_selector_all(
            "#updates > article:not([hidden])", "(list) => list.map((e) => e.id)"
        )
        return [int(name.removeprefix("entry-")) for name in ids]

    def reveal(self) -> None:
        """Show the updates that wait behind the button, if any do."""
        button = self.page.locator("button.arrivals")
        if button.is_visible():
            button.click()

    def sign_in(self, site: str, name: str) -> None:
        """Sign in to the desk under an account's name."""
        page = self.open(f"{site}/admin/login/?next=/admin/")
        page.fill("[name=username]", name)
        page.fill("[name=password]", PASSWORD)
        page.click("[type=submit]")
        page.wait_for_url(f"{site}/admin/")

    def desk(self, site: str, story_id: int) -> None:
        """Open a story's desk; the window is signed in already."""
        self.open(f"{site}/admin/entries/story/{story_id}/change/")
        expect(self.page.locator("#composer")).to_be_visible()

    def compose(self, body: str, *, button: str = "Publish", **fields: Any) -> None:
        """Fill the composer and press one of its buttons.

        `fields`: `at` and `headline` as words, `key_event` and `pinned` as truth.
        """
        composer = self.page.locator("#composer")
        composer.locator("[name=body]").fill(body)
        for name, value in fields.items():
            field = composer.locator(f"[name={name}]")
            if isinstance(value, bool):
                field.set_checked(value)
            else:
                field.fill(value)
        composer.get_by_role("button", name=button, exact=True).click()

    def publish(self, body: str, **fields: Any) -> None:
        """Publish through the composer, and wait until it has cleared its box."""
        self.compose(body, **fields)
        expect(self.page.locator("#composer [name=body]")).to_have_value("")


def normalised_dom(page: Page, parts: tuple[str, ...] = PARTS) -> str:
    """Return what readers see of a story's page as text, a line a node.

    Hidden arrivals must have been revealed: `hidden` is part of the text.
    """
    return str(page.evaluate(_NORMALISE, list(parts)))


def fresh_dom(
    chromium: Browser, address: str, parts: tuple[str, ...] = PARTS, **options: Any
) -> str:
    """Return the same of an address that is loaded now, in a new window."""
    context = chromium.new_context(**options)
    try:
        page = context.new_page()
        page.goto(address)
        return normalised_dom(page, parts)
    finally:
        context.close()


def difference(shown: str, fresh: str) -> str:
    """Return a readable difference of two pages; empty where there is none."""
    lines = difflib.unified_diff(
        shown.splitlines(),
        fresh.splitlines(),
        "the open page",
        "the same address loaded fresh",
        lineterm="",
        n=4,
    )
    return "\n".join(lines)


def expect_like_fresh(
    reader: Reader, *, site: str = "", seconds: float = PATIENCE, reveal: bool = True
) -> None:
    """Fail unless an open page comes to show what its address shows loaded fresh.

    `site` is where to load it from, if not from where the page came.
    """
    address = reader.page.url.partition("#")[0]
    if site:
        address = site + "/" + address.split("/", 3)[3]
    found = ["never compared"]

    def shows(fresh: str) -> bool:
        if reveal:
            reader.reveal()
        found[0] = difference(normalised_dom(reader.page), fresh)
        return not found[0]

    def same() -> bool:
        if shows(fresh := fresh_dom(reader.chromium, address)):
            return True
        # A window costs far more than a look, and the page needs its machine to
        # catch up: when it shows that, or soon, it is held against a new one.
        with suppress(AssertionError):
            wait_for(lambda: shows(fresh), "what was fresh just now", 1)
        return False

    try:
        wait_for(same, "the page to be like new", seconds)
    except AssertionError as error:
        console = "\n".join(reader.messages[-10:])
        raise AssertionError(f"{error}\n{found[0]}\nconsole:\n{console}") from None
