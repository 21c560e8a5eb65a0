"""`--busy`: an invented newsroom that posts, edits and corrects by itself."""

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
PAUSE = (4.0, 12.0)  # seconds between two things that happen
LATER = 3  # things that happen before a text is touched again


def start_newsroom() -> None:
    """Let the newsroom work in a thread that ends with the process."""
    newsroom = Newsroom(random.Random())  # noqa: S311 - nothing secret
    threading.Thread(target=_work, args=(newsroom,), daemon=True).start()


def _work(newsroom: "Newsroom") -> None:
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
    """What it has to tell, by story, and which texts it returns to at which step."""

    def __init__(self, chance: random.Random) -> None:
        rows = read_demo_file("busy.json").items()
        self.chance = chance
        self.scripts = {slug: itertools.cycle(script) for slug, script in rows}
        self.steps = 0
        self.later: list[tuple[int, Entry, dict[str, Any]]] = []

    def step(self) -> Entry | None:
        """Do one thing in a live story: post, or return to a text.

        Return its entry; None where no story is live. Raises what a verb raises.
        """
        self.steps += 1
        if self.later and self.later[0][0] <= self.steps:
            _, entry, row = self.later.pop(0)
            return _return_to(entry, row)
        story = _story(list(self.scripts), self.chance)
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
            self.later.append((self.steps + LATER, entry, row))
        return entry


def _story(slugs: list[str], chance: random.Random) -> Story | None:
    running = list(Story.objects.live().filter(slug__in=slugs))
    return chance.choice(running) if running else None


def _return_to(entry: Entry, row: dict[str, Any]) -> Entry:
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
