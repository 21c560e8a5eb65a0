"""Measure delivery and pages: `python -m benchmarks [--readers 1000,10000,19000]`.

Compares the product with nchan and nginx (Debian's `nginx` and `libnginx-mod-nchan`,
if installed) and with a minimal server in C, all in one run. Machines differ and are
shared, so compare ratios, not absolute figures. Needs a C compiler and the packages of
the tests. `--record TITLE` appends the figures to RESULTS.md.

`python -m benchmarks.lighthouse` measures pages in a browser.
`python -m benchmarks scale` measures how cost grows with the size of a site.
`python -m benchmarks desks` measures many open desks.
`python -m benchmarks long-desk` measures the desk of a long story in a browser.
`python -m benchmarks arrivals` measures what updates cost in a reader's phone.
`python -m benchmarks open-page` measures a page that is open all day.
"""

import argparse
import resource
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from benchmarks import (
    arrivals,
    desks,
    long_desk,
    measures,
    open_page,
    scale,
    subjects,
)
from benchmarks.measures import Fanout
from benchmarks.tables import record, say, table
from tests.servers import HOST, Newsrooms, postgres

PRODUCTS = (("sqlite", 1), ("postgres", 1), ("postgres", 2))  # database, workers
COLUMNS = (
    ("cpu", "CPU µs per delivery", "{:.1f}"),
    ("p50", "delay p50 ms", "{:.0f}"),
    ("p99", "p99 ms", "{:.0f}"),
    ("last", "last reader ms", "{:.0f}"),
    ("wait", "small request, max ms", "{:.1f}"),
    ("wait_p99", "small request, p99 ms", "{:.1f}"),
    ("memory", "memory per reader, bytes", "{:.0f}"),
    ("connections", "connections per second", "{:.0f}"),
    ("bytes", "bytes per delivery", "{:.0f}"),
    ("lost", "lost", "{:.0f}"),
    ("doubled", "duplicated", "{:.0f}"),
    ("dropped", "dropped", "{:.0f}"),
)


def fanout_table(found: list[Fanout]) -> str:
    """Return the fan-out figures as a table, one row per server and reader count."""
    rows = [
        [f"{one.readers:,}", one.name]
        + [form.format(one.figures[key]) for key, _, form in COLUMNS]
        for one in found
    ]
    return table(["readers", "server", *(title for _, title, _ in COLUMNS)], rows)


def ratio_table(found: list[Fanout]) -> str:
    """Return a table of the product's costs relative to nchan and the floor."""
    rows = []
    for one in found:
        others = {
            other.name: other.figures
            for other in found
            if other.readers == one.readers and other is not one
        }
        if one.name in ("nchan", "floor"):
            continue
        rows.append(
            [f"{one.readers:,}", one.name]
            + [
                f"{one.figures[key] / others[name][key]:.2f}" if name in others else "–"
                for key, name in (
                    ("cpu", "nchan"),
                    ("cpu", "floor"),
                    ("last", "nchan"),
                    ("memory", "nchan"),
                )
            ]
        )
    heads = ["CPU ÷ nchan", "CPU ÷ floor", "last reader ÷ nchan", "memory ÷ nchan"]
    return table(["readers", "server", *heads], rows)


def fanouts(
    folder: Path, newsrooms: Newsrooms, counts: list[int], marks: int
) -> list[Fanout]:
    """Measure the fan-out of every server at each reader count, one at a time."""
    found: list[Fanout] = []
    size = 1500
    for count in counts:
        for kind, workers in PRODUCTS:
            with subjects.product(newsrooms, kind, workers) as subject:
                one = measures.fanout(folder, subject, count, marks, 1500)
            size = round(
                one.figures["bytes"]
            )  # send the same number of bytes through the others
            found.append(one)
            say(fanout_table(found[-1:]).splitlines()[-1])
        with ExitStack() as stack:
            others = [stack.enter_context(subjects.floor(folder / "floor"))]
            if subjects.MODULE.exists():
                place = folder / f"nginx-{count}"
                others.append(stack.enter_context(subjects.nginx(place)))
            for other in others:
                found.append(measures.fanout(folder, other, count, marks, size))
                say(fanout_table(found[-1:]).splitlines()[-1])
    return found


