"""The verb that writes many entries at once, for imports.

Texts are checked and rendered one by one before any lock is taken. Under the lock, all
rows are written in a few statements.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext

from entries.models import Entry, EntryVersion, Image, Link, Posting, Story
from entries.pages import fragments
from entries.verbs.conditions import check_story_open
from entries.verbs.entry_text import EntryText, apply_text, render_text_with
from entries.verbs.ledger import Refused, open_ledger

BULK_BATCH_ROWS = 500  # per statement


@dataclass(frozen=True)
class NewEntry:
    """An entry that has not been saved yet, with its posting, links and versions.

    `undescribed` are the names of images without alt text, which made it a draft.
    """

    posting: Posting
    images: Sequence[Image]
    links: Sequence[Link]
    versions: Sequence[EntryVersion]
    undescribed: Sequence[str]

    @property
    def entry(self) -> Entry:
        return self.posting.entry


def prepare_entry(
    posting: Posting,
    text: EntryText,
    find_image: Callable[[str], Image | None],
    links: Sequence[Link] = (),
    versions: Sequence[EntryVersion] = (),
) -> NewEntry:
    """Check and render the text of a new posting, whose entry has its kind and state.

    Story and images need not be saved yet, but must have their final values. An entry
    that would be published with an image without alt text becomes a draft. Raises
    Refused for an invalid text.
    """
    entry, text = posting.entry, text.tidy()
    visible_links = [link for link in links if link.visible]

    def find_rows(names: Sequence[str]) -> tuple[list[Image], list[Link]]:
        found = [image for name in names if (image := find_image(name))]
        return found, visible_links

    rendered = render_text_with(text, find_rows, posting.story.language)
    apply_text(entry, text, rendered)
    undescribed: list[str] = []
    if entry.published:
        undescribed = [
            f"{image.name} ({image.lacks})" if image.media_type else image.name
            for image in rendered.images
            if image.stem and not image.described
        ]
    if undescribed:
        entry.state = Entry.State.DRAFT
    elif entry.published:
        entry.set_published()
    elif entry.state == Entry.State.SCHEDULED and not entry.at:
        raise Refused(gettext("Give the time to publish at."), "at")
    posting.denormalize()
    if posting.visible:
        corrections = [one for one in versions if one.correction and not one.hidden]
        posting.public_at = max((one.changed_at for one in corrections), default=None)
        posting.html = fragments.provisional_html(posting, visible_links, corrections)
    return NewEntry(posting, rendered.images, links, versions, undescribed)


def bulk_post(story: Story, new: Sequence[NewEntry]) -> None:
    """Save new entries of a story, numbered in their order.

    The story must have the slug, first day and state that they were prepared for.
    """
    with open_ledger(story.pk) as ledger:
        home = ledger.story(story.pk)
        if any(one.entry.published for one in new):
            check_story_open(home)
        for one in new:
            one.entry.story = home
        Entry.objects.bulk_create(
            [one.entry for one in new], batch_size=BULK_BATCH_ROWS
        )
        for one in new:
            one.posting.story, one.posting.entry = home, one.entry
            for link in one.links:
                link.entry = one.entry
            for version in one.versions:
                version.entry = one.entry
        _write_rows(new)
        ledger.save_new_postings([one.posting for one in new])


def _write_rows(new: Sequence[NewEntry]) -> None:
    shows = Entry.images.through
    shows.objects.bulk_create(
        [
            shows(entry_id=one.entry.pk, image_id=image.pk)
            for one in new
            for image in one.images
        ],
        batch_size=BULK_BATCH_ROWS,
    )
    Link.objects.bulk_create(
        [link for one in new for link in one.links], batch_size=BULK_BATCH_ROWS
    )
    EntryVersion.objects.bulk_create(
        [version for one in new for version in one.versions], batch_size=BULK_BATCH_ROWS
    )
