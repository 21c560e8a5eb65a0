"""Functions for tests of real servers, which run in a helper process.

They refer to stories by slug and to entries by id, since arguments are pickled.
"""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta
from io import BytesIO, StringIO
from random import Random
from typing import Any
from unittest import mock

from django.conf import settings
from django.core.management import call_command
from django.db import transaction
from django.db.models import Count, Max
from django.test import Client
from django.utils import timezone
from PIL import Image as Picture

from entries import delivery, verbs
from entries.delivery import watchers
from entries.images import ingest
from entries.models import (
    Audience,
    Entry,
    Image,
    ImportedFile,
    Link,
    Posting,
    Profile,
    Series,
    Site,
    Story,
)
from entries.pages import fragment_cache, story_page
from entries.public import caching, feeds
from entries.text import gmt
from entries.verbs import EntryText
from tests import builders


def story_of(slug: str) -> Story:
    return Story.objects.get(slugs__slug=slug)


def inconsistent_rows() -> list[str]:
    """List the postings and stories whose denormalized columns are wrong."""
    wrong = []
    for posting in Posting.objects.select_related("entry", "story"):
        kept = (posting.at, posting.visible)
        posting.denormalize()
        if kept != (posting.at, posting.visible):
            wrong.append(f"{posting}: {kept}")
        if posting.visible and not posting.public_at:
            wrong.append(f"{posting}: without the time of a public change")
    for story in Story.objects.all():
        kept = (story.newest_at, story.newest_public_at)
        newest = story.postings.visible().aggregate(Max("at"), Max("public_at"))
        if kept != tuple(newest.values()):
            wrong.append(f"{story.slug}: {kept}, not {newest}")
    return wrong


def make_story(headline: str, slug: str, *, live: bool = True, updates: int = 0) -> int:
    """Create a story in a series, with an original entry and some updates."""
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


def post(
    slug: str,
    body: str,
    *,
    minutes_ago: float | None = None,
    byline: str = "",
    **more: Any,
) -> int:
    """Post an update, now or with a time some minutes ago (negative for later)."""
    at = None
    if minutes_ago is not None:
        at = timezone.now() - timedelta(minutes=minutes_ago)
    text = EntryText(body, at=at, byline=byline)
    return int(verbs.post(story_of(slug), text, **more).pk)


def credit(slug: str, byline: str) -> None:
    """Add a person with a byline, who is the author of a story's updates."""
    name = byline.lower().replace(" ", "-")
    person = Profile.objects.create(slug=name, byline=byline)
    story_of(slug).entries.update(byline=byline, credited=person)


def open_sessions(slug: str, number: int) -> tuple[int, list[str]]:
    """Make editors and sign them in; return a story's id, and their session keys."""
    keys = []
    for turn in range(number):
        user = builders.make_user(f"desk-editor-{turn}", "Editors")
        client = Client()
        client.force_login(user)
        keys.append(client.cookies[settings.SESSION_COOKIE_NAME].value)
    return int(story_of(slug).pk), keys


def count_pictures() -> int:
    """Count the images whose files are not missing."""
    return Image.objects.exclude(stem="").count()


def post_many(slug: str, mark: str, number: int) -> list[int]:
    return [post(slug, f"{mark} {turn}") for turn in range(number)]


def post_unannounced(slug: str, body: str) -> int:
    """Post an update without notifying any watcher."""
    with mock.patch.object(watchers, "CHANNEL", "nobody_listens"):
        return post(slug, body)


def crash_while_publishing(pk: int) -> None:
    """Crash after writing but before the commit, while holding every lock."""
    with transaction.atomic():
        publish(pk)
        os.kill(os.getpid(), signal.SIGKILL)


def crash_while_importing(*command: str) -> None:
    """Crash after writing but before the commit; save the number of entries."""

    def crash(*_: Any, **__: Any) -> None:
        (settings.DATA_DIR / "written").write_text(str(Entry.objects.count()))
        os.kill(os.getpid(), signal.SIGKILL)

    with mock.patch.object(ImportedFile.objects, "create", crash):
        manage(*command)


def crash_after_stories(stories: int, *command: str) -> None:
    """Crash while the next story is written, once a number of them are saved."""
    create = ImportedFile.objects.create

    def crash(*args: Any, **options: Any) -> ImportedFile:
        if Story.objects.count() > stories:
            os.kill(os.getpid(), signal.SIGKILL)
        return create(*args, **options)

    with mock.patch.object(ImportedFile.objects, "create", crash):
        manage(*command)


