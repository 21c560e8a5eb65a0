"""Preconditions of verbs, to be checked once the rows are locked."""

from django.utils.translation import gettext

from entries.models import Entry, Image, Posting, Story
from entries.models.fields import max_length
from entries.text import languages
from entries.verbs.ledger import Refused

State = Entry.State
WAITING_STATES = (State.DRAFT, State.SUBMITTED, State.SCHEDULED)


class EntryConflict(Refused):
    """The text conflicts with a newer one, or with an earlier one of the same form."""

    def __init__(self, sentence: str, entry: Entry) -> None:
        super().__init__(sentence)
        self.entry = entry


def check_still_image(image: Image | None, field: str) -> None:
    """Raise Refused if an image is a recording, which only texts show."""
    if image and image.media_type:
        raise Refused(
            gettext("“%(name)s” is no picture. Choose a picture.")
            % {"name": image.name},
            field,
        )


def check_waiting(entry: Entry) -> None:
    """Raise Refused unless an entry is a draft, submitted or scheduled."""
    if entry.state not in WAITING_STATES:
        raise Refused(gettext("This entry is not waiting to be published."))


def check_version(entry: Entry, version: int | None) -> None:
    """Raise EntryConflict if an entry has changed since a version; None skips this."""
    if version not in (None, entry.version):
        raise EntryConflict(
            gettext("Its writer has changed this text: read it again."), entry
        )


def check_not_erased(entry: Entry) -> None:
    """Raise Refused if an entry was erased."""
    if entry.erased_at:
        raise Refused(gettext("This text was erased. Write a new one."))


def check_not_removed(posting: Posting) -> None:
    """Raise Refused if an update was removed from the story or moved away."""
    if posting.removed:
        raise Refused(gettext("This update is not in this story any more."))


class StoryNotOpen(Refused):
    """The story is closed or withdrawn, so nothing can be published in it."""


def check_story_open(story: Story) -> None:
    """Raise StoryNotOpen if a story is closed or withdrawn."""
    if story.state == Story.State.CLOSED:
        raise StoryNotOpen(gettext("This story is closed. Reopen it to publish in it."))
    if story.state == Story.State.WITHDRAWN:
        raise StoryNotOpen(
            gettext("This story was withdrawn. Restore it to publish in it.")
        )


def checked_language(text: str) -> str:
    """Return a language tag in its canonical form. Raises Refused for other text."""
    try:
        tag = languages.canonical_tag(text)
    except languages.LanguageError as error:
        raise Refused(str(error), "language") from error
    if len(tag) > max_length(Story, "language"):
        raise Refused(gettext("This language code is too long."), "language")
    return tag
