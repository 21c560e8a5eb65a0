"""An import that is killed leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import actions
from tests.servers import Newsroom


def test_a_killed_import_leaves_nothing_and_can_be_repeated(
    newsroom: Newsroom, tmp_path: Path
) -> None:
    updates = [f"UPDATE 12{n:02} GMT: Crossing {n} is made." for n in range(30)]
    file = tmp_path / "crossings.txt"
    file.write_text("\n\n".join([*updates, "ORIGINAL ENTRY: The ferry sails again."]))
    command = ["import_story", str(file), "--publish", "--date", "2026-03-14"]
    with pytest.raises(EOFError):
        newsroom.helper().call(actions.crash_while_importing, *command)
    assert (newsroom.data / "written").read_text() == "31"
    assert newsroom.call(actions.stories_and_entries) == (0, 0)
    newsroom.call(actions.manage, *command)
    assert newsroom.call(actions.stories_and_entries) == (1, 31)
