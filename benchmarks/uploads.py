"""Measure publishing during uploads: `python -m benchmarks.uploads`.

One editor publishes repeatedly and one reader's stream is open while other editors
upload pictures. Reports how long publishing takes, how long an update takes to reach
the reader, and the peak memory of the server and its child processes. Other load on the
machine counts too: repeat the run and compare the lowest figures. `--record TITLE`
appends the figures to RESULTS.md.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from PIL import Image
from PIL.Image import Resampling

from benchmarks.subjects import family
from benchmarks.tables import record, say, table
from tests import actions
from tests.desk import Editor
from tests.photos import encode, flat_png, noise, photograph
from tests.servers import Newsroom, Newsrooms, Server, Stream, postgres

SLUG = "ice-on-the-sound"
QUIET = 15  # updates published when nobody uploads
PAUSE = 0.1  # seconds between two updates


def large_avif(seed: int) -> bytes:
    """Return an AVIF of 24 million pixels, whose encoder uses every core."""
    picture = noise(96, 64).rotate(seed).resize((6000, 4000), Resampling.BICUBIC)
    return encode(picture, "AVIF", quality=60, speed=10)


def large_png(seed: int) -> bytes:
    """Return a transparent PNG of 40 million pixels."""
    return encode(Image.new("RGBA", (8000, 5000), (seed, 90, 200, 128)))


# name, function that makes a file, files per editor, editors
LOADS: tuple[tuple[str, Callable[[int], bytes], int, int], ...] = (
    ("nothing", photograph, 0, 0),
    ("photographs of 150 kB, 2 editors × 3", photograph, 3, 2),
    ("flat PNG of 40 MP, 2 editors × 6", flat_png, 6, 2),
    ("transparent PNG of 40 MP, 2 editors × 2", large_png, 2, 2),
    ("AVIF of 24 MP, 2 editors × 2", large_avif, 2, 2),
)


class Memory:
    """The peak memory of a server and its child processes, in MB."""

    def __init__(self, pid: int) -> None:
        self.most = self.least = self._now(pid)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=[pid], daemon=True)
        self._thread.start()

    def _watch(self, pid: int) -> None:
        while not self._done.wait(0.02):
            with suppress(OSError):  # a picture's process has just ended
                self.most = max(self.most, self._now(pid))

    def _now(self, pid: int) -> float:
        return sum(map(_resident, family(pid))) / 1024

    def stop(self) -> float:
        """Stop watching, and return the peak."""
        self._done.set()
        self._thread.join()
        return self.most


def _resident(pid: int) -> int:
    """Return the resident memory of a process in kB; 0 if it has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(s.split()[1]) for s in text.splitlines() if s[:6] == "VmRSS:"), 0)


@contextmanager
def uploading(
    server: Server, story: int, files: list[list[bytes]]
) -> Iterator[list[Future[None]]]:
    """Upload each list as one editor, with the desk's limit of three files at once."""

    def upload(name: str, data: bytes) -> None:
        with Editor(server.url, name) as editor:
            editor.upload(story, data)

    names = ("editor2", "chief")
    with ThreadPoolExecutor(6) as pool:
        pairs = zip(names, files, strict=False)
        yield [pool.submit(upload, name, data) for name, own in pairs for data in own]


def publish(
    server: Server, stream: Stream, story: int, goes_on: Callable[[int], bool]
) -> tuple[list[float], list[float]]:
    """Publish while `goes_on`; return the ms until published, and until at a reader."""
    took: list[float] = []
    late: list[float] = []
    with Editor(server.url) as editor:
        editor.publish(story, "Before anything.")
        for number in count():
            if not goes_on(number):
                return took, late
            words = f"Report {time.monotonic_ns()}."
            began = time.monotonic()
            editor.publish(story, words)
            took.append((time.monotonic() - began) * 1000)
            stream.wait(words, 60)
            late.append((time.monotonic() - began) * 1000)
            time.sleep(PAUSE)
    raise AssertionError


def measure(room: Newsroom, story: int, load: int) -> list[str]:
    """Measure one load on a new server; return a row of the table."""
    name, make, number, editors = LOADS[load]
    files = [[make(7 * e + n) for n in range(number)] for e in range(editors)]
    server = room.server()
    with room.sse(server, SLUG) as stream:
        stream.wait_named("at")
        memory = Memory(server.pid or 0)
        began = time.monotonic()
        with uploading(server, story, files) as jobs:
            busy = lambda n: any(not j.done() for j in jobs) if jobs else n < QUIET  # noqa: E731
            took, late = publish(server, stream, story, busy)
            for job in jobs:
                job.result()
        seconds = time.monotonic() - began
    most = memory.stop()
    server.stop()
    figures = [median(took), max(took), median(late), max(late), memory.least, most]
    row = [room.kind, name, str(len(took)), *(f"{one:.0f}" for one in figures)]
    return [*row, f"{seconds:.1f}"]


def main() -> None:
    """Parse arguments, measure and print, and record with --record."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.uploads", description=__doc__
    )
    parser.add_argument("--only", choices=["sqlite", "postgres"])
    parser.add_argument("--record", metavar="TITLE", help="append to RESULTS.md")
    options = parser.parse_args()
    rows: list[list[str]] = []
    with TemporaryDirectory(prefix="liveblog-bench-") as name:
        folder = Path(name)
        with postgres(folder / "postgres") as url:
            newsrooms = Newsrooms(folder / "rooms", lambda: url)
            for kind in [options.only] if options.only else ["sqlite", "postgres"]:
                with newsrooms.open(kind) as room:
                    story = room.call(actions.make_story, "Ice on the Sound", SLUG)
                    for load in range(len(LOADS)):
                        rows.append(measure(room, story, load))
                        say(" | ".join(rows[-1]))
    heads = ["database", "concurrent uploads", "updates published", "p50 ms", "max ms"]
    heads += ["at a reader p50 ms", "at a reader max ms", "MB before", "peak MB"]
    heads.append("total s")
    text = table(heads, rows)
    say(f"\n{text}")
    if options.record:
        record(options.record, text)


if __name__ == "__main__":
    main()
