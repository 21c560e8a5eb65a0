"""Verbs for tests of real servers: they run in a helper process, by slug and id.

Each takes and returns what can be pickled.
"""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta
from io import StringIO
from random import Random
from typing import Any
from unittest import mock

from django.conf import settings
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.utils import timezone

from entries import delivery, verbs
from entries.delivery import watchers
from entries.models import (
    Audience,
    Entry,
    Image,
    ImportedFile,
    Link,
    Posting,
    Series,
    Site,
    Story,
)
from entries.pages import fragment_cache, story_page
from entries.text import gmt
from entries.verbs import EntryText


def story_of(slug: str) -> Story:
    return Story.objects.get(slugs__slug=slug)


def misplaced() -> list[str]:
    """Name postings and stories whose repeated facts differ from the rows."""
    wrong = []
    for posting in Posting.objects.select_related("entry", "story"):
        kept = (posting.at, posting.visible)
        posting.denormalize()
        if kept != (posting.at, posting.visible):
            wrong.append(f"{posting}: {kept}")
    for story in Story.objects.all():
        newest = story.postings.visible().newest().values_list("at", flat=True).first()
        if story.newest_at != newest:
            wrong.append(f"{story.slug}: {story.newest_at}, not {newest}")
    return wrong


def make_story(headline: str, slug: str, *, live: bool = True, updates: int = 0) -> int:
    """Make a story of a series, with its original entry and some updates."""
    series, _ = Series.objects.get_or_create(
        slug="sorrava-daily", defaults={"name": "Sorrava Daily"}
    )
    story = verbs.create_story(headline, slug=slug, series=series)
    verbs.post(story, EntryText("How it began."), kind=Entry.Kind.ORIGINAL)
    start = timezone.now() - timedelta(minutes=updates + 5)
    for number in range(updates):
        words = f"Report {number} from the quay. " + "The tide is out again. " * 12
        verbs.post(story, EntryText(words, at=start + timedelta(minutes=number)))
    if live:
        verbs.go_live(story)
    return int(story.pk)


def post(slug: str, body: str, *, minutes_ago: float | None = None, **more: Any) -> int:
    """Post an update, now or at an earlier (negative: later) time."""
    at = None
    if minutes_ago is not None:
        at = timezone.now() - timedelta(minutes=minutes_ago)
    return int(verbs.post(story_of(slug), EntryText(body, at=at), **more).pk)


def count_pictures() -> int:
    """Count the pictures that have their files."""
    return Image.objects.exclude(stem="").count()


def post_many(slug: str, mark: str, number: int) -> list[int]:
    return [post(slug, f"{mark} {turn}") for turn in range(number)]


def post_unannounced(slug: str, body: str) -> int:
    """Post an update, and let no watcher hear of it."""
    with mock.patch.object(watchers, "CHANNEL", "nobody_listens"):
        return post(slug, body)


def die_while_publishing(pk: int) -> None:
    """Die between the writing and the commit, with every lock held."""
    with transaction.atomic():
        publish(pk)
        os.kill(os.getpid(), signal.SIGKILL)


def die_while_importing(*command: str) -> None:
    """Die when all is written and nothing committed; leave a note of how much."""

    def die(*_: Any, **__: Any) -> None:
        (settings.DATA_DIR / "written").write_text(str(Entry.objects.count()))
        os.kill(os.getpid(), signal.SIGKILL)

    with mock.patch.object(ImportedFile.objects, "create", die):
        manage(*command)


def manage(*command: str) -> None:
    call_command(*command, verbosity=0, stdout=StringIO(), stderr=StringIO())


def stories_and_entries() -> tuple[int, int]:
    return Story.objects.count(), Entry.objects.count()


