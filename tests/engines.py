"""The same few actions in Chromium, Firefox and WebKit.

Playwright cannot drive Debian's Firefox and WebKit. Firefox is driven over WebDriver
BiDi, and WebKit by WebKitGTK's WebDriver on a virtual display.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from abc import ABC, abstractmethod
from base64 import b64decode
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selenium.webdriver import WebKitGTK, WebKitGTKOptions
from selenium.webdriver.webkitgtk.service import Service
from websockets.sync.client import ClientConnection, connect

from tests.browser import NORMALIZE, PARTS, difference, launch, runs
from tests.servers import TIMEOUT_SECONDS, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage

NAMES = ("chromium", "firefox", "webkit")
FIREFOX = ("firefox-esr", "firefox")  # or the one named in FIREFOX
WEBKIT_DRIVER = "WebKitWebDriver"
WEBKIT_WINDOW = Path(__file__).with_name("webkit_window.py")
# Debian's packages, and a command that fails without them.
PACKAGES = {
    "firefox-esr": lambda: [firefox(), "--version"],
    "webkit2gtk-driver": lambda: [WEBKIT_DRIVER, "--help"],
    "xvfb": lambda: ["Xvfb", "-help"],
    "python3-gi gir1.2-gtk-3.0 gir1.2-webkit2-4.1": lambda: [
        str(WEBKIT_WINDOW),
        "--check",
    ],
}
# What the drivers say when the page is left during a call.
LEFT = re.compile("context was destroyed|destroyed before|unload event|no such frame")
WIDTH, HEIGHT = 1280, 800
# No requests of its own, no other windows, and the back/forward cache of readers.
PREFERENCES = {
    "app.update.disabledForTesting": True,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.disable_open_during_load": False,
    "fission.bfcacheInParent": True,
    "fission.autostart": True,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.enabled": False,
}
# Where readers see an element, as {x, y}; null if it is not visible.
MIDDLE = """(selector) => {
  const el = document.querySelector(selector);
  if (!el?.checkVisibility({ visibilityProperty: true })) return null;
  let box = el.getBoundingClientRect();
  if (box.top < 0 || box.bottom > innerHeight) {
    el.scrollIntoView({ block: "center", behavior: "instant" });
    box = el.getBoundingClientRect();
  }
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}"""
TEXT = """(selector) => [...document.querySelectorAll(selector)]
  .filter((el) => el.checkVisibility() || getComputedStyle(el).display === "contents")
  .map((el) => el.innerText).join("\\n")"""
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
IDS = """() => [...document.querySelectorAll("#updates > article:not([hidden])")]
  .map((el) => Number(el.id.replace("entry-", "")))"""
SELECT = """(selector) => {
  const el = document.querySelector(selector);
  el.focus();
  el.select?.();
}"""


def firefox() -> str:
    """Return the path of Firefox; empty if there is none."""
    names = (os.environ.get("FIREFOX", ""), *FIREFOX)
    return next((path for name in names if (path := shutil.which(name))), "")


def missing() -> list[str]:
    """Return the packages that Firefox and WebKit lack."""
    return [
        package
        for packages, command in PACKAGES.items()
        if not runs(command())
        for package in packages.split()
    ]


class Window(ABC):
    """A browser window; scripts are functions in JavaScript."""

    engine: Engine

    @abstractmethod
    def errors(self) -> list[str]:
        """Return errors in the console, like violations of the security policy."""

    @abstractmethod
    def open(self, url: str) -> None:
        """Go to a URL, and wait until the page has loaded."""

    @abstractmethod
    def _evaluate(self, script: str, *arguments: Any) -> Any:
        """Call a function in the page, and return its result."""

    @abstractmethod
    def reload(self) -> None:
        """Load the page again."""

    @abstractmethod
    def back(self) -> None:
        """Go back in the history; the page may need time to appear."""

    @abstractmethod
    def resize(self, width: int, height: int) -> None:
        """Set the size of the page's viewport in CSS pixels."""

    @abstractmethod
    def print(self) -> bytes:
        """Return the page as a PDF."""

    @abstractmethod
    def close(self) -> None:
        """Close the window."""

    @abstractmethod
    def _press(self, x: float, y: float) -> None:
        """Click at a point of the viewport."""

    @abstractmethod
    def _keys(self, text: str) -> None:
        """Type a text into the focused element."""

    def evaluate(self, script: str, *arguments: Any) -> Any:
        """Call a function in the page, and return its result.

        If the browser leaves the page, call it in the next one.
        """
        try:
            return self._evaluate(script, *arguments)
        except Exception as error:
            if not LEFT.search(str(error)):
                raise
        return self._evaluate(script, *arguments)

    def click(self, selector: str) -> None:
        """Click an element as soon as it is visible."""
        point = wait_for(lambda: self.evaluate(MIDDLE, selector), f"{selector} to show")
        self._press(point["x"], point["y"])

    def type(self, selector: str, text: str) -> None:
        """Type a text into a field, instead of what is in it."""
        self.click(selector)
        self.evaluate(SELECT, selector)
        self._keys(text)

    def scroll(self, y: float) -> None:
        """Scroll to a position, and wait until the page knows."""
        self.evaluate(
            """(y) => {
              scrollTo({ top: y, behavior: "instant" });
              return new Promise((done) => setTimeout(done, 50));
            }""",
            y,
        )

    def hide(self, hidden: bool = True) -> None:
        """Make the page believe that its tab is in the background."""
        self.evaluate(HIDE, hidden)

    def text(self, selector: str = "body") -> str:
        """Return the visible text of all elements that match."""
        return str(self.evaluate(TEXT, selector))

    def url(self) -> str:
        """Return the address of the page."""
        return str(self.evaluate("() => location.href"))

    def sees(
        self, words: str, selector: str = "body", seconds: float = TIMEOUT_SECONDS
    ) -> None:
        """Wait until elements show a text."""
        wait_for(
            lambda: words in self.text(selector), f"{words!r} in {selector}", seconds
        )

    def misses(self, words: str, selector: str = "body") -> None:
        """Wait until elements do not show a text."""
        wait_for(
            lambda: words not in self.text(selector), f"no {words!r} in {selector}"
        )

    def entries(self) -> list[int]:
        """Return the ids of the updates on the page, from top to bottom."""
        return list(self.evaluate(IDS))

    def dom(self) -> str:
        """Return what readers see of a story's page as text, one line per node."""
        return str(self.evaluate(NORMALIZE, list(PARTS)))

    def is_like_fresh(self, site: str = "", seconds: float = TIMEOUT_SECONDS) -> None:
        """Wait until the page equals a fresh load of its URL, from a site if given."""
        url = self.url().partition("#")[0]
        if site:
            url = f"{site}/{url.split('/', 3)[3]}"
        found = [""]

        def same() -> bool:
            if self.text("button.arrivals"):
                self.click("button.arrivals")
            self.engine.helper.open(url)
            found[0] = difference(self.dom(), self.engine.helper.dom())
            return not found[0]

        try:
            wait_for(same, "the page to be like new", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{found[0]}") from None


class Engine(ABC):
    """A running browser with one profile."""

    name: str
    _helper: Window | None = None

    @abstractmethod
    def window(self, width: int = WIDTH, height: int = HEIGHT) -> Window:
        """Open a window."""

    @property
    def helper(self) -> Window:
        """Return a window that loads pages for comparison, and stays open."""
        if self._helper is None:
            self._helper = self.window()
        return self._helper


# ---- Chromium, by playwright ----------------------------------------------------


class ChromiumWindow(Window):
    """A page in Chromium."""

    def __init__(self, engine: Chromium, width: int, height: int) -> None:
        self.engine = engine
        size = {"width": width, "height": height}
        self.page = engine.context.new_page()
        self.page.set_viewport_size(size)  # type: ignore[arg-type]
        self._errors: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self._errors.append(f"threw {error}"))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._errors.append(message.text)

    def errors(self) -> list[str]:
        return self._errors

    def open(self, url: str) -> None:
        self.page.goto(url)

    def _evaluate(self, script: str, *arguments: Any) -> Any:
        return self.page.evaluate(f"(all) => ({script})(...all)", list(arguments))

    def reload(self) -> None:
        self.page.reload()

    def back(self) -> None:
        self.page.go_back(wait_until="commit")

    def resize(self, width: int, height: int) -> None:
        self.page.set_viewport_size({"width": width, "height": height})

    def print(self) -> bytes:
        return self.page.pdf(format="Letter")

    def close(self) -> None:
        self.page.close()

    def _press(self, x: float, y: float) -> None:
        self.page.mouse.click(x, y)

    def _keys(self, text: str) -> None:
        self.page.keyboard.type(text)