def imported_stories() -> list[tuple[str, int]]:
    """Return headline and number of updates of all stories, in their order."""
    counted = Story.objects.annotate(updates=Count("entries")).order_by("headline")
    return list(counted.values_list("headline", "updates"))


def manage(*command: str) -> None:
    call_command(*command, verbosity=0, stdout=StringIO(), stderr=StringIO())


def stories_and_entries() -> tuple[int, int]:
    return Story.objects.count(), Entry.objects.count()


def stir(slug: str, mark: str, number: int, pause: float = 0) -> None:
    """Make a number of changes: post, edit, withdraw and restore in turn."""
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
    """Publish a change that is larger than the buffers of the network."""
    story = story_of(slug)
    posting, seq = story.postings.visible().updates()[0], story.seq + 1
    head = f'<article class="entry" id="entry-{posting.entry_id}" data-seq="{seq}">'
    html = f"{head}{'<p>The tide is out again.</p>' * 50_000}</article>"
    with transaction.atomic():
        Posting.objects.filter(pk=posting.pk).update(html=html, seq=seq)
        Story.objects.filter(pk=story.pk).update(seq=seq)
        delivery.nudge()


def start(slug: str) -> str:
    """Return a cursor from before all changes."""
    return f"{Site.current().epoch}-0"


def delete_story(slug: str) -> None:
    """Delete a public story, which is not possible at the desk."""
    story = story_of(slug)
    Posting.objects.filter(story=story).delete()
    Entry.objects.filter(story=story).delete()
    story.delete()


def edit(pk: int, body: str, correction: str = "") -> None:
    entry = Entry.objects.get(pk=pk)
    text = EntryText(body, entry.headline, entry.at, entry.byline)
    verbs.edit(entry, text, version=entry.version, correction=correction)


def erasing_verb(pk: int, verb: str) -> None:
    """Call a verb on the first version of an entry."""
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
    """Turn a story's original entry into a draft, never visible; return its id."""
    entry = Entry.objects.get(story=story_of(slug), kind=Entry.Kind.ORIGINAL)
    Posting.objects.filter(entry=entry).delete()
    Posting.objects.create(entry=entry, story=entry.story)
    Entry.objects.filter(pk=entry.pk).update(state="draft", published_at=None)
    return int(entry.pk)


def restore(pk: int) -> None:
    verbs.restore(Entry.objects.get(pk=pk))


def _posting(pk: int, slug: str) -> Posting:
    rows = Posting.objects.select_related("entry")
    return rows.get(entry_id=pk, story=story_of(slug))


def mark(pk: int, slug: str, **marks: bool) -> None:
    verbs.set_marks(_posting(pk, slug), **marks)


def cross_post(pk: int, slug: str) -> None:
    verbs.cross_post(Entry.objects.get(pk=pk), story_of(slug))


def remove_cross_post(pk: int, slug: str) -> None:
    verbs.remove_cross_post(_posting(pk, slug))


def move(pk: int, slug: str) -> None:
    verbs.move(Entry.objects.get(pk=pk), story_of(slug))


def edit_story(known_as: str, **fields: Any) -> None:
    verbs.edit_story(story_of(known_as), **fields)


def turn(slug: str, verb: str) -> None:
    """Call a verb that changes a story's state, such as `close_story`."""
    getattr(verbs, verb)(story_of(slug))


def link_latest(slug: str, title: str) -> None:
    verbs.add_link("latest", story=story_of(slug), title=title)


def feature(slug: str, title: str) -> None:
    verbs.add_link("feature", story=story_of(slug), title=title)


def see(pk: int, slug: str) -> None:
    verbs.add_link("see", entry=Entry.objects.get(pk=pk), target_story=story_of(slug))


def announce(headline: str, slug: str, days: float = 2) -> None:
    """Make a story of two updates and an original entry, and announce it."""
    make_story(headline, slug, live=False, updates=2)
    verbs.announce(story_of(slug), timezone.now() + timedelta(days=days))


def begin(slug: str) -> None:
    """Let the time be now at which an announced story begins."""
    Story.objects.filter(slugs__slug=slug).update(begins_at=gmt.this_minute())


