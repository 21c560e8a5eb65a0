"""Verbs that hide corrections, and that erase or delete texts and images for good."""

from collections.abc import Iterable
from functools import partial

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from entries.database import wiping
from entries.images import ingest
from entries.models import Draft, Entry, EntryVersion, Image, StoryVersion
from entries.text import rendering
from entries.verbs.conditions import check_version
from entries.verbs.ledger import Refused, open_ledger
from entries.verbs.permissions import SYSTEM, Permissions


def hide_correction(
    version: EntryVersion, *, hidden: bool = True, by: Permissions = SYSTEM
) -> EntryVersion:
    """Hide a correction and its diff from readers, or show it again.

    The previous correction is then shown without its diff, which would reveal the same
    words. The text itself does not change.
    """
    with open_ledger(entry=version.entry) as ledger:
        by.check_edit()
        _refresh(version)
        if version.correction and version.hidden != hidden:
            version.hidden = hidden
            version.save(update_fields=["hidden"])
            ledger.save_postings_of(version.entry)
    return version


def _refresh(version: EntryVersion | StoryVersion) -> None:
    """Refresh a version under the lock. Raises Refused if it has been deleted."""
    own = [field.name for field in version._meta.fields if not field.is_relation]
    try:
        version.refresh_from_db(fields=own)
    except ObjectDoesNotExist:
        raise Refused(gettext("This earlier text has been erased.")) from None


def erase(entry: Entry, *, by: Permissions = SYSTEM) -> Entry:
    """Erase a text for good, in every story it is posted in, and withdraw its entry.

    Its versions, corrections, drafts, links and notes are deleted, and so are images
    that nothing else shows, with their files. The empty row remains, so that open pages
    remove the entry and its URL responds with 410. This cannot be undone.
    """
    with open_ledger(entry=entry) as ledger:
        by.check_has("erase_entry")
        wiping.wipe_erased_text()
        images = orphaned_images(entry)
        entry.versions.all().delete()
        Draft.objects.filter(entry=entry).delete()
        Draft.objects.sent_as(entry).delete()
        Draft.objects.copied_from(entry).delete()
        if entry.notes.all().delete()[0]:
            ledger.notes_changed(ledger.story(entry.story_id))
            ledger.row_changed(entry)
        if entry.erased_at:
            return entry
        entry.links.all().delete()
        entry.old_url_rows.all().delete()  # they may have words of its headline
        entry.images.clear()
        entry.headline = entry.body = entry.html = entry.byline = entry.sent_back = ""
        entry.credited = None
        entry.state = Entry.State.WITHDRAWN
        entry.erased_at = timezone.now()
        entry.version += 1
        entry.save()
        ledger.save_postings_of(entry)
        _delete_unused(images)
    return entry


def erase_version(version: EntryVersion, *, by: Permissions = SYSTEM) -> EntryVersion:
    """Erase one earlier version of an entry for good; its empty row remains.

    The correction that replaced it is hidden from readers. The one that introduced it
    is shown without its diff.
    """
    entry = version.entry
    with open_ledger(entry=entry) as ledger:
        by.check_has("erase_entry")
        _refresh(version)
        wiping.wipe_erased_text()
        images = orphaned_images(entry, [version.body], keep_entry=True)
        version.headline = version.body = version.byline = version.correction = ""
        version.hidden = version.erased = True
        version.save()
        # A draft of an edit that began from this version contains its text.
        Draft.objects.filter(entry=entry, key=str(version.number)).delete()
        Draft.objects.copied_from(entry, version.number).delete()
        ledger.save_postings_of(entry)
        _delete_unused(images)
    return version


def erase_story_version(
    version: StoryVersion, *, by: Permissions = SYSTEM
) -> StoryVersion:
    """Erase one earlier version of a story's head for good; its empty row remains."""
    with open_ledger(version.story_id):
        by.check_has("erase_entry")
        _refresh(version)
        wiping.wipe_erased_text()
        version.headline = version.standfirst = version.summary = ""
        version.erased = True
        version.save()
    return version


