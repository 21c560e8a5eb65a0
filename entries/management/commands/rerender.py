"""The command `rerender`: rerender every text and update the search index."""

from typing import Any

from django.core.management import CommandError
from django.core.management.base import BaseCommand

from entries.models import Entry, Story
from entries.text.rendering import BodyError
from entries.verbs import rerender_entry, rerender_summary

PROGRESS_STEP = 100  # texts per line of progress


class Command(BaseCommand):
    """Rerender every text; open pages are updated only where the HTML changed."""

    help = (
        "Draw all entries and summary boxes anew from their kept source. Only those "
        "whose HTML really changes get a new number and reach open pages; one that "
        "cannot be drawn any more keeps what it has, and is named. Keeps the words "
        "that search looks through anew, too. "
        "Exit codes: 0 done, 1 a text could not be drawn."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Rerender the stories, then the entries, oldest first."""
        # No open cursor: in a read transaction, SQLite cannot write after others have.
        rows = [*_rows_of(Story), *_rows_of(Entry)]
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


def _rows_of(kind: type[Entry] | type[Story]) -> list[tuple[Any, int]]:
    keys = kind.objects.order_by("pk").values_list("pk", flat=True)
    return [(kind, pk) for pk in keys]