class Chromium(Engine):
    """Chromium with one profile."""

    name = "chromium"

    def __init__(self, browser: Browser) -> None:
        self.context = browser.new_context()

    def window(self, width: int = WIDTH, height: int = HEIGHT) -> Window:
        return ChromiumWindow(self, width, height)


# ---- Firefox, by WebDriver BiDi -------------------------------------------------


class FirefoxWindow(Window):
    """A browsing context of Firefox."""

    def __init__(self, engine: Firefox, width: int, height: int) -> None:
        self.engine: Firefox = engine
        # A tab would hide the others.
        made = engine.call("browsingContext.create", type="window")
        self.context = str(made["context"])
        self.resize(width, height)

    def errors(self) -> list[str]:
        self.evaluate("() => 0")  # hear of what happened until now
        return self.engine.errors[self.context]

    def _call(self, method: str, **parameters: Any) -> Any:
        return self.engine.call(method, context=self.context, **parameters)

    def open(self, url: str) -> None:
        self._call("browsingContext.navigate", url=url, wait="complete")

    def _evaluate(self, script: str, *arguments: Any) -> Any:
        text = json.dumps(arguments)
        done = self.engine.call(
            "script.callFunction",
            functionDeclaration="async (all) => JSON.stringify("
            f"await ({script})(...JSON.parse(all)) ?? null)",
            arguments=[{"type": "string", "value": text}],
            target={"context": self.context},
            awaitPromise=True,
        )
        if done["type"] == "exception":
            raise RuntimeError(done["exceptionDetails"]["text"])
        return json.loads(done["result"]["value"])

    def reload(self) -> None:
        self._call("browsingContext.reload", wait="complete")

    def back(self) -> None:
        self._call("browsingContext.traverseHistory", delta=-1)

    def resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height}
        self._call("browsingContext.setViewport", viewport=size)

    def print(self) -> bytes:
        return b64decode(self._call("browsingContext.print")["data"])

    def close(self) -> None:
        self._call("browsingContext.close")

    def _act(self, kind: str, actions: list[dict[str, Any]]) -> None:
        source = {"type": kind, "id": kind, "actions": actions}
        self._call("input.performActions", actions=[source])

    def _press(self, x: float, y: float) -> None:
        self._act(
            "pointer",
            [
                {"type": "pointerMove", "x": int(x), "y": int(y)},
                {"type": "pointerDown", "button": 0},
                {"type": "pointerUp", "button": 0},
            ],
        )

    def _keys(self, text: str) -> None:
        self._act(
            "key",
            [
                {"type": kind, "value": letter}
                for letter in text
                for kind in ("keyDown", "keyUp")
            ],
        )


