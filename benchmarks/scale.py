"""Measure how cost grows with a site: `python -m benchmarks scale`.

There are two dimensions: updates of the live stories, and closed stories in the
archive. Each has three sizes, every one four times the last. All URLs and verbs run in
a process of the product, on SQLite and PostgreSQL; pages are rendered right after a
post, so never from a cache. Prints milliseconds (on SQLite CPU time, so that other load
does not count) and the growth from size to size: 4 is linear, 1 is constant.
`--only archive --kinds sqlite` measures a part of this.
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

RUNNING = (94, 375, 1500)  # updates of each of ten live stories
ARCHIVE = (188, 750, 3000)  # closed stories of 61 entries
SIZES = {
    "running": [(size, 188) for size in RUNNING],
    "archive": [(60, size) for size in ARCHIVE],
}
TURNS = 5
LOUD = 1.5  # growth that is marked in the table
Figures = dict[str, float]


def measure(turns: int = TURNS) -> Figures:
    """Return the milliseconds of every action, measured in this process."""
    logging.getLogger("liveblog").setLevel(logging.WARNING)
    return {name: timed(act, turns) for name, act in site.acts().items()}


def timed(act: Callable[[], Callable[[], Any]], turns: int) -> float:
    """Return the shortest of several runs of an action, in ms, without the first run.

    SQLite runs in this process, so CPU time excludes other load on the machine.
    PostgreSQL runs in other processes, so only elapsed time can be measured.
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
    """Return a table with one row per action: ms at each size, and growth."""
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
    """Measure the dimensions on each kind of database; return the tables."""
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
    """Parse arguments, measure and print, and record with --record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks scale")
    parser.add_argument("--only", choices=list(SIZES))
    parser.add_argument("--kinds", default="sqlite,postgres")
    parser.add_argument("--record", metavar="TITLE", help="append to RESULTS.md")
    options = parser.parse_args(arguments)
    dimensions = [options.only] if options.only else list(SIZES)
    text = run(options.kinds.split(","), dimensions)
    if options.record:
        record(options.record, text)
