"""Figures as tables, printed and kept."""

import datetime
import sys
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"


def say(words: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def record(words: str, text: str) -> None:
    """Add figures to RESULTS.md under today's date and some words."""
    day = datetime.datetime.now(datetime.UTC).date()
    with RESULTS.open("a") as file:
        file.write(f"\n## {day}: {words}\n\n{text}\n")
