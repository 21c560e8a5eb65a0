"""A machine that dies during an import leaves nothing of it behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import ROOT, Newsroom, Newsrooms


def stories_and_entries() -> tuple[int, int]:
    from entries.models import Entry, Story

    return Story.objects.count(), Entry.objects.count()


@pytest.fixture
def newsroom(newsrooms: Newsrooms) -> Iterator[Newsroom]:
    with newsrooms.open("sqlite") as newsroom:
        yield newsroom


def test_an_import_that_is_killed_leaves_nothing_and_can_be_done_again(
    newsroom: Newsroom, tmp_path: Path
) -> None:
    updates = [
        f"UPDATE {23 - n // 60:02}{59 - n % 60:02} GMT: Crossing {n} is made."
        for n in range(120)
    ]
    file = tmp_path / "crossings.txt"
    file.write_text("\n\n".join([*updates, "ORIGINAL ENTRY: The ferry sails again."]))
    command = ["import_story", str(file), "--publish", "--date", "2026-03-14"]
    process = subprocess.Popen(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env=newsroom.env,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    with process, process.stderr as said:
        reached = any("100 of" in line for line in said)
        process.kill()
    assert reached
    assert newsroom.call(stories_and_entries) == (0, 0)
    newsroom.manage(*command)
    assert newsroom.call(stories_and_entries) == (1, 121)
