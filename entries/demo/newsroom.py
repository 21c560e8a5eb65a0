"""A simulated newsroom, for `--busy`: it posts, edits, corrects and withdraws."""

import itertools
import logging
import random
import threading
import time
from typing import Any

from django.db import close_old_connections

from entries import verbs
from entries.demo.loading import read_demo_file
from entries.models import Entry, Story
from entries.verbs import EntryText, Refused

logger = logging.getLogger(__name__)
PAUSE = (4.0, 12.0)  # seconds between two steps: minimum and maximum
FOLLOW_UP_STEPS = 3  # steps after which an update is edited or withdrawn


def start_newsroom() -> None:
    """Run the newsroom in a daemon thread."""
    newsroom = Newsroom(random.Random())  # noqa: S311 - not for cryptography
    threading.Thread(target=_run, args=(newsroom,), daemon=True).start()


def _run(newsroom: "Newsroom") -> None:
    while True:
        time.sleep(newsroom.chance.uniform(*PAUSE))
        try:
            newsroom.step()
        except Refused as refusal:
            logger.info("The newsroom was refused: %s", refusal)
        except Exception:
            logger.exception("The newsroom stumbled; it goes on.")
        finally:
            close_old_connections()


class Newsroom:
    """The newsroom's script for each story, and its planned follow-ups by step."""

    def __init__(self, chance: random.Random) -> None:
        rows = read_demo_file("busy.json").items()
        self.chance = chance
        self.scripts = {slug: itertools.cycle(script) for slug, script in rows}
        self.steps = 0
        self.follow_ups: list[tuple[int, Entry, dict[str, Any]]] = []

    def step(self) -> Entry | None:
        """Post an update in a random live story, or follow up on an earlier one.

        Return the entry, or None if no story is live. Raises Refused.
        """
        self.steps += 1
        if self.follow_ups and self.follow_ups[0][0] <= self.steps:
            _, entry, row = self.follow_ups.pop(0)
            return _follow_up(entry, row)
        story = _random_story(list(self.scripts), self.chance)
        if story is None:
            return None
        row = next(self.scripts[story.slug])
        entry = verbs.post(
            story,
            EntryText(
                row["body"], row.get("headline", ""), byline=row.get("byline", "")
            ),
            key_event=row.get("key_event", False),
        )
        if {"edit", "correction", "withdraw"} & set(row):
            self.follow_ups.append((self.steps + FOLLOW_UP_STEPS, entry, row))
        return entry


def _random_story(slugs: list[str], chance: random.Random) -> Story | None:
    live = list(Story.objects.live().filter(slug__in=slugs))
    return chance.choice(live) if live else None


def _follow_up(entry: Entry, row: dict[str, Any]) -> Entry:
    entry.refresh_from_db()
    if row.get("withdraw"):
        return verbs.withdraw(entry)
    correction = row.get("correction") or {}
    text = EntryText(
        correction.get("body") or row["edit"], entry.headline, entry.at, entry.byline
    )
    return verbs.edit(
        entry, text, version=entry.version, correction=correction.get("line", "")
    )
