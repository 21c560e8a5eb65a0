"""Changes on their way to readers: the door to the package."""

from entries.delivery.log import Changes, Cursor, changes_after
from entries.delivery.watchers import nudge

__all__ = ["Changes", "Cursor", "changes_after", "nudge"]
