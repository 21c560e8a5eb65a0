"""The command `rerender`: render every text again and update the search index."""

from typing import Any

from django.core.management import CommandError
from django.core.management.base import BaseCommand

from entries.models import Entry, Story
from entries.text.rendering import BodyError
from entries.verbs import rerender_entry, rerender_summary

PROGRESS_STEP = 100  # texts between two lines of progress


class Command(BaseCommand):
    """Render every text again; readers are notified only of real changes."""

    help = (
        "Draw all entries and summary boxes anew from their kept source. Only those "
        "whose HTML really changes get a new number and reach open pages; one that "
        "cannot be drawn any more keeps what it has, and is named. Keeps the words "
        "that search looks through anew, too. "
        "Exit codes: 0 done, 1 a text could not be drawn."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Walk over the stories, then over the entries, oldest first."""
        # Keep no read transaction open: SQLite could not write after another's commit.
        rows = [*_found(Story), *_found(Entry)]
        changed, failed = 0, 0
        for done, (kind, pk) in enumerate(rows, 1):
            try:
                if row := kind.objects.filter(pk=pk).first():
                    changed += (
                        rerender_entry(row) if kind is Entry else rerender_summary(row)
                    )
            except BodyError as error:
                failed += 1
                self.stderr.write(f"{kind.__name__} {pk} stays as it is: {error}")
            if done % PROGRESS_STEP == 0:
                self.stderr.write(f"{done} of {len(rows)} texts")
        self.stdout.write(f"{len(rows)} texts, {changed} changed.")
        if failed:
            raise CommandError(f"{failed} could not be drawn: edit them at their desk.")


def _found(kind: type[Entry] | type[Story]) -> list[tuple[Any, int]]:
    keys = kind.objects.order_by("pk").values_list("pk", flat=True)
    return [(kind, pk) for pk in keys]
