"""Readers and editors in a real Chromium, and what their pages show."""

from __future__ import annotations

import difflib
import functools
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.servers import PASSWORD, TIMEOUT_SECONDS, wait_for

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
# Chromium's own user interface: the suggestions of the address bar are a page, which is
# created for each window and costs more than opening the window itself.
BROWSER_UI_FEATURES = (
    "PreloadTopChromeWebUI",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxFullPopup",
    "WebUIOmniboxPopup",
)
# Features that playwright disables: Chromium only uses the last such list.
PLAYWRIGHT_FEATURES = (
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
FLAGS.append(
    f"--disable-features={','.join(BROWSER_UI_FEATURES + PLAYWRIGHT_FEATURES)}"
)
# playwright's flag that disables the back/forward cache, which real readers have.
IGNORED_FLAGS = ["--disable-back-forward-cache"]
NAMES = (
    "chromium-headless-shell",  # needs a third less processor time than the others
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
expect.set_options(timeout=TIMEOUT_SECONDS * 1000)

PARTS = (
    "#story-head",
    "#key-events",
    "#pinned",
    "#updates",
    "#original",
    "#rail",
    "#last-update",
)
# Ignore what may differ between a page that was updated and a fresh one: traces of
# htmx, the highlighting of new updates, times in the reader's time zone, whitespace.
NORMALIZE = """(parts) => {
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


def runs(command: Sequence[str]) -> bool:
    """Return whether a command succeeds, since the libraries of one may be missing."""
    try:
        return subprocess.run(command, capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def installed() -> str | None:
    """Return the path of the browser in CHROMIUM, or else of an installed one."""
    named = [os.environ.get("CHROMIUM", ""), *NAMES]
    return next((found for name in named if (found := shutil.which(name))), None)


@contextmanager
def launch(**options: Any) -> Iterator[Browser]:
    """Run the browser in CHROMIUM, or else an installed one, or else playwright's."""
    path = installed()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=FLAGS,
            ignore_default_args=IGNORED_FLAGS,
            **options,
        )
        try:
            yield browser
        finally:
            browser.close()


class Reader:
    """A browser window with its own profile.

    `problems` are violations of the content security policy and uncaught exceptions,
    which fail a test. `messages` are those in the console, `requests` those on the
    network, with times.
    """

    def __init__(self, chromium: Browser, **options: Any) -> None:
        self.chromium = chromium
        self.context = chromium.new_context(**options)
        self.problems: list[str] = []
        self.messages: list[str] = []
        self.requests: list[str] = []
        self._opened = time.monotonic()
        self._lost_script = False
        self.page = self.new_page()

    def new_page(self) -> Page:
        """Open another tab in the same window."""
        page = self.context.new_page()
        page.set_default_timeout(TIMEOUT_SECONDS * 1000)
        page.on("console", self._on_console)
        for kind in ("request", "response", "requestfinished", "requestfailed"):
            page.on(kind, functools.partial(self._log_request, kind))
        page.on("pageerror", self._on_error)
        return page

    def _on_error(self, error: Exception) -> None:
        # htmx's extensions throw this where it was cut on the way.
        if not (self._lost_script and "htmx is not defined" in str(error)):
            self.problems.append(f"threw {error}")

    def _on_console(self, message: ConsoleMessage) -> None:
        self.messages.append(f"{message.type}: {message.text}")
        if "Content Security Policy" in message.text:
            self.problems.append(message.text)

    def _log_request(self, kind: str, what: Any) -> None:
        status = what.status if kind == "response" else ""
        path = what.url.split("/", 3)[-1]
        seconds = time.monotonic() - self._opened
        self.requests.append(f"{seconds:7.2f} {kind} {status} /{path}")
        if kind == "requestfailed" and what.resource_type == "script":
            self._lost_script = True

    def log(self) -> str:
        """Return what happened in the window, for debugging."""
        return "\n".join([self.page.url, *self.requests[-40:], *self.messages[-10:]])

    def close(self) -> None:
        """Close the window."""
        self.context.close()

    def open(self, url: str) -> Page:
        """Go to a URL, and wait until the page has loaded."""
        self.page.goto(url)
        return self.page

    def offline(self, offline: bool = True) -> None:
        """Turn the network of the window off or on."""
        self.context.set_offline(offline)

    def hide(self, hidden: bool = True) -> None:
        """Make the page believe that its tab is in the background."""
        self.page.evaluate(_HIDE, hidden)

    def sees(self, words: str, seconds: float = TIMEOUT_SECONDS) -> None:
        """Wait until the page shows a text."""
        found = self.page.get_by_text(words).filter(visible=True).first
        expect(found).to_be_visible(timeout=seconds * 1000)

    def misses(self, words: str, seconds: float = TIMEOUT_SECONDS) -> None:
        """Wait until the page does not contain a text."""
        expect(self.page.get_by_text(words)).to_have_count(0, timeout=seconds * 1000)

    def entries(self) -> list[int]:
        """Return the ids of the updates on the page, from top to bottom."""
        ids = self.page.eval_on_selector_all(
            "#updates > article:not([hidden])", "(list) => list.map((e) => e.id)"
        )
        return [int(name.removeprefix("entry-")) for name in ids]

    def reveal(self) -> None:
        """Show the updates behind the button for new updates, if there are any."""
        button = self.page.locator("button.arrivals")
        if button.is_visible():
            button.click()

    def sign_in(self, site: str, name: str) -> None:
        """Sign in to the desk."""
        page = self.open(f"{site}/admin/login/?next=/admin/")
        page.fill("[name=username]", name)
        page.fill("[name=password]", PASSWORD)
        page.click("[type=submit]")
        page.wait_for_url(lambda url: "/admin/login/" not in url)

    def desk(self, site: str, story_id: int) -> None:
        """Open a story's desk, after signing in."""
        self.open(f"{site}/admin/entries/story/{story_id}/change/")
        expect(self.page.locator("#composer")).to_be_visible()

    def compose(self, body: str, *, button: str = "Publish", **fields: Any) -> None:
        """Fill the composer and press one of its buttons.

        `fields` are `at` and `headline` as text, `key_event` and `pinned` as booleans.
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
        """Publish through the composer, and wait until its text is cleared."""
        self.compose(body, **fields)
        expect(self.page.locator("#composer [name=body]")).to_have_value("")


def normalized_dom(page: Page, parts: tuple[str, ...] = PARTS) -> str:
    """Return what readers see of a story's page as text, one line per node.

    Reveal new updates first, since the `hidden` attribute is part of the text.
    """
    return str(page.evaluate(NORMALIZE, list(parts)))


def fresh_dom(
    chromium: Browser, url: str, parts: tuple[str, ...] = PARTS, **options: Any
) -> str:
    """Return the normalized DOM of a URL, loaded in a new window."""
    context = chromium.new_context(**options)
    try:
        page = context.new_page()
        page.goto(url)
        return normalized_dom(page, parts)
    finally:
        context.close()


def difference(shown: str, fresh: str) -> str:
    """Return a readable diff of two pages; empty if they are equal."""
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
    reader: Reader,
    *,
    site: str = "",
    seconds: float = TIMEOUT_SECONDS,
    reveal: bool = True,
) -> None:
    """Wait until an open page equals a fresh load of its URL; fail on timeout.

    `site` is the server to load the URL from, by default the page's own.
    """
    url = reader.page.url.partition("#")[0]
    if site:
        url = site + "/" + url.split("/", 3)[3]
    found = ["never compared"]

    def equals(fresh: str) -> bool:
        if reveal:
            reader.reveal()
        found[0] = difference(normalized_dom(reader.page), fresh)
        return not found[0]

    def same() -> bool:
        if equals(fresh := fresh_dom(reader.chromium, url)):
            return True
        # Opening a window is expensive and slows down the page, so wait for it to catch
        # up with this fresh load before comparing it with another.
        with suppress(AssertionError):
            wait_for(lambda: equals(fresh), "what was fresh just now", 1)
        return False

    try:
        wait_for(same, "the page to be like new", seconds)
    except AssertionError as error:
        console = "\n".join(reader.messages[-10:])
        raise AssertionError(f"{error}\n{found[0]}\nconsole:\n{console}") from None
