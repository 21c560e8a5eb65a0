"""How it is measured: clients in C, processor time and memory by the kernel."""

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
SETTLE = 0.5  # seconds of rest, so that what came before is over
PATIENCE = 30  # seconds for the last message to reach the last reader


@dataclass
class Fanout:
    """Figures of one server and one number of readers."""

    name: str
    readers: int
    figures: dict[str, float] = field(default_factory=dict)


def build(folder: Path) -> None:
    """Compile the clients and the floor."""
    for name in ("readers", "floor"):
        source, target = HERE / f"{name}.c", folder / name
        subprocess.run(["cc", "-O2", "-o", target, source], check=True)


def processor(pids: list[int]) -> float:
    """Return the seconds that processes were on a processor, ended threads too."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def memory(pids: list[int]) -> float:
    """Return the bytes that processes keep, what they share divided among them."""
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
    """Run a client; its figures are in the second value when the block has ended."""
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
    """Open the readers, publish, and return what it took.

    `delay`s are from just before publishing to the reader's socket, in ms; `cpu` is
    µs a delivery; `memory` bytes a reader; `connections` a second; `wait` is the
    longest of a small request beside it, in ms.
    """
    empty = memory(subject.pids)
    following = ("follow", subject.port, subject.path, readers, marks)
    with client(folder, *following) as (process, seen):
        assert process.stdout is not None
        if not select.select([process.stdout], [], [], 4 * PATIENCE)[0]:
            raise RuntimeError(f"{subject.name} does not take {readers} readers.")
        connected = json.loads(process.stdout.readline())["connected_in_s"]
        time.sleep(SETTLE)
        full = memory(subject.pids)
        with client(folder, "probe", subject.port, *subject.small) as (_, small):
            time.sleep(SETTLE)
            began = processor(subject.pids)
            for number in range(marks):
                at = time.monotonic_ns()
                subject.tell(f"bench{number:04}t{at:019}z", size)
                # Long enough for every reader, and the same for all servers.
                time.sleep(readers / 25_000 + 0.05)
            # Whoever has no message by then will have lost it.
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
    """Let 32 clients ask again and again: answers a second, and µs of CPU for each."""
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
