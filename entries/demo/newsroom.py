"""`--busy`: an invented newsroom that posts, edits and corrects by itself."""

import itertools
import logging
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

from django.db import close_old_connections

from entries import publishing
from entries.demo.loading import read
from entries.ledger import Refused
from entries.models import Entry, Story
from entries.publishing import Text

logger = logging.getLogger(__name__)
PAUSE = (4.0, 12.0)  # seconds between two things that happen
LATER = 3  # things that happen before a text is touched again


def start(random_source: random.Random | None = None) -> None:
    """Let the newsroom work in a thread that ends with the process."""
    chance = random_source or random.Random()  # noqa: S311 - nothing secret
    threading.Thread(target=_work, args=(chance,), daemon=True).start()


def _work(chance: random.Random) -> None:
    steps = happenings(chance)
    while True:
        time.sleep(chance.uniform(*PAUSE))
        try:
            next(steps)
        except Refused as refusal:
            logger.info("The newsroom was refused: %s", refusal)
        except Exception:
            logger.exception("The newsroom stumbled; it goes on.")
        finally:
            close_old_connections()


def happenings(chance: random.Random) -> Iterator[Entry]:
    """Do one thing in a live story at each turn: post, or return to a text."""
    scripts = {slug: itertools.cycle(rows) for slug, rows in read("busy.json").items()}
    pending: list[tuple[int, Entry, dict[str, Any]]] = []
    for turn in itertools.count():
        if pending and pending[0][0] <= turn:
            _, entry, row = pending.pop(0)
            yield _return_to(entry, row)
            continue
        story = _story(list(scripts), chance)
        if story is None:
            time.sleep(1)
            continue
        row = next(scripts[story.slug])
        entry = publishing.post(
            story,
            Text(row["body"], row.get("headline", ""), byline=row.get("byline", "")),
            key_event=row.get("key_event", False),
        )
        if {"edit", "correction", "withdraw"} & set(row):
            pending.append((turn + LATER, entry, row))
        yield entry


def _story(slugs: list[str], chance: random.Random) -> Story | None:
    running = list(Story.objects.live().filter(slug__in=slugs))
    return chance.choice(running) if running else None


def _return_to(entry: Entry, row: dict[str, Any]) -> Entry:
    entry.refresh_from_db()
    if row.get("withdraw"):
        return publishing.withdraw(entry)
    correction = row.get("correction") or {}
    text = Text(
        correction.get("body") or row["edit"], entry.headline, entry.at, entry.byline
    )
    return publishing.edit(
        entry, text, version=entry.version, correction=correction.get("line", "")
    )