def orphaned_images(
    entry: Entry, bodies: Iterable[str] | None = None, *, keep_entry: bool = False
) -> list[Image]:
    """Return the images that would be unused once texts of an entry are erased.

    `bodies` are the texts to erase, by default every version. With `keep_entry`, images
    in the entry's current text count as used.
    """
    if bodies is None:
        bodies = [entry.body, *entry.versions.values_list("body", flat=True)]
    names = {name for body in bodies for name in rendering.image_names(body)}
    others = Entry.objects.all() if keep_entry else Entry.objects.exclude(pk=entry.pk)
    free = Image.objects.filter(led_stories=None, featured=None, portrait_of=None)
    found = _shown_by_none(free.filter(name__in=names, poster_of=None), others)
    posters = free.filter(poster_of__in=found).distinct()
    kept = Image.objects.exclude(pk__in=[image.pk for image in found])
    return found + _shown_by_none(posters.exclude(poster_of__in=kept), others)


def _shown_by_none(images: QuerySet[Image], entries: QuerySet[Entry]) -> list[Image]:
    shown = entries.filter(images__in=images).values("images")
    return list(images.exclude(pk__in=shown))


def is_unused(image: Image) -> bool:
    """Return whether no entry, story, feature, person or video has an image."""
    uses = (image.entries, image.led_stories, image.featured, image.portrait_of)
    return not any(rows.exists() for rows in (*uses, image.poster_of))


def _delete_unused(images: Iterable[Image]) -> None:
    """Lock images, and delete those that are still unused."""
    found = Image.objects.locked(image.name for image in images)
    for image in sorted(found, key=lambda image: not image.poster_id):  # posters last
        if is_unused(image):
            _delete_with_files(image)


def delete_image(image: Image, *, by: Permissions = SYSTEM) -> None:
    """Delete an image and its files. Raises Refused if it is used."""
    with transaction.atomic():
        by.check_has("delete_image")
        for locked in Image.objects.locked([image.name]):
            if not is_unused(locked):
                raise Refused(
                    gettext(
                        "An entry, a story, a feature, a video or a person’s page "
                        "shows this picture."
                    )
                )
            _delete_with_files(locked)


def delete_entry(
    entry: Entry, *, version: int | None = None, by: Permissions = SYSTEM
) -> None:
    """Delete an entry that was never visible, with its versions, drafts and notes.

    Open desks remove its row. `version` is the one that was read, None for any. Raises
    Refused for an entry that readers have seen or that waits to be published, and while
    another person has an edit of it that was not sent.
    """
    with open_ledger(entry=entry) as ledger:
        by.check_delete(entry)
        check_version(entry, version)
        if entry.postings.exclude(seq=None).exists():
            raise Refused(
                gettext("Readers have seen this text. Withdraw it, or erase it.")
            )
        if entry.state not in (Entry.State.DRAFT, Entry.State.WITHDRAWN):
            raise Refused(gettext("This text is not a draft any more."))
        _check_no_unsent_edit(entry, by)
        Draft.objects.sent_as(entry).delete()
        if entry.notes.exists():
            ledger.notes_changed(ledger.story(entry.story_id))
        ledger.entry_deleted(entry)
        entry.delete()


def _check_no_unsent_edit(entry: Entry, by: Permissions) -> None:
    """Raise Refused while somebody else has an edit of an entry that was not sent.

    Edits of people who may no longer change it are kept as drafts of new texts.
    """
    drafts = Draft.objects.filter(entry=entry).exclude(user=by.user.pk)
    for draft in drafts.select_related("user"):
        if Permissions.of(draft.user).can_change(entry):
            name = draft.user.get_full_name() or draft.user.get_username()
            words = gettext("%(name)s is editing this text, and has not saved it yet.")
            raise Refused(words % {"name": name})
    drafts.become_new_texts()


def _delete_with_files(image: Image) -> None:
    stem, widths = image.stem, list(image.widths)
    image.delete()
    if stem and not Image.objects.filter(stem=stem).exists():
        remove = partial(ingest.remove_variants, settings.IMAGES_DIR, stem, widths)
        transaction.on_commit(remove)