def pages(folder: Path, newsrooms: Newsrooms, seconds: float) -> str:
    """Measure a page of 99 updates of 1.1 kB: rendered, cached, and not modified."""
    rows: list[list[str]] = []
    place = folder / "nginx-pages"
    with subjects.nginx(place, hub=False) as file:
        for kind in ("sqlite", "postgres"):
            with subjects.product(newsrooms, kind) as subject:
                path = f"/stories/{subjects.SLUG}/"
                plain = httpx.get(f"http://{HOST}:{subject.port}{path}")
                (place / "files" / "page.html").write_bytes(plain.content)
                tag = f"If-None-Match: {plain.headers['etag']}"
                base = httpx.get(f"http://{HOST}:{file.port}/page.html")
                same = f"If-None-Match: {base.headers['etag']}"
                asked = (
                    ("rendered by Django", "Range: bytes=0-", ""),
                    ("from the page cache", "", ""),
                    ("304", tag, same),
                )
                for what, header, other in asked:
                    ours = measures.ask(folder, subject, path, seconds, header)
                    theirs = measures.ask(folder, file, "/page.html", seconds, other)
                    pairs = list(zip(ours, theirs, strict=True))
                    figures = [f"{a:,.0f} : {b:,.0f}" for a, b in pairs]
                    ratios = [
                        f"{ours[0] / theirs[0]:.2f}",
                        f"{ours[1] / theirs[1]:.2f}",
                    ]
                    size = f"{len(plain.content):,}"
                    rows.append([subject.name, what, size, *figures, *ratios])
                    say(" | ".join(rows[-1]))
    heads = ["server", "page", "bytes", "requests per second : nginx, same file"]
    heads += ["CPU µs per request : nginx", "speed ÷ nginx", "CPU ÷ nginx"]
    return table(heads, rows)


def arguments() -> argparse.Namespace:
    """Parse the command-line arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--readers", default="1000,10000,19000")
    parser.add_argument("--marks", type=int, default=20, help="messages (at most 64)")
    parser.add_argument("--seconds", type=float, default=4, help="per page measurement")
    parser.add_argument("--only", choices=["fanout", "pages"])
    parser.add_argument("--record", metavar="TITLE", help="append to RESULTS.md")
    return parser.parse_args()


def main() -> None:
    """Run the benchmarks, print the tables, and record them with --record."""
    options = arguments()
    counts = [int(count) for count in options.readers.split(",")]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if max(counts) > most - 500:
        sys.exit(f"A process can open only {most} files here: use fewer --readers.")
    if not shutil.which("cc"):
        sys.exit("The benchmark clients are written in C: install a compiler (gcc).")
    parts: list[str] = []
    with TemporaryDirectory(prefix="liveblog-bench-") as name:
        folder = Path(name)
        measures.build(folder)
        with postgres(folder / "postgres") as url:
            newsrooms = Newsrooms(folder / "rooms", lambda: url)
            if options.only != "pages":
                found = fanouts(folder, newsrooms, counts, options.marks)
                parts += [fanout_table(found), ratio_table(found)]
            if options.only != "fanout" and shutil.which("nginx"):
                parts.append(pages(folder, newsrooms, options.seconds))
    text = "\n\n".join(parts)
    say(f"\n{text}")
    if options.record:
        record(options.record, text)


if __name__ == "__main__":
    if sys.argv[1:2] == ["scale"]:
        scale.main(sys.argv[2:])
    elif sys.argv[1:2] == ["desks"]:
        desks.main(sys.argv[2:])
    elif sys.argv[1:2] == ["long-desk"]:
        long_desk.main(sys.argv[2:])
    elif sys.argv[1:2] == ["arrivals"]:
        arrivals.main(sys.argv[2:])
    elif sys.argv[1:2] == ["open-page"]:
        open_page.main(sys.argv[2:])
    else:
        main()