def fall_quiet(slug: str) -> None:
    """Let a story have had no updates for a day."""
    at = timezone.now() - timedelta(days=1)
    Story.objects.filter(slugs__slug=slug).update(active_at=at)


def readers(slug: str) -> int:
    return Audience.now()[story_of(slug).pk]


def cursor(slug: str) -> str:
    return f"{Site.current().epoch}-{story_of(slug).seq}"


def site_seq() -> int:
    return int(Site.current().seq)


def place_in_feed(pk: int) -> str:
    """Return the position below which a page of a feed begins."""
    return str(feeds.FeedPosition.of(Posting.objects.visible().filter(entry=pk)[0]))


def new_epoch(name: str) -> None:
    """Change the site's epoch, as a restore from a backup does."""
    Site.objects.update(epoch=name)


def record_release() -> None:
    caching.record_release()


def visible(slug: str) -> dict[int, int]:
    """Map the id of each visible entry to its seq."""
    rows = story_of(slug).postings.visible()
    return dict(rows.values_list("entry_id", "seq"))


def since(slug: str, seq: int) -> list[int]:
    """Return the ids of the entries that changed after a seq, in that order."""
    story = story_of(slug)
    changed = story.postings.changed_between(seq, story.seq)
    return list(changed.values_list("entry_id", flat=True))


def nothing_is_due() -> bool:
    """Whether the scheduler has handled everything that is due."""
    due = (verbs.due_entries(), verbs.due_stories(), Link.objects.due())
    return not (any(rows.exists() for rows in due) or verbs.quiet_stories())


def make_due(pk: int) -> None:
    """Set the time of a scheduled entry to now."""
    Entry.objects.filter(pk=pk).update(at=gmt.this_minute())


def fill(slug: str, number: int) -> None:
    """Add many updates with times before the existing ones."""
    story = story_of(slug)
    start = timezone.now() - timedelta(minutes=number + 60)
    with transaction.atomic():  # one commit, since many would be slow
        for turn in range(number):
            at = start + timedelta(minutes=turn)
            verbs.post(story, EntryText(f"Minute {turn} at sea.", at=at))


def entry_with_body(slug: str, body: str) -> int:
    return int(story_of(slug).entries.get(body=body).pk)


def clear_caches() -> None:
    """Clear the caches of rendered HTML."""
    fragment_cache.cache.clear()
    story_page._frame.cache_clear()


def uncached_page(path: str, host: str) -> str:
    """Return a page that is rendered without any cache."""
    clear_caches()
    return Client(headers={"Host": host}).get(path).content.decode()


def flood(slug: str, number: int, words: int = 150) -> None:
    """Post many updates of random words, which compress like prose."""
    story, random = story_of(slug), Random(number)
    lexicon = [
        "".join(random.choices("aeiounrstldmbkvg", k=n % 8 + 2)) for n in range(2000)
    ]
    start = timezone.now() - timedelta(minutes=number)
    with transaction.atomic():  # one commit, since many would be slow
        for turn in range(number):
            body = " ".join(random.choices(lexicon, k=words))
            at = start + timedelta(minutes=turn)
            verbs.post(story, EntryText(f"Report {turn} of many. {body}.", at=at))


def add_picture(name: str, width: int, height: int) -> None:
    """Add a picture that texts can name."""
    upload = BytesIO()
    Picture.new("RGB", (width, height), (90, 120, 150)).save(upload, "PNG")
    upload.seek(0)
    ingested = ingest.ingest_image(upload, settings.IMAGES_DIR, b"key")
    verbs.add_image(name, ingested, alt="The quay")


def fill_now(slug: str, number: int) -> None:
    """Add many updates with the present time."""
    story = story_of(slug)
    with transaction.atomic():  # one commit, since many would be slow
        for turn in range(number):
            verbs.post(story, EntryText(f"Mile {turn} at sea."))


def flood_now(slug: str, number: int) -> None:
    """Post many updates of random words with the present time."""
    random = Random(number)
    words = [
        "pilot",
        "ferry",
        "harbour",
        "quay",
        "tide",
        "lamp",
        "fog",
        "signal",
        "keeper",
        "crew",
    ]
    for _ in range(number):
        post(slug, " ".join(random.choices(words, k=60)))
