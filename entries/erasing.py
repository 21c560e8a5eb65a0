"""The verbs for what must go: from what readers are told, and for good."""

from collections.abc import Iterable
from functools import partial

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from entries import images, rendering, wiping
from entries.ledger import changing
from entries.models import Draft, Entry, EntryVersion, Image, StoryVersion


def hide_correction(version: EntryVersion, *, hidden: bool = True) -> EntryVersion:
    """Take a correction, and its difference, from what readers see; or give it back.

    Of the correction before it readers read the line without the difference, which
    would show the same words. The text itself stays as it is.
    """
    with changing(entry=version.entry) as ledger:
        version.refresh_from_db(fields=["hidden", "line"])
        if version.line and version.hidden != hidden:
            version.hidden = hidden
            version.save(update_fields=["hidden"])
            ledger.post_everywhere(version.entry)
    return version


def erase(entry: Entry) -> Entry:
    """Remove a text for good, wherever it stands, and withdraw its entry.

    Its words, earlier versions, corrections and links go, and so do pictures that
    nothing else shows, with their files. The bare row stays, so that open pages
    take the entry away and its address says that it is gone. Nothing brings the
    text back.
    """
    with changing(entry=entry) as ledger:
        wiping.wipe()
        pictures = orphans(entry)
        entry.versions.all().delete()
        Draft.objects.filter(entry=entry).delete()
        if entry.key:  # what its writer's page had kept before it was sent
            Draft.objects.filter(key=str(entry.key)).delete()
        entry.links.all().delete()
        entry.images.clear()
        entry.headline = entry.body = entry.html = entry.byline = entry.sent_back = ""
        entry.state = Entry.State.WITHDRAWN
        entry.erased_at = entry.erased_at or timezone.now()
        entry.version += 1
        entry.save()
        ledger.post_everywhere(entry)
        for image in pictures:
            drop_picture(image)
    return entry


def erase_version(version: EntryVersion) -> EntryVersion:
    """Remove one earlier text of an entry for good; that it was there stays known.

    Readers are told no more of the correction that replaced it; of one that
    brought it they read the line without the difference.
    """
    entry = version.entry
    with changing(entry=entry) as ledger:
        wiping.wipe()
        pictures = orphans(entry, [version.body], shown=False)
        version.headline = version.body = version.line = ""
        version.hidden = version.erased = True
        version.save()
        # An edit that began from these words and was never sent holds them still.
        Draft.objects.filter(entry=entry, key=str(version.number)).delete()
        ledger.post_everywhere(entry)
        for image in pictures:
            drop_picture(image)
    return version


def erase_story_version(version: StoryVersion) -> StoryVersion:
    """Remove earlier words of a story's head for good."""
    with changing(version.story_id):
        wiping.wipe()
        version.headline = version.standfirst = version.summary = ""
        version.erased = True
        version.save()
    return version


def orphans(
    entry: Entry, bodies: Iterable[str] | None = None, *, shown: bool = True
) -> list[Image]:
    """Return the pictures of a text that nothing else shows.

    `bodies` are the texts that go, by default all that the entry ever had; with
    `shown` the entry itself does not count as showing them.
    """
    if bodies is None:
        bodies = [entry.body, *entry.versions.values_list("body", flat=True)]
    names = {name for body in bodies for name in _names(body)}
    others = Entry.objects.exclude(pk=entry.pk) if shown else Entry.objects.all()
    found = Image.objects.filter(name__in=names, led_stories=None, featured=None)
    return list(found.exclude(pk__in=others.filter(images__in=found).values("images")))


def _names(body: str) -> list[str]:
    try:
        return rendering.image_names(body)
    except rendering.BodyError:
        return []


def drop_picture(image: Image) -> None:
    """Delete a picture that nothing shows: its row, and its files after it."""
    stem, widths = image.stem, list(image.widths)
    image.delete()
    if stem and not Image.objects.filter(stem=stem).exists():
        remove = partial(images.remove, settings.PICTURES_DIR, stem, widths)
        transaction.on_commit(remove)
