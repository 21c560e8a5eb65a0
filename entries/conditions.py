"""What a story or an entry must be for a verb to act; asked under their locks."""

from entries.ledger import Refused
from entries.models import Entry, Story

State = Entry.State
WAITING = (State.DRAFT, State.SUBMITTED, State.SCHEDULED)


class Conflict(Refused):
    """Somebody else's text (or an earlier one of the same form) stands already."""

    def __init__(self, sentence: str, entry: Entry) -> None:
        super().__init__(sentence)
        self.entry = entry


def check_waits(entry: Entry) -> None:
    """Raise Refused unless an entry waits to be published."""
    if entry.state not in WAITING:
        raise Refused("This entry is not waiting to be published.")


def check_there(entry: Entry) -> None:
    """Raise Refused where a text is gone for good."""
    if entry.erased_at:
        raise Refused("This text was erased. Write a new one.")


def check_open(story: Story) -> None:
    """Raise Refused where a story takes no more updates."""
    if story.state == Story.State.CLOSED:
        raise Refused("This story is closed. Reopen it to publish in it.")
    if story.state == Story.State.WITHDRAWN:
        raise Refused("This story was withdrawn. Restore it to publish in it.")