class Firefox(Engine):
    """Firefox with one profile, over a socket."""

    name = "firefox"

    def __init__(self, socket: ClientConnection) -> None:
        self.errors = defaultdict[str, list[str]](list)
        self._socket = socket
        self._calls = 0
        self.call("session.new", capabilities={})
        self.call("session.subscribe", events=["log.entryAdded"])

    def call(self, method: str, **parameters: Any) -> Any:
        """Call a method, and return its result."""
        self._calls += 1
        message = {"id": self._calls, "method": method, "params": parameters}
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer["type"] == "event":
                self._note(answer["params"])
            elif answer["id"] == self._calls:
                if answer["type"] == "error":
                    raise RuntimeError(f"{method}: {answer['message']}")
                return answer["result"]

    def _note(self, entry: dict[str, Any]) -> None:
        if entry.get("level") == "error":
            self.errors[entry["source"].get("context", "")].append(entry["text"])

    def window(self, width: int = WIDTH, height: int = HEIGHT) -> Window:
        return FirefoxWindow(self, width, height)


# ---- WebKit, by WebDriver -------------------------------------------------------


class WebKitWindow(Window):
    """A window of WebKitGTK."""

    def __init__(self, engine: WebKit, width: int, height: int) -> None:
        self.engine: WebKit = engine
        engine.driver.switch_to.new_window("window")
        self.handle = engine.driver.current_window_handle
        engine.current = self.handle
        self.resize(width, height)

    def errors(self) -> list[str]:
        return list(self.evaluate("() => window.collectedErrors"))

    @property
    def _driver(self) -> WebKitGTK:
        if self.engine.current != self.handle:
            self.engine.driver.switch_to.window(self.handle)
            self.engine.current = self.handle
        return self.engine.driver

    def open(self, url: str) -> None:
        self._driver.get(url)

    def _evaluate(self, script: str, *arguments: Any) -> Any:
        return self._driver.execute_async_script(
            "const [done, all] = [arguments[1], arguments[0]];"
            f"Promise.resolve(({script})(...all)).then(done);",
            list(arguments),
        )

    def reload(self) -> None:
        self._driver.refresh()

    def back(self) -> None:
        self._driver.back()

    def resize(self, width: int, height: int) -> None:
        self._driver.set_window_size(width, height)

    def print(self) -> bytes:
        file = self.engine.pdf
        file.unlink(missing_ok=True)
        self.evaluate("() => void webkit.messageHandlers.print.postMessage(0)")

        def complete() -> bytes:
            data = file.read_bytes() if file.exists() else b""
            return data if b"%%EOF" in data[-10:] else b""

        return wait_for(complete, "the file")

    def close(self) -> None:
        self._driver.close()
        # The driver opens windows only from one that is open.
        self.engine.driver.switch_to.window(self.engine.first)
        self.engine.current = self.engine.first

    def _press(self, x: float, y: float) -> None:
        from selenium.webdriver.common.actions.action_builder import ActionBuilder

        actions = ActionBuilder(self._driver)
        actions.pointer_action.move_to_location(int(x), int(y)).click()
        actions.perform()

    def _keys(self, text: str) -> None:
        self._driver.switch_to.active_element.send_keys(text)


