"""What a story or an entry must be for a verb to act; asked under their locks."""

from entries.models import Entry, Posting, Story
from entries.verbs.ledger import Refused

State = Entry.State
WAITING_STATES = (State.DRAFT, State.SUBMITTED, State.SCHEDULED)


class EntryConflict(Refused):
    """Somebody else's text (or an earlier one of the same form) stands already."""

    def __init__(self, sentence: str, entry: Entry) -> None:
        super().__init__(sentence)
        self.entry = entry


def check_waiting(entry: Entry) -> None:
    """Raise Refused unless an entry waits to be published."""
    if entry.state not in WAITING_STATES:
        raise Refused("This entry is not waiting to be published.")


def check_version(entry: Entry, version: int | None) -> None:
    """Raise Conflict where a text is another than the one that was read."""
    if version not in (None, entry.version):
        raise EntryConflict("Its writer has changed this text: read it again.", entry)


def check_not_erased(entry: Entry) -> None:
    """Raise Refused where a text is gone for good."""
    if entry.erased_at:
        raise Refused("This text was erased. Write a new one.")


def check_not_removed(posting: Posting) -> None:
    """Raise Refused where an update was taken out of a story, or moved away."""
    if posting.removed:
        raise Refused("This update is not in this story any more.")


def check_story_open(story: Story) -> None:
    """Raise Refused where a story takes no more updates."""
    if story.state == Story.State.CLOSED:
        raise Refused("This story is closed. Reopen it to publish in it.")
    if story.state == Story.State.WITHDRAWN:
        raise Refused("This story was withdrawn. Restore it to publish in it.")
