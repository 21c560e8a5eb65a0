"""`rerender`: draw every entry anew, and keep its words for search anew."""

from typing import Any

from django.core.management.base import BaseCommand

from entries import searching
from entries.ledger import redraw
from entries.models import Entry, Story

STEP = 100  # entries between two lines of progress


class Command(BaseCommand):
    """Draw every entry anew; readers hear only of what really changed."""

    help = (
        "Draw all entries anew from their kept source. Only entries whose HTML "
        "really changes get a new number and reach open pages. Keeps the words that "
        "search looks through anew, too."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Walk over the entries, oldest first."""
        # No reading stays open: SQLite would refuse to write after another's commit.
        keys = list(Entry.objects.order_by("pk").values_list("pk", flat=True))
        total, changed = len(keys), 0
        for done, key in enumerate(keys, 1):
            changed += redraw(Entry.objects.get(pk=key))
            if done % STEP == 0:
                self.stderr.write(f"{done} of {total} entries")
        for story in Story.objects.select_related("series"):
            searching.keep(stories=[story])
        self.stdout.write(f"{total} entries, {changed} changed.")
