"""The verb that brings many entries at once: a story that comes from elsewhere.

Texts are checked and drawn before any lock is taken, one after another; under it
all their rows are written in a few statements.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from entries.models import Entry, EntryVersion, Image, Link, Posting, Story
from entries.pages import fragments
from entries.verbs.conditions import check_open
from entries.verbs.drafting import Text, check_pictures, draw_with, write
from entries.verbs.ledger import Refused, changing

BATCH = 500  # rows a statement


@dataclass(frozen=True)
class Piece:
    """An entry that has no row yet, with what belongs to it."""

    posting: Posting
    pictures: Sequence[Image]
    links: Sequence[Link]
    versions: Sequence[EntryVersion]

    @property
    def entry(self) -> Entry:
        """Return the entry itself."""
        return self.posting.entry


def draw_piece(
    posting: Posting,
    text: Text,
    pictures: Mapping[str, Image],
    links: Sequence[Link] = (),
    versions: Sequence[EntryVersion] = (),
) -> Piece:
    """Check and draw a text for a posting whose entry has its kind and state.

    Its story, and the pictures (by name), need not be saved yet, but stand as they
    will. Raises Refused with the sentence to show.
    """
    entry, text = posting.entry, text.tidy()
    links_shown = [link for link in links if link.shown]
    drawn = draw_with(
        text,
        lambda names: ([pictures[n] for n in names if n in pictures], links_shown),
    )
    write(entry, text, drawn)
    if entry.published:
        check_pictures(drawn.pictures)
        entry.set_published()
    elif entry.state == Entry.State.SCHEDULED and not entry.at:
        raise Refused("Give the time to publish at.", "at")
    posting.place()
    if posting.visible:
        told = [one for one in versions if one.line and not one.hidden]
        posting.html = fragments.early_html(posting, links_shown, told)
    return Piece(posting, drawn.pictures, links, versions)


def post_all(story: Story, pieces: Sequence[Piece]) -> None:
    """Write new entries into a story, numbered in their order.

    The story must be what they were drawn for: `draw_piece` saw its slug, first day
    and state.
    """
    with changing(story.pk) as ledger:
        home = ledger.story(story.pk)
        if any(piece.entry.published for piece in pieces):
            check_open(home)
        for piece in pieces:
            piece.entry.story = home
        Entry.objects.bulk_create([one.entry for one in pieces], batch_size=BATCH)
        for piece in pieces:
            piece.posting.story, piece.posting.entry = home, piece.entry
            for link in piece.links:
                link.entry = piece.entry
            for version in piece.versions:
                version.entry = piece.entry
        _write_rows(pieces)
        ledger.post_new([piece.posting for piece in pieces])


def _write_rows(pieces: Sequence[Piece]) -> None:
    """Write what belongs to new entries."""
    shows = Entry.images.through
    shows.objects.bulk_create(
        [
            shows(entry_id=piece.entry.pk, image_id=image.pk)
            for piece in pieces
            for image in piece.pictures
        ],
        batch_size=BATCH,
    )
    Link.objects.bulk_create(
        [link for piece in pieces for link in piece.links], batch_size=BATCH
    )
    EntryVersion.objects.bulk_create(
        [version for piece in pieces for version in piece.versions], batch_size=BATCH
    )
