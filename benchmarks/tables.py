"""Print benchmark figures as Markdown tables, and record them in RESULTS.md."""

import datetime
import sys
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"


def say(words: str) -> None:
    """Print a line and flush it."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def record(words: str, text: str) -> None:
    """Append tables to RESULTS.md under a heading with today's date and a title."""
    day = datetime.datetime.now(datetime.UTC).date()
    with RESULTS.open("a") as file:
        file.write(f"\n## {day}: {words}\n\n{text}\n")