def stir(slug: str, mark: str, number: int, pause: float = 0) -> None:
    """Post, edit, withdraw and restore in turn, so many changes."""
    kept: list[int] = []
    for turn in range(number):
        time.sleep(pause)
        if turn % 3 == 0 or not kept:
            kept.append(post(slug, f"{mark}, change {turn}."))
        elif turn % 3 == 1:
            edit(kept[-1], f"{mark}, change {turn}, edited.")
        elif turn % 6 == 2:
            withdraw(kept[turn // 6])
        else:
            restore(kept[turn // 6])


def fatten(slug: str) -> None:
    """Tell open pages of a change that is more than networks hold by themselves."""
    story = story_of(slug)
    posting, seq = story.postings.visible().updates()[0], story.seq + 1
    head = f'<article class="entry" id="entry-{posting.entry_id}" data-seq="{seq}">'
    html = f"{head}{'<p>The tide is out again.</p>' * 50_000}</article>"
    with transaction.atomic():
        Posting.objects.filter(pk=posting.pk).update(html=html, seq=seq)
        Story.objects.filter(pk=story.pk).update(seq=seq)
        delivery.nudge()


def start(slug: str) -> str:
    """Return the cursor of a page that shows nothing yet."""
    return f"{Site.current().epoch}-0"


def delete_story(slug: str) -> None:
    """Take a story out of the database, as nobody can at the desk."""
    story = story_of(slug)
    Posting.objects.filter(story=story).delete()
    Entry.objects.filter(story=story).delete()
    story.delete()


def edit(pk: int, body: str, correction: str = "") -> None:
    entry = Entry.objects.get(pk=pk)
    text = EntryText(body, entry.headline, entry.at, entry.byline)
    verbs.edit(entry, text, version=entry.version, correction=correction)


def erasing_verb(pk: int, verb: str) -> None:
    """Hide the first correction of an entry, or erase the text before it."""
    getattr(verbs, verb)(Entry.objects.get(pk=pk).versions.get(number=1))


def retime(pk: int, minutes_ago: int) -> None:
    entry = Entry.objects.get(pk=pk)
    at = timezone.now() - timedelta(minutes=minutes_ago)
    text = EntryText(entry.body, entry.headline, at, entry.byline)
    verbs.edit(entry, text, version=entry.version)


def withdraw(pk: int) -> None:
    verbs.withdraw(Entry.objects.get(pk=pk))


def publish(pk: int) -> None:
    verbs.publish(Entry.objects.get(pk=pk))


def drop_original(slug: str) -> int:
    """Make a draft of a story's original that no reader has seen; return its id."""
    entry = Entry.objects.get(story=story_of(slug), kind=Entry.Kind.ORIGINAL)
    Posting.objects.filter(entry=entry).delete()
    Posting.objects.create(entry=entry, story=entry.story)
    Entry.objects.filter(pk=entry.pk).update(state="draft", published_at=None)
    return int(entry.pk)


def restore(pk: int) -> None:
    verbs.restore(Entry.objects.get(pk=pk))


def mark(pk: int, slug: str, **marks: bool) -> None:
    posting = Posting.objects.select_related("entry").get(
        entry_id=pk, story=story_of(slug)
    )
    verbs.set_marks(posting, **marks)


def cross_post(pk: int, slug: str) -> None:
    verbs.cross_post(Entry.objects.get(pk=pk), story_of(slug))


def take_back(pk: int, slug: str) -> None:
    posting = Posting.objects.select_related("entry").get(
        entry_id=pk, story=story_of(slug)
    )
    verbs.remove_cross_post(posting)


def move(pk: int, slug: str) -> None:
    verbs.move(Entry.objects.get(pk=pk), story_of(slug))


def edit_story(known_as: str, **fields: Any) -> None:
    verbs.edit_story(story_of(known_as), **fields)


def turn(slug: str, verb: str) -> None:
    """Close, reopen, withdraw_story, restore_story or go_live."""
    getattr(verbs, verb)(story_of(slug))


def link_latest(slug: str, title: str) -> None:
    verbs.add_link("latest", story=story_of(slug), title=title)


def see(pk: int, slug: str) -> None:
    verbs.add_link("see", entry=Entry.objects.get(pk=pk), target_story=story_of(slug))


def readers(slug: str) -> int:
    return Audience.now()[story_of(slug).pk]


def cursor(slug: str) -> str:
    return f"{Site.current().epoch}-{story_of(slug).seq}"


def site_seq() -> int:
    return int(Site.current().seq)


def new_epoch(name: str) -> None:
    """Do what a restore from a backup does."""
    Site.objects.update(epoch=name)


def visible(slug: str) -> dict[int, int]:
    """Return the numbers of the entries that readers see, by id."""
    rows = story_of(slug).postings.visible()
    return dict(rows.values_list("entry_id", "seq"))


def since(slug: str, seq: int) -> list[int]:
    """Return the ids of what changed after a number, in that order."""
    story = story_of(slug)
    changed = story.postings.changed_between(seq, story.seq)
    return list(changed.values_list("entry_id", flat=True))


def nothing_is_due() -> bool:
    """Whether the scheduler has done what time brought."""
    return not (verbs.due_entries().exists() or Link.objects.due().exists())


def fall_due(pk: int) -> None:
    """Let the time of a scheduled entry be now."""
    Entry.objects.filter(pk=pk).update(at=gmt.this_minute())


def fill(slug: str, number: int) -> None:
    """Add many updates, all before those that are there."""
    story = story_of(slug)
    start = timezone.now() - timedelta(minutes=number + 60)
    with transaction.atomic():  # many commits would take long
        for turn in range(number):
            at = start + timedelta(minutes=turn)
            verbs.post(story, EntryText(f"Minute {turn} at sea.", at=at))


def entry_saying(slug: str, body: str) -> int:
    return int(story_of(slug).entries.get(body=body).pk)


def forget() -> None:
    """Let the next pages be made of rows alone."""
    fragment_cache.cache.clear()
    story_page._frame.cache_clear()


def page_of_rows(path: str, host: str) -> str:
    """Return a page that is made of rows alone."""
    forget()
    return Client(headers={"Host": host}).get(path).content.decode()


def flood(slug: str, number: int, words: int = 150) -> None:
    """Post many updates of random words, which compress as prose does."""
    story, chance = story_of(slug), Random(number)
    lexicon = [
        "".join(chance.choices("aeiounrstldmbkvg", k=n % 8 + 2)) for n in range(2000)
    ]
    start = timezone.now() - timedelta(minutes=number)
    with transaction.atomic():  # many commits would take long
        for turn in range(number):
            body = " ".join(chance.choices(lexicon, k=words))
            at = start + timedelta(minutes=turn)
            verbs.post(story, EntryText(f"Report {turn} of many. {body}.", at=at))
