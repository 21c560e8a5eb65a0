"""Measure servers with C clients, and CPU time and memory from /proc."""

import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.subjects import Subject

HERE = Path(__file__).resolve().parent
SETTLE = 0.5  # seconds to wait until earlier work is over
PATIENCE = 30  # seconds for the last message to reach the last reader


@dataclass
class Fanout:
    """Fan-out figures of one server at one reader count."""

    name: str
    readers: int
    figures: dict[str, float] = field(default_factory=dict)


def build(folder: Path) -> None:
    """Compile the load client and the floor server into a folder."""
    for name in ("readers", "floor"):
        source, target = HERE / f"{name}.c", folder / name
        subprocess.run(["cc", "-O2", "-o", target, source], check=True)


def processor(pids: list[int]) -> float:
    """Return the CPU seconds that processes have used, including ended threads."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def memory(pids: list[int]) -> float:
    """Return the proportional set size (PSS) of processes, in bytes."""
    total = 0
    for pid in pids:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += next(
            int(line.split()[1]) for line in text.splitlines() if line[:4] == "Pss:"
        )
    return total * 1024.0


@contextmanager
def client(
    folder: Path, *arguments: object
) -> Iterator[tuple["subprocess.Popen[str]", dict[str, Any]]]:
    """Run a load client; the yielded dict holds its figures once the block ends."""
    figures: dict[str, Any] = {}
    with subprocess.Popen(
        [str(folder / "readers"), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process, figures
            process.stdin.close()
            figures |= json.loads(process.stdout.readline() or "{}")
        finally:
            process.stdin.close()
            process.terminate()


def fanout(
    folder: Path, subject: Subject, readers: int, marks: int, size: int
) -> Fanout:
    """Connect the readers, publish `marks` messages, and return the figures.

    `p50`, `p99` and `last` are delays in ms, from just before publishing until the
    reader's socket has the message. `cpu` is in µs per delivery, `memory` in bytes per
    reader, `connections` per second. `wait` and `wait_p99` are the times of small
    requests made meanwhile, in ms.
    """
    empty = memory(subject.pids)
    following = ("follow", subject.port, subject.path, readers, marks)
    with client(folder, *following) as (process, seen):
        assert process.stdout is not None
        if not select.select([process.stdout], [], [], 4 * PATIENCE)[0]:
            raise RuntimeError(f"{subject.name} did not accept {readers} readers.")
        connected = json.loads(process.stdout.readline())["connected_in_s"]
        time.sleep(SETTLE)
        full = memory(subject.pids)
        with client(folder, "probe", subject.port, *subject.small) as (_, small):
            time.sleep(SETTLE)
            began = processor(subject.pids)
            for number in range(marks):
                at = time.monotonic_ns()
                subject.tell(f"bench{number:04}t{at:019}z", size)
                # Time enough for every reader, and the same for all servers.
                time.sleep(readers / 25_000 + 0.05)
            # A message that has not arrived by then counts as lost.
            if select.select([process.stdout], [], [], PATIENCE)[0]:
                process.stdout.readline()
            time.sleep(SETTLE)
            spent = processor(subject.pids) - began
    deliveries = max(seen["deliveries"], 1)
    return Fanout(
        subject.name,
        readers,
        {
            "p50": seen["p50"] / 1000,
            "p99": seen["p99"] / 1000,
            "last": seen["last"] / 1000,
            "wait": small["worst"] / 1000,
            "wait_p99": small["p99"] / 1000,
            "requests": small["requests"],
            "cpu": spent * 1e6 / deliveries,
            "bytes": seen["bytes"],
            "memory": (full - empty) / readers,
            "connections": readers / connected,
            "lost": seen["lost"],
            "doubled": seen["doubled"],
            "dropped": seen["dropped"],
        },
    )


def ask(
    folder: Path, subject: Subject, path: str, seconds: float, header: str = ""
) -> tuple[float, float]:
    """Load a URL with 32 clients; return responses per second, and CPU µs for each."""
    command = [folder / "readers", "ask", subject.port, path, 32, seconds]
    began = processor(subject.pids)
    done = subprocess.run(
        [*map(str, command), *([header] if header else [])],
        check=True,
        capture_output=True,
        text=True,
    )
    spent = processor(subject.pids) - began
    found = json.loads(done.stdout)
    if found["status"] not in (200, 206, 304):
        raise RuntimeError(f"{path} answered {found['status']}")
    return found["per_second"], spent * 1e6 / (found["per_second"] * seconds)
