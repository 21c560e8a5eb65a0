"""Faults injected into the process that decodes pictures, before our own code runs."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

# Appends a line to a file when a process begins, and one with its figures at its end.
DIARY = """
import atexit, os
def note(words):
    with open({path!r}, "a") as file:
        file.write(words + "\\n")
def end():
    status = open("/proc/self/status").read()
    kilobytes = status.split("VmHWM:")[1].split()[0]
    note(f"end {{os.getpriority(os.PRIO_PROCESS, 0)}} {{kilobytes}}")
note("begin")
atexit.register(end)
"""
# Waits until a file is there.
GATE = """
import os, time
while not os.path.exists({path!r}):
    time.sleep(0.01)
"""


def inject(folder: Path, code: str) -> dict[str, str]:
    """Let every picture's process run that first; return the environment for it."""
    guarded = f'if "entries.images.worker" in sys.orig_argv:\n{indent(code, "    ")}'
    (folder / "sitecustomize.py").write_text(f"import sys\n{guarded}\n")
    return {"PYTHONPATH": str(folder)}


def diary(path: Path) -> tuple[list[str], list[int], int]:
    """Return what a diary says: its first words, niceness of each, and most kB."""
    lines = [line.split() for line in path.read_text().splitlines()]
    ends = [line for line in lines if line[0] == "end"]
    words = [line[0] for line in lines]
    return words, [int(one[1]) for one in ends], max(int(one[2]) for one in ends)
