"""Measure how cost grows with a site: `python -m benchmarks scale`.

Two dimensions, three sizes each, every size four times the last: updates of the
running stories, and closed stories in the archive. Every address is asked and every
verb runs in a process of the product, on SQLite and PostgreSQL; pages are made anew,
right after a post. Prints milliseconds (of the process itself on SQLite, so that other
work does not count) and the growth from size to size: 4 is linear, 1 is flat.
`--only archive --kinds sqlite` narrows it.
"""

import argparse
import itertools
import logging
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.db import connection

from benchmarks import site
from benchmarks.tables import record, say, table
from tests.servers import Newsrooms, postgres

RUNNING = (94, 375, 1500)  # updates of each of ten running stories
ARCHIVE = (188, 750, 3000)  # closed stories of 61 entries
SIZES = {
    "running": [(size, 188) for size in RUNNING],
    "archive": [(60, size) for size in ARCHIVE],
}
TURNS = 5
LOUD = 1.5  # a growth worth a look
Figures = dict[str, float]


def measure(turns: int = TURNS) -> Figures:
    """Return the milliseconds of every act, in a process with its site."""
    logging.getLogger("liveblog").setLevel(logging.WARNING)
    return {name: timed(act, turns) for name, act in site.acts().items()}


def timed(act: Callable[[], Callable[[], Any]], turns: int) -> float:
    """Return the shortest time, in ms, of what an act prepares, the first left out.

    SQLite works in this process, whose own time other work on the machine does not
    change. What PostgreSQL does can be waited for only.
    """
    clock = time.process_time if connection.vendor == "sqlite" else time.perf_counter
    found = []
    for _ in range(turns + 1):
        run = act()
        began = clock()
        run()
        found.append(1000 * (clock() - began))
    return min(found[1:])


def growth(columns: list[Figures]) -> str:
    """Return a table: a row an act, milliseconds at each size, growth between."""
    rows = []
    for name in columns[0]:
        values = [figures[name] for figures in columns]
        grown = [after / before for before, after in itertools.pairwise(values)]
        mark = "look" if max(grown) > LOUD and values[-1] > 20 else ""
        cells = [f"{value:.1f}" for value in values]
        rows.append([name, *cells, *(f"{one:.1f}" for one in grown), mark])
    sizes = [str(number + 1) for number in range(len(columns))]
    heads = ["ms", *(f"size {one}" for one in sizes)]
    heads += [f"× at {one}" for one in sizes[1:]] + [""]
    return table(heads, rows)


def run(kinds: list[str], dimensions: list[str]) -> str:
    """Measure all, and return the tables."""
    parts = []
    with TemporaryDirectory(prefix="liveblog-scale-") as name:
        folder = Path(name)
        with postgres(folder / "postgres") as url:
            newsrooms = Newsrooms(folder / "rooms", lambda: url)
            for dimension in dimensions:
                for kind in kinds:
                    columns = []
                    for updates, archived in SIZES[dimension]:
                        with newsrooms.open(kind) as room:
                            room.call(site.fill, updates=updates, archived=archived)
                            columns.append(room.call(measure))
                        say(f"{dimension}, {kind}: {updates} × {archived} done")
                    parts.append(f"### {dimension}, {kind}\n\n{growth(columns)}")
                    say(parts[-1])
    return "\n\n".join(parts)


def main(arguments: list[str]) -> None:
    """Measure, print, and record if asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks scale")
    parser.add_argument("--only", choices=list(SIZES))
    parser.add_argument("--kinds", default="sqlite,postgres")
    parser.add_argument("--record", metavar="WORDS", help="add to RESULTS.md")
    options = parser.parse_args(arguments)
    dimensions = [options.only] if options.only else list(SIZES)
    text = run(options.kinds.split(","), dimensions)
    if options.record:
        record(options.record, text)