class WebKit(Engine):
    """WebKitGTK with one profile."""

    name = "webkit"

    def __init__(self, driver: WebKitGTK, pdf: Path) -> None:
        self.pdf = pdf  # where windows print to
        self.driver = driver
        self.first = self.current = driver.current_window_handle
        driver.set_page_load_timeout(60)
        driver.set_script_timeout(60)

    def window(self, width: int = WIDTH, height: int = HEIGHT) -> Window:
        return WebKitWindow(self, width, height)


# ---- starting them --------------------------------------------------------------


@contextmanager
def _process(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a program, and stop it in the end."""
    process = subprocess.Popen(command, text=True, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _chromium(_: Path) -> Iterator[Engine]:
    with launch() as browser:
        yield Chromium(browser)


@contextmanager
def _firefox(folder: Path) -> Iterator[Engine]:
    profile = folder / "profile"
    profile.mkdir()
    lines = (
        f"user_pref({json.dumps(name)}, {json.dumps(value)});"
        for name, value in PREFERENCES.items()
    )
    (profile / "user.js").write_text("\n".join(lines))
    command = [firefox(), "--headless", "--no-remote", "--remote-debugging-port=0"]
    errors = folder / "firefox.log"
    with (
        errors.open("w") as log,
        _process(
            [*command, "--profile", str(profile)],
            stdout=log,
            stderr=log,
            env=os.environ | {"HOME": str(folder)},
        ),
    ):
        found = wait_for(
            lambda: re.search(r"ws://[\d.:]+", errors.read_text()), "Firefox", 60
        )
        with connect(f"{found[0]}/session", max_size=None, proxy=None) as socket:
            yield Firefox(socket)


@contextmanager
def _display() -> Iterator[str]:
    """Run a virtual display, and yield its name."""
    reader, writer = os.pipe()
    command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1600x1200x24"]
    with _process(
        [*command, "-nolisten", "tcp"], pass_fds=[writer], stderr=subprocess.DEVNULL
    ):
        os.close(writer)
        with os.fdopen(reader) as pipe:
            yield f":{pipe.readline().strip()}"


@contextmanager
def _webkit(folder: Path) -> Iterator[Engine]:
    options = WebKitGTKOptions()
    options.binary_location = str(WEBKIT_WINDOW)
    options.add_argument("--automation")
    with _display() as display:
        env = os.environ | {
            "DISPLAY": display,
            "HOME": str(folder),
            "WEBKIT_PDF": str(folder / "printed.pdf"),
            "GDK_BACKEND": "x11",
            "NO_AT_BRIDGE": "1",
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "WEBKIT_DISABLE_DMABUF_RENDERER": "1",
        }
        path = str(shutil.which(WEBKIT_DRIVER))
        service = Service(path, env=env)
        driver = WebKitGTK(options=options, service=service)
        try:
            yield WebKit(driver, folder / "printed.pdf")
        finally:
            driver.quit()


STARTS = {"chromium": _chromium, "firefox": _firefox, "webkit": _webkit}


@contextmanager
def engine(name: str, folder: Path) -> Iterator[Engine]:
    """Start a browser, with its profile in a folder."""
    with STARTS[name](folder) as started:
        yield started
